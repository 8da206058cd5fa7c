//! What people sign in with: kept, tried, counted, taken away.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use latchkey_directory::audit::{Actor, ActorKind};
use latchkey_directory::credentials::grant::Entry;
use latchkey_directory::credentials::records::{PasswordRow, SignInFailure, TotpRow};
use latchkey_directory::credentials::{
    BrowserSecret, CredentialsView, Factor, Guesser, NewPasskey, NewSignInPolicy, TotpSetup, Tried, note_browser,
};
use latchkey_directory::master::MasterKey;
use latchkey_directory::query::Filter;
use latchkey_directory::records::User;
use latchkey_directory::tokens::Password;
use latchkey_directory::values::{SignInMethod, UserStatus};
use latchkey_directory::{Bytes, Directory, Error, Intent};
use latchkey_store::sqlite::SqliteStore;
use latchkey_wire::{Code, Level};
use zeroize::Zeroizing;

use crate::passwords::{policy, usual};
use crate::restoring::Past;
use crate::world::{World, admin};

const GOOD: &str = "tram lantern obey quartz";

fn intent() -> Intent {
    Intent::of(&admin())
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

fn from(address: &str) -> Guesser {
    Guesser { address: Some(address.parse::<IpAddr>().unwrap()), browser: None }
}

/// A world with anna, who has a password.
async fn with_anna() -> (World, User) {
    let world = World::new().await;
    let anna = world.user("anna", |_| ()).await;
    set(&world, &anna, GOOD).await;
    (world, anna)
}

async fn set(world: &World, user: &User, text: &str) {
    let rules = world.directory.password_rules(&world.org, &user.id).await.unwrap();
    let new = rules.hash(&password(text)).unwrap();
    world.directory.set_password(&intent(), &world.org, &user.id, new).await.unwrap();
}

async fn try_as(world: &World, login: &str, text: &str, guesser: Guesser) -> Result<Tried, Error> {
    let tried = world.directory.try_password(&world.org, login, guesser).await?;
    let right = tried.check(&password(text));
    world.directory.end_password(&world.org, tried, right).await
}

/// So many wrong attempts, each let through.
async fn wrong(world: &World, login: &str, guesser: &Guesser, times: usize) {
    for _ in 0..times {
        assert!(matches!(try_as(world, login, "no", guesser.clone()).await, Ok(Tried::Wrong(_))));
    }
}

/// The seconds to wait, of an attempt that is not let through.
async fn waits(world: &World, login: &str, guesser: Guesser) -> Option<u64> {
    match try_as(world, login, GOOD, guesser).await {
        Err(Error::TooMany { retry_after, .. }) => Some(retry_after),
        Ok(_) => None,
        Err(other) => panic!("{other}"),
    }
}

async fn view(world: &World, user: &User) -> CredentialsView {
    world.directory.credentials(&world.org, &user.id).await.unwrap()
}

/// The code that an authenticator shows now.
fn code_of(setup: &TotpSetup, at: latchkey_directory::Timestamp) -> String {
    let secret = data_encoding::BASE32_NOPAD.decode(setup.text().replace(' ', "").as_bytes()).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    totp.generate(at.seconds()).to_string()
}

/// An authenticator that anna uses.
async fn with_totp(world: &World, user: &User) -> TotpSetup {
    let setup = world.directory.begin_totp(&intent(), &world.org, &user.id, "phone").await.unwrap();
    let code = code_of(&setup, world.now());
    world.directory.confirm_totp(&intent(), &world.org, &user.id, &setup.id, &code).await.unwrap();
    world.clock.advance(Duration::from_secs(30));
    setup
}

#[tokio::test]
async fn a_password_proves_its_user_by_any_spelling_of_the_name() {
    let (world, anna) = with_anna().await;
    for login in ["anna@acme.example", "Anna@ACME.example"] {
        let tried = try_as(&world, login, GOOD, from("192.0.2.1")).await.unwrap();
        let Tried::Right { user_id, factor: Factor::Password { .. } } = tried else { panic!("{login}: {tried:?}") };
        assert_eq!(user_id, anna.id);
    }
    let rows = world.all::<SignInFailure>(Filter::all()).await;
    assert!(!rows.is_empty() && rows.iter().all(|row| row.count == 0), "right attempts take their counts back");
    assert!(world.users().await[0].taken_at.is_some(), "who has a password is taken");
    assert_eq!(world.events("credential.add").await.len(), 1);
}

#[tokio::test]
async fn a_name_that_nobody_has_costs_and_counts_like_one_that_somebody_has() {
    let (world, _) = with_anna().await;
    let bert = world.user("bert", |_| ()).await;
    world.put(User { status: UserStatus::Disabled, ..bert }).await;
    world.user("carl", |_| ()).await;
    for login in ["anna@acme.example", "bert@acme.example", "carl@acme.example", "nobody@acme.example", "x\u{0}@@y"] {
        // A network each, so that the person's count is what is met.
        let guesser = from(&format!("192.0.{}.1", login.len()));
        wrong(&world, login, &guesser, 5).await;
        assert_eq!(waits(&world, login, guesser).await, Some(2), "{login}");
    }
    let reasons = [
        ("anna@acme.example", "the password is wrong"),
        ("bert@acme.example", "the user is disabled"),
        ("carl@acme.example", "the user has no password"),
        ("nobody@acme.example", "nobody has this login name"),
    ];
    world.clock.advance(Duration::from_secs(4_000));
    for (login, reason) in reasons {
        assert_eq!(try_as(&world, login, "no", from("198.51.100.1")).await.unwrap(), Tried::Wrong(reason));
    }
    // The hash is computed in each case: a debug print of the try shows no hash, its time would.
    for login in ["anna@acme.example", "nobody@acme.example"] {
        let tried = world.directory.try_password(&world.org, login, from("198.51.100.9")).await.unwrap();
        let began = std::time::Instant::now();
        assert!(!tried.check(&password("no")));
        assert!(began.elapsed() > Duration::from_millis(3), "{login}: {:?}", began.elapsed());
        assert!(!format!("{tried:?}").contains("argon2"));
    }
}

#[tokio::test]
async fn guessing_gets_slow_and_is_forgotten() {
    let (world, _) = with_anna().await;
    let guesser = from("192.0.2.1");
    wrong(&world, "anna@acme.example", &guesser, 5).await;
    assert_eq!(waits(&world, "anna@acme.example", guesser.clone()).await, Some(2));
    assert_eq!(waits(&world, "anna@acme.example", from("192.0.2.200")).await, Some(2), "the same network");
    world.clock.advance(Duration::from_secs(2));
    wrong(&world, "anna@acme.example", &guesser, 1).await;
    assert_eq!(waits(&world, "anna@acme.example", guesser.clone()).await, Some(4));
    world.clock.advance(Duration::from_secs(3_601));
    wrong(&world, "anna@acme.example", &guesser, 5).await;
    world.clock.advance(Duration::from_secs(3_601));
    world.directory.tidy().await.unwrap();
    assert!(world.all::<SignInFailure>(Filter::all()).await.is_empty());
}

async fn makes_known(world: &World, user: &User, guesser: &Guesser) {
    let (org, id, browser) = (world.org.clone(), user.id.clone(), guesser.browser.clone().unwrap());
    drop(world.directory.grant::<_, Error>(move |tx| note_browser(tx, &org, &id, &browser)).await.unwrap());
}

#[tokio::test]
async fn a_stranger_who_guesses_keeps_nobody_out() {
    let (world, anna) = with_anna().await;
    let known = Guesser { browser: Some(BrowserSecret::generate()), ..from("192.0.2.7") };
    makes_known(&world, &anna, &known).await;
    wrong(&world, "anna@acme.example", &from("192.0.2.9"), 5).await;
    assert_eq!(waits(&world, "anna@acme.example", from("203.0.113.5")).await, None, "another network");
    assert_eq!(waits(&world, "anna@acme.example", known.clone()).await, None, "her own browser next door");
    let stranger = Guesser { browser: Some(BrowserSecret::generate()), ..from("192.0.2.9") };
    assert_eq!(waits(&world, "anna@acme.example", stranger).await, Some(2), "an invented cookie is no known browser");
    wrong(&world, "anna@acme.example", &known, 5).await;
    assert_eq!(waits(&world, "anna@acme.example", known.clone()).await, Some(2), "in her browser guessing is slow too");
    // Known as anna, the browser is not known as bert.
    let bert = world.user("bert", |_| ()).await;
    set(&world, &bert, GOOD).await;
    wrong(&world, "bert@acme.example", &from("192.0.2.9"), 5).await;
    let as_bert = Guesser { address: Some("192.0.2.9".parse().unwrap()), ..known };
    assert_eq!(waits(&world, "bert@acme.example", as_bert).await, Some(2));
}

#[tokio::test]
async fn one_address_tries_many_names_only_so_often() {
    let (world, _) = with_anna().await;
    for n in 0..50 {
        wrong(&world, &format!("user{n}@acme.example"), &from("192.0.2.1"), 1).await;
    }
    assert_eq!(waits(&world, "anna@acme.example", from("192.0.2.1")).await, Some(1));
    assert_eq!(waits(&world, "anna@acme.example", from("192.0.2.2")).await, None);
}

#[tokio::test]
async fn who_can_sign_in_does_not_clear_the_way_to_guess_at_another() {
    let (world, _) = with_anna().await;
    let mallory = world.user("mallory", |_| ()).await;
    set(&world, &mallory, GOOD).await;
    let guesser = from("192.0.2.1");
    for n in 0..50 {
        wrong(&world, &format!("user{n}@acme.example"), &guesser, 1).await;
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(waits(&world, "mallory@acme.example", guesser.clone()).await, None);
    world.clock.advance(Duration::from_secs(1));
    wrong(&world, "anna@acme.example", &guesser, 1).await;
    assert_eq!(waits(&world, "anna@acme.example", guesser).await, Some(2), "the count went on where it was");
}

#[tokio::test]
async fn a_code_counts_once_and_after_its_confirmation() {
    let (world, anna) = with_anna().await;
    let guesser = || from("192.0.2.1");
    let setup = world.directory.begin_totp(&intent(), &world.org, &anna.id, " phone ").await.unwrap();
    let early = code_of(&setup, world.now());
    assert_eq!(world.directory.use_totp(&world.org, &anna.id, &early, guesser()).await.unwrap(), None);
    assert!(view(&world, &anna).await.totp.is_empty());
    let shown = world.directory.pending_totp(&world.org, &anna.id, &setup.id).await.unwrap();
    assert_eq!(shown.text(), setup.text());
    let confirm = |code: String| {
        let (directory, org, user, id) =
            (world.directory.clone(), world.org.clone(), anna.id.clone(), setup.id.clone());
        async move { directory.confirm_totp(&intent(), &org, &user, &id, &code).await }
    };
    assert!(matches!(confirm("000000".into()).await, Err(Error::Invalid(_))));
    assert_eq!(confirm(early.clone()).await.unwrap().name, "phone");
    assert!(confirm(early.clone()).await.is_err(), "confirmed once");
    assert!(world.directory.pending_totp(&world.org, &anna.id, &setup.id).await.is_err(), "shown no more");

    let uses = |code: String| {
        let (directory, org, user) = (world.directory.clone(), world.org.clone(), anna.id.clone());
        async move { directory.use_totp(&org, &user, &code, guesser()).await.unwrap() }
    };
    assert_eq!(uses(early).await, None, "the confirming code is used up");
    world.clock.advance(Duration::from_secs(60));
    let code = code_of(&setup, world.now());
    assert_eq!(uses(code.clone()).await, Some(Factor::Totp { id: setup.id.clone() }));
    assert_eq!(uses(code).await, None, "a code counts once");
    let earlier = code_of(&setup, world.now().minus(Duration::from_secs(30)));
    assert_eq!(uses(earlier).await, None, "nor does one before it");
    let sealed = world.all::<TotpRow>(Filter::all()).await.remove(0).sealed;
    let secret = data_encoding::BASE32_NOPAD.decode(setup.text().replace(' ', "").as_bytes()).unwrap();
    assert!(!sealed.0.windows(secret.len()).any(|part| part == secret), "the secret is sealed");
}

#[tokio::test]
async fn codes_are_guessed_slowly_from_wherever_and_never_in_the_way_of_a_known_browser() {
    let (world, anna) = with_anna().await;
    let setup = with_totp(&world, &anna).await;
    for n in 0..10 {
        let guesser = from(&format!("10.{n}.0.1"));
        assert_eq!(world.directory.use_totp(&world.org, &anna.id, "000000", guesser).await.unwrap(), None);
    }
    let code = code_of(&setup, world.now());
    let elsewhere = world.directory.use_totp(&world.org, &anna.id, &code, from("10.99.0.1")).await;
    assert!(matches!(elsewhere, Err(Error::TooMany { retry_after: 5, .. })), "{elsewhere:?}");
    let known = Guesser { browser: Some(BrowserSecret::generate()), ..from("10.99.0.1") };
    makes_known(&world, &anna, &known).await;
    assert!(world.directory.use_totp(&world.org, &anna.id, &code, known).await.unwrap().is_some());
}

#[tokio::test]
async fn a_recovery_code_is_good_once_and_new_ones_end_the_old() {
    let (world, anna) = with_anna().await;
    let old = world.directory.make_recovery_codes(&intent(), &world.org, &anna.id).await.unwrap();
    let new = world.directory.make_recovery_codes(&intent(), &world.org, &anna.id).await.unwrap();
    assert_eq!((new.expose().count(), view(&world, &anna).await.recovery_codes), (10, 10));
    let uses = |code: &str| {
        let (directory, org, user, code) =
            (world.directory.clone(), world.org.clone(), anna.id.clone(), code.to_owned());
        async move { directory.use_recovery_code(&org, &user, &code, from("192.0.2.1")).await.unwrap() }
    };
    assert_eq!(uses(old.expose().next().unwrap()).await, None);
    let first = new.expose().next().unwrap().to_uppercase();
    assert_eq!(uses(&first).await, Some(Factor::RecoveryCode));
    assert_eq!(uses(&first).await, None);
    assert_eq!(view(&world, &anna).await.recovery_codes, 9);
}

#[tokio::test]
async fn passkeys_are_found_named_noted_and_removed() {
    let (world, anna) = with_anna().await;
    let new = |name: &str, id: u8| NewPasskey { name: name.into(), credential_id: vec![id; 16], passkey: "{}".into() };
    let by = intent();
    let add = |new| world.directory.add_passkey(&by, &world.org, &anna.id, new);
    let key = add(new("laptop", 1)).await.unwrap();
    assert!(matches!(add(new("again", 1)).await, Err(Error::State { .. })), "one credential is one passkey");
    assert!(add(new(" ", 2)).await.is_err());
    let found = world.directory.passkey_of(&world.org, &[1; 16]).await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.user_id.as_str()), (key.id.as_str(), anna.id.as_str()));
    assert!(world.directory.passkey_of(&"other".parse().unwrap(), &[1; 16]).await.unwrap().is_none());
    world.directory.note_passkey(&world.org, &key.id, Some("{\"n\":1}".into())).await.unwrap();
    let kept = world.directory.stored_passkeys(&world.org, &anna.id).await.unwrap();
    assert_eq!(kept[0].passkey, "{\"n\":1}");
    world.directory.rename_passkey(&intent(), &world.org, &anna.id, &key.id, "old laptop").await.unwrap();
    let bert = world.user("bert", |_| ()).await;
    let others = world.directory.remove_passkey(&intent(), &world.org, &bert.id, &key.id).await;
    assert!(matches!(others, Err(Error::NotFound { .. })), "another one's passkey is not there");
    assert_eq!(view(&world, &anna).await.passkeys[0].name, "old laptop");
    world.directory.remove_passkey(&intent(), &world.org, &anna.id, &key.id).await.unwrap();
    assert!(view(&world, &anna).await.passkeys.is_empty());
    assert_eq!(world.events("credential.remove").await.len(), 1);
}

