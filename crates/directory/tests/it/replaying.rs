//! Each kind of change that an exported log takes away again after a restore, and what it leaves to a person.

use latchkey_directory::access::{MayGive, Rights};
use latchkey_directory::clients::{Ceiling, ClientPatch, Credential, NewClient};
use latchkey_directory::codes::NewCode;
use latchkey_directory::groups::{GroupPatch, NewGroup};
use latchkey_directory::orgs::OrganizationPatch;
use latchkey_directory::policy::NewPolicy;
use latchkey_directory::records::{
    ApiClient, Binding, DeviceToken, DeviceTokenPolicy, Domain, Entitlement, Group, Membership, OneTimeCode, Service,
    User,
};
use latchkey_directory::services::{Described, Entitled, NewService, ServiceChange, ServiceSettings};
use latchkey_directory::tokens::{Made, RotateOrder, TokenPatch};
use latchkey_directory::users::UserPatch;
use latchkey_directory::value::Json;
use latchkey_directory::values::{DomainState, TokenState};
use latchkey_directory::{Bytes, Directory, Intent};
use latchkey_wire::{BindingState, Level, Pin};

use crate::restoring::{Past, all, confirm};
use crate::world::{DOMAIN, World, admin};

fn intent() -> Intent {
    Intent { may_give: MayGive::Only(Rights::full()), ..Intent::of(&admin()) }
}

async fn world() -> World {
    let world = World::new().await;
    world.directory.found_cloud("https://id.example").await.unwrap();
    world
}

fn policy(enabled: bool, jit: bool, domains: &[&str]) -> NewPolicy {
    let domains = domains.iter().map(|&name| name.to_owned()).collect();
    NewPolicy { enabled: Some(enabled), all_domains: Some(false), domains: Some(domains), jit: Some(jit) }
}

async fn add_service(world: &World, name: &str, entitle: &[Entitled]) -> String {
    let described = Described {
        entity_id: format!("https://{name}.example"),
        acs: vec![],
        metadata: name.as_bytes().to_vec(),
        metadata_url: None,
    };
    let new = NewService {
        name: name.into(),
        described,
        settings: ServiceSettings::default(),
        min_evidence: Level::KnownUser,
        entitle: entitle.to_vec(),
    };
    world.directory.create_service(&intent(), &world.org, new).await.unwrap().id
}

async fn add_group(world: &World, name: &str) -> String {
    let new = NewGroup { name: Some(name.into()), protected: None };
    world.directory.create_group(&intent(), &world.org, new).await.unwrap().id
}

async fn one<R: latchkey_directory::table::Record + 'static>(directory: &Directory) -> R {
    let mut rows = all::<R>(directory).await;
    assert_eq!(rows.len(), 1);
    rows.pop().unwrap()
}

/// Sets the policy to each of these after the backup; how the restored store has it once the log was replayed.
async fn policy_after(steps: &[NewPolicy]) -> (DeviceTokenPolicy, u64) {
    let past = Past::of(world().await).await;
    for step in steps {
        past.world.directory.set_policy(&intent(), &past.world.org, step.clone()).await.unwrap();
        past.world.clock.advance(std::time::Duration::from_secs(1));
    }
    let restored = past.restored().await;
    let confirmed = confirm(&restored, &past.export().await, false).await.unwrap();
    assert_eq!(confirmed.left, Vec::<String>::new());
    (one(&restored).await, confirmed.applied.get("policy.set").copied().unwrap_or_default())
}

#[tokio::test]
async fn a_policy_that_was_switched_off_stays_off() {
    let (row, applied) = policy_after(&[policy(false, false, &[])]).await;
    assert_eq!((row.enabled, row.jit, row.domains.0, applied), (false, false, vec![], 1));
    // Off for a while: it ends as the log leaves it.
    let (row, applied) = policy_after(&[policy(false, true, &[DOMAIN]), policy(true, false, &[DOMAIN])]).await;
    assert_eq!((row.enabled, row.jit, row.domains.0, applied), (true, false, vec![DOMAIN.to_owned()], 2));
    let (row, applied) = policy_after(&[policy(true, true, &[DOMAIN])]).await;
    assert_eq!((row.enabled, row.jit, applied), (true, true, 0));
}

