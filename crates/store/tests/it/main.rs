//! One conformance suite for all stores, and what only one of them can show.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report; helpers are not inside #[test]"
)]

#[macro_use]
mod conformance;
mod audit;
mod lists;
mod pages;
mod postgres;
mod private_postgres;
mod sqlite;
