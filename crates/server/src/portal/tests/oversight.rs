//! The pages of audit, sessions, keys and API clients.

use http::StatusCode;
use serde_json::json;

use latchkey_wire::DeviceState;

use super::fleet::Machine;
use super::people::Person;
use crate::api::tests::world::World;

/// What stands in the first `<code>` of the page's reference.
fn reference(text: &str) -> String {
    text.rsplit_once("<code>").unwrap().1.split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn every_refusal_is_found_by_its_reference_with_reason_and_fix() {
    let world = World::with_acme().await;
    let owner = Person::with_role(&world, "olga", Some("owner")).await;
    let nobody = Person::with_role(&world, "nora", None).await;
    let refused = nobody.get(&world, "/o/acme/admin/keys").await;
    let reference = reference(&refused.text);
    let found = owner.get(&world, &format!("/o/acme/admin/audit/explain?what={reference}")).await;
    assert!(found.text.contains("needs the right keys:read") && found.text.contains("LK-AUTH-002"), "{}", found.text);
    let event = owner.get(&world, &format!("/o/acme/admin/audit?ref={reference}")).await;
    assert!(event.text.contains("portal.refuse"), "{}", event.text);
    let code = owner.get(&world, "/o/acme/admin/audit/explain?what=lk-token-001").await;
    assert!(code.text.contains("LK-TOKEN-001"), "{}", code.text);
    let none = owner.get(&world, "/o/acme/admin/audit/explain?what=%3Cscript%3E").await;
    assert!(none.text.contains("Nothing is recorded") && !none.text.contains("<script>"), "{}", none.text);
}

#[tokio::test]
async fn events_are_searched_shown_with_what_was_before_and_exported() {
    let world = World::with_acme().await;
    let owner = Person::with_role(&world, "olga", Some("owner")).await;
    for jit in [false, true] {
        world.policy(json!({"enabled": true, "all_domains": true, "domains": [], "jit": jit})).await;
    }
    let list = owner.get(&world, "/o/acme/admin/audit?action=policy.set").await;
    assert!(list.text.contains(">policy.set<") && !list.text.contains("role.give"), "{}", list.text);
    let id = list.text.split("/admin/audit/events/").nth(1).unwrap().split('"').next().unwrap();
    let event = owner.get(&world, &format!("/o/acme/admin/audit/events/{id}")).await;
    assert!(event.text.contains("<del>false</del>") && event.text.contains("<ins>true</ins>"), "{}", event.text);
    let wrong = owner.get(&world, "/o/acme/admin/audit?since=yesterday").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("value=\"yesterday\"") && wrong.text.contains("is no time"), "{}", wrong.text);
    let lines = owner.get(&world, "/o/acme/admin/audit/export?format=jsonl&action=policy.set").await;
    assert_eq!(lines.text.lines().count(), 2, "{}", lines.text);
    assert_eq!(lines.headers["content-disposition"], "attachment; filename=\"audit.jsonl\"");
    for line in lines.text.lines() {
        latchkey_directory::audit::export::ExportedEvent::parse(line).unwrap();
    }
    let csv = owner.get(&world, "/o/acme/admin/audit/export?format=csv&action=policy.set").await;
    assert!(csv.text.starts_with("at,actor_kind,actor") && csv.text.lines().count() == 3, "{}", csv.text);
    let verdict = owner.post(&world, "/o/acme/admin/audit/verify", &[]).await;
    assert!(verdict.text.contains("The log is whole"), "{}", verdict.text);
}

