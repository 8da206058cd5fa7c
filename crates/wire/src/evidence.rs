//! Evidence levels: how well the user on a device is proven.
//!
//! Owns the scale and its names. Must not know how a level is computed: only the server computes one.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How well the user on this device is proven. Ordered: a higher level is better evidence, except that [`Level::KnownUser`] says
/// nothing more than [`Level::Asserted`] about who the person is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum Level {
    /// 0: the connector says so and the domain fits the token.
    #[default]
    Asserted = 0,
    /// 1: the same, and the user was in the directory already.
    KnownUser = 1,
    /// 2: an imported inventory assigns this serial number to the user.
    Inventory = 2,
    /// 3: an MDM certificate or a one-time code that names the user signed the payload.
    MdmSigned = 3,
    /// 4: TPM or vendor attestation tied to the inventory.
    Attested = 4,
    /// 5: the user confirmed in person.
    Present = 5,
}

impl Level {
    /// All levels, lowest first.
    pub const ALL: [Self; 6] =
        [Self::Asserted, Self::KnownUser, Self::Inventory, Self::MdmSigned, Self::Attested, Self::Present];

    /// The number on the wire, in flags and in the store.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name shown to people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asserted => "asserted",
            Self::KnownUser => "known user",
            Self::Inventory => "inventory",
            Self::MdmSigned => "MDM-signed",
            Self::Attested => "attested",
            Self::Present => "present",
        }
    }

    /// Whether this is a *low* claim: it says nothing about the person that the connector did not make up by itself.
    #[must_use]
    pub const fn is_low(self) -> bool {
        self.number() < 2
    }
}

/// A number that is no evidence level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an evidence level is a number from 0 to 5")]
pub struct NotALevel;

impl TryFrom<u64> for Level {
    type Error = NotALevel;

    fn try_from(number: u64) -> Result<Self, NotALevel> {
        usize::try_from(number).ok().and_then(|index| Self::ALL.get(index)).copied().ok_or(NotALevel)
    }
}

impl From<Level> for i64 {
    fn from(level: Level) -> Self {
        Self::from(level.number())
    }
}

impl FromStr for Level {
    type Err = NotALevel;

    fn from_str(text: &str) -> Result<Self, NotALevel> {
        match text.as_bytes() {
            [digit @ b'0'..=b'5'] => Self::try_from(u64::from(digit - b'0')),
            _ => Err(NotALevel),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(u64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
