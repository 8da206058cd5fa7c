use std::time::Duration;

use latchkey_directory::OrgId;
use latchkey_directory::device::renew::OwnFacts;
use latchkey_directory::query::Filter;
use latchkey_directory::records::{Cloud, DeviceKey, Domain, User};
use latchkey_directory::value::Blob;
use latchkey_directory::values::{DeviceKeyState, DomainState, UserStatus};
use latchkey_wire::certificate::Extension;
use latchkey_wire::message::Reason;
use latchkey_wire::{Code, DeviceState, EpochSecret, P256Key, Sign as _, Thumbprint};

use crate::enrolling::clone;
use crate::world::{DAY, Machine, World, code};

const MINUTES: Duration = Duration::from_secs(60);

/// Somebody else with the same state.
fn copy(machine: &Machine) -> Machine {
    Machine {
        dk: clone(&machine.dk),
        uk: clone(&machine.uk),
        e: machine.e.clone(),
        n: machine.n,
        id: machine.id.clone(),
        facts: latchkey_wire::message::DeviceFacts { host: Some("clone".into()), ..machine.facts.clone() },
        ..Machine::nobody()
    }
}

#[tokio::test]
async fn r18_a_renewal_advances_the_epoch_and_gives_a_certificate_of_seven_days() {
    let world = World::new().await;
    let mut machine = world.enrolled("anna").await;
    let order = world.renew(&mut machine).await.unwrap().certificate.unwrap();
    assert_eq!((order.extension.n, order.lifetime), (1, 7 * DAY));
    assert_eq!(order.extension.v_n_sha256, Extension::hash_of(&machine.e.commitment()));
    // The first ever may come at once, a second waits.
    let refused = world.renew(&mut machine).await.unwrap_err();
    assert_eq!((refused.code, refused.retry_after), (Code::Renew024, Some(301)));
    world.clock.advance(5 * MINUTES);
    world.renew(&mut machine).await.unwrap();
    assert_eq!(world.device(&machine.id).await.cur, 2);
}

#[tokio::test]
async fn a_lost_reply_is_answered_again_whatever_happened_since() {
    let world = World::new().await;
    let machine = world.enrolled("anna").await;
    let next = EpochSecret::generate();
    let first = world.renew_to(&machine, &next, None).await.unwrap();
    let again = world.renew_to(&machine, &next, None).await.unwrap();
    assert_eq!((again.n, again.certificate.is_some()), (first.n, true));
    let after = Machine { n: 1, e: next.clone(), ..copy(&machine) };
    world.heartbeat(&after).await.unwrap();
    assert!(!world.device(&machine.id).await.prev_alive);
    assert!(world.renew_to(&machine, &next, None).await.unwrap().certificate.is_some());
    assert_eq!(world.device(&machine.id).await.state, DeviceState::Registered);
}

#[tokio::test]
async fn a06_r19_a_copied_state_quarantines_the_device_and_both_are_told() {
    let world = World::new().await;
    let mut machine = world.enrolled("anna").await;
    world.session(&machine.id).await;
    let clone = copy(&machine);
    world.renew(&mut machine).await.unwrap();
    let refused = world.renew_to(&clone, &EpochSecret::generate(), None).await.unwrap_err();
    assert_eq!((refused.code, refused.state), (Code::Renew023, Some(DeviceState::Quarantined)));
    let device = world.device(&machine.id).await;
    assert_eq!((device.state, device.state_reason.as_deref()), (DeviceState::Quarantined, Some("epoch")));
    assert!(world.session_ended(&machine.id).await);
    let event = world.events("device.quarantine").await.pop().unwrap();
    let detail = |name: &str| event.details.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    assert_eq!((detail("first_host"), detail("second_host")), ("pc-1".into(), "clone".into()));
    assert_eq!((detail("first_address"), detail("second_address")), ("192.0.2.8".into(), "192.0.2.8".into()));
    // Neither may do anything any more.
    world.clock.advance(10 * MINUTES);
    assert_eq!(code(world.renew(&mut machine).await), Code::Renew023);
    assert_eq!(code(world.heartbeat(&machine).await), Code::Proof022);
    assert_eq!(code(world.unenroll(&machine).await), Code::Proof022);
}

