//! One device in another's place: taking over a record after a release from quarantine (rule 9 of Renewal and epochs), and the end of the
//! earlier devices of a machine that was installed anew (lifecycle.md, Known serial).
//!
//! Owns who may take over and what stays of the record: its id, its history and its bindings, which wait for new user keys; and when an
//! earlier device goes. Must not know tokens.

use latchkey_wire::{BindingState, Code, DeviceState};

use super::limits::{self, Terms};
use super::state::{self, keys_die, live, reason};
use crate::audit::Actor;
use crate::id::OrgId;
use crate::records::{Binding, Device};
use crate::refusal::{Denied, Refused};
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};

/// The released record that an enrollment asks to take over.
pub(crate) fn released(tx: &mut dyn WriteTx, org: &OrgId, id: &str, terms: &Terms) -> Result<Device, Denied> {
    let now = tx.now();
    let refused = |detail: &str| Denied::from(Refused::new(Code::Enroll031, detail));
    let device = Org::of(tx, org).get::<Device>(id)?;
    let Some(device) = device.filter(|device| device.state == DeviceState::Quarantined) else {
        return Err(refused("there is no quarantined device to take over"));
    };
    if device.released_until.is_none_or(|until| until < now) {
        // Not for ever: an administrator may release it yet.
        let detail = "the quarantined device was not released within the last 24 hours";
        return Err(Refused::new(Code::Proof022, detail).of_state(device.state).into());
    }
    let other = |old: &Option<String>, new: &Option<String>| matches!((old, new), (Some(old), Some(new)) if old != new);
    if device.domain != terms.domain || other(&device.serial, &terms.serial) {
        return Err(refused("the released device has another domain or serial number"));
    }
    Ok(device)
}

/// Puts the new device into the old one's place: the old keys are dead, the bindings wait for new user keys at their old level.
pub(crate) fn take_over(tx: &mut dyn WriteTx, old: &Device, new: &mut Device) -> Result<(), StoreError> {
    keys_die(tx, old)?;
    let waiting =
        [Binding::state.set(&BindingState::Pending), Binding::state_reason.set(&Some(reason::REBIND.to_owned()))];
    let mut ours = Org::of(tx, &old.org);
    // One that waited for an administrator goes on waiting for the administrator.
    let active = live().and(Binding::device_id.eq(&old.id)).and(Binding::state.eq(&BindingState::Active));
    ours.update::<Binding>(active, &waiting)?;
    new.serial = new.serial.take().or_else(|| old.serial.clone());
    ours.replace(new)
}

/// Removes the earlier devices of the same user on the same machine, where the token allowed that, as soon as this one stands in their
/// place: registered, and its user bound for good. Called whenever one of the two may have come about. Answers how many sessions ended.
pub(crate) fn earlier(tx: &mut dyn WriteTx, device: &Device, actor: &Actor) -> Result<u64, StoreError> {
    if device.state != DeviceState::Registered || device.replaces.is_none() {
        return Ok(0);
    }
    let bound = Binding::device_id.eq(&device.id).and(Binding::state.eq(&BindingState::Active));
    let users = Org::of(tx, &device.org).find::<Binding>(bound)?;
    let mut sessions = 0;
    for mut old in limits::with_serial_before(tx, device)? {
        let mut of_user = false;
        for binding in &users {
            of_user |= limits::all_of_user(tx, &device.org, std::slice::from_ref(&old), &binding.user_id)?;
        }
        if of_user {
            sessions += state::remove(tx, &mut old, reason::REPLACED, actor)?;
        }
    }
    Ok(sessions)
}
