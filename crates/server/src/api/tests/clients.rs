//! API clients and their access tokens.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_wire::DeviceToken;
use serde_json::{Value, json};

use super::world::{Answer, World};

const CLIENTS: &str = "/api/v1/o/acme/api-clients";

async fn ask(world: &World, org: &str, id: &str, secret: &str, form: &str) -> Answer {
    let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let ask = world.ask("POST", &format!("/o/{org}/oauth2/token")).public().header("authorization", &basic);
    ask.bytes("application/x-www-form-urlencoded", form.as_bytes()).send().await
}

impl World {
    /// An access token of a new client with these scopes.
    pub(super) async fn access_token(&self, org: &str, scopes: &[&str]) -> String {
        let name = format!("client {}", scopes.join(" "));
        let body = json!({"name": name, "scopes": scopes});
        let client = self.post(&format!("/api/v1/o/{org}/api-clients"), body).await.good();
        let (id, secret) = (client["client_id"].as_str().unwrap(), client["client_secret"].as_str().unwrap());
        let answer = ask(self, org, id, secret, "grant_type=client_credentials").await.good();
        answer["access_token"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn an_access_token_is_good_for_its_scopes_its_organization_and_ten_minutes() {
    let world = World::with_acme().await;
    world.organization("other").await;
    let token = world.access_token("acme", &["users:read"]).await;
    let get = |path: &str| world.ask("GET", path).bearer(&token).send();
    get("/api/v1/o/acme/users").await.good();
    let answer = get("/api/v1/o/acme/groups").await;
    assert_eq!(answer.refusal(), (403, "LK-AUTH-002".to_owned()));
    assert!(answer.text.contains("groups:read"), "{}", answer.text);
    let create =
        world.ask("POST", "/api/v1/o/acme/users").bearer(&token).json(&json!({"login_name": "a@acme.example"}));
    assert_eq!(create.send().await.refusal().0, 403);
    // A foreign organization is not there, and neither is one that does not exist.
    assert_eq!(get("/api/v1/o/other/users").await.refusal(), (404, "LK-API-004".to_owned()));
    assert_eq!(get("/api/v1/o/nosuch/users").await.refusal(), (404, "LK-API-004".to_owned()));
    let unknown = world.ask("GET", "/api/v1/o/acme/users").bearer("lkat1_unknown");
    assert_eq!(unknown.send().await.refusal(), (401, "LK-AUTH-001".to_owned()));
    world.clock.advance(Duration::from_secs(601));
    assert_eq!(get("/api/v1/o/acme/users").await.refusal().0, 401);
}

#[tokio::test]
async fn who_is_not_known_learns_nothing() {
    let world = World::with_acme().await;
    let body = json!({"name": "c", "scopes": ["users:read"]});
    let client = world.post(CLIENTS, body).await.good();
    let (id, secret) = (client["client_id"].as_str().unwrap(), client["client_secret"].as_str().unwrap());
    let form = "grant_type=client_credentials";
    let mut texts = Vec::new();
    for (org, id, secret) in [("acme", id, "wrong"), ("acme", "nobody", secret), ("nosuch", id, secret)] {
        let answer = ask(&world, org, id, secret, form).await;
        let mut document = answer.json();
        assert_eq!((answer.status.as_u16(), &document["error"]), (401, &json!("invalid_client")));
        document["ref"] = Value::Null;
        texts.push(document.to_string());
    }
    assert_eq!(texts[0], texts[1]);
    assert_eq!(texts[0], texts[2]);
    assert_eq!(ask(&world, "acme", id, secret, "grant_type=password").await.json()["error"], "unsupported_grant_type");
    let none = ask(&world, "acme", id, secret, &format!("{form}&scope=groups:read")).await;
    assert_eq!((none.status.as_u16(), &none.json()["error"]), (400, &json!("invalid_scope")));
    assert_eq!(none.json()["status"], 400, "body and header say the same");
    let good = ask(&world, "acme", id, secret, &format!("{form}&scope=users:read")).await;
    assert_eq!(good.headers["cache-control"], "no-store");
    assert_eq!(good.json()["expires_in"], 600);
    // Neither secret nor access token is in the store.
    let dump = world.dump();
    for text in [secret.to_owned(), good.json()["access_token"].as_str().unwrap().to_owned()] {
        assert!(!dump.windows(text.len()).any(|window| window == text.as_bytes()));
    }
}

#[tokio::test]
async fn a_disabled_rotated_or_deleted_client_is_out_at_once() {
    let world = World::with_acme().await;
    let client = world.post(CLIENTS, json!({"name": "c", "scopes": ["users:read"]})).await.good();
    let (id, secret) =
        (client["client_id"].as_str().unwrap().to_owned(), client["client_secret"].as_str().unwrap().to_owned());
    let form = "grant_type=client_credentials";
    let users = |token: Value| {
        let ask = world.ask("GET", "/api/v1/o/acme/users").bearer(token["access_token"].as_str().unwrap());
        async move { ask.send().await.status.as_u16() }
    };
    let token = ask(&world, "acme", &id, &secret, form).await.good();
    assert_eq!(users(token.clone()).await, 200);
    world.post(&format!("{CLIENTS}/c/disable"), json!({})).await.good();
    assert_eq!(users(token).await, 401);
    assert_eq!(ask(&world, "acme", &id, &secret, form).await.status, 401);
    world.post(&format!("{CLIENTS}/c/enable"), json!({})).await.good();
    let token = ask(&world, "acme", &id, &secret, form).await.good();
    let rotated = world.post(&format!("{CLIENTS}/c/rotate"), json!({})).await.good();
    assert_eq!(users(token).await, 401);
    assert_eq!(ask(&world, "acme", &id, &secret, form).await.status, 401);
    let token = ask(&world, "acme", &id, rotated["client_secret"].as_str().unwrap(), form).await.good();
    // Fewer scopes count for tokens that are out already.
    world.patch(&format!("{CLIENTS}/c"), json!({"scopes": ["groups:read"]})).await.good();
    assert_eq!(users(token.clone()).await, 403);
    assert_eq!(world.delete(&format!("{CLIENTS}/c")).await.status, 204);
    assert_eq!(users(token).await, 401);
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_have() {
    let world = World::with_acme().await;
    let token = world.access_token("acme", &["api-clients:write", "api-clients:read", "users:read"]).await;
    world.post(CLIENTS, json!({"name": "strong", "scopes": ["keys:write"]})).await.good();
    let send =
        |method: &'static str, path: String, body: Value| world.ask(method, &path).bearer(&token).json(&body).send();
    let more = json!({"name": "x", "scopes": ["users:read", "keys:write"]});
    let answer = send("POST", CLIENTS.to_owned(), more).await;
    assert_eq!((answer.refusal().0, answer.pointers()), (422, vec!["/scopes/1".to_owned()]));
    let answer = send("POST", format!("{CLIENTS}/strong/rotate"), json!({})).await;
    assert_eq!(answer.refusal(), (403, "LK-AUTH-002".to_owned()));
    send("POST", CLIENTS.to_owned(), json!({"name": "y", "scopes": ["users:read"]})).await.good();
}

#[tokio::test]
async fn r03_a_device_token_opens_nothing_here() {
    let world = World::with_acme().await;
    let made = world.post("/api/v1/o/acme/device-tokens", world.token(&json!({}))).await.good();
    let text = made["device_token"].as_str().unwrap();
    for path in ["/api/v1/o/acme", "/api/v1/o/acme/users", "/api/v1/o/acme/device-tokens"] {
        assert_eq!(world.ask("GET", path).bearer(text).send().await.refusal().0, 401, "{path}");
    }
    let id = DeviceToken::parse(text).unwrap().id().to_string();
    assert_eq!(ask(&world, "acme", &id, text, "grant_type=client_credentials").await.status, 401);
}

#[tokio::test]
async fn a_client_with_a_key_proves_itself_by_signature_once() {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let world = World::with_acme().await;
    let pair = Ed25519KeyPair::generate().unwrap();
    let der = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref()));
    assert_eq!(
        world.post(CLIENTS, json!({"name": "k", "scopes": ["users:read"], "public_key": "x"})).await.pointers(),
        ["/public_key"]
    );
    let client = world.post(CLIENTS, json!({"name": "k", "scopes": ["users:read"], "public_key": pem})).await.good();
    assert!(client["client_secret"].is_null());
    let id = client["client_id"].as_str().unwrap();
    let assertion = |audience: &str, jti: &str| {
        let claims = json!({
            "iss": id, "sub": id, "aud": audience, "jti": jti, "exp": world.now().seconds() + 60, "iat": world.now().seconds(),
        });
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", encode(json!({"alg": "EdDSA", "typ": "JWT"})), encode(claims));
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(pair.sign(text.as_bytes())))
    };
    let send = |assertion: String| {
        let form = format!(
            "grant_type=client_credentials&client_id={id}&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={assertion}"
        );
        let ask = world.ask("POST", "/o/acme/oauth2/token").public();
        async move { ask.bytes("application/x-www-form-urlencoded", form.as_bytes()).send().await }
    };
    let endpoint = "http://localhost:8470/o/acme/oauth2/token";
    let good = assertion(endpoint, "1");
    send(good.clone()).await.good();
    assert_eq!(send(good).await.status, 401, "an assertion counts once");
    assert_eq!(send(assertion("http://localhost:8470/o/other/oauth2/token", "2")).await.status, 401);
    let token = send(assertion(endpoint, "3")).await.good();
    let ask = world.ask("GET", "/api/v1/o/acme/users").bearer(token["access_token"].as_str().unwrap());
    ask.send().await.good();
}

#[tokio::test]
async fn a_client_that_is_not_accepted_is_remembered_and_counts_against_its_source() {
    let world = World::with_acme().await;
    let form = "grant_type=client_credentials";
    let refused = ask(&world, "acme", "nobody", "wrong", form).await;
    assert_eq!((refused.status.as_u16(), refused.json()["error"].as_str()), (401, Some("invalid_client")));
    let reference = refused.json()["ref"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/o/acme/audit-events?action=api-client.token&outcome=refused&ref={reference}");
    let events = world.get(&path).await.good();
    assert!(events["items"][0]["details"]["detail"].as_str().unwrap().contains("nobody"), "{events}");
    // The document of RFC 6749 has no place for "wait"; then it is a problem like everywhere else.
    let mut last = refused;
    for _ in 0..1_000 {
        if last.status.as_u16() != 401 {
            break;
        }
        last = ask(&world, "acme", "nobody", "wrong", form).await;
    }
    assert_eq!(last.refusal(), (429, "LK-API-014".to_owned()));
    assert!(last.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn slow_bodies_hold_no_turn_of_shut_out_sources() {
    let world = World::with_acme().await;
    let from = std::net::IpAddr::from([10, 0, 0, 9]);
    while world.app.limits.failed(from).is_ok() {}
    let slow: Vec<_> = (0..8)
        .map(|_| {
            let mut request = http::Request::post("/o/acme/oauth2/token")
                .body(axum::body::Body::from_stream(futures_util::stream::pending::<std::io::Result<Vec<u8>>>()))
                .unwrap();
            request.extensions_mut().insert(crate::serve::host::ClientAddr(from));
            tokio::spawn(tower::ServiceExt::oneshot(world.public.clone(), request))
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let turn = world.app.limits.admit(from).await;
    assert!(turn.is_ok(), "a turn is left");
    slow.iter().for_each(tokio::task::JoinHandle::abort);
}
