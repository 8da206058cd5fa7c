//! Silent sign-in: the challenge and the proof.

use serde::{Deserialize, Serialize};

use super::{Common, Request, Statement, payload};
use crate::state::Channel;
use crate::verify::Signer;
use crate::{Bytes, Level, Seconds, WireError};

/// What a silent proof answers, `lk-challenge+jwt`, signed by a challenge key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// Over the ASCII text of the transaction.
    pub txn_sha256: Bytes<32>,
    /// The issuer's origin, `https://host[:port]`.
    pub origin: String,
    /// The service the person wants to reach, as shown to people.
    pub service: String,
    /// Over the value of the browser's binding cookie.
    pub cb: Bytes<32>,
    /// By which way the proof must come.
    pub channel: Channel,
    /// The evidence level wanted.
    pub level: Level,
    /// Until when, by the server's clock: 60 seconds.
    pub exp: Seconds,
}
payload!(Challenge Common, Challenge, strict false);
impl Statement for Challenge {}

/// A silent proof, `lk-proof+jwt`, a compact JWS signed by the user key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The challenge's.
    pub txn_sha256: Bytes<32>,
    /// The device.
    pub device_id: String,
    /// The binding whose user key signs.
    pub binding_id: String,
    /// The challenge's.
    pub channel: Channel,
    /// The device's epoch.
    pub n: u64,
    /// Proves knowledge of the epoch.
    pub tag: Bytes<32>,
    /// Whether the person confirmed just now.
    pub presence: bool,
}
payload!(Proof Common, Proof, strict true);

impl Request for Proof {
    fn signers(&self) -> Result<Vec<Signer>, WireError> {
        Ok(vec![Signer::User])
    }
}
