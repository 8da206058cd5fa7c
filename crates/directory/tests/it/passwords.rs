//! Passwords over time: those of before are not used again, and some have to be changed.

use std::time::Duration;

use latchkey_directory::credentials::grant::Entry;
use latchkey_directory::credentials::records::{FormerPassword, PasskeyRow, PasswordRow, SignInPolicy, TotpRow};
use latchkey_directory::credentials::{
    BrowserSecret, Factor, Guesser, NewPasskey, NewPassword, NewSignInPolicy, PasswordDue, Tried,
};
use latchkey_directory::query::Filter;
use latchkey_directory::records::User;
use latchkey_directory::tokens::Password;
use latchkey_directory::values::SignInMethod;
use latchkey_directory::{Bytes, Error, Intent};
use latchkey_wire::Code;

use crate::restoring::{Past, all, confirm};
use crate::world::{DAY, World, admin};

const FIRST: &str = "tram lantern obey quartz";
const SECOND: &str = "violet anchors drift at noon";
const THIRD: &str = "mossy kettles argue in rhyme";

fn intent() -> Intent {
    Intent::of(&admin())
}

/// A policy with these limits, otherwise as it comes.
pub fn usual(history: u64, days: u64) -> NewSignInPolicy {
    NewSignInPolicy {
        methods: Some(SignInMethod::ALL.to_vec()),
        password_min_length: Some(12),
        password_history: Some(history),
        password_max_age_days: Some(days),
    }
}

pub async fn policy(world: &World, history: u64, days: u64) {
    world.directory.set_sign_in_policy(&intent(), &world.org, usual(history, days)).await.unwrap();
}

async fn hashed(world: &World, user: &User, text: &str) -> Result<NewPassword, Error> {
    world.directory.password_rules(&world.org, &user.id).await.unwrap().hash(&Password::new(text.into()))
}

async fn set(world: &World, user: &User, text: &str) -> Result<(), Error> {
    let new = hashed(world, user, text).await?;
    world.clock.advance(Duration::from_secs(1));
    world.directory.set_password(&intent(), &world.org, &user.id, new).await
}

async fn with_anna() -> (World, User) {
    let world = World::new().await;
    world.directory.found_cloud("https://id.example").await.unwrap();
    let anna = world.user("anna", |_| ()).await;
    set(&world, &anna, FIRST).await.unwrap();
    (world, anna)
}

async fn due(world: &World, user: &User) -> Option<PasswordDue> {
    world.directory.credentials(&world.org, &user.id).await.unwrap().password_due
}

async fn proven(world: &World, text: &str) -> Option<Factor> {
    let guesser = Guesser { address: None, browser: None };
    let tried = world.directory.try_password(&world.org, "anna@acme.example", guesser).await.unwrap();
    let right = tried.check(&Password::new(text.into()));
    match world.directory.end_password(&world.org, tried, right).await.unwrap() {
        Tried::Right { factor, .. } => Some(factor),
        Tried::Wrong(_) => None,
    }
}

/// Enters with these factors, and with a new password if there is one. The session's id, or the code of the refusal.
async fn enters(world: &World, user: &User, factor: &Factor, new: Option<NewPassword>) -> Result<String, Code> {
    let entry = Entry {
        user_id: user.id.clone(),
        factors: vec![factor.clone()],
        nonce: Bytes(*latchkey_wire::sign::random_bytes::<16>()),
        exp: world.now().plus(Duration::from_secs(600)),
        step_up: None,
        address: None,
        agent: None,
        browser: BrowserSecret::generate(),
        new_password: new,
    };
    let granted = world.directory.enter(&world.org, entry).await.unwrap().map_err(|refused| refused.code)?;
    Ok(granted.map(|entered| entered.session_id).release(world.directory.clock().monotonic()).unwrap())
}

