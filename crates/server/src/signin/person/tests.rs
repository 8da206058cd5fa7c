//! People who sign in, through the router, in a browser that keeps its cookies.

mod mail;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use latchkey_directory::access::Holder;
use latchkey_directory::audit::Actor;
use latchkey_directory::credentials::NewSignInPolicy;
use latchkey_directory::tokens::Password;
use latchkey_directory::users::NewUser;
use latchkey_directory::values::SignInMethod;
use latchkey_directory::{Intent, OrgId};
use totp_rs::Totp;

use super::own_path;
use crate::api::tests::world::{Answer, World};
use crate::signin::authenticator::Authenticator;

const ANNA: &str = "anna@acme.example";
const GOOD: &str = "tram lantern obey quartz";

/// A browser: cookies, and the page it shows.
struct Browser<'a> {
    world: &'a World,
    address: &'a str,
    cookies: RefCell<BTreeMap<String, String>>,
    page: RefCell<String>,
}

/// A field of the first form that has this step.
fn field<'a>(form: &'a str, name: &str) -> &'a str {
    let (_, after) =
        form.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name}: {form}"));
    after.split('"').next().unwrap()
}

fn unescaped(text: &str) -> String {
    text.replace("&#34;", "\"").replace("&quot;", "\"").replace("&#38;", "&").replace("&amp;", "&")
}

impl<'a> Browser<'a> {
    fn new(world: &'a World) -> Self {
        Self { world, address: "192.0.2.1", cookies: RefCell::default(), page: RefCell::default() }
    }

    fn cookie(&self) -> String {
        self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&self, answer: &Answer) {
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("; Secure; HttpOnly; SameSite="), "{cookie}");
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
        }
        *self.page.borrow_mut() = answer.text.clone();
    }

    async fn get(&self, path: &str) -> Answer {
        let ask = self.world.ask("GET", path).public().from(self.address).header("accept", "text/html");
        let answer = ask.header("cookie", &self.cookie()).send().await;
        self.keep(&answer);
        answer
    }

    /// Sends the form of this step on the page, with this value typed in.
    async fn step(&self, step: &str, name: &str, value: &str) -> Answer {
        let page = self.page.borrow().clone();
        let marker = format!("name=\"do\" value=\"{step}\"");
        let form = page.split("<form ").find(|form| form.contains(&marker));
        let form = form.unwrap_or_else(|| panic!("no step {step}: {page}"));
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.append_pair("csrf", field(form, "csrf")).append_pair("txn", field(form, "txn"));
        body.append_pair("do", step).append_pair(name, value);
        self.post(&body.finish()).await
    }

    async fn post(&self, body: &str) -> Answer {
        let ask = self.world.ask("POST", "/o/acme/signin").public().from(self.address);
        let ask = ask.header("accept", "text/html").header("cookie", &self.cookie());
        let answer = ask.bytes("application/x-www-form-urlencoded", body.as_bytes()).send().await;
        self.keep(&answer);
        answer
    }

    /// Signs in as far as name and password go.
    async fn password(&self, name: &str, password: &str) -> Answer {
        self.get("/o/acme/signin?to=/o/acme/account").await;
        self.step("name", "login_name", name).await;
        self.step("password", "password", password).await
    }

    /// The question to passkeys on the page.
    fn question(&self) -> String {
        let page = self.page.borrow();
        unescaped(page.split("data-options=\"").nth(1).expect("a passkey is offered").split('"').next().unwrap())
    }

    async fn passkey(&self, authenticator: &mut Authenticator) -> Answer {
        let answer = authenticator.get(&self.question());
        self.step("passkey", "passkey", &answer).await
    }
}

fn intent() -> Intent {
    Intent { may_give: latchkey_directory::access::MayGive::Everything, ..Intent::of(&Actor::system()) }
}

async fn acme(world: &World) -> OrgId {
    world.app.directory.organization("acme").await.unwrap().id
}

/// A user with a password.
async fn user(world: &World, login: &str) -> String {
    let (directory, org) = (&world.app.directory, acme(world).await);
    let new = NewUser { login_name: Some(login.to_owned()), ..NewUser::default() };
    let user = directory.create_user(&intent(), &org, new).await.unwrap();
    let rules = directory.password_rules(&org, &user.id).await.unwrap();
    let password = rules.hash(&Password::new(GOOD.into())).unwrap();
    directory.set_password(&intent(), &org, &user.id, password).await.unwrap();
    user.id
}

