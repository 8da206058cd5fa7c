//! Sign-in.
//!
//! Owns the sealed transaction and the keys that seal it. Must not know how a request came in.

pub mod seal;
pub mod txn;
