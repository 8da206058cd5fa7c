//! The device agent of Latchkey.
//!
//! **Owns** everything on the device: option sources, accounts, keys and state, enrollment, binding, renewal, heartbeats, the
//! silent sign-in agent, the system service and its socket, the command line. Linux; other platforms come behind the seams in
//! `keys`, `account`, `machine` and `settings`.
//!
//! **Must not know** the server's insides: it speaks `latchkey-wire` over the calls of the protocol page, nothing else.
//!
//! Threads, not an async runtime: the service idles for half an hour at a time in a few megabytes.

#![allow(clippy::result_large_err)] // a problem ends a command: it is moved a few times at most

pub mod account;
pub mod agent;
mod apply;
pub mod backoff;
pub mod bind;
pub mod cli;
pub mod clock;
pub mod cloud;
mod commands;
pub mod device;
pub mod enroll;
pub mod files;
pub mod http;
pub mod keys;
mod local;
pub mod machine;
mod output;
pub mod problem;
pub mod proof;
pub mod renew;
pub mod service;
pub mod sessions;
pub mod settings;
pub mod state;
mod token;

pub use local::LocalProver;

/// What the connector calls itself in HTTP.
pub const AGENT: &str = concat!("latchkey-connector/", env!("CARGO_PKG_VERSION"));