#[tokio::test]
async fn a_policy_is_never_wider_than_the_backup_has_it() {
    let world = world().await;
    world.change_policy(|row| (row.enabled, row.jit, row.domains) = (false, false, Json(vec![]))).await;
    let past = Past::of(world).await;
    past.world.directory.set_policy(&intent(), &past.world.org, policy(true, true, &[DOMAIN])).await.unwrap();
    let restored = past.restored().await;
    let confirmed = confirm(&restored, &past.export().await, false).await.unwrap();
    let row: DeviceTokenPolicy = one(&restored).await;
    assert_eq!((row.enabled, row.jit, row.domains.0), (false, false, vec![]));
    assert_eq!(confirmed.not_replayed["policy.set"], 1);
}

#[tokio::test]
async fn protection_and_evidence_levels_are_raised_again() {
    let world = world().await;
    for name in ["anna", "bert", "carl"] {
        world.user(name, |_| ()).await;
    }
    let admins = add_group(&world, "admins").await;
    let wiki = add_service(&world, "wiki", &[]).await;
    let past = Past::of(world).await;
    let (directory, org) = (&past.world.directory, &past.world.org);
    let protect = async |name: &str, protected| {
        past.world.clock.advance(std::time::Duration::from_secs(1));
        let patch = UserPatch { protected: Some(protected), ..UserPatch::default() };
        directory.change_user(&intent(), org, &format!("{name}@{DOMAIN}"), patch).await.unwrap();
    };
    protect("anna", true).await;
    protect("bert", true).await;
    protect("bert", false).await;
    protect("carl", false).await;
    let patch = GroupPatch { name: None, protected: Some(true) };
    directory.change_group(&intent(), org, &admins, patch).await.unwrap();
    for level in [Level::Attested, Level::MdmSigned, Level::Asserted] {
        past.world.clock.advance(std::time::Duration::from_secs(1));
        let change = ServiceChange { min_evidence: Some(level), ..ServiceChange::default() };
        if level != Level::Asserted {
            directory.change_service(&intent(), org, &wiki, change).await.unwrap();
        }
    }
    let restored = past.restored().await;
    let confirmed = confirm(&restored, &past.export().await, false).await.unwrap();
    let protected: Vec<_> = all::<User>(&restored).await.into_iter().filter(|user| user.protected).collect();
    assert_eq!(protected.iter().map(|user| user.login_name.as_str()).collect::<Vec<_>>(), [format!("anna@{DOMAIN}")]);
    assert!(one::<Group>(&restored).await.protected);
    assert_eq!(one::<Service>(&restored).await.min_evidence, Level::MdmSigned);
    assert_eq!(confirmed.left, Vec::<String>::new());
}

