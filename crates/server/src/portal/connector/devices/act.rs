//! What is done to one device or one binding: a page that says what will be touched, then the deed.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::device::admin::Order;
use latchkey_directory::values::{DeviceAction, Scope};

use super::super::super::doors::{Doors, Needs};
use super::super::super::fields::{Asked, Fields};
use super::super::super::text;
use super::super::super::visit::Visit;
use super::super::confirm::Confirm;
use super::{LIST, binding_seen_by, name_of, seen_by};
use crate::app::App;
use crate::problem::{Problem, Result};

const ONE: &str = "/connector/devices/{id}/{action}";
const BINDING: &str = "/connector/bindings/{id}/{action}";

pub(super) fn doors(doors: Doors) -> Doors {
    let needs = Needs::Right(Scope::DevicesWrite);
    let doors = doors.page(needs, ONE, ask).action(needs, ONE, act);
    doors.page(needs, BINDING, ask_binding).action(needs, BINDING, act_binding)
}

/// What the address and a ticked box say.
pub(super) fn order(action: &str, fields: &Fields) -> Result<Order> {
    let action: DeviceAction = action.parse().map_err(|_| Problem::not_found())?;
    Ok(Order { action, force: action == DeviceAction::Remove && fields.text("force") == Some("1") })
}

/// The word under which the texts of an action stand.
pub(super) fn word(order: Order) -> String {
    if order.force { "remove_now".to_owned() } else { order.action.to_string() }
}

/// Whether something of it does not come back by itself.
pub(super) fn is_danger(action: DeviceAction) -> bool {
    matches!(action, DeviceAction::Remove | DeviceAction::Quarantine)
}

async fn ask(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id, action)): Path<(String, String, String)>,
    asked: Asked,
) -> Result<Response> {
    let order = order(&action, &asked)?;
    let before = seen_by(&visit, app.directory.device(&visit.org, &id).await?);
    let (_, sessions) = app.directory.change_device(&visit.trial(), &visit.org, &id, order).await?;
    let word = word(order);
    let name = name_of(&before).to_owned();
    let users = before.users.len() as u64;
    let touched = [(users, "devices.touch.users"), (sessions, "devices.touch.sessions")];
    let touched = touched.into_iter().filter(|(count, _)| *count > 0);
    let (flag, body) = if order.force { (" --force", "{\"force\":true}") } else { ("", "{}") };
    let yes = if is_danger(order.action) { " --yes" } else { "" };
    Ok(Confirm {
        page: visit.page_of(&text::tt(&format!("devices.ask.{word}"), &[&name])),
        from: (format!("{LIST}/{}", before.id), name),
        lead: text::t(&format!("devices.means.{word}")).into_owned(),
        touched: touched.map(|(count, key)| (count, text::t(key).into_owned())).collect(),
        warning: text::find(&format!("devices.beware.{word}")).map(str::to_owned),
        action: format!("{LIST}/{}/{}", before.id, order.action),
        fields: if order.force { vec![("force".to_owned(), "1".to_owned())] } else { Vec::new() },
        button: text::t(&format!("devices.{word}")).into_owned(),
        danger: is_danger(order.action),
        back: format!("{LIST}/{}", before.id),
        cli: format!("latchkey device {} {}{flag}{yes}", order.action, before.id),
        api: format!("POST /api/v1{}/devices/{}/{}\n{body}", visit.at(""), before.id, order.action),
    }
    .show())
}

async fn act(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id, action)): Path<(String, String, String)>,
    fields: Fields,
) -> Result<Response> {
    let order = order(&action, &fields)?;
    app.directory.change_device(&visit.intent(), &visit.org, &id, order).await?;
    Ok(visit.go_saying(&format!("{LIST}/{id}"), &format!("device-{}", order.action)))
}

/// What can be done to a binding.
fn is_removal(action: &str) -> Result<bool> {
    match action {
        "approve" => Ok(false),
        "remove" => Ok(true),
        _ => Err(Problem::not_found()),
    }
}

async fn ask_binding(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id, action)): Path<(String, String, String)>,
) -> Result<Response> {
    let removes = is_removal(&action)?;
    let binding = binding_seen_by(&visit, app.directory.binding(&visit.org, &id).await?);
    let sessions = if removes {
        app.directory.remove_binding(&visit.trial(), &visit.org, &id).await?.1
    } else {
        app.directory.approve_binding(&visit.trial(), &visit.org, &id).await?;
        0
    };
    let device = format!("{LIST}/{}", binding.device_id);
    let touched = (sessions > 0).then(|| (sessions, text::t("devices.touch.sessions").into_owned()));
    Ok(Confirm {
        page: visit.page_of(&text::tt(&format!("devices.binding.ask.{action}"), &[&binding.login_name])),
        from: (device.clone(), text::t("devices.binding.device").into_owned()),
        lead: text::t(&format!("devices.binding.means.{action}")).into_owned(),
        touched: touched.into_iter().collect(),
        warning: None,
        action: format!("/connector/bindings/{id}/{action}"),
        fields: Vec::new(),
        button: text::t(&format!("devices.binding.{action}")).into_owned(),
        danger: removes,
        back: device,
        cli: format!("latchkey binding {action} {id}{}", if removes { " --yes" } else { "" }),
        api: format!("POST /api/v1{}/bindings/{id}/{action}", visit.at("")),
    }
    .show())
}

async fn act_binding(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id, action)): Path<(String, String, String)>,
) -> Result<Response> {
    let binding = if is_removal(&action)? {
        app.directory.remove_binding(&visit.intent(), &visit.org, &id).await?.0
    } else {
        app.directory.approve_binding(&visit.intent(), &visit.org, &id).await?
    };
    Ok(visit.go_saying(&format!("{LIST}/{}", binding.device_id), &format!("binding-{action}")))
}
