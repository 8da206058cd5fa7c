//! The end of an enrollment, told by the device.

use latchkey_wire::DeviceState;
use latchkey_wire::message::Unenroll;

use super::{Outcome, Received, heartbeat, outcome, proof, settings, state};
use crate::Directory;
use crate::audit::NewEvent;
use crate::directory::Granted;
use crate::id::OrgId;
use crate::refusal::{Denied, Refused};
use crate::store::{StoreError, WriteTx};

/// Decides on an unenrollment. One that was done already is answered again: the answer may have been lost.
pub fn unenroll(tx: &mut dyn WriteTx, org: &OrgId, request: &Received<Unenroll>) -> Result<Outcome, Denied> {
    let body = request.message.body();
    let settings = settings(tx, org)?;
    let mut device = heartbeat::current(tx, org, request, &body.device_id)?;
    let actor = request.actor(&device.id);
    proof::in_state(tx, &mut device, &actor)?;
    if device.state == DeviceState::Quarantined {
        return Err(proof::not_in_state(&device).into());
    }
    proof::check_epoch(tx, &mut device, body.n, &body.tag, &request.message.common().nonce)?;
    if device.state != DeviceState::Unregistered {
        state::set(tx, &mut device, DeviceState::Unregistered, Some(state::reason::USER))?;
        state::bindings_end(tx, &device, "device unregistered")?;
        state::device_sessions(tx, &device, "device unregistered")?;
        let event = NewEvent::new(&actor, "device.unenroll", device.id.clone());
        state::audit(tx, &device, event);
    }
    heartbeat::seen(tx, &mut device, request.address())?;
    Ok(outcome::of(tx, &device, &settings, None)?)
}

impl Directory {
    /// Decides on an unenrollment.
    pub async fn unenroll(
        &self,
        org: &OrgId,
        request: Received<Unenroll>,
    ) -> Result<Result<Granted<Outcome>, Refused>, StoreError> {
        let org = org.clone();
        self.decide(move |tx| unenroll(tx, &org, &request)).await
    }
}
