//! Domains and the device token policy.

use std::time::Duration;

use latchkey_directory::domains::Recheck;
use latchkey_directory::values::DomainState;
use serde_json::json;

use super::world::World;

#[tokio::test]
async fn a_domain_is_claimed_and_verified_by_the_operators_word() {
    let world = World::new().await;
    world.organization("acme").await;
    let domains = "/api/v1/o/acme/domains";
    let made = world.post(domains, json!({"name": "Bücher.example"})).await.good();
    assert_eq!((&made["name"], &made["verification"]), (&json!("xn--bcher-kva.example"), &json!("pending")));
    assert_eq!(made["record"]["name"], "_latchkey-challenge.xn--bcher-kva.example");
    assert_eq!(latchkey_directory::domains::RECORD_LABEL, crate::net::dns::LABEL);
    assert_eq!(world.post(domains, json!({"name": "bücher.example."})).await.refusal().0, 409);
    assert_eq!(world.post(domains, json!({"name": "nodot"})).await.refusal().0, 422);
    let verify = format!("{domains}/xn--bcher-kva.example/verify");
    assert_eq!(world.post(&verify, json!({"operator_word": " "})).await.refusal().0, 422);
    // Nobody can verify such a name by DNS, and is told so.
    assert_eq!(world.post(&verify, json!({})).await.refusal().1, "LK-DOMAIN-003");
    let verified = world.post(&verify, json!({"operator_word": "lab"})).await.good();
    assert_eq!((&verified["verification"], &verified["reason"]), (&json!("operator_word"), &json!("lab")));
    assert_eq!(world.delete(&format!("{domains}/bücher.example")).await.status, 204);
}

#[tokio::test]
async fn a_verified_domain_belongs_to_one_organization_and_a_claim_to_anybody() {
    let world = World::with_acme().await;
    world.organization("other").await;
    let claim = json!({"name": "acme.example"});
    world.post("/api/v1/o/other/domains", claim).await.good();
    let word = json!({"operator_word": "lab"});
    world.post("/api/v1/o/acme/domains/acme.example/verify", word.clone()).await.good();
    let answer = world.post("/api/v1/o/other/domains/acme.example/verify", word.clone()).await;
    assert_eq!(answer.refusal(), (409, "LK-API-008".to_owned()));
    assert!(!answer.text.contains("acme\""), "whose it is stays unsaid: {}", answer.text);
    world.delete("/api/v1/o/acme/domains/acme.example").await.good();
    world.post("/api/v1/o/other/domains/acme.example/verify", word).await.good();
}

#[tokio::test]
async fn the_operators_word_is_the_operators() {
    let world = World::with_acme().await;
    let token = world.access_token("acme", &["domains:write"]).await;
    let verify = world.ask("POST", "/api/v1/o/acme/domains/acme.example/verify").bearer(&token);
    assert_eq!(verify.json(&json!({"operator_word": "mine"})).send().await.refusal(), (403, "LK-AUTH-004".to_owned()));
}

#[tokio::test]
async fn a_record_that_is_gone_leads_to_lapsing_and_then_lapsed_and_back() {
    use latchkey_directory::domains::DomainProof;
    use latchkey_directory::{Intent, audit::Actor};
    let world = World::with_acme().await;
    let org = world.app.directory.organization("acme").await.unwrap().id;
    let intent = Intent::of(&Actor::system());
    world.app.directory.verify_domain(&intent, &org, "acme.example", DomainProof::Record).await.unwrap();
    let day = Duration::from_secs(86_400);
    assert!(world.app.directory.domains_to_recheck().await.unwrap().is_empty());
    let mut states = Vec::new();
    for _ in 0..15 {
        world.clock.advance(day + Duration::from_millis(1));
        assert_eq!(world.app.directory.domains_to_recheck().await.unwrap().len(), 1);
        states.push(world.app.directory.note_recheck(&org, "acme.example", Recheck::Missing).await.unwrap());
    }
    // The first miss is the beginning; three and fourteen days later it has consequences.
    assert_eq!(states[..3], [DomainState::Verified; 3]);
    assert_eq!(states[3..14], [DomainState::Lapsing; 11]);
    assert_eq!(states[14], DomainState::Lapsed);
    let back = world.app.directory.note_recheck(&org, "acme.example", Recheck::Seen).await.unwrap();
    assert_eq!(back, DomainState::Verified);
}

#[tokio::test]
async fn the_policy_is_written_as_a_whole_on_the_version_that_was_read() {
    let world = World::with_acme().await;
    let path = "/api/v1/o/acme/device-token-policy";
    let read = world.get(path).await;
    let tag = read.etag();
    assert_eq!(read.json()["enabled"], false);
    let put = |tag: &str, body: serde_json::Value| world.ask("PUT", path).header("if-match", tag).json(&body).send();
    let answer = put(&tag, json!({"enabled": true})).await;
    assert_eq!((answer.refusal().0, answer.pointers().len()), (422, 3));
    let foreign =
        json!({"enabled": true, "all_domains": false, "domains": ["acme.example", "evil.example"], "jit": false});
    let answer = put(&tag, foreign).await;
    assert_eq!((answer.refusal().0, answer.pointers()), (422, vec!["/domains/1".to_owned()]));
    let good = json!({"enabled": true, "all_domains": false, "domains": ["ACME.example"], "jit": true});
    let written = put(&tag, good.clone()).await;
    assert_eq!(written.json()["domains"], json!(["acme.example"]));
    assert_eq!(put(&tag, good).await.refusal().0, 412);
    // A domain that the policy names cannot be given up.
    assert_eq!(world.delete("/api/v1/o/acme/domains/acme.example").await.refusal().0, 409);
}