/// An authenticator app of a user.
async fn app_of(world: &World, user: &str) -> Totp {
    let (directory, org) = (&world.app.directory, acme(world).await);
    let setup = directory.begin_totp(&intent(), &org, user, "phone").await.unwrap();
    let secret = data_encoding::BASE32_NOPAD.decode(setup.text().replace(' ', "").as_bytes()).unwrap();
    let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    let code = code_of(world, &app);
    directory.confirm_totp(&intent(), &org, user, &setup.id, &code).await.unwrap();
    world.clock.advance(Duration::from_secs(30));
    app
}

fn code_of(world: &World, app: &Totp) -> String {
    app.generate(world.now().seconds()).to_string()
}

/// A passkey of a user.
async fn passkey_of(world: &World, user: &str, login: &str) -> Authenticator {
    let (app, org) = (&world.app, acme(world).await);
    let mut authenticator = Authenticator::new(app.origin());
    let question = app.passkeys.ask_new(user, login, login, &[]).unwrap();
    let new = app.passkeys.new_passkey(&question.state, &authenticator.create(&question.options), "key").unwrap();
    app.directory.add_passkey(&intent(), &org, user, new).await.unwrap();
    authenticator
}

fn goes_to(answer: &Answer, path: &str) {
    assert_eq!(answer.status.as_u16(), 303, "{}", answer.text);
    assert_eq!(answer.headers["location"], path);
}

/// What a page says, without what differs each time.
fn plain(answer: &Answer) -> String {
    let mut text = answer.text.clone();
    for (from, to) in [("name=\"txn\" value=\"", "\""), ("data-options=\"", "\""), ("<code>", "<")] {
        let mut out = String::new();
        let mut parts = text.split(from);
        out.push_str(parts.next().unwrap());
        for part in parts {
            out.push_str(from);
            out.push_str(&part[part.find(to).unwrap()..]);
        }
        text = out;
    }
    text
}

#[tokio::test]
async fn name_password_and_code_lead_to_the_page_that_was_wanted() {
    let world = World::with_acme().await;
    let anna = user(&world, ANNA).await;
    let app = app_of(&world, &anna).await;
    let browser = Browser::new(&world);
    let answer = browser.password("Anna@acme.example", GOOD).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert!(!browser.cookie().contains("lk-s-"), "the password alone signs nobody in who has an authenticator");
    let done = browser.step("totp", "code", &code_of(&world, &app)).await;
    goes_to(&done, "/o/acme/account");
    assert_eq!(browser.get("/o/acme/").await.status.as_u16(), 200);
    goes_to(&browser.get("/o/acme/signin?to=/o/acme/?x=1").await, "/o/acme/?x=1");
    let sessions = world.app.directory.browser_sessions(&acme(&world).await, Some(&anna), Default::default()).await;
    let session = sessions.unwrap().items.remove(0);
    assert_eq!((session.methods, session.level), (vec!["password".to_owned(), "totp".to_owned()], 3));
    assert_eq!(session.address.as_deref(), Some("192.0.2.1"));
}

#[tokio::test]
async fn whoever_is_named_reads_the_same_and_the_reason_stands_under_the_reference() {
    let world = World::with_acme().await;
    user(&world, ANNA).await;
    let mut pages = Vec::new();
    for (name, why) in [(ANNA, "the password is wrong"), ("carl@acme.example", "nobody has this login name")] {
        let browser = Browser::new(&world);
        browser.get("/o/acme/signin").await;
        let offered = browser.step("name", "login_name", name).await;
        let wrong = browser.step("password", "password", "not this one").await;
        assert_eq!((offered.status.as_u16(), wrong.status.as_u16()), (200, 422));
        let reference = wrong.text.split("<code>").nth(1).unwrap().split('<').next().unwrap();
        let found = world.app.directory.refusal_under(&acme(&world).await, reference).await.unwrap();
        assert_eq!(found.detail, why);
        assert!(!wrong.text.contains("not this one"));
        pages.push([offered, wrong].map(|answer| plain(&answer).replace(name, "NAME")));
    }
    let csrf = |text: &str| text.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let [one, other] = [&pages[0], &pages[1]].map(|pages| pages.clone().map(|page| page.replace(&csrf(&page), "CSRF")));
    assert_eq!(one, other);
}

