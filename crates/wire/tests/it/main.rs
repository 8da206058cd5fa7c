//! Tests of the protocol from outside, as a connector and a server use it.

mod support;

mod codes;
mod requests;
mod tokens;