#[tokio::test]
async fn a_reset_takes_away_what_it_names_and_deletion_everything() {
    let (world, anna) = with_anna().await;
    with_totp(&world, &anna).await;
    world.directory.make_recovery_codes(&intent(), &world.org, &anna.id).await.unwrap();
    let trial = Intent { dry_run: true, ..intent() };
    let reset = |intent| world.directory.reset_credentials(intent, &world.org, &anna.login_name, &[SignInMethod::Totp]);
    let tried = reset(&trial).await.unwrap();
    assert_eq!(view(&world, &anna).await.totp.len(), 1, "a trial changes nothing");
    assert_eq!(reset(&intent()).await.unwrap(), tried);
    assert_eq!((tried.totp, tried.recovery_codes, tried.passwords), (1, 10, 0));
    assert!(view(&world, &anna).await.password_set_at.is_some());
    world.directory.delete_user(&intent(), &world.org, &anna.id).await.unwrap();
    assert!(world.all::<PasswordRow>(Filter::all()).await.is_empty());
    let rules = world.directory.password_rules(&world.org, &anna.id).await.unwrap();
    let set = world.directory.set_password(&intent(), &world.org, &anna.id, rules.hash(&password(GOOD)).unwrap()).await;
    assert!(matches!(set, Err(Error::State { .. })), "a deleted user gets no password");
}