#[tokio::test]
async fn a_sign_in_is_finished_once_and_a_code_used_once() {
    let world = World::with_acme().await;
    let anna = user(&world, ANNA).await;
    let app = app_of(&world, &anna).await;
    let browser = Browser::new(&world);
    browser.password(ANNA, GOOD).await;
    let page = browser.page.borrow().clone();
    let code = code_of(&world, &app);
    goes_to(&browser.step("totp", "code", &code).await, "/o/acme/account");
    *browser.page.borrow_mut() = page.clone();
    assert_eq!(browser.step("totp", "code", &code).await.status.as_u16(), 422, "the code was used");
    world.clock.advance(Duration::from_secs(30));
    *browser.page.borrow_mut() = page;
    let again = browser.step("totp", "code", &code_of(&world, &app)).await;
    assert_eq!(again.status.as_u16(), 403);
    assert!(again.text.contains("LK-PROOF-010"), "the sign-in was finished: {}", again.text);
}

#[tokio::test]
async fn another_browser_cannot_go_on_with_a_sign_in() {
    let world = World::with_acme().await;
    user(&world, ANNA).await;
    let [mine, theirs] = [0, 1].map(|_| Browser::new(&world));
    mine.get("/o/acme/signin").await;
    mine.step("name", "login_name", ANNA).await;
    theirs.get("/o/acme/signin").await;
    let own = |page: &str| field(page, "csrf").to_owned();
    let txn = field(&mine.page.borrow(), "txn").to_owned();
    let csrf = own(&theirs.page.borrow());
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("csrf", csrf.as_str()), ("txn", &txn), ("do", "password"), ("password", GOOD)])
        .finish();
    let answer = theirs.post(&body).await;
    assert_eq!(answer.status.as_u16(), 403);
    assert!(answer.text.contains("LK-SIGNIN-005"), "{}", answer.text);
}

#[tokio::test]
async fn no_session_of_before_becomes_the_session_of_whoever_signs_in() {
    let world = World::with_acme().await;
    let (anna, _) = (user(&world, ANNA).await, user(&world, "mallory@acme.example").await);
    let mallory = Browser::new(&world);
    goes_to(&mallory.password("mallory@acme.example", GOOD).await, "/o/acme/account");
    // Mallory plants his own session, and the cookie that forms hang on, in Anna's browser.
    let browser = Browser::new(&world);
    browser.cookies.borrow_mut().extend(mallory.cookies.borrow().clone());
    let planted = browser.cookies.borrow().clone();
    browser.get("/o/acme/signin?again=1").await;
    browser.cookies.borrow_mut().retain(|name, _| !name.contains("lk-s-"));
    goes_to(&browser.password(ANNA, GOOD).await, "/o/acme/account");
    let mine = browser.cookies.borrow().clone();
    let session = |cookies: &BTreeMap<String, String>| {
        cookies.iter().find(|(name, _)| name.contains("lk-s-")).map(|(_, value)| value.clone()).unwrap()
    };
    assert_ne!(session(&planted), session(&mine));
    let org = acme(&world).await;
    let person = world.app.directory.known_person(&org, &session(&mine)).await.unwrap().unwrap();
    assert_eq!(person.user_id, anna);
    let other = world.app.directory.known_person(&org, &session(&planted)).await.unwrap().unwrap();
    assert_ne!(other.user_id, anna, "the planted one is still Mallory's");
}

