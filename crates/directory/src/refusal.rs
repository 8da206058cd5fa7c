//! Refusals of devices and sign-ins, and how they are remembered.
//!
//! Owns the refusal with its code, and the counting of refusals so that a flood cannot fill the disk: per (code, subject, network, minute)
//! the first is an audit event and a row with its full reason, the others only raise its count and share its reference. Must not know how
//! a refusal is told (the server signs it).

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

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

/// So many refusals wait to be written at once. The store's writer takes some thousands of jobs and turns the next away: a flood of refusals
/// must not be what they are, or whoever is honest gets no grant.
const WAITING: usize = 256;

/// Refusals that wait to be written, and how many found no place.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    now: AtomicUsize,
    dropped: AtomicU64,
}

/// The place of one that waits.
struct Place<'a>(&'a Waiting);

impl Waiting {
    fn enter(&self) -> Option<Place<'_>> {
        if self.now.fetch_add(1, Ordering::Relaxed) < WAITING {
            return Some(Place(self));
        }
        self.now.fetch_sub(1, Ordering::Relaxed);
        self.dropped.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Directory {
    /// Remembers a refusal whose own transaction changed nothing. If even this cannot be written, or too many wait for it, the reference leads
    /// only to the log.
    pub async fn remember_refusal(&self, org: &OrgId, refusal: Remembered) -> String {
        let org = org.clone();
        self.keep_refusal(move |tx| remember(tx, &org, &refusal)).await
    }

    /// Runs the work that writes a refusal and answers its reference, among not too many others.
    pub(crate) async fn keep_refusal(
        &self,
        work: impl FnMut(&mut dyn WriteTx) -> Result<String, StoreError> + Send + 'static,
    ) -> String {
        let Some(_place) = self.refusals().enter() else {
            tracing::debug!("a refusal was not recorded: too many wait for it");
            return new_reference();
        };
        self.write::<_, StoreError>(work).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "a refusal could not be recorded");
            new_reference()
        })
    }

    /// How many refusals were not recorded since the start, because too many waited.
    #[must_use]
    pub fn refusals_dropped(&self) -> u64 {
        self.refusals().dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_wait_and_the_next_are_counted() {
        let waiting = Waiting::default();
        let mut places: Vec<_> = (0..WAITING).map(|_| waiting.enter().unwrap()).collect();
        assert!(waiting.enter().is_none() && waiting.enter().is_none());
        places.pop();
        assert!(waiting.enter().is_some(), "a place that was left is free");
        assert_eq!(waiting.dropped.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn networks_are_wide_enough_not_to_count_single_hosts() {
        assert_eq!(network_of("10.1.2.3".parse().ok()), "10.1.2.0/24");
        assert_eq!(network_of("::ffff:10.1.2.3".parse().ok()), "10.1.2.0/24");
        assert_eq!(network_of("2001:db8:1:2::3".parse().ok()), "2001:db8:1::/48");
        assert_eq!(network_of(None), "");
    }
}
