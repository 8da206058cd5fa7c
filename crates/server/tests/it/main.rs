//! Integration tests of the server program: the real binary, driven from outside.

#![allow(clippy::unwrap_used)] // helpers outside #[test] functions are tests too

mod command_line;
mod program;
