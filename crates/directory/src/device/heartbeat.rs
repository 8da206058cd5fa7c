//! A heartbeat: the device is there, and learns where it stands.

use latchkey_wire::DeviceState;
use latchkey_wire::message::Heartbeat;

use super::{Outcome, Received, keys, outcome, proof, settings};
use crate::Directory;
use crate::directory::Granted;
use crate::id::OrgId;
use crate::records::Device;
use crate::refusal::{Denied, Refused};
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};

/// Decides on a heartbeat: pending and suspended devices are answered as such.
pub fn heartbeat(tx: &mut dyn WriteTx, org: &OrgId, request: &Received<Heartbeat>) -> Result<Outcome, Denied> {
    let body = request.message.body();
    let settings = settings(tx, org)?;
    let mut device = current(tx, org, request, &body.device_id)?;
    proof::in_state(tx, &mut device, &request.actor(&body.device_id))?;
    if matches!(device.state, DeviceState::Quarantined | DeviceState::Unregistered) {
        return Err(proof::not_in_state(&device).into());
    }
    proof::check_epoch(tx, &mut device, body.n, &body.tag, &request.message.common().nonce)?;
    seen(tx, &mut device, request.address())?;
    Ok(outcome::of(tx, &device, &settings, None)?)
}

/// The device that signed with its current key; the nonce is consumed.
pub(crate) fn current<T: latchkey_wire::message::Payload>(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    request: &Received<T>,
    device_id: &str,
) -> Result<Device, Denied> {
    let signed = keys::signed(tx, org, device_id, &request.dk)?;
    if signed.by_previous {
        let detail = "the key was changed by a renewal; it is good to repeat that renewal only";
        return Err(Refused::new(latchkey_wire::Code::Device404, detail).into());
    }
    request.nonce.consume(tx, org)?;
    Ok(signed.device)
}

/// Notes when and from where the device was last heard of.
pub(crate) fn seen(tx: &mut dyn WriteTx, device: &mut Device, address: Option<String>) -> Result<(), StoreError> {
    let now = tx.now();
    device.last_seen_at = now;
    device.address = address;
    let mut set = vec![Device::last_seen_at.set(&now), Device::address.set(&device.address)];
    if device.seen_day != now.day() {
        device.seen_day = now.day();
        set.push(Device::seen_day.set(&device.seen_day));
    }
    Org::of(tx, &device.org).update::<Device>(Device::id.eq(&device.id), &set)?;
    Ok(())
}

impl Directory {
    /// Decides on a heartbeat.
    pub async fn heartbeat(
        &self,
        org: &OrgId,
        request: Received<Heartbeat>,
    ) -> Result<Result<Granted<Outcome>, Refused>, StoreError> {
        let org = org.clone();
        self.decide(move |tx| heartbeat(tx, &org, &request)).await
    }
}
