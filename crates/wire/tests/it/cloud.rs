//! Trust in a cloud: impostors, old documents, chains of roots.

use latchkey_wire::cloud::{Anchor, Known, follow_roots};
use latchkey_wire::message::{Document, Message, RootCommon, Succession, WellKnown};
use latchkey_wire::verify::sign_statement;
use latchkey_wire::{Bytes, Ed25519Key, Pin, PublicJwk, Sign as _, WireError};

use crate::support::challenge_key;

fn root(n: u8) -> Ed25519Key {
    Ed25519Key::from_seed(&[n; 32])
}

fn common(by: &Ed25519Key, org: Option<&str>) -> RootCommon {
    RootCommon {
        v: Default::default(),
        iss: "https://id.example".into(),
        org: org.map(str::to_owned),
        rk: by.public().thumbprint(),
        iat: 1_800_000_000,
    }
}

fn document() -> Document {
    Document {
        domain: "acme.example".into(),
        public_urls: vec!["https://id.example".into()],
        challenge_keys: vec![challenge_key().public().clone()],
        device_ca: vec![],
        tls_spki_sha256: vec![Bytes([8; 32])],
        versions: vec![1],
        min_connector: "0.1.0".into(),
        serial: 1_800_000_000_000,
    }
}

fn step(old: &Ed25519Key, new: &PublicJwk) -> String {
    sign_statement(&Message { common: common(old, None), body: Succession { next: new.clone() } }, old).unwrap()
}

/// A cloud that has had the roots 1, 2 and 3.
fn answer() -> WellKnown {
    let signed = sign_statement(&Message { common: common(&root(3), Some("org-1")), body: document() }, &root(3));
    WellKnown {
        document: signed.unwrap(),
        roots: (1..=3).map(|n| root(n).public().clone()).collect(),
        succession: vec![step(&root(1), root(2).public()), step(&root(2), root(3).public())],
    }
}

fn pin(n: u8) -> Anchor {
    Anchor::Pin(Pin::of(&root(n).public_bytes()))
}

#[test]
fn any_root_of_the_chain_leads_to_the_newest() {
    for n in 1..=3 {
        for anchor in [pin(n), Anchor::Root(root(n).public().clone())] {
            let accepted = follow_roots(&anchor, &answer()).unwrap().accept("acme.example", None).unwrap();
            assert_eq!(accepted.root(), root(3).public());
            assert_eq!(accepted.org(), "org-1");
            assert_eq!(*accepted.document(), document());
        }
    }
}

#[test]
fn an_impostor_is_refused() {
    assert_eq!(follow_roots(&pin(4), &answer()).unwrap_err(), WireError::RootNotPinned);
    // The impostor shows the true roots and signs with its own key.
    let impostor = root(9);
    let mut forged = answer();
    forged.document =
        sign_statement(&Message { common: common(&root(3), Some("org-1")), body: document() }, &impostor).unwrap();
    assert_eq!(follow_roots(&pin(1), &forged).unwrap_err(), WireError::UnknownKey);
    // It appends itself with a succession that it signed itself.
    let mut appended = forged.clone();
    appended.roots.push(impostor.public().clone());
    appended.succession.push(step(&impostor, impostor.public()));
    assert_eq!(follow_roots(&pin(1), &appended).unwrap_err(), WireError::UnknownKey);
    // It appends itself without one.
    appended.succession.pop();
    assert_eq!(follow_roots(&pin(1), &appended).unwrap_err(), WireError::RootSuccession);
}

#[test]
fn r20_a_chain_with_a_step_to_another_key_is_refused() {
    let mut wrong = answer();
    wrong.succession[1] = step(&root(2), root(5).public());
    assert_eq!(follow_roots(&pin(1), &wrong).unwrap_err(), WireError::RootSuccession);
    // Whoever pins the last root does not depend on the steps before it.
    assert!(follow_roots(&pin(3), &wrong).is_ok());
}