#[tokio::test]
async fn sessions_here_are_listed_and_ended_by_whoever_may() {
    let world = World::with_acme().await;
    let owner = Person::with_role(&world, "olga", Some("owner")).await;
    let other = Person::with_role(&world, "otto", Some("auditor")).await;
    let list = owner.get(&world, "/o/acme/admin/sessions/browsers?user=otto@acme.example").await;
    assert!(list.text.contains("otto@acme.example") && !list.text.contains("This one"), "{}", list.text);
    let end = list.text.split("/admin/sessions/browsers/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    // Whoever only looks sees no button, and the address is shut.
    let looks = other.get(&world, "/o/acme/admin/sessions/browsers").await;
    assert!(!looks.text.contains("/end\""), "{}", looks.text);
    let path = format!("/o/acme/admin/sessions/browsers/{end}");
    assert_eq!(other.post(&world, &path, &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(owner.post(&world, &path, &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(other.get(&world, "/o/acme/").await.status, StatusCode::SEE_OTHER, "signed out");
    let confirm = owner.get(&world, "/o/acme/admin/sessions/end").await;
    assert!(confirm.text.contains("You too") && confirm.text.contains("name=\"everyone\""), "{}", confirm.text);
    let by_accident = owner.post(&world, "/o/acme/admin/sessions/end", &[]).await;
    assert_eq!(by_accident.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(owner.get(&world, "/o/acme/").await.status, StatusCode::OK, "nobody was signed out by accident");
}

#[tokio::test]
async fn a_key_is_added_activated_and_the_former_retired_while_both_are_published() {
    let world = World::new().await;
    let intent = latchkey_directory::Intent::of(&latchkey_directory::audit::Actor::system());
    world.app.create_organization(&intent, "acme".into(), "Acme".into()).await.unwrap();
    world.post("/api/v1/o/acme/domains", json!({"name": "acme.example"})).await.good();
    let owner = Person::with_role(&world, "olga", Some("owner")).await;
    let added = owner.post(&world, "/o/acme/admin/keys/new", &[("kind", "assertion:ecdsa-p256")]).await;
    assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.text);
    let keys = world.app.directory.keys(&owner.org).await.unwrap();
    let new = keys.iter().find(|key| key.state.as_str() == "upcoming").unwrap();
    let old = keys
        .iter()
        .find(|key| key.state.as_str() == "active" && key.r#use == new.r#use && key.algorithm == new.algorithm)
        .unwrap();
    let published = |text: &str| text.matches("X509Certificate>").count();
    let before = published(&owner.get(&world, &format!("/o/{}/saml/metadata", owner.org)).await.text);
    let retire_old = format!("/o/acme/admin/keys/{}/retire", old.id);
    assert_eq!(owner.get(&world, &retire_old).await.status, StatusCode::CONFLICT, "the one in use stays");
    let activate = format!("/o/acme/admin/keys/{}/activate", new.id);
    assert!(owner.get(&world, &activate).await.text.contains("stays published"));
    assert_eq!(owner.post(&world, &activate, &[]).await.status, StatusCode::SEE_OTHER);
    let after = published(&owner.get(&world, &format!("/o/{}/saml/metadata", owner.org)).await.text);
    assert_eq!(before, after, "both are published, before and after");
    assert_eq!(owner.post(&world, &retire_old, &[]).await.status, StatusCode::SEE_OTHER);
    let list = owner.get(&world, "/o/acme/admin/keys").await;
    assert!(
        list.text.contains("Retired") && list.text.contains(&new.fingerprint_sha256.clone().unwrap()),
        "{}",
        list.text
    );
    let wrong = owner.post(&world, "/o/acme/admin/keys/new", &[("kind", "pairwise")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn an_api_client_is_made_with_no_more_than_its_maker_has_and_its_secret_is_shown_once() {
    let world = World::with_acme().await;
    let owner = Person::with_role(&world, "olga", Some("owner")).await;
    let fields = [("name", "<b>inventory"), ("scopes", "devices:read"), ("scopes", "users:read")];
    let made = owner.post(&world, "/o/acme/admin/api-clients/new", &fields).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let secret = format!("lkcs1_{}", made.text.split("lkcs1_").nth(1).unwrap().split('<').next().unwrap());
    assert!(!String::from_utf8_lossy(&world.dump()).contains(&secret), "nobody keeps it");
    assert!(!made.text.contains("<b>inventory"), "a name is no markup");
    let id = world.app.directory.client(&owner.org, "<b>inventory").await.unwrap().id;
    let place = format!("/o/acme/admin/api-clients/{id}");
    let page = owner.get(&world, &place).await;
    assert!(page.text.contains("devices:read") && !page.text.contains(&secret), "{}", page.text);
    assert!(!page.text.contains("<b>inventory"));
    // An identity administrator gives away only what that role has.
    let ida = Person::with_role(&world, "ida", Some("identity-administrator")).await;
    let fields = [("name", "x"), ("scopes", "tokens:write"), ("scopes", "users:read")];
    let too_much = ida.post(&world, "/o/acme/admin/api-clients/new", &fields).await;
    assert_eq!(too_much.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", too_much.text);
    assert!(too_much.text.contains("tokens:write is more than you may do yourself"), "{}", too_much.text);
    let none = owner.post(&world, "/o/acme/admin/api-clients/new", &[("name", "<b>inventory")]).await;
    assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(none.text.contains("id=\"e-scopes\"") && !none.text.contains("value=\"<b>"), "{}", none.text);
    let rotated = owner.post(&world, &format!("{place}/rotate"), &[]).await;
    assert!(rotated.text.contains("lkcs1_") && !rotated.text.contains(&secret), "{}", rotated.text);
    assert_eq!(owner.post(&world, &format!("{place}/disable"), &[]).await.status, StatusCode::SEE_OTHER);
    assert!(owner.get(&world, &place).await.text.contains("/enable\""));
    assert!(owner.get(&world, &format!("{place}/delete")).await.text.contains("cannot be undone"));
    assert_eq!(owner.post(&world, &format!("{place}/delete"), &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(owner.get(&world, &place).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_dashboard_counts_what_happened_and_says_why_somebody_was_refused() {
    use latchkey_directory::refusal::Remembered;
    let world = World::with_acme().await;
    let owner = Person::with_role(&world, "olga", Some("owner")).await;
    let refused = |code: &str| Remembered {
        actor: latchkey_directory::audit::Actor::system(),
        action: "signin.saml",
        code: code.to_owned(),
        subject: "wiki".to_owned(),
        address: None,
        detail: "a reason".to_owned(),
        proven: false,
    };
    let directory = &world.app.directory;
    directory.remember_refusal(&owner.org, refused("LK-PROOF-010")).await;
    let page = owner.get(&world, "/o/acme/admin?days=7").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("LK-PROOF-010") && page.text.contains("<polyline"), "{}", page.text);
    assert!(page.text.contains("2026-11-24"), "the table beneath");
    // Counted in the background or not yet: the answer is the same, and counting again counts nothing twice.
    let path = "/api/v1/o/acme/statistics?days=7";
    let before = world.get(path).await.good();
    world.clock.advance(std::time::Duration::from_secs(120));
    for _ in 0..3 {
        directory.count_events().await.unwrap();
    }
    assert_eq!(world.get(path).await.good(), before);
    assert_eq!(before["refused"], json!([{"code": "LK-PROOF-010", "count": 1}]));
    assert_eq!(before["days"].as_array().unwrap().len(), 7);
    assert_eq!(before["days"][6]["users"], 1, "{before}");
    directory.remember_refusal(&owner.org, refused("LK-PROOF-011")).await;
    assert_eq!(world.get(path).await.good()["days"][6]["refused"], 2, "what came since counts too");
    assert_eq!(world.get("/api/v1/o/acme/statistics?days=91").await.pointers(), ["/days"]);
}

#[tokio::test]
async fn the_connectors_first_page_says_what_comes_next() {
    let world = World::with_acme().await;
    let admin = Person::with_role(&world, "olga", Some("owner")).await;
    let page = admin.get(&world, "/o/acme/connector").await.text;
    assert!(page.contains("Create a device token") && page.contains("No device has registered yet"), "{page}");
    let token = world.token(&json!({"description": "Berlin <laptops>"}));
    world.post("/api/v1/o/acme/device-tokens", token).await.good();
    let page = admin.get(&world, "/o/acme/connector").await.text;
    assert!(page.contains("Berlin &#60;laptops&#62;") && page.contains("Let device tokens be accepted"), "{page}");
    let waiting = Machine { id: "d1", host: "berlin-1", user: "anna", state: DeviceState::Pending, token: None };
    waiting.put(&world, &admin.org).await;
    let page = admin.get(&world, "/o/acme/connector").await.text;
    assert!(page.contains("Approve devices that wait") && page.contains("berlin-1"), "{page}");
    let desk = Person::with_role(&world, "dora", Some("auditor")).await;
    let page = desk.get(&world, "/o/acme/connector").await.text;
    assert!(!page.contains("Approve devices that wait"), "who may not is not asked to: {page}");
}
