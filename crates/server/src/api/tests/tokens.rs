//! Device tokens.

use std::time::Duration;

use latchkey_wire::DeviceToken;
use serde_json::{Value, json};

use super::world::World;

const TOKENS: &str = "/api/v1/o/acme/device-tokens";
const PASSWORD: &str = "correct horse 1";

fn id(token: &Value) -> &str {
    token["id"].as_str().unwrap()
}

#[tokio::test]
async fn r01_a_dump_of_the_store_opens_as_no_token_without_the_password() {
    let world = World::with_acme().await;
    let kept = world.token(&json!({"sealed_copy": true, "password": PASSWORD}));
    let mut secrets = Vec::new();
    for body in [world.token(&json!({})), kept] {
        let made = world.post(TOKENS, body).await.good();
        let text = made["device_token"].as_str().unwrap().to_owned();
        let token = DeviceToken::parse(&text).unwrap();
        assert_eq!(token.pin(), world.app.pin());
        secrets.push((id(&made).to_owned(), text, token.signing_key().seed().to_vec()));
    }
    let dump = world.dump();
    let has = |needle: &[u8]| dump.windows(needle.len()).any(|window| window == needle);
    // The scan finds what is there.
    assert!(has(secrets[0].0.as_bytes()));
    for (_, text, seed) in &secrets {
        let part = text.split('_').nth(3).unwrap();
        for needle in [text.as_bytes(), part.as_bytes(), part.to_ascii_uppercase().as_bytes(), seed] {
            assert!(!has(needle));
        }
    }
    assert!(!has(PASSWORD.as_bytes()));
    // Neither has any answer but the first.
    for path in [TOKENS.to_owned(), format!("{TOKENS}/{}", secrets[0].0), "/api/v1/o/acme/audit-events".to_owned()] {
        let text = world.get(&path).await.text;
        assert!(secrets.iter().all(|(_, secret, _)| !text.contains(secret.as_str())), "{path}");
    }
    // With the password the copy is the token, without it nothing.
    let reveal = |token: usize, password: &str| {
        world.post(&format!("{TOKENS}/{}/reveal", secrets[token].0), json!({"password": password}))
    };
    assert_eq!(reveal(1, PASSWORD).await.good()["device_token"], secrets[1].1.as_str());
    assert_eq!(reveal(0, PASSWORD).await.refusal().0, 409);
}

#[tokio::test]
async fn five_wrong_passwords_an_hour_and_no_more() {
    let world = World::with_acme().await;
    let made = world.post(TOKENS, world.token(&json!({"sealed_copy": true, "password": PASSWORD}))).await.good();
    let reveal =
        |password: &'static str| world.post(&format!("{TOKENS}/{}/reveal", id(&made)), json!({"password": password}));
    for _ in 0..5 {
        assert_eq!(reveal("wrong horse 22").await.refusal(), (403, "LK-AUTH-002".to_owned()));
    }
    let answer = reveal(PASSWORD).await;
    assert_eq!(answer.refusal(), (429, "LK-API-014".to_owned()));
    assert_eq!(answer.json()["retry_after"], 3600);
    world.clock.advance(Duration::from_secs(3_601));
    reveal(PASSWORD).await.good();
}

#[tokio::test]
async fn r02_no_token_without_expiry_uses_and_a_domain() {
    let world = World::with_acme().await;
    let answer = world.post(TOKENS, json!({})).await;
    assert_eq!(answer.refusal(), (422, "LK-API-010".to_owned()));
    assert_eq!(answer.pointers(), ["/password", "/description", "/domains", "/expires_at", "/max_uses"]);
    for (change, pointer) in [
        (json!({"expires_at": null}), "/expires_at"),
        (json!({"expires_at": world.ahead(0)}), "/expires_at"),
        (json!({"expires_at": world.ahead(365 * 86_400 + 1)}), "/expires_at"),
        (json!({"max_uses": null}), "/max_uses"),
        (json!({"max_uses": 0}), "/max_uses"),
        (json!({"max_uses": 1_000_001}), "/max_uses"),
        (json!({"domains": null}), "/domains"),
        (json!({"domains": []}), "/domains"),
        (json!({"domains": ["elsewhere.example"]}), "/domains/0"),
        (json!({"networks": ["10.0.0.0/8", "x"]}), "/networks/1"),
        (json!({"platforms": ["beos"]}), "/platforms"),
        (json!({"min_evidence": 6}), "/min_evidence"),
        (json!({"initial_state": "removed"}), "/initial_state"),
        (json!({"jit_groups": ["nosuch"]}), "/jit_groups/0"),
        (json!({"brake": 0}), "/brake"),
        (json!({"sealed_copy": true}), "/password"),
        (json!({"sealed_copy": true, "password": "short1"}), "/password"),
        (json!({"sealed_copy": true, "password": "onlyletterslong"}), "/password"),
        (json!({"password": PASSWORD}), "/sealed_copy"),
    ] {
        let answer = world.post(TOKENS, world.token(&change)).await;
        assert_eq!((answer.refusal().0, answer.pointers()), (422, vec![pointer.to_owned()]), "{change}");
    }
    let list = world.get(TOKENS).await.good();
    assert_eq!(list["items"], json!([]));
    // A year is the longest, for a change as for a new one.
    let made = world.post(TOKENS, world.token(&json!({"expires_at": world.ahead(365 * 86_400)}))).await.good();
    let path = format!("{TOKENS}/{}", id(&made));
    let further = world.patch(&format!("{path}?loosen=true"), json!({"expires_at": world.ahead(366 * 86_400)})).await;
    assert_eq!((further.refusal().0, further.pointers()), (422, vec!["/expires_at".to_owned()]));
    // Time makes an end of it whatever else is said.
    let made = world.post(TOKENS, world.token(&json!({}))).await.good();
    world.clock.advance(Duration::from_secs(86_400));
    assert_eq!(world.get(&format!("{TOKENS}/{}", id(&made))).await.good()["state"], "expired");
}

