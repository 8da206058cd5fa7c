//! What is done to all devices that a filter finds: choose, see what would happen, do it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::device::admin::{Bulk, Order};
use latchkey_directory::device::view::{DeviceFilter, DeviceView};
use latchkey_directory::values::{DeviceAction, Scope};

use super::super::super::doors::{Doors, Needs};
use super::super::super::fields::{Asked, Fields};
use super::super::super::page::{self, Page};
use super::super::super::text;
use super::super::super::visit::Visit;
use super::act::{is_danger, order, word};
use super::list::flags;
use super::{LIST, asked_for, filter, name_of, query, said, seen_by};
use crate::app::App;
use crate::problem::{Problem, Result};

const BULK: &str = "/connector/devices/bulk";

pub(super) fn doors(doors: Doors) -> Doors {
    let needs = Needs::Right(Scope::DevicesWrite);
    doors.page(needs, BULK, ask).action(needs, BULK, act)
}

#[derive(Template)]
#[template(path = "connector/devices_bulk.html")]
struct BulkPage {
    page: Page,
    /// The filter, to be sent along.
    fields: Vec<(String, String)>,
    /// The filter, as words.
    named: Vec<(String, String)>,
    /// What was chosen, by its word.
    word: Option<String>,
    action: String,
    force: bool,
    danger: bool,
    /// What would happen, or what happened.
    outcome: Option<Bulk>,
    done: bool,
    back: String,
    cli: String,
    api: String,
}

/// The actions, by the words of their texts.
const ACTIONS: [&str; 7] = ["approve", "suspend", "resume", "quarantine", "release", "remove", "remove_now"];

impl BulkPage {
    fn actions() -> impl Iterator<Item = &'static str> {
        ACTIONS.into_iter()
    }

    fn is_chosen(&self, word: &str) -> bool {
        self.word.as_deref() == Some(word)
    }

    fn name<'a>(&self, device: &'a DeviceView) -> &'a str {
        name_of(device)
    }
}

/// The chosen action, where one was.
fn chosen(fields: &Fields) -> Result<Option<Order>> {
    match fields.text("action") {
        None => Ok(None),
        Some("remove_now") => Ok(Some(Order { action: DeviceAction::Remove, force: true })),
        Some(action) => order(action, fields).map(Some),
    }
}

/// A filter that finds every device is asked for by naming the states.
fn some(filter: &DeviceFilter) -> Result<()> {
    if filter.is_empty() {
        return Err(Problem::of(latchkey_wire::Code::Api010)
            .detail("This would touch every device of the organization.")
            .fix("Go back to the list and choose a filter first; to mean all of them, tick the states."));
    }
    Ok(())
}

async fn ask(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let wanted = filter(&visit, &asked, app.directory.now());
    let fields = asked_for(&asked);
    let order = chosen(&asked)?;
    let page = visit.page("devices.bulk.title");
    if wanted.is_empty() {
        return Ok(show(&visit, page, &fields, &wanted, None, None, false));
    }
    let outcome = match order {
        Some(order) => Some(app.directory.change_devices(&visit.trial(), &visit.org, wanted.clone(), order).await?),
        None => None,
    };
    Ok(show(&visit, page, &fields, &wanted, order, outcome, false))
}

async fn act(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let wanted = filter(&visit, &fields, app.directory.now());
    some(&wanted)?;
    let order = chosen(&fields)?.ok_or_else(Problem::not_found)?;
    let outcome = app.directory.change_devices(&visit.intent(), &visit.org, wanted.clone(), order).await?;
    let page = visit.page("devices.bulk.done");
    Ok(show(&visit, page, &asked_for(&fields), &wanted, Some(order), Some(outcome), true))
}

fn show(
    visit: &Visit,
    page: Page,
    fields: &[(String, String)],
    wanted: &DeviceFilter,
    order: Option<Order>,
    outcome: Option<Bulk>,
    done: bool,
) -> Response {
    let outcome = outcome.map(|mut bulk| {
        bulk.sample = bulk.sample.into_iter().map(|device| seen_by(visit, device)).collect();
        bulk
    });
    let named = fields.iter().map(|(name, value)| {
        let value = match name.as_str() {
            "state" | "platform" | "level" => text::t(&format!("common.{name}.{value}")).into_owned(),
            "silent" => text::tt("devices.silent_days", &[value]),
            _ => value.clone(),
        };
        (text::t(&format!("devices.field.{name}")).into_owned(), value)
    });
    let flags = flags(fields);
    let action = order.map_or_else(|| "ACTION".to_owned(), |order| order.action.to_string());
    let force = order.is_some_and(|order| order.force);
    let body = serde_json::json!({"filter": said(wanted), "action": action, "force": force});
    page::show(&BulkPage {
        page,
        named: named.collect(),
        fields: fields.to_vec(),
        word: order.map(word),
        force,
        danger: order.is_some_and(|order| is_danger(order.action)),
        outcome,
        done,
        back: format!("{LIST}?{}", query(fields)),
        cli: format!("latchkey device {action}{flags}{} --yes", if force { " --force" } else { "" }),
        api: format!("POST /api/v1{}/devices/bulk?dry_run=true\n{body}", visit.at("")),
        action,
    })
}
