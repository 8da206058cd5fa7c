//! The sign-in methods of an organization.

use latchkey_directory::Intent;
use latchkey_directory::audit::Actor;
use latchkey_directory::credentials::NewPasskey;
use latchkey_directory::tokens::Password;
use latchkey_directory::values::SignInMethod::{Passkey, Password as ByPassword, RecoveryCode, Totp};

use super::super::people::Person;
use super::{hidden, owned, to};

const PAGE: &str = "/o/acme/admin/sign-in-methods";
const CHANGE: &str = "/o/acme/admin/sign-in-methods/change";

#[tokio::test]
async fn methods_are_chosen_and_ordered_and_a_look_comes_first() {
    let (world, owner) = owned().await;
    assert!(owner.get(&world, PAGE).await.text.contains("Fingerprint, face, PIN"));
    let version = hidden(&owner.get(&world, CHANGE).await, "version");
    let fields = [
        ("version", version.as_str()),
        ("methods", "passkey"),
        ("methods", "password"),
        ("methods", "totp"),
        ("place_passkey", "3"),
        ("place_password", "1"),
        ("place_totp", "2"),
        ("password_min_length", "16"),
        ("password_history", "3"),
        ("password_max_age_days", "90"),
    ];
    let review = owner.post(&world, CHANGE, &fields).await;
    assert_eq!(review.status, 200, "{}", review.text);
    assert!(review.text.contains("<strong>Recovery code</strong><span>is offered no more"), "{}", review.text);
    assert!(review.text.contains("--method password --method totp --method passkey --password-min-length 16"));
    assert!(review.text.contains("--password-history 3 --password-max-age-days 90"), "{}", review.text);
    assert!(review.text.contains("It was 5.") && review.text.contains("It was 0."), "{}", review.text);
    let policy = world.app.directory.sign_in_policy(&owner.org).await.unwrap();
    assert!(policy.allows(RecoveryCode), "a look changes nothing");
    let saved = owner.post(&world, CHANGE, &[&fields[..], &[("save", "on")]].concat()).await;
    assert_eq!(to(&saved), format!("{PAGE}?said=methods-saved"));
    let policy = world.app.directory.sign_in_policy(&owner.org).await.unwrap();
    assert_eq!((policy.methods, policy.password_min_length), (vec![ByPassword, Totp, Passkey], 16));
    assert_eq!((policy.password_history, policy.password_max_age_days), (3, 90));
}

#[tokio::test]
async fn a_choice_that_shuts_administrators_out_comes_back_as_it_was_typed() {
    let (world, owner) = owned().await;
    let version = hidden(&owner.get(&world, CHANGE).await, "version");
    let only = [
        ("version", version.as_str()),
        ("methods", "password"),
        ("password_min_length", "four"),
        ("password_history", "25"),
        ("password_max_age_days", "14"),
    ];
    let back = owner.post(&world, CHANGE, &only).await;
    assert_eq!(back.status, 422, "{}", back.text);
    assert!(back.text.contains("llow one of these ways") && back.text.contains("8 to 64"), "{}", back.text);
    assert!(back.text.contains("value=\"four\""), "{}", back.text);
    assert!(back.text.contains("0 to 24") && back.text.contains("15 to 365"), "{}", back.text);
}

#[tokio::test]
async fn nobody_chooses_away_the_only_way_that_they_have_themselves() {
    let (world, owner) = owned().await;
    let directory = &world.app.directory;
    let key = NewPasskey { name: "Laptop".into(), credential_id: vec![7; 16], passkey: "{}".into() };
    directory.add_passkey(&Intent::of(&Actor::system()), &owner.org, "olga@acme.example", key).await.unwrap();
    let version = hidden(&owner.get(&world, CHANGE).await, "version");
    let only = [
        ("version", version.as_str()),
        ("methods", "password"),
        ("methods", "totp"),
        ("password_min_length", "12"),
        ("password_history", "5"),
        ("password_max_age_days", "0"),
        ("save", "on"),
    ];
    let refused = owner.post(&world, CHANGE, &only).await;
    assert!(refused.text.contains("could not sign in any more"), "{}", refused.text);
    assert!(directory.sign_in_policy(&owner.org).await.unwrap().allows(Passkey));
    let kept = [&only[..], &[("methods", "passkey")]].concat();
    assert_eq!(owner.post(&world, CHANGE, &kept).await.status, 303);
}

