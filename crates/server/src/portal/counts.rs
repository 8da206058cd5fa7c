//! How many devices of a kind there are, as pages show it.
//!
//! Owns the words for a number that is counted to a bound. Must not know which page shows it.

use latchkey_directory::device::view::DeviceFilter;
use latchkey_directory::page::{MOST_COUNTED, PageRequest};
use latchkey_wire::DeviceState;

use super::text;
use super::visit::Visit;
use crate::app::App;
use crate::problem::Result;

/// A number of things, as far as they are counted.
pub(super) struct Number {
    /// The key of its text.
    pub(super) what: &'static str,
    /// The number, in words where it is not counted to the end.
    pub(super) words: String,
    /// Where those things are, below the organization.
    pub(super) path: &'static str,
    /// Whether there are any.
    pub(super) some: bool,
}

impl Number {
    /// Of a count that lists answer.
    pub(super) fn of(what: &'static str, count: Option<u64>, path: &'static str) -> Self {
        let count = count.unwrap_or_default();
        let words = if count > MOST_COUNTED {
            text::tt("common.more_than", &[&MOST_COUNTED.to_string()])
        } else {
            count.to_string()
        };
        Self { what, words, path, some: count > 0 }
    }
}

/// The request of somebody who wants the number alone. Lists count the first ten thousand, and nobody waits for more.
pub(super) fn counted() -> PageRequest {
    PageRequest { limit: 1, count: true, ..PageRequest::default() }
}

/// The devices in states in which somebody looks for them.
pub(super) async fn devices(app: &App, visit: &Visit) -> Result<Vec<Number>> {
    let mut numbers = Vec::new();
    for (what, state, path) in [
        ("common.devices_registered", DeviceState::Registered, "/connector/devices?state=registered"),
        ("common.devices_pending", DeviceState::Pending, "/connector/devices?state=pending"),
        ("common.devices_quarantined", DeviceState::Quarantined, "/connector/devices?state=quarantined"),
    ] {
        let filter = DeviceFilter { state: vec![state], ..DeviceFilter::default() };
        let found = app.directory.devices(&visit.org, filter, counted()).await?;
        numbers.push(Number::of(what, found.count, path));
    }
    Ok(numbers)
}
