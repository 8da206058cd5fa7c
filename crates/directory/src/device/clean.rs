//! Clean-up: unused devices retire, claims that nobody approved go.
//!
//! Owns how long each may stay and that a clean-up never touches many devices at once. Must not know when it is called.

use std::time::Duration;

use latchkey_wire::DeviceState;

use super::state::{self, reason};
use crate::Directory;
use crate::audit::{Actor, NewEvent};
use crate::id::OrgId;
use crate::query::{Direction, Filter};
use crate::records::{Device, Organization};
use crate::scope::{Org, across};
use crate::store::{StoreError, WriteTx};
use crate::time::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A device waits so long for an approval.
const PENDING: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// This share of an organization's devices, in percent, is touched within a day, and one device at least.
const SHARE: u64 = 5;

/// So many are touched in one transaction.
const AT_ONCE: u64 = 64;

impl Directory {
    /// One round over all organizations. Answers how many devices it touched. One organization's failure is in nobody else's way: the first
    /// is answered at the end.
    pub async fn clean_up_devices(&self) -> Result<u64, StoreError> {
        let organizations = self.read::<_, StoreError>(|tx| across::<Organization, _>(tx, Filter::all())).await?;
        let mut outcome = Ok(0);
        for organization in organizations {
            let org = organization.org.clone();
            match self.write::<_, StoreError>(move |tx| clean_up(tx, &organization)).await {
                Ok(touched) => outcome = outcome.map(|sum| sum + touched),
                Err(error) => {
                    tracing::warn!(%org, %error, "unused devices were not looked for");
                    outcome = outcome.and(Err(error));
                }
            }
        }
        outcome
    }
}

fn clean_up(tx: &mut dyn WriteTx, settings: &Organization) -> Result<u64, StoreError> {
    let (org, now) = (&settings.org, tx.now());
    let unused = now.minus(Duration::from_secs(settings.retire_after_s));
    let retire = Device::state.eq(&DeviceState::Registered).and(Device::last_seen_at.below(&unused));
    let room = room(tx, org, now)?;
    let unused = oldest(tx, org, retire, room)?;
    let mut touched = 0;
    for mut device in unused {
        state::set(tx, &mut device, DeviceState::Retired, Some(reason::UNUSED))?;
        state::device_sessions(tx, &device, "device retired")?;
        let event = NewEvent::new(&Actor::system(), "device.retire", device.id.clone());
        state::audit(tx, &device, event.with("last_seen_at", device.last_seen_at));
        touched += 1;
    }
    // One that slept waits as long as it likes: approval is all it needs.
    let asleep = Device::state_reason.is(&reason::ASLEEP.to_owned());
    let forgotten = Device::state
        .eq(&DeviceState::Pending)
        .and(Device::state_at.below(&now.minus(PENDING)))
        .and(Device::state_reason.is_null().or(asleep.negate()));
    for mut device in oldest(tx, org, forgotten, room - touched)? {
        state::remove(tx, &mut device, reason::NOT_APPROVED, &Actor::system())?;
        touched += 1;
    }
    Ok(touched)
}

/// How many devices may still be touched today.
fn room(tx: &mut dyn WriteTx, org: &OrgId, now: Timestamp) -> Result<u64, StoreError> {
    let mut ours = Org::of(tx, org);
    let all = ours.count::<Device>(Device::state.eq(&DeviceState::Removed).negate())?;
    let by_us = [reason::UNUSED.to_owned(), reason::NOT_APPROVED.to_owned()].map(Some);
    let today = Device::state_at.at_least(&now.minus(DAY)).and(Device::state_reason.one_of(&by_us));
    let today = ours.count::<Device>(today)?;
    Ok((all * SHARE / 100).max(1).saturating_sub(today).min(AT_ONCE))
}

fn oldest(tx: &mut dyn WriteTx, org: &OrgId, filter: Filter, limit: u64) -> Result<Vec<Device>, StoreError> {
    Org::of(tx, org).select(filter, vec![(Device::last_seen_at.name, Direction::Ascending)], Some(limit))
}