#[tokio::test]
async fn what_ended_as_a_whole_ends_again() {
    let world = world().await;
    let (directory, org) = (&world.directory.clone(), &world.org.clone());
    let machine = world.enrolled("anna").await;
    let [bert, dora] = [world.user("bert", |_| ()).await, world.user("dora", |_| ()).await];
    let [staff, gone, kept] =
        [add_group(&world, "staff").await, add_group(&world, "gone").await, add_group(&world, "kept").await];
    for (group, user) in [(&staff, &bert), (&kept, &bert), (&kept, &dora), (&gone, &bert)] {
        directory.join_group(&intent(), org, group, &user.id).await.unwrap();
    }
    let whom = [Entitled::Group("staff".into()), Entitled::Group("kept".into()), Entitled::User(dora.id.clone())];
    let wiki = add_service(&world, "wiki", &whom).await;
    add_service(&world, "old", &[Entitled::Everyone]).await;
    let mut other = one::<Domain>(directory).await;
    other.name = "other.example".into();
    other.verification = DomainState::Verified;
    world.add(other).await;
    let client = NewClient { name: Some("ci".into()), scopes: Some(vec!["users:read".into()]), public_key: None };
    let credential = Credential::Secret(Bytes([1; 32]));
    directory.create_client(&intent(), org, client, credential, Ceiling::Everything).await.unwrap();
    let expires_at = Some(world.now().plus(2 * crate::world::DAY));
    let code = NewCode { user: bert.id.clone(), expires_at, ..NewCode::default() };
    let code = directory.create_code(&intent(), org, Pin::of(&[1; 32]), code).await.unwrap();
    let overlapping = latchkey_wire::DeviceToken::generate(Pin::of(&[1; 32]));
    world.add(world.token_row(&overlapping)).await;

    let past = Past::of(world).await;
    let binding: Binding = one(directory).await;
    directory.remove_binding(&intent(), org, &binding.id).await.unwrap();
    directory.leave_group(&intent(), org, &staff, &bert.id).await.unwrap();
    // By the user's own list it is the same.
    let groups = UserPatch { groups: Some(vec![]), ..UserPatch::default() };
    directory.change_user(&intent(), org, &dora.id, groups).await.unwrap();
    directory.delete_group(&intent(), org, &gone).await.unwrap();
    directory.remove_domain(&intent(), org, "other.example").await.unwrap();
    // The line of `kept` stays, and is taken away by its id afterwards.
    let entitle = Some(vec![Entitled::Group("kept".into()), Entitled::User(dora.id.clone())]);
    directory
        .change_service(&intent(), org, &wiki, ServiceChange { entitle, ..ServiceChange::default() })
        .await
        .unwrap();
    let lines = directory.service_entitlements(org, &wiki).await.unwrap();
    let line = lines.iter().find(|line| line.subject.as_ref() == Some(&kept)).unwrap();
    directory.remove_entitlement(&intent(), org, &wiki, &line.id).await.unwrap();
    directory.delete_service(&intent(), org, "old").await.unwrap();
    directory.delete_client(&intent(), org, "ci", Ceiling::Everything).await.unwrap();
    directory.delete_code(&intent(), org, code.code.id().as_str()).await.unwrap();
    for (token, overlap_s) in [(&past.world.token, None), (&overlapping, Some(60))] {
        let successor = latchkey_wire::DeviceToken::generate(Pin::of(&[1; 32]));
        let made = Made { id: successor.id().clone(), public_key: successor.public_key(), sealed_seed: None };
        let order = RotateOrder { overlap_s, sealed_copy: Some(false), ..RotateOrder::default() };
        directory.rotate_token(&intent(), org, token.id().as_str(), order, made).await.unwrap();
    }

    let restored = past.restored().await;
    assert_eq!(one::<Binding>(&restored).await.state, BindingState::Active);
    let confirmed = confirm(&restored, &past.export().await, false).await.unwrap();
    assert_eq!(confirmed.left, Vec::<String>::new());
    let binding: Binding = one(&restored).await;
    assert_eq!((binding.device_id, binding.state), (machine.id, BindingState::Ended));
    let members: Vec<Membership> = all(&restored).await;
    assert_eq!(members.iter().map(|row| (&row.group_id, &row.user_id)).collect::<Vec<_>>(), [(&kept, &bert.id)]);
    assert!(all::<Group>(&restored).await.iter().all(|group| group.id != gone));
    assert_eq!(one::<Domain>(&restored).await.name, DOMAIN);
    assert_eq!(one::<Entitlement>(&restored).await.subject, dora.id);
    assert_eq!(one::<Service>(&restored).await.id, wiki);
    assert!(all::<ApiClient>(&restored).await.is_empty());
    assert!(all::<OneTimeCode>(&restored).await.is_empty());
    for token in all::<DeviceToken>(&restored).await {
        if token.id == *overlapping.id() {
            assert!(token.state != TokenState::Revoked && token.expires_at <= past.world.now().plus(crate::world::DAY));
        } else {
            assert_eq!(token.state, TokenState::Revoked);
        }
    }
}

