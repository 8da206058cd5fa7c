//! `Idempotency-Key`.

use std::time::Duration;

use serde_json::json;

use super::world::{Answer, World};

async fn post(world: &World, path: &str, key: &str, body: &serde_json::Value) -> Answer {
    world.ask("POST", path).header("idempotency-key", key).json(body).send().await
}

#[tokio::test]
async fn the_same_request_has_the_same_answer_for_a_day() {
    let world = World::with_acme().await;
    let groups = "/api/v1/o/acme/groups";
    let first = post(&world, groups, "k", &json!({"name": "staff"})).await;
    let second = post(&world, groups, "k", &json!({"name": "staff"})).await;
    assert_eq!((first.status, second.status, &first.text), (second.status, http::StatusCode::CREATED, &second.text));
    assert_eq!(post(&world, groups, "k", &json!({"name": "other"})).await.refusal(), (409, "LK-API-013".to_owned()));
    assert_eq!(post(&world, groups, "k2", &json!({"name": "staff"})).await.refusal(), (409, "LK-API-007".to_owned()));
    // A refusal changed nothing and may be tried again.
    assert_eq!(post(&world, groups, "k2", &json!({"name": "more"})).await.status, 201);
    world.clock.advance(Duration::from_secs(25 * 3_600));
    assert_eq!(post(&world, groups, "k", &json!({"name": "fresh"})).await.status, 201);
    assert_eq!(post(&world, groups, &"k".repeat(65), &json!({"name": "long"})).await.refusal().0, 400);
}

#[tokio::test]
async fn an_answer_with_a_secret_is_not_kept() {
    let world = World::with_acme().await;
    let body = world.token(&json!({}));
    let first = post(&world, "/api/v1/o/acme/device-tokens", "k", &body).await.good();
    let second = post(&world, "/api/v1/o/acme/device-tokens", "k", &body).await;
    assert_eq!(second.refusal(), (409, "LK-API-011".to_owned()));
    assert!(second.text.contains(first["id"].as_str().unwrap()), "{}", second.text);
    let list = world.get("/api/v1/o/acme/device-tokens").await.good();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_gets_anothers_answer() {
    let world = World::with_acme().await;
    post(&world, "/api/v1/o/acme/groups", "k", &json!({"name": "staff"})).await.good();
    let ask = world.ask("POST", "/api/v1/o/acme/groups").public().header("idempotency-key", "k");
    assert_eq!(ask.json(&json!({"name": "staff"})).send().await.refusal().0, 401);
}
