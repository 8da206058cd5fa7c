//! Devices and the users on them: enrollment, binding, renewal, heartbeats, and what administrators do about them.
//!
//! Owns the rules of protocol.md (Enrollment, Renewal and epochs) and of the device's and the binding's states. Each rule is a function
//! over one write transaction and reads the current state in it. Must not know HTTP, signatures or certificates: it takes verified
//! messages and says what to sign.

pub mod admin;
mod adopt;
pub mod bind;
pub mod bindings;
pub mod clean;
pub mod clean_rule;
mod domains;
pub mod enroll;
pub mod group;
pub mod heartbeat;
pub mod keys;
mod limits;
pub(crate) mod list;
pub mod outcome;
pub mod proof;
pub mod renew;
mod replace;
pub mod state;
mod text;
pub mod unenroll;
pub mod user;
pub mod view;

use std::net::IpAddr;

use latchkey_wire::message::Payload;
use latchkey_wire::{Bytes, Code, Thumbprint, Verified};

use crate::audit::{Actor, ActorKind};
use crate::id::OrgId;
use crate::query::Filter;
use crate::records::{ConsumedNonce, Organization};
use crate::refusal::{Denied, Refused};
use crate::scope::Org;
use crate::store::WriteTx;
use crate::time::Timestamp;

pub use keys::KnownKey;
pub use outcome::{CertificateOrder, Outcome};

/// The nonce of a message, opened and found to be made for it.
#[derive(Debug, Clone, Copy)]
pub struct Nonce {
    /// What makes it unique.
    pub unique: Bytes<16>,
    /// Until when it is good.
    pub exp: Timestamp,
}

impl Nonce {
    /// Consumes it, in the transaction that it serves. A second time is `LK-NONCE-001`.
    pub fn consume(&self, tx: &mut dyn WriteTx, org: &OrgId) -> Result<(), Denied> {
        if self.exp < tx.now() {
            return Err(Refused::new(Code::Nonce001, "the nonce has expired").into());
        }
        let row = ConsumedNonce { org: org.clone(), value: self.unique, exp: self.exp };
        let used = |_| Refused::new(Code::Nonce001, "the nonce was used before");
        Ok(Org::of(tx, org).insert(&row)?.map_err(used)?)
    }
}

/// A verified message of an enrolled device, and how it came.
#[derive(Debug)]
pub struct Received<T: Payload> {
    /// What it says.
    pub message: Verified<T>,
    /// The device key that signed it.
    pub dk: Thumbprint,
    /// Its nonce.
    pub nonce: Nonce,
    /// From which address it came.
    pub address: Option<IpAddr>,
}

impl<T: Payload> Received<T> {
    fn address(&self) -> Option<String> {
        self.address.map(|address| address.to_canonical().to_string())
    }

    fn actor(&self, device: &str) -> Actor {
        actor(device, self.address)
    }
}

/// A device as an actor of the audit log.
#[must_use]
pub fn actor(device: &str, address: Option<IpAddr>) -> Actor {
    Actor {
        kind: ActorKind::Device,
        id: device.to_owned(),
        address: address.map(|address| address.to_canonical().to_string()),
    }
}

fn settings(tx: &mut dyn WriteTx, org: &OrgId) -> Result<Organization, Denied> {
    let row: Option<Organization> = Org::of(tx, org).one(Filter::all())?;
    row.ok_or_else(|| Refused::new(Code::Device404, "there is no such organization").into())
}