#[tokio::test]
async fn another_epoch_in_a_proof_asks_to_renew_and_never_quarantines() {
    let world = World::new().await;
    let mut machine = world.enrolled("anna").await;
    let old = copy(&machine);
    world.renew(&mut machine).await.unwrap();
    // The epoch before counts until the new one was used.
    world.heartbeat(&old).await.unwrap();
    world.heartbeat(&machine).await.unwrap();
    let refused = world.heartbeat(&old).await.unwrap_err();
    assert_eq!((refused.code, refused.state), (Code::Proof021, Some(DeviceState::Registered)));
    let ahead = Machine { n: 7, ..copy(&machine) };
    assert_eq!(code(world.heartbeat(&ahead).await), Code::Proof021);
    assert_eq!(world.device(&machine.id).await.state, DeviceState::Registered);
}

#[tokio::test]
async fn r20_a_changed_key_retires_the_old_one_at_its_first_use() {
    let world = World::new().await;
    let machine = world.enrolled("anna").await;
    let (next, new) = (EpochSecret::generate(), P256Key::generate());
    world.renew_to(&machine, &next, Some(&new)).await.unwrap();
    let keys = async || -> Vec<DeviceKeyState> {
        let mut keys: Vec<DeviceKey> = world.all(Filter::all()).await;
        keys.sort_by_key(|key| key.since);
        let of = |key: &P256Key| -> DeviceKeyState {
            let dk: Thumbprint = key.public().thumbprint();
            keys.iter().find(|row| row.thumbprint == dk).unwrap().state
        };
        vec![of(&machine.dk), of(&new)]
    };
    assert_eq!(keys().await, [DeviceKeyState::Previous, DeviceKeyState::Current]);
    // The reply was lost: the same renewal, by the old key. For nothing else is it good.
    assert!(world.renew_to(&machine, &next, Some(&new)).await.unwrap().certificate.is_some());
    assert_eq!(
        code(world.renew_to(&machine, &EpochSecret::generate(), Some(&P256Key::generate())).await),
        Code::Device404
    );
    assert_eq!(code(world.heartbeat(&machine).await), Code::Device404);
    assert_eq!(world.device(&machine.id).await.state, DeviceState::Registered, "an old disk raises no alarm");
    let now = Machine { dk: clone(&new), e: next.clone(), n: 1, ..copy(&machine) };
    world.heartbeat(&now).await.unwrap();
    assert_eq!(keys().await, [DeviceKeyState::Retired, DeviceKeyState::Current]);
    assert_eq!(code(world.renew_to(&machine, &next, Some(&new)).await), Code::Device404);
    let found = world.directory.device_key(&world.org, &machine.id, machine.dk.public().thumbprint()).await.unwrap();
    assert!(found.is_none(), "its signature is that of an unknown device");
    world.clock.advance(5 * MINUTES);
    assert_eq!(code(world.renew_to(&now, &EpochSecret::generate(), Some(&machine.dk)).await), Code::Enroll031);
}

#[tokio::test]
async fn r20_an_old_key_dies_after_a_day_even_if_the_new_one_was_not_used() {
    let world = World::new().await;
    let machine = world.enrolled("anna").await;
    let (next, new) = (EpochSecret::generate(), P256Key::generate());
    world.renew_to(&machine, &next, Some(&new)).await.unwrap();
    world.clock.advance(DAY + MINUTES);
    assert_eq!(code(world.renew_to(&machine, &next, Some(&new)).await), Code::Device404);
}

#[tokio::test]
async fn what_stands_still_is_answered_as_such_and_spends_nothing() {
    let world = World::new().await;
    let mut machine = world.enrolled("anna").await;
    let unchanged = async || {
        let device = world.device(&machine.id).await;
        assert_eq!((device.cur, device.v_cur), (0, machine.e.commitment()));
    };
    let next = EpochSecret::generate();
    world.change_device(&machine.id, |device| device.state = DeviceState::Suspended).await;
    let refused = world.renew_to(&machine, &next, None).await.unwrap_err();
    assert_eq!((refused.code, refused.state), (Code::Renew022, Some(DeviceState::Suspended)));
    world
        .change_device(&machine.id, |device| {
            device.state = DeviceState::Pending;
            device.state_reason = Some("initial".into());
        })
        .await;
    let outcome = world.renew_to(&machine, &next, None).await.unwrap();
    assert_eq!(
        (outcome.state, outcome.reason, outcome.certificate),
        (DeviceState::Pending, Some(Reason::Initial), None)
    );
    world.change_device(&machine.id, |device| device.state = DeviceState::Registered).await;
    world.change_policy(|policy| policy.domains.0.clear()).await;
    assert_eq!(code(world.renew_to(&machine, &next, None).await), Code::Renew020);
    world.change_policy(|policy| policy.all_domains = true).await;
    let user: User = world.users().await.pop().unwrap();
    world.put(User { status: UserStatus::Disabled, ..user.clone() }).await;
    assert_eq!(code(world.renew_to(&machine, &next, None).await), Code::Renew021);
    world.put(User { protected: true, ..user.clone() }).await;
    assert_eq!(code(world.renew_to(&machine, &next, None).await), Code::Enroll024);
    world.put(user).await;
    unchanged().await;
    assert!(world.renew(&mut machine).await.unwrap().certificate.is_some(), "and heals");
}

