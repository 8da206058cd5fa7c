//! Roles.

use super::super::people::Person;
use super::{hidden, owned, to};

const ROLES: &str = "/o/acme/admin/roles";

#[tokio::test]
async fn a_role_of_ones_own_is_made_given_changed_taken_and_deleted() {
    let (world, owner) = owned().await;
    let page = owner.get(&world, ROLES).await.text;
    assert!(page.contains("help-desk") && page.contains("auditor"), "{page}");
    let made = owner
        .post(&world, &format!("{ROLES}/new"), &[("name", "<i>branch</i>"), ("users", "view"), ("devices", "full")])
        .await;
    let at = to(&made).split('?').next().unwrap().to_owned();
    let page = owner.get(&world, &at).await.text;
    assert!(page.contains("&#60;i&#62;branch") && page.contains("Full: seen and changed"), "{page}");
    let holders = format!("{at}/holders");
    let wrong = owner.post(&world, &holders, &[("kind", "user"), ("name", "nobody@acme.example")]).await;
    assert!(wrong.status == 422 && wrong.text.contains("value=\"nobody@acme.example\""), "{}", wrong.text);
    let otto = Person::with_role(&world, "otto", None).await;
    assert_eq!(otto.get(&world, "/o/acme/admin/users").await.status, 403);
    assert_eq!(owner.post(&world, &holders, &[("kind", "user"), ("name", "otto@acme.example")]).await.status, 303);
    assert_eq!(otto.get(&world, "/o/acme/admin/users").await.status, 200);
    let version = hidden(&owner.get(&world, &format!("{at}/change")).await, "version");
    let fields = [("version", version.as_str()), ("name", "branch"), ("users", "none"), ("devices", "full")];
    assert_eq!(owner.post(&world, &format!("{at}/change"), &fields).await.status, 303);
    assert_eq!(otto.get(&world, "/o/acme/admin/users").await.status, 403);
    let take = hidden(&owner.get(&world, &holders).await, "take");
    assert_eq!(owner.post(&world, &holders, &[("take", &take)]).await.status, 303);
    assert!(owner.get(&world, &format!("{at}/delete")).await.text.contains("Delete the role branch?"));
    assert_eq!(to(&owner.post(&world, &format!("{at}/delete"), &[]).await), format!("{ROLES}?said=role-deleted"));
}

#[tokio::test]
async fn the_last_owner_keeps_the_role_and_is_told_why() {
    let (world, owner) = owned().await;
    let take = hidden(&owner.get(&world, &format!("{ROLES}/owner/holders")).await, "take");
    let answer = owner.post(&world, &format!("{ROLES}/owner/holders"), &[("take", &take)]).await;
    assert!(answer.text.contains("class=\"errors\""), "{} {}", answer.status, answer.text);
    assert!(owner.get(&world, "/o/acme/admin/settings").await.status == 200, "still the owner");
}

#[tokio::test]
async fn a_users_roles_are_given_and_taken_on_the_users_own_page() {
    let (world, owner) = owned().await;
    let otto = Person::with_role(&world, "otto", None).await;
    let id = world.app.directory.user(&owner.org, "otto@acme.example").await.unwrap().id;
    let path = format!("/o/acme/admin/users/{id}/roles");
    assert_eq!(owner.post(&world, &path, &[("give", "auditor")]).await.status, 303);
    assert_eq!(otto.get(&world, "/o/acme/admin/users").await.status, 200);
    assert!(owner.get(&world, &format!("/o/acme/admin/users/{id}")).await.text.contains(">auditor</a>"));
    assert_eq!(owner.post(&world, &path, &[("take", "auditor")]).await.status, 303);
    assert_eq!(otto.get(&world, "/o/acme/admin/users").await.status, 403);
}

#[tokio::test]
async fn an_identity_administrator_sees_roles_and_changes_none() {
    let (world, _) = owned().await;
    let irma = Person::with_role(&world, "irma", Some("identity-administrator")).await;
    let page = irma.get(&world, ROLES).await;
    assert!(page.status == 200 && !page.text.contains("Create a role"), "{}", page.text);
    assert_eq!(irma.get(&world, &format!("{ROLES}/new")).await.status, 403);
    assert_eq!(
        irma.post(&world, &format!("{ROLES}/owner/holders"), &[("kind", "user"), ("name", "irma@acme.example")])
            .await
            .status,
        403
    );
}
