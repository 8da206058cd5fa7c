//! The page before something is taken away or let in.
//!
//! Owns how it looks: what will be touched, with counts, then one button and a way back. Must not know what is confirmed.

use askama::Template;
use axum::response::Response;

use super::super::page::{self, Page};

/// What a page asks before it does something.
#[derive(Template)]
#[template(path = "connector/confirm.html")]
pub(super) struct Confirm {
    pub(super) page: Page,
    /// Where the thing belongs: path below the organization, and its name.
    pub(super) from: (String, String),
    /// The sentence under the title.
    pub(super) lead: String,
    /// What will be touched: how many, and of what.
    pub(super) touched: Vec<(u64, String)>,
    /// What to know before.
    pub(super) warning: Option<String>,
    /// Where the form goes, below the organization.
    pub(super) action: String,
    /// What goes along.
    pub(super) fields: Vec<(String, String)>,
    /// The button.
    pub(super) button: String,
    /// Whether something is lost.
    pub(super) danger: bool,
    /// The way back, below the organization.
    pub(super) back: String,
    pub(super) cli: String,
    pub(super) api: String,
}

impl Confirm {
    /// The answer.
    pub(super) fn show(&self) -> Response {
        page::show(self)
    }
}
