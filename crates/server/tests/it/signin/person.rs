//! Services whose people sign in by themselves, in a browser that keeps its cookies.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use latchkey_directory::Intent;
use latchkey_directory::access::records::BrowserSession;
use latchkey_directory::audit::Actor;
use latchkey_directory::query::Filter;
use latchkey_directory::records::{Entitlement, Service, Session};
use latchkey_directory::services::ServiceSettings;
use latchkey_directory::tokens::Password;
use latchkey_directory::users::NewUser;
use latchkey_wire::Level;

use super::request::AuthnRequest;
use super::world::{ACS, Answer, World, decode};

const ANNA: &str = "anna@acme.example";
const GOOD: &str = "tram lantern obey quartz";

struct Browser<'a> {
    world: &'a World,
    cookies: RefCell<BTreeMap<String, String>>,
}

/// The value of a field on a page.
fn field(page: &str, name: &str) -> String {
    let after = page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| panic!("no {name}: {page}"));
    after.split('"').next().unwrap().to_owned()
}

/// The response on the page that posts to the service.
fn response(answer: &Answer) -> String {
    let page = answer.text();
    assert!(page.contains(&format!("action=\"{ACS}\"")), "{page}");
    decode(&field(&page, "SAMLResponse"))
}

impl<'a> Browser<'a> {
    fn new(world: &'a World) -> Self {
        Self { world, cookies: RefCell::default() }
    }

    fn has_session(&self) -> bool {
        self.cookies.borrow().keys().any(|name| name.contains("lk-s-"))
    }

    /// Sends a form; one of another site goes without the cookies that are `SameSite=Lax`.
    async fn post(&self, path: &str, form: String, from_elsewhere: bool) -> Answer {
        let cookies = self.cookies.borrow().clone();
        let sent = cookies.iter().filter(|(name, _)| !from_elsewhere || *name == "__Host-lk-b");
        let cookie: Vec<String> = sent.map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        let request = request.header("cookie", cookie.join("; ")).body(Body::from(form)).unwrap();
        let answer = self.world.send(request).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    /// The service sends its request by a form.
    async fn request(&self, request: &AuthnRequest) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("SAMLRequest", &STANDARD.encode(request.xml())).append_pair("RelayState", "/page?x=1");
        self.post(&self.world.path("saml/sso"), form.finish(), true).await
    }

    /// Takes a step from this page.
    async fn step(&self, page: &Answer, step: &str, name: &str, value: &str) -> Answer {
        let text = page.text();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("csrf", &field(&text, "csrf")).append_pair("txn", &field(&text, "txn"));
        form.append_pair("do", step).append_pair(name, value);
        self.post(&self.world.path("signin"), form.finish(), false).await
    }

    async fn password(&self, page: &Answer) -> Answer {
        let page = self.step(page, "name", "login_name", ANNA).await;
        self.step(&page, "password", "password", GOOD).await
    }
}

async fn world() -> World {
    let world = World::new().await;
    let (directory, intent) = (&world.app.directory, Intent::of(&Actor::system()));
    let new = NewUser { login_name: Some(ANNA.into()), ..NewUser::default() };
    let anna = directory.create_user(&intent, &world.org, new).await.unwrap();
    let rules = directory.password_rules(&world.org, &anna.id).await.unwrap();
    let password = rules.hash(&Password::new(GOOD.into())).unwrap();
    directory.set_password(&intent, &world.org, &anna.id, password).await.unwrap();
    world
}

#[tokio::test]
async fn a_person_signs_in_once_and_services_are_told_at_the_level_of_that() {
    let world = world().await;
    let browser = Browser::new(&world);
    let page = browser.request(&world.request()).await;
    let told = browser.password(&page).await;
    let xml = response(&told);
    assert!(xml.contains("status:Success") && xml.contains(ANNA) && xml.contains("InResponseTo=\"_request1\""));
    assert!(xml.contains("urn:latchkey:ac:evidence:1"), "{xml}");
    assert_eq!(field(&told.text(), "RelayState"), "/page?x=1");
    assert!(browser.has_session());
    // The next service posts without the session's cookie; our own page brings it along.
    let through = browser.request(&AuthnRequest { id: "_request2".into(), ..world.request() }).await;
    assert!(through.text().contains("data-submit"), "{}", through.text());
    let xml = response(&browser.step(&through, "through", "x", "").await);
    assert!(xml.contains("status:Success") && xml.contains("InResponseTo=\"_request2\""));
    let sessions = world.all::<Session>().await;
    assert_eq!(sessions.len(), 2);
    assert!(sessions.iter().all(|row| row.channel == "browser" && row.level == Level::KnownUser));
    assert_eq!(world.events("signin.saml", "ok").await, 2);
}

