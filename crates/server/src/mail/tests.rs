//! What a mail looks like on its way.

use latchkey_directory::Timestamp;
use latchkey_directory::audit::ActorKind;
use latchkey_directory::mail::{Letter, LetterSecret};
use latchkey_directory::values::{MethodChange, OwnerNews};
use zeroize::Zeroizing;

use super::brand::Brand;
use super::{Mailer, letter};
use crate::serve::mail::{MailSettings, MailTls};

fn mailer() -> Mailer {
    Mailer::open(&MailSettings {
        host: "127.0.0.1".to_owned(),
        port: 9,
        tls: MailTls::Off,
        login: None,
        from: "latchkey@acme.example".parse().unwrap(),
        ca_file: None,
    })
    .unwrap()
}

fn brand(name: &str) -> Brand {
    let portal = "https://id.acme.example/o/acme".to_owned();
    Brand { sender: name.to_owned(), organization: name.to_owned(), portal }
}

fn code() -> Letter {
    Letter::Code { code: LetterSecret::new(Zeroizing::new("12345678".to_owned())) }
}

/// The lines before the first empty one; what is folded is one line.
fn headers(message: &[u8]) -> Vec<String> {
    let text = String::from_utf8(message.to_vec()).unwrap();
    let head = text.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    head.split("\r\n").map(str::to_owned).collect()
}

#[test]
fn every_letter_has_words_in_both_forms() {
    let at = Timestamp::from_seconds(1_795_000_000);
    let mut letters = vec![code(), Letter::Recovery { secret: LetterSecret::new(Zeroizing::new("s3cr3t".to_owned())) }];
    for change in MethodChange::ALL {
        letters.extend([true, false].map(|yourself| Letter::MethodsChanged { change: *change, at, yourself }));
    }
    for news in OwnerNews::ALL {
        let kinds = [ActorKind::ApiClient, ActorKind::Operator, ActorKind::System, ActorKind::User];
        letters.extend(kinds.map(|by_kind| Letter::OwnersTold {
            news: *news,
            about: "anna@acme.example".to_owned(),
            by_kind,
            by: None,
            at,
        }));
    }
    for letter in letters {
        let written = letter::write(&brand("Acme"), &letter).unwrap();
        for text in [&written.subject, &written.text, &written.html] {
            assert!(!text.contains("[mail.") && !text.contains("{0}") && text.contains("Acme"), "{text}");
        }
        assert!(written.html.starts_with("<!doctype html>") && !written.text.contains('<'), "{}", written.text);
    }
}

#[test]
fn a_link_and_a_code_stand_alone_on_their_lines() {
    let written = letter::write(&brand("Acme"), &code()).unwrap();
    assert!(written.text.lines().any(|line| line.trim() == "12345678"), "{}", written.text);
    let secret = LetterSecret::new(Zeroizing::new("s3cr3t".to_owned()));
    let written = letter::write(&brand("Acme"), &Letter::Recovery { secret }).unwrap();
    let link = "https://id.acme.example/o/acme/recover/s3cr3t";
    assert!(written.text.lines().any(|line| line == link), "{}", written.text);
    assert!(written.html.contains(&format!("<a href=\"{link}\">")), "{}", written.html);
}

#[test]
fn a_name_adds_no_header_and_no_markup() {
    let evil = "Acme\r\nBcc: eve@evil.example\r\n\r\n<script>alert(1)</script>\u{2028}X: y";
    let written = letter::write(&brand(evil), &code()).unwrap();
    assert!(!written.html.contains("<script"), "{}", written.html);
    let message = mailer().message(&brand(evil), "anna@acme.example", "m1", &written).unwrap();
    let names: Vec<String> =
        headers(&message.formatted()).iter().map(|line| line.split(':').next().unwrap().to_lowercase()).collect();
    let known = ["from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type"];
    for name in &names {
        assert!(known.contains(&name.as_str()), "{names:?}");
    }
    assert_eq!(message.envelope().to().len(), 1);
}

