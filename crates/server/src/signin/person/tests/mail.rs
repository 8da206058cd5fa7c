//! Codes and links by mail, through the router. Nothing empties the outbox here: the tests read it.

use latchkey_directory::mail::Letter;
use latchkey_directory::users::{NewUser, UserPatch};
use latchkey_directory::values::MethodChange;

use super::*;

const CARL: &str = "carl@acme.example";

/// A user with a password and an address.
async fn mailed_user(world: &World, login: &str) -> String {
    let (directory, org) = (&world.app.directory, acme(world).await);
    let emails = Some(vec![login.to_owned()]);
    let new = NewUser { login_name: Some(login.to_owned()), emails, ..NewUser::default() };
    let user = directory.create_user(&intent(), &org, new).await.unwrap();
    let rules = directory.password_rules(&org, &user.id).await.unwrap();
    let password = rules.hash(&Password::new(GOOD.into())).unwrap();
    directory.set_password(&intent(), &org, &user.id, password).await.unwrap();
    world.mailed().await;
    user.id
}

async fn allow(world: &World, methods: &[SignInMethod]) {
    let new = NewSignInPolicy {
        methods: Some(methods.to_vec()),
        password_min_length: Some(12),
        password_history: Some(5),
        password_max_age_days: Some(0),
    };
    world.app.directory.set_sign_in_policy(&intent(), &acme(world).await, new).await.unwrap();
}

/// A world in which codes are mailed.
async fn mailing() -> World {
    let world = World::with_mail().await;
    allow(&world, SignInMethod::ALL).await;
    world
}

/// The code in the only letter that waits.
async fn code(world: &World, to: &str) -> String {
    let mut letters = world.mailed().await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    let (address, letter) = letters.remove(0);
    assert_eq!(address, to);
    let Letter::Code { code } = letter else { panic!("{letter:?}") };
    code.expose().to_owned()
}

/// The path of the link in the only letter that waits.
async fn link(world: &World) -> String {
    let mut letters = world.mailed().await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    let Letter::Recovery { secret } = letters.remove(0).1 else { panic!("no link") };
    format!("/o/acme/recover/{}", secret.expose())
}

async fn name(browser: &Browser<'_>, name: &str) -> Answer {
    browser.get("/o/acme/signin?to=/o/acme/account").await;
    browser.step("name", "login_name", name).await
}

/// Asks for a link, with the password forgotten.
async fn forgotten(browser: &Browser<'_>, login: &str) -> Answer {
    name(browser, login).await;
    browser.step("forgotten", "x", "").await
}

/// Sends a form of the page behind a link.
async fn send(browser: &Browser<'_>, path: &str, pairs: &[(&str, &str)]) -> Answer {
    let page = browser.page.borrow().clone();
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.append_pair("csrf", field(&page, "csrf")).append_pair("txn", field(&page, "txn")).extend_pairs(pairs);
    let ask = browser.world.ask("POST", path).public().from(browser.address).header("accept", "text/html");
    let ask = ask.header("cookie", &browser.cookie());
    let answer = ask.bytes("application/x-www-form-urlencoded", body.finish().as_bytes()).send().await;
    browser.keep(&answer);
    answer
}

const NEW: &str = "violet rather umbrella canyon";

fn new_password<'a>() -> [(&'a str, &'a str); 3] {
    [("do", "password"), ("password", NEW), ("again", NEW)]
}

async fn session(world: &World, user: &str) -> (Vec<String>, u8) {
    let sessions = world.app.directory.browser_sessions(&acme(world).await, Some(user), Default::default()).await;
    let session = sessions.unwrap().items.remove(0);
    (session.methods, session.level)
}

#[tokio::test]
async fn a_password_is_confirmed_by_a_mailed_code() {
    let world = mailing().await;
    let anna = mailed_user(&world, ANNA).await;
    let browser = Browser::new(&world);
    browser.password(ANNA, GOOD).await;
    assert!(!browser.cookie().contains("lk-s-"), "the password alone is not enough where codes are mailed");
    browser.step("mail", "x", "").await;
    let code = code(&world, ANNA).await;
    goes_to(&browser.step("mail_code", "code", &code).await, "/o/acme/account");
    assert_eq!(session(&world, &anna).await, (vec!["password".to_owned(), "mail_code".to_owned()], 2));
}

