//! The first run, page by page, as a browser without script does it.
// Helpers outside #[test] functions are tests too.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use latchkey_directory::Error;
use latchkey_directory::access::{OWNER, held_by};
use latchkey_directory::credentials::{BrowserSecret, Guesser};
use latchkey_directory::store::StoreError;
use serde_json::json;

use crate::api::tests::world::{Answer, World};
use crate::signin::authenticator::Authenticator;

const PASSWORD: &str = "violet anchors drift at noon";

/// A browser: its cookies, and the page it is on.
#[derive(Default)]
struct Browser {
    cookies: Vec<(String, String)>,
    page: String,
}

impl Browser {
    fn keep(&mut self, answer: &Answer) {
        for header in answer.headers.get_all("set-cookie") {
            let text = header.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        self.page.clone_from(&answer.text);
    }

    fn cookie(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn has(&self, prefix: &str) -> bool {
        self.cookies.iter().any(|(name, _)| name.starts_with(prefix))
    }

    async fn get(&mut self, world: &World, path: &str) -> Answer {
        let ask = world.ask("GET", path).public().header("cookie", &self.cookie()).header("accept", "text/html");
        let answer = ask.send().await;
        self.keep(&answer);
        answer
    }

    /// The value of a hidden field on the page.
    fn hidden(&self, name: &str) -> String {
        let field = format!("name=\"{name}\" value=\"");
        let after = self.page.split_once(&field).unwrap_or_else(|| panic!("no field {name}: {}", self.page)).1;
        unescaped(after.split('"').next().unwrap())
    }

    async fn post(&mut self, world: &World, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("csrf", &self.hidden("csrf"));
        for (name, value) in fields {
            form.append_pair(name, value);
        }
        let ask = world.ask("POST", path).public().header("cookie", &self.cookie()).header("accept", "text/html");
        let answer = ask.bytes("application/x-www-form-urlencoded", form.finish().as_bytes()).send().await;
        self.keep(&answer);
        answer
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&#34;", "\"")
        .replace("&#38;", "&")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
        .replace("&quot;", "\"")
}

/// The path of a new link.
async fn link(world: &World, order: serde_json::Value) -> String {
    let made = world.post("/api/v1/setup-links", order).await.good();
    let url = made["url"].as_str().unwrap().to_owned();
    url.strip_prefix(world.app.origin()).unwrap().to_owned()
}

/// A browser that opened a new link.
async fn opened(world: &World, order: serde_json::Value) -> Browser {
    let mut browser = Browser::default();
    let answer = browser.get(world, &link(world, order).await).await;
    assert_eq!((answer.status.as_u16(), answer.headers["location"].to_str().unwrap()), (303, "/setup"));
    let cookie =
        answer.headers.get_all("set-cookie").iter().map(|c| c.to_str().unwrap()).find(|c| c.contains("-setup"));
    let cookie = cookie.unwrap();
    assert!(cookie.contains("; Secure; HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    browser
}

async fn code_of(world: &World, secret: &str) -> String {
    let key = data_encoding::BASE32_NOPAD.decode(secret.replace(' ', "").as_bytes()).unwrap();
    let counter = world.app.directory.now().seconds() / 30;
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let tag = aws_lc_rs::hmac::sign(&key, &counter.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[19] & 15);
    let number = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

async fn is_owner(world: &World, login: &str) -> bool {
    let org = world.app.directory.organization("acme").await.unwrap().id;
    let user = world.app.directory.user(&org, login).await.unwrap().id;
    let held = world.app.directory.read::<_, StoreError>(move |tx| held_by(tx, &org, &user)).await.unwrap();
    held.roles == [OWNER]
}

/// Whether guessing is slow, after a stranger guessed.
async fn waits(world: &World, browser: Option<BrowserSecret>) -> bool {
    let org = world.app.directory.organization("acme").await.unwrap().id;
    let guesser = |browser| Guesser { address: Some("192.0.2.9".parse().unwrap()), browser };
    for _ in 0..5 {
        if let Ok(tried) = world.app.directory.try_password(&org, "anna@acme.example", guesser(None)).await {
            world.app.directory.end_password(&org, tried, false).await.unwrap();
        }
    }
    matches!(
        world.app.directory.try_password(&org, "anna@acme.example", guesser(browser)).await,
        Err(Error::TooMany { .. })
    )
}

const ACME: &[(&str, &str)] = &[("name", "Acme Ltd."), ("slug", "acme"), ("domain", "acme.example")];

#[tokio::test]
async fn the_first_run_leads_from_a_link_to_an_owner_who_is_signed_in_by_password_and_codes() {
    let world = World::new().await;
    let mut browser = opened(&world, json!({})).await;
    browser.get(&world, "/setup").await;
    assert!(browser.page.contains("Your organization") && browser.page.contains(world.app.origin()));
    assert_eq!(browser.post(&world, "/setup/organization", ACME).await.status.as_u16(), 303);
    browser.get(&world, "/setup").await;
    assert!(browser.page.contains("TXT record") && browser.page.contains("domain verify acme.example"));
    let person = |password_again| {
        [
            ("login_name", "anna@acme.example"),
            ("display_name", "Anna"),
            ("method", "password"),
            ("password", PASSWORD),
            ("password_again", password_again),
        ]
    };
    let slip = browser.post(&world, "/setup/administrator", &person("other")).await;
    assert!(slip.status.as_u16() == 422 && slip.text.contains("not the same") && !slip.text.contains(PASSWORD));
    let answer = browser.post(&world, "/setup/administrator", &person(PASSWORD)).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let secret = browser.page.split_once("<code>").unwrap().1.split('<').next().unwrap().to_owned();
    let (user, totp) = (browser.hidden("user"), browser.hidden("totp"));
    let wrong = [("user", user.as_str()), ("totp", &totp), ("code", "000000")];
    assert_eq!(browser.post(&world, "/setup/code", &wrong).await.status.as_u16(), 422);
    assert!(!is_owner(&world, "anna@acme.example").await, "not before the second factor works");
    let code = code_of(&world, &secret).await;
    let answer = browser.post(&world, "/setup/code", &[("user", &user), ("totp", &totp), ("code", &code)]).await;
    assert!(answer.status.is_success() && answer.text.contains("recovery codes"), "{}", answer.text);
    assert!(is_owner(&world, "anna@acme.example").await);
    assert!(browser.has("__Host-lk-s-") && !browser.has("__Host-lk-setup"));
    // A stranger who guesses her password does not keep her out of the browser in which she set it.
    let known = browser
        .cookies
        .iter()
        .find(|(name, _)| name == "__Host-lk-k")
        .and_then(|(_, value)| BrowserSecret::read(value));
    assert!(known.is_some());
    assert_eq!((waits(&world, None).await, waits(&world, known).await), (true, false));
    let start = browser.get(&world, "/o/acme/start").await;
    assert!(start.status.is_success() && start.text.contains("Verify your domain"), "{}", start.text);
    assert!(browser.get(&world, "/o/acme/").await.text.contains("0 of 6 steps"));
    world.post("/api/v1/o/acme/domains/acme.example/verify", json!({"operator_word": "lab"})).await.good();
    assert!(browser.get(&world, "/o/acme/").await.text.contains("1 of 6 steps"));
    // Set-up is over, also for whoever kept its cookie.
    assert_eq!(browser.get(&world, "/setup").await.status.as_u16(), 410);
}

#[tokio::test]
async fn the_first_administrator_may_have_a_passkey_instead() {
    let world = World::new().await;
    let mut browser = opened(&world, json!({})).await;
    browser.get(&world, "/setup").await;
    browser.post(&world, "/setup/organization", ACME).await;
    browser.get(&world, "/setup").await;
    let person = [("login_name", "anna@acme.example"), ("method", "passkey")];
    let answer = browser.post(&world, "/setup/administrator", &person).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let after = browser.page.split_once("data-options=\"").unwrap().1;
    let options = unescaped(after.split('"').next().unwrap());
    let made = Authenticator::new(world.app.origin()).create(&options);
    let (user, sealed) = (browser.hidden("user"), browser.hidden("sealed"));
    let mut other = Browser { cookies: browser.cookies.clone(), page: browser.page.clone() };
    let wrong = [("user", user.as_str()), ("sealed", &sealed), ("passkey", "{}")];
    assert_eq!(other.post(&world, "/setup/passkey", &wrong).await.status.as_u16(), 422);
    assert!(!is_owner(&world, "anna@acme.example").await);
    let fields = [("user", user.as_str()), ("sealed", &sealed), ("passkey", &made), ("name", "laptop")];
    let answer = browser.post(&world, "/setup/passkey", &fields).await;
    assert_eq!((answer.status.as_u16(), answer.headers["location"].to_str().unwrap()), (303, "/o/acme/start"));
    assert!(is_owner(&world, "anna@acme.example").await);
    assert!(browser.get(&world, "/o/acme/start").await.status.is_success());
}

#[tokio::test]
async fn set_up_can_be_left_and_gone_on_with_by_a_new_link() {
    let world = World::new().await;
    let mut browser = opened(&world, json!({})).await;
    browser.get(&world, "/setup").await;
    browser.post(&world, "/setup/organization", ACME).await;
    world.clock.advance(Duration::from_secs(3_601));
    let late = browser.get(&world, "/setup").await;
    assert!(late.status.as_u16() == 410 && late.text.contains("latchkey setup-link --data"), "{}", late.text);
    let mut again = opened(&world, json!({})).await;
    again.get(&world, "/setup").await;
    assert!(again.page.contains("The first administrator") && again.page.contains("acme.example"));
}

#[tokio::test]
async fn a_used_link_and_a_guessed_one_say_how_to_get_another() {
    let world = World::new().await;
    let path = link(&world, json!({})).await;
    let mut first = Browser::default();
    assert_eq!(first.get(&world, &path).await.status.as_u16(), 303);
    for path in [path.as_str(), "/setup/x", "/setup"] {
        let answer = Browser::default().get(&world, path).await;
        assert!(answer.status.as_u16() == 410 && answer.text.contains("setup-link"), "{path}: {}", answer.text);
        assert!(!answer.text.contains(path.trim_start_matches("/setup/")) || path.len() < 10);
    }
    let mut stranger = Browser::default();
    stranger.get(&world, "/setup/x").await;
    stranger.page = first.page.clone();
    let form = world.ask("POST", "/setup/organization").public().header("accept", "text/html");
    assert_eq!(form.bytes("application/x-www-form-urlencoded", b"name=x").send().await.status.as_u16(), 403);
}

#[tokio::test]
async fn one_who_is_locked_out_comes_in_again_and_no_link_makes_a_second_first_owner() {
    let world = World::with_acme().await;
    world.post("/api/v1/o/acme/users", json!({"login_name": "anna@acme.example"})).await.good();
    let owner = json!({"holder": "user:anna@acme.example"});
    world.post("/api/v1/o/acme/roles/owner/assignments", owner).await.good();
    assert_eq!(world.post("/api/v1/setup-links", json!({})).await.refusal().0, 409);
    let mut browser = opened(&world, json!({"user": "anna@acme.example"})).await;
    browser.get(&world, "/setup").await;
    assert!(browser.page.contains("Sign in again") && !browser.page.contains("name=\"login_name\""));
    let fields = [("method", "password"), ("password", PASSWORD), ("password_again", PASSWORD)];
    let answer = browser.post(&world, "/setup/administrator", &fields).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    // Nobody else's credentials are touched by this link.
    world.post("/api/v1/o/acme/users", json!({"login_name": "bert@acme.example"})).await.good();
    let org = world.app.directory.organization("acme").await.unwrap().id;
    let bert = world.app.directory.user(&org, "bert@acme.example").await.unwrap().id;
    let totp = browser.hidden("totp");
    let answer = browser.post(&world, "/setup/code", &[("user", &bert), ("totp", &totp), ("code", "000000")]).await;
    assert_eq!(answer.status.as_u16(), 403);
}

/// The public side of a cloud behind its own edge, with these proxies listed.
fn edged(world: &World, proxies: &[&str]) -> axum::Router {
    let mut settings = (*world.app.settings).clone();
    settings.trusted_proxies = proxies.iter().map(|text| text.parse().unwrap()).collect();
    crate::serve::public_for_tests(world.public.clone(), &settings)
}

/// A page as a browser gets it through whatever stands before the cloud.
async fn through(router: &axum::Router, cookie: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    use tower::ServiceExt as _;
    let mut request = http::Request::builder().uri(path).header("accept", "text/html").header("cookie", cookie);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(axum::body::Body::empty()).unwrap();
    request.extensions_mut().insert(crate::serve::host::PeerAddr("10.0.0.8:4711".parse().unwrap()));
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn set_up_shows_the_clouds_name_beside_what_the_browser_asked_for_and_what_stands_between() {
    let world = World::new().await;
    let browser = opened(&world, json!({})).await;
    let cookie = browser.cookie();
    let name = world.app.cloud_name.clone();
    let host = ("host", name.as_str());
    let shown = |text: &str, what: &str| text.contains(what);

    let plain = edged(&world, &[]);
    let (status, page) = through(&plain, &cookie, "/setup", &[host]).await;
    assert_eq!(status, 200);
    assert!(shown(&page, &format!("<dd><code>{name}</code></dd>")) && shown(&page, "10.0.0.8"), "{page}");
    assert!(!shown(&page, "--trusted-proxy") && !shown(&page, "proxy_set_header"), "{page}");
    assert!(shown(&page, &format!("data-origin=\"{}\"", world.app.origin())), "{page}");

    // A proxy that nobody listed: its headers are shown as what they are, and not believed.
    let forwarded = [host, ("x-forwarded-host", "id.<b>corp"), ("x-forwarded-for", "192.0.2.7")];
    let (_, page) = through(&plain, &cookie, "/setup", &forwarded).await;
    assert!(shown(&page, "--trusted-proxy 10.0.0.8/32") && !shown(&page, "192.0.2.7"), "{page}");
    assert!(shown(&page, "id.&#60;b&#62;corp") && !shown(&page, "<b>corp"), "{page}");

    // One that is listed and leaves something out.
    let listed = edged(&world, &["10.0.0.8/32"]);
    let (_, page) = through(&listed, &cookie, "/setup", &[host]).await;
    assert!(shown(&page, "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"), "{page}");
    let (_, page) = through(&listed, &cookie, "/setup", &[host, ("x-forwarded-for", "192.0.2.7")]).await;
    assert!(shown(&page, "proxy_set_header X-Forwarded-Proto $scheme;") && shown(&page, "192.0.2.7"), "{page}");
    let all = [host, ("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "http")];
    let (_, page) = through(&listed, &cookie, "/setup", &all).await;
    assert!(!shown(&page, "proxy_set_header") && shown(&page, "10.0.0.8"), "{page}");

    // By another name nothing is set up, and the proxy is named there too.
    let (status, page) = through(&plain, &cookie, "/setup", &[("host", "srv1"), ("x-forwarded-host", &name)]).await;
    assert_eq!(status, 421);
    assert!(shown(&page, "--cloud-name srv1") && shown(&page, "--trusted-proxy 10.0.0.8/32"), "{page}");
}

#[tokio::test]
async fn a_form_from_a_page_at_another_address_says_which_one_is_right() {
    let world = World::new().await;
    let mut browser = opened(&world, json!({})).await;
    browser.get(&world, "/setup").await;
    let form = format!("csrf={}&name=Acme&domain=acme.example", browser.hidden("csrf"));
    let ask = world.ask("POST", "/setup/organization").public().header("cookie", &browser.cookie());
    let ask = ask.header("origin", "https://login.corp.example").header("sec-fetch-site", "same-origin");
    let answer = ask.bytes("application/x-www-form-urlencoded", form.as_bytes()).send().await;
    assert_eq!(answer.status, 403, "{}", answer.text);
    for words in ["https://login.corp.example", "--cloud-name login.corp.example", world.app.origin()] {
        assert!(answer.text.contains(words), "{words}: {}", answer.text);
    }
    assert!(world.app.directory.organizations().await.unwrap().is_empty());
}