#[tokio::test]
async fn the_last_passwords_are_not_used_again_and_no_more_are_kept() {
    let (world, anna) = with_anna().await;
    policy(&world, 2, 0).await;
    assert!(set(&world, &anna, FIRST).await.unwrap_err().to_string().contains("the password that you have"));
    set(&world, &anna, SECOND).await.unwrap();
    set(&world, &anna, THIRD).await.unwrap();
    let again = set(&world, &anna, FIRST).await.unwrap_err();
    assert!(again.to_string().contains("the last 2 are not used again"), "{again}");
    set(&world, &anna, "plain oboes wander over ice").await.unwrap();
    assert_eq!(world.all::<FormerPassword>(Filter::all()).await.len(), 2, "more than count are not kept");
    set(&world, &anna, FIRST).await.unwrap();
    policy(&world, 0, 0).await;
    set(&world, &anna, SECOND).await.unwrap();
    assert!(world.all::<FormerPassword>(Filter::all()).await.is_empty());
    assert!(set(&world, &anna, SECOND).await.is_err(), "a change changes something");
}

#[tokio::test]
async fn a_password_that_was_taken_away_is_not_used_again_either_and_goes_with_its_user() {
    let (world, anna) = with_anna().await;
    world.directory.reset_credentials(&intent(), &world.org, &anna.id, &[SignInMethod::Password]).await.unwrap();
    assert!(set(&world, &anna, FIRST).await.is_err());
    set(&world, &anna, SECOND).await.unwrap();
    world.directory.delete_user(&intent(), &world.org, &anna.id).await.unwrap();
    assert!(world.all::<FormerPassword>(Filter::all()).await.is_empty());
}

