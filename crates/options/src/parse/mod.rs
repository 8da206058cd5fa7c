//! Parsers: from a platform's way of passing options to [`Given`](crate::Given) values.
//!
//! Each is handed text and touches nothing. A further platform (MSI properties, property lists, Android restrictions) is a
//! further module here that returns the same type; nothing else changes.

mod command_line;
mod environment;
mod json;

pub use command_line::{SplitArguments, split_arguments};
pub use environment::parse_environment;
pub use json::parse_json;