#[tokio::test]
async fn what_the_log_cannot_draw_closer_is_left_by_name() {
    let world = world().await;
    let (directory, org) = (&world.directory.clone(), &world.org.clone());
    let bert = world.user("bert", |_| ()).await;
    let admins = add_group(&world, "admins").await;
    let patch = GroupPatch { name: None, protected: Some(true) };
    directory.change_group(&intent(), org, &admins, patch).await.unwrap();
    let wiki = add_service(&world, "wiki", &[]).await;
    let client = NewClient {
        name: Some("ci".into()),
        scopes: Some(vec!["users:read".into(), "devices:read".into()]),
        public_key: None,
    };
    let (first, second) = (Credential::Secret(Bytes([1; 32])), Credential::Secret(Bytes([2; 32])));
    directory.create_client(&intent(), org, client, first, Ceiling::Everything).await.unwrap();
    let past = Past::of(world).await;

    let patch = TokenPatch { max_uses: Some(5), ..TokenPatch::default() };
    let token = past.world.token.id().to_string();
    directory.change_token(&intent(), org, &token, patch, false).await.unwrap();
    directory.rotate_client(&intent(), org, "ci", second, Ceiling::Everything).await.unwrap();
    let fewer = ClientPatch { scopes: Some(vec!["users:read".into()]), ..ClientPatch::default() };
    directory.change_client(&intent(), org, "ci", fewer, Ceiling::Everything).await.unwrap();
    let settings = Some(ServiceSettings { name_id: "persistent".into(), ..ServiceSettings::default() });
    directory
        .change_service(&intent(), org, &wiki, ServiceChange { settings, ..ServiceChange::default() })
        .await
        .unwrap();
    let patch = OrganizationPatch { devices_per_user: Some(1), ..OrganizationPatch::default() };
    directory.change_organization(&intent(), org, patch).await.unwrap();
    directory.join_group(&intent(), org, &admins, &bert.id).await.unwrap();
    let new = NewGroup { name: Some("board".into()), protected: Some(true) };
    directory.create_group(&intent(), org, new).await.unwrap();

    let restored = past.restored().await;
    let confirmed = confirm(&restored, &past.export().await, false).await.unwrap();
    for wanted in ["max_uses", "api-client.rotate", "name_id", "devices_per_user", &bert.id, "group.create"] {
        assert!(confirmed.left.iter().any(|left| left.contains(wanted)), "{wanted}: {:?}", confirmed.left);
    }
    assert_eq!(confirmed.left.len(), 6, "{:?}", confirmed.left);
    assert_eq!(one::<ApiClient>(&restored).await.scopes.0, ["users:read"]);
}

#[tokio::test]
async fn what_was_taken_away_and_given_again_is_there_after_a_replay() {
    let world = world().await;
    let (directory, org) = (&world.directory.clone(), &world.org.clone());
    let anna = world.user("anna", |_| ()).await;
    let wiki = add_service(&world, "wiki", &[Entitled::Everyone]).await;
    let all_scopes = || Some(vec!["users:read".to_owned(), "devices:read".to_owned()]);
    let client = NewClient { name: Some("ci".into()), scopes: all_scopes(), public_key: None };
    let secret = Credential::Secret(Bytes([1; 32]));
    directory.create_client(&intent(), org, client, secret, Ceiling::Everything).await.unwrap();
    let past = Past::of(world).await;

    for whom in [Entitled::User(anna.id.clone()), Entitled::Everyone] {
        let change = ServiceChange { entitle: Some(vec![whom]), ..ServiceChange::default() };
        directory.change_service(&intent(), org, &wiki, change).await.unwrap();
    }
    for scopes in [Some(vec!["users:read".to_owned()]), all_scopes()] {
        let patch = ClientPatch { scopes, ..ClientPatch::default() };
        directory.change_client(&intent(), org, "ci", patch, Ceiling::Everything).await.unwrap();
    }

    let restored = past.restored().await;
    let confirmed = confirm(&restored, &past.export().await, false).await.unwrap();
    assert_eq!(confirmed.left, Vec::<String>::new());
    assert_eq!(one::<Entitlement>(&restored).await.subject, "");
    let mut scopes = one::<ApiClient>(&restored).await.scopes.0.clone();
    scopes.sort();
    assert_eq!(scopes, ["devices:read", "users:read"]);
}
