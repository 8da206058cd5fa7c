//! Users and groups.

use std::collections::BTreeMap;

use latchkey_directory::Intent;
use latchkey_directory::access::MayGive;
use latchkey_directory::access::NewRole;
use latchkey_directory::audit::Actor;
use serde_json::json;

use super::super::people::Person;
use super::{hidden, owned, to};
use crate::api::tests::world::World;

const USERS: &str = "/o/acme/admin/users";

/// The id of a user.
async fn id(world: &World, owner: &Person, login: &str) -> String {
    world.app.directory.user(&owner.org, login).await.unwrap().id
}

#[tokio::test]
async fn a_user_is_created_changed_disabled_enabled_and_deleted() {
    let (world, owner) = owned().await;
    world.post("/api/v1/o/acme/groups", json!({"name": "staff"})).await.good();
    let wrong = owner
        .post(&world, &format!("{USERS}/new"), &[("login_name", "anna@other.example"), ("display_name", "<b>Anna</b>")])
        .await;
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.text.contains("id=\"e-login_name\"") && wrong.text.contains("&#60;b&#62;Anna&#60;/b&#62;"),
        "{}",
        wrong.text
    );
    let made = owner
        .post(
            &world,
            &format!("{USERS}/new"),
            &[
                ("login_name", "anna@acme.example"),
                ("display_name", "<b>Anna</b>"),
                ("emails", "a@acme.example\nb@acme.example"),
                ("groups", "staff"),
            ],
        )
        .await;
    let anna = id(&world, &owner, "anna@acme.example").await;
    let one = format!("{USERS}/{anna}");
    assert_eq!(to(&made), format!("{one}?said=user-created"));
    let page = owner.get(&world, &one).await.text;
    assert!(
        page.contains("&#60;b&#62;Anna")
            && !page.contains("<b>Anna")
            && page.contains("staff")
            && page.contains("user.create"),
        "{page}"
    );
    let list = owner.get(&world, &format!("{USERS}?q=anna")).await.text;
    assert!(list.contains("anna@acme.example") && !list.contains(">olga@acme.example</a>"), "{list}");
    let edit = format!("{one}/change");
    let version = hidden(&owner.get(&world, &edit).await, "version");
    let fields = [
        ("version", version.as_str()),
        ("display_name", "Anna Ode"),
        ("department", "Sales"),
        ("emails", "a@acme.example"),
    ];
    assert_eq!(to(&owner.post(&world, &edit, &fields).await), format!("{one}?said=user-changed"));
    let user = world.app.directory.user(&owner.org, &anna).await.unwrap();
    assert_eq!((user.department.as_deref(), user.groups.len(), user.emails.len()), (Some("Sales"), 0, 1));
    assert_eq!(owner.post(&world, &edit, &fields).await.status, 422, "on an old version");
    let of_sales = owner.get(&world, &format!("{USERS}?department=Sales")).await.text;
    assert!(of_sales.contains("anna@acme.example") && !of_sales.contains(">olga@acme.example</a>"));
    assert!(owner.get(&world, &format!("{one}/disable")).await.text.contains("Nothing has happened yet"));
    assert_eq!(to(&owner.post(&world, &format!("{one}/disable"), &[]).await), format!("{one}?said=user-disabled"));
    assert_eq!(to(&owner.post(&world, &format!("{one}/enable"), &[]).await), format!("{one}?said=user-enabled"));
    assert!(owner.get(&world, &format!("{one}/delete")).await.text.contains("Delete anna@acme.example?"));
    assert_eq!(to(&owner.post(&world, &format!("{one}/delete"), &[]).await), format!("{USERS}?said=user-deleted"));
    assert_eq!(owner.get(&world, &one).await.status, 200, "a deleted user's page stays");
}

#[tokio::test]
async fn an_administrators_session_ends_by_the_page_of_the_user() {
    let (world, owner) = owned().await;
    let otto = Person::with_role(&world, "otto", Some("auditor")).await;
    let otto_id = id(&world, &owner, "otto@acme.example").await;
    let page = owner.get(&world, &format!("{USERS}/{otto_id}")).await;
    let browser = hidden(&page, "browser");
    assert_eq!(otto.get(&world, "/o/acme/").await.status, 200);
    let ended = owner.post(&world, &format!("{USERS}/{otto_id}/sessions/end"), &[("browser", &browser)]).await;
    assert_eq!(to(&ended), format!("{USERS}/{otto_id}?said=sessions-ended"));
    assert_eq!(otto.get(&world, "/o/acme/").await.status, 303);
}

