//! Groups of devices, and the rules by which silent ones are cleaned up.

use latchkey_directory::device::admin::Order;
use latchkey_directory::device::clean_rule::NewCleanupRule;
use latchkey_directory::device::group::NewDeviceGroup;
use latchkey_directory::device::view::DeviceFilter;
use latchkey_directory::page::PageRequest;
use latchkey_directory::values::{CleanupAction, DeviceAction};
use latchkey_directory::{Error, Intent};
use latchkey_wire::{BindingState, DeviceState, P256Key, Platform};

use crate::world::{DAY, World, admin};

fn intent() -> Intent {
    Intent::of(&admin())
}

fn named(name: &str) -> NewDeviceGroup {
    NewDeviceGroup { name: Some(name.into()), ..NewDeviceGroup::default() }
}

fn rule(action: CleanupAction, days: u64) -> NewCleanupRule {
    NewCleanupRule { action: Some(action), silent_days: Some(days), ..NewCleanupRule::default() }
}

#[tokio::test]
async fn devices_are_put_into_groups_one_by_one_or_by_a_filter_and_found_by_them() {
    let world = World::new().await;
    let (directory, org) = (&world.directory, &world.org);
    let (anna, bert) = (world.enrolled("anna").await, world.enrolled("bert").await);
    let made = directory.create_device_group(&intent(), org, named(" Kiosks ")).await.unwrap();
    assert_eq!((made.name.as_str(), made.users_per_device, made.devices), ("Kiosks", 1, 0));
    let taken = directory.create_device_group(&intent(), org, named("Kiosks")).await;
    assert!(matches!(taken, Err(Error::Exists { .. })));
    directory.join_device_group(&intent(), org, "Kiosks", &anna.id).await.unwrap();
    let again = directory.join_device_group(&intent(), org, &made.id, &anna.id).await.unwrap();
    assert_eq!(again.devices, 1);
    assert_eq!(world.events("device-group.join").await.len(), 1, "a repeated one changes nothing");
    assert!(directory.join_device_group(&intent(), org, "Kiosks", "nothing").await.is_err());
    let found = directory.device_group_members(org, "Kiosks", PageRequest::default()).await.unwrap().items;
    assert_eq!(found.iter().map(|device| &device.id).collect::<Vec<_>>(), [&anna.id]);
    let nobodys = DeviceFilter { group: vec!["Kiosks".into()], user: vec!["bert".into()], ..DeviceFilter::default() };
    assert!(directory.devices(org, nobodys, PageRequest::default()).await.unwrap().items.is_empty());
    let all = DeviceFilter { state: vec![DeviceState::Registered], ..DeviceFilter::default() };
    let dry = Intent { dry_run: true, ..intent() };
    assert_eq!(directory.join_device_group_all(&dry, org, "Kiosks", all.clone()).await.unwrap().1, 1);
    assert_eq!(directory.device_group(org, "Kiosks").await.unwrap().devices, 1, "a try puts nobody in");
    assert_eq!(directory.join_device_group_all(&intent(), org, "Kiosks", all).await.unwrap().1, 1);
    let everything = directory.join_device_group_all(&intent(), org, "Kiosks", DeviceFilter::default()).await;
    assert!(matches!(everything, Err(Error::Invalid(_))), "an empty filter is every device");
    directory.leave_device_group(&intent(), org, "Kiosks", &bert.id).await.unwrap();
    assert!(directory.groups_of_device(org, &bert.id).await.unwrap().is_empty());
    let force = Order { action: DeviceAction::Remove, force: true };
    directory.change_device(&intent(), org, &anna.id, force).await.unwrap();
    assert_eq!(directory.device_group(org, "Kiosks").await.unwrap().devices, 0, "what is removed is in no group");
    directory.delete_device_group(&intent(), org, "Kiosks").await.unwrap();
    assert!(matches!(directory.device_group(org, "Kiosks").await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_group_says_how_many_people_share_a_machine_by_their_word_alone() {
    let world = World::new().await;
    let (directory, org) = (&world.directory, &world.org);
    let machine = world.enrolled("anna").await;
    for wrong in [0, 51] {
        let new = NewDeviceGroup { users_per_device: Some(wrong), ..named("Shared") };
        assert!(matches!(directory.create_device_group(&intent(), org, new).await, Err(Error::Invalid(_))));
    }
    let new = NewDeviceGroup { users_per_device: Some(2), ..named("Shared") };
    directory.create_device_group(&intent(), org, new).await.unwrap();
    directory.join_device_group(&intent(), org, "Shared", &machine.id).await.unwrap();
    for (who, state) in [("bert", BindingState::Active), ("carl", BindingState::Pending)] {
        let outcome = world.bind(&machine, &P256Key::generate(), who, &[]).await.unwrap();
        let theirs = outcome.bindings.iter().find(|binding| binding.login_name.starts_with(who)).unwrap();
        assert_eq!(theirs.state, state, "{who}");
    }
}

#[tokio::test]
async fn a_rule_touches_what_it_is_about_a_few_a_day_and_only_while_it_is_on() {
    let world = World::new().await;
    let (directory, org) = (&world.directory, &world.org);
    let (anna, bert) = (world.enrolled("anna").await, world.enrolled("bert").await);
    directory.create_device_group(&intent(), org, named("Kiosks")).await.unwrap();
    directory.join_device_group(&intent(), org, "Kiosks", &anna.id).await.unwrap();
    for days in [29, 181] {
        let wrong = directory.create_cleanup_rule(&intent(), org, rule(CleanupAction::Suspend, days)).await;
        assert!(matches!(wrong, Err(Error::Invalid(_))), "{days}");
    }
    let new = NewCleanupRule {
        device_group: Some("Kiosks".into()),
        enabled: Some(false),
        ..rule(CleanupAction::Suspend, 30)
    };
    let made = directory.create_cleanup_rule(&intent(), org, new).await.unwrap();
    world.clock.advance(31 * DAY);
    assert_eq!(directory.clean_up_devices().await.unwrap(), 0, "it is off");
    let look = directory.preview_cleanup_rule(org, Some(&made.id), NewCleanupRule::default(), 10).await.unwrap();
    assert_eq!((look.devices, look.sample[0].id.as_str()), (1, anna.id.as_str()));
    let on = NewCleanupRule { enabled: Some(true), ..NewCleanupRule::default() };
    directory.change_cleanup_rule(&intent(), org, &made.id, on).await.unwrap();
    assert_eq!(directory.clean_up_devices().await.unwrap(), 1);
    assert_eq!(world.device(&anna.id).await.state, DeviceState::Suspended);
    assert_eq!(world.device(&bert.id).await.state, DeviceState::Registered, "in no group");
    // What an administrator lets go on is not stopped again at once.
    let resume = Order { action: DeviceAction::Resume, force: false };
    directory.change_device(&intent(), org, &anna.id, resume).await.unwrap();
    world.clock.advance(2 * DAY);
    assert_eq!(directory.clean_up_devices().await.unwrap(), 0);
    assert!(matches!(directory.delete_device_group(&intent(), org, "Kiosks").await, Err(Error::State { .. })));
    directory.delete_cleanup_rule(&intent(), org, &made.id).await.unwrap();
    directory.delete_device_group(&intent(), org, "Kiosks").await.unwrap();
}

#[tokio::test]
async fn a_rule_that_removes_takes_a_twentieth_of_the_devices_a_day_and_retired_ones_too() {
    let world = World::new().await;
    let (directory, org) = (&world.directory, &world.org);
    for n in 0..45 {
        world.enrolled(&format!("u{n}")).await;
    }
    let new = NewCleanupRule { platforms: Some(vec![Platform::Linux]), ..rule(CleanupAction::Remove, 120) };
    directory.create_cleanup_rule(&intent(), org, new).await.unwrap();
    world.clock.advance(89 * DAY);
    assert_eq!(directory.clean_up_devices().await.unwrap(), 0);
    world.clock.advance(40 * DAY);
    // The setting comes first, and both share what may be touched in a day.
    assert_eq!(directory.clean_up_devices().await.unwrap(), 2);
    let retired = world.devices().await.into_iter().filter(|device| device.state == DeviceState::Retired).count();
    assert_eq!(retired, 2);
    world.change_settings(|settings| settings.retire_after_s = 3_650 * 86_400).await;
    world.clock.advance(DAY + std::time::Duration::from_secs(3_600));
    assert_eq!(directory.clean_up_devices().await.unwrap(), 2);
    let removed = world.devices().await.into_iter().filter(|device| device.state == DeviceState::Removed).count();
    assert_eq!(removed, 2);
}
