//! Writes the published test vectors: `cargo run -p latchkey-wire --example make_vectors -- crates/wire/vectors`.
//!
//! Keys in an existing `keys.json` are kept. ES256 signatures differ at every run (they are randomized), so run it only when a message
//! changes, and review the difference.

mod refused;

use std::error::Error;
use std::fs;
use std::path::Path;

use latchkey_wire::bytes::{from_base64url, to_base64url};
use latchkey_wire::certificate::{self, Extension};
use latchkey_wire::code::{AnyCode, Retry};
use latchkey_wire::message::{
    Bind, BindingInfo, Body, Challenge, Common, DeviceFacts, DeviceResult, Document, Enroll, Evidence, Heartbeat,
    Message, NonceMessage, Payload, Proof, Reason, Refusal, Renew, Request, RootCommon, Statement, Succession,
    Unenroll, UserClaim,
};
use latchkey_wire::state::Purpose;
use latchkey_wire::verify::{By, sign_proof, sign_request, sign_result, sign_statement};
use latchkey_wire::*;
use serde_json::{Value, json};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const NOW: u64 = 1_800_000_000;
const ORG: &str = "0192f3c1-7d1e-7c3a-9b1f-2f6f0c1d5a10";
const DEVICE: &str = "0192f3c4-0a51-7e55-8d06-41b2c9e7f3aa";

struct Keys {
    root: Ed25519Key,
    root_2: Ed25519Key,
    challenge: Ed25519Key,
    dk: P256Key,
    new_dk: P256Key,
    uk: P256Key,
    mdm: P256Key,
}

fn main() -> Outcome {
    let to = std::env::args().nth(1).ok_or("name the folder to write to")?;
    let to = Path::new(&to);
    let keys = keys(to)?;
    let token = DeviceToken::from_parts("k7x2mq4tza".parse()?, pin(&keys.root), &[0x33; 32]);
    let code = OneTimeCode::from_parts("b5w3hfy6op".parse()?, pin(&keys.root), &[0x44; 32]);
    let write = |name: &str, value: &Value| fs::write(to.join(name), format!("{value:#}\n"));

    write("keys.json", &keys_json(&keys)?)?;
    write("tokens.json", &tokens(&token, &code))?;
    write("hashes.json", &hashes(&keys, &token))?;
    write("extension.json", &extension()?)?;
    let messages = messages(&keys, &token, &code)?;
    write("refused.json", &refused::refused(&keys, &messages)?)?;
    write("well-known.json", &well_known(&keys)?)?;
    write("messages.json", &Value::Array(messages))?;
    Ok(())
}

fn pin(root: &Ed25519Key) -> Pin {
    Pin::of(&root.public_bytes())
}

fn keys(to: &Path) -> Outcome<Keys> {
    let known: Value = match fs::read(to.join("keys.json")) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(_) => Value::Null,
    };
    let p256 = |name: &str| -> Outcome<P256Key> {
        match known[name]["pkcs8"].as_str() {
            Some(text) => Ok(P256Key::from_pkcs8(&from_base64url(text)?)?),
            None => Ok(P256Key::generate()),
        }
    };
    Ok(Keys {
        root: Ed25519Key::from_seed(&[0x11; 32]),
        root_2: Ed25519Key::from_seed(&[0x12; 32]),
        challenge: Ed25519Key::from_seed(&[0x22; 32]),
        dk: p256("dk")?,
        new_dk: p256("new_dk")?,
        uk: p256("uk")?,
        mdm: p256("mdm")?,
    })
}

fn keys_json(keys: &Keys) -> Outcome<Value> {
    let ed25519 = |key: &Ed25519Key| json!({"seed": to_base64url(&*key.seed()), "jwk": key.public(), "thumbprint": key.public().thumbprint()});
    let p256 = |key: &P256Key| -> Outcome<Value> {
        Ok(json!({
            "pkcs8": to_base64url(&key.to_pkcs8()?), "jwk": key.public(), "thumbprint": key.public().thumbprint(),
        }))
    };
    Ok(json!({
        "root": ed25519(&keys.root), "root_2": ed25519(&keys.root_2), "challenge": ed25519(&keys.challenge),
        "dk": p256(&keys.dk)?, "new_dk": p256(&keys.new_dk)?, "uk": p256(&keys.uk)?, "mdm": p256(&keys.mdm)?,
    }))
}

