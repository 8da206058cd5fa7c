//! The list of devices.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::device::view::{DeviceFilter, DeviceView};
use latchkey_directory::values::Scope;
use latchkey_wire::{DeviceState, Platform};

use super::super::super::doors::{Doors, Needs};
use super::super::super::fields::{Asked, Paging};
use super::super::super::page::{self, Page};
use super::super::super::visit::Visit;
use super::{LIST, SILENT, asked_for, filter, is_masked, masked, name_of, query, seen_by};
use crate::app::App;
use crate::device_file;
use crate::problem::Result;

pub(super) fn doors(doors: Doors) -> Doors {
    let needs = Needs::Right(Scope::DevicesRead);
    doors.page(needs, LIST, list).page(needs, "/connector/devices/export", export)
}

#[derive(Template)]
#[template(path = "connector/devices.html")]
struct ListPage {
    page: Page,
    devices: Vec<DeviceView>,
    asked: Asked,
    filtered: bool,
    /// The filter as a query: for what is done with all that match.
    query: String,
    masked: bool,
    may_write: bool,
    may_deploy: bool,
    paging: Paging,
    export: String,
    cli: String,
    api: String,
}

async fn list(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let wanted = filter(&visit, &asked, app.directory.now());
    let found = app.directory.devices(&visit.org, wanted.clone(), asked.page_request()).await?;
    let path = visit.at(LIST);
    let fields = asked_for(&asked);
    let query = query(&fields);
    let flags = flags(&fields);
    Ok(page::show(&ListPage {
        page: visit.page("devices.title"),
        devices: found.items.into_iter().map(|device| seen_by(&visit, device)).collect(),
        filtered: !fields.is_empty(),
        masked: is_masked(&visit),
        may_write: visit.rights.may(Scope::DevicesWrite),
        may_deploy: visit.rights.may(Scope::TokensWrite),
        paging: asked.paging(&path, found.next.as_ref()),
        export: with(&format!("{path}/export"), &query),
        cli: format!("latchkey device list{flags}"),
        api: with(&format!("GET /api/v1{}/devices", visit.at("")), &api_query(&fields, &wanted)),
        query,
        asked,
    }))
}

async fn export(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let wanted = filter(&visit, &asked, app.directory.now());
    let shown = if is_masked(&visit) { masked } else { |device| device };
    Ok(page::as_file(device_file::write(&app, &visit.org, wanted, shown).await?))
}

/// An address with its query, if there is one.
fn with(address: &str, query: &str) -> String {
    if query.is_empty() { address.to_owned() } else { format!("{address}?{query}") }
}

/// The filter as the API is asked: it takes a time where a page has days.
fn api_query(fields: &[(String, String)], wanted: &DeviceFilter) -> String {
    let mut all: Vec<_> = fields.iter().filter(|(name, _)| name != "silent").cloned().collect();
    all.extend(wanted.last_seen_before.map(|before| ("last_seen_before".to_owned(), before.to_string())));
    query(&all)
}

/// The filter as flags of the command line.
pub(super) fn flags(fields: &[(String, String)]) -> String {
    let flag = |(name, value): &(String, String)| match name.as_str() {
        "q" => format!(" --query {}", quoted(value)),
        "silent" => format!(" --last-seen-before {value}d"),
        _ => format!(" --{name} {}", quoted(value)),
    };
    fields.iter().map(flag).collect()
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@:/".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

impl ListPage {
    fn states() -> impl Iterator<Item = &'static DeviceState> {
        DeviceState::ALL.iter()
    }

    fn platforms() -> impl Iterator<Item = &'static Platform> {
        Platform::ALL.iter()
    }

    fn silent() -> impl Iterator<Item = &'static str> {
        SILENT.into_iter()
    }

    fn is_chosen(&self, name: &str, value: &impl std::fmt::Display) -> bool {
        let value = value.to_string();
        self.asked.many(name).contains(&value)
    }

    fn asked_text(&self, name: &str) -> &str {
        self.asked.text(name).unwrap_or_default()
    }

    fn name<'a>(&self, device: &'a DeviceView) -> &'a str {
        name_of(device)
    }
}
