//! The states of a device, and what each change takes with it (lifecycle.md, Device states).
//!
//! Owns the only places where a device's state is written. Must not know who asks for a change or whether they may.

use std::collections::BTreeSet;
use std::time::Duration;

use latchkey_wire::{BindingState, DeviceState};

use super::group::DeviceGroupMember;
use crate::audit::{Actor, NewEvent};
use crate::id::OrgId;
use crate::query::Filter;
use crate::records::{Binding, Device, DeviceKey, Organization, Session};
use crate::scope::Org;
use crate::store::{StoreError, Tx, WriteTx};
use crate::time::Timestamp;
use crate::value::Columnar as _;
use crate::values::DeviceKeyState;

/// Why a device is in its state, as it is kept and shown.
pub mod reason {
    /// An administrator.
    pub const ADMINISTRATOR: &str = "administrator";
    /// The store was restored and did not know it.
    pub const ADOPTED: &str = "adopted";
    /// It slept longer than allowed.
    pub const ASLEEP: &str = "asleep";
    /// Its state was copied, or an old one put back.
    pub const EPOCH: &str = "epoch";
    /// Its token's initial state.
    pub const INITIAL: &str = "initial";
    /// Nobody approved it within 14 days.
    pub const NOT_APPROVED: &str = "not approved";
    /// It was not heard of for as long as the organization allows.
    pub const UNUSED: &str = "unused";
    /// The same machine was installed anew.
    pub const REPLACED: &str = "replaced";
    /// The user left.
    pub const USER: &str = "user";
    /// A binding that waits for a new user key after a release from quarantine.
    pub const REBIND: &str = "rebind";
}

/// Writes a new state. The caller made sure that it may follow.
pub(crate) fn set(
    tx: &mut dyn WriteTx,
    device: &mut Device,
    state: DeviceState,
    why: Option<&str>,
) -> Result<(), StoreError> {
    device.state = state;
    device.state_reason = why.map(str::to_owned);
    device.state_at = tx.now();
    let org = device.org.clone();
    Org::of(tx, &org).replace(device)
}

/// Quarantine: nothing of it counts any more, its sessions end (the answer says how many). Its bindings keep their levels for a release.
pub(crate) fn quarantine(
    tx: &mut dyn WriteTx,
    device: &mut Device,
    why: &str,
    event: NewEvent,
) -> Result<u64, StoreError> {
    set(tx, device, DeviceState::Quarantined, Some(why))?;
    let sessions = device_sessions(tx, device, "device quarantined")?;
    audit(tx, device, event.with("reason", why).with("sessions", sessions));
    Ok(sessions)
}

/// Removal: the row stays as a tombstone, keys are dead, bindings and sessions are over. Answers how many sessions ended.
pub(crate) fn remove(tx: &mut dyn WriteTx, device: &mut Device, why: &str, actor: &Actor) -> Result<u64, StoreError> {
    let event = NewEvent::new(actor, "device.remove", device.id.clone());
    remove_as(tx, device, why, event)
}

/// The same, with an event that says more.
pub(crate) fn remove_as(
    tx: &mut dyn WriteTx,
    device: &mut Device,
    why: &str,
    event: NewEvent,
) -> Result<u64, StoreError> {
    device.removed_at = Some(tx.now());
    device.released_until = None;
    set(tx, device, DeviceState::Removed, Some(why))?;
    keys_die(tx, device)?;
    bindings_end(tx, device, "device removed")?;
    Org::of(tx, &device.org).delete::<DeviceGroupMember>(DeviceGroupMember::device_id.eq(&device.id))?;
    let sessions = device_sessions(tx, device, "device removed")?;
    audit(tx, device, event.with("reason", why).with("sessions", sessions));
    Ok(sessions)
}

/// Every key the device ever had is dead.
pub(crate) fn keys_die(tx: &mut dyn WriteTx, device: &Device) -> Result<(), StoreError> {
    let now = tx.now();
    Org::of(tx, &device.org).update::<DeviceKey>(
        DeviceKey::device_id.eq(&device.id),
        &[DeviceKey::state.set(&DeviceKeyState::Dead), DeviceKey::since.set(&now)],
    )?;
    Ok(())
}

