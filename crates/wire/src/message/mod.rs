//! Every message, typed.
//!
//! Owns the members of each payload, which of them are required, and which signers follow from a payload. Must not know how signatures
//! are checked (`verify`) or what a message changes (the directory).

mod cloud;
mod device;
mod sign_in;

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use cloud::{Document, NonceMessage, Refusal, RootCommon, Succession, WellKnown};
pub use device::{
    Bind, BindingInfo, DeviceFacts, DeviceResult, Enroll, Evidence, Heartbeat, Reason, Renew, Unenroll, UserClaim,
    Would,
};
pub use sign_in::{Challenge, Proof};

use crate::jws::Typ;
use crate::verify::Signer;
use crate::{Seconds, Thumbprint, WireError, json};

/// At most so many bytes of payload, enrollment excepted.
pub const MAX_PAYLOAD: usize = 16 * 1024;

/// An enrollment may carry certificate chains.
pub const MAX_ENROLL_PAYLOAD: usize = 64 * 1024;

/// The members that messages have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Common {
    /// The protocol version, 1.
    pub v: Version,
    /// The cloud's issuer name, as its document says.
    pub iss: String,
    /// The organization's opaque id.
    pub org: String,
    /// The thumbprint of the cloud's root key.
    pub rk: Thumbprint,
    /// In a nonce: the nonce. In a request: the nonce it consumes. In results and refusals: the request's. In a proof: the challenge's.
    pub nonce: String,
    /// When this was made, by its maker's clock. A server believes no device's.
    pub iat: Seconds,
}

/// Protocol version 1; no other number parses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Version;

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(crate::VERSION)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            1 => Ok(Self),
            _ => Err(serde::de::Error::custom("this protocol is version 1")),
        }
    }
}

/// What every payload has: its own common members and a size limit.
pub trait Payload: Serialize + DeserializeOwned + Debug {
    /// The common members of this message: [`Common`], except where the document says otherwise.
    type Common: Serialize + DeserializeOwned + Clone + PartialEq + Eq + Debug;
    /// The largest payload in bytes.
    const LIMIT: usize = MAX_PAYLOAD;
    /// Whether an unknown member is refused (from a connector) or ignored (from a cloud).
    const STRICT: bool;
}

/// A payload that belongs to exactly one `typ`.
pub trait Body: Payload {
    /// The `typ` of its headers.
    const TYP: Typ;
}

/// A message that a connector sends.
pub trait Request: Body<Common = Common> {
    /// Who must have signed, as it follows from the payload alone.
    fn signers(&self) -> Result<Vec<Signer>, WireError>;
}

/// A message that a cloud sends and one of its keys signs.
pub trait Statement: Body {}

/// A message: the common members and its own, one flat JSON object on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<T: Payload> {
    /// The members that messages have in common.
    pub common: T::Common,
    /// The members of this one.
    pub body: T,
}

impl<T: Payload> Message<T> {
    /// The payload bytes: compact JSON.
    pub fn to_payload(&self) -> Result<Vec<u8>, WireError> {
        let value = self.to_value()?;
        let bytes = serde_json::to_vec(&value).map_err(|e| WireError::Json(e.to_string()))?;
        if bytes.len() > T::LIMIT {
            return Err(WireError::TooLarge { limit: T::LIMIT });
        }
        // What this crate would refuse to read it also refuses to write: an empty string from a caller stops here.
        json::parse(&bytes)?;
        Ok(bytes)
    }

    /// Parses payload bytes; proves nothing about who wrote them.
    pub fn from_payload(payload: &[u8]) -> Result<Self, WireError> {
        if payload.len() > T::LIMIT {
            return Err(WireError::TooLarge { limit: T::LIMIT });
        }
        let value = json::parse(payload)?;
        let member = |e: serde_json::Error| WireError::Member(e.to_string());
        let message = Self {
            common: T::Common::deserialize(&value).map_err(member)?,
            body: T::deserialize(&value).map_err(member)?,
        };
        if T::STRICT {
            json::same(&value, &message.to_value()?)?;
        }
        Ok(message)
    }

    fn to_value(&self) -> Result<Value, WireError> {
        let object = |value: Result<Value, serde_json::Error>| match value {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err(WireError::Json("not an object".into())),
            Err(e) => Err(WireError::Json(e.to_string())),
        };
        let mut members = object(serde_json::to_value(&self.common))?;
        members.extend(object(serde_json::to_value(&self.body))?);
        Ok(Value::Object(members))
    }
}

macro_rules! payload {
    ($name:ident $common:ty, $typ:ident, strict $strict:literal $(, limit $limit:expr)?) => {
        impl $crate::message::Payload for $name {
            type Common = $common;
            $(const LIMIT: usize = $limit;)?
            const STRICT: bool = $strict;
        }
        impl $crate::message::Body for $name {
            const TYP: $crate::jws::Typ = $crate::jws::Typ::$typ;
        }
    };
}
pub(crate) use payload;

/// For members that are `true` or absent.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}
