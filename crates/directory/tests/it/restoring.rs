//! A store restored from a backup: what is out of force, and what an exported log takes away again.

use std::collections::BTreeMap;
use std::sync::Arc;

use latchkey_directory::audit::export::Export;
use latchkey_directory::audit::log::EventFilter;
use latchkey_directory::device::admin::Order;
use latchkey_directory::device::clean_rule::{CleanupRule, NewCleanupRule};
use latchkey_directory::keys::NewKey;
use latchkey_directory::page::PageRequest;
use latchkey_directory::query::Filter;
use latchkey_directory::records::{Cloud, Device, DeviceToken, Key, OneTimeCode, Session};
use latchkey_directory::restore::{Confirmed, Unconfirmed, begin};
use latchkey_directory::scope::across;
use latchkey_directory::store::{Store, StoreError};
use latchkey_directory::values::{CleanupAction, DeviceAction, KeyState, KeyUse, TokenState};
use latchkey_directory::{Directory, Intent};
use latchkey_store::sqlite::SqliteStore;
use latchkey_wire::DeviceState;

use crate::world::{DAY, Machine, World, admin};

/// A world, the moment of its backup, and the backup.
pub struct Past {
    pub world: World,
    folder: tempfile::TempDir,
}

impl Past {
    pub async fn of(world: World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        world.directory.copy_to(&folder.path().join("copy.db")).await.unwrap();
        world.clock.advance(DAY);
        Self { world, folder }
    }

    pub async fn restored(&self) -> Directory {
        let clock = self.world.clock.clone();
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(&self.folder.path().join("copy.db"), clock.clone()).unwrap());
        begin(&store, &admin(), self.world.now().minus(DAY)).await.unwrap();
        Directory::new(store, clock, Arc::clone(self.world.directory.master()))
    }

    pub async fn export(&self) -> String {
        let request = PageRequest { limit: 1000, ..PageRequest::default() };
        let page = self.world.directory.audit_events(&self.world.org, EventFilter::default(), request).await.unwrap();
        page.items.iter().map(|event| format!("{}\n", serde_json::to_string(event).unwrap())).collect()
    }
}

pub async fn confirm(directory: &Directory, log: &str, dry_run: bool) -> Result<Confirmed, Unconfirmed> {
    let mut export = Export::default();
    export.add(log).unwrap();
    let intent = Intent { dry_run, ..Intent::of(&admin()) };
    directory.confirm_restore(&intent, export).await.unwrap()
}

pub async fn all<R: latchkey_directory::table::Record + 'static>(directory: &Directory) -> Vec<R> {
    directory.read::<_, StoreError>(|tx| across::<R, _>(tx, Filter::all())).await.unwrap()
}

async fn state(directory: &Directory, machine: &Machine) -> DeviceState {
    let devices: Vec<Device> = all(directory).await;
    devices.into_iter().find(|device| device.id == machine.id).unwrap().state
}

#[tokio::test]
async fn what_may_have_been_revoked_is_out_of_force_until_somebody_looks() {
    let world = World::new().await;
    world.directory.found_cloud("https://id.example").await.unwrap();
    let machine = world.enrolled("anna").await;
    world.session(&machine.id).await;
    let user = world.user("bert", |_| {}).await;
    world.code_for(&user, None).await;
    let rule =
        NewCleanupRule { action: Some(CleanupAction::Remove), silent_days: Some(90), ..NewCleanupRule::default() };
    world.directory.create_cleanup_rule(&Intent::of(&admin()), &world.org, rule).await.unwrap();
    let past = Past::of(world).await;
    let restored = past.restored().await;
    let rule: CleanupRule = all(&restored).await.pop().unwrap();
    assert!(!rule.enabled, "somebody may have switched it off since the backup");
    let token: DeviceToken = all(&restored).await.pop().unwrap();
    assert_eq!(token.state, TokenState::Disabled);
    let code: OneTimeCode = all(&restored).await.pop().unwrap();
    assert!(code.expires_at <= restored.now() && code.used_at.is_none());
    let session: Session = all(&restored).await.pop().unwrap();
    assert!(session.ended_at.is_some());
    let waits = async || all::<Cloud>(&restored).await.pop().unwrap().restored_at.is_some();
    assert!(waits().await);
    confirm(&restored, "", true).await.unwrap();
    assert!(waits().await, "a dry run changes nothing");
    confirm(&restored, "", false).await.unwrap();
    assert!(!waits().await);
    assert_eq!(confirm(&restored, "", false).await, Err(Unconfirmed::NotRestored));
}

