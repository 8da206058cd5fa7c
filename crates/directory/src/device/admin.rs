//! What administrators do about devices: list, approve, suspend, resume, quarantine, release, remove; one or many.
//!
//! Owns which state allows which action (lifecycle.md, Device states). Must not know who the administrator is: the caller made sure of
//! the right.

use std::time::Duration;

use latchkey_wire::DeviceState;

use super::replace;
use super::state::{self, reason};
use super::view::{self, DeviceFilter, DeviceView};
use crate::audit::{Actor, NewEvent};
use crate::id::OrgId;
use crate::intent::Intent;
use crate::page::{Page, PageRequest};
use crate::records::Device;
use crate::scope::Org;
use crate::store::WriteTx;
use crate::values::DeviceAction;
use crate::{Directory, Error, Result};

/// So long a release from quarantine waits for a new key.
const RELEASE: Duration = Duration::from_secs(24 * 60 * 60);

/// So many devices are changed in one transaction, so that nobody else waits for long.
const AT_ONCE: usize = 128;

/// So many of those that were changed are shown.
const SAMPLE: usize = 20;

/// What became of many devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bulk {
    /// How many were changed, or would be.
    pub devices: u64,
    /// How many the filter found whose state does not allow the action.
    pub skipped: u64,
    /// How many sessions ended.
    pub sessions: u64,
    /// Some of the changed ones.
    pub sample: Vec<DeviceView>,
}

/// What is done to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// What.
    pub action: DeviceAction,
    /// A removal takes effect at once, without waiting for the device's next contact.
    pub force: bool,
}

/// Does one thing to one device. Answers how many sessions ended.
pub fn act(tx: &mut dyn WriteTx, actor: &Actor, device: &mut Device, order: Order) -> Result<u64> {
    use DeviceAction as Do;
    use DeviceState as Is;
    let event = |action| NewEvent::new(actor, action, device.id.clone()).with("from", device.state.as_str());
    match (order.action, device.state) {
        (Do::Approve, Is::Pending) => {
            let event = event("device.approve").with("reason", &device.state_reason);
            state::set(tx, device, Is::Registered, None)?;
            state::audit(tx, device, event);
            return Ok(replace::earlier(tx, device, actor)?);
        }
        (Do::Suspend, Is::Registered) => {
            let event = event("device.suspend");
            state::set(tx, device, Is::Suspended, Some(reason::ADMINISTRATOR))?;
            state::audit(tx, device, event);
            return Ok(state::device_sessions(tx, device, "device suspended")?);
        }
        (Do::Resume, Is::Suspended) => {
            let event = event("device.resume");
            state::set(tx, device, Is::Registered, None)?;
            state::audit(tx, device, event);
        }
        (Do::Quarantine, Is::Registered) => {
            let event = event("device.quarantine");
            return Ok(state::quarantine(tx, device, reason::ADMINISTRATOR, event)?);
        }
        (Do::Release, Is::Quarantined) => {
            let event = event("device.release");
            device.released_until = Some(tx.now().plus(RELEASE));
            Org::of(tx, &device.org).replace(device)?;
            state::audit(tx, device, event);
        }
        (Do::Remove, Is::Removed) => return Err(forbidden(device, order.action)),
        (Do::Remove, _) if order.force => {
            return Ok(state::remove(tx, device, reason::ADMINISTRATOR, actor)?);
        }
        (Do::Remove, Is::RemovalPending) => return Err(forbidden(device, order.action)),
        (Do::Remove, _) => {
            let event = event("device.remove").with("at_next_contact", true);
            state::set(tx, device, Is::RemovalPending, Some(reason::ADMINISTRATOR))?;
            state::audit(tx, device, event);
        }
        _ => return Err(forbidden(device, order.action)),
    }
    Ok(0)
}

/// The state forbids it: what the state is, and what helps.
fn forbidden(device: &Device, action: DeviceAction) -> Error {
    let id = &device.id;
    let fix = match (action, device.state) {
        (_, DeviceState::Removed) => "nothing comes back from a removal; the machine may enroll anew".to_owned(),
        (DeviceAction::Remove, DeviceState::RemovalPending) => {
            format!("it is removed at its next contact; at once: latchkey device remove {id} --force")
        }
        (_, DeviceState::RemovalPending) => format!("finish the removal: latchkey device remove {id} --force"),
        (_, DeviceState::Pending) => format!("approve it first: latchkey device approve {id}"),
        (_, DeviceState::Suspended) => format!("resume it first: latchkey device resume {id}"),
        (_, DeviceState::Quarantined) => {
            format!("let it enroll anew: latchkey device release {id}, then latchkey-connector enroll on the machine")
        }
        (_, DeviceState::Registered) => "nothing to do: the device may act".to_owned(),
        (_, DeviceState::Unregistered | DeviceState::Retired) => {
            "the device has to come back by itself: a retired one at its next contact, one that left by enrolling anew"
                .to_owned()
        }
    };
    Error::state(format!("the device is {}, which does not allow to {action} it", device.state), fix)
}

