//! What the cloud says about itself.
//!
//! Owns the signed cloud document. Must not know how the root key is kept, nor who asks.

pub mod document;