#[tokio::test]
async fn an_exported_log_takes_away_again_and_adds_nothing() {
    let world = World::new().await;
    world.directory.found_cloud("https://id.example").await.unwrap();
    let [removed, leaving, suspended, resumed, quarantined, untouched] = [
        world.enrolled("anna").await,
        world.enrolled("bert").await,
        world.enrolled("carl").await,
        world.enrolled("dora").await,
        world.enrolled("emil").await,
        world.enrolled("fred").await,
    ];
    let (org, actor) = (world.org.clone(), admin());
    let key = async |directory: &Directory, usage| {
        directory.add_key(&Intent::of(&actor), &org, NewKey::ed25519(usage)).await.unwrap().id
    };
    let activate = async |id: &str| drop(world.directory.activate_key(&Intent::of(&actor), &org, id).await.unwrap());
    let retire = async |id: &str| drop(world.directory.retire_key(&Intent::of(&actor), &org, id).await.unwrap());
    let first = key(&world.directory, KeyUse::Challenge).await;
    let second = key(&world.directory, KeyUse::Challenge).await;
    let lonely = key(&world.directory, KeyUse::Audit).await;
    activate(&first).await;
    activate(&lonely).await;
    let uses = world.token_now().await.uses;
    let folder = tempfile::tempdir().unwrap();
    world.directory.copy_to(&folder.path().join("copy.db")).await.unwrap();
    world.clock.advance(DAY);

    use DeviceAction as Do;
    for (machine, action, force) in [
        (&removed, Do::Remove, true),
        (&leaving, Do::Remove, false),
        (&suspended, Do::Suspend, false),
        (&resumed, Do::Suspend, false),
        (&resumed, Do::Resume, false),
        (&quarantined, Do::Quarantine, false),
    ] {
        world.clock.advance(std::time::Duration::from_secs(1));
        world.directory.change_device(&Intent::of(&actor), &org, &machine.id, Order { action, force }).await.unwrap();
    }
    activate(&second).await;
    retire(&first).await;
    let late_key = key(&world.directory, KeyUse::Audit).await;
    activate(&late_key).await;
    retire(&lonely).await;
    let late = world.enrolled("gina").await;
    world
        .directory
        .change_device(&Intent::of(&actor), &org, &late.id, Order { action: Do::Suspend, force: false })
        .await
        .unwrap();

    let past = Past { world, folder };
    let log = past.export().await;
    let restored = past.restored().await;
    assert_eq!(state(&restored, &removed).await, DeviceState::Registered);
    let confirmed = confirm(&restored, &log, false).await.unwrap();
    for (machine, expected) in [
        (&removed, DeviceState::Removed),
        (&leaving, DeviceState::RemovalPending),
        (&suspended, DeviceState::Suspended),
        (&resumed, DeviceState::Registered),
        (&quarantined, DeviceState::Quarantined),
        (&untouched, DeviceState::Registered),
    ] {
        assert_eq!(state(&restored, machine).await, expected, "{:?}", machine.claim);
    }
    assert!(all::<Device>(&restored).await.iter().all(|device| device.id != late.id), "nothing is added");
    let token: DeviceToken = all(&restored).await.pop().unwrap();
    assert_eq!(token.uses, uses + 1);
    let keys: BTreeMap<String, KeyState> =
        all::<Key>(&restored).await.into_iter().map(|key| (key.id, key.state)).collect();
    assert_eq!((keys[&first], keys[&second], keys[&lonely]), (KeyState::Retired, KeyState::Active, KeyState::Active));
    assert!(!keys.contains_key(&late_key));
    assert_eq!(confirmed.left.len(), 2, "{:?}", confirmed.left);
    assert!(
        confirmed.left.iter().any(|left| left.contains(&late.id))
            && confirmed.left.iter().any(|left| left.contains(&lonely))
    );
    assert_eq!(confirmed.applied["device.suspend"], 2);
    assert_eq!(confirmed.not_replayed["key.add"], 1);
}

#[tokio::test]
async fn a_log_with_a_gap_confirms_nothing() {
    let world = World::new().await;
    world.directory.found_cloud("https://id.example").await.unwrap();
    world.enrolled("anna").await;
    let past = Past::of(world).await;
    past.world.enrolled("bert").await;
    past.world.enrolled("carl").await;
    let log = past.export().await;
    let restored = past.restored().await;
    let waits = async || all::<Cloud>(&restored).await.pop().unwrap().restored_at.is_some();

    // The newest come first in an export: without its last lines it begins after the backup.
    let newest = log.lines().next().unwrap();
    let why = confirm(&restored, newest, false).await.unwrap_err();
    assert!(matches!(&why, Unconfirmed::Export(why) if why.contains("lacks the events")), "{why:?}");

    assert!(waits().await);
}