/// The key before the last change is retired.
pub(crate) fn previous_keys_retire(tx: &mut dyn WriteTx, device: &Device) -> Result<(), StoreError> {
    let now = tx.now();
    Org::of(tx, &device.org).update::<DeviceKey>(
        DeviceKey::device_id.eq(&device.id).and(DeviceKey::state.eq(&DeviceKeyState::Previous)),
        &[DeviceKey::state.set(&DeviceKeyState::Retired), DeviceKey::since.set(&now)],
    )?;
    Ok(())
}

/// All bindings of the device end.
pub(crate) fn bindings_end(tx: &mut dyn WriteTx, device: &Device, why: &str) -> Result<(), StoreError> {
    let now = tx.now();
    Org::of(tx, &device.org).update::<Binding>(
        live().and(Binding::device_id.eq(&device.id)),
        &[
            Binding::state.set(&BindingState::Ended),
            Binding::state_reason.set(&Some(why.to_owned())),
            Binding::ended_at.set(&Some(now)),
        ],
    )?;
    Ok(())
}

/// Bindings that are pending or active.
pub(crate) fn live() -> Filter {
    Binding::state.one_of(&[BindingState::Pending, BindingState::Active])
}

/// Ends the sessions that came of this device.
pub(crate) fn device_sessions(tx: &mut dyn WriteTx, device: &Device, why: &str) -> Result<u64, StoreError> {
    let sessions = sessions_of(&mut Org::of(tx, &device.org), std::slice::from_ref(&device.id))?;
    end_sessions(tx, &device.org, sessions, why)
}

/// The sessions that came of these devices. They are looked for among those of the devices' users: an index on the device would cost
/// every sign-in a page in its commit, for what is asked when a device is removed.
pub(crate) fn sessions_of<T: Tx + ?Sized>(ours: &mut Org<'_, T>, devices: &[String]) -> Result<Filter, StoreError> {
    let users = users_of(ours, devices)?;
    let devices: Vec<Option<String>> = devices.iter().cloned().map(Some).collect();
    Ok(Session::user_id.one_of(&users).and(Session::device_id.one_of(&devices)))
}

/// Whoever was ever bound to one of these devices. Bindings are ended and never deleted, so each session's user is among them.
pub(crate) fn users_of<T: Tx + ?Sized>(
    ours: &mut Org<'_, T>,
    devices: &[String],
) -> Result<BTreeSet<String>, StoreError> {
    let bindings = ours.select::<Binding>(Binding::device_id.one_of(devices), Vec::new(), None)?;
    Ok(bindings.into_iter().map(|binding| binding.user_id).collect())
}

/// The sessions that came of this binding.
pub(crate) fn of_binding(binding: &Binding) -> Filter {
    Session::user_id.eq(&binding.user_id).and(Session::binding_id.is(&binding.id))
}

/// Ends the sessions that fit and are not over. Answers how many those were.
pub fn end_sessions(tx: &mut dyn WriteTx, org: &OrgId, filter: Filter, why: &str) -> Result<u64, StoreError> {
    let now = tx.now();
    Org::of(tx, org).update::<Session>(
        filter.and(Session::ended_at.is_null()),
        &[("ended_at", Some(now).to_value()), Session::ended_reason.set(&Some(why.to_owned()))],
    )
}

/// Whether a registered device slept longer than the organization allows: certificate over, and neither renewed nor approved since.
pub(crate) fn is_asleep(device: &Device, settings: &Organization, now: Timestamp) -> bool {
    let awake = device.certificate_expires_at.map_or(device.state_at, |ends| ends.max(device.state_at));
    now > awake.plus(Duration::from_secs(settings.asleep_limit_s))
}

pub(crate) fn audit(tx: &mut dyn WriteTx, device: &Device, event: NewEvent) {
    Org::of(tx, &device.org).audit(event);
}
