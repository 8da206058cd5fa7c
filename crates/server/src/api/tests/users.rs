//! Users, groups, import and export.

use serde_json::json;

use super::world::World;

const USERS: &str = "/api/v1/o/acme/users";
const GROUPS: &str = "/api/v1/o/acme/groups";

#[tokio::test]
async fn a_user_is_made_changed_disabled_and_deleted() {
    let world = World::with_acme().await;
    world.post(GROUPS, json!({"name": "staff"})).await.good();
    let profile = json!({
        "login_name": "ＡNNA@acme.example", "display_name": "Anna Ode", "emails": ["anna@acme.example"], "groups": ["staff"],
    });
    let anna = world.post(USERS, profile).await.good();
    assert_eq!((&anna["login_name"], &anna["source"]), (&json!("anna@acme.example"), &json!("local")));
    assert_eq!(anna["groups"], json!(["staff"]));
    let one = format!("{USERS}/anna@acme.example");
    let wrong = json!({"display_name": "a\u{0}b", "emails": ["x"], "groups": ["nosuch"]});
    let answer = world.patch(&one, wrong).await;
    assert_eq!(
        (answer.refusal().0, answer.pointers()),
        (422, vec!["/display_name".into(), "/emails/0".into(), "/groups/0".into()])
    );
    assert_eq!(world.patch(&one, json!({"groups": []})).await.good()["groups"], json!([]));
    assert_eq!(world.post(&format!("{one}/disable"), json!({})).await.good()["status"], "disabled");
    assert_eq!(world.get(&format!("{USERS}?status=disabled")).await.good()["items"].as_array().unwrap().len(), 1);
    assert_eq!(world.post(&format!("{one}/enable"), json!({})).await.good()["status"], "active");
    assert_eq!(world.delete(&one).await.status, 204);
    assert_eq!(world.get(&one).await.refusal().0, 404);
    assert_eq!(world.get(USERS).await.good()["items"], json!([]));
    let gone = world.get(&format!("{USERS}/{}", anna["id"].as_str().unwrap())).await.good();
    assert_eq!(gone["status"], "deleted");
    // An administrator may give the name to somebody new, who is another user.
    let new = world.post(USERS, json!({"login_name": "anna@acme.example"})).await.good();
    assert_ne!(new["id"], anna["id"]);
}

#[tokio::test]
async fn everything_wrong_with_a_new_user_is_told_at_once() {
    let world = World::with_acme().await;
    let body =
        json!({"login_name": "anna@elsewhere.example", "display_name": "", "emails": ["a@b", "@"], "groups": ["x"]});
    let answer = world.post(USERS, body).await;
    assert_eq!(answer.refusal().0, 422);
    assert_eq!(answer.pointers(), ["/login_name", "/groups/0", "/display_name", "/emails/1"]);
}

#[tokio::test]
async fn groups_have_members_and_protection() {
    let world = World::with_acme().await;
    world.post(USERS, json!({"login_name": "anna@acme.example"})).await.good();
    let group = world.post(GROUPS, json!({"name": "admins", "protected": true})).await.good();
    assert_eq!((&group["protected"], &group["members"]), (&json!(true), &json!(0)));
    assert_eq!(world.post(GROUPS, json!({"name": "admins"})).await.refusal().0, 409);
    let member = format!("{GROUPS}/admins/members/anna@acme.example");
    for _ in 0..2 {
        assert_eq!(world.ask("PUT", &member).json(&json!({})).send().await.good()["members"], 1);
    }
    let members = world.get(&format!("{GROUPS}/admins/members")).await.good();
    assert_eq!(members["items"][0]["login_name"], "anna@acme.example");
    let groups = world.get(&format!("{USERS}/anna@acme.example/groups")).await.good();
    assert_eq!(groups["items"][0]["name"], "admins");
    assert_eq!(world.delete(&member).await.status, 204);
    assert_eq!(world.patch(&format!("{GROUPS}/admins"), json!({"protected": false})).await.good()["protected"], false);
    let token = world.token(&json!({"jit_groups": ["admins"]}));
    let token = world.post("/api/v1/o/acme/device-tokens", token).await.good();
    assert_eq!(token["jit_groups"], json!(["admins"]));
    assert_eq!(world.delete(&format!("{GROUPS}/admins")).await.refusal().0, 409, "a token gives it");
    let revoke = format!("/api/v1/o/acme/device-tokens/{}/revoke", token["id"].as_str().unwrap());
    world.post(&revoke, json!({})).await.good();
    assert_eq!(world.delete(&format!("{GROUPS}/admins")).await.status, 204);
}

#[tokio::test]
async fn an_import_is_all_lines_or_none() {
    let world = World::with_acme().await;
    world.post(GROUPS, json!({"name": "staff"})).await.good();
    let import = |text: &str| world.ask("POST", &format!("{USERS}/import")).bytes("text/csv", text.as_bytes()).send();
    let bad =
        "login_name,emails,groups\nanna@acme.example,anna@acme.example,staff\nbob,x,nosuch\nANNA@acme.example,,\n";
    let answer = import(bad).await;
    assert_eq!(answer.refusal().0, 422);
    assert_eq!(answer.pointers(), ["/3/login_name", "/3/groups/0", "/4/login_name"]);
    assert!(answer.text.contains("line 3:") && answer.text.contains("line 2 already"), "{}", answer.text);
    assert_eq!(world.get(USERS).await.good()["items"], json!([]));
    let good = "login_name,display_name,groups\nanna@acme.example,Anna,staff\nbob@acme.example,=cmd(),\n";
    assert_eq!(import(good).await.good(), json!({"created": 2, "changed": 0, "unchanged": 0}));
    assert_eq!(import(good).await.good(), json!({"created": 0, "changed": 0, "unchanged": 2}));
    let exported = world.get(&format!("{USERS}/export")).await;
    assert!(exported.text.contains("'=cmd()"), "{}", exported.text);
    assert_eq!(import(&exported.text).await.good(), json!({"created": 0, "changed": 0, "unchanged": 2}));
    world.delete(&format!("{USERS}/bob@acme.example")).await.good();
    let answer = import(good).await;
    assert_eq!(answer.pointers(), ["/3/login_name"], "a deleted name does not come back by itself: {}", answer.text);
}