#[test]
fn a_document_for_another_domain_or_organization_is_not_followed() {
    let follow = || follow_roots(&pin(1), &answer()).unwrap();
    assert_eq!(follow().accept("other.example", None).unwrap_err(), WireError::NotOurs { member: "domain" });
    let known = Known { org: "org-1".into(), iss: "https://id.example".into(), serial: 1_800_000_000_000 };
    assert!(follow().accept("acme.example", Some(&known)).is_ok());
    let other_org = Known { org: "org-2".into(), ..known.clone() };
    let error = follow().accept("acme.example", Some(&other_org)).unwrap_err();
    assert_eq!(error, WireError::NotOurs { member: "org" });
    let other_issuer = Known { iss: "https://other.example".into(), ..known.clone() };
    let error = follow().accept("acme.example", Some(&other_issuer)).unwrap_err();
    assert_eq!(error, WireError::NotOurs { member: "iss" });
    let newer = Known { serial: known.serial + 1, ..known };
    assert_eq!(follow().accept("acme.example", Some(&newer)).unwrap_err(), WireError::DocumentTooOld);
}

#[test]
fn a_first_document_may_be_thirty_days_old() {
    let accepted = follow_roots(&pin(1), &answer()).unwrap().accept("acme.example", None).unwrap();
    let issued = 1_800_000_000;
    assert!(accepted.fresh_by(issued + 30 * 86_400).is_ok());
    assert_eq!(accepted.fresh_by(issued + 30 * 86_400 + 1), Err(WireError::DocumentTooOld));
}

#[test]
fn an_old_connector_survives_a_newer_cloud() {
    use latchkey_wire::bytes::to_base64url;
    // A member, a kind of key and a setting that this version does not know.
    let mut payload: serde_json::Value = serde_json::from_slice(
        &Message { common: common(&root(3), Some("org-1")), body: document() }.to_payload().unwrap(),
    )
    .unwrap();
    payload["new_member"] = serde_json::json!({"a": [1]});
    payload["challenge_keys"].as_array_mut().unwrap().push(serde_json::json!({"kty": "AKP", "alg": "ML-DSA-44"}));
    let kid = root(3).public().thumbprint();
    let input = format!(
        "{}.{}",
        to_base64url(format!(r#"{{"typ":"lk-cloud+jwt","alg":"EdDSA","kid":"{kid}"}}"#).as_bytes()),
        to_base64url(payload.to_string().as_bytes())
    );
    let signature = to_base64url(&root(3).sign(input.as_bytes()).unwrap());
    let newer = WellKnown { document: format!("{input}.{signature}"), ..answer() };
    let accepted = follow_roots(&pin(1), &newer).unwrap().accept("acme.example", None).unwrap();
    assert_eq!(*accepted.document(), document());
}

#[test]
fn a_statement_that_names_another_root_than_its_signer_is_refused() {
    let mut answered = answer();
    let wrong = Message { common: common(&root(7), None), body: Succession { next: root(2).public().clone() } };
    answered.succession[0] = sign_statement(&wrong, &root(1)).unwrap();
    assert_eq!(follow_roots(&pin(1), &answered).unwrap_err(), WireError::RootSuccession);
    let wrong = Message { common: common(&root(7), Some("org-1")), body: document() };
    let answered = WellKnown { document: sign_statement(&wrong, &root(3)).unwrap(), ..answer() };
    assert_eq!(follow_roots(&pin(1), &answered).unwrap_err(), WireError::NotOurs { member: "rk" });
}

#[test]
fn a_chain_does_not_lead_to_another_cloud() {
    let mut other = common(&root(3), Some("org-1"));
    other.iss = "https://other.example".into();
    let signed = sign_statement(&Message { common: other, body: document() }, &root(3)).unwrap();
    let answered = WellKnown { document: signed, ..answer() };
    assert_eq!(follow_roots(&pin(1), &answered).unwrap_err(), WireError::RootSuccession);

    // A step of the chain, not the last, that speaks for another cloud.
    let mut other = common(&root(1), None);
    other.iss = "https://other.example".into();
    let body = Succession { next: root(2).public().clone() };
    let mut answered = answer();
    answered.succession[0] = sign_statement(&Message { common: other, body }, &root(1)).unwrap();
    assert_eq!(follow_roots(&pin(1), &answered).unwrap_err(), WireError::RootSuccession);
}
