//! Requirement 7: the signatures cover all of an enrollment.

use latchkey_wire::message::Enroll;
use latchkey_wire::{Posted, WireError, bytes};
use serde_json::{Value, json};

use crate::support::{Device, verify_enroll};

/// Every leaf of a JSON value, as a pointer.
fn leaves(value: &Value, at: String, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, v)| leaves(v, format!("{at}/{name}"), into)),
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(i, v)| leaves(v, format!("{at}/{i}"), into));
        }
        _ => into.push(at),
    }
}

/// The same signatures over another payload.
fn with_payload(body: &[u8], payload: &Value) -> Vec<u8> {
    let mut jws: Value = serde_json::from_slice(body).unwrap();
    jws["payload"] = bytes::to_base64url(payload.to_string().as_bytes()).into();
    jws.to_string().into_bytes()
}

fn payload_of(body: &[u8]) -> Value {
    let jws: Value = serde_json::from_slice(body).unwrap();
    serde_json::from_slice(&bytes::from_base64url(jws["payload"].as_str().unwrap()).unwrap()).unwrap()
}

#[test]
fn r07_every_altered_member_of_an_enrollment_is_refused() {
    let device = Device::new();
    let other = Device::new();
    let sent = device.sign(&device.enroll()).unwrap();
    let payload = payload_of(&sent.body);
    assert!(verify_enroll(&with_payload(&sent.body, &payload)).is_ok(), "the unaltered one must pass");

    let mut paths = Vec::new();
    leaves(&payload, String::new(), &mut paths);
    assert!(paths.len() >= 30, "only {paths:?}");
    for path in &paths {
        let mut altered = payload.clone();
        let leaf = altered.pointer_mut(path).unwrap();
        // Values that are valid there, so that nothing but a signature or a comparison can refuse them.
        *leaf = match (path.as_str(), leaf.clone()) {
            ("/protection", _) => json!("claimed"),
            ("/device/platform", _) => json!("macos"),
            ("/user/source", _) => json!("managed"),
            ("/token_id", _) => json!("abcdefghia"),
            ("/evidence/0/id", _) => json!("zyxwvutsra"),
            ("/rk" | "/v_0", _) => json!(bytes::to_base64url(&[9; 32])),
            (_, Value::String(text)) => json!(format!("{text}x")),
            (_, Value::Number(number)) => json!(number.as_u64().unwrap() + 1),
            (_, other) => other,
        };
        assert_ne!(altered, payload, "{path} was not altered");
        assert!(verify_enroll(&with_payload(&sent.body, &altered)).is_err(), "{path} altered");

        let mut without = payload.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        match without.pointer_mut(parent).unwrap() {
            Value::Object(members) => drop(members.remove(name)),
            Value::Array(items) => drop(items.remove(name.parse().unwrap())),
            _ => unreachable!(),
        }
        assert!(verify_enroll(&with_payload(&sent.body, &without)).is_err(), "{path} left out");
    }
    // The attacker's own device key, with everything else as it was.
    let mut stolen = payload.clone();
    stolen["dk_jwk"] = serde_json::to_value(&other.enroll().body.dk_jwk).unwrap();
    assert!(verify_enroll(&with_payload(&sent.body, &stolen)).is_err());
    let mut added = payload.clone();
    added["dry_run"] = json!(true);
    assert!(verify_enroll(&with_payload(&sent.body, &added)).is_err());
}

#[test]
fn r07_every_single_flipped_bit_of_an_enrollment_is_refused() {
    let device = Device::new();
    let sent = device.sign(&device.enroll()).unwrap();
    for at in 0..sent.body.len() {
        for bit in 0..8 {
            let mut altered = sent.body.clone();
            altered[at] ^= 1 << bit;
            assert!(verify_enroll(&altered).is_err(), "byte {at} bit {bit}");
        }
    }
}

/// Signs any payload with everyone an enrollment needs: what a hostile holder of all keys could send.
fn signed_over(device: &Device, payload: &str) -> Vec<u8> {
    use latchkey_wire::Sign as _;
    let encoded = bytes::to_base64url(payload.as_bytes());
    let (token, code) = (crate::support::token(), crate::support::code());
    let (token_key, code_key) = (token.signing_key(), code.signing_key());
    let signers: [(String, &str, &dyn latchkey_wire::Sign); 4] = [
        (device.dk.public().thumbprint().to_string(), "ES256", &device.dk),
        (token.kid(), "EdDSA", &token_key),
        (device.uk.public().thumbprint().to_string(), "ES256", &device.uk),
        (code.kid(), "EdDSA", &code_key),
    ];
    let signatures: Vec<Value> = signers
        .iter()
        .map(|(kid, alg, key)| {
            let header = json!({"typ": "lk-enroll+jwt", "alg": alg, "kid": kid}).to_string();
            let protected = bytes::to_base64url(header.as_bytes());
            let signature = key.sign(format!("{protected}.{encoded}").as_bytes()).unwrap();
            json!({"protected": protected, "signature": bytes::to_base64url(&signature)})
        })
        .collect();
    json!({"payload": encoded, "signatures": signatures}).to_string().into_bytes()
}

