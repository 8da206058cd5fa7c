//! What the server does by itself, on a cloud with people and devices.

use std::time::Duration;

use latchkey_directory::clock::ClockWatch;
use latchkey_directory::records::Device;
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
