//! One event, with what it says, what was before, and what its code means.
//!
//! Owns the comparison with the event before it of the same kind and target. Must not know what the details of any event mean.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::audit::log::{EventFilter, EventView};
use latchkey_directory::page::{Cursor, PageRequest};
use latchkey_directory::values::{Module, Scope};
use serde_json::{Map, Value};

use super::super::super::doors::{Doors, Needs};
use super::super::super::page::{self, MASK, Page};
use super::super::super::visit::Visit;
use super::Event;
use crate::app::App;
use crate::code::Code;
use crate::explained::{self, Explanation};
use crate::problem::Result;

pub(super) fn doors(doors: Doors) -> Doors {
    doors.page(Needs::Right(Scope::AuditRead), "/admin/audit/events/{id}", one)
}

/// A detail, and what it was.
#[derive(Debug, PartialEq, Eq)]
struct Detail {
    name: String,
    before: String,
    after: String,
    differs: bool,
}

#[derive(Template)]
#[template(path = "identity/audit_event.html")]
struct OnePage {
    page: Page,
    event: Event,
    details: Vec<Detail>,
    /// The event that is compared with.
    earlier: Option<Event>,
    explained: Option<Explanation>,
    hash: String,
    chain: String,
    seq: String,
    cli: String,
    api: String,
}

async fn one(visit: Visit, State(app): State<Arc<App>>, Path((_org, id)): Path<(String, String)>) -> Result<Response> {
    let view = app.directory.audit_event(&visit.org, &id).await?;
    let masked = visit.rights.is_masked(Module::Audit);
    let event = Event::of(&view, masked);
    let earlier = earlier(&app, &visit, &event).await?;
    let (before, after) = (earlier.as_ref().map(details), details(&view));
    let mut details = compare(before.as_ref(), &after);
    if masked {
        for detail in &mut details {
            for value in [&mut detail.before, &mut detail.after].into_iter().filter(|value| !value.is_empty()) {
                MASK.clone_into(value);
            }
        }
    }
    let number = |name: &str| view.event.get(name).map(shown).unwrap_or_default();
    let explained = (!event.code.is_empty()).then(|| explained::of_code(&event.code, event.code.parse::<Code>().ok()));
    Ok(page::show(&OnePage {
        page: visit.page_of(&event.action),
        details,
        earlier: earlier.as_ref().map(|view| Event::of(view, masked)),
        explained,
        hash: view.hash.clone(),
        chain: number("chain"),
        seq: number("seq"),
        cli: format!("latchkey audit show {}", event.id),
        api: format!("GET /api/v1{}/audit-events/{}", visit.at(""), event.id),
        event,
    }))
}

/// The event before this one that set the same thing.
async fn earlier(app: &Arc<App>, visit: &Visit, event: &Event) -> Result<Option<EventView>> {
    let sets = event.action.ends_with(".set") || event.action.ends_with(".refresh");
    let Ok(at) = event.at.parse() else { return Ok(None) };
    if !sets || event.outcome != "ok" {
        return Ok(None);
    }
    let filter = EventFilter {
        action: vec![event.action.clone()],
        target: vec![event.target.clone()],
        outcome: vec!["ok".to_owned()],
        ..EventFilter::default()
    };
    let after = Some(Cursor { at, id: event.id.clone() });
    let request = PageRequest { limit: 1, after, ..PageRequest::default() };
    Ok(app.directory.audit_events(&visit.org, filter, request).await?.items.into_iter().next())
}

fn details(view: &EventView) -> Map<String, Value> {
    view.event.get("details").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// A value for people: texts without quotes, lists by commas.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn compare(before: Option<&Map<String, Value>>, after: &Map<String, Value>) -> Vec<Detail> {
    let names: BTreeSet<&String> = before.into_iter().flat_map(Map::keys).chain(after.keys()).collect();
    let of = |name: &String| {
        let (old, new) = (before.and_then(|before| before.get(name)), after.get(name));
        Detail {
            name: name.clone(),
            before: old.map(shown).unwrap_or_default(),
            after: new.map(shown).unwrap_or_default(),
            differs: before.is_some() && old != new,
        }
    };
    names.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_marked_and_what_was_taken_away_is_shown() {
        let map = |value: Value| value.as_object().unwrap().clone();
        let before = map(json!({"domains": ["a"], "jit": false, "gone": 1}));
        let after = map(json!({"domains": ["a", "b"], "jit": false}));
        let found: Vec<_> = compare(Some(&before), &after)
            .into_iter()
            .map(|detail| (detail.name, detail.before, detail.after, detail.differs))
            .collect();
        let line =
            |name: &str, old: &str, new: &str, differs| (name.to_owned(), old.to_owned(), new.to_owned(), differs);
        assert_eq!(
            found,
            [line("domains", "a", "a, b", true), line("gone", "1", "", true), line("jit", "false", "false", false)]
        );
        assert!(compare(None, &after).iter().all(|detail| !detail.differs));
    }
}