fn tokens(token: &DeviceToken, code: &OneTimeCode) -> Value {
    let text = token.expose().to_string();
    let good = |kind: &str, text: &str, id: &str, seed: u8, key: &PublicJwk, kid: &str| {
        json!({
            "kind": kind, "text": text, "id": id, "pin": token.pin(), "seed": to_base64url(&[seed; 32]),
            "public_key": key, "kid": kid,
        })
    };
    let (id, code_id) = (token.id().as_str(), code.id().as_str());
    let bad: Vec<Value> = [
        ("LK-TOKEN-001", String::new()),
        ("LK-TOKEN-001", "{{deviceToken}}".into()),
        ("LK-TOKEN-001", "${DEVICE_TOKEN}".into()),
        ("LK-TOKEN-001", "%DEVICETOKEN%".into()),
        ("LK-TOKEN-001", "<device token>".into()),
        ("LK-TOKEN-001", "@@DEVICE_TOKEN@@".into()),
        ("LK-TOKEN-001", "changeme".into()),
        ("LK-TOKEN-002", text.replacen("mq4", "mq5", 1)),
        ("LK-TOKEN-002", format!("{text}a")),
        ("LK-TOKEN-002", text.replacen("k7x2", "k7x", 1)),
        ("LK-TOKEN-002", text.replacen("k7x2", "k 7x2", 1)),
        ("LK-TOKEN-003", "lkdt".into()),
        ("LK-TOKEN-003", text[..text.len() - 1].into()),
        ("LK-TOKEN-003", text[..60].into()),
        ("LK-TOKEN-004", text.replacen("lkdt1", "lkdt2", 1)),
        ("LK-TOKEN-004", code.expose().to_string()),
    ]
    .into_iter()
    .map(|(refusal, text)| json!({"text": text, "read_as": "device token", "code": refusal}))
    .collect();
    json!({
        "good": [
            good("device token", &text, id, 0x33, &token.public_key(), &token.kid()),
            good("device token", &format!("  {}\r\n", text.to_uppercase()), id, 0x33, &token.public_key(), &token.kid()),
            good("one-time code", &code.expose(), code_id, 0x44, &code.public_key(), &code.kid()),
        ],
        "bad": bad,
    })
}

fn hashes(keys: &Keys, token: &DeviceToken) -> Value {
    let (e0, e1) = (EpochSecret::from_bytes(&[0x50; 32]), EpochSecret::from_bytes(&[0x51; 32]));
    let epochs = [&e0, &e1].map(|e| json!({"e": to_base64url(e.expose()), "v": e.commitment()}));
    let tags: Vec<Value> = [(&e0, "AQID"), (&e1, "a-nonce_of.any.length")]
        .into_iter()
        .map(|(e, nonce)| json!({"v": e.commitment(), "nonce": nonce, "tag": epoch::tag(&e.commitment(), nonce)}))
        .collect();
    let rfc8037 = PublicJwk::ed25519([
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1,
        0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
    ]);
    let thumbprint = |key: &PublicJwk| json!({"jwk": key, "thumbprint": key.thumbprint()});
    json!({
        "pin": [{"root": keys.root.public(), "pin": token.pin()}],
        "thumbprint": [thumbprint(&rfc8037), thumbprint(keys.dk.public())],
        "epoch": epochs,
        "tag": tags,
        "cb": [{"cookie": "c29tZSBjb29raWU", "cb": epoch::cookie_binding("c29tZSBjb29raWU")}],
        "txn_sha256": [{"txn": "AXRyYW5zYWN0aW9u", "txn_sha256": epoch::txn_sha256("AXRyYW5zYWN0aW9u")}],
    })
}

fn extension() -> Outcome<Value> {
    let v = EpochSecret::from_bytes(&[0x50; 32]).commitment();
    let full = Extension {
        org: ORG.into(),
        device_id: DEVICE.into(),
        n: 3,
        v_n_sha256: Extension::hash_of(&v),
        issued: NOW * 1000,
        domain: "acme.example".into(),
        serial: Some("PF2XK9R1".into()),
    };
    let without = Extension { serial: None, n: 300, ..full.clone() };
    let case = |e: &Extension| -> Outcome<Value> {
        Ok(json!({
            "org": e.org, "device_id": e.device_id, "n": e.n, "v_n": v, "v_n_sha256": e.v_n_sha256, "issued": e.issued,
            "domain": e.domain, "serial": e.serial, "der": to_base64url(&e.to_der()?.0),
        }))
    };
    let der = full.to_der()?.0;
    let mut other_version = der.clone();
    // 30 81 LL 02 01 VV: the version is the sixth byte.
    other_version[5] = 2;
    let bad = [
        ("cut off", der[..der.len() - 1].to_vec()),
        ("a byte too many", [der.as_slice(), &[0]].concat()),
        ("another version", other_version),
        ("nothing", vec![]),
    ];
    Ok(json!({
        "oid": certificate::OID, "oid_der": to_base64url(&certificate::OID_DER),
        "good": [case(&full)?, case(&without)?],
        "bad": bad.map(|(why, der)| json!({"why": why, "der": to_base64url(&der)})),
    }))
}

