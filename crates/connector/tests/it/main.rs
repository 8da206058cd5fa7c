//! Tests of the connector against a cloud in the test: the real program, the real protocol.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::panic,
    clippy::unwrap_used,
    clippy::large_futures,
    clippy::format_push_string,
    clippy::result_large_err
)]
// helpers of tests; a panic is the report

mod fake_cloud;
mod fake_issuer;
mod fake_service;
mod program;
mod wire_http;

mod accounts;
mod coming_back;
mod crashing;
mod enrolling;
mod pieces;
mod renewing;
mod serving;
mod signing_in;