#[tokio::test]
async fn a_passkey_needs_no_name_and_confirms_only_its_own_session() {
    let world = World::with_acme().await;
    let (anna, bert) = (user(&world, ANNA).await, user(&world, "bert@acme.example").await);
    let mut of_anna = passkey_of(&world, &anna, ANNA).await;
    let mut of_bert = passkey_of(&world, &bert, "bert@acme.example").await;
    let browser = Browser::new(&world);
    browser.get("/o/acme/signin").await;
    goes_to(&browser.passkey(&mut of_anna).await, "/o/acme/");
    let before = browser.cookie();
    world.clock.advance(Duration::from_secs(660));
    let page = browser.get("/o/acme/signin?to=/o/acme/account&again=1").await;
    assert!(page.text.contains("Confirm that it is you") && page.text.contains(ANNA));
    let refused = browser.passkey(&mut of_bert).await;
    assert_eq!(refused.status.as_u16(), 422, "another person's");
    goes_to(&browser.passkey(&mut of_anna).await, "/o/acme/account");
    assert_ne!(browser.cookie(), before, "each proof gives the session a new secret");
    let sessions = world.app.directory.browser_sessions(&acme(&world).await, Some(&anna), Default::default()).await;
    let sessions = sessions.unwrap().items;
    assert_eq!((sessions.len(), sessions[0].level), (1, 5));
    assert_eq!(sessions[0].authenticated_at, world.now());
}

#[tokio::test]
async fn an_administrator_does_not_get_in_with_a_password_alone() {
    let world = World::with_acme().await;
    let anna = user(&world, ANNA).await;
    let org = acme(&world).await;
    world.app.directory.give_role(&intent(), &org, "auditor", &Holder::User(ANNA.into())).await.unwrap();
    let browser = Browser::new(&world);
    let answer = browser.password(ANNA, GOOD).await;
    assert_eq!(answer.status.as_u16(), 403);
    assert!(answer.text.contains("LK-SIGNIN-006") && !browser.cookie().contains("lk-s-"), "{}", answer.text);
    let app = app_of(&world, &anna).await;
    browser.password(ANNA, GOOD).await;
    goes_to(&browser.step("totp", "code", &code_of(&world, &app)).await, "/o/acme/account");
}

#[tokio::test]
async fn a_recovery_code_stands_in_for_the_authenticator_once() {
    let world = World::with_acme().await;
    let anna = user(&world, ANNA).await;
    app_of(&world, &anna).await;
    let codes = world.app.directory.make_recovery_codes(&intent(), &acme(&world).await, &anna).await.unwrap();
    let code = codes.expose().next().unwrap().to_owned();
    let browser = Browser::new(&world);
    browser.password(ANNA, GOOD).await;
    goes_to(&browser.step("recovery_code", "code", &code).await, "/o/acme/account");
    let other = Browser::new(&world);
    other.password(ANNA, GOOD).await;
    assert_eq!(other.step("recovery_code", "code", &code).await.status.as_u16(), 422);
}

#[tokio::test]
async fn many_wrong_passwords_wait_and_her_own_browser_does_not() {
    let world = World::with_acme().await;
    user(&world, ANNA).await;
    let own = Browser::new(&world);
    goes_to(&own.password(ANNA, GOOD).await, "/o/acme/account");
    let stranger = Browser { address: "192.0.2.9", ..Browser::new(&world) };
    for _ in 0..5 {
        assert_eq!(stranger.password(ANNA, "wrong").await.status.as_u16(), 422);
    }
    let waits = stranger.step("password", "password", GOOD).await;
    assert_eq!((waits.status.as_u16(), &waits.headers["retry-after"]), (429, &"2".parse().unwrap()));
    assert!(waits.text.contains("name=\"password\""), "the form is there to be sent again later");
    own.cookies.borrow_mut().retain(|name, _| !name.contains("lk-s-"));
    goes_to(&own.password(ANNA, GOOD).await, "/o/acme/account");
}

#[tokio::test]
async fn what_the_organization_forbids_is_neither_offered_nor_taken() {
    let world = World::with_acme().await;
    user(&world, ANNA).await;
    let org = acme(&world).await;
    let browser = Browser::new(&world);
    browser.get("/o/acme/signin").await;
    browser.step("name", "login_name", ANNA).await;
    let only = NewSignInPolicy {
        methods: Some(vec![SignInMethod::Passkey]),
        password_min_length: Some(12),
        password_history: Some(5),
        password_max_age_days: Some(0),
    };
    world.app.directory.set_sign_in_policy(&intent(), &org, only).await.unwrap();
    let answer = browser.step("password", "password", GOOD).await;
    assert_eq!(answer.status.as_u16(), 422);
    assert!(!answer.text.contains("name=\"password\"") && answer.text.contains("data-passkey=\"get\""));
    assert!(!browser.cookie().contains("lk-s-"));
}

