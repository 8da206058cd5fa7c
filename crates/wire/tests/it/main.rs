//! Tests of the protocol from outside, as a connector and a server use it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report; clippy knows only functions marked #[test]"
)]

mod support;
mod vectors;

mod calls;
mod cloud;
mod codes;
mod mutations;
mod requests;
mod round_trips;
mod sealed;
mod tokens;