#[tokio::test]
async fn a_new_token_says_what_still_stops_it() {
    let world = World::with_acme().await;
    let because = |made: &Value| made["not_accepted_because"].clone();
    let made = world.post(TOKENS, world.token(&json!({}))).await.good();
    assert_eq!(made["accepted"], false);
    assert_eq!(because(&made), json!(["LK-ENROLL-020", "LK-ENROLL-021", "LK-CLOUD-001", "LK-ENROLL-022"]));
    assert_eq!(made["cloud_name"], "localhost:8470");
    assert_eq!(made["cloud_key"], world.app.cloud_key());
    world.post("/api/v1/o/acme/domains/acme.example/verify", json!({"operator_word": "lab"})).await.good();
    world.policy(json!({"enabled": true, "all_domains": true, "domains": [], "jit": false})).await;
    let made = world.post(TOKENS, world.token(&json!({}))).await.good();
    assert_eq!(because(&made), json!(["LK-ENROLL-022"]));
    world.post("/api/v1/o/acme/users", json!({"login_name": "anna@acme.example"})).await.good();
    let made = world.post(TOKENS, world.token(&json!({}))).await.good();
    assert_eq!((because(&made), &made["accepted"]), (json!([]), &json!(true)));
}

#[tokio::test]
async fn what_accepts_more_must_be_asked_for_by_name() {
    let world = World::with_acme().await;
    let limits = json!({"min_evidence": 3, "networks": ["10.0.0.0/8"], "initial_state": "pending", "brake": 10});
    let made = world.post(TOKENS, world.token(&limits)).await.good();
    let one = format!("{TOKENS}/{}", id(&made));
    let looser =
        json!({"max_uses": 6, "min_evidence": 0, "networks": [], "initial_state": "registered", "brake": null});
    let answer = world.patch(&one, looser.clone()).await;
    assert_eq!(answer.refusal().0, 422);
    assert_eq!(answer.pointers(), ["/max_uses", "/networks", "/min_evidence", "/initial_state", "/brake"]);
    let tighter = json!({"max_uses": 4, "networks": ["10.1.0.0/16"], "description": "new"});
    assert_eq!(world.patch(&one, tighter).await.good()["max_uses"], 4);
    let loosened = world.patch(&format!("{one}?loosen=true"), looser).await.good();
    assert_eq!((&loosened["max_uses"], &loosened["brake"]), (&json!(6), &json!(null)));
}

#[tokio::test]
async fn r05_a_revoked_token_is_over_and_takes_along_what_was_asked_for() {
    let world = World::with_acme().await;
    let made = world.post(TOKENS, world.token(&json!({}))).await.good();
    let one = format!("{TOKENS}/{}", id(&made));
    assert_eq!(world.post(&format!("{one}/disable"), json!({})).await.good()["state"], "disabled");
    assert_eq!(world.post(&format!("{one}/enable"), json!({})).await.good()["state"], "active");
    let since = json!({"quarantine_since": "2026-11-01T00:00:00Z"});
    let would = world.post(&format!("{one}/revoke?dry_run=true"), since.clone()).await.good();
    assert_eq!(would["would"], json!({"revoked": 1, "quarantined": 0}));
    assert_eq!(world.get(&one).await.good()["state"], "active");
    let revoked = world.post(&format!("{one}/revoke"), since).await.good();
    assert_eq!((&revoked["state"], &revoked["quarantined"]), (&json!("revoked"), &json!(0)));
    for verb in ["enable", "disable"] {
        assert_eq!(world.post(&format!("{one}/{verb}"), json!({})).await.refusal().0, 409, "{verb}");
    }
    assert_eq!(world.patch(&one, json!({"max_uses": 1})).await.refusal().0, 409);
    assert_eq!(world.ask("DELETE", &one).send().await.status, 405, "it stays for the audit");
}

