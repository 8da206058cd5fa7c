//! The programs as a stranger uses them: only their command lines, against a real server and a service that others wrote.
//!
//! `script.sh` is the end of the command line's contract, letter for letter.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the report")]

mod api;
mod credentials;
mod deploy;
mod lines;
mod oversight;
mod programs;
mod python;
mod relay;
mod roles;
mod roots;
mod script;
mod secrets;
mod standing;
mod stranger;
mod ways_in;
