//! The log on stderr.
//!
//! Owns its form and its filter (`LATCHKEY_LOG`). Must not know what is logged; what is secret is a type that cannot be printed.

use tracing_subscriber::EnvFilter;

use crate::code::Own;
use crate::exit::{Failure, Result};

/// Form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged unless `LATCHKEY_LOG` says otherwise: our own events, and of the libraries what went wrong.
const DEFAULT_FILTER: &str =
    "warn,hyper=error,latchkey_server=info,latchkey_directory=info,latchkey_store=info,latchkey_saml=info";

/// Starts the log of this process.
pub fn start(format: LogFormat, filter: Option<&str>) -> Result<()> {
    let filter = match filter {
        Some(text) => EnvFilter::try_new(text).map_err(|error| {
            let detail = format!("LATCHKEY_LOG: {text:?} is no filter: {error}");
            Failure::new(
                Own::Serve002,
                detail,
                "write a level, as debug, or parts with levels, as info,latchkey_server=debug",
            )
        })?,
        None => EnvFilter::new(DEFAULT_FILTER),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let started = match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| {
        Failure::new(Own::Serve001, format!("the log cannot be started: {error}"), Own::Serve001.fix())
    })
}
