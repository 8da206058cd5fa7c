//! The pin: which cloud a token is for. Owns its form (also that of the option `cloudKey`).

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::sha256;

/// The first 128 bits of SHA-256 over the root key's 32 raw bytes; printed as 26 lower-case base32 characters.
///
/// Not to be confused with the root's *thumbprint*, which messages carry as `rk`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pin([u8; 16]);

/// Text that is no pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cloud key is 26 characters, letters a to z and digits 2 to 7")]
pub struct NotAPin;

impl Pin {
    /// How many characters a printed pin has.
    pub const LENGTH: usize = 26;

    /// The pin of a root key, given as its 32 raw Ed25519 bytes.
    #[must_use]
    pub fn of(root_public: &[u8; 32]) -> Self {
        let hash = sha256(root_public);
        let mut pin = [0; 16];
        pin.copy_from_slice(&hash.0[..16]);
        Self(pin)
    }

    /// A pin from its 16 bytes, as a store keeps it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for Pin {
    type Err = NotAPin;

    /// Case and surrounding white space are ignored.
    fn from_str(text: &str) -> Result<Self, NotAPin> {
        let text = text.trim().to_ascii_uppercase();
        let bytes = BASE32_NOPAD.decode(text.as_bytes()).map_err(|_| NotAPin)?;
        Ok(Self(bytes.try_into().map_err(|_| NotAPin)?))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Pin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
