use latchkey_directory::audit::Checkpoint;
use latchkey_directory::clock::ClockWatch;
use latchkey_directory::device::admin::Order;
use latchkey_directory::device::view::{BindingFilter, DeviceFilter};
use latchkey_directory::intent::Condition;
use latchkey_directory::orgs::NewOrganization;
use latchkey_directory::page::PageRequest;
use latchkey_directory::values::DeviceAction;
use latchkey_directory::{Error, Intent};
use latchkey_wire::{BindingState, Code, DeviceState, Level, P256Key};

use crate::world::{DAY, Machine, World, admin, code};

fn order(action: DeviceAction) -> Order {
    Order { action, force: false }
}

fn intent() -> Intent {
    Intent::of(&admin())
}

/// lifecycle.md, Device states: what an administrator may do in which state, and where it leads.
fn allowed(action: DeviceAction, force: bool, from: DeviceState) -> Option<DeviceState> {
    use DeviceAction as Do;
    use DeviceState as Is;
    match (action, from) {
        (Do::Approve, Is::Pending) | (Do::Resume, Is::Suspended) => Some(Is::Registered),
        (Do::Suspend, Is::Registered) => Some(Is::Suspended),
        (Do::Quarantine, Is::Registered) | (Do::Release, Is::Quarantined) => Some(Is::Quarantined),
        (Do::Remove, Is::Removed) => None,
        (Do::Remove, _) if force => Some(Is::Removed),
        (Do::Remove, Is::RemovalPending) => None,
        (Do::Remove, _) => Some(Is::RemovalPending),
        _ => None,
    }
}

