use std::time::Duration;

use latchkey_directory::Intent;
use latchkey_directory::device::Outcome;
use latchkey_directory::device::admin::Order;
use latchkey_directory::records::{Device, OneTimeCode, User};
use latchkey_directory::values::{DeviceAction, Leniency, UserStatus};
use latchkey_wire::{BindingState, Bytes, Code, DeviceState, EpochSecret, Level, P256Key};

use crate::enrolling::again;
use crate::world::{DAY, Machine, World, admin, code};

#[tokio::test]
async fn a_machine_that_nobody_used_gets_its_first_user_by_binding() {
    let world = World::new().await;
    let mut machine = Machine::nobody();
    world.enroll(&mut machine).await.unwrap();
    let uk = P256Key::generate();
    let outcome = world.bind(&machine, &uk, "anna", &[]).await.unwrap();
    assert!(outcome.created);
    assert_eq!((outcome.bindings[0].state, outcome.bindings[0].level), (BindingState::Active, Level::Asserted));
    // The answer was lost: nothing new.
    let same = world.bind(&machine, &uk, "anna", &[]).await.unwrap();
    assert_eq!((same.created, same.bindings), (false, outcome.bindings));
    assert_eq!(code(world.bind(&machine, &uk, "bert", &[]).await), Code::Enroll031, "a key is for one binding");
    assert_eq!(world.events("device.bind").await.len(), 1);
}

#[tokio::test]
async fn a_second_low_claim_on_a_device_waits_and_better_evidence_does_not() {
    let world = World::new().await;
    let machine = world.enrolled("anna").await;
    let outcome = world.bind(&machine, &P256Key::generate(), "bert", &[]).await.unwrap();
    let bert = outcome.bindings.iter().find(|b| b.login_name.starts_with("bert")).unwrap();
    assert_eq!(bert.state, BindingState::Pending);
    let carl = world.user("carl", |_| ()).await;
    let code_ = world.code_for(&carl, None).await;
    let outcome = world.bind(&machine, &P256Key::generate(), "carl", &[again(&code_)]).await.unwrap();
    let carl = outcome.bindings.iter().find(|b| b.login_name.starts_with("carl")).unwrap();
    assert_eq!((carl.state, carl.level), (BindingState::Active, Level::MdmSigned));
    assert_eq!(code(world.bind(&machine, &P256Key::generate(), "carl", &[code_]).await), Code::Enroll027, "used");
}

#[tokio::test]
async fn whom_an_administrator_sent_away_comes_back_by_an_approval() {
    let world = World::new().await;
    // Not even where a further device of a user needs none.
    world.change_token(|token| token.on_second_device = Leniency::Allow).await;
    let machine = world.enrolled("anna").await;
    let intent = Intent::of(&admin());
    let mut old = world.bindings(&machine.id).await.pop().unwrap();
    world.directory.remove_binding(&intent, &world.org, &old.id).await.unwrap();
    assert_eq!(code(world.bind(&machine, &machine.uk, "anna", &[]).await), Code::Enroll031, "the old key is given up");
    // The same where a restored store was told of it.
    old = world.bindings(&machine.id).await.pop().unwrap();
    old.state_reason = Some("replayed".into());
    world.put(old.clone()).await;
    let outcome = world.bind(&machine, &P256Key::generate(), "anna", &[]).await.unwrap();
    let new = outcome.bindings.iter().find(|b| b.id != old.id).unwrap();
    assert_eq!(new.state, BindingState::Pending);
    world.directory.approve_binding(&intent, &world.org, &new.id).await.unwrap();
    let states: Vec<_> = world.heartbeat(&machine).await.unwrap().bindings.iter().map(|b| b.state).collect();
    assert!(states.contains(&BindingState::Active), "{states:?}");
}

#[tokio::test]
async fn five_bindings_an_hour() {
    let world = World::new().await;
    let mut machine = Machine::nobody();
    world.enroll(&mut machine).await.unwrap();
    for n in 0..5 {
        world.bind(&machine, &P256Key::generate(), &format!("user{n}"), &[]).await.unwrap();
    }
    let refused = world.bind(&machine, &P256Key::generate(), "user5", &[]).await.unwrap_err();
    assert_eq!((refused.code, refused.retry_after), (Code::Bind018, Some(3600)));
    world.clock.advance(Duration::from_secs(3601));
    world.bind(&machine, &P256Key::generate(), "user5", &[]).await.unwrap();
}