/// Whether an error is the one a case is about.
type Expected = fn(&WireError) -> bool;

#[test]
fn well_signed_payloads_that_break_the_rules_are_refused() {
    let device = Device::new();
    let good = payload_of(&device.sign(&device.enroll()).unwrap().body);
    let text = good.to_string();
    assert!(verify_enroll(&signed_over(&device, &text)).is_ok(), "the good one must pass");

    let breaks: [(&str, String, Expected); 9] = [
        ("duplicate member", text.replacen('{', r#"{"v":1,"#, 1), |e| matches!(e, WireError::Duplicate(_))),
        ("nested duplicate", text.replace(r#""host":"#, r#""host":"a","host":"#), |e| {
            matches!(e, WireError::Duplicate(_))
        }),
        ("unknown member", text.replacen('{', r#"{"zz":1,"#, 1), |e| matches!(e, WireError::Unknown(_))),
        ("nested unknown", text.replace(r#""host":"#, r#""zz":1,"host":"#), |e| matches!(e, WireError::Unknown(_))),
        ("unknown in a key", text.replacen(r#""kty":"EC""#, r#""kty":"EC","use":"sig""#, 1), |e| {
            matches!(e, WireError::Unknown(_))
        }),
        ("null", text.replacen('{', r#"{"replaces":null,"#, 1), |e| *e == WireError::Null),
        ("empty string", text.replace("host-1", ""), |e| *e == WireError::Empty),
        ("dry_run false", text.replacen('{', r#"{"dry_run":false,"#, 1), |e| matches!(e, WireError::Unknown(_))),
        ("version 2", text.replace(r#""v":1"#, r#""v":2"#), |e| matches!(e, WireError::Member(_))),
    ];
    for (name, payload, expected) in breaks {
        assert_ne!(payload, text, "{name} changed nothing");
        let error = verify_enroll(&signed_over(&device, &payload)).unwrap_err();
        assert!(expected(&error), "{name}: {error:?}");
    }
}

#[test]
fn headers_and_signatures_are_exactly_those_asked_for() {
    let device = Device::new();
    let body = device.sign(&device.enroll()).unwrap().body;
    let jws: Value = serde_json::from_slice(&body).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut jws = jws.clone();
        change(&mut jws);
        verify_enroll(jws.to_string().as_bytes()).unwrap_err()
    };
    let header = |header: &Value| bytes::to_base64url(header.to_string().as_bytes()).into();
    let first = |at: usize| jws["signatures"][at].clone();
    let kid = device.enroll().body.dk_jwk.thumbprint().to_string();

    assert!(matches!(with(&|j| j["header"] = json!({})), WireError::Shape(_)));
    assert!(matches!(with(&|j| j["signatures"][0]["header"] = json!({"kid": "x"})), WireError::Shape(_)));
    assert!(matches!(with(&|j| drop(j["signatures"].as_array_mut().unwrap().pop())), WireError::Signers(_)));
    assert!(matches!(with(&|j| j["signatures"].as_array_mut().unwrap().push(first(0))), WireError::Signers(_)));
    assert!(matches!(with(&|j| j["signatures"][3] = first(0)), WireError::Signers(_)));
    assert!(matches!(with(&|j| j["signatures"] = vec![first(0); 9].into()), WireError::Signers(_)));
    assert!(matches!(with(&|j| j["signatures"] = json!([])), WireError::Signers(_)));
    let protected = |value: Value| move |j: &mut Value| j["signatures"][0]["protected"] = header(&value);
    let typ = "lk-enroll+jwt";
    for (value, what) in [
        (json!({"typ": typ, "alg": "ES256", "kid": kid, "crit": ["b64"]}), "a fourth member"),
        (json!({"typ": typ, "alg": "ES256"}), "no kid"),
    ] {
        assert_eq!(with(&protected(value)), WireError::Header, "{what}");
    }
    for alg in ["none", "HS256", "EdDSA", "es256"] {
        let error = with(&protected(json!({"typ": typ, "alg": alg, "kid": kid})));
        assert!(matches!(error, WireError::Alg { .. }), "{alg}: {error:?}");
    }
    let error = with(&protected(json!({"typ": "lk-renew+jwt", "alg": "ES256", "kid": kid})));
    assert!(matches!(error, WireError::Typ { .. }), "{error:?}");
}

#[test]
fn too_many_bytes_are_refused_before_anything_is_parsed() {
    let body = vec![b' '; Posted::<Enroll>::MAX_BODY + 1];
    assert!(matches!(Posted::<Enroll>::parse(&body), Err(WireError::TooLarge { .. })));
    let device = Device::new();
    let mut message = device.enroll();
    message.body.device.os = Some("x".repeat(64 * 1024));
    assert!(matches!(device.sign(&message), Err(WireError::TooLarge { .. })));
    let text = message.body.device.os.take().map(|os| format!("{{\"v\":1,\"pad\":\"{os}\"}}")).unwrap();
    assert!(matches!(verify_enroll(&signed_over(&device, &text)), Err(WireError::TooLarge { .. })));
}