#[tokio::test]
async fn two_changes_at_once_are_compared_with_each_other() {
    let (world, anna) = with_anna().await;
    let late = hashed(&world, &anna, SECOND).await.unwrap();
    set(&world, &anna, THIRD).await.unwrap();
    let refused = world.directory.set_password(&intent(), &world.org, &anna.id, late).await;
    assert!(matches!(refused, Err(Error::State { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_password_is_too_old_after_the_days_that_were_chosen() {
    let (world, anna) = with_anna().await;
    policy(&world, 5, 15).await;
    world.clock.advance(DAY * 15);
    assert_eq!(world.directory.passwords_older_than(&world.org, 15).await.unwrap(), 0);
    assert_eq!(due(&world, &anna).await, None);
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(due(&world, &anna).await, Some(PasswordDue::TooOld));
    assert_eq!(world.directory.passwords_older_than(&world.org, 15).await.unwrap(), 1);
    assert_eq!(world.directory.passwords_older_than(&world.org, 0).await.unwrap(), 0);
    policy(&world, 5, 0).await;
    assert_eq!(due(&world, &anna).await, None);
}

#[tokio::test]
async fn nobody_enters_by_a_password_that_has_to_be_changed_but_with_a_new_one() {
    let (world, anna) = with_anna().await;
    let before = enters(&world, &anna, &proven(&world, FIRST).await.unwrap(), None).await.unwrap();
    assert!(world.directory.expire_password(&intent(), &world.org, &anna.id).await.unwrap());
    assert!(!world.directory.expire_password(&intent(), &world.org, &anna.id).await.unwrap(), "it is so already");
    assert_eq!(world.events("credential.expire").await.len(), 1);
    assert_eq!(due(&world, &anna).await, Some(PasswordDue::Asked));
    let factor = proven(&world, FIRST).await.unwrap();
    assert_eq!(enters(&world, &anna, &factor, None).await, Err(Code::Proof010));
    world.clock.advance(Duration::from_secs(1));
    let new = hashed(&world, &anna, SECOND).await.unwrap();
    let session = enters(&world, &anna, &factor, Some(new.clone())).await.unwrap();
    assert_eq!((due(&world, &anna).await, proven(&world, FIRST).await), (None, None));
    assert!(proven(&world, SECOND).await.is_some());
    let old = world.directory.browser_session(&world.org, &before).await.unwrap();
    assert!(old.ended_at.is_some(), "whoever signed in by the old one is out");
    assert!(world.directory.browser_session(&world.org, &session).await.unwrap().ended_at.is_none());
    let event = world.events("credential.add").await.pop().unwrap();
    assert_eq!((event.actor_kind, event.actor), ("user".to_owned(), anna.id.clone()));
    // What was proven by the old one is worth nothing, and changes nothing a second time.
    assert_eq!(enters(&world, &anna, &factor, Some(new)).await, Err(Code::Proof010));
}

#[tokio::test]
async fn an_administrators_password_alone_does_not_change_itself() {
    let (world, anna) = with_anna().await;
    world.directory.expire_password(&intent(), &world.org, &anna.id).await.unwrap();
    let protect = latchkey_directory::users::UserPatch { protected: Some(true), ..Default::default() };
    world.directory.change_user(&intent(), &world.org, &anna.id, protect).await.unwrap();
    let (factor, new) = (proven(&world, FIRST).await.unwrap(), hashed(&world, &anna, SECOND).await.unwrap());
    assert_eq!(enters(&world, &anna, &factor, Some(new)).await, Err(Code::Proof014));
    assert!(proven(&world, FIRST).await.is_some(), "it is the old one still");
}

#[tokio::test]
async fn a_restore_takes_away_again_the_ways_to_sign_in_that_were_taken_away() {
    let (world, anna) = with_anna().await;
    let users = [world.user("bert", |_| ()).await, world.user("carl", |_| ()).await, world.user("dora", |_| ()).await];
    for user in &users {
        set(&world, user, FIRST).await.unwrap();
    }
    let [bert, carl, dora] = &users;
    let add = async |user: &User, id: u8| {
        let key = NewPasskey { name: "key".into(), credential_id: vec![id; 16], passkey: "{}".into() };
        world.directory.add_passkey(&intent(), &world.org, &user.id, key).await.unwrap().id
    };
    let (lost, kept) = (add(&anna, 1).await, add(&anna, 2).await);
    add(bert, 3).await;
    let totp = world.directory.begin_totp(&intent(), &world.org, &bert.id, "phone").await.unwrap();
    let past = Past::of(world).await;
    let (world, directory) = (&past.world, &past.world.directory);
    let next = || world.clock.advance(Duration::from_secs(1));
    directory.remove_passkey(&intent(), &world.org, &anna.id, &lost).await.unwrap();
    let both = [SignInMethod::Passkey, SignInMethod::Totp];
    directory.reset_credentials(&intent(), &world.org, &bert.id, &both).await.unwrap();
    next();
    set(world, &anna, SECOND).await.unwrap();
    directory.expire_password(&intent(), &world.org, &carl.id).await.unwrap();
    next();
    directory.delete_user(&intent(), &world.org, &dora.id).await.unwrap();
    next();
    let restored = past.restored().await;
    let confirmed = confirm(&restored, &past.export().await, false).await.unwrap();
    let keys: Vec<_> = all::<PasskeyRow>(&restored).await.into_iter().map(|row| row.id).collect();
    assert_eq!(keys, [kept]);
    assert!(all::<TotpRow>(&restored).await.iter().all(|row| row.id != totp.id));
    let mut passwords: Vec<_> = all::<PasswordRow>(&restored).await;
    passwords.sort_by_key(|row| row.must_change);
    let passwords: Vec<_> = passwords.into_iter().map(|row| (row.user_id, row.must_change)).collect();
    assert_eq!(passwords, [(bert.id.clone(), false), (carl.id.clone(), true)]);
    assert_eq!((confirmed.applied["credential.remove"], confirmed.applied["credential.expire"]), (3, 1));
    assert_eq!(confirmed.left.len(), 1);
    assert!(confirmed.left[0].contains("the old one counts no more"), "{:?}", confirmed.left);
}

#[tokio::test]
async fn a_restore_does_not_bring_back_the_methods_that_were_forbidden() {
    let (world, _) = with_anna().await;
    let past = Past::of(world).await;
    let (world, directory) = (&past.world, &past.world.directory);
    let choose = async |methods: &[SignInMethod], history, days| {
        world.clock.advance(Duration::from_secs(1));
        let new = NewSignInPolicy { methods: Some(methods.to_vec()), ..usual(history, days) };
        directory.set_sign_in_policy(&intent(), &world.org, new).await.unwrap();
    };
    choose(&[SignInMethod::Passkey], 3, 90).await;
    choose(&[SignInMethod::Totp, SignInMethod::Password, SignInMethod::Passkey], 7, 30).await;
    let restored = past.restored().await;
    let confirmed = confirm(&restored, &past.export().await, false).await.unwrap();
    let row = all::<SignInPolicy>(&restored).await.pop().unwrap();
    use SignInMethod::{Passkey, Password, Totp};
    assert_eq!(row.methods.0, [Passkey, Password, Totp], "as the log leaves it, in the order of the backup");
    assert_eq!((row.password_history, row.password_max_age_days), (7, 30));
    assert_eq!((confirmed.applied["sign-in-method.set"], confirmed.left.len()), (2, 0));
}