#[tokio::test]
async fn a_password_that_has_to_be_changed_is_changed_after_the_code_and_before_anything_else() {
    const NEW: &str = "violet anchors drift at noon";
    let world = World::with_acme().await;
    let (org, anna) = (acme(&world).await, user(&world, ANNA).await);
    let app = app_of(&world, &anna).await;
    world.app.directory.expire_password(&intent(), &org, &anna).await.unwrap();
    let browser = Browser::new(&world);
    let second = browser.password(ANNA, GOOD).await;
    assert!(!second.text.contains("new_password"), "not before the code: {}", second.text);
    let asked = browser.step("totp", "code", &code_of(&world, &app)).await;
    assert!(asked.status == 200 && asked.text.contains("An administrator asks you"), "{}", asked.text);
    assert!(!browser.cookie().contains("lk-s-"));
    let page = asked.text.clone();
    let choose = async |password: &str, again: &str| {
        let form = page.split("<form ").find(|form| form.contains("value=\"new_password\"")).unwrap();
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.append_pair("csrf", field(form, "csrf")).append_pair("txn", field(form, "txn"));
        body.append_pair("do", "new_password").append_pair("password", password).append_pair("again", again);
        browser.post(&body.finish()).await
    };
    let same = choose(GOOD, GOOD).await;
    assert!(same.status == 422 && same.text.contains("the password that you have"), "{}", same.text);
    let slip = choose(NEW, GOOD).await;
    assert!(slip.status == 422 && !slip.text.contains(NEW), "{}", slip.text);
    assert!(!browser.cookie().contains("lk-s-"));
    goes_to(&choose(NEW, NEW).await, "/o/acme/account");
    assert!(browser.cookie().contains("lk-s-"));
    assert_eq!(Browser::new(&world).password(ANNA, GOOD).await.status, 422, "the old one is none any more");
    assert!(Browser::new(&world).password(ANNA, NEW).await.text.contains("value=\"totp\""));
}

#[tokio::test]
async fn who_has_not_proven_all_changes_no_password_on_the_way_in() {
    let world = World::with_acme().await;
    let (org, anna) = (acme(&world).await, user(&world, ANNA).await);
    app_of(&world, &anna).await;
    world.app.directory.expire_password(&intent(), &org, &anna).await.unwrap();
    let browser = Browser::new(&world);
    let page = browser.password(ANNA, GOOD).await.text;
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.append_pair("csrf", field(&page, "csrf")).append_pair("txn", field(&page, "txn"));
    let new = "violet anchors drift at noon";
    body.append_pair("do", "new_password").append_pair("password", new).append_pair("again", new);
    let answer = browser.post(&body.finish()).await;
    assert!(answer.status == 200 && answer.text.contains("value=\"totp\""), "{}", answer.text);
    assert!(world.app.directory.credentials(&org, &anna).await.unwrap().password_due.is_some());
}

#[tokio::test]
async fn a_page_that_was_open_too_long_begins_anew() {
    let world = World::with_acme().await;
    let browser = Browser::new(&world);
    browser.get("/o/acme/signin?to=/o/acme/account").await;
    world.clock.advance(Duration::from_secs(601));
    let late = browser.step("name", "login_name", ANNA).await;
    goes_to(&late, "/o/acme/signin?to=%2Fo%2Facme%2Faccount&said=too-late");
    let page = browser.get("/o/acme/signin?to=%2Fo%2Facme%2Faccount&said=too-late").await;
    assert!(page.text.contains("open too long"), "{}", page.text);
}

#[tokio::test]
async fn a_sign_in_leads_to_pages_of_its_organization_only() {
    let world = World::with_acme().await;
    let organization = world.app.directory.organization("acme").await.unwrap();
    let to = |wanted: &str| own_path("https://id.example", &organization, Some(wanted));
    for good in ["/o/acme/", "/o/acme/connector/tokens?state=active", &format!("/o/{}/x", organization.id)] {
        assert_eq!(to(good), good);
    }
    for bad in [
        "https://evil.test/o/acme/",
        "//evil.test/o/acme/",
        "/\\evil.test/o/acme/",
        "/o/other/",
        "/o/acme/../other/",
        "/o/acme/%2e%2e/other/",
        "/o/acme/signin",
        "javascript:alert(1)",
        "/setup",
        "",
    ] {
        assert_eq!(to(bad), "/o/acme/", "{bad}");
    }
    assert_eq!(own_path("https://id.example", &organization, None), "/o/acme/");
}

