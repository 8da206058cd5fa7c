//! What a device is answered.
//!
//! Owns the contents of a result: bindings, when to renew, and which certificate to make. Must not know how a result is signed or a
//! certificate issued.

use std::collections::BTreeMap;
use std::time::Duration;

use latchkey_wire::certificate::Extension;
use latchkey_wire::code::AnyCode;
use latchkey_wire::message::{BindingInfo, Reason, Would};
use latchkey_wire::{BindingState, Code, DeviceState, Seconds};

use super::state::reason;
use crate::id::OrgId;
use crate::query::Direction;
use crate::records::{Binding, Device, Organization, User};
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};
use crate::time::Timestamp;
use crate::value::StoredKey;

/// From one heartbeat to the next, seconds.
pub(crate) const HEARTBEAT: Seconds = 30 * 60;

/// The same while something waits for an administrator.
const HEARTBEAT_PENDING: Seconds = 5 * 60;

/// At most so many bindings are told, the newest.
const BINDINGS: u64 = 64;

/// A certificate to make once the decision is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateOrder {
    /// The device key.
    pub key: StoredKey,
    /// What we vouch for.
    pub extension: Extension,
    /// How long it is good from `extension.issued`.
    pub lifetime: Duration,
}

/// A good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Something was made by this request.
    pub created: bool,
    /// The device; absent in the answer to a dry run.
    pub device_id: Option<String>,
    /// Where it stands.
    pub state: DeviceState,
    /// Why.
    pub reason: Option<Reason>,
    /// Its epoch.
    pub n: u64,
    /// The certificate to make.
    pub certificate: Option<CertificateOrder>,
    /// When to renew.
    pub renew_at: Seconds,
    /// From one heartbeat to the next.
    pub heartbeat_s: Seconds,
    /// The time of the decision.
    pub time: Seconds,
    /// Its bindings.
    pub bindings: Vec<BindingInfo>,
    /// What an enrollment would do.
    pub would: Option<Would>,
}

/// The answer about a device as it is now. `order` is what [`order`] said when a certificate is due.
pub(crate) fn of(
    tx: &mut dyn WriteTx,
    device: &Device,
    settings: &Organization,
    order: Option<CertificateOrder>,
) -> Result<Outcome, StoreError> {
    let now = tx.now();
    let bindings = bindings(tx, &device.org, &device.id)?;
    let waits = device.state == DeviceState::Pending || bindings.iter().any(|b| b.state == BindingState::Pending);
    Ok(Outcome {
        created: false,
        device_id: Some(device.id.clone()),
        state: device.state,
        reason: why(device, &bindings),
        n: device.cur,
        certificate: order,
        renew_at: renew_at(device, settings, now),
        heartbeat_s: if waits { HEARTBEAT_PENDING } else { HEARTBEAT },
        time: now.seconds(),
        bindings,
        would: None,
    })
}

/// Orders a certificate for the device's key and epoch, and notes on the record until when it will be good. The caller writes the record.
pub(crate) fn order(device: &mut Device, settings: &Organization, now: Timestamp) -> CertificateOrder {
    let lifetime = Duration::from_secs(settings.certificate_lifetime_s);
    device.certificate_expires_at = Some(now.plus(lifetime));
    CertificateOrder {
        key: device.key.clone(),
        extension: Extension {
            org: device.org.to_string(),
            device_id: device.id.clone(),
            n: device.cur,
            v_n_sha256: Extension::hash_of(&device.v_cur),
            issued: u64::try_from(now.millis()).unwrap_or(0),
            domain: device.domain.clone(),
            serial: device.serial.clone(),
        },
        lifetime,
    }
}

/// Reason of a state or of a pending binding, as the wire has it.
pub(crate) fn why(device: &Device, bindings: &[BindingInfo]) -> Option<Reason> {
    let code = |code: Code| Some(Reason::Code(code.into()));
    match (device.state, device.state_reason.as_deref()) {
        (DeviceState::Pending, Some(reason::ASLEEP)) => Some(Reason::Asleep),
        (DeviceState::Pending, Some(reason::INITIAL)) => Some(Reason::Initial),
        (DeviceState::Pending, Some(reason::ADOPTED)) => Some(Reason::Code(AnyCode::Other(reason::ADOPTED.to_owned()))),
        (DeviceState::Pending, _) => code(Code::Enroll030),
        (DeviceState::Registered, _) if bindings.iter().any(|b| b.state == BindingState::Pending) => {
            code(Code::Enroll032)
        }
        _ => None,
    }
}

/// At half time of the certificate, spread over a tenth of it by the device and its epoch, so that what enrolled together does not renew
/// together; the same for every answer about that certificate.
pub(crate) fn renew_at(device: &Device, settings: &Organization, now: Timestamp) -> Seconds {
    let Some(ends) = device.certificate_expires_at else {
        let wait = if device.state == DeviceState::Registered { 0 } else { HEARTBEAT_PENDING };
        return now.seconds() + wait;
    };
    let lifetime = settings.certificate_lifetime_s;
    let spread = lifetime / 10;
    let hash = crate::sha256(format!("{} {}", device.id, device.cur).as_bytes());
    let random = u64::from_be_bytes(hash.0[..8].try_into().expect("a hash has more than 8 bytes"));
    let jitter = random % spread.max(1);
    ends.seconds().saturating_sub(lifetime / 2 + spread / 2) + jitter
}

/// The device's bindings, newest first. Those that are over are told too, so that the connector knows.
fn bindings(tx: &mut dyn WriteTx, org: &OrgId, device: &str) -> Result<Vec<BindingInfo>, StoreError> {
    let mut ours = Org::of(tx, org);
    let order = vec![("created_at", Direction::Descending), ("id", Direction::Descending)];
    let rows = ours.select::<Binding>(Binding::device_id.eq(&device.to_owned()), order, Some(BINDINGS))?;
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for row in &rows {
        if !names.contains_key(&row.user_id)
            && let Some(user) = ours.get::<User>(&row.user_id)?
        {
            names.insert(user.id, user.login_name);
        }
    }
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let login_name = names.get(&row.user_id)?.clone();
            Some(BindingInfo { id: row.id, state: row.state, level: row.level, login_name, uk: row.uk })
        })
        .collect())
}
