//! Devices: made by enrollment only; here they are listed and acted on, one or many.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use latchkey_directory::Error;
use latchkey_directory::Timestamp;
use latchkey_directory::device::admin::Order;
use latchkey_directory::device::view::{DeviceFilter, DeviceView};
use latchkey_directory::page::Page;
use latchkey_directory::values::DeviceAction;
use latchkey_wire::{DeviceState, Level, Platform};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, Would};
use super::body::Body;
use super::caller::Call;
use super::query::{Changing, List, Many, Once, Plain};
use super::scope::{DevicesRead, DevicesWrite};
use crate::device_file;
use crate::problem::{Problem, Result};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(export))
        .routes(routes!(show))
        .routes(routes!(act))
        .routes(routes!(bulk))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filters {
    state: Many<DeviceState>,
    user: Many<String>,
    token: Many<String>,
    platform: Many<Platform>,
    serial: Many<String>,
    level: Many<Level>,
    group: Many<String>,
    last_seen_before: Once<Timestamp>,
    q: Once<String>,
}

impl From<Filters> for DeviceFilter {
    fn from(filters: Filters) -> Self {
        Self {
            state: filters.state.0,
            user: filters.user.0,
            token: filters.token.0,
            platform: filters.platform.0,
            serial: filters.serial.0,
            level: filters.level.0,
            group: filters.group.0,
            last_seen_before: filters.last_seen_before.0,
            first_seen_since: None,
            q: filters.q.0,
        }
    }
}

/// How to act on one device.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct ActRequest {
    /// With `remove`: at once, without waiting for the device's next contact.
    force: bool,
}

/// How to act on many devices.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct BulkRequest {
    /// Which devices; at least one field.
    filter: DeviceFilter,
    /// approve, suspend, resume, quarantine, release or remove.
    #[schema(value_type = String)]
    action: Option<DeviceAction>,
    /// With `remove`: at once, without waiting for the devices' next contact.
    force: bool,
}

/// What became of many devices.
#[derive(Serialize, ToSchema)]
struct BulkAnswer {
    /// How many were changed.
    devices: u64,
    /// How many sessions ended.
    sessions: u64,
    /// How many the filter found whose state does not allow the action.
    skipped: u64,
    /// Some of the changed ones.
    sample: Vec<DeviceView>,
}

fn order(action: DeviceAction, force: bool) -> Result<Order> {
    if force && action != DeviceAction::Remove {
        return Err(Error::field("/force", "only a removal can be forced").into());
    }
    Ok(Order { action, force })
}

/// Devices, newest first. With `last_seen_before`, longest silent first. `q` finds whose host name, serial number, id (from its eighth character on)
/// or user's login name begins with it, whatever the case of its letters, in the order of what was found.
#[utoipa::path(get, path = "/devices", tag = "devices", responses((status = 200, body = Page<DeviceView>)))]
async fn list(
    call: Call<DevicesRead>,
    State(app): State<Shared>,
    list: List<Filters>,
) -> Result<Json<Page<DeviceView>>> {
    Ok(Json(app.directory.devices(&call.org, list.filter.into(), list.page).await?))
}

/// The devices that the filters of the list find, as CSV.
#[utoipa::path(get, path = "/devices/export", tag = "devices", responses((status = 200, content_type = "text/csv", body = String)))]
async fn export(
    call: Call<DevicesRead>,
    State(app): State<Shared>,
    Plain(filters): Plain<Filters>,
) -> Result<Response> {
    device_file::write(&app, &call.org, filters.into(), |device| device).await
}

/// One device.
#[utoipa::path(get, path = "/devices/{id}", tag = "devices", responses((status = 200, body = DeviceView)))]
async fn show(
    call: Call<DevicesRead>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<DeviceView>> {
    Ok(Resource(app.directory.device(&call.org, &id).await?))
}

/// Approves, suspends, resumes, quarantines, releases or removes a device.
#[utoipa::path(post, path = "/devices/{id}/{action}", tag = "devices", request_body = ActRequest, responses((status = 200, body = DeviceView)))]
async fn act(
    call: Call<DevicesWrite>,
    State(app): State<Shared>,
    Path((_org, id, action)): Path<(String, String, String)>,
    changing: Changing,
    Body(request): Body<ActRequest>,
) -> Result<Response> {
    let action: DeviceAction = action.parse().map_err(|_| Problem::not_found())?;
    let order = order(action, request.force)?;
    let (view, sessions) = app.directory.change_device(&call.intent(&changing), &call.org, &id, order).await?;
    if changing.dry_run {
        return Ok(Would::of("devices", 1, &[view]).and("sessions", sessions).into_response());
    }
    Ok(Resource(view).into_response())
}

/// Acts on every device that a filter finds and whose state allows it.
#[utoipa::path(post, path = "/devices/bulk", tag = "devices", request_body = BulkRequest, responses((status = 200, body = BulkAnswer)))]
async fn bulk(
    call: Call<DevicesWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(request): Body<BulkRequest>,
) -> Result<Response> {
    let action = request
        .action
        .ok_or_else(|| Error::field("/action", "say what: approve, suspend, resume, quarantine, release or remove"))?;
    let order = order(action, request.force)?;
    let done = app.directory.change_devices(&call.intent(&changing), &call.org, request.filter, order).await?;
    if changing.dry_run {
        let would = Would::of("devices", done.devices, &done.sample);
        return Ok(would.and("sessions", done.sessions).and("skipped", done.skipped).into_response());
    }
    let answer =
        BulkAnswer { devices: done.devices, sessions: done.sessions, skipped: done.skipped, sample: done.sample };
    Ok(Json(answer).into_response())
}