#[tokio::test]
async fn a_mailed_code_alone_signs_in_as_level_one_once_and_in_its_own_browser_only() {
    let world = mailing().await;
    let anna = mailed_user(&world, ANNA).await;
    let (browser, other) = (Browser::new(&world), Browser::new(&world));
    name(&browser, ANNA).await;
    browser.step("mail", "x", "").await;
    let mine = code(&world, ANNA).await;
    // Somebody else asks for one as well, and types the first.
    name(&other, ANNA).await;
    other.step("mail", "x", "").await;
    let theirs = code(&world, ANNA).await;
    assert_eq!(other.step("mail_code", "code", &mine).await.status.as_u16(), 422);
    let page = browser.page.borrow().clone();
    let spaced = format!(" {} {} ", &mine[..4], &mine[4..]);
    goes_to(&browser.step("mail_code", "code", &spaced).await, "/o/acme/account");
    assert_eq!(session(&world, &anna).await, (vec!["mail_code".to_owned()], 1));
    *browser.page.borrow_mut() = page;
    browser.cookies.borrow_mut().retain(|name, _| !name.contains("lk-s-"));
    assert_eq!(browser.step("mail_code", "code", &mine).await.status.as_u16(), 422, "it was used");
    goes_to(&other.step("mail_code", "code", &theirs).await, "/o/acme/account");
}

#[tokio::test]
async fn whoever_is_named_reads_the_same_about_codes_and_links() {
    let world = mailing().await;
    mailed_user(&world, ANNA).await;
    user(&world, "bert@acme.example").await;
    let mut pages = Vec::new();
    for login in [ANNA, "bert@acme.example", CARL] {
        let browser = Browser::new(&world);
        let named = name(&browser, login).await;
        let asked = browser.step("mail", "x", "").await;
        let wrong = browser.step("mail_code", "code", "00000000").await;
        let forgotten = browser.step("forgotten", "x", "").await;
        let all = [named, asked, wrong, forgotten];
        assert_eq!(all.each_ref().map(|answer| answer.status.as_u16()), [200, 200, 422, 200]);
        let csrf = field(&all[0].text, "csrf").to_owned();
        pages.push(all.map(|answer| plain(&answer).replace(login, "NAME").replace(&csrf, "CSRF")));
    }
    assert_eq!(pages[0], pages[1]);
    assert_eq!(pages[0], pages[2]);
    let to: Vec<_> = world.mailed().await.into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, [ANNA, ANNA], "a code and a link, and nobody else is mailed");
}

#[tokio::test]
async fn nobody_floods_a_mailbox() {
    let world = mailing().await;
    mailed_user(&world, ANNA).await;
    let mut mailed = 0;
    for round in 0..12 {
        // From everywhere, by codes and links in turn.
        let address = format!("192.0.2.{round}");
        let browser = Browser { address: &address, ..Browser::new(&world) };
        name(&browser, ANNA).await;
        let step = if round % 2 == 0 { "mail" } else { "forgotten" };
        assert_eq!(browser.step(step, "x", "").await.status.as_u16(), 200);
        mailed += world.mailed().await.len();
    }
    assert_eq!(mailed, 3);
    for minutes in [1, 2] {
        world.clock.advance(Duration::from_secs(60 * minutes));
        let browser = Browser::new(&world);
        name(&browser, ANNA).await;
        browser.step("mail", "x", "").await;
        browser.step("mail", "x", "").await;
        assert_eq!(world.mailed().await.len(), 1, "after {minutes} minutes");
    }
}

#[tokio::test]
async fn two_users_with_one_address_share_what_may_be_mailed_to_it() {
    let world = mailing().await;
    mailed_user(&world, ANNA).await;
    let other = mailed_user(&world, CARL).await;
    let patch = UserPatch { emails: Some(vec![ANNA.to_uppercase()]), ..UserPatch::default() };
    world.app.directory.change_user(&intent(), &acme(&world).await, &other, patch).await.unwrap();
    for login in [ANNA, CARL, ANNA, CARL, CARL] {
        let browser = Browser::new(&world);
        name(&browser, login).await;
        browser.step("mail", "x", "").await;
    }
    assert_eq!(world.mailed().await.len(), 3);
}

#[tokio::test]
async fn a_code_takes_five_wrong_ones_and_ten_minutes() {
    let world = mailing().await;
    mailed_user(&world, ANNA).await;
    let browser = Browser::new(&world);
    name(&browser, ANNA).await;
    browser.step("mail", "x", "").await;
    let right = code(&world, ANNA).await;
    let wrong = if right == "00000000" { "00000001" } else { "00000000" };
    for _ in 0..5 {
        assert_eq!(browser.step("mail_code", "code", wrong).await.status.as_u16(), 422);
    }
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(browser.step("mail_code", "code", &right).await.status.as_u16(), 422, "it is worth nothing now");

    let browser = Browser { address: "192.0.2.77", ..Browser::new(&world) };
    name(&browser, ANNA).await;
    browser.step("mail", "x", "").await;
    code(&world, ANNA).await;
    world.clock.advance(Duration::from_secs(601));
    assert_ne!(browser.step("mail_code", "code", &right).await.status.as_u16(), 200);
    assert!(!browser.cookie().contains("lk-s-"));
}

