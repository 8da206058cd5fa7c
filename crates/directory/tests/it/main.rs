//! The rules of devices, on a real store.

#![allow(clippy::unwrap_used)] // helpers outside #[test] functions are tests too
#![allow(unreachable_pub)] // the modules of one test binary share what they name

mod administering;
mod binding;
mod enrolling;
mod matrix;
mod renewing;
mod world;
