//! The published vectors, read as another implementation would.

use latchkey_wire::certificate::{self, Extension};
use latchkey_wire::cloud::{Anchor, follow_roots};
use latchkey_wire::message::{
    Bind, Body, Challenge, DeviceResult, Enroll, Heartbeat, Message, NonceMessage, Payload, Proof, Refusal, Renew,
    Request, Statement, Unenroll,
};
use latchkey_wire::verify::{NoKey, Signer, verify_refusal, verify_result, verify_statement};
use latchkey_wire::*;
use serde_json::Value;

fn file(name: &str) -> Value {
    let path = format!("{}/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    let list = value.as_array().unwrap();
    assert!(!list.is_empty());
    list
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn binary(value: &Value) -> Vec<u8> {
    bytes::from_base64url(text(value)).unwrap()
}

fn jwk(value: &Value) -> PublicJwk {
    PublicJwk::parse(&value.to_string()).unwrap()
}

fn key(name: &str) -> PublicJwk {
    jwk(&file("keys.json")[name]["jwk"])
}

#[test]
fn keys_are_what_they_say() {
    let keys = file("keys.json");
    for (name, entry) in keys.as_object().unwrap() {
        let public = match entry["seed"].as_str() {
            Some(seed) => {
                let seed: Bytes<32> = seed.parse().unwrap();
                Ed25519Key::from_seed(&seed.0).public().clone()
            }
            None => P256Key::from_pkcs8(&binary(&entry["pkcs8"])).unwrap().public().clone(),
        };
        assert_eq!(public, jwk(&entry["jwk"]), "{name}");
        assert_eq!(public.thumbprint().to_string(), text(&entry["thumbprint"]), "{name}");
    }
}

#[test]
fn tokens_read_as_published() {
    let tokens = file("tokens.json");
    fn check<K: token::Kind>(credential: &token::Credential<K>, entry: &Value) {
        assert_eq!(credential.id().as_str(), text(&entry["id"]));
        assert_eq!(credential.pin().to_string(), text(&entry["pin"]));
        assert_eq!(credential.kid(), text(&entry["kid"]));
        assert_eq!(credential.public_key(), jwk(&entry["public_key"]));
        assert_eq!(credential.signing_key().seed().as_slice(), binary(&entry["seed"]));
        assert_eq!(*credential.expose(), text(&entry["text"]).trim().to_lowercase());
    }
    for entry in list(&tokens["good"]) {
        match text(&entry["kind"]) {
            "device token" => check(&DeviceToken::parse(text(&entry["text"])).unwrap(), entry),
            "one-time code" => check(&OneTimeCode::parse(text(&entry["text"])).unwrap(), entry),
            other => panic!("{other}"),
        }
    }
    for entry in list(&tokens["bad"]) {
        let error = DeviceToken::parse(text(&entry["text"])).err().unwrap();
        assert_eq!(error.code().as_str(), text(&entry["code"]), "{entry}");
    }
}

#[test]
fn hashes_are_as_published() {
    let hashes = file("hashes.json");
    for entry in list(&hashes["pin"]) {
        let PublicJwk::Ed25519 { x } = jwk(&entry["root"]) else { panic!("a root is Ed25519") };
        assert_eq!(Pin::of(x.as_bytes()).to_string(), text(&entry["pin"]));
    }
    for entry in list(&hashes["thumbprint"]) {
        assert_eq!(jwk(&entry["jwk"]).thumbprint().to_string(), text(&entry["thumbprint"]));
    }
    // RFC 8037, appendix A.3: a value that we did not compute ourselves.
    assert_eq!(text(&hashes["thumbprint"][0]["thumbprint"]), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    for entry in list(&hashes["epoch"]) {
        let e: Bytes<32> = text(&entry["e"]).parse().unwrap();
        assert_eq!(epoch::epoch_commitment(&e.0).to_string(), text(&entry["v"]));
    }
    for entry in list(&hashes["tag"]) {
        let v = text(&entry["v"]).parse().unwrap();
        assert_eq!(epoch::tag(&v, text(&entry["nonce"])).to_string(), text(&entry["tag"]));
    }
    for entry in list(&hashes["cb"]) {
        assert_eq!(epoch::cookie_binding(text(&entry["cookie"])).to_string(), text(&entry["cb"]));
    }
    for entry in list(&hashes["txn_sha256"]) {
        assert_eq!(epoch::txn_sha256(text(&entry["txn"])).to_string(), text(&entry["txn_sha256"]));
    }
}

#[test]
fn the_extension_is_as_published() {
    let vectors = file("extension.json");
    assert_eq!(text(&vectors["oid"]), certificate::OID);
    assert_eq!(binary(&vectors["oid_der"]), certificate::OID_DER);
    for entry in list(&vectors["good"]) {
        let extension = Extension {
            org: text(&entry["org"]).into(),
            device_id: text(&entry["device_id"]).into(),
            n: entry["n"].as_u64().unwrap(),
            v_n_sha256: Extension::hash_of(&text(&entry["v_n"]).parse().unwrap()),
            issued: entry["issued"].as_u64().unwrap(),
            domain: text(&entry["domain"]).into(),
            serial: entry["serial"].as_str().map(Into::into),
        };
        assert_eq!(extension.v_n_sha256.to_string(), text(&entry["v_n_sha256"]));
        assert_eq!(extension.to_der().unwrap().0, binary(&entry["der"]));
        assert_eq!(Extension::from_der(&binary(&entry["der"])).unwrap(), extension);
    }
    for entry in list(&vectors["bad"]) {
        assert!(Extension::from_der(&binary(&entry["der"])).is_err(), "{}", entry["why"]);
    }
}

#[test]
fn the_document_is_followed_exactly_where_published() {
    let vectors = file("well-known.json");
    let accepted = list(&vectors).iter().filter(|entry| {
        let anchor = Anchor::Pin(text(&entry["pin"]).parse().unwrap());
        let answer = serde_json::from_value(entry["answer"].clone()).unwrap();
        let accepted = follow_roots(&anchor, &answer).and_then(|f| f.accept(text(&entry["domain"]), None));
        assert_eq!(accepted.is_ok(), entry["accepted"], "{}: {accepted:?}", entry["name"]);
        accepted.is_ok()
    });
    assert_eq!(accepted.count(), 2);
}

/// The keys of the vectors, as a server's store would find them.
fn lookup(signer: &Signer) -> Result<PublicJwk, NoKey> {
    let tokens = file("tokens.json");
    match signer {
        Signer::Device => Ok(key("dk")),
        Signer::User => Ok(key("uk")),
        Signer::Mdm(_) => Ok(key("mdm")),
        Signer::Token(_) => Ok(jwk(&tokens["good"][0]["public_key"])),
        Signer::Code(_) => Ok(jwk(&tokens["good"][2]["public_key"])),
        Signer::DeviceKey(_) | Signer::UserKey(_) => Err(NoKey),
    }
}

fn same<T: Payload>(message: &Message<T>, request_sha256: Bytes<32>, entry: &Value) {
    let written: Value = serde_json::from_slice(&message.to_payload().unwrap()).unwrap();
    assert_eq!(written, entry["payload"], "{}", entry["name"]);
    assert_eq!(request_sha256.to_string(), text(&entry["payload_sha256"]), "{}", entry["name"]);
}

fn check<T: Payload>(verified: Result<Verified<T>, WireError>, entry: &Value) {
    let verified = verified.unwrap_or_else(|error| panic!("{}: {error}", entry["name"]));
    same(verified.message(), verified.request_sha256(), entry);
}

fn posted<T: Request>(entry: &Value) -> Posted<T> {
    Posted::parse(entry["jws"].to_string().as_bytes()).unwrap()
}

fn stated<T: Statement>(entry: &Value) {
    check(verify_statement::<T>(text(&entry["jws"]), &[key("challenge")]), entry);
    let stranger = verify_statement::<T>(text(&entry["jws"]), &[key("root")]);
    assert_eq!(stranger.unwrap_err(), WireError::UnknownKey);
}

#[test]
fn every_message_verifies_and_says_what_is_published() {
    let vectors = file("messages.json");
    let enrollment = list(&vectors).iter().find(|m| m["name"] == "an enrollment without a user").unwrap();
    let sent = |typ| Sent {
        body: vec![],
        typ,
        dk: key("dk").thumbprint(),
        request_sha256: text(&enrollment["payload_sha256"]).parse().unwrap(),
        nonce: text(&enrollment["payload"]["nonce"]).into(),
        org: text(&enrollment["payload"]["org"]).into(),
    };
    let mut seen = std::collections::BTreeSet::new();
    for entry in list(&vectors) {
        let typ: Typ = text(&entry["typ"]).parse().unwrap();
        seen.insert(typ);
        match typ {
            Enroll::TYP => {
                let proven =
                    posted::<Enroll>(entry).verify_token(&lookup(&Signer::Token(token_id())).unwrap()).unwrap();
                check(proven.verify(lookup), entry);
            }
            Renew::TYP => check(posted::<Renew>(entry).verify(lookup), entry),
            Bind::TYP => check(posted::<Bind>(entry).verify(lookup), entry),
            Heartbeat::TYP => check(posted::<Heartbeat>(entry).verify(lookup), entry),
            Unenroll::TYP => check(posted::<Unenroll>(entry).verify(lookup), entry),
            Proof::TYP => check(Posted::parse_proof(text(&entry["jws"])).unwrap().verify(lookup), entry),
            NonceMessage::TYP => stated::<NonceMessage>(entry),
            Challenge::TYP => stated::<Challenge>(entry),
            Refusal::TYP => {
                stated::<Refusal>(entry);
                check(verify_refusal(text(&entry["jws"]), &sent(Typ::Enroll), &[key("challenge")]), entry);
            }
            typ => {
                let request = [Typ::Enroll, Typ::Renew, Typ::Bind, Typ::Heartbeat, Typ::Unenroll]
                    .into_iter()
                    .find(|request| verify::result_typ(*request) == Ok(typ))
                    .unwrap();
                let verify = |sent: &Sent| verify_result(text(&entry["jws"]), sent, &[key("challenge")]);
                check::<DeviceResult>(verify(&sent(request)), entry);
                let other = Sent { request_sha256: Bytes([0; 32]), ..sent(request) };
                assert_eq!(verify(&other).unwrap_err(), WireError::NotOurs { member: "request_sha256" });
                let other = Sent { dk: Bytes([0; 32]), ..sent(request) };
                assert_eq!(verify(&other).unwrap_err(), WireError::NotOurs { member: "dk" });
            }
        }
    }
    // Document and succession are in well-known.json.
    assert_eq!(seen.len(), Typ::ALL.len() - 2, "{seen:?}");
}

fn token_id() -> TokenId {
    text(&file("tokens.json")["good"][0]["id"]).parse().unwrap()
}

#[test]
fn every_malformed_message_is_refused() {
    for entry in list(&file("refused.json")) {
        let verified = Posted::<Heartbeat>::parse(entry["jws"].to_string().as_bytes()).and_then(|p| p.verify(lookup));
        assert!(verified.is_err(), "{} was accepted", entry["why"]);
    }
}

/// What the second client, which shares no code with this crate, posted (`tests/python-client/test_client.py --write`).
#[test]
fn what_the_second_client_posts_verifies() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/python-client/posted.json");
    let posted: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut seen = Vec::new();
    for entry in list(&posted) {
        let body = entry["jws"].to_string();
        let key = |signer: &Signer| match signer {
            Signer::Device => Ok(jwk(&entry["dk"])),
            Signer::User => Ok(jwk(&entry["uk"])),
            other => lookup(other),
        };
        let typ: Typ = text(&entry["typ"]).parse().unwrap();
        seen.push(typ);
        match typ {
            Typ::Enroll => {
                let enroll = Posted::<Enroll>::parse(body.as_bytes()).unwrap();
                assert_eq!(enroll.signers().len(), 4);
                let proven = enroll.verify_token(&lookup(&Signer::Token(token_id())).unwrap()).unwrap();
                assert!(proven.verify(key).is_ok());
            }
            Typ::Renew => assert!(Posted::<Renew>::parse(body.as_bytes()).unwrap().verify(key).is_ok()),
            Typ::Heartbeat => assert!(Posted::<Heartbeat>::parse(body.as_bytes()).unwrap().verify(key).is_ok()),
            Typ::Proof => assert!(Posted::parse_proof(text(&entry["jws"])).unwrap().verify(key).is_ok()),
            other => panic!("{other}"),
        }
    }
    assert_eq!(seen, [Typ::Enroll, Typ::Renew, Typ::Heartbeat, Typ::Heartbeat, Typ::Proof]);
}
