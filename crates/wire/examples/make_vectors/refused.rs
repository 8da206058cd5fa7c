//! Posted messages that a server must refuse.

use latchkey_wire::Sign as _;
use latchkey_wire::bytes::to_base64url;
use serde_json::{Value, json};

use crate::{Keys, Outcome};

/// Heartbeats with a good signature of the device key, or whatever the name says, which a server must refuse.
pub(crate) fn refused(keys: &Keys, messages: &[Value]) -> Outcome<Value> {
    let heartbeat = messages.iter().find(|m| m["name"] == "a heartbeat").ok_or("no heartbeat")?;
    let good = heartbeat["payload"].to_string();
    let kid = keys.dk.public().thumbprint().to_string();
    let header = json!({"typ": "lk-heartbeat+jwt", "alg": "ES256", "kid": kid});
    let sign = |header: &Value, payload: &str| -> Outcome<(String, Value)> {
        let (protected, payload) = (to_base64url(header.to_string().as_bytes()), to_base64url(payload.as_bytes()));
        let signature = keys.dk.sign(format!("{protected}.{payload}").as_bytes())?;
        Ok((payload, json!({"protected": protected, "signature": to_base64url(&signature)})))
    };
    let jws = |header: &Value, payload: &str| -> Outcome<Value> {
        let (payload, signature) = sign(header, payload)?;
        Ok(json!({"payload": payload, "signatures": [signature]}))
    };
    let tag = heartbeat["payload"]["tag"].as_str().ok_or("no tag")?;
    let mut all = Vec::new();
    let payloads = [
        ("a member stands twice", good.replacen('{', r#"{"n":0,"#, 1)),
        ("a member stands twice, once escaped", good.replacen('{', r#"{"\u006e":0,"#, 1)),
        ("an unknown member", good.replacen('{', r#"{"extra":1,"#, 1)),
        ("null", good.replacen('{', r#"{"extra":null,"#, 1)),
        ("an empty string", good.replace("0192f3c4-0a51-7e55-8d06-41b2c9e7f3aa", "")),
        ("a negative number", good.replace(r#""n":0"#, r#""n":-1"#)),
        ("a fraction", good.replace(r#""n":0"#, r#""n":0.0"#)),
        ("an integer over 2^53-1", good.replace(r#""n":0"#, r#""n":9007199254740992"#)),
        ("another version", good.replace(r#""v":1"#, r#""v":2"#)),
        ("a missing member", good.replace(r#""n":0,"#, "")),
        ("a string where a number belongs", good.replace(r#""n":0"#, r#""n":"0""#)),
        ("base64url with padding", good.replace(tag, &format!("{tag}="))),
        ("more than 16 KiB", good.replace("0192f3c4-0a51", &"x".repeat(16 * 1024))),
        ("data after the object", format!("{good} {{}}")),
        ("not JSON", "latchkey".to_owned()),
    ];
    for (why, payload) in payloads {
        if payload == good {
            return Err(format!("{why}: changed nothing").into());
        }
        all.push(json!({"why": why, "typ": "lk-heartbeat+jwt", "jws": jws(&header, &payload)?}));
    }
    let headers = [
        ("another typ", json!({"typ": "lk-unenroll+jwt", "alg": "ES256", "kid": kid})),
        ("alg none", json!({"typ": "lk-heartbeat+jwt", "alg": "none", "kid": kid})),
        ("alg of another role", json!({"typ": "lk-heartbeat+jwt", "alg": "EdDSA", "kid": kid})),
        (
            "a fourth member in the header",
            json!({"typ": "lk-heartbeat+jwt", "alg": "ES256", "kid": kid, "crit": ["b64"]}),
        ),
        ("no kid", json!({"typ": "lk-heartbeat+jwt", "alg": "ES256"})),
        ("a kid that is no thumbprint", json!({"typ": "lk-heartbeat+jwt", "alg": "ES256", "kid": "device"})),
    ];
    for (why, header) in headers {
        all.push(json!({"why": why, "typ": "lk-heartbeat+jwt", "jws": jws(&header, &good)?}));
    }
    let (payload, signature) = sign(&header, &good)?;
    let mut zeroed = signature.clone();
    zeroed["signature"] = to_base64url(&[0; 64]).into();
    let mut unprotected = signature.clone();
    unprotected["header"] = json!({"kid": kid});
    let shapes = [
        ("no signature", json!({"payload": payload, "signatures": []})),
        ("a double signature", json!({"payload": payload, "signatures": [signature, signature]})),
        ("a signature of zeros", json!({"payload": payload, "signatures": [zeroed]})),
        ("an unprotected header", json!({"payload": payload, "signatures": [unprotected]})),
        (
            "a member beside payload and signatures",
            json!({"payload": payload, "signatures": [signature], "header": {"a": 1}}),
        ),
        (
            "the flattened form",
            json!({"payload": payload, "protected": signature["protected"], "signature": signature["signature"]}),
        ),
    ];
    all.extend(shapes.map(|(why, jws)| json!({"why": why, "typ": "lk-heartbeat+jwt", "jws": jws})));
    Ok(Value::Array(all))
}
