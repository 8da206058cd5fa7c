//! Clean-up: unused devices retire, claims that nobody approved go.
//!
//! Owns how long each may stay and that a clean-up never touches many devices at once. Must not know when it is called.
//!
//! Sign-ins wait for the writer, so it is not kept: what is due is looked for in a read, by an index, and the writer looks again at those alone.

use std::time::Duration;

use latchkey_wire::DeviceState;

use super::clean_rule::CleanupRule;
use super::group::DeviceGroupMember;
use super::state::{self, reason};
use crate::audit::{Actor, NewEvent};
use crate::id::OrgId;
use crate::page::PageRequest;
use crate::query::{Direction, Filter};
use crate::records::{Device, Organization};
use crate::scope::{Org, across};
use crate::store::{StoreError, Tx, WriteTx};
use crate::table::record;
use crate::time::Timestamp;
use crate::values::CleanupAction;
use crate::{Directory, Error, Result};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY_HOURS: i64 = 24;

/// A device waits so long for an approval.
const PENDING: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// This share of an organization's devices, in percent, is touched within a day, and one device at least.
const SHARE: u64 = 5;

/// So many are touched in one transaction.
const AT_ONCE: u64 = 64;

record! {
    /// How many devices were touched within an hour.
    pub struct CleanedUp in "cleaned_up" key ["org", "hour"] {
        /// The hour, counted from 1970-01-01.
        pub hour: i64,
        /// How many.
        pub count: u64,
    }
}

/// So many devices that a rule finds are looked at in a round.
const LOOKED_AT: u64 = 1_000;

impl Directory {
    /// One round over all organizations. Answers how many devices it touched. One organization's failure is in nobody else's way: the first
    /// is answered at the end.
    pub async fn clean_up_devices(&self) -> Result<u64> {
        let organizations = self.read::<_, StoreError>(|tx| across::<Organization, _>(tx, Filter::all())).await?;
        let mut outcome = Ok(0);
        for organization in organizations {
            let org = organization.org.clone();
            match self.clean_up(organization).await {
                Ok(touched) => outcome = outcome.map(|sum| sum + touched),
                Err(error) => {
                    tracing::warn!(%org, %error, "unused devices were not looked for");
                    outcome = outcome.and(Err(error));
                }
            }
        }
        outcome
    }

    async fn clean_up(&self, settings: Organization) -> Result<u64> {
        let looking = settings.clone();
        let due = self.read::<_, Error>(move |tx| due(tx, &looking)).await?;
        if due.is_empty() {
            return Ok(0);
        }
        Ok(self.write::<_, StoreError>(move |tx| clean_up(tx, &settings, &due)).await?)
    }
}

/// What becomes of a device that served its time.
#[derive(Debug, Clone)]
enum Due {
    /// It was unused for as long as the organization's setting allows.
    Retire,
    /// Nobody approved it.
    Forget,
    /// A rule of the organization.
    Rule(CleanupRule),
}

/// The devices that are due and may be touched now, each with what becomes of it. The settings come before the organization's own rules, and those
/// in the order in which they were made.
fn due<T: Tx + ?Sized>(tx: &mut T, settings: &Organization) -> Result<Vec<(String, Due)>> {
    let (org, now) = (&settings.org, tx.now());
    let unused = now.minus(Duration::from_secs(settings.retire_after_s));
    let retire = Device::state
        .eq(&DeviceState::Registered)
        .and(Device::seen_day.below(&(unused.day() + 1)))
        .and(Device::last_seen_at.below(&unused).by_row());
    let asleep = Device::state_reason.is(&reason::ASLEEP.to_owned());
    let others = Device::state_reason.is_null().or(asleep.negate());
    let old = Device::state_at.below(&now.minus(PENDING)).and(others);
    let forget = Device::state.eq(&DeviceState::Pending).and(old.by_row());
    let oldest = vec![(Device::seen_day.name, Direction::Ascending), ("id", Direction::Ascending)];
    let mut all: Vec<(String, Due)> = Vec::new();
    for filter in [retire, forget] {
        let devices = Org::of(tx, org).select::<Device>(filter, oldest.clone(), Some(AT_ONCE))?;
        all.extend(devices.iter().filter_map(|device| Some((device.id.clone(), is_due(device, settings, now)?))));
    }
    let mut rules: Vec<CleanupRule> = Org::of(tx, org).find(CleanupRule::enabled.eq(&true))?;
    rules.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    for rule in rules {
        let some = PageRequest { limit: LOOKED_AT, ..PageRequest::default() };
        let mut devices = rule.filter(now).page(&mut Org::of(tx, org), &some)?.items;
        devices.retain(|device| rule.is_about(device, now));
        all.extend(devices.into_iter().map(|device| (device.id, Due::Rule(rule.clone()))));
    }
    if all.is_empty() {
        return Ok(all);
    }
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|(id, _)| seen.insert(id.clone()));
    let room = room(tx, org, now)?;
    all.truncate(usize::try_from(room).unwrap_or(0));
    Ok(all)
}