#[test]
fn an_address_that_is_none_is_not_mailed() {
    let written = letter::write(&brand("Acme"), &code()).unwrap();
    for bad in ["", "anna", "a@b@c", "anna@acme.example\r\nBcc: x@y.example", "anna@acme.example, eve@evil.example"] {
        assert!(mailer().message(&brand("Acme"), bad, "m1", &written).is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn a_mail_server_that_is_not_there_is_named_with_the_reason() {
    let why = mailer().connect().await.unwrap_err().to_string();
    assert!(why.to_lowercase().contains("refused") || why.to_lowercase().contains("connection"), "{why}");
}

mod outbox {
    use std::time::Duration;

    use latchkey_directory::Intent;
    use latchkey_directory::access::{Holder, MayGive};
    use latchkey_directory::audit::Actor;
    use latchkey_directory::users::NewUser;

    use crate::api::tests::world::World;

    fn intent() -> Intent {
        Intent { may_give: MayGive::Everything, ..Intent::of(&Actor::system()) }
    }

    async fn user(world: &World, login: &str) -> String {
        let org = world.app.directory.organization("acme").await.unwrap().id;
        let new =
            NewUser { login_name: Some(login.to_owned()), emails: Some(vec![login.to_owned()]), ..NewUser::default() };
        world.app.directory.create_user(&intent(), &org, new).await.unwrap().id
    }

    /// A world with one letter in the outbox: the owner is told of another owner.
    async fn with_a_letter() -> World {
        let world = World::with_mail().await;
        let org = world.app.directory.organization("acme").await.unwrap().id;
        user(&world, "anna@acme.example").await;
        world
            .app
            .directory
            .give_role(&intent(), &org, "owner", &Holder::User("anna@acme.example".into()))
            .await
            .unwrap();
        world
    }

    async fn audited(world: &World, action: &str) -> usize {
        let answer = world.get(&format!("/api/v1/o/acme/audit-events?action={action}")).await.good();
        answer["items"].as_array().unwrap().len()
    }

    #[tokio::test]
    async fn one_sender_has_a_letter_at_a_time_and_one_that_dies_loses_none() {
        let world = with_a_letter().await;
        let directory = &world.app.directory;
        let due = directory.due_mail(10).await.unwrap();
        assert_eq!(due.len(), 1);
        let claimed = directory.claim_mail(&due[0]).await.unwrap().expect("the first gets it");
        assert!(directory.claim_mail(&due[0]).await.unwrap().is_none(), "the second does not");
        assert!(directory.due_mail(10).await.unwrap().is_empty());
        // The first gives no word, and its time is over.
        world.clock.advance(Duration::from_secs(121));
        let again = directory.due_mail(10).await.unwrap();
        let second = directory.claim_mail(&again[0]).await.unwrap().expect("now another does");
        // What the first says now is no word about it.
        directory.mail_sent(&claimed).await.unwrap();
        assert_eq!(directory.mail_state(None).await.unwrap().waiting, 1);
        directory.mail_sent(&second).await.unwrap();
        assert_eq!(directory.mail_state(None).await.unwrap().waiting, 0);
    }

    #[tokio::test]
    async fn a_letter_that_does_not_go_is_tried_more_and_more_rarely_and_given_up_with_a_word_in_the_audit_log() {
        let world = with_a_letter().await;
        let directory = &world.app.directory;
        for wait in [5, 10, 20] {
            let due = directory.due_mail(10).await.unwrap();
            let claimed = directory.claim_mail(&due[0]).await.unwrap().unwrap();
            directory.mail_failed(&claimed, "451 try\r\nlater").await.unwrap();
            assert_eq!(directory.mail_state(None).await.unwrap().last_error.as_deref(), Some("451 trylater"));
            world.clock.advance(Duration::from_secs(wait - 1));
            assert!(directory.due_mail(10).await.unwrap().is_empty(), "before {wait} seconds");
            world.clock.advance(Duration::from_secs(1));
        }
        world.clock.advance(Duration::from_secs(4 * 24 * 3_600));
        let due = directory.due_mail(10).await.unwrap();
        assert!(directory.claim_mail(&due[0]).await.unwrap().is_none());
        assert_eq!(directory.mail_state(None).await.unwrap().waiting, 0);
        assert_eq!(audited(&world, "mail.give-up").await, 1);
    }

    #[tokio::test]
    async fn the_sender_keeps_what_a_dead_mail_server_does_not_take() {
        let world = with_a_letter().await;
        crate::mail::sender::round(&world.app).await.unwrap();
        let state = world.app.directory.mail_state(None).await.unwrap();
        assert_eq!(state.waiting, 1);
        assert!(state.last_error.is_some());
    }

    #[tokio::test]
    async fn without_mail_nothing_is_written_and_the_operator_is_told_so() {
        let world = World::with_acme().await;
        let org = world.app.directory.organization("acme").await.unwrap().id;
        user(&world, "anna@acme.example").await;
        world
            .app
            .directory
            .give_role(&intent(), &org, "owner", &Holder::User("anna@acme.example".into()))
            .await
            .unwrap();
        assert_eq!(world.app.directory.mail_state(None).await.unwrap().waiting, 0);
        let state = world.get("/api/v1/mail").await.good();
        assert_eq!((&state["set_up"], &state["server"]), (&false.into(), &serde_json::Value::Null));
        let test = world.post("/api/v1/mail/test", serde_json::json!({"to": "anna@acme.example"})).await;
        assert_eq!(test.refusal(), (409, "LK-MAIL-001".to_owned()));
    }

    #[tokio::test]
    async fn a_test_says_what_is_wrong_with_the_address_or_the_server() {
        let world = World::with_mail().await;
        let to = |to: &str| serde_json::json!({ "to": to });
        for bad in ["", "anna", "anna@acme.example\r\nBcc: eve@evil.example"] {
            let answer = world.post("/api/v1/mail/test", to(bad)).await;
            assert_eq!((answer.status.as_u16(), answer.pointers()), (422, vec!["/to".to_owned()]), "{bad}");
        }
        let answer = world.post("/api/v1/mail/test", to("anna@acme.example")).await;
        assert_eq!(answer.refusal(), (503, "LK-MAIL-002".to_owned()));
        let public = world.ask("POST", "/api/v1/mail/test").public().json(&to("anna@acme.example")).send().await;
        assert_eq!(public.status.as_u16(), 404, "the mail server is the operator's");
    }

    #[tokio::test]
    async fn every_owner_is_told_of_what_all_should_know_and_a_deleted_user_of_nothing() {
        let world = with_a_letter().await;
        let (directory, org) = (&world.app.directory, world.app.directory.organization("acme").await.unwrap().id);
        let bert = user(&world, "bert@acme.example").await;
        world.mailed().await;
        directory.give_role(&intent(), &org, "owner", &Holder::User("bert@acme.example".into())).await.unwrap();
        let told: Vec<_> =
            world.mailed().await.into_iter().map(|(to, letter)| (to, letter.kind().to_string())).collect();
        let both = ["anna@acme.example", "bert@acme.example"].map(|to| (to.to_owned(), "owners-told".to_owned()));
        assert_eq!(told.len(), 2);
        assert!(both.iter().all(|one| told.contains(one)), "{told:?}");
        world.clock.advance(Duration::from_secs(1));
        directory.give_role(&intent(), &org, "owner", &Holder::User("bert@acme.example".into())).await.unwrap();
        assert!(world.mailed().await.is_empty(), "one that was there already is no news");
        world.post("/api/v1/setup-links", serde_json::json!({"user": "bert@acme.example"})).await.good();
        assert_eq!(world.mailed().await.len(), 2, "of a set-up link");
        world.post("/api/v1/setup-links", serde_json::json!({"user": "bert@acme.example"})).await.good();
        let gone = world.delete(&format!("/api/v1/o/acme/users/{bert}")).await;
        assert!(gone.status.is_success(), "{}", gone.text);
        assert_eq!(world.mailed().await.len(), 1, "only Anna still is");
    }
}
