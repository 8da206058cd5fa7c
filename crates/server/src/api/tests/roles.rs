//! Roles over HTTP: who may give what.

use serde_json::json;

use super::world::World;

const ROLES: &str = "/api/v1/o/acme/roles";

async fn acme() -> World {
    let world = World::with_acme().await;
    world.post("/api/v1/o/acme/users", json!({"login_name": "anna@acme.example"})).await.good();
    world.post("/api/v1/o/acme/groups", json!({"name": "Staff"})).await.good();
    world
}

#[tokio::test]
async fn a_role_is_made_given_listed_taken_and_deleted() {
    let world = acme().await;
    let new = json!({"name": "Stock", "rights": {"devices": "view", "users": "restricted"}});
    let tried = world.post(&format!("{ROLES}?dry_run=true"), new.clone()).await.good();
    assert_eq!(tried["would"], json!({"created": 1}));
    let made = world.post(ROLES, new.clone()).await.good();
    assert_eq!(world.post(ROLES, new).await.refusal(), (409, "LK-API-007".to_owned()));
    let given = world.post(&format!("{ROLES}/Stock/assignments"), json!({"holder": "user:anna@acme.example"})).await;
    let given = given.good();
    assert_eq!((&given["role"], &given["name"]), (&json!("Stock"), &json!("anna@acme.example")));
    world.post(&format!("{ROLES}/Stock/assignments"), json!({"holder": "group:Staff"})).await.good();
    let wrong = world.post(&format!("{ROLES}/Stock/assignments"), json!({"holder": "anna"})).await;
    assert_eq!(wrong.pointers(), ["/holder"]);
    let who = world.get(&format!("{ROLES}/{}/assignments", made["id"].as_str().unwrap())).await.good();
    assert_eq!(who["items"].as_array().unwrap().len(), 2);
    let of = world.get("/api/v1/o/acme/users/anna@acme.example/roles").await.good();
    assert_eq!(of["items"][0]["role"], "Stock");
    assert_eq!(world.delete(&format!("{ROLES}/Stock")).await.refusal().0, 409, "somebody has it");
    let tried = world.delete(&format!("{ROLES}/Stock?from_everybody=true&dry_run=true")).await.good();
    assert_eq!(tried["would"], json!({"deleted": 1, "taken": 2}));
    world.delete(&format!("{ROLES}/Stock/assignments/{}", given["id"].as_str().unwrap())).await.good();
    world.delete(&format!("{ROLES}/Stock/assignments/group:Staff")).await.good();
    assert_eq!(world.delete(&format!("{ROLES}/Stock/assignments/group:Staff")).await.refusal().0, 404);
    let patch = json!({"rights": {"users": null, "keys": "all"}});
    assert_eq!(world.patch(&format!("{ROLES}/Stock"), patch).await.pointers(), ["/rights/keys"]);
    world.delete(&format!("{ROLES}/Stock")).await.good();
    let left = world.get(ROLES).await.good();
    assert!(left["items"].as_array().unwrap().iter().all(|role| role["built_in"] == json!(true)));
}

#[tokio::test]
async fn an_api_client_gives_no_more_than_its_scopes() {
    let world = acme().await;
    let token = world.access_token("acme", &["roles:read", "roles:write", "users:read", "users:write"]).await;
    let give = |role: &str| {
        let path = format!("{ROLES}/{role}/assignments");
        world.ask("POST", &path).bearer(&token).json(&json!({"holder": "user:anna@acme.example"})).send()
    };
    assert_eq!(give("owner").await.refusal(), (403, "LK-AUTH-002".to_owned()));
    let new = |rights| world.ask("POST", ROLES).bearer(&token).json(&json!({"name": "R", "rights": rights})).send();
    assert_eq!(new(json!({"keys": "view"})).await.pointers(), ["/rights/keys"]);
    new(json!({"users": "full"})).await.good();
    give("R").await.good();
    // By hand an owner is made; the client may change nothing of somebody who has more than it has.
    world.post(&format!("{ROLES}/owner/assignments"), json!({"holder": "user:anna@acme.example"})).await.good();
    let user = "/api/v1/o/acme/users/anna@acme.example";
    let change = world.ask("PATCH", user).bearer(&token).json(&json!({"display_name": "Eve"}));
    assert_eq!(change.send().await.refusal().0, 403);
    let token = world.access_token("acme", &["roles:read"]).await;
    let read_only = world.ask("POST", &format!("{ROLES}/R/assignments")).bearer(&token);
    assert_eq!(read_only.json(&json!({"holder": "user:anna@acme.example"})).send().await.refusal().0, 403);
}

#[tokio::test]
async fn nobody_is_signed_in_to_the_portals_of_a_new_organization() {
    let world = acme().await;
    let sessions = "/api/v1/o/acme/browser-sessions";
    assert_eq!(world.get(sessions).await.good()["items"], json!([]));
    assert_eq!(world.get(&format!("{sessions}?user=anna@acme.example")).await.good()["items"], json!([]));
    assert_eq!(world.get(&format!("{sessions}?user=nobody@acme.example")).await.refusal().0, 404);
    assert_eq!(world.delete(&format!("{sessions}/x")).await.refusal().0, 404);
}
