//! What the server asks others over the network: name servers, and addresses that somebody typed in.
//!
//! Owns the guard against being sent where it must not go (security.md, A31). Must not know why it asks.

pub mod address;
pub mod dns;
pub mod fetch;
