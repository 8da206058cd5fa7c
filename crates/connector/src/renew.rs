//! Renewals and the other requests of an enrolled device: heartbeat, unenrollment (protocol.md, Renewal and epochs).
//!
//! Owns the write-ahead rule of epochs: `e_next` is on disk before a renewal is sent, every attempt sends the same `v_next`, and
//! `{n+1, e, certificate, renew_at}` replaces it in one rename; and which answers make a renewal due before its time. Must not know
//! accounts: `bind` does.

use latchkey_wire::message::{DeviceResult, Heartbeat, Message, Renew, Request, Unenroll};
use latchkey_wire::state::Purpose;
use latchkey_wire::verify::{By, sign_request};
use latchkey_wire::{Code, DeviceState, EpochSecret, epoch};

use crate::account::Directory;
use crate::apply;
use crate::device::{Link, Refused};
use crate::keys::Use;
use crate::machine::{Marks, facts};
use crate::problem::{Problem, Result};
use crate::settings::Core;
use crate::state::{Ended, Record, State};

/// A software device key is changed this often, seconds.
const DK_LIFETIME: u64 = 30 * 24 * 60 * 60;

pub(crate) type Outcome<T> = std::result::Result<T, Refused>;

/// The record of an enrolled device whose state was made on this machine.
///
/// # Errors
/// Not enrolled, or `LK-CONN-014`.
pub fn enrolled(state: &State) -> Result<Record> {
    let record = state.record.clone().ok_or_else(|| state.without_record())?;
    record.device()?;
    if state.machine.copied_to(&Marks::here()) {
        return Err(Problem::of(Code::Conn014));
    }
    Ok(record)
}

/// Renews: certificate and epoch. Changes a software device key when it is 30 days old.
///
/// # Errors
/// A refusal, with what it changed already saved.
pub fn renew(core: &Core, state: &mut State) -> Outcome<DeviceResult> {
    let mut record = enrolled(state)?;
    let keys = core.store.keys();
    let now = record.clock.now(&(core.monotonic)());
    if record.epoch.next.is_none() {
        record.epoch.next = Some(EpochSecret::generate());
        let old = record.dk_since.is_some_and(|since| now.saturating_sub(since) > DK_LIFETIME);
        if old && record.dk_next.is_none() {
            record.dk_next = Some(keys.create(Use::Device)?);
        }
        save(core, state, &record)?;
    }
    let mut link = Link::open(core, &mut record)?;
    let result = twice(|| {
        let dk = keys.open(&record.dk)?;
        let new_dk = record.dk_next.as_ref().map(|k| keys.open(k)).transpose()?;
        let device = record.device()?.clone();
        let thumbprint = dk.public().thumbprint();
        let nonce = link.nonce(core, &mut record, Purpose::Renew, thumbprint, &device.id)?;
        let next = record.epoch.next.as_ref().map(EpochSecret::commitment);
        let message = Message {
            common: link.common(nonce),
            body: Renew {
                device_id: device.id,
                n: record.epoch.n,
                e_n: record.epoch.e.clone(),
                v_next: next.unwrap_or_else(|| record.epoch.e.commitment()),
                certificate: device.certificate,
                facts: facts(&core.options, core.directory == Directory::System),
                new_dk_jwk: new_dk.as_ref().map(|k| k.public().clone()),
            },
        };
        let mut by = vec![By::key(dk.as_ref())];
        if let Some(key) = &new_dk {
            by.push(By::key(key.as_ref()));
        }
        let sent = sign_request(&message, &thumbprint, &by).map_err(Problem::from)?;
        link.call(core, &mut record, "renewals", &sent)
    });
    let result = settle(core, state, &record, result)?;
    apply::result(&core.store, &mut record, &result)?;
    // Suspended, pending, asleep: answered as such, nothing advanced, e_n is not spent.
    let advanced = result.n == record.epoch.n + 1 && result.certificate.is_some();
    let mut retired = None;
    if advanced && let Some(next) = record.epoch.next.take() {
        record.epoch.n += 1;
        record.epoch.e = next;
        record.heartbeat_due = true;
        if let Some(new) = record.dk_next.take() {
            retired = Some(std::mem::replace(&mut record.dk, new));
            record.dk_since = Some(result.time);
        }
    }
    save(core, state, &record)?;
    if let Some(key) = retired {
        keys.destroy(&key)?;
    }
    Ok(result)
}

