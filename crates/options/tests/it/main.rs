//! Tests of the one vocabulary.

#![allow(clippy::panic, clippy::unwrap_used)] // in a test a panic is the report

mod deploy;
mod precedence;
mod r29_placeholders;
mod spellings;
