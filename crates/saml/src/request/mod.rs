//! AuthnRequests: decoded from their binding, held as untrusted, verified once, and then carried as proof.
//!
//! [`IncomingRequest`] is what anyone may have sent. [`IncomingRequest::verify`] is the only maker of
//! [`VerifiedRequest`], whose [`RequestFacts`] may be sealed into a sign-in transaction and come back from it.

mod codes;
mod decode;
mod error;
mod facts;
mod read;
mod verify;

pub use codes::{CODES, CodeEntry};
pub use decode::IncomingRequest;
pub use error::{Answer, Fault, RequestError};
pub use facts::{Acs, RequestFacts, SubjectHint};
pub use verify::{IdpAddresses, RequestPolicy, VerifiedRequest};
