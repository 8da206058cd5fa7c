use std::time::Duration;

use latchkey_directory::audit::{Actor, ActorKind};
use latchkey_directory::device::admin::Order;
use latchkey_directory::device::proof;
use latchkey_directory::query::Filter;
use latchkey_directory::records::{Binding, DomainOwner, Group, Membership, OneTimeCode as CodeRow, User};
use latchkey_directory::refusal::{Refused, Remembered};
use latchkey_directory::values::{DeviceAction, DomainState, KnownUsers, Leniency, TokenState, UserStatus};
use latchkey_directory::{Bytes, Intent, records};
use latchkey_wire::message::Reason;
use latchkey_wire::{BindingState, Code, DeviceState, EpochSecret, Level, P256Key, Platform, Protection, Sign as _};

use crate::world::{DAY, DOMAIN, Machine, World, admin, code};

fn coded(code: Code) -> Option<Reason> {
    Some(Reason::Code(code.into()))
}

#[tokio::test]
async fn a_token_registers_a_device_and_creates_its_user() {
    let world = World::new().await;
    world
        .add(Group {
            org: world.org.clone(),
            id: "g".into(),
            name: "staff".into(),
            protected: false,
            created_at: world.now(),
        })
        .await;
    world.change_token(|token| token.jit_groups.0 = vec!["g".into(), "deleted".into()]).await;
    let mut machine = Machine::new("Anna");
    let outcome = world.enroll(&mut machine).await.unwrap();
    assert_eq!((outcome.state, outcome.reason.clone(), outcome.created), (DeviceState::Registered, None, true));
    let order = outcome.certificate.unwrap();
    assert_eq!(order.key.read().unwrap(), *machine.dk.public());
    assert_eq!((order.extension.n, order.extension.device_id.as_str()), (0, machine.id.as_str()));
    let [binding] = outcome.bindings.as_slice() else { panic!("one binding") };
    assert_eq!((binding.state, binding.level), (BindingState::Active, Level::Asserted));
    assert_eq!(binding.login_name, "anna@acme.example");
    let [user] = world.users().await.try_into().unwrap_or_else(|_| panic!("one user"));
    assert!(user.taken_at.is_some());
    assert_eq!(user.source.as_str(), "device-token");
    assert_eq!(world.all::<Membership>(Filter::all()).await.len(), 1);
    assert_eq!(world.token_now().await.uses, 1);
    for (action, count) in [("device.enroll", 1), ("user.provision", 1), ("device.bind", 1)] {
        assert_eq!(world.events(action).await.len(), count, "{action}");
    }
    // Half of seven days, a tenth of spread around it.
    let wait = outcome.renew_at - world.now().seconds();
    assert!((DAY.as_secs() * 63 / 20..=DAY.as_secs() * 77 / 20).contains(&wait), "{wait}");
    assert_eq!(world.heartbeat(&machine).await.unwrap().renew_at, outcome.renew_at, "told the same every time");
}

#[tokio::test]
async fn a_device_without_a_user_is_registered_and_keeps_what_its_token_allows() {
    let world = World::new().await;
    world.change_token(|token| token.min_evidence = Level::MdmSigned).await;
    let mut machine = Machine::nobody();
    let outcome = world.enroll(&mut machine).await.unwrap();
    assert_eq!((outcome.state, outcome.bindings.len()), (DeviceState::Registered, 0));
    let device = world.device(&machine.id).await;
    assert_eq!((device.ceiling.min_evidence, device.ceiling.domains.clone()), (3, vec![DOMAIN.to_owned()]));
    assert_eq!(code(world.bind(&machine, &P256Key::generate(), "anna", &[]).await), Code::Enroll026);
}

#[tokio::test]
async fn a07_replayed_enrollment_changes_nothing() {
    let world = World::new().await;
    let mut machine = Machine::new("anna");
    let first = world.enroll(&mut machine).await.unwrap();
    let events = world.events("device.enroll").await.len();
    // However late, whatever became of the token since: the answer may have been lost.
    world.clock.advance(400 * DAY);
    world.change_token(|token| token.state = TokenState::Revoked).await;
    let again = world.enroll(&mut machine).await.unwrap();
    assert_eq!((again.device_id.clone(), again.state, again.created), (first.device_id, first.state, false));
    assert_eq!(again.bindings, first.bindings);
    assert!(again.certificate.is_some());
    assert_eq!(world.token_now().await.uses, 1);
    assert_eq!((world.devices().await.len(), world.users().await.len()), (1, 1));
    assert_eq!(world.events("device.enroll").await.len(), events);
    // The same bytes: the nonce is consumed.
    let request = world.enrollment(&machine, |_| ());
    let twice = latchkey_directory::device::enroll::Request {
        message: world.enrollment(&machine, |_| ()).message,
        nonce: request.nonce,
        address: None,
    };
    world.granted(world.directory.enroll(&world.org, request).await).unwrap();
    assert_eq!(code(world.granted(world.directory.enroll(&world.org, twice).await)), Code::Nonce001);
}