/// The hidden field of the first form of a page that goes to this path.
fn form<'a>(page: &'a str, path: &str) -> &'a str {
    let marker = format!("action=\"{path}\"");
    let form = page.split("<form ").find(|form| form.contains(&marker));
    form.unwrap_or_else(|| panic!("no form to {path}: {page}")).split("</form>").next().unwrap()
}

impl Browser<'_> {
    /// Sends the form of the page that goes to this path.
    async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.page.borrow().clone();
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.append_pair("csrf", field(form(&page, path), "csrf")).extend_pairs(fields);
        let ask = self.world.ask("POST", path).public().from(self.address).header("accept", "text/html");
        let ask = ask.header("cookie", &self.cookie());
        let answer = ask.bytes("application/x-www-form-urlencoded", body.finish().as_bytes()).send().await;
        self.keep(&answer);
        answer
    }
}

#[tokio::test]
async fn people_add_and_remove_their_ways_to_sign_in() {
    let world = World::with_acme().await;
    let anna = user(&world, ANNA).await;
    let (directory, org) = (&world.app.directory, acme(&world).await);
    let browser = Browser::new(&world);
    goes_to(&browser.password(ANNA, GOOD).await, "/o/acme/account");
    let page = browser.get("/o/acme/account/sign-in").await;
    assert!(page.text.contains("You have one way to sign in"), "{}", page.text);
    // An authenticator, its secret as a picture and as text, confirmed by its first code.
    let set_up = browser.send("/o/acme/account/authenticators", &[("name", "Phone")]).await;
    let path = set_up.headers["location"].to_str().unwrap().to_owned();
    let page = browser.get(&path).await;
    let secret = page.text.split("<code>").nth(1).unwrap().split('<').next().unwrap().replace(' ', "");
    let secret = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    assert!(page.text.contains("viewBox=\"0 0") && !page.text.contains("otpauth"));
    let wrong = browser.send(&path, &[("code", "000000")]).await;
    assert_eq!(wrong.status.as_u16(), 422);
    goes_to(&browser.send(&path, &[("code", &code_of(&world, &app))]).await, "/o/acme/account/sign-in?said=totp-added");
    goes_to(&browser.get(&path).await, "/o/acme/account/sign-in");
    // Recovery codes, shown once.
    browser.get("/o/acme/account/sign-in").await;
    let codes = browser.send("/o/acme/account/recovery-codes", &[]).await;
    let shown = codes.text.split("<pre").nth(1).unwrap().split('>').nth(1).unwrap().split('<').next().unwrap();
    assert_eq!(shown.lines().count(), 10, "{shown}");
    assert_eq!(codes.headers["cache-control"], "no-store");
    // A passkey.
    browser.get("/o/acme/account/passkeys/new").await;
    let mut authenticator = Authenticator::new(world.app.origin());
    let waiting = field(&browser.page.borrow(), "waiting").to_owned();
    let answer = authenticator.create(&browser.question());
    let fields = [("waiting", waiting.as_str()), ("passkey", answer.as_str()), ("name", "Anna's laptop")];
    let added = browser.send("/o/acme/account/passkeys/new", &fields).await;
    goes_to(&added, "/o/acme/account/sign-in?said=passkey-added");
    let have = directory.credentials(&org, &anna).await.unwrap();
    assert_eq!((have.passkeys.len(), have.totp.len(), have.recovery_codes), (1, 1, 10));
    let other = Browser::new(&world);
    other.get("/o/acme/signin").await;
    goes_to(&other.passkey(&mut authenticator).await, "/o/acme/");
    // Now that there is a passkey, a session that began with no more than a password changes nothing before it is confirmed by more.
    browser.get("/o/acme/account/sign-in").await;
    let confirm = "/o/acme/signin?to=%2Fo%2Facme%2Faccount%2Fsign-in&again=1";
    goes_to(&browser.send("/o/acme/account/password/remove", &[]).await, confirm);
    assert!(directory.credentials(&org, &anna).await.unwrap().password_set_at.is_some(), "nothing was changed");
    browser.get(confirm).await;
    browser.step("password", "password", GOOD).await;
    world.clock.advance(Duration::from_secs(60));
    goes_to(&browser.step("totp", "code", &code_of(&world, &app)).await, "/o/acme/account/sign-in");
    // A new password signs everybody else out, and the one before is good no more.
    browser.get("/o/acme/account/password").await;
    let differ = [("password", "another lantern obeys quartz"), ("again", "another lantern obeys")];
    assert_eq!(browser.send("/o/acme/account/password", &differ).await.status.as_u16(), 422);
    let weak = [("password", "password1234"), ("again", "password1234")];
    let weak = browser.send("/o/acme/account/password", &weak).await;
    assert!(weak.status.as_u16() == 422 && !weak.text.contains("password1234"));
    let same = [("password", "another lantern obeys quartz"), ("again", "another lantern obeys quartz")];
    goes_to(&browser.send("/o/acme/account/password", &same).await, "/o/acme/account/sign-in?said=password-set");
    assert_eq!(other.get("/o/acme/account").await.status.as_u16(), 303, "signed out");
    assert_eq!(browser.get("/o/acme/account").await.status.as_u16(), 200);
    let page = browser.get("/o/acme/account/sign-in").await;
    assert!(page.text.contains("Anna&#39;s laptop") || page.text.contains("Anna&#x27;s laptop"), "{}", page.text);
    goes_to(&browser.send("/o/acme/account/password/remove", &[]).await, "/o/acme/account/sign-in?said=removed");
    assert!(directory.credentials(&org, &anna).await.unwrap().password_set_at.is_none());
}