#[tokio::test]
async fn an_administrator_is_not_served_by_mailed_codes() {
    let world = mailing().await;
    mailed_user(&world, ANNA).await;
    world.app.directory.give_role(&intent(), &acme(&world).await, "auditor", &Holder::User(ANNA.into())).await.unwrap();
    let browser = Browser::new(&world);
    browser.password(ANNA, GOOD).await;
    browser.step("mail", "x", "").await;
    let answer = browser.step("mail_code", "code", &code(&world, ANNA).await).await;
    assert_eq!(answer.status.as_u16(), 403);
    assert!(answer.text.contains("LK-SIGNIN-006") && !browser.cookie().contains("lk-s-"), "{}", answer.text);
}

#[tokio::test]
async fn a_code_does_not_stand_in_for_an_authenticator() {
    let world = mailing().await;
    let anna = mailed_user(&world, ANNA).await;
    let app = app_of(&world, &anna).await;
    world.mailed().await;
    let browser = Browser::new(&world);
    name(&browser, ANNA).await;
    browser.step("mail", "x", "").await;
    let asked = browser.step("mail_code", "code", &code(&world, ANNA).await).await;
    assert!(asked.status.as_u16() == 200 && !browser.cookie().contains("lk-s-"), "{}", asked.text);
    assert!(!asked.text.contains("value=\"mail\""), "the authenticator is asked, and no other code");
    let _ = app;
}

#[tokio::test]
async fn a_code_to_an_address_that_was_changed_since_signs_nobody_in() {
    let world = mailing().await;
    let anna = mailed_user(&world, ANNA).await;
    let browser = Browser::new(&world);
    name(&browser, ANNA).await;
    browser.step("mail", "x", "").await;
    let code = code(&world, ANNA).await;
    let patch = UserPatch { emails: Some(vec!["new@acme.example".to_owned()]), ..UserPatch::default() };
    world.app.directory.change_user(&intent(), &acme(&world).await, &anna, patch).await.unwrap();
    let answer = browser.step("mail_code", "code", &code).await;
    assert!(answer.status.as_u16() == 403 && answer.text.contains("LK-PROOF-010"), "{}", answer.text);
}

#[tokio::test]
async fn without_mail_neither_codes_nor_links_are_offered() {
    let world = World::with_acme().await;
    allow(&world, SignInMethod::ALL).await;
    user(&world, ANNA).await;
    let browser = Browser::new(&world);
    let page = name(&browser, ANNA).await.text;
    assert!(!page.contains("value=\"mail\"") && !page.contains("value=\"forgotten\""), "{page}");
    assert_eq!(browser.get("/o/acme/recover/x").await.status.as_u16(), 410);
}

#[tokio::test]
async fn codes_and_links_are_not_readable_in_the_database() {
    let world = mailing().await;
    mailed_user(&world, ANNA).await;
    let browser = Browser::new(&world);
    name(&browser, ANNA).await;
    browser.step("mail", "x", "").await;
    browser.step("forgotten", "x", "").await;
    let dump = world.dump();
    let letters = world.mailed().await;
    assert_eq!(letters.len(), 2);
    for (_, letter) in letters {
        let (Letter::Code { code: secret } | Letter::Recovery { secret }) = letter else { panic!() };
        let secret = secret.expose().as_bytes();
        assert!(!dump.windows(secret.len()).any(|part| part == secret));
    }
}

#[tokio::test]
async fn who_forgot_the_password_sets_a_new_one_by_the_link_and_is_out_everywhere() {
    let world = World::with_mail().await;
    let anna = mailed_user(&world, ANNA).await;
    let (mine, theirs) = (Browser::new(&world), Browser::new(&world));
    goes_to(&theirs.password(ANNA, GOOD).await, "/o/acme/account");
    let said = forgotten(&mine, ANNA).await;
    assert!(said.text.contains("Look into your mail"), "{}", said.text);
    let path = link(&world).await;
    // What opens every link uses nothing up.
    Browser::new(&world).get(&path).await;
    let page = mine.get(&path).await;
    assert!(page.status.as_u16() == 200 && page.text.contains("Set a new password"), "{}", page.text);
    let weak = [("do", "password"), ("password", "short"), ("again", "short")];
    assert_eq!(send(&mine, &path, &weak).await.status.as_u16(), 422);
    goes_to(&send(&mine, &path, &new_password()).await, "/o/acme/signin?said=password-recovered");
    assert_eq!(mine.get(&path).await.status.as_u16(), 410, "once");
    assert_eq!(theirs.get("/o/acme/account").await.status.as_u16(), 303, "signed out");
    let told = world.mailed().await.into_iter().map(|(_, letter)| letter).collect::<Vec<_>>();
    assert!(matches!(told[..], [Letter::MethodsChanged { change: MethodChange::Recovered, .. }]), "{told:?}");
    assert_eq!(theirs.password(ANNA, GOOD).await.status.as_u16(), 422, "the old one");
    goes_to(&mine.password(ANNA, NEW).await, "/o/acme/account");
    let events = world.get("/api/v1/o/acme/audit-events?action=recovery.finish").await.good();
    assert_eq!(events["items"][0]["target"], anna.as_str());
}