#[tokio::test]
async fn r18_an_expired_device_renews_for_thirty_days_and_then_waits_for_an_approval_only() {
    let world = World::new().await;
    let mut machine = world.enrolled("anna").await;
    world.clock.advance(36 * DAY);
    world.renew(&mut machine).await.unwrap();
    world.clock.advance(38 * DAY);
    let outcome = world.renew(&mut machine).await.unwrap();
    assert_eq!((outcome.state, outcome.reason), (DeviceState::Pending, Some(Reason::Asleep)));
    assert_eq!(world.events("device.asleep").await.len(), 1);
    let order = latchkey_directory::device::admin::Order {
        action: latchkey_directory::values::DeviceAction::Approve,
        force: false,
    };
    let intent = latchkey_directory::Intent::of(&crate::world::admin());
    world.directory.change_device(&intent, &world.org, &machine.id, order).await.unwrap();
    let outcome = world.renew(&mut machine).await.unwrap();
    assert_eq!((outcome.state, outcome.n), (DeviceState::Registered, 2));
    world.change_device(&machine.id, |device| device.state = DeviceState::Retired).await;
    assert_eq!(world.renew(&mut machine).await.unwrap().reason, Some(Reason::Asleep), "a retired one may ask too");
}

async fn restored(world: &World) {
    let now = world.now();
    let cloud = Cloud {
        org: OrgId::cloud(),
        iss: "https://id.acme.example".into(),
        created_at: now,
        master_check: Blob(vec![]),
        master_id: "x".into(),
        restored_at: Some(now),
        taken_at: Some(now),
    };
    world.add(cloud).await;
}

/// The device is again what the backup knew.
async fn back_to(world: &World, backup: &latchkey_directory::records::Device, keys: &[DeviceKey]) {
    let org = world.org.clone();
    world
        .directory
        .write::<_, latchkey_directory::store::StoreError>(move |tx| {
            latchkey_directory::Org::of(tx, &org).delete::<DeviceKey>(Filter::all())
        })
        .await
        .unwrap();
    world.put(backup.clone()).await;
    for key in keys {
        world.add(key.clone()).await;
    }
}

#[tokio::test]
async fn after_a_restore_our_own_certificate_tells_how_far_the_device_is() {
    let world = World::new().await;
    let mut machine = world.enrolled("anna").await;
    let enrolled = world.device(&machine.id).await;
    restored(&world).await;
    world.clock.advance(MINUTES);
    let order = world.renew(&mut machine).await.unwrap().certificate.unwrap();
    let own = OwnFacts { key: order.key.read().unwrap(), extension: order.extension };
    // Back to the backup.
    world.put(enrolled).await;
    let next = EpochSecret::generate();
    assert_eq!(code(world.renew_to(&machine, &next, None).await), Code::Renew025, "no certificate");
    let wrong = |change: fn(&mut OwnFacts)| {
        let mut own = own.clone();
        change(&mut own);
        own
    };
    for (why, wrong) in [
        ("another device", wrong(|own| own.extension.device_id = "x".into())),
        ("another organization", wrong(|own| own.extension.org = "x".into())),
        ("another epoch", wrong(|own| own.extension.n = 7)),
        ("another secret", wrong(|own| own.extension.v_n_sha256.0[0] ^= 1)),
        ("before the backup", wrong(|own| own.extension.issued -= 3_600_000)),
        ("another key", wrong(|own| own.key = P256Key::generate().public().clone())),
    ] {
        assert_eq!(code(world.renew_with(&machine, &next, wrong).await), Code::Renew025, "{why}");
    }
    let outcome = world.renew_with(&machine, &next, own).await.unwrap();
    assert_eq!((outcome.n, outcome.state), (2, DeviceState::Registered));
    assert_eq!(world.events("device.catch_up").await.len(), 1);
}