#[tokio::test]
async fn what_touches_how_somebody_signs_in_is_confirmed_first() {
    let world = World::with_acme().await;
    user(&world, ANNA).await;
    let browser = Browser::new(&world);
    goes_to(&browser.password(ANNA, GOOD).await, "/o/acme/account");
    for _ in 0..2 {
        world.clock.advance(Duration::from_secs(330));
        browser.get("/o/acme/account").await;
    }
    assert_eq!(browser.get("/o/acme/account/sign-in").await.status.as_u16(), 200, "looking is free");
    goes_to(
        &browser.get("/o/acme/account/password").await,
        "/o/acme/signin?to=%2Fo%2Facme%2Faccount%2Fpassword&again=1",
    );
    browser.get("/o/acme/signin?to=%2Fo%2Facme%2Faccount%2Fpassword&again=1").await;
    goes_to(&browser.step("password", "password", GOOD).await, "/o/acme/account/password");
    assert_eq!(browser.get("/o/acme/account/password").await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_person_ends_their_own_sessions_and_nobody_elses() {
    let world = World::with_acme().await;
    let (anna, bert) = (user(&world, ANNA).await, user(&world, "bert@acme.example").await);
    let [here, there, other] = [0, 1, 2].map(|_| Browser::new(&world));
    here.password(ANNA, GOOD).await;
    there.password(ANNA, GOOD).await;
    other.password("bert@acme.example", GOOD).await;
    let page = here.get("/o/acme/account/sessions").await;
    assert!(page.text.contains("this browser"));
    let org = acme(&world).await;
    let sessions = |user: String| {
        let (directory, org) = (world.app.directory.clone(), org.clone());
        async move { directory.browser_sessions(&org, Some(&user), Default::default()).await.unwrap().items }
    };
    let of_bert = sessions(bert.clone()).await.remove(0).id;
    let csrf = field(&page.text, "csrf").to_owned();
    let path = format!("/o/acme/account/sessions/{of_bert}/end");
    let ask = world.ask("POST", &path).public().header("cookie", &here.cookie()).header("accept", "text/html");
    let body = format!("csrf={csrf}");
    let answer = ask.bytes("application/x-www-form-urlencoded", body.as_bytes()).send().await;
    assert_eq!(answer.status.as_u16(), 404, "{}", answer.text);
    here.send("/o/acme/account/sessions/end-others", &[]).await;
    assert_eq!((sessions(anna).await.len(), sessions(bert).await.len()), (1, 1));
    assert_eq!(there.get("/o/acme/account").await.status.as_u16(), 303);
    assert_eq!(here.get("/o/acme/account").await.status.as_u16(), 200);
}
