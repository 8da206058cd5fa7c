//! Who may do what: roles, and the ways by which somebody could get more than they have.

use std::collections::BTreeMap;

use latchkey_directory::access::{Holder, MayGive, NewRole, OWNER, Rights, RolePatch, held_by};
use latchkey_directory::audit::{Actor, ActorKind};
use latchkey_directory::groups::NewGroup;
use latchkey_directory::page::PageRequest;
use latchkey_directory::query::Filter;
use latchkey_directory::records::User;
use latchkey_directory::store::StoreError;
use latchkey_directory::tokens::TokenPatch;
use latchkey_directory::users::{ImportLine, UserPatch};
use latchkey_directory::values::{Access, Module, Scope};
use latchkey_directory::{Error, Intent};
use latchkey_wire::Code;

use crate::restoring::{Past, confirm};
use crate::world::{DAY, Machine, World, code};

pub fn operator() -> Intent {
    Intent::of(&Actor { kind: ActorKind::Operator, id: "uid:0".into(), address: None })
}

/// Somebody with these rights.
fn with(rights: &[(Module, Access)]) -> Intent {
    let may_give = MayGive::Only(rights.iter().copied().collect());
    Intent { may_give, ..Intent::of(&Actor { kind: ActorKind::User, id: "somebody".into(), address: None }) }
}

fn user(user: &User) -> Holder {
    Holder::User(user.id.clone())
}

fn dry(intent: &Intent) -> Intent {
    Intent { dry_run: true, ..intent.clone() }
}

fn new_role(name: &str, rights: &[(&str, &str)]) -> NewRole {
    let rights = rights.iter().map(|(module, access)| ((*module).to_owned(), (*access).to_owned())).collect();
    NewRole { name: Some(name.into()), description: None, rights: Some(rights) }
}

async fn rights(world: &World, user: &User) -> Rights {
    let (org, id) = (world.org.clone(), user.id.clone());
    world.directory.read::<_, StoreError>(move |tx| held_by(tx, &org, &id)).await.unwrap().rights
}

async fn group(world: &World, name: &str) -> String {
    let new = NewGroup { name: Some(name.into()), protected: None };
    world.directory.create_group(&operator(), &world.org, new).await.unwrap().id
}

fn denied<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Denied { .. }))
}

fn state<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::State { .. }))
}

#[tokio::test]
async fn a_user_has_the_highest_access_of_all_roles_their_own_and_those_of_their_groups() {
    let world = World::new().await;
    let directory = &world.directory;
    let anna = world.user("anna", |_| {}).await;
    assert_eq!(rights(&world, &anna).await, Rights::none());
    let staff = group(&world, "Staff").await;
    directory.join_group(&operator(), &world.org, &staff, &anna.id).await.unwrap();
    let role = new_role("Readers", &[("users", "restricted"), ("keys", "view")]);
    let readers = directory.create_role(&operator(), &world.org, role).await.unwrap();
    directory.give_role(&operator(), &world.org, &readers.id, &Holder::Group("Staff".into())).await.unwrap();
    assert!(rights(&world, &anna).await.is_masked(Module::Users));
    directory.give_role(&operator(), &world.org, "help-desk", &user(&anna)).await.unwrap();
    let both = rights(&world, &anna).await;
    assert_eq!((both.access(Module::Users), both.access(Module::Keys)), (Access::Full, Access::View));
    assert!(!both.may(Scope::TokensRead), "no role opens it");
    // What a role says counts at once.
    let patch = RolePatch { rights: Some(BTreeMap::from([("keys".into(), None)])), ..RolePatch::default() };
    directory.change_role(&operator(), &world.org, "Readers", patch).await.unwrap();
    assert_eq!(rights(&world, &anna).await.access(Module::Keys), Access::None);
    assert_eq!(directory.roles_of(&world.org, &user(&anna)).await.unwrap().len(), 2);
    let given = directory.role_assignments(&world.org, "help-desk", PageRequest::default()).await.unwrap();
    assert_eq!(given.items[0].name, anna.login_name);
    assert_eq!(world.events("role.give").await.len(), 2);
}

