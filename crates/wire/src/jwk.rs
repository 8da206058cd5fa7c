//! Public keys as JWK, and their thumbprints (RFC 7517, 7518, 8037, 7638).
//!
//! Owns the two kinds of key of the protocol. A private member never parses. Must not know whose key it is.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use serde::de::Error as _;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::sha256;
use crate::jws::Alg;
use crate::{Bytes, WireError, json};

/// RFC 7638 thumbprint with SHA-256; 43 characters when printed.
pub type Thumbprint = Bytes<32>;

/// A public key: exactly `{kty, crv, x}` for Ed25519 or `{kty, crv, x, y}` for P-256, the point on its curve.
///
/// `Deserialize` ignores further members, as RFC 7517 asks and as a connector must for what a newer cloud sends, but never
/// accepts a private one; messages from connectors are compared member by member, so there nothing further passes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum PublicJwk {
    /// `{"kty":"OKP","crv":"Ed25519"}`: tokens, codes, root and challenge keys. Signs EdDSA.
    Ed25519 {
        /// The 32 bytes of the public key.
        x: Bytes<32>,
    },
    /// `{"kty":"EC","crv":"P-256"}`: device and user keys. Signs ES256.
    P256 {
        /// The point's x coordinate, big-endian.
        x: Bytes<32>,
        /// The point's y coordinate, big-endian.
        y: Bytes<32>,
    },
}

#[derive(Deserialize)]
struct Members {
    kty: String,
    crv: String,
    x: Bytes<32>,
    y: Option<Bytes<32>>,
    #[serde(default)]
    d: Option<serde::de::IgnoredAny>,
}

impl PublicJwk {
    /// An Ed25519 key from its 32 raw bytes.
    #[must_use]
    pub const fn ed25519(raw: [u8; 32]) -> Self {
        Self::Ed25519 { x: Bytes(raw) }
    }

    /// A P-256 key from its coordinates; refused if they are not a point of the curve.
    pub fn p256(x: [u8; 32], y: [u8; 32]) -> Result<Self, WireError> {
        let key = Self::P256 { x: Bytes(x), y: Bytes(y) };
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.raw())
            .map_err(|_| WireError::Key("not a point of P-256"))?;
        Ok(key)
    }

    /// A P-256 key from its uncompressed SEC 1 point (65 bytes, `04 ‖ x ‖ y`).
    pub fn p256_from_point(point: &[u8]) -> Result<Self, WireError> {
        let Some(([4], coordinates)) = point.split_first_chunk::<1>() else {
            return Err(WireError::Key("not an uncompressed point"));
        };
        let coordinates: &[u8; 64] =
            coordinates.try_into().map_err(|_| WireError::Key("not an uncompressed point of P-256"))?;
        let (x, y) = coordinates.split_at(32);
        Self::p256(x.try_into().expect("half of 64"), y.try_into().expect("half of 64"))
    }

    /// Parses a JWK with exactly the members of its kind.
    pub fn parse(text: &str) -> Result<Self, WireError> {
        let value = json::parse(text.as_bytes())?;
        let key: Self = serde_json::from_value(value.clone()).map_err(|e| WireError::Member(e.to_string()))?;
        json::same(&value, &serde_json::to_value(&key).map_err(|e| WireError::Json(e.to_string()))?)?;
        Ok(key)
    }

    /// The algorithm that belongs to this kind of key.
    #[must_use]
    pub const fn alg(&self) -> Alg {
        match self {
            Self::Ed25519 { .. } => Alg::EdDsa,
            Self::P256 { .. } => Alg::Es256,
        }
    }

    /// The raw bytes: 32 for Ed25519, the 65-byte uncompressed point for P-256.
    #[must_use]
    pub fn raw(&self) -> Vec<u8> {
        match self {
            Self::Ed25519 { x } => x.0.to_vec(),
            Self::P256 { x, y } => [&[4], x.as_ref(), y.as_ref()].concat(),
        }
    }

    /// RFC 7638 (RFC 8037 for Ed25519): SHA-256 over the required members in the order of their names.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        sha256(self.to_string().as_bytes())
    }
}

impl std::fmt::Display for PublicJwk {
    /// The JWK in canonical form: the members in the order of their names, no white space.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ed25519 { x } => write!(f, r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
            Self::P256 { x, y } => write!(f, r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
        }
    }
}

impl Serialize for PublicJwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Ed25519 { x } => {
                map.serialize_entry("crv", "Ed25519")?;
                map.serialize_entry("kty", "OKP")?;
                map.serialize_entry("x", x)?;
            }
            Self::P256 { x, y } => {
                map.serialize_entry("crv", "P-256")?;
                map.serialize_entry("kty", "EC")?;
                map.serialize_entry("x", x)?;
                map.serialize_entry("y", y)?;
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for PublicJwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Members { kty, crv, x, y, d } = Members::deserialize(deserializer)?;
        if d.is_some() {
            return Err(D::Error::custom("a private key where a public one belongs"));
        }
        match (kty.as_str(), crv.as_str(), y) {
            ("OKP", "Ed25519", None) => Ok(Self::Ed25519 { x }),
            ("EC", "P-256", Some(y)) => Self::p256(x.0, y.0).map_err(D::Error::custom),
            _ => Err(D::Error::custom("neither an Ed25519 nor a P-256 public key")),
        }
    }
}
