//! Tests of all doors alike, from the router's own list.
// Helpers outside #[test] functions are tests too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod devices;
mod doors;
mod fleet;
mod grouping;
mod identity;
mod oversight;
pub(crate) mod people;
mod rights;
mod services;
mod tokens;