#[tokio::test]
async fn a_binding_takes_the_terms_of_the_token_and_the_policy_of_now() {
    let world = World::new().await;
    let machine = world.enrolled("anna").await;
    let other = world.enrolled("carl").await;
    world.change_policy(|policy| policy.enabled = false).await;
    assert_eq!(code(world.bind(&machine, &P256Key::generate(), "bert", &[]).await), Code::Enroll020);
    world.change_policy(|policy| (policy.enabled, policy.jit) = (true, false)).await;
    assert_eq!(code(world.bind(&machine, &P256Key::generate(), "bert", &[]).await), Code::Enroll022);
    world.user("bert", |user| user.status = UserStatus::Disabled).await;
    assert_eq!(code(world.bind(&machine, &P256Key::generate(), "bert", &[]).await), Code::Enroll023);
    world.user("boss", |user| user.protected = true).await;
    assert_eq!(code(world.bind(&machine, &P256Key::generate(), "boss", &[]).await), Code::Enroll024);
    let mut wrong = Machine { id: machine.id.clone(), ..other };
    assert_eq!(code(world.bind(&wrong, &P256Key::generate(), "dora", &[]).await), Code::Device404, "another's key");
    wrong = Machine {
        dk: crate::enrolling::clone(&machine.dk),
        e: EpochSecret::generate(),
        id: machine.id.clone(),
        ..Machine::nobody()
    };
    assert_eq!(code(world.bind(&wrong, &P256Key::generate(), "dora", &[]).await), Code::Proof021, "another epoch");
    for state in [DeviceState::Pending, DeviceState::Suspended, DeviceState::Quarantined, DeviceState::Unregistered] {
        world.change_device(&machine.id, |device| device.state = state).await;
        let refused = world.bind(&machine, &P256Key::generate(), "dora", &[]).await.unwrap_err();
        assert_eq!((refused.code, refused.state), (Code::Proof022, Some(state)));
    }
}

#[tokio::test]
async fn after_a_release_from_quarantine_bindings_come_back_with_new_keys_at_their_old_level() {
    let world = World::new().await;
    let anna = world.user("anna", |_| ()).await;
    let code_ = world.code_for(&anna, None).await;
    let mut machine = Machine::new("anna").code(code_);
    world.enroll(&mut machine).await.unwrap();
    world.change_device(&machine.id, |device| device.state = DeviceState::Quarantined).await;

    let take_over = async |id: &str| {
        let mut new = Machine::nobody();
        let id = id.to_owned();
        let answer = world.enroll_with(&mut new, move |body| body.replaces = Some(id)).await;
        (new, answer)
    };
    assert_eq!(code(take_over(&machine.id).await.1), Code::Proof022, "not released");
    let release = Order { action: DeviceAction::Release, force: false };
    world.directory.change_device(&Intent::of(&admin()), &world.org, &machine.id, release).await.unwrap();
    world.clock.advance(Duration::from_secs(24 * 60 * 60 + 1));
    assert_eq!(code(take_over(&machine.id).await.1), Code::Proof022, "too late");
    world.directory.change_device(&Intent::of(&admin()), &world.org, &machine.id, release).await.unwrap();
    assert_eq!(code(take_over("nobody").await.1), Code::Enroll031);
    let (mut new, answer) = take_over(&machine.id).await;
    let outcome = answer.unwrap();
    assert_eq!((outcome.device_id.as_deref(), outcome.state), (Some(machine.id.as_str()), DeviceState::Registered));
    assert_eq!(outcome.bindings[0].state, BindingState::Pending);
    assert_eq!(code(world.heartbeat(&machine).await), Code::Enroll031, "the old key is dead");
    assert_eq!(code(take_over(&machine.id).await.1), Code::Enroll031, "taken over once");

    // The old user key is dead too; a stranger's claim does not get the binding.
    let old_uk = crate::enrolling::clone(&machine.uk);
    assert_eq!(code(world.bind(&new, &old_uk, "anna", &[]).await), Code::Enroll031);
    let outcome = world.bind(&new, &P256Key::generate(), "bert", &[]).await.unwrap();
    assert!(outcome.bindings.iter().all(|b| b.login_name.starts_with("anna") == (b.level == Level::MdmSigned)));
    let outcome = world.bind(&new, &P256Key::generate(), "anna", &[]).await.unwrap();
    let active: Vec<_> = outcome.bindings.iter().filter(|b| b.state == BindingState::Active).collect();
    assert!(active.iter().any(|b| b.login_name.starts_with("anna") && b.level == Level::MdmSigned));
    assert_eq!(outcome.bindings.iter().filter(|b| b.state == BindingState::Ended).count(), 1);
    new.n = 0;
    assert_eq!(world.heartbeat(&new).await.unwrap().n, 0);
}

/// A device that was quarantined, released and taken over: its user's binding waits for a new key.
async fn taken_over(world: &World, claim: &str) -> Machine {
    let machine = world.enrolled(claim).await;
    let until = world.now().plus(Duration::from_secs(60));
    let quarantined = |device: &mut Device| {
        device.state = DeviceState::Quarantined;
        device.released_until = Some(until);
    };
    world.change_device(&machine.id, quarantined).await;
    let mut new = Machine::nobody();
    let id = machine.id.clone();
    world.enroll_with(&mut new, move |body| body.replaces = Some(id)).await.unwrap();
    new
}