fn wanted(tx: &mut dyn WriteTx, org: &OrgId, id: &str) -> Result<Device> {
    Org::of(tx, org).get::<Device>(id)?.ok_or_else(|| Error::not_found("device", id))
}

fn view_of(tx: &mut dyn WriteTx, device: Device) -> Result<DeviceView> {
    let org = device.org.clone();
    let views = view::devices(&mut Org::of(tx, &org), vec![device])?;
    views.into_iter().next().ok_or_else(|| Error::Internal("one device has one view".to_owned()))
}

impl Directory {
    /// A page of devices, newest first; those not heard of since a time, longest silent first; those that text finds, in the order of that
    /// text.
    pub async fn devices(&self, org: &OrgId, filter: DeviceFilter, request: PageRequest) -> Result<Page<DeviceView>> {
        let org = org.clone();
        self.read(move |tx| {
            let mut ours = Org::of(tx, &org);
            let page = filter.page(&mut ours, &request)?;
            Ok(Page { items: view::devices(&mut ours, page.items)?, next: page.next, count: page.count })
        })
        .await
    }

    /// One device.
    pub async fn device(&self, org: &OrgId, id: &str) -> Result<DeviceView> {
        let (org, id) = (org.clone(), id.to_owned());
        self.read(move |tx| {
            let mut ours = Org::of(tx, &org);
            let row = ours.get::<Device>(&id)?.ok_or_else(|| Error::not_found("device", &id))?;
            let view = view::devices(&mut ours, vec![row])?.pop();
            view.ok_or_else(|| Error::Internal("one device has one view".to_owned()))
        })
        .await
    }

    /// Does one thing to one device, and answers it as it is then, with the number of sessions that ended.
    pub async fn change_device(
        &self,
        intent: &Intent,
        org: &OrgId,
        id: &str,
        order: Order,
    ) -> Result<(DeviceView, u64)> {
        let (intent, org, id) = (intent.clone(), org.clone(), id.to_owned());
        self.change(intent.dry_run, move |tx| {
            let mut device = wanted(tx, &org, &id)?;
            let before = view_of(tx, device.clone())?;
            intent.condition.check("device", &before)?;
            let sessions = act(tx, &intent.actor, &mut device, order)?;
            Ok((view_of(tx, device)?, sessions))
        })
        .await
    }

    /// The ids of all devices that the filter finds. One that names nothing is refused: it would be every device.
    pub(crate) async fn device_ids(&self, org: &OrgId, filter: DeviceFilter) -> Result<Vec<String>> {
        if filter.is_empty() {
            return Err(Error::field(
                "/filter",
                "say which devices: state, user, token, platform, serial, level, group, last_seen_before or q",
            ));
        }
        let found = org.clone();
        self.read::<_, Error>(move |tx| {
            let mut ours = Org::of(tx, &found);
            let mut request = PageRequest { limit: 1_000, after: None, count: false };
            let mut ids = Vec::new();
            loop {
                let page = filter.page(&mut ours, &request)?;
                ids.extend(page.items.into_iter().map(|row| row.id));
                request.after = page.next;
                if request.after.is_none() {
                    return Ok(ids);
                }
            }
        })
        .await
    }

    /// Does one thing to every device that the filter finds and whose state allows it. Not one transaction: what was done stays done
    /// when a later one fails.
    pub async fn change_devices(
        &self,
        intent: &Intent,
        org: &OrgId,
        filter: DeviceFilter,
        order: Order,
    ) -> Result<Bulk> {
        let ids = self.device_ids(org, filter).await?;
        let mut all = Bulk::default();
        for some in ids.chunks(AT_ONCE) {
            let (intent, org, some) = (intent.clone(), org.clone(), some.to_vec());
            let room = SAMPLE.saturating_sub(all.sample.len());
            let part = self
                .change(intent.dry_run, move |tx| {
                    let mut part = Bulk::default();
                    let mut changed = Vec::new();
                    for id in &some {
                        // What went away since the filter was asked is not there to be changed.
                        let Some(mut device) = Org::of(tx, &org).get::<Device>(id)? else { continue };
                        match act(tx, &intent.actor, &mut device, order) {
                            Ok(sessions) => {
                                part.devices += 1;
                                part.sessions += sessions;
                                changed.push(device);
                            }
                            Err(Error::State { .. }) => part.skipped += 1,
                            Err(other) => return Err(other),
                        }
                    }
                    changed.truncate(room);
                    part.sample = view::devices(&mut Org::of(tx, &org), changed)?;
                    Ok(part)
                })
                .await?;
            all.devices += part.devices;
            all.skipped += part.skipped;
            all.sessions += part.sessions;
            all.sample.extend(part.sample);
        }
        Ok(all)
    }
}
