//! The rules of devices and of those who administer, on a real store.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report; helpers are not inside #[test]"
)]
#![allow(unreachable_pub)] // the modules of one test binary share what they name

mod access;
mod administering;
mod binding;
mod enrolling;
mod grouping;
mod matrix;
mod passwords;
mod renewing;
mod replaying;
mod restoring;
mod roles;
mod setting_up;
mod signing_in;
mod world;