#[tokio::test]
async fn a_role_is_made_changed_and_deleted_and_the_built_in_ones_are_not() {
    let world = World::new().await;
    let directory = &world.directory;
    let wrong = NewRole { rights: Some(BTreeMap::from([("user".into(), "all".into())])), ..NewRole::default() };
    let Err(Error::Invalid(problems)) = directory.create_role(&operator(), &world.org, wrong).await else { panic!() };
    let told: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(told, ["/name", "/rights/user"], "everything that is wrong is told at once");
    let owner = directory.create_role(&operator(), &world.org, new_role(OWNER, &[])).await;
    assert!(matches!(owner, Err(Error::Invalid(_))), "a name of a built-in role is not given away");
    let made = directory.create_role(&operator(), &world.org, new_role("Keys", &[("keys", "full")])).await.unwrap();
    let again = directory.create_role(&operator(), &world.org, new_role("Keys", &[])).await;
    assert!(matches!(again, Err(Error::Exists { .. })));
    let listed = directory.roles(&world.org, PageRequest::default()).await.unwrap();
    let names: Vec<_> = listed.items.iter().map(|role| role.name.as_str()).collect();
    let built_in = ["owner", "identity-administrator", "help-desk", "device-administrator", "auditor"];
    assert_eq!((names[0], &names[1..]), ("Keys", &built_in[..]));
    for (name, answer) in [
        ("set", directory.change_role(&operator(), &world.org, "auditor", RolePatch::default()).await.map(drop)),
        ("delete", directory.delete_role(&operator(), &world.org, "auditor", true).await.map(drop)),
    ] {
        assert!(state(&answer), "{name}");
    }
    let anna = world.user("anna", |_| {}).await;
    directory.give_role(&operator(), &world.org, "Keys", &user(&anna)).await.unwrap();
    assert!(state(&directory.delete_role(&operator(), &world.org, "Keys", false).await), "somebody has it");
    let would = directory.delete_role(&dry(&operator()), &world.org, "Keys", true).await.unwrap();
    assert_eq!(would.1, 1);
    assert_eq!(directory.role(&world.org, "Keys").await.unwrap(), directory.role(&world.org, &made.id).await.unwrap());
    let did = directory.delete_role(&operator(), &world.org, "Keys", true).await.unwrap();
    assert_eq!(did.1, would.1);
    assert_eq!(rights(&world, &anna).await, Rights::none());
}

#[tokio::test]
async fn nobody_gives_away_more_than_they_have() {
    let world = World::new().await;
    let directory = &world.directory;
    let anna = world.user("anna", |_| {}).await;
    let some = with(&[(Module::Roles, Access::Full), (Module::Users, Access::View)]);
    assert!(denied(&directory.give_role(&some, &world.org, "help-desk", &user(&anna)).await));
    let answer = directory.create_role(&some, &world.org, new_role("More", &[("users", "full")])).await;
    assert!(matches!(answer, Err(Error::Invalid(_))));
    let mine = directory.create_role(&some, &world.org, new_role("Mine", &[("users", "view")])).await.unwrap();
    directory.give_role(&some, &world.org, &mine.id, &user(&anna)).await.unwrap();
    let more = |access: &str| RolePatch {
        rights: Some(BTreeMap::from([("users".into(), Some(access.into()))])),
        ..RolePatch::default()
    };
    let answer = directory.change_role(&some, &world.org, "Mine", more("full")).await;
    assert!(matches!(answer, Err(Error::Invalid(_))), "nor by changing a role that somebody has");
    // What others gave is not taken away by whoever could not have given it.
    directory.give_role(&operator(), &world.org, "help-desk", &user(&anna)).await.unwrap();
    assert!(denied(&directory.take_role(&some, &world.org, "help-desk", &user(&anna)).await));
    directory.change_role(&operator(), &world.org, "Mine", more("full")).await.unwrap();
    assert!(denied(&directory.change_role(&some, &world.org, "Mine", more("view")).await));
    assert!(denied(&directory.delete_role(&some, &world.org, "Mine", true).await));
    // Without the right to roles, rights alone give nothing.
    let many: Vec<_> = Module::ALL.iter().map(|module| (*module, Access::Full)).collect();
    let all_but_roles: Vec<_> = many.into_iter().filter(|(module, _)| *module != Module::Roles).collect();
    assert!(denied(&directory.give_role(&with(&all_but_roles), &world.org, "Mine", &user(&anna)).await));
}