#[tokio::test]
async fn whoever_has_an_authenticator_shows_it_before_the_new_password() {
    let world = World::with_mail().await;
    let anna = mailed_user(&world, ANNA).await;
    let app = app_of(&world, &anna).await;
    world.mailed().await;
    let browser = Browser::new(&world);
    forgotten(&browser, ANNA).await;
    let path = link(&world).await;
    let page = browser.get(&path).await;
    assert!(page.text.contains("value=\"totp\"") && !page.text.contains("new-password"), "{}", page.text);
    let early = send(&browser, &path, &new_password()).await;
    assert!(early.status.as_u16() == 403 && early.text.contains("LK-PROOF-014"), "{}", early.text);
    browser.get(&path).await;
    assert_eq!(send(&browser, &path, &[("do", "totp"), ("code", "000000")]).await.status.as_u16(), 422);
    let on = send(&browser, &path, &[("do", "totp"), ("code", &code_of(&world, &app))]).await;
    assert!(on.status.as_u16() == 200 && on.text.contains("new-password"), "{}", on.text);
    goes_to(&send(&browser, &path, &new_password()).await, "/o/acme/signin?said=password-recovered");
}

#[tokio::test]
async fn a_passkey_confirms_a_link_and_another_persons_does_not() {
    let world = World::with_mail().await;
    let (anna, carl) = (mailed_user(&world, ANNA).await, mailed_user(&world, CARL).await);
    let mut of_anna = passkey_of(&world, &anna, ANNA).await;
    let mut of_carl = passkey_of(&world, &carl, CARL).await;
    world.mailed().await;
    let browser = Browser::new(&world);
    forgotten(&browser, ANNA).await;
    let path = link(&world).await;
    browser.get(&path).await;
    let wrong = of_carl.get(&browser.question());
    assert_eq!(send(&browser, &path, &[("do", "passkey"), ("passkey", &wrong)]).await.status.as_u16(), 422);
    let right = of_anna.get(&browser.question());
    let on = send(&browser, &path, &[("do", "passkey"), ("passkey", &right)]).await;
    assert!(on.status.as_u16() == 200 && on.text.contains("new-password"), "{}", on.text);
}

#[tokio::test]
async fn a_protected_user_without_a_second_factor_gets_no_password_by_mail() {
    let world = World::with_mail().await;
    mailed_user(&world, ANNA).await;
    world.app.directory.give_role(&intent(), &acme(&world).await, "auditor", &Holder::User(ANNA.into())).await.unwrap();
    let browser = Browser::new(&world);
    forgotten(&browser, ANNA).await;
    let answer = browser.get(&link(&world).await).await;
    assert!(answer.status.as_u16() == 403 && answer.text.contains("LK-SIGNIN-008"), "{}", answer.text);
}

#[tokio::test]
async fn a_link_ends_after_a_quarter_of_an_hour_and_a_newer_one_makes_it_worthless() {
    let world = World::with_mail().await;
    mailed_user(&world, ANNA).await;
    let browser = Browser::new(&world);
    forgotten(&browser, ANNA).await;
    let first = link(&world).await;
    forgotten(&browser, ANNA).await;
    let second = link(&world).await;
    assert_eq!(browser.get(&first).await.status.as_u16(), 410);
    assert_eq!(browser.get(&second).await.status.as_u16(), 200);
    world.clock.advance(Duration::from_secs(901));
    assert_eq!(browser.get(&second).await.status.as_u16(), 410);
}

#[tokio::test]
async fn another_browser_does_not_go_on_with_a_link_that_was_confirmed() {
    let world = World::with_mail().await;
    let anna = mailed_user(&world, ANNA).await;
    let app = app_of(&world, &anna).await;
    world.mailed().await;
    let (mine, theirs) = (Browser::new(&world), Browser::new(&world));
    forgotten(&mine, ANNA).await;
    let path = link(&world).await;
    mine.get(&path).await;
    send(&mine, &path, &[("do", "totp"), ("code", &code_of(&world, &app))]).await;
    theirs.get(&path).await;
    let own = field(&theirs.page.borrow(), "csrf").to_owned();
    let page = mine.page.borrow().replace(field(&mine.page.borrow(), "csrf"), &own);
    *theirs.page.borrow_mut() = page;
    let answer = send(&theirs, &path, &new_password()).await;
    assert!(answer.status.as_u16() == 403 && answer.text.contains("LK-SIGNIN-005"), "{}", answer.text);
}