#[tokio::test]
async fn after_a_restore_a_key_that_was_changed_since_the_backup_is_taken_up_again() {
    let world = World::new().await;
    let mut machine = world.enrolled("anna").await;
    let backup = world.device(&machine.id).await;
    let keys: Vec<DeviceKey> = world.all(Filter::all()).await;
    restored(&world).await;
    world.clock.advance(MINUTES);
    let (next, new) = (EpochSecret::generate(), P256Key::generate());
    let order = world.renew_to(&machine, &next, Some(&new)).await.unwrap().certificate.unwrap();
    let own = OwnFacts { key: order.key.read().unwrap(), extension: order.extension };
    let old = copy(&machine);
    (machine.dk, machine.n, machine.e) = (new, 1, next);
    // Back to the backup, which knows the old key only.
    back_to(&world, &backup, &keys).await;
    let next = EpochSecret::generate();
    assert_eq!(code(world.renew_to(&machine, &next, None).await), Code::Device404, "no certificate");
    let early = OwnFacts { extension: Extension { issued: 0, ..own.extension.clone() }, ..own.clone() };
    assert_eq!(code(world.renew_with(&machine, &next, early).await), Code::Device404, "made before the backup");
    for (state, expected) in [
        (DeviceState::Removed, Code::Device410),
        (DeviceState::Quarantined, Code::Renew023),
        (DeviceState::Suspended, Code::Renew022),
    ] {
        world.change_device(&machine.id, |device| device.state = state).await;
        assert_eq!(code(world.renew_with(&machine, &next, own.clone()).await), expected);
        world.put(backup.clone()).await;
    }
    let outcome = world.renew_with(&machine, &next, own.clone()).await.unwrap();
    assert_eq!((outcome.n, outcome.state, outcome.certificate.is_some()), (2, DeviceState::Registered, true));
    let now = Machine { n: 2, e: next, dk: clone(&machine.dk), ..copy(&machine) };
    world.heartbeat(&now).await.unwrap();
    assert_eq!(world.events("device.key_restore").await.len(), 1);
    // The key that the backup knew is one that was changed long ago: it raises no alarm.
    assert_eq!(code(world.renew_with(&old, &EpochSecret::generate(), own).await), Code::Device404);
    assert_eq!(world.device(&machine.id).await.state, DeviceState::Registered);
}

#[tokio::test]
async fn after_a_restore_an_old_state_that_went_on_in_the_devices_place_is_a_fork() {
    let world = World::new().await;
    let mut machine = world.enrolled("anna").await;
    let (backup, mut copied) = (world.device(&machine.id).await, copy(&machine));
    let keys: Vec<DeviceKey> = world.all(Filter::all()).await;
    restored(&world).await;
    world.clock.advance(MINUTES);
    let (next, new) = (EpochSecret::generate(), P256Key::generate());
    let order = world.renew_to(&machine, &next, Some(&new)).await.unwrap().certificate.unwrap();
    let own = OwnFacts { key: order.key.read().unwrap(), extension: order.extension };
    (machine.dk, machine.n, machine.e) = (new, 1, next);
    back_to(&world, &backup, &keys).await;
    world.renew(&mut copied).await.unwrap();
    let refused = world.renew_with(&machine, &EpochSecret::generate(), own).await.unwrap_err();
    assert_eq!((refused.code, refused.state), (Code::Renew023, Some(DeviceState::Quarantined)));
    assert_eq!(world.device(&machine.id).await.state, DeviceState::Quarantined);
}

#[tokio::test]
async fn a_removed_device_is_told_once_and_for_all() {
    let world = World::new().await;
    let mut machine = world.enrolled("anna").await;
    world.session(&machine.id).await;
    world.change_device(&machine.id, |device| device.state = DeviceState::RemovalPending).await;
    let refused = world.renew(&mut machine).await.unwrap_err();
    assert_eq!((refused.code, refused.state), (Code::Device410, Some(DeviceState::Removed)));
    let device = world.device(&machine.id).await;
    assert_eq!(device.state, DeviceState::Removed);
    assert!(device.removed_at.is_some() && world.session_ended(&machine.id).await);
    for _ in 0..2 {
        assert_eq!(code(world.heartbeat(&machine).await), Code::Device410);
        assert_eq!(code(world.unenroll(&machine).await), Code::Device410);
    }
    assert_eq!(world.events("device.remove").await.len(), 1);
}