#[tokio::test]
async fn a_thousand_users_are_checked_then_imported_then_exported() {
    let (world, owner) = owned().await;
    let mut file = "login_name,display_name,department\n".to_owned();
    for number in 0..1_200 {
        file.push_str(&format!("u{number}@acme.example,User {number},Sales\n"));
    }
    let here = format!("{USERS}/import");
    let checked = owner.post(&world, &here, &[("text", &file)]).await;
    assert_eq!(checked.status, 200, "{}", checked.text);
    assert!(checked.text.contains("<strong>1,200</strong><span>users are created"), "{}", checked.text);
    assert!(world.app.directory.user(&owner.org, "u7@acme.example").await.is_err(), "a check imports nobody");
    let kept = hidden(&checked, "kept");
    let other = Person::with_role(&world, "otto", Some("owner")).await;
    assert_eq!(other.post(&world, &here, &[("kept", &kept)]).await.status, 422, "another's file");
    assert_eq!(to(&owner.post(&world, &here, &[("kept", &kept)]).await), format!("{USERS}?said=users-imported"));
    assert_eq!(owner.post(&world, &here, &[("kept", &kept)]).await.status, 422, "a file is used once");
    let out = owner.get(&world, &format!("{USERS}/export?department=Sales")).await;
    assert_eq!(out.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(out.text.lines().count(), 1_201);
    assert_eq!(out.text.matches("login_name").count(), 1, "the columns are named once");
}

#[tokio::test]
async fn a_file_with_mistakes_tells_each_line_and_imports_nobody() {
    let (world, owner) = owned().await;
    let file = "login_name,groups\nanna@acme.example,\n<i>@acme.example,\nbert@acme.example,nowhere\n";
    let answer = owner.post(&world, &format!("{USERS}/import"), &[("text", file)]).await;
    assert_eq!(answer.status, 422);
    assert!(
        answer.text.contains("Line 3: ") && answer.text.contains("Line 4: there is no group nowhere"),
        "{}",
        answer.text
    );
    assert!(
        !answer.text.contains("<i>@") && answer.text.contains("bert@acme.example,nowhere"),
        "inert, and as it was pasted"
    );
    assert!(world.app.directory.user(&owner.org, "anna@acme.example").await.is_err());
}

#[tokio::test]
async fn restricted_access_sees_no_name_and_takes_no_file() {
    let (world, owner) = owned().await;
    let all = Intent { may_give: MayGive::Everything, ..Intent::of(&Actor::system()) };
    let rights =
        BTreeMap::from([("users".to_owned(), "restricted".to_owned()), ("groups".to_owned(), "view".to_owned())]);
    let role = NewRole { name: Some("desk".to_owned()), description: None, rights: Some(rights) };
    world.app.directory.create_role(&all, &owner.org, role).await.unwrap();
    let desk = Person::with_role(&world, "dora", Some("desk")).await;
    world.post("/api/v1/o/acme/groups", json!({"name": "staff"})).await.good();
    let anna = json!({"login_name": "anna@acme.example", "display_name": "Anna Ode", "groups": ["staff"], "emails": ["ao@acme.example"]});
    world.post("/api/v1/o/acme/users", anna).await.good();
    let anna = id(&world, &owner, "anna@acme.example").await;
    for path in [
        USERS.to_owned(),
        format!("{USERS}?q=anna"),
        format!("{USERS}/{anna}"),
        "/o/acme/admin/groups/staff".to_owned(),
    ] {
        let page = desk.get(&world, &path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.text.contains("•••"), "{path}");
        for name in ["anna@acme", "Anna Ode", "ao@acme"] {
            assert!(!page.text.contains(name), "{path}: {name}");
        }
    }
    assert_eq!(desk.get(&world, &format!("{USERS}/export")).await.status, 403);
    assert_eq!(desk.get(&world, &format!("{USERS}/new")).await.status, 403);
}

#[tokio::test]
async fn a_group_is_created_filled_renamed_and_deleted() {
    let (world, owner) = owned().await;
    let made = owner.post(&world, "/o/acme/admin/groups/new", &[("name", "Staff <x>")]).await;
    let at = to(&made).split('?').next().unwrap().to_owned();
    let members = format!("{at}/members");
    let wrong = owner.post(&world, &members, &[("join", "nobody@acme.example")]).await;
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.text.contains("id=\"e-join\"") && wrong.text.contains("value=\"nobody@acme.example\""),
        "{}",
        wrong.text
    );
    assert_eq!(owner.post(&world, &members, &[("join", "olga@acme.example")]).await.status, 303);
    let page = owner.get(&world, &at).await.text;
    assert!(
        page.contains("olga@acme.example") && page.contains("Staff &#60;x&#62;") && !page.contains("<x>"),
        "{page}"
    );
    let version = hidden(&owner.get(&world, &format!("{at}/change")).await, "version");
    let fields = [("version", version.as_str()), ("name", "Crew"), ("protected", "on")];
    assert_eq!(owner.post(&world, &format!("{at}/change"), &fields).await.status, 303);
    assert!(owner.get(&world, "/o/acme/admin/groups").await.text.contains("Crew"));
    assert!(owner.get(&world, &format!("{at}/delete")).await.text.contains("Delete Crew?"));
    let olga = id(&world, &owner, "olga@acme.example").await;
    assert_eq!(owner.post(&world, &members, &[("leave", &olga)]).await.status, 303);
    assert_eq!(to(&owner.post(&world, &format!("{at}/delete"), &[]).await), "/o/acme/admin/groups?said=group-deleted");
}