#[tokio::test]
async fn a_repeated_enrollment_is_answered_with_the_state_of_now() {
    let world = World::new().await;
    let mut machine = Machine::new("anna");
    world.enroll(&mut machine).await.unwrap();
    world.change_device(&machine.id, |device| device.state = DeviceState::Suspended).await;
    let again = world.enroll(&mut machine).await.unwrap();
    assert_eq!((again.state, again.certificate), (DeviceState::Suspended, None));
    // No certificate while the policy is off.
    world.change_device(&machine.id, |device| device.state = DeviceState::Registered).await;
    world.change_policy(|policy| policy.enabled = false).await;
    let again = world.enroll(&mut machine).await.unwrap();
    assert_eq!((again.state, again.certificate), (DeviceState::Registered, None));
}

#[tokio::test]
async fn a_known_key_in_another_state_is_refused() {
    let world = World::new().await;
    let mut machine = world.enrolled("anna").await;
    let e = std::mem::replace(&mut machine.e, EpochSecret::generate());
    assert_eq!(code(world.enroll(&mut machine).await), Code::Enroll031);
    machine.e = e;
    let uk = std::mem::replace(&mut machine.uk, P256Key::generate());
    assert_eq!(code(world.enroll(&mut machine).await), Code::Enroll031);
    machine.uk = uk;
    machine.claim = Some("bert@acme.example".into());
    assert_eq!(code(world.enroll(&mut machine).await), Code::Enroll031);
    machine.claim = Some("anna@acme.example".into());
    for (state, expected) in [
        (DeviceState::Unregistered, Code::Enroll031),
        (DeviceState::Quarantined, Code::Enroll031),
        (DeviceState::Removed, Code::Device410),
    ] {
        world.change_device(&machine.id, |device| device.state = state).await;
        assert_eq!(code(world.enroll(&mut machine).await), expected, "{state}");
    }
    world.change_device(&machine.id, |device| device.state = DeviceState::Registered).await;
    world
        .renew(&mut Machine {
            id: machine.id.clone(),
            dk: clone(&machine.dk),
            e: machine.e.clone(),
            ..Machine::nobody()
        })
        .await
        .unwrap();
    assert_eq!(code(world.enroll(&mut machine).await), Code::Enroll031, "no longer at epoch 0");
    assert_eq!(world.devices().await.len(), 1);
}

pub fn clone(key: &P256Key) -> P256Key {
    P256Key::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap()
}

#[tokio::test]
async fn r02_every_limit_of_a_token_refuses_with_its_code_and_changes_nothing() {
    type Limit = fn(&mut records::DeviceToken);
    let world = World::new().await;
    let before = world.token_now().await;
    let limits: [(Code, Limit); 8] = [
        (Code::Enroll011, |token| token.expires_at = token.created_at),
        (Code::Enroll012, |token| token.uses = token.max_uses),
        (Code::Enroll013, |token| token.state = TokenState::Disabled),
        (Code::Enroll014, |token| token.state = TokenState::Revoked),
        (Code::Enroll015, |token| token.domains.0 = vec!["other.example".into()]),
        (Code::Enroll016, |token| token.platforms.0 = vec![Platform::Windows]),
        (Code::Enroll017, |token| token.networks.0 = vec!["10.0.0.0/8".into()]),
        (Code::Enroll018, |token| token.uses_per_minute = 0),
    ];
    for (expected, limit) in limits {
        world.change_token(limit).await;
        assert_eq!(code(world.enroll(&mut Machine::new("anna")).await), expected);
        world.put(before.clone()).await;
    }
    assert_eq!((world.devices().await.len(), world.users().await.len()), (0, 0));
    assert_eq!(world.token_now().await.uses, 0);
    world.change_token(|token| token.networks.0 = vec!["10.0.0.0/8".into(), "192.0.2.0/24".into()]).await;
    world.enroll(&mut Machine::new("anna")).await.unwrap();
}