fn is_due(device: &Device, settings: &Organization, now: Timestamp) -> Option<Due> {
    match device.state {
        DeviceState::Registered => {
            let unused = now.minus(Duration::from_secs(settings.retire_after_s));
            (device.last_seen_at < unused).then_some(Due::Retire)
        }
        // One that slept waits as long as it likes: approval is all it needs.
        DeviceState::Pending => {
            let asleep = device.state_reason.as_deref() == Some(reason::ASLEEP);
            (!asleep && device.state_at < now.minus(PENDING)).then_some(Due::Forget)
        }
        _ => None,
    }
}

fn clean_up(tx: &mut dyn WriteTx, settings: &Organization, due: &[(String, Due)]) -> Result<u64, StoreError> {
    let (org, now) = (&settings.org, tx.now());
    let mut touched = 0;
    for (id, due) in due {
        let Some(mut device) = Org::of(tx, org).get::<Device>(id)? else { continue };
        // It may have come back since it was looked for.
        let still = match due {
            Due::Rule(rule) => still_rules(tx, rule, &device)?.then(|| due.clone()),
            Due::Retire | Due::Forget => is_due(&device, settings, now),
        };
        match still {
            Some(Due::Retire) => {
                let event = NewEvent::new(&Actor::system(), "device.retire", device.id.clone());
                let event = event.with("last_seen_at", device.last_seen_at);
                stop(tx, &mut device, (DeviceState::Retired, "device retired"), event)?;
            }
            Some(Due::Forget) => {
                state::remove(tx, &mut device, reason::NOT_APPROVED, &Actor::system())?;
            }
            Some(Due::Rule(rule)) => obey(tx, &mut device, &rule)?,
            None => continue,
        }
        touched += 1;
    }
    note(tx, org, hour(now), touched)?;
    Ok(touched)
}

/// Whether the rule is as it was when it was looked at, and still about this device.
fn still_rules(tx: &mut dyn WriteTx, rule: &CleanupRule, device: &Device) -> Result<bool, StoreError> {
    let now = tx.now();
    let mut ours = Org::of(tx, &device.org);
    if ours.get::<CleanupRule>(&rule.id)?.as_ref() != Some(rule) || !rule.is_about(device, now) {
        return Ok(false);
    }
    let Some(group) = &rule.group_id else { return Ok(true) };
    ours.any::<DeviceGroupMember>(
        DeviceGroupMember::group_id.eq(group).and(DeviceGroupMember::device_id.eq(&device.id)),
    )
}

/// Takes an unused device out of use, with its sessions.
fn stop(
    tx: &mut dyn WriteTx,
    device: &mut Device,
    (state, why): (DeviceState, &str),
    event: NewEvent,
) -> Result<(), StoreError> {
    state::set(tx, device, state, Some(reason::UNUSED))?;
    state::device_sessions(tx, device, why)?;
    state::audit(tx, device, event);
    Ok(())
}

/// Does what a rule says.
fn obey(tx: &mut dyn WriteTx, device: &mut Device, rule: &CleanupRule) -> Result<(), StoreError> {
    let system = Actor::system();
    let event = |action, device: &Device| {
        let event = NewEvent::new(&system, action, device.id.clone()).with("rule", &rule.id);
        event.with("from", device.state.as_str()).with("last_seen_at", device.last_seen_at)
    };
    match rule.action {
        CleanupAction::Retire => {
            let event = event("device.retire", device);
            stop(tx, device, (DeviceState::Retired, "device retired"), event)?;
        }
        CleanupAction::Suspend => {
            let event = event("device.suspend", device);
            stop(tx, device, (DeviceState::Suspended, "device suspended"), event)?;
        }
        CleanupAction::Remove => {
            let event = event("device.remove", device);
            state::remove_as(tx, device, reason::UNUSED, event)?;
        }
    }
    Ok(())
}

fn hour(now: Timestamp) -> i64 {
    now.millis().div_euclid(i64::try_from(HOUR.as_millis()).unwrap_or(i64::MAX))
}

fn note(tx: &mut dyn WriteTx, org: &OrgId, hour: i64, touched: u64) -> Result<(), StoreError> {
    let mut ours = Org::of(tx, org);
    ours.delete::<CleanedUp>(CleanedUp::hour.below(&(hour - DAY_HOURS)))?;
    let row = CleanedUp { org: org.clone(), hour, count: touched };
    if ours.insert(&row)?.is_err() {
        ours.increase::<CleanedUp>(CleanedUp::hour.eq(&hour), CleanedUp::count, i64::try_from(touched).unwrap_or(0))?;
    }
    Ok(())
}

/// How many devices may still be touched today.
fn room<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, now: Timestamp) -> Result<u64, StoreError> {
    let there: Vec<DeviceState> = DeviceState::ALL.iter().copied().filter(|s| *s != DeviceState::Removed).collect();
    let mut ours = Org::of(tx, org);
    let all = ours.count::<Device>(Device::state.one_of(&there))?;
    let today: Vec<CleanedUp> = ours.find(CleanedUp::hour.at_least(&(hour(now) - DAY_HOURS + 1)))?;
    let today: u64 = today.iter().map(|row| row.count).sum();
    Ok((all * SHARE / 100).max(1).saturating_sub(today).min(AT_ONCE))
}
