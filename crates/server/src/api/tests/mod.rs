//! Tests of the API over HTTP, on a real store.
// Helpers outside #[test] functions are tests too, and a body written in place is a value.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

mod audit;
mod clients;
mod domains;
mod errors;
mod repeated;
mod roles;
mod services;
mod tokens;
mod users;
pub(crate) mod world;
