//! `latchkey serve`: from flags to a listening server, and its end.
//!
//! Owns everything that needs neither directory nor store; what is served is an [`App`] that the caller builds.

pub mod config;

use crate::exit::Result;
use crate::output::Output;

/// What is served.
pub struct App {
    /// Routes of the public listener.
    pub public: axum::Router,
}

/// Runs the server until it is told to stop.
pub fn command(typed: config::Typed, output: Output, build: fn() -> App) -> Result<()> {
    drop((typed, output, build()));
    Ok(())
}
