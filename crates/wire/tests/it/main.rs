//! Tests of the protocol from outside, as a connector and a server use it.

mod support;

mod cloud;
mod codes;
mod mutations;
mod requests;
mod sealed;
mod tokens;
