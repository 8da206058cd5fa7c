//! Set-up links: who gets in by them, once.

use std::time::Duration;

use latchkey_directory::access::{Holder, OWNER, Rights, SetupSession, finish_setup, held_by};
use latchkey_directory::query::Filter;
use latchkey_directory::records::Organization;
use latchkey_directory::store::StoreError;
use latchkey_directory::{Error, Org, OrgId};

use crate::roles::operator;
use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);

async fn link(world: &World, user: Option<&str>) -> String {
    let made = world.directory.create_setup_link(&operator(), Some(&world.org), user).await.unwrap();
    made.secret.expose().to_owned()
}

async fn open(world: &World, link: &str) -> Option<(String, SetupSession)> {
    let opened = world.directory.open_setup_link(link, Some("192.0.2.1".into())).await.unwrap();
    opened.map(|(cookie, session)| (cookie.expose().to_owned(), session))
}

async fn finish(world: &World, setup: &SetupSession, user: &str) -> Result<OrgId, Error> {
    let (setup, user) = (setup.clone(), user.to_owned());
    world.directory.write(move |tx| finish_setup(tx, &setup, &user, None)).await
}

async fn rights(world: &World, user: &str) -> Rights {
    let (org, user) = (world.org.clone(), user.to_owned());
    world.directory.read::<_, StoreError>(move |tx| held_by(tx, &org, &user)).await.unwrap().rights
}

#[tokio::test]
async fn the_first_administrator_comes_in_by_a_link_and_is_the_owner() {
    let world = World::new().await;
    let boss = world.user("boss", |_| {}).await;
    let (cookie, setup) = open(&world, &link(&world, None).await).await.unwrap();
    assert_eq!(world.directory.setup_session(&cookie).await.unwrap().as_ref(), Some(&setup));
    assert_eq!(finish(&world, &setup, &boss.id).await.unwrap(), world.org);
    assert_eq!(rights(&world, &boss.id).await, Rights::full());
    assert!(world.directory.setup_session(&cookie).await.unwrap().is_none(), "there is nothing left to set up");
    assert!(finish(&world, &setup, &boss.id).await.is_err());
    let answer = world.directory.create_setup_link(&operator(), Some(&world.org), None).await;
    assert!(matches!(answer, Err(Error::State { .. })), "there is an owner");
    assert_eq!(world.events("setup.link").await.len(), 1);
    assert_eq!(world.events("setup.open").await[0].address.as_deref(), Some("192.0.2.1"));
}

#[tokio::test]
async fn a_link_opens_once_and_within_a_quarter_of_an_hour() {
    let world = World::new().await;
    let first = link(&world, None).await;
    let (cookie, _) = open(&world, &first).await.unwrap();
    assert!(open(&world, &first).await.is_none());
    assert!(open(&world, &cookie).await.is_none(), "a cookie is no link");
    assert!(world.directory.setup_session(&first).await.unwrap().is_none(), "a link is no cookie");
    world.clock.advance(59 * MINUTE);
    assert!(world.directory.setup_session(&cookie).await.unwrap().is_some(), "it can be gone on with");
    world.clock.advance(MINUTE);
    assert!(world.directory.setup_session(&cookie).await.unwrap().is_none());
    let late = link(&world, None).await;
    world.clock.advance(15 * MINUTE);
    assert!(open(&world, &late).await.is_none());
}

#[tokio::test]
async fn a_new_link_makes_those_before_worthless_opened_or_not() {
    let world = World::new().await;
    let stolen = link(&world, None).await;
    let (cookie, setup) = open(&world, &stolen).await.unwrap();
    let unopened = link(&world, None).await;
    assert!(world.directory.setup_session(&cookie).await.unwrap().is_none());
    let boss = world.user("boss", |_| {}).await;
    assert!(finish(&world, &setup, &boss.id).await.is_err());
    link(&world, None).await;
    assert!(open(&world, &unopened).await.is_none());
}

#[tokio::test]
async fn two_links_cannot_make_two_owners() {
    let world = World::new().await;
    let (boss, eve) = (world.user("boss", |_| {}).await, world.user("eve", |_| {}).await);
    let (cookie, setup) = open(&world, &link(&world, None).await).await.unwrap();
    let holder = Holder::User(boss.id.clone());
    world.directory.give_role(&operator(), &world.org, OWNER, &holder).await.unwrap();
    assert!(world.directory.setup_session(&cookie).await.unwrap().is_none());
    assert!(finish(&world, &setup, &eve.id).await.is_err());
    assert_eq!(rights(&world, &eve.id).await, Rights::none());
}

#[tokio::test]
async fn an_administrator_who_is_locked_out_comes_in_again_and_keeps_what_they_had() {
    let world = World::new().await;
    let (boss, eve) = (world.user("boss", |_| {}).await, world.user("eve", |_| {}).await);
    let holder = Holder::User(boss.id.clone());
    world.directory.give_role(&operator(), &world.org, "auditor", &holder).await.unwrap();
    let (_, setup) = open(&world, &link(&world, Some(&boss.login_name)).await).await.unwrap();
    assert_eq!(setup.user_id.as_ref(), Some(&boss.id));
    assert!(finish(&world, &setup, &eve.id).await.is_err(), "it is nobody else's");
    let before = rights(&world, &boss.id).await;
    finish(&world, &setup, &boss.id).await.unwrap();
    assert_eq!(rights(&world, &boss.id).await, before);
    world.directory.disable_user(&operator(), &world.org, &boss.id).await.unwrap();
    let answer = world.directory.create_setup_link(&operator(), Some(&world.org), Some(&boss.id)).await;
    assert!(matches!(answer, Err(Error::State { .. })), "a link enables nobody");
}

#[tokio::test]
async fn the_link_of_an_empty_cloud_leads_to_its_first_organization() {
    let world = World::new().await;
    let there: Organization = world.all(Filter::all()).await.pop().unwrap();
    let org = world.org.clone();
    let none =
        world.directory.write::<_, StoreError>(move |tx| Org::of(tx, &org).delete::<Organization>(Filter::all()));
    none.await.unwrap();
    let made = world.directory.create_setup_link(&operator(), None, None).await.unwrap();
    let (cookie, setup) = open(&world, made.secret.expose()).await.unwrap();
    assert_eq!(setup.org, None);
    world.add(there).await;
    let setup = world.directory.setup_made(&setup, &world.org).await.unwrap();
    assert_eq!(setup.org.as_ref(), Some(&world.org));
    assert_eq!(world.directory.setup_session(&cookie).await.unwrap().unwrap().org, setup.org);
    let answer = world.directory.create_setup_link(&operator(), None, None).await;
    assert!(matches!(answer, Err(Error::Invalid(_))), "now it has to be said for which");
    let boss = world.user("boss", |_| {}).await;
    finish(&world, &setup, &boss.id).await.unwrap();
    assert_eq!(rights(&world, &boss.id).await, Rights::full());
}