#[tokio::test]
async fn r02_a_token_ends_by_the_clock() {
    let world = World::new().await;
    world.clock.advance(14 * DAY - Duration::from_secs(1));
    world.enroll(&mut Machine::new("anna")).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(code(world.enroll(&mut Machine::new("bert")).await), Code::Enroll011);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r04_two_hundred_parallel_enrollments_on_a_hundred_uses_give_a_hundred_devices() {
    let world = std::sync::Arc::new(World::new().await);
    world.change_token(|token| token.max_uses = 100).await;
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let world = world.clone();
            tokio::spawn(async move {
                let request = world.enrollment(&Machine::new(&format!("user{n}")), |_| ());
                world.granted(world.directory.enroll(&world.org, request).await).map_err(|refused| refused.code)
            })
        })
        .collect();
    let mut granted = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => granted += 1,
            Err(code) => assert_eq!(code, Code::Enroll012),
        }
    }
    assert_eq!(granted, 100);
    assert_eq!(world.token_now().await.uses, 100);
    assert_eq!((world.devices().await.len(), world.users().await.len()), (100, 100));
    let marks = world.events("token.uses").await;
    assert_eq!(marks.len(), 2, "80 and 100 percent are told once each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r12_two_hundred_parallel_enrollments_of_one_user_make_one_user() {
    let world = std::sync::Arc::new(World::new().await);
    world.change_token(|token| token.on_second_device = Leniency::Allow).await;
    world.change_settings(|settings| settings.devices_per_user = 1000).await;
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move {
                let request = world.enrollment(&Machine::new("anna"), |_| ());
                world.granted(world.directory.enroll(&world.org, request).await).unwrap()
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(world.users().await.len(), 1);
    assert_eq!(world.events("user.provision").await.len(), 1);
    assert_eq!(world.devices().await.len(), 200);
}

#[tokio::test]
async fn the_limit_per_minute_counts_this_minute_only() {
    let world = World::new().await;
    world.change_token(|token| token.uses_per_minute = 2).await;
    for name in ["a1", "a2"] {
        world.enroll(&mut Machine::new(name)).await.unwrap();
    }
    let refused = world.enroll(&mut Machine::new("a3")).await.unwrap_err();
    assert_eq!((refused.code, refused.retry_after), (Code::Enroll018, Some(60)));
    world.clock.advance(Duration::from_secs(61));
    world.enroll(&mut Machine::new("a3")).await.unwrap();
}

#[tokio::test]
async fn the_policy_decides_at_enrollment() {
    let world = World::new().await;
    world.change_policy(|policy| policy.enabled = false).await;
    assert_eq!(code(world.enroll(&mut Machine::new("anna")).await), Code::Enroll020);
    world.change_policy(|policy| (policy.enabled, policy.domains.0) = (true, vec![])).await;
    assert_eq!(code(world.enroll(&mut Machine::new("anna")).await), Code::Enroll021);
    world.change_policy(|policy| policy.all_domains = true).await;
    world.change_policy(|policy| policy.jit = false).await;
    assert_eq!(code(world.enroll(&mut Machine::new("anna")).await), Code::Enroll022);
    world.enroll(&mut Machine::nobody()).await.unwrap();
    world.user("anna", |_| ()).await;
    let outcome = world.enroll(&mut Machine::new("anna")).await.unwrap();
    assert_eq!(outcome.bindings[0].level, Level::KnownUser);
}

#[tokio::test]
async fn a_lapsed_or_unverified_domain_begins_nothing() {
    let world = World::new().await;
    for (state, expected) in [
        (DomainState::Pending, Some(Code::Enroll021)),
        (DomainState::Lapsed, Some(Code::Enroll021)),
        (DomainState::Lapsing, None),
        (DomainState::OperatorWord, None),
    ] {
        let mut domain: records::Domain = world.all(Filter::all()).await.pop().unwrap();
        domain.verification = state;
        world.put(domain).await;
        let answer = world.enroll(&mut Machine::new(&format!("u-{state}").replace('_', "-"))).await;
        assert_eq!(answer.err().map(|refused| refused.code), expected, "{state}");
    }
    assert!(world.all::<DomainOwner>(Filter::all()).await.is_empty());
}

#[tokio::test]
async fn a28_jit_creates_no_name_that_looks_like_an_authority_or_like_somebody_else() {
    let world = World::new().await;
    for name in ["admin", "ad.min", "root", "postmaster", "help-desk", "ceo", "security"] {
        assert_eq!(code(world.enroll(&mut Machine::new(name)).await), Code::Enroll025, "{name}");
    }
    // Cyrillic а, a full-width letter, an invisible joiner, a placeholder, no name at all.
    for claim in [
        "\u{430}nna@acme.example",
        "ａnna2@acme.example",
        "an\u{200d}na@acme.example",
        "%USERNAME%@acme.example",
        "anna",
    ] {
        let mut machine = Machine::nobody();
        machine.claim = Some(claim.into());
        assert_eq!(code(world.enroll(&mut machine).await), Code::Enroll025, "{claim:?}");
    }
    let mut elsewhere = Machine::nobody();
    elsewhere.claim = Some("anna@other.example".into());
    assert_eq!(code(world.enroll(&mut elsewhere).await), Code::Enroll015);
    // Never brought back: neither the disabled nor the name of the deleted.
    world.user("bert", |user| user.status = UserStatus::Disabled).await;
    assert_eq!(code(world.enroll(&mut Machine::new("bert")).await), Code::Enroll023);
    let now = world.now();
    world
        .user("carl", |user| {
            user.status = UserStatus::Deleted;
            user.login_key.clone_from(&user.id);
            user.deleted_at = Some(now);
        })
        .await;
    assert_eq!(code(world.enroll(&mut Machine::new("carl")).await), Code::Enroll023);
    assert_eq!(world.users().await.len(), 2);
    world.clock.advance(366 * DAY);
    world.change_token(|token| token.expires_at = token.expires_at.plus(400 * DAY)).await;
    world.enroll(&mut Machine::new("carl")).await.unwrap();
}

#[tokio::test]
async fn a01_a_stolen_token_takes_over_nobody() {
    let world = World::new().await;
    let machine = world.enrolled("anna").await;
    world.user("boss", |user| user.protected = true).await;
    let group = Group {
        org: world.org.clone(),
        id: "g".into(),
        name: "admins".into(),
        protected: true,
        created_at: world.now(),
    };
    world.add(group).await;
    let deputy = world.user("deputy", |_| ()).await;
    world
        .add(Membership {
            org: world.org.clone(),
            group_id: "g".into(),
            user_id: deputy.id.clone(),
            created_at: world.now(),
        })
        .await;
    for name in ["boss", "deputy"] {
        assert_eq!(code(world.enroll(&mut Machine::new(name)).await), Code::Enroll024, "{name}");
    }
    let mut thief = Machine::new("anna");
    let outcome = world.enroll(&mut thief).await.unwrap();
    assert_eq!((outcome.state, outcome.reason), (DeviceState::Registered, coded(Code::Enroll032)));
    assert_eq!(outcome.bindings[0].state, BindingState::Pending);
    assert_eq!(world.heartbeat(&machine).await.unwrap().bindings[0].state, BindingState::Active);
    world.change_token(|token| token.max_uses = token.uses).await;
    assert_eq!(code(world.enroll(&mut Machine::new("new")).await), Code::Enroll012);
    assert_eq!(world.events("device.enroll").await.len(), 2);
}

#[tokio::test]
async fn known_users_wait_where_the_token_says_so() {
    let world = World::new().await;
    world.user("anna", |_| ()).await;
    world.user("bert", |_| ()).await;
    let outcome = world.enroll(&mut Machine::new("anna")).await.unwrap();
    assert_eq!(outcome.bindings[0].state, BindingState::Active);
    world.change_token(|token| token.known_users = KnownUsers::Pending).await;
    let outcome = world.enroll(&mut Machine::new("bert")).await.unwrap();
    assert_eq!(outcome.bindings[0].state, BindingState::Pending);
    let bert = world.users().await.into_iter().find(|user| user.login_name.starts_with("bert")).unwrap();
    assert_eq!(bert.taken_at, None, "a claim that waits takes nobody");
}

#[tokio::test]
async fn one_time_codes_prove_a_user_once() {
    let world = World::new().await;
    let boss = world.user("boss", |user| user.protected = true).await;
    let code_ = world.code_for(&boss, Some("SN-1234")).await;
    let mut wrong = Machine::new("boss").serial("SN-9999").code(again(&code_));
    assert_eq!(code(world.enroll(&mut wrong).await), Code::Enroll027, "for another machine");
    let mut machine = Machine::new("boss").serial("sn-1234").code(again(&code_));
    let outcome = world.enroll(&mut machine).await.unwrap();
    assert_eq!((outcome.bindings[0].level, outcome.bindings[0].state), (Level::MdmSigned, BindingState::Active));
    let mut second = Machine::new("boss").serial("SN-1234").code(again(&code_));
    assert_eq!(code(world.enroll(&mut second).await), Code::Enroll027, "used before");
    // A taken user with a code needs no approval.
    let more = world.code_for(&boss, None).await;
    let outcome = world.enroll(&mut Machine::new("boss").code(again(&more))).await.unwrap();
    assert_eq!(outcome.bindings[0].state, BindingState::Active);
    let late = world.code_for(&boss, None).await;
    world.clock.advance(3 * DAY + Duration::from_secs(1));
    assert_eq!(code(world.enroll(&mut Machine::new("boss").code(late)).await), Code::Enroll027, "expired");
    let other = world.code_for(&boss, None).await;
    assert_eq!(code(world.enroll(&mut Machine::new("anna").code(other)).await), Code::Enroll027, "for another user");
    let used: Vec<CodeRow> = world.all(Filter::all()).await;
    assert_eq!(used.iter().filter(|row| row.used_at.is_some()).count(), 2);
    // No level helps the disabled.
    let gone = world.user("gone", |user| user.status = UserStatus::Disabled).await;
    let code_ = world.code_for(&gone, None).await;
    assert_eq!(code(world.enroll(&mut Machine::new("gone").code(code_)).await), Code::Enroll023);
}

pub fn again(code: &latchkey_wire::OneTimeCode) -> latchkey_wire::OneTimeCode {
    latchkey_wire::OneTimeCode::parse(&code.expose()).unwrap()
}

#[tokio::test]
async fn the_lowest_evidence_level_of_a_token_holds() {
    let world = World::new().await;
    world.change_token(|token| token.min_evidence = Level::KnownUser).await;
    assert_eq!(code(world.enroll(&mut Machine::new("anna")).await), Code::Enroll026);
    assert!(world.users().await.is_empty());
    world.user("anna", |_| ()).await;
    world.enroll(&mut Machine::new("anna")).await.unwrap();
}

#[tokio::test]
async fn a08_r08_a_known_serial_number_never_replaces_a_key() {
    let world = World::new().await;
    let mut first = Machine::new("anna").serial("SN-1234");
    world.enroll(&mut first).await.unwrap();
    let mut second = Machine::new("bert").serial("SN-1234");
    let outcome = world.enroll(&mut second).await.unwrap();
    assert_eq!((outcome.state, outcome.reason), (DeviceState::Pending, coded(Code::Enroll030)));
    assert_eq!(outcome.certificate, None);
    assert_ne!(second.id, first.id, "the id is the server's choice");
    assert_eq!(world.heartbeat(&first).await.unwrap().state, DeviceState::Registered);
    assert_eq!(world.heartbeat(&second).await.unwrap().reason, coded(Code::Enroll030));
    // Junk counts as absent, and so does what is on more than three keys.
    for n in 0..2 {
        let mut machine = Machine::new(&format!("c{n}")).serial("To be filled by O.E.M.");
        assert_eq!(world.enroll(&mut machine).await.unwrap().state, DeviceState::Registered);
    }
    for n in 0..2 {
        let mut machine = Machine::new(&format!("d{n}")).serial("SN-1234");
        assert_eq!(world.enroll(&mut machine).await.unwrap().state, DeviceState::Pending);
    }
    let mut fifth = Machine::new("e").serial("SN-1234");
    assert_eq!(world.enroll(&mut fifth).await.unwrap().state, DeviceState::Registered);
}

#[tokio::test]
async fn re_imaging_replaces_the_same_users_device_where_the_token_allows_it() {
    let world = World::new().await;
    world
        .change_token(|token| (token.on_known_serial, token.on_second_device) = (Leniency::Allow, Leniency::Allow))
        .await;
    let mut first = Machine::new("anna").serial("SN-1234");
    world.enroll(&mut first).await.unwrap();
    world.session(&first.id).await;
    let mut stranger = Machine::new("bert").serial("SN-1234");
    assert_eq!(world.enroll(&mut stranger).await.unwrap().state, DeviceState::Pending, "another user's machine");
    world.unenroll(&stranger).await.unwrap();
    let mut again = Machine::new("anna").serial("SN-1234");
    let outcome = world.enroll(&mut again).await.unwrap();
    assert_eq!((outcome.state, outcome.bindings[0].state), (DeviceState::Registered, BindingState::Active));
    let old = world.device(&first.id).await;
    assert_eq!((old.state, old.state_reason.as_deref()), (DeviceState::Removed, Some("replaced")));
    assert_eq!(world.device(&again.id).await.replaces, Some(first.id.clone()));
    assert!(world.session_ended(&first.id).await);
    assert_eq!(code(world.heartbeat(&first).await), Code::Device410);
}

#[tokio::test]
async fn a01_an_unproven_claim_never_takes_the_users_working_device_away() {
    let world = World::new().await;
    world.change_token(|token| token.on_known_serial = Leniency::Allow).await;
    let mut first = Machine::new("anna").serial("SN-1234");
    world.enroll(&mut first).await.unwrap();
    // Whoever has the token knows how to say "anna" and "SN-1234".
    let mut second = Machine::new("anna").serial("SN-1234");
    let outcome = world.enroll(&mut second).await.unwrap();
    assert_eq!((outcome.state, outcome.reason), (DeviceState::Pending, coded(Code::Enroll030)));
    assert_eq!((outcome.certificate, outcome.bindings[0].state), (None, BindingState::Pending));
    assert_eq!(world.heartbeat(&first).await.unwrap().state, DeviceState::Registered);
    // The machine is approved, the claim is not: the first goes on. With the claim its place is taken.
    approve(&world, &second.id).await;
    assert_eq!(world.heartbeat(&first).await.unwrap().state, DeviceState::Registered);
    let binding = world.bindings(&second.id).await.pop().unwrap();
    world.directory.approve_binding(&Intent::of(&admin()), &world.org, &binding.id).await.unwrap();
    assert_eq!(code(world.heartbeat(&first).await), Code::Device410);
    let old = world.device(&first.id).await;
    assert_eq!((old.state, old.state_reason.as_deref()), (DeviceState::Removed, Some("replaced")));
}

#[tokio::test]
async fn a_re_imaged_device_that_starts_pending_replaces_the_earlier_one_when_it_is_approved() {
    let world = World::new().await;
    world
        .change_token(|token| (token.on_known_serial, token.on_second_device) = (Leniency::Allow, Leniency::Allow))
        .await;
    let mut first = Machine::new("anna").serial("SN-1234");
    world.enroll(&mut first).await.unwrap();
    world.change_token(|token| token.initial_state = DeviceState::Pending).await;
    let mut second = Machine::new("anna").serial("SN-1234");
    let outcome = world.enroll(&mut second).await.unwrap();
    assert_eq!((outcome.state, outcome.reason), (DeviceState::Pending, coded(Code::Enroll030)));
    assert_eq!(
        world.device(&second.id).await.enrolled_reason,
        None,
        "nothing is wrong with it: no matter of the brake"
    );
    assert_eq!(world.heartbeat(&first).await.unwrap().state, DeviceState::Registered);
    approve(&world, &second.id).await;
    assert_eq!(code(world.heartbeat(&first).await), Code::Device410);
    assert_eq!(world.heartbeat(&second).await.unwrap().state, DeviceState::Registered);
}

#[tokio::test]
async fn a_re_imaged_device_replaces_the_earlier_one_when_a_code_proves_the_claim() {
    let world = World::new().await;
    world.change_token(|token| token.on_known_serial = Leniency::Allow).await;
    let mut first = Machine::new("anna").serial("SN-1234");
    world.enroll(&mut first).await.unwrap();
    let mut second = Machine::new("anna").serial("SN-1234");
    world.enroll(&mut second).await.unwrap();
    approve(&world, &second.id).await;
    assert_eq!(world.heartbeat(&first).await.unwrap().state, DeviceState::Registered);
    let anna = world.users().await.pop().unwrap();
    let code_ = world.code_for(&anna, None).await;
    world.bind(&second, &second.uk, "anna", &[code_]).await.unwrap();
    assert_eq!(code(world.heartbeat(&first).await), Code::Device410);
}

async fn approve(world: &World, device: &str) {
    let order = Order { action: DeviceAction::Approve, force: false };
    world.directory.change_device(&Intent::of(&admin()), &world.org, device, order).await.unwrap();
}

#[tokio::test]
async fn a_user_has_sixteen_registered_and_three_pending_devices() {
    let world = World::new().await;
    world.change_token(|token| token.on_second_device = Leniency::Allow).await;
    for _ in 0..16 {
        world.enroll(&mut Machine::new("anna")).await.unwrap();
    }
    assert_eq!(code(world.enroll(&mut Machine::new("anna")).await), Code::Enroll033);
    world.change_token(|token| token.initial_state = DeviceState::Pending).await;
    for _ in 0..3 {
        let outcome = world.enroll(&mut Machine::new("anna")).await.unwrap();
        assert_eq!((outcome.state, outcome.reason), (DeviceState::Pending, Some(Reason::Initial)));
    }
    assert_eq!(code(world.enroll(&mut Machine::new("anna")).await), Code::Enroll033);
    world.enroll(&mut Machine::new("bert")).await.unwrap();
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_keeps_nothing() {
    let world = World::new().await;
    let mut machine = Machine::new("anna");
    let outcome = world.enroll_with(&mut machine, |body| body.dry_run = true).await.unwrap();
    let would = outcome.would.unwrap();
    assert_eq!((outcome.device_id, outcome.state, outcome.certificate), (None, DeviceState::Registered, None));
    assert_eq!((would.login_name.as_deref(), would.level), (Some("anna@acme.example"), Some(Level::Asserted)));
    assert!(would.user_created);
    assert_eq!((would.uses, would.max_uses), (Some(0), Some(1000)));
    assert_eq!((world.devices().await.len(), world.users().await.len()), (0, 0));
    assert!(world.all::<records::ConsumedNonce>(Filter::all()).await.is_empty());
    world.change_token(|token| token.state = TokenState::Disabled).await;
    assert_eq!(code(world.enroll_with(&mut machine, |body| body.dry_run = true).await), Code::Enroll013);
}

#[tokio::test]
async fn what_is_said_to_be_in_hardware_is_a_claim() {
    let world = World::new().await;
    for said in [Protection::Attested, Protection::Claimed] {
        let mut machine = Machine::nobody();
        world.enroll_with(&mut machine, |body| body.protection = said).await.unwrap();
        assert_eq!(world.device(&machine.id).await.protection, Protection::Claimed);
    }
}

fn refusal(world: &World, code: Code) -> Remembered {
    Remembered {
        actor: admin(),
        action: "device.enroll",
        code: code.to_string(),
        subject: world.token.id().to_string(),
        address: None,
        detail: "x".into(),
        proven: true,
    }
}

#[tokio::test]
async fn the_brake_stops_a_roll_out_that_goes_wrong() {
    let world = World::new().await;
    world.change_token(|token| token.brake = Some(10)).await;
    for n in 0..20 {
        world.enroll(&mut Machine::new(&format!("u{n}"))).await.unwrap();
    }
    for n in 0..20 {
        assert_eq!(world.token_now().await.state, TokenState::Active, "{n}");
        world.directory.remember_enrollment_refusal(&world.org, refusal(&world, Code::Enroll025)).await;
    }
    let token = world.token_now().await;
    assert_eq!(token.state, TokenState::Disabled);
    assert!(token.state_reason.unwrap().starts_with("brake: 20 of 40"));
    assert_eq!(code(world.enroll(&mut Machine::new("late")).await), Code::Enroll013);
    let events = world.events("token.disable").await;
    assert_eq!((events.len(), events[0].actor_kind.as_str()), (1, "system"));
    // Whoever resumes it has seen what went wrong: that does not stop it again.
    world.clock.advance(Duration::from_secs(60));
    let operator = Intent::of(&Actor { kind: ActorKind::Operator, id: "uid:0".into(), address: None });
    world.directory.enable_token(&operator, &world.org, world.token.id().as_str()).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    world.directory.remember_enrollment_refusal(&world.org, refusal(&world, Code::Enroll025)).await;
    assert_eq!(world.token_now().await.state, TokenState::Active);
}

#[tokio::test]
async fn the_brake_counts_ten_minutes_and_no_token_that_has_ended() {
    let world = World::new().await;
    world.change_token(|token| token.brake = Some(10)).await;
    for _ in 0..19 {
        world.directory.remember_enrollment_refusal(&world.org, refusal(&world, Code::Enroll025)).await;
    }
    for _ in 0..50 {
        world.directory.remember_enrollment_refusal(&world.org, refusal(&world, Code::Enroll018)).await;
    }
    world.clock.advance(Duration::from_secs(601));
    world.directory.remember_enrollment_refusal(&world.org, refusal(&world, Code::Enroll025)).await;
    assert_eq!(world.token_now().await.state, TokenState::Active);
    // Devices that wait count as well.
    world.enroll(&mut Machine::new("anna")).await.unwrap();
    for _ in 0..16 {
        world.enroll(&mut Machine::new("anna")).await.unwrap();
    }
    for _ in 0..2 {
        world.directory.remember_enrollment_refusal(&world.org, refusal(&world, Code::Enroll025)).await;
    }
    assert_eq!(world.token_now().await.state, TokenState::Active);
    world.directory.remember_enrollment_refusal(&world.org, refusal(&world, Code::Enroll026)).await;
    assert_eq!(world.token_now().await.state, TokenState::Disabled);
}

#[tokio::test]
async fn a05_a_token_of_one_organization_is_nothing_at_another() {
    let world = World::new().await;
    let other = "other".parse().unwrap();
    world.organization(&other).await;
    let request = world.enrollment(&Machine::new("anna"), |_| ());
    assert_eq!(code(world.granted(world.directory.enroll(&other, request).await)), Code::Enroll010);
    let machine = world.enrolled("anna").await;
    let request = world.heartbeat_of(&machine);
    assert_eq!(code(world.granted(world.directory.heartbeat(&other, request).await)), Code::Device404);
    let found = world.directory.device_key(&other, &machine.id, machine.dk.public().thumbprint()).await.unwrap();
    assert!(found.is_none());
    let keys = world.directory.credential_keys(&other, Some(world.token.id().clone()), vec![]).await.unwrap();
    assert!(keys.token().is_none());
}

#[tokio::test]
async fn r05_a_revoked_token_stops_enrollment_at_once_and_its_devices_go_on() {
    let world = World::new().await;
    let mut machine = world.enrolled("anna").await;
    world.change_token(|token| token.state = TokenState::Revoked).await;
    assert_eq!(code(world.enroll(&mut Machine::new("bert")).await), Code::Enroll014);
    assert_eq!(world.heartbeat(&machine).await.unwrap().state, DeviceState::Registered);
    assert!(world.renew(&mut machine).await.unwrap().certificate.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r05_a_token_that_is_revoked_in_the_middle_of_a_storm_enrolls_nothing_more() {
    let world = std::sync::Arc::new(World::new().await);
    world.change_token(|token| (token.max_uses, token.uses_per_minute) = (1_000_000, 100_000)).await;
    let since = world.now();
    // Machines come without end, until one is refused.
    let storm: Vec<_> = (0..8)
        .map(|lane| {
            let world = world.clone();
            tokio::spawn(async move {
                let mut granted = Vec::new();
                for n in 0.. {
                    let request = world.enrollment(&Machine::new(&format!("user{lane}.{n}")), |_| ());
                    match world.granted(world.directory.enroll(&world.org, request).await) {
                        Ok(outcome) => granted.push(outcome.device_id.unwrap()),
                        Err(refused) => return (granted, refused.code),
                    }
                }
                unreachable!("n has no end")
            })
        })
        .collect();
    while world.devices().await.len() < 20 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let intent = latchkey_directory::Intent::of(&crate::world::admin());
    let id = world.token.id().as_str();
    let revoked = world.directory.revoke_token(&intent, &world.org, id, Some(since)).await.unwrap();
    let mut granted = Vec::new();
    for lane in storm {
        let (ids, code) = lane.await.unwrap();
        assert_eq!(code, Code::Enroll014);
        granted.extend(ids);
    }
    // Whatever was granted was granted before, and is on the list; nothing came after.
    let mut quarantined = revoked.quarantined_devices;
    granted.sort();
    quarantined.sort();
    assert!(granted.len() >= 20);
    assert_eq!(quarantined, granted);
    let devices = world.devices().await;
    assert_eq!(devices.len(), granted.len());
    assert!(devices.iter().all(|device| device.state == DeviceState::Quarantined));
}

#[tokio::test]
async fn a_proof_of_a_silent_sign_in_is_checked_against_the_state_of_now() {
    let world = World::new().await;
    let machine = world.enrolled("anna").await;
    let binding: Binding = world.bindings(&machine.id).await.pop().unwrap();
    let check = async |uk: latchkey_wire::Thumbprint, n: u64, tag: Bytes<32>| -> Result<(), Code> {
        let (org, device, binding) = (world.org.clone(), machine.id.clone(), binding.id.clone());
        let decided = world.directory.decide(move |tx| {
            let claim =
                proof::Claim { device_id: &device, binding_id: &binding, uk: &uk, n, tag: &tag, nonce: "nonce" };
            proof::check(tx, &org, &claim).map(drop)
        });
        decided.await.unwrap().map(drop).map_err(|refused: Refused| refused.code)
    };
    let (uk, tag) = (machine.uk.public().thumbprint(), world.tag(&machine));
    assert_eq!(check(uk, 0, tag).await, Ok(()));
    assert_eq!(check(P256Key::generate().public().thumbprint(), 0, tag).await, Err(Code::Device404));
    assert_eq!(check(uk, 1, tag).await, Err(Code::Proof021));
    assert_eq!(check(uk, 0, Bytes([0; 32])).await, Err(Code::Proof021));
    world.change_policy(|policy| policy.enabled = false).await;
    assert_eq!(check(uk, 0, tag).await, Err(Code::Proof020));
    world.change_policy(|policy| policy.enabled = true).await;
    let user: User = world.users().await.pop().unwrap();
    world.put(User { status: UserStatus::Disabled, ..user.clone() }).await;
    assert_eq!(check(uk, 0, tag).await, Err(Code::Proof020));
    world.put(User { protected: true, ..user.clone() }).await;
    assert!(check(uk, 0, tag).await.is_err(), "a protected user at level 0");
    world.put(user).await;
    world.put(Binding { state: BindingState::Pending, ..binding.clone() }).await;
    assert_eq!(check(uk, 0, tag).await, Err(Code::Proof022));
    world.put(binding.clone()).await;
    for state in [DeviceState::Pending, DeviceState::Suspended, DeviceState::Quarantined] {
        world.change_device(&machine.id, |device| device.state = state).await;
        assert_eq!(check(uk, 0, tag).await, Err(Code::Proof022), "{state}");
    }
    world.change_device(&machine.id, |device| device.state = DeviceState::RemovalPending).await;
    assert_eq!(check(uk, 0, tag).await, Err(Code::Device410));
    assert_eq!(world.device(&machine.id).await.state, DeviceState::Removed, "removal takes effect at the next contact");
}

#[tokio::test]
async fn r25_what_is_missing_refuses() {
    let world = World::new().await;
    let machine = world.enrolled("anna").await;
    let org = world.org.clone();
    let forget = |domain: bool| {
        let org = org.clone();
        world.directory.write::<_, latchkey_directory::store::StoreError>(move |tx| {
            let mut ours = latchkey_directory::Org::of(tx, &org);
            if domain {
                ours.delete::<records::Domain>(Filter::all())
            } else {
                ours.delete::<records::DeviceTokenPolicy>(Filter::all())
            }
        })
    };
    assert_eq!(forget(true).await.unwrap(), 1);
    assert_eq!(code(world.enroll(&mut Machine::new("bert")).await), Code::Enroll021);
    assert_eq!(code(world.renew_to(&machine, &EpochSecret::generate(), None).await), Code::Renew020);
    assert_eq!(forget(false).await.unwrap(), 1);
    assert_eq!(code(world.enroll(&mut Machine::new("bert")).await), Code::Enroll020);
    assert_eq!(code(world.renew_to(&machine, &EpochSecret::generate(), None).await), Code::Renew020);
    let nobody = "nobody".parse().unwrap();
    let request = world.enrollment(&Machine::new("bert"), |_| ());
    assert!(world.directory.enroll(&nobody, request).await.unwrap().is_err());
    assert_eq!(world.devices().await.len(), 1);
}
