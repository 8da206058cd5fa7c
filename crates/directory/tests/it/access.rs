//! Browser sessions: when a cookie counts, and for what.

use std::time::Duration;

use latchkey_directory::access::records::BrowserSession;
use latchkey_directory::access::{
    Holder, KnownPerson, NewBrowserSession, NotBegun, OWNER, Rights, StepUp, begin_browser_session, step_up,
};
use latchkey_directory::page::PageRequest;
use latchkey_directory::query::Filter;
use latchkey_directory::records::User;
use latchkey_directory::sessions::SessionFilter;
use latchkey_directory::store::StoreError;
use latchkey_directory::{Bytes, Error, Intent, OrgId};
use latchkey_wire::Level;
use latchkey_wire::sign::random_bytes;

use crate::restoring::Past;
use crate::roles::operator;
use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);

fn signed_in(user: &User, level: Level) -> NewBrowserSession {
    NewBrowserSession {
        user_id: user.id.clone(),
        methods: vec!["password".into(), "totp".into()],
        level,
        nonce: Bytes(*random_bytes()),
        address: Some("192.0.2.1".into()),
        agent: Some("Browser/1\n".into()),
    }
}

async fn try_begin(world: &World, new: NewBrowserSession) -> Result<String, NotBegun> {
    let org = world.org.clone();
    let begun = world.directory.write::<_, StoreError>(move |tx| begin_browser_session(tx, &org, &new)).await;
    begun.unwrap().map(|secret| secret.expose().to_owned())
}

async fn begin(world: &World, user: &User, level: Level) -> String {
    try_begin(world, signed_in(user, level)).await.unwrap()
}

async fn known(world: &World, cookie: &str) -> Option<KnownPerson> {
    world.directory.known_person(&world.org, cookie).await.unwrap()
}

async fn counts(world: &World, cookie: &str) -> bool {
    known(world, cookie).await.is_some()
}

async fn prove(world: &World, session: &str, user: &User, level: Level) -> Result<String, NotBegun> {
    let proof = StepUp {
        session_id: session.to_owned(),
        user_id: user.id.clone(),
        methods: vec!["passkey".into()],
        level,
        nonce: (Bytes(*random_bytes()), world.now().plus(MINUTE)),
        address: None,
    };
    let org = world.org.clone();
    let done = world.directory.write::<_, StoreError>(move |tx| step_up(tx, &org, &proof)).await.unwrap();
    done.map(|secret| secret.expose().to_owned())
}

#[tokio::test]
async fn a_cookie_says_who_it_is_and_what_they_may_do_now() {
    let world = World::new().await;
    let anna = world.user("anna", |user| user.display_name = Some("Anna".into())).await;
    let cookie = begin(&world, &anna, Level::Present).await;
    let person = known(&world, &cookie).await.unwrap();
    assert_eq!((person.name(), &person.login_name), ("Anna", &anna.login_name));
    assert_eq!(person.rights, Rights::none());
    assert_eq!(person.session.agent.as_deref(), Some("Browser/1"));
    let holder = Holder::User(anna.id.clone());
    world.directory.give_role(&operator(), &world.org, OWNER, &holder).await.unwrap();
    let person = known(&world, &cookie).await.unwrap();
    assert_eq!((person.rights, person.roles), (Rights::full(), vec![OWNER.to_owned()]));
    let row: User = world.all(User::id.eq(&anna.id)).await.pop().unwrap();
    assert!(row.taken_at.is_some(), "who signed in interactively is taken");
    assert_eq!(world.events("session.begin").await.len(), 1);
}

#[tokio::test]
async fn what_is_no_cookie_of_this_organization_is_nobody() {
    let world = World::new().await;
    let anna = world.user("anna", |_| {}).await;
    let cookie = begin(&world, &anna, Level::Present).await;
    let (id, secret) = cookie.split_once('.').unwrap();
    let other = format!("{}{}", if secret.starts_with('A') { 'B' } else { 'A' }, &secret[1..]);
    for wrong in ["", ".", id, secret, &format!("{id}."), &format!("{id}.{other}"), &format!("{cookie}x")] {
        assert!(!counts(&world, wrong).await, "{wrong}");
    }
    let beta: OrgId = "beta".parse().unwrap();
    world.organization(&beta).await;
    assert!(world.directory.known_person(&beta, &cookie).await.unwrap().is_none());
}

#[tokio::test]
async fn one_sign_in_gives_one_session() {
    let world = World::new().await;
    let anna = world.user("anna", |_| {}).await;
    let once = signed_in(&anna, Level::Present);
    try_begin(&world, once.clone()).await.unwrap();
    assert_eq!(try_begin(&world, once).await, Err(NotBegun::NonceUsed));
    world.directory.disable_user(&operator(), &world.org, &anna.id).await.unwrap();
    assert_eq!(try_begin(&world, signed_in(&anna, Level::Present)).await, Err(NotBegun::NotActive));
}