#[tokio::test]
async fn a_group_with_a_role_is_no_side_door() {
    let world = World::new().await;
    let directory = &world.directory;
    let eve = world.user("eve", |_| {}).await;
    let owners = group(&world, "Owners").await;
    directory.give_role(&operator(), &world.org, OWNER, &Holder::Group("Owners".into())).await.unwrap();
    let help = with(&[(Module::Users, Access::Full), (Module::Groups, Access::Full), (Module::Roles, Access::Full)]);
    assert!(denied(&directory.join_group(&help, &world.org, "Owners", &eve.id).await));
    let groups = UserPatch { groups: Some(vec!["Owners".into()]), ..UserPatch::default() };
    assert!(denied(&directory.change_user(&help, &world.org, &eve.id, groups.clone()).await));
    let line = ImportLine { line: 2, login_name: eve.login_name.clone(), profile: groups };
    assert!(denied(&directory.import_users(&help, &world.org, vec![line]).await));
    assert_eq!(rights(&world, &eve).await, Rights::none());
    assert!(state(&directory.delete_group(&operator(), &world.org, &owners).await), "it has a role");
    directory.join_group(&operator(), &world.org, "Owners", &eve.id).await.unwrap();
    assert_eq!(rights(&world, &eve).await, Rights::full());
    assert!(denied(&directory.leave_group(&help, &world.org, "Owners", &eve.id).await));
}

#[tokio::test]
async fn whoever_changes_users_alone_changes_no_groups() {
    let world = World::new().await;
    let directory = &world.directory;
    let eve = world.user("eve", |_| {}).await;
    group(&world, "Payroll").await;
    let users = with(&[(Module::Users, Access::Full), (Module::Groups, Access::View)]);
    let groups = UserPatch { groups: Some(vec!["Payroll".into()]), ..UserPatch::default() };
    let line = || ImportLine { line: 2, login_name: eve.login_name.clone(), profile: groups.clone() };
    assert!(denied(&directory.join_group(&users, &world.org, "Payroll", &eve.id).await));
    assert!(denied(&directory.change_user(&users, &world.org, &eve.id, groups.clone()).await));
    assert!(denied(&directory.import_users(&users, &world.org, vec![line()]).await));
    let both = with(&[(Module::Users, Access::Full), (Module::Groups, Access::Full)]);
    directory.import_users(&both, &world.org, vec![line()]).await.unwrap();
    // What stays as it is needs no right.
    directory.import_users(&users, &world.org, vec![line()]).await.unwrap();
    let none = UserPatch { groups: Some(vec![]), ..UserPatch::default() };
    assert!(denied(&directory.change_user(&users, &world.org, &eve.id, none).await));
}

#[tokio::test]
async fn somebody_with_more_rights_is_not_changed() {
    let world = World::new().await;
    let directory = &world.directory;
    let (boss, anna) = (world.user("boss", |_| {}).await, world.user("anna", |_| {}).await);
    directory.give_role(&operator(), &world.org, OWNER, &user(&boss)).await.unwrap();
    let help = with(&[(Module::Users, Access::Full)]);
    let mail = || UserPatch { emails: Some(vec!["eve@evil.example".into()]), ..UserPatch::default() };
    assert!(denied(&directory.change_user(&help, &world.org, &boss.id, mail()).await), "an owner's address");
    assert!(denied(&directory.disable_user(&help, &world.org, &boss.id).await));
    assert!(denied(&directory.delete_user(&help, &world.org, &boss.id).await));
    let line = ImportLine { line: 2, login_name: boss.login_name, profile: mail() };
    assert!(denied(&directory.import_users(&help, &world.org, vec![line]).await));
    directory.change_user(&help, &world.org, &anna.id, mail()).await.unwrap();
}

#[tokio::test]
async fn an_organization_keeps_an_owner() {
    let world = World::new().await;
    let directory = &world.directory;
    let (boss, anna) = (world.user("boss", |_| {}).await, world.user("anna", |_| {}).await);
    let owners = group(&world, "Owners").await;
    directory.give_role(&operator(), &world.org, OWNER, &user(&boss)).await.unwrap();
    assert!(state(&directory.take_role(&operator(), &world.org, OWNER, &user(&boss)).await));
    assert!(state(&directory.disable_user(&operator(), &world.org, &boss.id).await));
    assert!(state(&directory.delete_user(&operator(), &world.org, &boss.id).await));
    // An empty group, or a user who may not sign in, is no owner.
    directory.give_role(&operator(), &world.org, OWNER, &Holder::Group(owners.clone())).await.unwrap();
    assert!(state(&directory.disable_user(&operator(), &world.org, &boss.id).await));
    directory.join_group(&operator(), &world.org, &owners, &anna.id).await.unwrap();
    directory.take_role(&operator(), &world.org, OWNER, &user(&boss)).await.unwrap();
    // Now it hangs on the group.
    assert!(state(&directory.leave_group(&operator(), &world.org, &owners, &anna.id).await));
    let none = UserPatch { groups: Some(vec![]), ..UserPatch::default() };
    assert!(state(&directory.change_user(&operator(), &world.org, &anna.id, none.clone()).await));
    let line = ImportLine { line: 2, login_name: anna.login_name.clone(), profile: none };
    assert!(state(&directory.import_users(&operator(), &world.org, vec![line]).await));
    directory.give_role(&operator(), &world.org, OWNER, &user(&boss)).await.unwrap();
    directory.delete_user(&operator(), &world.org, &anna.id).await.unwrap();
    assert_eq!(rights(&world, &anna).await, Rights::none());
}

