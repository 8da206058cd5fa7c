//! Stable codes: one for every refusal and every problem a program reports.
//!
//! Owns the list ([`table`](self) in `table.rs`, one place for the whole product) and what each code asks of a connector, an
//! administrator and a person. Must not know HTTP: which status goes with a code is chosen in one place of the server.

mod list;
mod on_device;
mod table;

pub use on_device::OnDevice;
pub use table::Code;

/// What a connector does after a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// `N`: not again until something changes.
    Never,
    /// `B`: again after a back-off.
    BackOff,
    /// `R`: renew first, then once more.
    RenewFirst,
    /// `C`: once more with a new nonce or challenge.
    NewNonce,
}

impl Retry {
    /// The letter used on the wire and in the tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "N",
            Self::BackOff => "B",
            Self::RenewFirst => "R",
            Self::NewNonce => "C",
        }
    }
}

impl std::str::FromStr for Retry {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        match text {
            "N" => Ok(Self::Never),
            "B" => Ok(Self::BackOff),
            "R" => Ok(Self::RenewFirst),
            "C" => Ok(Self::NewNonce),
            _ => Err(UnknownCode),
        }
    }
}

impl std::fmt::Display for Retry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl serde::Serialize for Retry {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Retry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Text that is no code of this version of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a code this version knows")]
pub struct UnknownCode;

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A code in a message from a cloud that may be newer than this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyCode {
    /// One of the table.
    Known(Code),
    /// One this version does not know; `retry` beside it still says what to do.
    Other(String),
}

impl AnyCode {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(code) => code.as_str(),
            Self::Other(text) => text,
        }
    }

    /// The code, if this version knows it.
    #[must_use]
    pub const fn known(&self) -> Option<Code> {
        match self {
            Self::Known(code) => Some(*code),
            Self::Other(_) => None,
        }
    }
}

impl From<Code> for AnyCode {
    fn from(code: Code) -> Self {
        Self::Known(code)
    }
}

impl std::fmt::Display for AnyCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl serde::Serialize for AnyCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for AnyCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        Ok(text.parse().map_or_else(|UnknownCode| Self::Other(text), Self::Known))
    }
}
