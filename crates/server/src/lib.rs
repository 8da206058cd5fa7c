//! The server program `latchkey`: configuration, HTTP, command line, and what is mounted on them.
//!
//! Owns the process. Must not know the connector's insides; nothing here touches the store but through `latchkey-directory`.

pub mod app;
pub mod cli;
pub mod code;
pub mod exit;
pub mod output;
pub mod problem;
pub mod serve;