#[tokio::test]
async fn each_state_allows_what_the_design_says_and_nothing_else() {
    let world = World::new().await;
    let machine = world.enrolled("anna").await;
    let fresh = world.device(&machine.id).await;
    for action in DeviceAction::ALL {
        for force in [false, true] {
            for from in DeviceState::ALL {
                world.put(latchkey_directory::records::Device { state: *from, ..fresh.clone() }).await;
                let wanted = Order { action: *action, force };
                let answer = world.directory.change_device(&intent(), &world.org, &machine.id, wanted).await;
                match (answer, allowed(*action, force, *from)) {
                    (Ok((view, _)), Some(to)) => assert_eq!(view.state, to, "{action} {from}"),
                    (Err(Error::State { fix, .. }), None) => assert!(!fix.is_empty()),
                    (answer, expected) => panic!("{action} {from}: {answer:?}, expected {expected:?}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn suspension_quarantine_and_forced_removal_end_sessions() {
    let world = World::new().await;
    for (n, (action, force)) in
        [(DeviceAction::Suspend, false), (DeviceAction::Quarantine, false), (DeviceAction::Remove, true)]
            .into_iter()
            .enumerate()
    {
        let machine = world.enrolled(&format!("u{n}")).await;
        world.session(&machine.id).await;
        let wanted = Order { action, force };
        let (_, sessions) = world.directory.change_device(&intent(), &world.org, &machine.id, wanted).await.unwrap();
        assert_eq!(sessions, 1, "{action}");
        assert!(world.session_ended(&machine.id).await, "{action}");
    }
    assert_eq!(world.events("device.remove").await.len(), 1);
}

#[tokio::test]
async fn a_soft_removal_takes_effect_at_the_next_contact_and_a_forced_one_at_once() {
    let world = World::new().await;
    let (soft, hard) = (world.enrolled("a1").await, world.enrolled("a2").await);
    let remove = |force| Order { action: DeviceAction::Remove, force };
    world.directory.change_device(&intent(), &world.org, &soft.id, remove(false)).await.unwrap();
    assert_eq!(world.device(&soft.id).await.state, DeviceState::RemovalPending);
    assert_eq!(code(world.heartbeat(&soft).await), Code::Device410);
    world.directory.change_device(&intent(), &world.org, &hard.id, remove(true)).await.unwrap();
    assert_eq!(world.bindings(&hard.id).await[0].state, BindingState::Ended);
    assert_eq!(code(world.heartbeat(&hard).await), Code::Device410);
    // Removal outranks any token.
    let mut again = hard;
    assert_eq!(code(world.enroll(&mut again).await), Code::Device410);
}

#[tokio::test]
async fn many_are_changed_by_a_filter_and_a_dry_run_counts_first() {
    let world = World::new().await;
    for n in 0..5 {
        world.enrolled(&format!("u{n}")).await;
    }
    let mut suspended = world.enrolled("v").await;
    world.session(&suspended.id).await;
    world.change_device(&suspended.id, |device| device.state = DeviceState::Suspended).await;
    let all = DeviceFilter { token: vec![world.token.id().to_string()], ..DeviceFilter::default() };
    let dry = Intent { dry_run: true, ..intent() };
    let suspend = order(DeviceAction::Suspend);
    let would = world.directory.change_devices(&dry, &world.org, all.clone(), suspend).await.unwrap();
    assert_eq!((would.devices, would.skipped, would.sample.len()), (5, 1, 5));
    assert_eq!(would.sample[0].state, DeviceState::Suspended);
    let registered = DeviceFilter { state: vec![DeviceState::Registered], ..DeviceFilter::default() };
    let page = async |filter: DeviceFilter| world.directory.devices(&world.org, filter, PageRequest::default()).await;
    assert_eq!(page(registered.clone()).await.unwrap().items.len(), 5, "nothing happened");
    let did = world.directory.change_devices(&intent(), &world.org, all.clone(), suspend).await.unwrap();
    assert_eq!((did.devices, did.skipped), (would.devices, would.skipped));
    assert!(page(registered).await.unwrap().items.is_empty());
    let nothing = world.directory.change_devices(&intent(), &world.org, DeviceFilter::default(), suspend).await;
    assert!(matches!(nothing, Err(Error::Invalid(_))), "everything at once is never meant");
    suspended.n = 0;
}

#[tokio::test]
async fn r05_what_a_token_enrolled_since_a_time_is_quarantined_by_one_word() {
    let world = World::new().await;
    let before = world.enrolled("anna").await;
    world.clock.advance(DAY);
    let since = world.now();
    let after = world.enrolled("bert").await;
    let filter = DeviceFilter {
        token: vec![world.token.id().to_string()],
        first_seen_since: Some(since),
        ..DeviceFilter::default()
    };
    let did =
        world.directory.change_devices(&intent(), &world.org, filter, order(DeviceAction::Quarantine)).await.unwrap();
    assert_eq!(did.sample.iter().map(|view| view.id.as_str()).collect::<Vec<_>>(), [after.id.as_str()]);
    assert_eq!(world.device(&before.id).await.state, DeviceState::Registered);
}

#[tokio::test]
async fn devices_are_found_by_what_is_known_of_them() {
    let world = World::new().await;
    let mut anna = Machine::new("anna").serial("SN-1234");
    world.enroll(&mut anna).await.unwrap();
    world.clock.advance(DAY);
    let bert = world.enrolled("bert").await;
    let find = async |filter: DeviceFilter| -> Vec<String> {
        let page = world.directory.devices(&world.org, filter, PageRequest::default()).await.unwrap();
        page.items.into_iter().map(|view| view.id).collect()
    };
    let none = DeviceFilter::default;
    assert_eq!(find(none()).await, [bert.id.clone(), anna.id.clone()], "newest first");
    let user = DeviceFilter { user: vec!["Anna@ACME.example".into()], ..none() };
    assert_eq!(find(user).await, [anna.id.clone()]);
    assert_eq!(find(DeviceFilter { serial: vec!["SN-1234".into()], ..none() }).await, [anna.id.clone()]);
    assert_eq!(find(DeviceFilter { last_seen_before: Some(world.now()), ..none() }).await, [anna.id.clone()]);
    assert_eq!(find(DeviceFilter { level: vec![Level::Asserted], ..none() }).await.len(), 2);
    assert_eq!(find(DeviceFilter { level: vec![Level::Attested], ..none() }).await.len(), 0);
    assert_eq!(find(DeviceFilter { user: vec!["nobody@acme.example".into()], ..none() }).await.len(), 0);
    assert_eq!(find(DeviceFilter { q: Some("sn-12".into()), ..none() }).await, [anna.id.clone()]);
    let view = world.directory.device(&world.org, &anna.id).await.unwrap();
    assert_eq!((view.users, view.level), (vec!["anna@acme.example".to_owned()], Some(Level::Asserted)));
    assert!(matches!(world.directory.device(&world.org, "x").await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_pending_binding_is_approved_by_hand_and_a_removed_one_never_comes_back() {
    let world = World::new().await;
    let machine = world.enrolled("anna").await;
    let mut second = Machine::new("anna");
    let outcome = world.enroll(&mut second).await.unwrap();
    let id = outcome.bindings[0].id.clone();
    let pending = BindingFilter { state: vec![BindingState::Pending], ..BindingFilter::default() };
    let page = world.directory.bindings(&world.org, pending, PageRequest::default()).await.unwrap();
    assert_eq!(page.items[0].id, id);
    let stale = Intent { condition: Condition::OneOf(vec!["old".into()]), ..intent() };
    let changed = world.directory.approve_binding(&stale, &world.org, &id).await;
    assert!(matches!(changed, Err(Error::Changed { .. })));
    let view = world.directory.approve_binding(&intent(), &world.org, &id).await.unwrap();
    assert_eq!((view.state, view.reason), (BindingState::Active, None));
    assert!(matches!(world.directory.approve_binding(&intent(), &world.org, &id).await, Err(Error::State { .. })));
    world.session(&second.id).await;
    let (view, sessions) = world.directory.remove_binding(&intent(), &world.org, &id).await.unwrap();
    assert_eq!((view.state, sessions), (BindingState::Ended, 1));
    assert!(matches!(world.directory.approve_binding(&intent(), &world.org, &id).await, Err(Error::State { .. })));
    assert_eq!(world.heartbeat(&second).await.unwrap().bindings[0].state, BindingState::Ended, "the device is told");
    assert_eq!(code(world.bind(&second, &second.uk, "anna", &[]).await), Code::Enroll031, "its key is dead");
    assert_eq!(world.bind(&machine, &P256Key::generate(), "anna", &[]).await.unwrap().bindings.len(), 2);
}

#[tokio::test]
async fn a_binding_that_waits_for_a_key_is_not_approved_without_it() {
    let world = World::new().await;
    let machine = world.enrolled("anna").await;
    let until = world.now().plus(DAY);
    world
        .change_device(&machine.id, |device| {
            device.state = DeviceState::Quarantined;
            device.released_until = Some(until);
        })
        .await;
    let mut new = Machine::nobody();
    let id = machine.id.clone();
    let outcome = world.enroll_with(&mut new, move |body| body.replaces = Some(id)).await.unwrap();
    let answer = world.directory.approve_binding(&intent(), &world.org, &outcome.bindings[0].id).await;
    assert!(matches!(answer, Err(Error::State { .. })));
}

#[tokio::test]
async fn unused_devices_retire_a_few_at_a_time_and_may_come_back() {
    let world = World::new().await;
    let mut machines = Vec::new();
    for n in 0..45 {
        machines.push(world.enrolled(&format!("u{n}")).await);
    }
    assert_eq!(world.directory.clean_up_devices().await.unwrap(), 0);
    world.clock.advance(90 * DAY + DAY);
    assert_eq!(world.directory.clean_up_devices().await.unwrap(), 2, "five percent a day");
    assert_eq!(world.directory.clean_up_devices().await.unwrap(), 0);
    world.clock.advance(DAY + std::time::Duration::from_secs(1));
    assert_eq!(world.directory.clean_up_devices().await.unwrap(), 2);
    assert_eq!(world.events("device.retire").await.len(), 4);
    let retired: Vec<_> =
        world.devices().await.into_iter().filter(|device| device.state == DeviceState::Retired).collect();
    assert_eq!(retired.len(), 4);
    let mut machine = machines.into_iter().find(|machine| machine.id == retired[0].id).unwrap();
    assert_eq!(world.renew(&mut machine).await.unwrap().state, DeviceState::Pending);
}

#[tokio::test]
async fn a_device_that_nobody_approved_is_gone_after_two_weeks() {
    let world = World::new().await;
    world.change_token(|token| token.initial_state = DeviceState::Pending).await;
    let waiting = world.enrolled("anna").await;
    let asleep = world.enrolled("bert").await;
    world.change_device(&asleep.id, |device| device.state_reason = Some("asleep".into())).await;
    world.clock.advance(14 * DAY);
    assert_eq!(world.directory.clean_up_devices().await.unwrap(), 0);
    world.clock.advance(DAY);
    assert_eq!(world.directory.clean_up_devices().await.unwrap(), 1);
    assert_eq!(code(world.heartbeat(&waiting).await), Code::Device410);
    assert_eq!(world.device(&asleep.id).await.state, DeviceState::Pending);
}

#[tokio::test]
async fn a_clock_that_jumped_is_not_believed_after_a_restart_either() {
    let hour = std::time::Duration::from_secs(3_600);
    let world = World::new().await;
    let steady = async |watch: &mut ClockWatch| world.directory.clock_is_steady(watch).await.unwrap();
    let mut watch = ClockWatch::default();
    assert!(steady(&mut watch).await);
    world.clock.set(world.now().plus(365 * DAY));
    assert!(!steady(&mut watch).await);
    let mut restarted = ClockWatch::default();
    assert!(!steady(&mut restarted).await);
    world.clock.advance(23 * hour);
    assert!(!steady(&mut ClockWatch::default()).await);
    world.clock.advance(hour);
    assert!(steady(&mut ClockWatch::default()).await);
    assert!(steady(&mut restarted).await);
}

#[tokio::test]
async fn a_clock_that_a_start_finds_elsewhere_is_not_believed_for_a_day() {
    let hour = std::time::Duration::from_secs(3_600);
    let world = World::new().await;
    let steady = async || world.directory.clock_is_steady(&mut ClockWatch::default()).await.unwrap();
    assert!(steady().await);
    world.clock.advance(10 * hour);
    assert!(steady().await, "it was off for a night");
    world.clock.set(world.now().minus(hour));
    assert!(!steady().await, "an hour back");
    world.clock.advance(DAY);
    assert!(steady().await);
    world.clock.set(world.now().plus(100 * DAY));
    assert!(!steady().await, "far ahead");
    world.clock.advance(DAY);
    assert!(steady().await);
}

#[tokio::test]
async fn a_store_without_a_look_at_the_clock_is_judged_by_its_newest_checkpoint() {
    for (days, believed) in [(0, true), (2, false)] {
        let world = World::new().await;
        let (body, signature) = (String::new(), latchkey_wire::Bytes([0; 64]));
        let (org, at, key) = (world.org.clone(), world.now(), String::new());
        world.add(Checkpoint { org, seq: 1, at, body, signature, key }).await;
        world.clock.set(at.plus(days * DAY));
        let steady = world.directory.clock_is_steady(&mut ClockWatch::default()).await.unwrap();
        assert_eq!(steady, believed, "{days}");
    }
}

#[tokio::test]
async fn an_organization_begins_with_the_limits_of_the_design() {
    let world = World::new().await;
    let id: latchkey_directory::OrgId = "new".parse().unwrap();
    let entity_id = "https://id.example/o/new/saml/metadata".to_owned();
    let new = NewOrganization { slug: "new".into(), name: "New".into(), id, entity_id, keys: Vec::new() };
    let view = world.directory.create_organization(&intent(), new).await.unwrap();
    assert_eq!((view.devices_per_user, view.max_tokens), (16, 16));
    let days = [view.certificate_lifetime_s, view.asleep_limit_s, view.retire_after_s].map(|s| s / DAY.as_secs());
    assert_eq!(days, [7, 30, 90]);
}

#[tokio::test]
async fn a_token_is_not_blocked_by_people_of_a_longer_domain() {
    let world = World::new().await;
    world.change_policy(|row| row.jit = false).await;
    let token = world.token.id().to_string();
    for n in 0..30 {
        let login = format!("u{n}@acme.example.org");
        world.user(&format!("u{n}"), |user| (user.login_name, user.login_key) = (login.clone(), login)).await;
    }
    let obstacles = async || world.directory.token_obstacles(&world.org, &token).await.unwrap();
    assert_eq!(obstacles().await, [Code::Enroll022]);
    world.user("zoe", |_| ()).await;
    assert_eq!(obstacles().await, []);
}
