//! Every form of error of api.md, and what every list and change has in common.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use super::world::World;

#[tokio::test]
async fn every_kind_of_refusal_has_its_status_and_code() {
    let world = World::with_acme().await;
    let base = "/api/v1/o/acme";
    let refusal = |status: u16, code: &str| (status, code.to_owned());
    let users = format!("{base}/users");
    let ask = |method: &'static str, path: &str| world.ask(method, path);

    let answer = ask("POST", &users).bytes("application/json", b"{").send().await;
    assert_eq!(answer.refusal(), refusal(400, "LK-API-001"));
    let twice = br#"{"login_name": "a@acme.example", "login_name": "b@acme.example"}"#;
    let answer = ask("POST", &users).bytes("application/json", twice).send().await;
    assert_eq!(answer.refusal(), refusal(400, "LK-API-001"));
    assert!(answer.text.contains("stands twice"), "{}", answer.text);
    let answer = ask("GET", &format!("{base}/audit-events?outcome=foo")).send().await;
    assert_eq!((answer.refusal(), answer.pointers().len()), (refusal(422, "LK-API-010"), 1));
    let answer = ask("POST", &users).json(&json!([])).send().await;
    assert_eq!(answer.refusal(), refusal(400, "LK-API-001"));
    let answer = ask("POST", &users).json(&json!({"login_nam": "a@acme.example", "grups": []})).send().await;
    assert_eq!(answer.refusal(), refusal(400, "LK-API-003"));
    assert_eq!(answer.pointers().iter().collect::<HashSet<_>>().len(), 2);
    assert!(answer.text.contains("is it login_name?") && answer.text.contains("is it groups?"), "{}", answer.text);
    let answer = ask("GET", &format!("{users}?stat=active")).send().await;
    assert_eq!(answer.refusal(), refusal(400, "LK-API-003"));
    assert!(answer.text.contains("is it status?"), "{}", answer.text);
    let answer = ask("GET", &users).public().send().await;
    assert_eq!(answer.refusal(), refusal(401, "LK-AUTH-001"));
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    let answer = ask("POST", "/api/v1/organizations").public().json(&json!({"slug": "x", "name": "X"})).send().await;
    assert_eq!(answer.status, 404, "the public listener has no such route");
    assert_eq!(ask("GET", &format!("{users}/nobody@acme.example")).send().await.refusal(), refusal(404, "LK-API-004"));
    assert_eq!(ask("GET", "/api/v1/o/nosuch/users").send().await.refusal(), refusal(404, "LK-API-004"));
    world.post(&users, json!({"login_name": "anna@acme.example"})).await.good();
    let answer = world.post(&users, json!({"login_name": "ANNA@acme.example"})).await;
    assert_eq!(answer.refusal(), refusal(409, "LK-API-007"));
    let anna = format!("{users}/anna@acme.example");
    let stale = ask("PATCH", &anna).header("if-match", "\"old\"").json(&json!({"department": "x"})).send().await;
    assert_eq!(stale.refusal(), refusal(412, "LK-API-009"));
    let answer = ask("POST", &users).bytes("text/plain", b"{}").send().await;
    assert_eq!(answer.refusal(), refusal(415, "LK-API-002"));
    let answer = world.post(&users, json!({"login_name": 3, "emails": "x"})).await;
    assert_eq!((answer.refusal(), answer.pointers().len()), (refusal(422, "LK-API-010"), 2));
    let answer = ask("PUT", &format!("{base}/device-token-policy")).json(&json!({})).send().await;
    assert_eq!(answer.refusal(), refusal(428, "LK-API-012"));
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let world = World::with_acme().await;
    let body = vec![b' '; 3 * 1024 * 1024];
    let answer = world.ask("POST", "/api/v1/o/acme/users").bytes("application/json", &body).send().await;
    assert_eq!(answer.refusal(), (413, "LK-API-006".to_owned()));
}