#[tokio::test]
async fn a13_a_sign_in_gives_one_assertion() {
    let world = world().await;
    let browser = Browser::new(&world);
    let page = browser.request(&world.request()).await;
    let page = browser.step(&page, "name", "login_name", ANNA).await;
    assert!(response(&browser.step(&page, "password", "password", GOOD).await).contains("status:Success"));
    let again = browser.step(&page, "password", "password", GOOD).await;
    assert_eq!(again.status, 403);
    assert!(again.text().contains("LK-PROOF-010"), "{}", again.text());
    let through = browser.request(&world.request()).await;
    assert!(response(&browser.step(&through, "through", "x", "").await).contains("status:Success"));
    assert_eq!(browser.step(&through, "through", "x", "").await.status, 403);
    assert_eq!(world.all::<Session>().await.len(), 2);
}

#[tokio::test]
async fn force_authn_asks_anew_and_only_the_same_person() {
    let world = world().await;
    let browser = Browser::new(&world);
    browser.password(&browser.request(&world.request()).await).await;
    world.clock.advance(Duration::from_secs(5));
    let through = browser.request(&world.request().with("ForceAuthn=\"true\"")).await;
    let page = browser.step(&through, "through", "x", "").await;
    assert!(page.text().contains("Confirm that it is you") && page.text().contains(ANNA), "{}", page.text());
    let other = browser.step(&page, "name", "login_name", "bert@acme.example").await;
    assert!(other.text().contains(ANNA) && !other.text().contains("bert@"), "nobody else may confirm a session");
    // The session was begun with a passkey; the service is told what the person proved when it asked.
    world.set::<BrowserSession>(Filter::all(), vec![BrowserSession::level.set(&Level::Present)]).await;
    assert!(response(&browser.step(&page, "password", "password", GOOD).await).contains("status:Success"));
    let mut levels: Vec<_> = world.all::<Session>().await.into_iter().map(|session| session.level).collect();
    levels.sort_unstable();
    assert_eq!(levels, [Level::KnownUser, Level::KnownUser]);
    let through = browser.request(&world.request()).await;
    assert!(response(&browser.step(&through, "through", "x", "").await).contains("status:Success"));
    assert!(world.all::<Session>().await.iter().any(|session| session.level == Level::Present), "no new proof asked");
}

#[tokio::test]
async fn is_passive_goes_by_the_session_or_not_at_all() {
    let world = world().await;
    let browser = Browser::new(&world);
    let passive = world.request().with("IsPassive=\"true\"");
    assert!(response(&browser.request(&passive).await).contains("status:NoPassive"));
    browser.password(&browser.request(&world.request()).await).await;
    let through = browser.request(&passive).await;
    assert!(response(&browser.step(&through, "through", "x", "").await).contains("status:Success"));
    browser.cookies.borrow_mut().retain(|name, _| !name.contains("lk-s-"));
    let through = browser.request(&passive).await;
    assert!(response(&browser.step(&through, "through", "x", "").await).contains("status:NoPassive"));
}

#[tokio::test]
async fn r10_a_service_that_asks_for_more_is_not_told_less() {
    let world = world().await;
    world.set::<Service>(Filter::all(), vec![Service::min_evidence.set(&Level::MdmSigned)]).await;
    let browser = Browser::new(&world);
    let refused = browser.password(&browser.request(&world.request()).await).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("LK-SIGNIN-006"), "{}", refused.text());
    world.set::<Service>(Filter::all(), vec![Service::min_evidence.set(&Level::Present)]).await;
    let page = browser.request(&world.request()).await;
    let page = browser.step(&page, "name", "login_name", ANNA).await;
    assert!(page.text().contains("data-passkey") && !page.text().contains("name=\"password\""), "only what reaches it");
    assert!(world.all::<Session>().await.is_empty());
}

#[tokio::test]
async fn whoever_is_not_entitled_reads_so_and_stays_signed_in() {
    let world = world().await;
    world.delete::<Entitlement>(Filter::all()).await;
    let browser = Browser::new(&world);
    let refused = browser.password(&browser.request(&world.request()).await).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("LK-PROOF-020") && browser.has_session(), "{}", refused.text());
    assert!(world.all::<Session>().await.is_empty());
    let settings = ServiceSettings { idp_initiated: true, ..ServiceSettings::default() };
    world.service("two", "https://two.example/sp", ACS, settings, Level::Asserted).await;
    let path = world.path("saml/sso?service=two");
    let cookies: Vec<String> = browser.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = Request::get(path).header("cookie", cookies.join("; ")).body(Body::empty()).unwrap();
    assert!(response(&world.send(request).await).contains("status:Success"), "a tile goes straight through");
}
