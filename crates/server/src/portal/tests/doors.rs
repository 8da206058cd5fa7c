//! What holds for every door there is: each is tried, so that a new one cannot be forgotten.

use http::Method;

use super::people::Person;
use crate::api::tests::world::{Answer, World};
use crate::portal::doors::{Door, Needs};

/// A path of the door, in the organization `acme`; whatever else it names does not exist.
fn path(door: &Door) -> String {
    let parts = door.path.split('/').map(|part| match part {
        "{org}" => "acme".to_owned(),
        part if part.starts_with('{') => "nothing-of-this-name".to_owned(),
        part => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

fn doors(world: &World) -> Vec<Door> {
    let all = crate::portal::list(&world.app);
    assert!(all.iter().any(|door| door.method == Method::POST) && all.len() > 4, "{all:?}");
    all
}

/// The reference on a page of a refusal.
fn reference(answer: &Answer) -> String {
    let after = answer.text.rsplit_once("<code>").unwrap_or_else(|| panic!("no reference: {}", answer.text)).1;
    after.split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn every_door_that_changes_something_refuses_a_form_from_elsewhere() {
    let world = World::with_acme().await;
    let other = Person::with_role(&world, "otto", Some("owner")).await;
    let here = world.app.origin().to_owned();
    for (n, door) in doors(&world).iter().filter(|door| door.method == Method::POST).enumerate() {
        let path = path(door);
        // Somebody else for each door: some of them end a session.
        let owner = Person::with_role(&world, &format!("olga{n}"), Some("owner")).await;
        let without = owner.post_with(&world, &path, &[], "", &[]).await;
        let foreign = owner.post_with(&world, &path, &[], &other.csrf, &[]).await;
        let site = owner.post_with(&world, &path, &[], &owner.csrf, &[("sec-fetch-site", "cross-site")]).await;
        let origin = owner.post_with(&world, &path, &[], &owner.csrf, &[("origin", "https://evil.test")]).await;
        let null = owner.post_with(&world, &path, &[], &owner.csrf, &[("origin", "null")]).await;
        for (what, answer) in
            [("no token", without), ("another's token", foreign), ("site", site), ("origin", origin), ("null", null)]
        {
            assert_eq!(answer.status.as_u16(), 403, "{what}: {path}");
            assert!(answer.text.contains("LK-AUTH-005"), "{what}: {path}: {}", answer.text);
        }
        if door.needs != Needs::Nobody {
            let good = [("origin", here.as_str()), ("sec-fetch-site", "same-origin")];
            let answer = owner.post_with(&world, &path, &[], &owner.csrf, &good).await;
            assert!(!answer.text.contains("LK-AUTH-005"), "our own form: {path}");
        }
    }
}

#[tokio::test]
async fn every_door_refuses_whoever_has_not_the_right_and_says_so_under_a_reference() {
    let world = World::with_acme().await;
    let nobody = Person::with_role(&world, "nora", None).await;
    for door in doors(&world).iter().filter(|door| door.needs.right().is_some()) {
        let path = path(door);
        let answer = match door.method {
            Method::GET => nobody.get(&world, &path).await,
            _ => nobody.post(&world, &path, &[]).await,
        };
        assert_eq!(answer.status.as_u16(), 403, "{path}");
        assert!(answer.text.contains("LK-AUTH-002"), "{path}: {}", answer.text);
        let found = world.app.directory.refusal_under(&nobody.org, &reference(&answer)).await.unwrap();
        assert!(found.detail.contains("needs the right"), "{path}: {found:?}");
    }
}

#[tokio::test]
async fn every_door_that_needs_a_person_sends_a_stranger_to_sign_in_and_changes_nothing() {
    let world = World::with_acme().await;
    for door in doors(&world).iter().filter(|door| door.needs != Needs::Nobody) {
        let path = path(door);
        let ask = world.ask(door.method.as_str(), &path).public().header("accept", "text/html");
        let answer = ask.bytes("application/x-www-form-urlencoded", b"").send().await;
        if door.method == Method::GET {
            assert_eq!(answer.status.as_u16(), 303, "{path}");
            let to = answer.headers["location"].to_str().unwrap();
            assert!(to.starts_with("/o/acme/signin?to=%2Fo%2Facme%2F"), "{path}: {to}");
        } else {
            assert_eq!(answer.status.as_u16(), 401, "{path}");
        }
    }
}

#[tokio::test]
async fn every_page_says_what_it_may_load_and_is_kept_by_nobody() {
    let world = World::with_acme().await;
    let owner = Person::with_role(&world, "olga", Some("owner")).await;
    for door in doors(&world).iter().filter(|door| door.method == Method::GET && door.needs != Needs::Nobody) {
        let path = path(door);
        let answer = owner.get(&world, &path).await;
        assert!(answer.status.as_u16() < 500, "{path}: {} {}", answer.status, answer.text);
        if answer.status.is_redirection() {
            continue;
        }
        let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("cache-control").as_deref(), Some("no-store"), "{path}");
        assert_eq!(header("referrer-policy").as_deref(), Some("same-origin"), "{path}");
        let policy = header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(answer.text.len() <= 100 * 1024, "{path}: {} bytes", answer.text.len());
        assert!(!answer.text.contains(" style=") && !answer.text.contains(" onclick="), "{path}");
        assert!(!answer.text.contains(['\u{0}']) && !answer.text.contains(">["), "a text is missing: {path}");
    }
}
