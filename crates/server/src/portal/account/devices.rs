//! My devices.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::device::admin::Order;
use latchkey_directory::device::view::{DeviceFilter, DeviceView};
use latchkey_directory::page::PageRequest;
use latchkey_directory::values::DeviceAction;
use latchkey_wire::DeviceState;

use crate::app::App;
use crate::portal::doors::{Doors, Needs};
use crate::portal::page::{self, Page};
use crate::portal::visit::Visit;
use crate::problem::{Problem, Result};

const HERE: &str = "/account/devices";

pub(super) fn doors(doors: Doors) -> Doors {
    doors.page(Needs::Person, HERE, devices).action(Needs::Person, "/account/devices/{id}/remove", remove)
}

#[derive(Template)]
#[template(path = "account/devices.html")]
struct DevicesPage {
    page: Page,
    devices: Vec<DeviceView>,
}

/// Those that are in use or wait for it; what was removed is the administrators' to look at.
fn mine(visit: &Visit) -> DeviceFilter {
    use DeviceState::{Pending, Quarantined, Registered, RemovalPending, Suspended};
    DeviceFilter {
        user: vec![visit.user_id.clone()],
        state: vec![Pending, Registered, Suspended, Quarantined, RemovalPending],
        ..DeviceFilter::default()
    }
}

async fn devices(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    let request = PageRequest { limit: 100, ..PageRequest::default() };
    let devices = app.directory.devices(&visit.org, mine(&visit), request).await?.items;
    Ok(page::show(&DevicesPage { page: visit.page("account.devices"), devices }))
}

/// Removes a device that is this person's and nobody else's: one that others use too is an administrator's to remove.
async fn remove(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    let device = app.directory.device(&visit.org, &id).await?;
    if !device.users.contains(&visit.login_name) {
        return Err(Problem::not_found());
    }
    if device.users.len() > 1 {
        return Err(Problem::of(crate::code::Own::Auth002)
            .detail("Other people use this device too.")
            .fix("Ask an administrator to remove it."));
    }
    let order = Order { action: DeviceAction::Remove, force: true };
    app.directory.change_device(&visit.intent(), &visit.org, &id, order).await?;
    Ok(visit.go_saying(HERE, "removed"))
}
