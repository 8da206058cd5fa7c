//! The programs as a stranger uses them: only their command lines, against a real server and a service that others wrote.
//!
//! `script.sh` is the end of the command line's contract, letter for letter.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the report")]

mod programs;
mod relay;
mod script;