fn common(keys: &Keys, nonce: &str) -> Common {
    Common {
        v: Default::default(),
        iss: "https://id.example".into(),
        org: ORG.into(),
        rk: keys.root_2.public().thumbprint(),
        nonce: nonce.into(),
        iat: NOW,
    }
}

fn facts() -> DeviceFacts {
    DeviceFacts {
        platform: Platform::Linux,
        os: Some("Debian GNU/Linux 13".into()),
        host: Some("anna-laptop".into()),
        serial: Some("PF2XK9R1".into()),
        smbios_uuid: Some("4c4c4544-0032-3510-8052-b4c04f4e3732".into()),
        agent: "0.1.0".into(),
        external_device_id: None,
        ownership: Some("corporate".into()),
    }
}

fn messages(keys: &Keys, token: &DeviceToken, code: &OneTimeCode) -> Outcome<Vec<Value>> {
    let (token_key, code_key) = (token.signing_key(), code.signing_key());
    let dk = By::key(&keys.dk);
    let (e0, e1) = (EpochSecret::from_bytes(&[0x50; 32]), EpochSecret::from_bytes(&[0x51; 32]));
    let certificate = Binary(b"a certificate in DER stands here".to_vec());
    let mdm_leaf = b"the leaf of an MDM certificate stands here".to_vec();
    let user = |source| UserClaim {
        uk_jwk: keys.uk.public().clone(),
        claim: "anna@acme.example".into(),
        source,
        os_account: "anna".into(),
    };
    let enroll = Enroll {
        cloud: "https://id.example".into(),
        domain: "acme.example".into(),
        token_id: Some(token.id().clone()),
        dk_jwk: keys.dk.public().clone(),
        v_0: e0.commitment(),
        protection: Protection::Software,
        device: facts(),
        user: None,
        evidence: vec![],
        replaces: None,
        dry_run: false,
    };
    let with_user = Enroll {
        user: Some(user(ClaimSource::Managed)),
        evidence: vec![
            Evidence::Code { id: code.id().clone() },
            Evidence::Mdm { chain: vec![Binary(mdm_leaf.clone())] },
        ],
        replaces: Some("0192f3c4-0000-7000-8000-000000000001".into()),
        dry_run: true,
        ..enroll.clone()
    };
    let bare_facts = DeviceFacts { os: None, host: None, serial: None, smbios_uuid: None, ownership: None, ..facts() };
    let renew = Renew {
        device_id: DEVICE.into(),
        n: 0,
        e_n: e0.clone(),
        v_next: e1.commitment(),
        certificate: Some(certificate.clone()),
        facts: bare_facts,
        new_dk_jwk: None,
    };
    let rolled = Renew { new_dk_jwk: Some(keys.new_dk.public().clone()), ..renew.clone() };
    let tag = |nonce: &str| epoch::tag(&e0.commitment(), nonce);
    let bind = Bind {
        device_id: DEVICE.into(),
        n: 0,
        tag: tag("nonce-of-a-bind"),
        uk_jwk: keys.uk.public().clone(),
        claim: "berta@acme.example".into(),
        source: ClaimSource::Account,
        os_account: "berta".into(),
        evidence: vec![],
    };
    let heartbeat = Heartbeat { device_id: DEVICE.into(), n: 0, tag: tag("nonce-of-a-heartbeat") };
    let unenroll = Unenroll { device_id: DEVICE.into(), n: 0, tag: tag("nonce-of-an-unenroll") };
    let txn = epoch::txn_sha256("AXRyYW5zYWN0aW9u");
    let challenge = Challenge {
        txn_sha256: txn,
        origin: "https://id.example".into(),
        service: "wiki".into(),
        cb: epoch::cookie_binding("c29tZSBjb29raWU"),
        channel: Channel::Agent,
        level: Level::Asserted,
        exp: NOW + 60,
    };
    let proof = Proof {
        txn_sha256: txn,
        device_id: DEVICE.into(),
        binding_id: "0192f3c4-0a51-7e55-8d06-41b2c9e7f3ab".into(),
        channel: Channel::Agent,
        n: 0,
        tag: tag("nonce-of-a-challenge"),
        presence: false,
    };
    let nonce = NonceMessage {
        purpose: Purpose::Enroll,
        thumbprint: keys.dk.public().thumbprint(),
        time: NOW,
        exp: NOW + 120,
        serial: NOW * 1000,
    };
    let dk_hash = keys.dk.public().thumbprint();
    let enroll_by = [dk.clone(), By::credential(token, &token_key)];
    let with_user_by = [
        dk.clone(),
        By::credential(token, &token_key),
        By::key(&keys.uk),
        By::credential(code, &code_key),
        By::mdm(&mdm_leaf, &keys.mdm),
    ];
    let message = |body, nonce: &str| Message { common: common(keys, nonce), body };
    let first = Message { common: common(keys, "nonce-of-an-enroll"), body: enroll };
    let sent = sign_request(&first, &dk_hash, &enroll_by)?;
    let result = DeviceResult {
        request_sha256: sent.request_sha256,
        dk: dk_hash,
        device_id: Some(DEVICE.into()),
        state: DeviceState::Registered,
        reason: Some(Reason::Code(AnyCode::Known(Code::Enroll032))),
        n: 0,
        certificate: Some(certificate),
        renew_at: NOW + 302_400,
        heartbeat_s: 3600,
        settings: [("organization".to_owned(), json!("Acme"))].into(),
        time: NOW,
        bindings: vec![BindingInfo {
            id: "0192f3c4-0a51-7e55-8d06-41b2c9e7f3ab".into(),
            state: BindingState::Pending,
            level: Level::KnownUser,
            login_name: "anna@acme.example".into(),
            uk: keys.uk.public().thumbprint(),
        }],
        would: None,
    };
    let refusal = Refusal {
        dk: dk_hash,
        request_sha256: sent.request_sha256,
        time: NOW,
        code: Code::Device410.into(),
        state: Some(DeviceState::Removed),
        retry: Retry::Never,
        retry_after: None,
    };
    let result = Message { common: common(keys, "nonce-of-an-enroll"), body: result };
    let by_new = [dk.clone(), By::key(&keys.new_dk)];
    let by_user = [dk.clone(), By::key(&keys.uk)];
    let mut all = vec![
        posted("an enrollment without a user", &first, &enroll_by, &dk_hash)?,
        posted(
            "an enrollment with everything",
            &Message { common: common(keys, "nonce-of-an-enroll"), body: with_user },
            &with_user_by,
            &dk_hash,
        )?,
        posted(
            "a renewal",
            &Message { common: common(keys, "nonce-of-a-renew"), body: renew },
            std::slice::from_ref(&dk),
            &dk_hash,
        )?,
        posted(
            "a renewal that changes the device key",
            &Message { common: common(keys, "nonce-of-a-renew"), body: rolled },
            &by_new,
            &dk_hash,
        )?,
        posted("a binding", &Message { common: common(keys, "nonce-of-a-bind"), body: bind }, &by_user, &dk_hash)?,
        posted(
            "a heartbeat",
            &Message { common: common(keys, "nonce-of-a-heartbeat"), body: heartbeat },
            std::slice::from_ref(&dk),
            &dk_hash,
        )?,
        posted(
            "an unenrollment",
            &Message { common: common(keys, "nonce-of-an-unenroll"), body: unenroll },
            std::slice::from_ref(&dk),
            &dk_hash,
        )?,
        stated(
            "a nonce",
            &Message { common: common(keys, "nonce-of-an-enroll"), body: nonce },
            &keys.challenge,
            "challenge",
        )?,
        stated(
            "a challenge",
            &Message { common: common(keys, "nonce-of-a-challenge"), body: challenge },
            &keys.challenge,
            "challenge",
        )?,
        stated(
            "a refusal of the enrollment without a user",
            &message(refusal, "nonce-of-an-enroll"),
            &keys.challenge,
            "challenge",
        )?,
    ];
    let proof = Message { common: common(keys, "nonce-of-a-challenge"), body: proof };
    let jws = String::from_utf8(sign_proof(&proof, &dk_hash, &keys.uk)?.body)?;
    all.push(entry("a proof", Typ::Proof, "compact", &["uk"], &proof.to_payload()?, &json!(jws))?);
    for request in [Typ::Enroll, Typ::Renew, Typ::Bind, Typ::Heartbeat, Typ::Unenroll] {
        let jws = sign_result(request, &result, &keys.challenge)?;
        let typ = verify::result_typ(request)?;
        let name = format!("the good answer to {request}");
        all.push(entry(&name, typ, "compact", &["challenge"], &result.to_payload()?, &json!(jws))?);
    }
    Ok(all)
}