#[tokio::test]
async fn a_session_ends_when_idle_and_in_the_end_anyway() {
    let world = World::new().await;
    let anna = world.user("anna", |_| {}).await;
    let idle = begin(&world, &anna, Level::Present).await;
    world.clock.advance(16 * MINUTE);
    assert!(!counts(&world, &idle).await);
    let mut busy = begin(&world, &anna, Level::Present).await;
    let mut minutes = 0;
    while let Some(person) = known(&world, &busy).await {
        if let Some(renewed) = person.renewed {
            busy = renewed.expose().to_owned();
        }
        world.clock.advance(10 * MINUTE);
        minutes += 10;
    }
    assert_eq!(minutes, 8 * 60);
}

#[tokio::test]
async fn a_role_counts_only_for_whoever_signed_in_well_enough() {
    let world = World::new().await;
    let anna = world.user("anna", |_| {}).await;
    let holder = Holder::User(anna.id.clone());
    world.directory.give_role(&operator(), &world.org, OWNER, &holder).await.unwrap();
    let cookie = begin(&world, &anna, Level::KnownUser).await;
    let person = known(&world, &cookie).await.unwrap();
    assert!(person.withheld && person.rights == Rights::none() && person.roles == [OWNER]);
    let stronger = prove(&world, &person.session.id, &anna, Level::Present).await.unwrap();
    assert_eq!(known(&world, &stronger).await.unwrap().rights, Rights::full());
}

#[tokio::test]
async fn a_new_proof_gives_a_new_secret_so_that_a_planted_one_is_worth_nothing() {
    let world = World::new().await;
    let (anna, eve) = (world.user("anna", |_| {}).await, world.user("eve", |_| {}).await);
    let planted = begin(&world, &anna, Level::KnownUser).await;
    let session = known(&world, &planted).await.unwrap().session;
    world.clock.advance(5 * MINUTE);
    assert_eq!(prove(&world, &session.id, &eve, Level::Present).await, Err(NotBegun::NoSession), "another's session");
    let proven = prove(&world, &session.id, &anna, Level::Present).await.unwrap();
    assert!(!counts(&world, &planted).await);
    let after = known(&world, &proven).await.unwrap().session;
    assert_eq!((after.id, after.level, after.created_at), (session.id, 5, session.created_at));
    assert!(after.authenticated_at > session.authenticated_at);
}

#[tokio::test]
async fn a23_a_copied_cookie_ends_the_session_once_its_secret_was_renewed() {
    let world = World::new().await;
    let anna = world.user("anna", |_| {}).await;
    let copied = begin(&world, &anna, Level::Present).await;
    world.clock.advance(8 * MINUTE);
    assert!(known(&world, &copied).await.unwrap().renewed.is_none());
    world.clock.advance(8 * MINUTE);
    assert!(known(&world, &copied).await.unwrap().renewed.is_some(), "a quarter of an hour has passed");
    // A request that was under way with the old secret is no theft, nor is an answer that was lost.
    assert!(known(&world, &copied).await.unwrap().renewed.is_none());
    world.clock.advance(2 * MINUTE);
    let second = known(&world, &copied).await.unwrap().renewed.expect("the new one never came back");
    assert!(counts(&world, second.expose()).await);
    assert!(counts(&world, &copied).await);
    world.clock.advance(MINUTE);
    assert!(!counts(&world, &copied).await);
    assert!(!counts(&world, second.expose()).await, "the thief's and the owner's are both worth nothing");
    let rows: Vec<BrowserSession> = world.all(Filter::all()).await;
    assert_eq!(rows[0].ended_reason.as_deref(), Some("its cookie was copied"));
    assert_eq!(world.events("session.end").await.len(), 1);
}

#[tokio::test]
async fn a23_a_secret_that_was_replaced_before_it_was_seen_gives_the_thief_away() {
    let world = World::new().await;
    let anna = world.user("anna", |_| {}).await;
    let copied = begin(&world, &anna, Level::Present).await;
    world.clock.advance(15 * MINUTE - MINUTE);
    assert!(counts(&world, &copied).await);
    world.clock.advance(MINUTE);
    let owners = known(&world, &copied).await.unwrap().renewed.expect("the owner's browser gets a new one, and waits");
    world.clock.advance(2 * MINUTE);
    let thiefs = known(&world, &copied).await.unwrap().renewed.expect("the thief goes on with the old one");
    assert!(counts(&world, thiefs.expose()).await);
    assert!(!counts(&world, owners.expose()).await);
    assert!(!counts(&world, thiefs.expose()).await, "the owner came back, so one of the two is a thief");
    assert_eq!(world.events("session.end").await.len(), 1);
}

#[tokio::test]
async fn an_answer_that_was_lost_again_and_again_locks_nobody_out() {
    let world = World::new().await;
    let anna = world.user("anna", |_| {}).await;
    let cookie = begin(&world, &anna, Level::Present).await;
    world.clock.advance(14 * MINUTE);
    assert!(counts(&world, &cookie).await);
    for _ in 0..40 {
        world.clock.advance(2 * MINUTE);
        assert!(known(&world, &cookie).await.unwrap().renewed.is_some());
    }
    let rows: Vec<BrowserSession> = world.all(Filter::all()).await;
    assert_eq!(rows[0].unseen.0.len(), 16, "no more are remembered");
}