#[tokio::test]
async fn the_policy_is_whole_has_a_version_and_rules_new_passwords() {
    let (world, anna) = with_anna().await;
    let before = world.directory.sign_in_policy(&world.org).await.unwrap();
    assert_eq!((before.methods.len(), before.password_min_length, before.updated_at), (4, 12, None));
    let new =
        NewSignInPolicy { methods: Some(vec![SignInMethod::Passkey]), password_min_length: Some(30), ..usual(5, 0) };
    for _ in 0..2 {
        let set = world.directory.set_sign_in_policy(&intent(), &world.org, new.clone()).await.unwrap();
        assert_eq!(set.methods, [SignInMethod::Passkey]);
    }
    let rules = world.directory.password_rules(&world.org, &anna.id).await.unwrap();
    assert!(rules.hash(&password(GOOD)).is_err(), "24 characters are too few now");
    assert_eq!(world.events("sign-in-method.set").await.len(), 2);
    let nowhere = world.directory.set_sign_in_policy(&intent(), &"nowhere".parse().unwrap(), new).await;
    assert!(matches!(nowhere, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn after_a_restore_no_used_code_is_good_again() {
    let (world, anna) = with_anna().await;
    let setup = with_totp(&world, &anna).await;
    let codes = world.directory.make_recovery_codes(&intent(), &world.org, &anna.id).await.unwrap();
    world.directory.found_cloud("https://id.example").await.unwrap();
    let past = Past::of(world).await;
    let restored = past.restored().await;
    let world = &past.world;
    let code = codes.expose().next().unwrap();
    let from = || from("192.0.2.1");
    assert_eq!(restored.use_recovery_code(&world.org, &anna.id, code, from()).await.unwrap(), None);
    let shown = code_of(&setup, world.now());
    assert_eq!(restored.use_totp(&world.org, &anna.id, &shown, from()).await.unwrap(), None);
    world.clock.advance(Duration::from_secs(90));
    let later = code_of(&setup, world.now());
    assert!(restored.use_totp(&world.org, &anna.id, &later, from()).await.unwrap().is_some());
}

#[tokio::test]
async fn another_master_key_opens_the_authenticators_too() {
    let (world, anna) = with_anna().await;
    let setup = with_totp(&world, &anna).await;
    world.directory.found_cloud("https://id.example").await.unwrap();
    let new = Arc::new(MasterKey::new(Zeroizing::new([8; 32])));
    let done = world.directory.rewrap(&admin(), Arc::clone(&new)).await.unwrap();
    assert_eq!(done.totp_secrets, 1);
    let folder = tempfile::tempdir().unwrap();
    world.directory.copy_to(&folder.path().join("copy.db")).await.unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("copy.db"), world.clock.clone()).unwrap());
    let directory = Directory::new(store, world.clock.clone(), new);
    let code = code_of(&setup, world.now());
    let guesser = || from("192.0.2.1");
    assert!(
        world.directory.use_totp(&world.org, &anna.id, &code, guesser()).await.is_err(),
        "the old key opens nothing"
    );
    assert!(directory.use_totp(&world.org, &anna.id, &code, guesser()).await.unwrap().is_some());
}

fn entry(world: &World, user: &User, factors: Vec<Factor>, nonce: u8) -> Entry {
    Entry {
        user_id: user.id.clone(),
        factors,
        nonce: Bytes([nonce; 16]),
        exp: world.now().plus(Duration::from_secs(600)),
        step_up: None,
        address: Some("192.0.2.1".parse().unwrap()),
        agent: Some("Browser/1".into()),
        browser: BrowserSecret::generate(),
        new_password: None,
    }
}

/// The level of the session that begins, or the code of the refusal.
async fn enters(world: &World, entry: Entry) -> Result<Level, Code> {
    let decided = world.directory.enter(&world.org, entry).await.unwrap();
    let granted = decided.map_err(|refused| refused.code)?;
    Ok(granted.release(world.directory.clock().monotonic()).unwrap().level)
}

async fn proven(world: &World) -> Factor {
    match try_as(world, "anna@acme.example", GOOD, from("198.51.100.7")).await.unwrap() {
        Tried::Right { factor, .. } => factor,
        Tried::Wrong(why) => panic!("{why}"),
    }
}

#[tokio::test]
async fn what_was_proven_must_still_stand_when_the_session_begins() {
    let (world, anna) = with_anna().await;
    let password = proven(&world).await;
    assert_eq!(enters(&world, entry(&world, &anna, vec![password.clone()], 1)).await, Ok(Level::KnownUser));
    assert_eq!(enters(&world, entry(&world, &anna, vec![password.clone()], 1)).await, Err(Code::Proof010), "once");
    world.clock.advance(Duration::from_secs(1));
    set(&world, &anna, "another lantern obeys quartz").await;
    let old = enters(&world, entry(&world, &anna, vec![password], 2)).await;
    assert_eq!(old, Err(Code::Proof010), "the password was changed");
    policy(&world, 0, 0).await;
    set(&world, &anna, GOOD).await;
    let setup = with_totp(&world, &anna).await;
    let password = proven(&world).await;
    let alone = enters(&world, entry(&world, &anna, vec![password.clone()], 3)).await;
    assert_eq!(alone, Err(Code::Proof014), "there is an authenticator");
    let both = vec![password, Factor::Totp { id: setup.id.clone() }];
    assert_eq!(enters(&world, entry(&world, &anna, both.clone(), 4)).await, Ok(Level::MdmSigned));
    world.directory.remove_totp(&intent(), &world.org, &anna.id, &setup.id).await.unwrap();
    assert_eq!(enters(&world, entry(&world, &anna, both, 5)).await, Err(Code::Proof010), "it was removed");
    let nothing = enters(&world, entry(&world, &anna, vec![Factor::RecoveryCode], 6)).await;
    assert_eq!(nothing, Err(Code::Proof010), "a recovery code alone signs nobody in");
    let password = proven(&world).await;
    world.directory.disable_user(&intent(), &world.org, &anna.id).await.unwrap();
    assert_eq!(enters(&world, entry(&world, &anna, vec![password], 7)).await, Err(Code::Proof020));
}

#[tokio::test]
async fn a_protected_user_enters_with_more_than_a_password_and_keeps_the_last_such_way() {
    let (world, anna) = with_anna().await;
    world.put(User { protected: true, ..world.users().await.remove(0) }).await;
    let password = proven(&world).await;
    assert_eq!(enters(&world, entry(&world, &anna, vec![password], 1)).await, Err(Code::Proof014));
    let new = |id: u8| NewPasskey { name: "key".into(), credential_id: vec![id; 16], passkey: "{}".into() };
    let key = world.directory.add_passkey(&intent(), &world.org, &anna.id, new(1)).await.unwrap();
    let factor = Factor::Passkey { id: key.id.clone() };
    assert_eq!(enters(&world, entry(&world, &anna, vec![factor.clone()], 2)).await, Ok(Level::Present));
    let bert = world.user("bert", |_| ()).await;
    let stolen = enters(&world, entry(&world, &bert, vec![factor], 3)).await;
    assert_eq!(stolen, Err(Code::Proof010), "another one's passkey");
    let herself = Intent::of(&Actor { kind: ActorKind::User, id: anna.id.clone(), address: None });
    let last = world.directory.remove_passkey(&herself, &world.org, &anna.id, &key.id).await;
    assert!(matches!(last, Err(Error::State { .. })), "{last:?}");
    let second = world.directory.add_passkey(&intent(), &world.org, &anna.id, new(2)).await.unwrap();
    world.directory.remove_passkey(&herself, &world.org, &anna.id, &key.id).await.unwrap();
    world.directory.remove_passkey(&intent(), &world.org, &anna.id, &second.id).await.unwrap();
    assert!(view(&world, &anna).await.passkeys.is_empty(), "a help desk may");
}
