//! The audit log over HTTP, and what is never in it or in the process's log.

use std::collections::HashSet;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use super::world::World;

const EVENTS: &str = "/api/v1/o/acme/audit-events";
const TOKENS: &str = "/api/v1/o/acme/device-tokens";
const PASSWORD: &str = "correct horse 1";

/// Makes and changes something of every kind. Answers the secrets that were shown.
async fn administer(world: &World) -> Vec<String> {
    let text = |value: &Value, member: &str| value[member].as_str().unwrap().to_owned();
    let acme = |path: &str| format!("/api/v1/o/acme/{path}");
    world.post(&acme("domains/acme.example/verify"), json!({"operator_word": "lab"})).await.good();
    world.policy(json!({"enabled": true, "all_domains": true, "domains": [], "jit": true})).await;
    world.post(&acme("groups"), json!({"name": "staff"})).await.good();
    world.post(&acme("users"), json!({"login_name": "anna@acme.example", "groups": ["staff"]})).await.good();
    world.post(&acme("users/anna@acme.example/disable"), json!({})).await.good();
    let kept = world.token(&json!({"sealed_copy": true, "password": PASSWORD}));
    let token = world.post(TOKENS, kept).await.good();
    let one = format!("{TOKENS}/{}", text(&token, "id"));
    world.post(&format!("{one}/reveal"), json!({"password": "wrong horse 22"})).await;
    world.post(&format!("{one}/reveal"), json!({"password": PASSWORD})).await.good();
    let second = world.post(&format!("{one}/rotate"), json!({"sealed_copy": false})).await.good();
    world.post(&format!("{TOKENS}/{}/revoke", text(&second, "id")), json!({})).await.good();
    world.post(&format!("{TOKENS}/identify"), json!({"text": token["device_token"]})).await.good();
    let client = json!({"name": "c", "scopes": ["users:read"]});
    let client = world.post(&acme("api-clients"), client).await.good();
    let access = world.access_token("acme", &["users:read"]).await;
    world.ask("GET", &acme("users")).bearer(&access).send().await.good();
    vec![
        text(&token, "device_token"),
        text(&second, "device_token"),
        text(&client, "client_secret"),
        access,
        PASSWORD.to_owned(),
        "wrong horse 22".to_owned(),
    ]
}

#[tokio::test]
async fn r26_every_change_is_an_event_and_the_log_is_whole() {
    let world = World::with_acme().await;
    let secrets = administer(&world).await;
    let page = world.get(&format!("{EVENTS}?limit=1000")).await;
    let text = page.text.clone();
    let events = page.good()["items"].as_array().unwrap().clone();
    let actions: HashSet<&str> = events.iter().map(|event| event["action"].as_str().unwrap()).collect();
    for action in [
        "org.create",
        "domain.add",
        "domain.verify",
        "policy.set",
        "group.create",
        "user.create",
        "user.disable",
        "token.create",
        "token.reveal",
        "token.rotate",
        "token.revoke",
        "api-client.create",
        "api-client.token",
    ] {
        assert!(actions.contains(action), "{action}: {actions:?}");
    }
    for secret in &secrets {
        assert!(!text.contains(secret.as_str()));
    }
    let refused = world.get(&format!("{EVENTS}?outcome=refused&action=token.reveal")).await.good();
    assert_eq!(refused["items"].as_array().unwrap().len(), 1);
    assert_eq!(refused["items"][0]["actor_kind"], "operator");
    let verdict = world.get(&format!("{EVENTS}/verify")).await.good();
    assert_eq!((&verdict["ok"], verdict["events"].as_u64()), (&json!(true), Some(events.len() as u64)));
    // What was exported is still there; what was never there is found.
    let export: String = events.iter().map(|event| format!("{event}\n")).collect();
    let good = world.ask("POST", &format!("{EVENTS}/verify")).bytes("application/jsonl", export.as_bytes());
    assert_eq!(good.send().await.good()["ok"], true);
    let forged = export.replacen("\"outcome\":\"ok\"", "\"outcome\":\"refused\"", 1);
    let bad = world.ask("POST", &format!("{EVENTS}/verify")).bytes("application/jsonl", forged.as_bytes());
    assert_eq!(bad.send().await.good()["ok"], false);
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn r26_a27_no_secret_is_in_the_log_at_its_most_talkative() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    // A line that another thread, which has no subscriber, is the first to write while ours is the only one counts as never wanted, by
    // anybody. So it is written here, and what was decided before is decided anew for this thread.
    let _ = axum::response::IntoResponse::into_response(crate::problem::Problem::not_found());
    tracing::callsite::rebuild_interest_cache();
    let world = World::with_acme().await;
    let secrets = administer(&world).await;
    // The scan finds what is there.
    tracing::trace!("the last word");
    drop(guard);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("the last word") && text.contains("refused"), "{text}");
    for secret in &secrets {
        assert!(!text.contains(secret.as_str()), "a secret of {} characters", secret.len());
    }
}