/// Tells the cloud that we are here, and learns what changed. Renews and tries once more if the epoch is old; renews if the device was
/// retired, because only a renewal asks to come back.
///
/// # Errors
/// A refusal, with what it changed already saved.
pub fn heartbeat(core: &Core, state: &mut State) -> Outcome<DeviceResult> {
    let result =
        tagged(core, state, Purpose::Heartbeat, "heartbeats", |device_id, n, tag| Heartbeat { device_id, n, tag })?;
    let mut record = enrolled(state)?;
    apply::result(&core.store, &mut record, &result)?;
    record.heartbeat_due = false;
    save(core, state, &record)?;
    if result.state == DeviceState::Retired {
        return renew(core, state);
    }
    Ok(result)
}

/// Whether a renewal may settle what was refused: the epoch is old; or the cloud does not know us, as after a restore, and our
/// certificate may tell it who we are (adoption, renewal rule 5).
pub(crate) fn helps(refused: &Refused, record: &Record) -> bool {
    match refused.problem.known() {
        Some(Code::Proof021) => true,
        Some(Code::Device404) => record.device.as_ref().is_some_and(|device| device.certificate.is_some()),
        _ => false,
    }
}

/// Tells the cloud that this device leaves. The caller wipes.
///
/// # Errors
/// A refusal, or no connection: then nothing may be wiped.
pub fn unenroll(core: &Core, state: &mut State) -> Outcome<DeviceResult> {
    tagged(core, state, Purpose::Unenroll, "unenrollments", |device_id, n, tag| Unenroll { device_id, n, tag })
}

/// What stays after an end that the device itself chose.
#[must_use]
pub fn unregistered(record: &Record, at: u64) -> Ended {
    Ended { state: DeviceState::Unregistered, at, cloud_name: record.cloud_name.clone() }
}

fn tagged<T: Request>(
    core: &Core,
    state: &mut State,
    purpose: Purpose,
    path: &str,
    body: impl Fn(String, u64, latchkey_wire::Bytes<32>) -> T,
) -> Outcome<DeviceResult> {
    let mut renewed = false;
    loop {
        let mut record = enrolled(state)?;
        let mut link = Link::open(core, &mut record)?;
        let result = twice(|| {
            let dk = core.store.keys().open(&record.dk)?;
            let thumbprint = dk.public().thumbprint();
            let device_id = record.device()?.id.clone();
            let nonce = link.nonce(core, &mut record, purpose, thumbprint, &device_id)?;
            let tag = epoch::tag(&record.epoch.e.commitment(), &nonce);
            let message = Message { common: link.common(nonce), body: body(device_id, record.epoch.n, tag) };
            let sent = sign_request(&message, &thumbprint, &[By::key(dk.as_ref())]).map_err(Problem::from)?;
            link.call(core, &mut record, path, &sent)
        });
        match result {
            Err(refused) if helps(&refused, &record) && !renewed => {
                renewed = true;
                save(core, state, &record)?;
                renew(core, state)?;
            }
            other => {
                let result = settle(core, state, &record, other)?;
                save(core, state, &record)?;
                return Ok(result);
            }
        }
    }
}

/// A nonce may have died on the way; one new one, no more.
pub(crate) fn twice(mut attempt: impl FnMut() -> Outcome<DeviceResult>) -> Outcome<DeviceResult> {
    match attempt() {
        Err(refused) if refused.problem.known() == Some(Code::Nonce001) => attempt(),
        other => other,
    }
}

/// Saves what was learned; a signed refusal changes the state.
pub(crate) fn settle(
    core: &Core,
    state: &mut State,
    record: &Record,
    outcome: Outcome<DeviceResult>,
) -> Outcome<DeviceResult> {
    if let Err(refused) = &outcome {
        save(core, state, record)?;
        if let Some(signed) = &refused.signed {
            apply::refusal(&core.store, state, signed)?;
        }
    }
    outcome
}

pub(crate) fn save(core: &Core, state: &mut State, record: &Record) -> Result<()> {
    state.record = Some(record.clone());
    core.store.save(state)
}