#[tokio::test]
async fn r11_whoever_has_a_role_is_a_protected_user() {
    let world = World::new().await;
    let directory = &world.directory;
    let (boss, member) = (world.user("boss", |_| {}).await, world.user("member", |_| {}).await);
    let auditors = group(&world, "Auditors").await;
    directory.join_group(&operator(), &world.org, &auditors, &member.id).await.unwrap();
    // A device of before does not sign in as an administrator of after.
    let before = world.enrolled("member").await;
    directory.give_role(&operator(), &world.org, OWNER, &user(&boss)).await.unwrap();
    directory.give_role(&operator(), &world.org, "auditor", &Holder::Group(auditors)).await.unwrap();
    assert_eq!(code(world.enroll(&mut Machine::new("boss")).await), Code::Enroll024);
    assert_eq!(code(world.enroll(&mut Machine::new("member")).await), Code::Enroll024);
    let mut machine = before;
    world.clock.advance(DAY);
    assert_eq!(code(world.renew(&mut machine).await), Code::Enroll024);
}

#[tokio::test]
async fn a28_a_device_token_makes_no_administrator() {
    let world = World::new().await;
    let directory = &world.directory;
    let staff = group(&world, "Staff").await;
    let id = staff.clone();
    world.change_token(|token| token.jit_groups.0 = vec![id]).await;
    let answer = directory.give_role(&operator(), &world.org, OWNER, &Holder::Group("Staff".into())).await;
    assert!(state(&answer), "a token puts people into it");
    // The other way round: a device that enrolled under the old terms must not profit either.
    world.change_token(|token| token.jit_groups.0.clear()).await;
    directory.give_role(&operator(), &world.org, OWNER, &Holder::Group("Staff".into())).await.unwrap();
    world.change_token(|token| token.jit_groups.0 = vec![staff]).await;
    world.enrolled("mallory").await;
    let mallory: User =
        world.all(Filter::all()).await.into_iter().find(|u: &User| u.login_name.starts_with("mal")).unwrap();
    assert_eq!(rights(&world, &mallory).await, Rights::none());
    // And none is told to.
    let patch = TokenPatch { jit_groups: Some(vec!["Staff".into()]), ..TokenPatch::default() };
    let answer = directory.change_token(&operator(), &world.org, world.token.id().as_str(), patch, true).await;
    assert!(matches!(answer, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_restore_takes_roles_away_again_and_gives_none() {
    let world = World::new().await;
    world.directory.found_cloud("https://id.example").await.unwrap();
    let (boss, anna) = (world.user("boss", |_| {}).await, world.user("anna", |_| {}).await);
    let directory = &world.directory;
    directory.give_role(&operator(), &world.org, OWNER, &user(&boss)).await.unwrap();
    directory.give_role(&operator(), &world.org, "auditor", &user(&anna)).await.unwrap();
    directory
        .create_role(&operator(), &world.org, new_role("R", &[("keys", "full"), ("users", "view")]))
        .await
        .unwrap();
    let past = Past::of(world).await;
    let directory = &past.world.directory;
    directory.take_role(&operator(), &past.world.org, "auditor", &user(&anna)).await.unwrap();
    directory.give_role(&operator(), &past.world.org, "help-desk", &user(&anna)).await.unwrap();
    let less = BTreeMap::from([("keys".into(), None), ("users".into(), Some("full".into()))]);
    let patch = RolePatch { rights: Some(less), ..RolePatch::default() };
    directory.change_role(&operator(), &past.world.org, "R", patch).await.unwrap();
    let restored = past.restored().await;
    let confirmed = confirm(&restored, &past.export().await, false).await.unwrap();
    assert_eq!(confirmed.applied.get("role.take"), Some(&1));
    assert!(confirmed.left.iter().any(|line| line.contains("give it again")), "{:?}", confirmed.left);
    assert!(restored.roles_of(&past.world.org, &user(&anna)).await.unwrap().is_empty());
    let role = restored.role(&past.world.org, "R").await.unwrap();
    assert_eq!((role.rights[&Module::Keys], role.rights[&Module::Users]), (Access::None, Access::View));
}
