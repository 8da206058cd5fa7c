//! Integration tests of the server program: the real binary, driven from outside.

#![allow(clippy::unwrap_used, clippy::result_large_err)] // helpers outside #[test] functions are tests too

mod command_line;
mod program;