#[tokio::test]
async fn r30_who_leaves_is_unregistered_and_may_come_back_as_a_new_device() {
    let world = World::new().await;
    let mut machine = Machine::new("anna").serial("SN-1234");
    world.enroll(&mut machine).await.unwrap();
    world.session(&machine.id).await;
    let outcome = world.unenroll(&machine).await.unwrap();
    assert_eq!(outcome.state, DeviceState::Unregistered);
    assert!(world.session_ended(&machine.id).await);
    assert_eq!(world.unenroll(&machine).await.unwrap().state, DeviceState::Unregistered, "the answer was lost");
    assert_eq!(world.events("device.unenroll").await.len(), 1);
    assert_eq!(code(world.heartbeat(&machine).await), Code::Proof022);
    assert_eq!(code(world.renew(&mut machine).await), Code::Proof022);
    let mut again = Machine::new("anna").serial("SN-1234");
    assert_eq!(world.enroll(&mut again).await.unwrap().state, DeviceState::Registered);
}

#[tokio::test]
async fn a_renewal_to_the_same_secret_is_none() {
    let world = World::new().await;
    let machine = world.enrolled("anna").await;
    assert_eq!(code(world.renew_to(&machine, &machine.e.clone(), None).await), Code::Enroll010);
    assert_eq!(world.device(&machine.id).await.cur, 0);
}

#[tokio::test]
async fn after_a_restore_a_device_that_the_store_forgot_is_adopted_as_pending() {
    let world = World::new().await;
    restored(&world).await;
    world.clock.advance(MINUTES);
    let mut machine = Machine::new("anna").serial("SN-1234");
    let order = world.enroll(&mut machine).await.unwrap().certificate.unwrap();
    let own = OwnFacts { key: order.key.read().unwrap(), extension: order.extension };
    let next = EpochSecret::generate();
    let forget = async |org: OrgId| {
        world
            .directory
            .write::<_, latchkey_directory::store::StoreError>(move |tx| {
                let mut ours = latchkey_directory::Org::of(tx, &org);
                ours.delete::<DeviceKey>(Filter::all())?;
                ours.delete::<latchkey_directory::records::Device>(Filter::all())
            })
            .await
            .unwrap()
    };
    forget(world.org.clone()).await;
    assert_eq!(code(world.renew_to(&machine, &next, None).await), Code::Device404);
    let old = OwnFacts { extension: Extension { issued: 0, ..own.extension.clone() }, key: own.key.clone() };
    assert_eq!(code(world.renew_with(&machine, &next, old).await), Code::Device404, "made before the backup");
    let outcome = world.renew_with(&machine, &next, own.clone()).await.unwrap();
    assert_eq!((outcome.state, outcome.certificate), (DeviceState::Pending, None));
    assert_eq!(outcome.reason.unwrap().as_str(), "adopted");
    let device = world.device(&machine.id).await;
    assert_eq!((device.serial.as_deref(), device.domain.as_str()), (Some("SN-1234"), "acme.example"));
    assert_eq!(world.events("device.adopt").await.len(), 1);
    // An approval is all it needs; a removal stays one.
    world.change_device(&machine.id, |device| device.state = DeviceState::Registered).await;
    assert!(world.renew_to(&machine, &next, None).await.unwrap().certificate.is_some());
    world.change_device(&machine.id, |device| device.state = DeviceState::Removed).await;
    assert_eq!(code(world.renew_with(&machine, &next, own).await), Code::Device410);
}

#[tokio::test]
async fn devices_renew_under_a_domain_whose_record_dns_lost() {
    let world = World::new().await;
    let mut machine = world.enrolled("anna").await;
    for state in [DomainState::Lapsing, DomainState::Lapsed] {
        let mut domain: Domain = world.all(Filter::all()).await.pop().unwrap();
        domain.verification = state;
        world.put(domain).await;
        world.clock.advance(DAY);
        let outcome = world.renew(&mut machine).await.unwrap();
        assert!(outcome.state == DeviceState::Registered && outcome.certificate.is_some(), "{state}");
    }
    // Nobody new comes in meanwhile.
    world.enroll(&mut Machine::new("bert")).await.unwrap_err();
}
