//! Integration tests of the server program: the real binary, driven from outside.

#![allow(clippy::unwrap_used, clippy::panic, clippy::result_large_err)] // helpers outside #[test] functions are tests too

mod backups;
mod checking;
mod cli_calls;
mod cli_ends;
mod cli_fake;
mod cli_https;
mod command_line;
mod device_calls;
mod device_lab;
mod fronting;
mod postgres;
#[path = "../../../store/tests/it/private_postgres.rs"]
mod private_postgres;
mod program;
mod server;
mod serving;
mod signin;