#[tokio::test]
async fn pages_are_stable_while_rows_come_and_go() {
    let world = World::with_acme().await;
    let users = "/api/v1/o/acme/users";
    for n in 0..7 {
        // What is made in the same millisecond has no order that a person would expect.
        world.clock.advance(Duration::from_millis(1));
        world.post(users, json!({"login_name": format!("u{n}@acme.example")})).await.good();
    }
    world.clock.advance(Duration::from_millis(1));
    let first = world.get(&format!("{users}?limit=3&count=estimate")).await.good();
    assert_eq!(first["count"], 7);
    let names = |page: &serde_json::Value| {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|user| user["login_name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&first), ["u6@acme.example", "u5@acme.example", "u4@acme.example"]);
    world.post(users, json!({"login_name": "new@acme.example"})).await.good();
    world.delete(&format!("{users}/u4@acme.example")).await.good();
    let second = world.get(&format!("{users}?limit=3&after={}", first["next"].as_str().unwrap())).await.good();
    assert_eq!(names(&second), ["u3@acme.example", "u2@acme.example", "u1@acme.example"]);
    let third = world.get(&format!("{users}?limit=3&after={}", second["next"].as_str().unwrap())).await.good();
    assert_eq!((names(&third), third["next"].is_null()), (vec!["u0@acme.example".to_owned()], true));
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let world = World::with_acme().await;
    let users = "/api/v1/o/acme/users";
    let would = world.post(&format!("{users}?dry_run=true"), json!({"login_name": "anna@acme.example"})).await.good();
    assert_eq!(would["would"], json!({"created": 1}));
    assert_eq!(would["sample"][0]["login_name"], "anna@acme.example");
    assert_eq!(world.get(&format!("{users}/anna@acme.example")).await.status, 404);
    // What would go along is counted: an organization is more than its name.
    for name in ["bert", "carl"] {
        world.post(users, json!({"login_name": format!("{name}@acme.example")})).await.good();
    }
    let service = json!({"name": "wiki", "entity_id": "https://sp.example", "acs": ["https://sp.example/acs"]});
    world.post("/api/v1/o/acme/services", service).await.good();
    let would = world.delete("/api/v1/o/acme/services/wiki?dry_run=true").await.good();
    assert_eq!(would["would"], json!({"deleted": 1, "sessions_ended": 0}));
    let would = world.delete("/api/v1/organizations/acme?dry_run=true").await.good();
    let counts = json!({"deleted": 1, "devices": 0, "services": 1, "sessions": 0, "tokens": 0, "users": 2});
    assert_eq!(would["would"], counts);
    assert_eq!(world.get(users).await.good()["items"].as_array().unwrap().len(), 2);
    // What would be refused is refused.
    let answer = world.post(&format!("{users}?dry_run=true"), json!({"login_name": "anna@elsewhere.example"})).await;
    assert_eq!(answer.refusal().0, 422);
}

#[tokio::test]
async fn a_resource_has_an_etag_that_changes_with_it() {
    let world = World::with_acme().await;
    let one = "/api/v1/o/acme/users/anna@acme.example";
    world.post("/api/v1/o/acme/users", json!({"login_name": "anna@acme.example"})).await.good();
    let before = world.get(one).await.etag();
    assert_eq!(world.get(one).await.etag(), before);
    let changed = world.ask("PATCH", one).header("if-match", &before).json(&json!({"department": "x"})).send().await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.etag(), world.get(one).await.etag());
    assert_ne!(changed.etag(), before);
    let taken_away = world.patch(one, json!({"department": null})).await.good();
    assert!(taken_away["department"].is_null());
}

#[tokio::test]
async fn the_description_is_made_of_the_handlers() {
    let world = World::new().await;
    let document = world.ask("GET", "/api/v1/openapi.json").public().send().await.good();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/api/v1/o/{org}",
        "/api/v1/o/{org}/device-tokens/{id}/watch",
        "/api/v1/o/{org}/users/{user}",
        "/api/v1/organizations",
        "/o/{org}/oauth2/token",
    ] {
        assert!(paths.contains_key(path), "{path}: {:?}", paths.keys());
    }
    let mut ids = HashSet::new();
    for (path, item) in paths {
        for operation in item.as_object().unwrap().values().filter(|operation| operation.is_object()) {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{path}: {id} twice");
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
            assert_eq!(in_path, path.matches('{').count(), "{path}");
        }
    }
}

#[tokio::test]
async fn a05_what_is_another_organizations_is_not_there() {
    let world = World::with_acme().await;
    world.organization("other").await;
    world.post("/api/v1/o/other/domains", json!({"name": "other.example"})).await.good();
    let token = world.post("/api/v1/o/acme/device-tokens", world.token(&json!({}))).await.good();
    let user = world.post("/api/v1/o/acme/users", json!({"login_name": "anna@acme.example"})).await.good();
    let group = world.post("/api/v1/o/acme/groups", json!({"name": "staff"})).await.good();
    let client = json!({"name": "c", "scopes": ["users:read"]});
    let client = world.post("/api/v1/o/acme/api-clients", client).await.good();
    let id = |value: &serde_json::Value| value["id"].as_str().unwrap().to_owned();
    for path in [
        format!("device-tokens/{}", id(&token)),
        format!("device-tokens/{}/uses", id(&token)),
        format!("device-tokens/{}/failures", id(&token)),
        format!("device-tokens/{}/watch", id(&token)),
        format!("users/{}", id(&user)),
        format!("users/{}/groups", id(&user)),
        format!("groups/{}", id(&group)),
        format!("groups/{}/members", id(&group)),
        format!("api-clients/{}", id(&client)),
        "domains/acme.example".to_owned(),
    ] {
        assert_eq!(world.get(&format!("/api/v1/o/acme/{path}")).await.status, 200, "{path}");
        assert_eq!(world.get(&format!("/api/v1/o/other/{path}")).await.refusal().0, 404, "{path}");
    }
    for (path, body) in [
        (format!("device-tokens/{}/revoke", id(&token)), json!({})),
        (format!("users/{}/disable", id(&user)), json!({})),
        (format!("api-clients/{}/rotate", id(&client)), json!({})),
        ("device-tokens/identify".to_owned(), json!({"text": token["device_token"]})),
    ] {
        assert_eq!(world.post(&format!("/api/v1/o/other/{path}"), body).await.refusal().0, 404, "{path}");
    }
    for path in [format!("users/{}", id(&user)), format!("groups/{}", id(&group)), "domains/acme.example".to_owned()] {
        assert_eq!(world.delete(&format!("/api/v1/o/other/{path}")).await.refusal().0, 404, "{path}");
    }
    let stolen = json!({"login_name": "b@other.example", "groups": [id(&group)]});
    assert_eq!(world.post("/api/v1/o/other/users", stolen).await.refusal().0, 422);
}