#[tokio::test]
async fn who_may_only_see_them_is_offered_no_change() {
    let (world, _) = owned().await;
    let auditor = Person::with_role(&world, "otto", Some("auditor")).await;
    let page = auditor.get(&world, PAGE).await;
    assert!(page.status == 200 && !page.text.contains("/change"), "{}", page.text);
    assert_eq!(auditor.get(&world, CHANGE).await.status, 403);
}

#[tokio::test]
async fn a_lost_key_is_taken_away_after_a_look_and_its_owner_signed_out() {
    let (world, owner) = owned().await;
    let anna = Person::with_role(&world, "anna", None).await;
    let user = world.app.directory.user(&owner.org, "anna@acme.example").await.unwrap().id;
    let page = format!("/o/acme/admin/users/{user}/reset");
    assert!(owner.get(&world, &page).await.text.contains("Nothing to reset"));
    let key = NewPasskey { name: "Laptop".into(), credential_id: vec![7; 16], passkey: "{}".into() };
    world.app.directory.add_passkey(&Intent::of(&Actor::system()), &owner.org, &user, key).await.unwrap();
    let look = owner.get(&world, &format!("{page}?methods=passkey&methods=totp")).await.text;
    assert!(look.contains("<strong>1</strong><span>passkeys sign in no more"), "{look}");
    assert!(!look.contains("authenticators are good no more"), "{look}");
    let has = async || world.app.directory.credentials(&owner.org, &user).await.unwrap().passkeys.len();
    assert_eq!((has().await, anna.get(&world, "/o/acme/").await.status.as_u16()), (1, 200));
    assert_eq!(owner.post(&world, &page, &[]).await.status, 422, "nothing was chosen");
    let done = owner.post(&world, &page, &[("methods", "passkey")]).await;
    assert_eq!(to(&done), format!("/o/acme/admin/users/{user}?said=credentials-reset"));
    assert_eq!(has().await, 0);
    assert_eq!(anna.get(&world, "/o/acme/").await.status, 303, "asked to sign in again");
}

#[tokio::test]
async fn a_help_desk_does_not_reset_an_owners_ways_to_sign_in() {
    let (world, owner) = owned().await;
    let desk = Person::with_role(&world, "dora", Some("help-desk")).await;
    let user = world.app.directory.user(&owner.org, "olga@acme.example").await.unwrap().id;
    let page = format!("/o/acme/admin/users/{user}/reset");
    let answer = desk.post(&world, &page, &[("methods", "passkey")]).await;
    assert_eq!(answer.status, 403, "{}", answer.text);
}

#[tokio::test]
async fn a_password_is_told_to_be_changed_and_the_user_stays_signed_in() {
    let (world, owner) = owned().await;
    let anna = Person::with_role(&world, "anna", None).await;
    let user = world.app.directory.user(&owner.org, "anna@acme.example").await.unwrap().id;
    let (ask, order) =
        (format!("/o/acme/admin/users/{user}/reset"), format!("/o/acme/admin/users/{user}/expire-password"));
    assert_eq!(owner.post(&world, &order, &[]).await.status, 409, "there is no password");
    let rules = world.app.directory.password_rules(&owner.org, &user).await.unwrap();
    let new = rules.hash(&Password::new("tram lantern obey quartz".into())).unwrap();
    world.app.directory.set_password(&Intent::of(&Actor::system()), &owner.org, &user, new).await.unwrap();
    let page = owner.get(&world, &ask).await.text;
    assert!(
        page.contains("Only have the password changed") && page.contains("latchkey user expire-password"),
        "{page}"
    );
    let desk = Person::with_role(&world, "otto", Some("auditor")).await;
    assert_eq!(desk.post(&world, &order, &[]).await.status, 403);
    let done = owner.post(&world, &order, &[]).await;
    assert_eq!(to(&done), format!("/o/acme/admin/users/{user}?said=password-expired"));
    assert!(
        owner.get(&world, &format!("/o/acme/admin/users/{user}")).await.text.contains("has to be changed at the next")
    );
    assert!(!owner.get(&world, &ask).await.text.contains("Only have the password changed"));
    assert_eq!(anna.get(&world, "/o/acme/").await.status, 200);
}
