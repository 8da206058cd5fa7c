//! Enrollment and renewal, the server's side.
//!
//! Owns the device CA and what it issues. Must not know how a request came in.

pub mod certificate;
pub mod limits;
