//! Tests of `latchkey-saml`. What we write is checked by `xmlsec1`, by signxml and byte for byte against bergshamra; what
//! we read is attacked.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the report")]

mod attack;
mod fixture;
mod outside;
mod read;
mod sheets;
mod sign;
mod wrapping;
mod write;