#[tokio::test]
async fn a_binding_that_comes_back_with_a_code_has_the_level_the_code_gives() {
    let world = World::new().await;
    let boss = world.user("boss", |_| ()).await;
    let zoe = world.user("zoe", |_| ()).await;
    let machine = taken_over(&world, "boss").await;
    // The old level was low; what protects the user now asks for evidence, and the message may bring it.
    world.put(User { protected: true, ..boss.clone() }).await;
    let uk = P256Key::generate();
    assert_eq!(code(world.bind(&machine, &uk, "boss", &[]).await), Code::Enroll024);
    let (for_boss, for_zoe) = (world.code_for(&boss, None).await, world.code_for(&zoe, None).await);
    assert_eq!(code(world.bind(&machine, &uk, "boss", &[again(&for_zoe)]).await), Code::Enroll027, "another's code");
    let outcome = world.bind(&machine, &uk, "boss", &[again(&for_boss)]).await.unwrap();
    let back = outcome.bindings.iter().find(|b| b.state == BindingState::Active).unwrap();
    assert_eq!((back.level, outcome.created), (Level::MdmSigned, true));
    let used = world.all::<OneTimeCode>(OneTimeCode::id.eq(for_boss.id())).await.pop().unwrap();
    assert_eq!(used.used_by.as_ref(), Some(&machine.id));
    // The answer was lost.
    let same = world.bind(&machine, &uk, "boss", &[again(&for_boss)]).await.unwrap();
    assert_eq!((same.created, same.bindings), (false, outcome.bindings));
    let other = taken_over(&world, "zoe").await;
    assert_eq!(code(world.bind(&other, &P256Key::generate(), "zoe", &[for_boss]).await), Code::Enroll027);
}

#[tokio::test]
async fn a_binding_sent_again_is_judged_by_its_codes_too() {
    let world = World::new().await;
    let machine = world.enrolled("carl").await;
    let anna = world.user("anna", |_| ()).await;
    let zoe = world.user("zoe", |_| ()).await;
    let uk = P256Key::generate();
    let first = world.bind(&machine, &uk, "anna", &[]).await.unwrap();
    let of_anna = |outcome: &Outcome| {
        let found = outcome.bindings.iter().find(|b| b.login_name.starts_with("anna")).unwrap();
        (found.id.clone(), found.state, found.level)
    };
    let (id, state, level) = of_anna(&first);
    assert_eq!((state, level), (BindingState::Pending, Level::KnownUser));
    let (good, wrong) = (world.code_for(&anna, None).await, world.code_for(&zoe, None).await);
    let late = world.code_for(&anna, None).await;
    assert_eq!(code(world.bind(&machine, &uk, "anna", &[wrong]).await), Code::Enroll027, "another's code");
    for _ in 0..2 {
        let risen = world.bind(&machine, &uk, "anna", &[again(&good)]).await.unwrap();
        assert_eq!((risen.created, of_anna(&risen)), (false, (id.clone(), BindingState::Active, Level::MdmSigned)));
    }
    assert_eq!(world.events("binding.raise").await.len(), 1, "a code counts once");
    // What was used in time still says so when its own message comes late; what was not has expired.
    world.clock.advance(4 * DAY);
    world.bind(&machine, &uk, "anna", &[good]).await.unwrap();
    assert_eq!(code(world.bind(&machine, &uk, "anna", &[late]).await), Code::Enroll027, "expired");
}

#[tokio::test]
async fn a_release_does_not_help_the_disabled() {
    let world = World::new().await;
    let machine = world.enrolled("anna").await;
    let until = world.now().plus(Duration::from_secs(60));
    world
        .change_device(&machine.id, |device| {
            device.state = DeviceState::Quarantined;
            device.released_until = Some(until);
        })
        .await;
    let mut new = Machine::nobody();
    let id = machine.id.clone();
    world.enroll_with(&mut new, move |body| body.replaces = Some(id)).await.unwrap();
    let user: User = world.users().await.pop().unwrap();
    world.put(User { status: UserStatus::Disabled, ..user }).await;
    assert_eq!(code(world.bind(&new, &P256Key::generate(), "anna", &[]).await), Code::Enroll023);
}

#[tokio::test]
async fn a07_replayed_binding_is_refused() {
    let world = World::new().await;
    world.change_token(|token| token.on_second_device = Leniency::Allow).await;
    let machine = world.enrolled("anna").await;
    let first = world.heartbeat_of(&machine);
    let second = latchkey_directory::device::Received { nonce: first.nonce, ..world.heartbeat_of(&machine) };
    world.granted(world.directory.heartbeat(&world.org, first).await).unwrap();
    assert_eq!(code(world.granted(world.directory.heartbeat(&world.org, second).await)), Code::Nonce001);
    let late = latchkey_directory::device::Received {
        nonce: latchkey_directory::device::Nonce {
            unique: Bytes([1; 16]),
            exp: world.now().minus(Duration::from_secs(1)),
        },
        ..world.heartbeat_of(&machine)
    };
    assert_eq!(code(world.granted(world.directory.heartbeat(&world.org, late).await)), Code::Nonce001);
}
