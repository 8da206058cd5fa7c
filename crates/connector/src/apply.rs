//! What a verified result or a signed refusal changes in the record.
//!
//! Owns the meaning of answers for the state; sends nothing.

use latchkey_wire::message::{DeviceResult, Refusal};
use latchkey_wire::{Code, DeviceState, Seconds};
use rustls_pki_types::CertificateDer;

use crate::problem::{Local, Problem, Result};
use crate::state::{Binding, Device, Ended, Record, State, Store};

/// A server tells all bindings of a device, ended ones too, unless there are at least so many.
const LONG: usize = 64;

/// Takes over what a result says of device and bindings. Not saved here: the caller decides what belongs into one rename.
///
/// # Errors
/// The result misses what it must have.
pub(crate) fn result(store: &Store, record: &mut Record, result: &DeviceResult) -> Result<()> {
    let old = record.device.as_ref();
    let Some(id) = result.device_id.clone().or_else(|| old.map(|d| d.id.clone())) else {
        return Err(Problem::local(Local::BadAnswer, "the result names no device", "report this"));
    };
    let certificate = result.certificate.clone().or_else(|| old.and_then(|d| d.certificate.clone()));
    let certificate_expires_at = certificate.as_ref().and_then(|c| expiry(&c.0));
    record.device = Some(Device {
        id,
        state: result.state,
        reason: result.reason.clone(),
        protection: store.keys().protection(),
        certificate,
        certificate_expires_at,
        renew_at: result.renew_at,
        heartbeat_s: result.heartbeat_s,
    });
    for user in &mut record.users {
        let thumbprint = store.keys().open(&user.uk)?.public().thumbprint();
        let told = result.bindings.iter().find(|b| b.uk == thumbprint);
        user.binding = match told {
            Some(b) => {
                Some(Binding { id: b.id.clone(), state: b.state, level: b.level, login_name: b.login_name.clone() })
            }
            // A long list may end before ours; from a short one it is gone, as after a restore that knows it no more.
            None if result.bindings.len() >= LONG => user.binding.take(),
            None => None,
        };
    }
    Ok(())
}

/// Takes over what a signed refusal says. A removal erases keys and is remembered.
///
/// # Errors
/// The state cannot be written.
pub(crate) fn refusal(store: &Store, state: &mut State, refusal: &Refusal) -> Result<()> {
    let Some(record) = &mut state.record else {
        return Ok(());
    };
    if refusal.code.known() == Some(Code::Device410) {
        let ended = Ended { state: DeviceState::Removed, at: refusal.time, cloud_name: record.cloud_name.clone() };
        state.record = None;
        state.ended = Some(ended);
        store.save(state)?;
        return store.wipe_keys();
    }
    if let (Some(device), Some(said)) = (&mut record.device, refusal.state) {
        device.state = said;
    }
    store.save(state)
}

fn expiry(der: &[u8]) -> Option<Seconds> {
    let der = CertificateDer::from(der);
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
    u64::try_from(certificate.validity().not_after.timestamp()).ok()
}
