//! What the server does by itself, on a cloud with people and devices.

use std::time::Duration;

use latchkey_directory::audit::{Actor, Checkpoint};
use latchkey_directory::clock::ClockWatch;
use latchkey_directory::query::Filter;
use latchkey_directory::records::Device;
use latchkey_directory::store::StoreError;
use latchkey_directory::value::Value;
use latchkey_directory::{Intent, Org, OrgId};
use latchkey_wire::{DeviceState, Level};

use super::world::World;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn no_device_retires_under_a_clock_that_jumped() {
    let world = World::new().await;
    world.person("anna", Level::Asserted).await;
    let state = async || world.all::<Device>().await.pop().unwrap().state;
    let mut watch = ClockWatch::default();
    world.app.tidy(&mut watch).await.unwrap();
    world.clock.set(world.now().plus(365 * DAY));
    world.app.tidy(&mut watch).await.unwrap();
    assert_eq!(state().await, DeviceState::Registered);
    // The next process does not know how the last one came to its time.
    world.app.tidy(&mut ClockWatch::default()).await.unwrap();
    assert_eq!(state().await, DeviceState::Registered);
    // Nobody put the clock right within a day: it is the time, then.
    world.clock.advance(DAY);
    world.app.tidy(&mut watch).await.unwrap();
    assert_eq!(state().await, DeviceState::Retired);
}

#[tokio::test]
async fn an_organization_whose_checkpoint_fails_is_in_nobodys_way() {
    let world = World::new().await;
    world.app.checkpoint_all().await.unwrap();
    world.set::<Checkpoint>(Filter::all(), vec![("signature", Value::Bytes(vec![1]))]).await;
    let cloud = async || {
        let read = |tx: &mut dyn latchkey_directory::store::Tx| {
            Org::of(tx, &OrgId::cloud()).count::<Checkpoint>(Filter::all())
        };
        world.app.directory.read::<_, StoreError>(read).await.unwrap()
    };
    let before = cloud().await;
    let (actor, intent) = (Actor::system(), Intent::of(&Actor::system()));
    world.app.directory.note_accepted_clock(&actor, "x".to_owned()).await.unwrap();
    world.app.create_organization(&intent, "second".into(), "Second".into()).await.unwrap();
    world.app.checkpoint_all().await.unwrap_err();
    assert_eq!(cloud().await, before + 1);
}

#[tokio::test]
async fn an_organization_whose_devices_cannot_be_read_is_in_nobodys_way() {
    let world = World::new().await;
    world.person("anna", Level::Asserted).await;
    let device: Device = world.all().await.pop().unwrap();
    let intent = Intent::of(&Actor::system());
    let second = world.app.create_organization(&intent, "second".into(), "Second".into()).await.unwrap().id;
    let copy = Device { org: second.clone(), ..device };
    let org = second.clone();
    let add = move |tx: &mut dyn latchkey_directory::store::WriteTx| Org::of(tx, &org).add(&copy);
    world.app.directory.write::<_, StoreError>(add).await.unwrap();
    world.clock.advance(100 * DAY);
    // Whichever is looked at first is the one that is broken.
    let (first, other) = if world.org < second { (world.org.clone(), second) } else { (second, world.org.clone()) };
    world.set_of::<Device>(first.clone(), Filter::all(), vec![("platform", Value::Text("a toaster".to_owned()))]).await;
    world.app.directory.clean_up_devices().await.unwrap_err();
    let retired = Device::state.eq(&DeviceState::Retired);
    let read = move |tx: &mut dyn latchkey_directory::store::Tx| Org::of(tx, &other).count::<Device>(retired);
    assert_eq!(world.app.directory.read::<_, StoreError>(read).await.unwrap(), 1);
}
