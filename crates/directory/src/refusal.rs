//! Refusals of devices and sign-ins, and how they are remembered.
//!
//! Owns the refusal with its code, and the counting of refusals so that a flood cannot fill the disk: per (code, subject, network, minute)
//! the first is an audit event and a row with its full reason, the others only raise its count and share its reference. Must not know how
//! a refusal is told (the server signs it).

use std::net::IpAddr;

use latchkey_wire::{Code, DeviceState};

use crate::audit::{Actor, NewEvent};
use crate::id::{OrgId, new_reference};
use crate::records::RefusalCount;
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};
use crate::{Directory, Error};

/// Why a device's message or a sign-in was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What the device is told.
    pub code: Code,
    /// The full reason, for the administrator.
    pub detail: String,
    /// The device's state, where there is a device that proved itself.
    pub state: Option<DeviceState>,
    /// Seconds to wait at least.
    pub retry_after: Option<u64>,
}

impl Refused {
    /// With this code, for this reason.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), state: None, retry_after: None }
    }

    /// Of a device in this state.
    #[must_use]
    pub fn of_state(mut self, state: DeviceState) -> Self {
        self.state = Some(state);
        self
    }
}

/// How the work of a decision ends when it grants nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// Refused, and what the work changed on the way to it stays: a device was quarantined, a removal took effect.
    Kept(Refused),
    /// Refused, and nothing was changed.
    Refused(Refused),
    /// The store.
    Store(StoreError),
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Refused { code: refused.code, detail: refused.detail }
    }
}

/// What is remembered of a refusal.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// Who was refused.
    pub actor: Actor,
    /// What they tried, `noun.verb`.
    pub action: &'static str,
    /// The code: one of the wire or of SAML.
    pub code: String,
    /// The token, service or device it is about; empty when unknown.
    pub subject: String,
    /// From where it came.
    pub address: Option<IpAddr>,
    /// The full reason.
    pub detail: String,
    /// Whether the sender had proved possession of the token's seed or the device's key.
    pub proven: bool,
}

/// The network of an address: /24 or /48.
#[must_use]
pub fn network_of(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(v4)) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Some(IpAddr::V6(v6)) => {
            let [a, b, c, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
        None => String::new(),
    }
}

/// Remembers a refusal inside a transaction, and answers the reference to give out.
pub fn remember(tx: &mut dyn WriteTx, org: &OrgId, refusal: &Remembered) -> Result<String, StoreError> {
    let now = tx.now();
    let mut ours = Org::of(tx, org);
    let network = network_of(refusal.address);
    let minute = now.seconds() / 60;
    let same = RefusalCount::code
        .eq(&refusal.code)
        .and(RefusalCount::subject.eq(&refusal.subject))
        .and(RefusalCount::network.eq(&network))
        .and(RefusalCount::minute.eq(&minute));
    if let Some(row) = ours.one::<RefusalCount>(same.clone())? {
        ours.increase::<RefusalCount>(same, RefusalCount::count, 1)?;
        return Ok(row.reference);
    }
    let reference = new_reference();
    ours.add(&RefusalCount {
        org: org.clone(),
        code: refusal.code.clone(),
        subject: refusal.subject.clone(),
        network,
        minute,
        count: 1,
        reference: reference.clone(),
        detail: refusal.detail.clone(),
        proven: refusal.proven,
        at: now,
    })?;
    let event = NewEvent::new(&refusal.actor, refusal.action, refusal.subject.clone())
        .refused(refusal.code.clone(), reference.clone())
        .with("detail", &refusal.detail);
    ours.audit(event);
    Ok(reference)
}

impl Directory {
    /// Remembers a refusal whose own transaction changed nothing. If even this cannot be written the reference leads only to the log.
    pub async fn remember_refusal(&self, org: &OrgId, refusal: Remembered) -> String {
        let org = org.clone();
        self.write::<_, StoreError>(move |tx| remember(tx, &org, &refusal)).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "a refusal could not be recorded");
            new_reference()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_wide_enough_not_to_count_single_hosts() {
        assert_eq!(network_of("10.1.2.3".parse().ok()), "10.1.2.0/24");
        assert_eq!(network_of("::ffff:10.1.2.3".parse().ok()), "10.1.2.0/24");
        assert_eq!(network_of("2001:db8:1:2::3".parse().ok()), "2001:db8:1::/48");
        assert_eq!(network_of(None), "");
    }
}
