//! Epochs and the small hashes of the protocol.
//!
//! Owns `v(e)`, the tag that proves possession of an epoch's secret, and the hashes over text as sent. Must not know the rules of renewal.

use std::fmt;

use aws_lc_rs::hmac;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::bytes::{Bytes, sha256, to_base64url};
use crate::sign::random_bytes;

const EPOCH_DOMAIN: &[u8] = b"latchkey-epoch-v1";

/// The commitment `v(e)` to an epoch's secret; the key of the epoch's tags, so a server keeps it like one.
pub type EpochHash = Bytes<32>;

/// The secret `e` of an epoch, made by the device itself. Sent once, at the end of its epoch, in the renewal that spends it.
#[derive(Clone)]
pub struct EpochSecret(Zeroizing<[u8; 32]>);

impl EpochSecret {
    /// A new secret.
    #[must_use]
    pub fn generate() -> Self {
        Self(random_bytes())
    }

    /// A secret from its bytes, as the connector's state keeps it.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// The bytes, for the connector's state file only.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// `v(e) = SHA-256("latchkey-epoch-v1" ‖ e)`.
    #[must_use]
    pub fn commitment(&self) -> EpochHash {
        epoch_commitment(&self.0)
    }
}

impl fmt::Debug for EpochSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EpochSecret(****)")
    }
}

impl PartialEq for EpochSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl Eq for EpochSecret {}

impl Serialize for EpochSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(to_base64url(&*self.0)))
    }
}

impl<'de> Deserialize<'de> for EpochSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes: Bytes<32> = text.parse().map_err(D::Error::custom)?;
        Ok(Self::from_bytes(&bytes.0))
    }
}

/// `v(e) = SHA-256("latchkey-epoch-v1" ‖ e)`.
#[must_use]
pub fn epoch_commitment(e: &[u8; 32]) -> EpochHash {
    sha256(&Zeroizing::new([EPOCH_DOMAIN, e].concat()))
}

/// `tag = HMAC-SHA-256(key v_n, SHA-256(ASCII nonce))`: proves knowledge of an epoch without spending it.
#[must_use]
pub fn tag(v: &EpochHash, nonce: &str) -> Bytes<32> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &v.0);
    let tag = hmac::sign(&key, &sha256(nonce.as_bytes()).0);
    Bytes(tag.as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes"))
}

/// Compares a tag in constant time.
#[must_use]
pub fn tag_matches(v: &EpochHash, nonce: &str, found: &Bytes<32>) -> bool {
    tag(v, nonce).0.ct_eq(&found.0).into()
}

/// Compares a secret with the commitment the server keeps, in constant time.
#[must_use]
pub fn commitment_matches(v: &EpochHash, e: &EpochSecret) -> bool {
    e.commitment().0.ct_eq(&v.0).into()
}

/// `txn_sha256`: over the ASCII text of the sealed transaction as sent.
#[must_use]
pub fn txn_sha256(txn: &str) -> Bytes<32> {
    sha256(txn.as_bytes())
}

/// `cb`: over the value of the browser's binding cookie as sent.
#[must_use]
pub fn cookie_binding(cookie_value: &str) -> Bytes<32> {
    sha256(cookie_value.as_bytes())
}

/// `request_sha256`: over the request's payload bytes, after base64url decoding.
#[must_use]
pub fn request_sha256(payload: &[u8]) -> Bytes<32> {
    sha256(payload)
}
