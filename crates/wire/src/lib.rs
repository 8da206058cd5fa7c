//! What a connector and a server say to each other.
//!
//! **Owns** the device token and the one-time code, every message of the protocol with its encoding and its signatures, the
//! evidence levels, the refusal codes and the extension of the device certificate. The written form is `docs/protocol.md`; the test
//! vectors beside this crate are published, so that another team can write a connector from the two.
//!
//! **Must not know** HTTP, storage or SAML. There is no I/O here and no clock: times are parameters, and randomness is drawn only
//! where a key, a token or a sealed nonce is made.
//!
//! A proof is a type: [`Verified`] can be built only by the functions of this crate that checked every signature.

pub mod bytes;
pub mod calls;
pub mod certificate;
pub mod cloud;
pub mod code;
pub mod epoch;
mod error;
pub mod evidence;
mod json;
pub mod jwk;
pub mod jws;
mod make;
pub mod message;
pub mod nonce;
pub mod pin;
pub mod seal;
pub mod sign;
pub mod state;
pub mod token;
pub mod verify;

pub use bytes::{Binary, Bytes};
pub use code::{Code, Retry};
pub use epoch::{EpochHash, EpochSecret};
pub use error::WireError;
pub use evidence::Level;
pub use jwk::{PublicJwk, Thumbprint};
pub use jws::{Alg, Typ};
pub use message::Message;
pub use pin::Pin;
pub use sign::{Ed25519Key, P256Key, Sign, Verify};
pub use state::{BindingState, Channel, ClaimSource, DeviceState, Platform, Protection};
pub use token::{DeviceToken, OneTimeCode, TokenError, TokenId};
pub use verify::{Posted, Sent, Verified};

/// The protocol version this crate speaks, member `v` of every message.
pub const VERSION: u8 = 1;

/// Whole seconds since 1970-01-01T00:00:00Z, as every time of the protocol except `serial`.
pub type Seconds = u64;

/// Milliseconds since 1970-01-01T00:00:00Z: only the cloud document's `serial` and the certificate's `issued`.
pub type Milliseconds = u64;