#[tokio::test]
async fn a_successor_has_the_limits_and_the_old_one_ends() {
    let world = World::with_acme().await;
    let made = world.post(TOKENS, world.token(&json!({"max_uses": 7}))).await.good();
    let rotate = |token: &Value, body: Value| world.post(&format!("{TOKENS}/{}/rotate", id(token)), body);
    let second = rotate(&made, json!({"overlap_s": 3_600, "sealed_copy": false})).await.good();
    assert_eq!((&second["max_uses"], &second["uses"]), (&json!(7), &json!(0)));
    assert_ne!(second["device_token"], made["device_token"]);
    let old = world.get(&format!("{TOKENS}/{}", id(&made))).await.good();
    assert_eq!((&old["state"], &old["replaced_by"]), (&json!("active"), &second["id"]));
    assert_eq!(old["expires_at"], world.ahead(3_600));
    let third = rotate(&second, json!({"sealed_copy": false})).await.good();
    assert_eq!(world.get(&format!("{TOKENS}/{}", id(&second))).await.good()["state"], "revoked");
    assert_eq!(rotate(&second, json!({"sealed_copy": false})).await.refusal().0, 409);
    assert_eq!(rotate(&third, json!({})).await.refusal().0, 422);
}

#[tokio::test]
async fn there_are_no_more_tokens_than_the_organization_may_have() {
    let world = World::with_acme().await;
    world.patch("/api/v1/o/acme", json!({"max_tokens": 1})).await.good();
    let made = world.post(TOKENS, world.token(&json!({}))).await.good();
    assert_eq!(world.post(TOKENS, world.token(&json!({}))).await.refusal().0, 409);
    // A successor takes the place of the one that ends.
    let next = world.post(&format!("{TOKENS}/{}/rotate", id(&made)), json!({"sealed_copy": false})).await.good();
    world.post(&format!("{TOKENS}/{}/revoke", id(&next)), json!({})).await.good();
    world.post(TOKENS, world.token(&json!({}))).await.good();
}

#[tokio::test]
async fn a_string_is_identified_by_check_sum_and_key() {
    let world = World::with_acme().await;
    let made = world.post(TOKENS, world.token(&json!({}))).await.good();
    let text = made["device_token"].as_str().unwrap();
    let identify = |text: String| world.post(&format!("{TOKENS}/identify"), json!({"text": text}));
    let found = identify(format!("msiexec TOKEN={text} /qn")).await.good();
    assert_eq!((&found["id"], &found["genuine"]), (&made["id"], &json!(true)));
    let token = DeviceToken::parse(text).unwrap();
    let forged = DeviceToken::from_parts(token.id().clone(), token.pin(), &[1; 32]);
    assert_eq!(identify(forged.expose().to_string()).await.good()["genuine"], false);
    assert_eq!(identify(text.replace(&text[30..32], "qq")).await.refusal().1, "LK-TOKEN-002");
    assert_eq!(identify("%TOKEN%".to_owned()).await.refusal(), (422, "LK-TOKEN-001".to_owned()));
    assert_eq!(identify(DeviceToken::generate(token.pin()).expose().to_string()).await.refusal().0, 404);
}

#[tokio::test]
async fn a_roll_out_begins_with_where_it_stands() {
    use http_body_util::BodyExt as _;
    let world = World::with_acme().await;
    let made = world.post(TOKENS, world.token(&json!({"expect": 20_000}))).await.good();
    let mut body = world.ask("GET", &format!("{TOKENS}/{}/watch", id(&made))).stream().await;
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let text = String::from_utf8(frame.to_vec()).unwrap();
    let event: Value = serde_json::from_str(text.trim().strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!((&event["enrolled"], &event["expect"], &event["state"]), (&json!(0), &json!(20_000), &json!("active")));
}

#[tokio::test]
async fn a_roll_out_is_watched_no_longer_than_access_token_and_client_allow() {
    use http_body_util::BodyExt as _;
    let world = World::with_acme().await;
    let made = world.post(TOKENS, world.token(&json!({}))).await.good();
    let path = format!("{TOKENS}/{}/watch", id(&made));
    for how in ["expired", "disabled", "fewer scopes"] {
        let token = world.access_token("acme", &["tokens:read", how_scope(how)]).await;
        let mut body = world.ask("GET", &path).bearer(&token).stream().await;
        assert!(body.frame().await.unwrap().unwrap().is_data());
        let client = format!("/api/v1/o/acme/api-clients/client tokens:read {}", how_scope(how)).replace(' ', "%20");
        match how {
            "expired" => world.clock.advance(Duration::from_secs(601)),
            "disabled" => drop(world.post(&format!("{client}/disable"), json!({})).await.good()),
            _ => drop(world.patch(&client, json!({"scopes": ["users:read"]})).await.good()),
        }
        let next = tokio::time::timeout(Duration::from_secs(10), body.frame()).await;
        assert!(next.expect("the stream goes on").is_none(), "{how}");
    }
}

/// Another scope for each, because clients are named by theirs.
fn how_scope(how: &str) -> &'static str {
    match how {
        "expired" => "users:read",
        "disabled" => "groups:read",
        _ => "devices:read",
    }
}