#[tokio::test]
async fn a_weaker_proof_is_worth_what_it_is_to_whoever_asks_for_a_new_one() {
    let world = World::new().await;
    let anna = world.user("anna", |_| {}).await;
    let cookie = begin(&world, &anna, Level::Present).await;
    let session = known(&world, &cookie).await.unwrap().session.id;
    prove(&world, &session, &anna, Level::MdmSigned).await.unwrap();
    let rows: Vec<BrowserSession> = world.all(Filter::all()).await;
    assert_eq!((rows[0].level, rows[0].proof_level), (Level::Present, Level::MdmSigned));
}

#[tokio::test]
async fn use_is_written_down_once_a_minute_and_no_oftener() {
    let world = World::new().await;
    let anna = world.user("anna", |_| {}).await;
    let cookie = begin(&world, &anna, Level::Present).await;
    let began = known(&world, &cookie).await.unwrap().session.seen_at;
    world.clock.advance(Duration::from_secs(59));
    assert_eq!(known(&world, &cookie).await.unwrap().session.seen_at, began);
    world.clock.advance(Duration::from_secs(1));
    assert!(known(&world, &cookie).await.unwrap().session.seen_at > began);
}

#[tokio::test]
async fn r17_sessions_end_with_the_user_and_by_the_word_of_an_administrator() {
    let world = World::new().await;
    let directory = &world.directory;
    let (anna, bert) = (world.user("anna", |_| {}).await, world.user("bert", |_| {}).await);
    let a = begin(&world, &anna, Level::Present).await;
    let (_, ended) = directory.disable_user(&operator(), &world.org, &anna.id).await.unwrap();
    assert!(ended == 1 && !counts(&world, &a).await);
    directory.enable_user(&operator(), &world.org, &anna.id).await.unwrap();
    assert!(!counts(&world, &a).await, "it does not come back");
    let (a, b) = (begin(&world, &anna, Level::Present).await, begin(&world, &bert, Level::Present).await);
    let of = |user: &str| SessionFilter { user: vec![user.into()], ..SessionFilter::default() };
    assert_eq!(directory.end_sessions(&operator(), &world.org, of(&anna.login_name)).await.unwrap(), 1);
    assert!(!counts(&world, &a).await && counts(&world, &b).await);
    let device = SessionFilter { device: vec!["x".into()], ..SessionFilter::default() };
    assert_eq!(directory.end_sessions(&operator(), &world.org, device).await.unwrap(), 0);
    assert_eq!(directory.end_sessions(&operator(), &world.org, SessionFilter::default()).await.unwrap(), 1);
    assert!(!counts(&world, &b).await);
    let b = begin(&world, &bert, Level::Present).await;
    directory.delete_user(&operator(), &world.org, &bert.id).await.unwrap();
    assert!(!counts(&world, &b).await);
}

#[tokio::test]
async fn a_person_ends_their_own_sessions_and_no_others() {
    let world = World::new().await;
    let directory = &world.directory;
    let (anna, eve) = (world.user("anna", |_| {}).await, world.user("eve", |_| {}).await);
    let (here, there) = (begin(&world, &anna, Level::Present).await, begin(&world, &anna, Level::Present).await);
    let person = known(&world, &here).await.unwrap();
    let intent: Intent = person.intent(None, false, latchkey_directory::intent::Condition::None);
    let listed = directory.browser_sessions(&world.org, Some(&anna.id), PageRequest::default()).await.unwrap();
    assert_eq!(listed.items.len(), 2);
    let theirs = directory.end_browser_session(&intent, &world.org, &person.session.id, Some(&eve.id)).await;
    assert!(matches!(theirs, Err(Error::NotFound { .. })), "not even that it is there");
    let kept = directory.end_browser_sessions_of(&intent, &world.org, &anna.id, Some(&person.session.id)).await;
    assert_eq!(kept.unwrap(), 1);
    assert!(counts(&world, &here).await && !counts(&world, &there).await);
    let ended = directory.end_browser_session(&intent, &world.org, &person.session.id, Some(&anna.id)).await.unwrap();
    assert_eq!(ended.ended_reason.as_deref(), Some("signed out"));
    assert!(!counts(&world, &here).await);
    let listed = directory.browser_sessions(&world.org, None, PageRequest::default()).await.unwrap();
    assert!(listed.items.is_empty());
}

#[tokio::test]
async fn a_restored_store_knows_no_browser() {
    let world = World::new().await;
    world.directory.found_cloud("https://id.example").await.unwrap();
    let anna = world.user("anna", |_| {}).await;
    let cookie = begin(&world, &anna, Level::Present).await;
    let link = world.directory.create_setup_link(&operator(), Some(&world.org), None).await.unwrap();
    let past = Past::of(world).await;
    let restored = past.restored().await;
    assert!(restored.known_person(&past.world.org, &cookie).await.unwrap().is_none());
    assert!(restored.open_setup_link(link.secret.expose(), None).await.unwrap().is_none());
}
