//! One device: all that is known of it, who is on it, and what happened to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::audit::log::{EventFilter, EventView};
use latchkey_directory::device::view::{BindingFilter, BindingView, DeviceView};
use latchkey_directory::page::PageRequest;
use latchkey_directory::values::Scope;
use latchkey_wire::{BindingState, Code as Wire, DeviceState};

use super::super::super::doors::{Doors, Needs};
use super::super::super::page::{self, MASK, Page};
use super::super::super::text;
use super::super::super::visit::Visit;
use super::{LIST, binding_seen_by, is_masked, name_of, seen_by};
use crate::app::App;
use crate::problem::Result;

/// So many events are shown.
const HISTORY: u64 = 25;

pub(super) fn doors(doors: Doors) -> Doors {
    doors.page(Needs::Right(Scope::DevicesRead), "/connector/devices/{id}", show)
}

#[derive(Template)]
#[template(path = "connector/device.html")]
struct DevicePage {
    page: Page,
    device: DeviceView,
    why: String,
    fix: String,
    actions: Vec<Action>,
    bindings: Vec<BindingRow>,
    history: Option<Vec<Event>>,
    token: Option<(String, String)>,
    may_write: bool,
    cli: String,
    api: String,
}

/// A thing that can be done.
struct Action {
    path: String,
    label: &'static str,
    look: &'static str,
}

/// A binding, and why it waits.
struct BindingRow {
    binding: BindingView,
    why: Option<String>,
    may_approve: bool,
    may_remove: bool,
}

/// Something that happened.
struct Event {
    at: String,
    action: String,
    actor: String,
    address: String,
    outcome: String,
    details: String,
}

async fn show(visit: Visit, State(app): State<Arc<App>>, Path((_org, id)): Path<(String, String)>) -> Result<Response> {
    let device = app.directory.device(&visit.org, &id).await?;
    let of_device = BindingFilter { device: vec![device.id.clone()], ..BindingFilter::default() };
    let bindings =
        app.directory.bindings(&visit.org, of_device, PageRequest { limit: 100, ..PageRequest::default() }).await?;
    let history = history(&app, &visit, &device, &bindings.items).await?;
    let token = match (&device.token_id, visit.rights.may(Scope::TokensRead)) {
        (Some(id), true) => app.directory.token(&visit.org, id).await.ok().map(|token| (id.clone(), token.description)),
        _ => None,
    };
    let device = seen_by(&visit, device);
    let may_write = visit.rights.may(Scope::DevicesWrite);
    let row = |binding: BindingView| BindingRow {
        why: binding.reason.as_deref().map(reason),
        may_approve: may_write && binding.state == BindingState::Pending,
        may_remove: may_write && binding.state != BindingState::Ended,
        binding: binding_seen_by(&visit, binding),
    };
    let (why, fix) = words(&device);
    Ok(page::show(&DevicePage {
        page: visit.page_of(name_of(&device)),
        why,
        fix,
        actions: if may_write { actions(&device) } else { Vec::new() },
        bindings: bindings.items.into_iter().map(row).collect(),
        history,
        token,
        may_write,
        cli: format!("latchkey device show {id}\nlatchkey binding list --device {id}"),
        api: format!("GET /api/v1{0}/devices/{id}\nGET /api/v1{0}/bindings?device={id}", visit.at("")),
        device,
    }))
}

/// Why a device or binding is as it is, in words. A code is told by its title.
pub(super) fn reason(reason: &str) -> String {
    if let Ok(code) = reason.parse::<Wire>() {
        return format!("{} ({code})", code.title());
    }
    let key = format!("devices.reason.{}", reason.replace(' ', "-"));
    text::find(&key).map_or_else(|| reason.to_owned(), str::to_owned)
}

/// The reason of the state, and what to do.
fn words(device: &DeviceView) -> (String, String) {
    let why = device.reason.as_deref().map(reason).unwrap_or_default();
    let code = device.reason.as_deref().and_then(|reason| reason.parse::<Wire>().ok());
    let state = match (device.state, device.release_ends_at) {
        (DeviceState::Quarantined, Some(_)) => "devices.fix.released".to_owned(),
        (state, _) => format!("devices.fix.{state}"),
    };
    let fix = text::find(&state).unwrap_or_default().to_owned();
    (
        why,
        match code {
            Some(code) if device.state == DeviceState::Pending => format!("{fix} {}", code.fix()),
            _ => fix,
        },
    )
}

/// What the state allows.
fn actions(device: &DeviceView) -> Vec<Action> {
    let action = |name: &str, label, look| Action { path: format!("{LIST}/{}/{name}", device.id), label, look };
    let mut all = match device.state {
        DeviceState::Pending => vec![action("approve", "devices.approve", "")],
        DeviceState::Registered => vec![
            action("suspend", "devices.suspend", " secondary"),
            action("quarantine", "devices.quarantine", " secondary"),
        ],
        DeviceState::Suspended => vec![action("resume", "devices.resume", "")],
        DeviceState::Quarantined => vec![action("release", "devices.release", "")],
        _ => Vec::new(),
    };
    if device.state != DeviceState::Removed {
        if device.state != DeviceState::RemovalPending {
            all.push(action("remove", "devices.remove", " danger secondary"));
        }
        all.push(action("remove?force=1", "devices.remove_now", " danger secondary"));
    }
    all
}

/// What the audit log has of the device and its bindings; nothing for somebody who may not read it.
async fn history(
    app: &Arc<App>,
    visit: &Visit,
    device: &DeviceView,
    bindings: &[BindingView],
) -> Result<Option<Vec<Event>>> {
    if !visit.rights.may(Scope::AuditRead) {
        return Ok(None);
    }
    let mut target = vec![device.id.clone()];
    target.extend(bindings.iter().map(|binding| binding.id.clone()));
    let filter = EventFilter { target, ..EventFilter::default() };
    let found = app
        .directory
        .audit_events(&visit.org, filter, PageRequest { limit: HISTORY, ..PageRequest::default() })
        .await?;
    let hidden = is_masked(visit);
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut all = Vec::new();
    for EventView { event, .. } in &found.items {
        let text = |name: &str| event.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let (kind, id) = (text("actor_kind"), text("actor"));
        if kind == "user" && !hidden && !names.contains_key(&id) {
            let name = app.directory.user(&visit.org, &id).await.map_or_else(|_| id.clone(), |user| user.login_name);
            names.insert(id.clone(), name);
        }
        let actor = match kind.as_str() {
            "user" if hidden => MASK.to_owned(),
            "user" => names.get(&id).cloned().unwrap_or(id),
            _ => format!("{} {id}", text::t(&format!("devices.actor.{kind}"))),
        };
        all.push(Event {
            at: text("at").get(..19).unwrap_or_default().replace('T', " "),
            action: text("action"),
            actor,
            address: if hidden { String::new() } else { text("address") },
            outcome: text("outcome"),
            details: if hidden { String::new() } else { details(event.get("details")) },
        });
    }
    Ok(Some(all))
}

/// `name: value` pairs; what is not said is left out.
fn details(details: Option<&serde_json::Value>) -> String {
    let Some(members) = details.and_then(serde_json::Value::as_object) else { return String::new() };
    let word = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let said = members.iter().filter(|(_, value)| !value.is_null());
    said.map(|(name, value)| format!("{name}: {}", word(value))).collect::<Vec<_>>().join(" · ")
}
