//! What a cloud says about itself: its document, a new root key, nonces and refusals.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{Common, Statement, payload};
use crate::code::{AnyCode, Retry};
use crate::state::{DeviceState, Purpose};
use crate::{Binary, Bytes, Milliseconds, PublicJwk, Seconds, Thumbprint};

/// The common members of the cloud document (no nonce) and of a succession (no organization either).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootCommon {
    /// The protocol version, 1.
    pub v: super::Version,
    /// The cloud's issuer name.
    pub iss: String,
    /// The organization's opaque id; in the cloud document, absent in a succession.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
    /// The thumbprint of the root key that signs.
    pub rk: Thumbprint,
    /// When this was signed.
    pub iat: Seconds,
}

/// The cloud document, `lk-cloud+jwt`, signed by the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The domain as it was asked for.
    pub domain: String,
    /// The cloud's public addresses, `https://host[:port]`, the primary one first.
    pub public_urls: Vec<String>,
    /// The organization's challenge keys. Keys of a kind this version does not know are left out when read.
    #[serde(deserialize_with = "known_keys")]
    pub challenge_keys: Vec<PublicJwk>,
    /// The organization's device CAs, each a certificate in DER.
    pub device_ca: Vec<Binary>,
    /// SHA-256 of the SubjectPublicKeyInfo of each TLS key that counts as trusted.
    pub tls_spki_sha256: Vec<Bytes<32>>,
    /// The protocol versions this cloud speaks.
    pub versions: Vec<u64>,
    /// The oldest connector that may enroll, as `major.minor.patch`.
    pub min_connector: String,
    /// Issue time in milliseconds; never goes back for a connector.
    pub serial: Milliseconds,
}
payload!(Document RootCommon, Cloud, strict false);
impl Statement for Document {}

fn known_keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PublicJwk>, D::Error> {
    let keys = Vec::<Value>::deserialize(deserializer)?;
    Ok(keys.into_iter().filter_map(|key| PublicJwk::deserialize(key).ok()).collect())
}

/// A new root key, `lk-succession+jwt`, signed by the old one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Succession {
    /// The new root key.
    pub next: PublicJwk,
}
payload!(Succession RootCommon, Succession, strict false);
impl Statement for Succession {}

/// The answer of `GET /.well-known/latchkey?domain=D`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WellKnown {
    /// The cloud document, a compact JWS.
    pub document: String,
    /// The cloud's root keys, oldest first; the last one signs the document.
    pub roots: Vec<PublicJwk>,
    /// One statement from each root to the next, compact JWS.
    pub succession: Vec<String>,
}

/// A nonce, `lk-nonce+jwt`, signed by a challenge key. Its value is the common member `nonce`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonceMessage {
    /// What it is good for.
    pub purpose: Purpose,
    /// For whose device key.
    pub thumbprint: Thumbprint,
    /// The server's time.
    pub time: Seconds,
    /// Until when it is good.
    pub exp: Seconds,
    /// The newest document's serial, in milliseconds; a connector that knows an older one fetches it.
    pub serial: Milliseconds,
}
payload!(NonceMessage Common, Nonce, strict false);
impl Statement for NonceMessage {}

/// A refusal that should change what the connector does for longer than a back-off, `lk-refusal+jwt`, signed by a challenge key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The device key that asked.
    pub dk: Thumbprint,
    /// Over the request's payload bytes.
    pub request_sha256: Bytes<32>,
    /// The server's time.
    pub time: Seconds,
    /// Why.
    pub code: AnyCode,
    /// The device's state, where there is a device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<DeviceState>,
    /// What the connector does next.
    pub retry: Retry,
    /// Not before so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Seconds>,
}
payload!(Refusal Common, Refusal, strict false);
impl Statement for Refusal {}