fn entry(name: &str, typ: Typ, form: &str, signers: &[&str], payload: &[u8], jws: &Value) -> Outcome<Value> {
    let parsed: Value = serde_json::from_slice(payload)?;
    Ok(json!({
        "name": name, "typ": typ, "form": form, "signers": signers, "payload": parsed,
        "payload_sha256": epoch::request_sha256(payload), "jws": jws,
    }))
}

fn posted<T: Request>(name: &str, message: &Message<T>, by: &[By<'_>], dk: &Thumbprint) -> Outcome<Value> {
    let sent = sign_request(message, dk, by)?;
    let signers: Vec<&str> = message
        .body
        .signers()?
        .iter()
        .enumerate()
        .map(|(at, signer)| match signer {
            verify::Signer::Device => "dk",
            verify::Signer::DeviceKey(_) if at == 0 => "dk",
            verify::Signer::DeviceKey(_) => "new_dk",
            verify::Signer::User | verify::Signer::UserKey(_) => "uk",
            verify::Signer::Token(_) => "token",
            verify::Signer::Code(_) => "code",
            verify::Signer::Mdm(_) => "mdm",
        })
        .collect();
    entry(name, T::TYP, "json", &signers, &message.to_payload()?, &serde_json::from_slice(&sent.body)?)
}

fn stated<T: Statement + Body + Payload>(
    name: &str,
    message: &Message<T>,
    key: &Ed25519Key,
    by: &str,
) -> Outcome<Value> {
    entry(name, T::TYP, "compact", &[by], &message.to_payload()?, &json!(sign_statement(message, key)?))
}

fn root_common(signer: &Ed25519Key, org: Option<&str>) -> RootCommon {
    RootCommon {
        v: Default::default(),
        iss: "https://id.example".into(),
        org: org.map(str::to_owned),
        rk: signer.public().thumbprint(),
        iat: NOW,
    }
}

fn well_known(keys: &Keys) -> Outcome<Value> {
    let document = Document {
        domain: "acme.example".into(),
        public_urls: vec!["https://id.example".into(), "https://id2.example:8443".into()],
        challenge_keys: vec![keys.challenge.public().clone()],
        device_ca: vec![Binary(b"the device CA's certificate in DER stands here".to_vec())],
        tls_spki_sha256: vec![bytes::sha256(b"the SubjectPublicKeyInfo of a TLS key")],
        versions: vec![1],
        min_connector: "0.1.0".into(),
        serial: NOW * 1000,
    };
    let signed = |key: &Ed25519Key| {
        sign_statement(&Message { common: root_common(key, Some(ORG)), body: document.clone() }, key)
    };
    let step = |old: &Ed25519Key, new: &Ed25519Key| {
        let body = Succession { next: new.public().clone() };
        sign_statement(&Message { common: root_common(old, None), body }, old)
    };
    let (roots, chain) = (json!([keys.root.public(), keys.root_2.public()]), step(&keys.root, &keys.root_2)?);
    let case = |name: &str, pin: Pin, accepted: bool, answer: Value| json!({"name": name, "pin": pin, "domain": "acme.example", "accepted": accepted, "answer": answer});
    let good = json!({"document": signed(&keys.root_2)?, "roots": roots, "succession": [chain]});
    let by_old = json!({"document": signed(&keys.root)?, "roots": roots, "succession": [chain]});
    let self_signed =
        json!({"document": signed(&keys.root_2)?, "roots": roots, "succession": [step(&keys.root_2, &keys.root_2)?]});
    let no_chain = json!({"document": signed(&keys.root_2)?, "roots": roots, "succession": []});
    let mut other_domain = case("for another domain", pin(&keys.root), false, good.clone());
    other_domain["domain"] = json!("other.example");
    Ok(json!([
        case("pinned to the first root", pin(&keys.root), true, good.clone()),
        case("pinned to the newest root", pin(&keys.root_2), true, good.clone()),
        case("pinned to another cloud", pin(&keys.challenge), false, good),
        case("signed by a root that has a successor", pin(&keys.root), false, by_old),
        case("a successor that names itself", pin(&keys.root), false, self_signed),
        case("a successor without a statement", pin(&keys.root), false, no_chain),
        other_domain,
    ]))
}
