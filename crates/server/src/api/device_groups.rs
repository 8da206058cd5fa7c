//! Groups of devices and their members.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use latchkey_directory::device::group::{DeviceGroupPatch, DeviceGroupView, NewDeviceGroup};
use latchkey_directory::device::view::{DeviceFilter, DeviceView};
use latchkey_directory::page::Page;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, Would, changed, created, deleted};
use super::body::Body;
use super::caller::Call;
use super::query::{Changing, List, NoFilter, Once, Plain};
use super::scope::{DevicesRead, DevicesWrite};
use crate::problem::Result;

/// The calls of this resource.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list_device_groups, create_device_group))
        .routes(routes!(show_device_group, change_device_group, delete_device_group))
        .routes(routes!(list_grouped_devices, join_all))
        .routes(routes!(join_device_group, leave_device_group))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filters {
    q: Once<String>,
}

/// Which devices to put into a group.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct JoinRequest {
    /// Which devices; at least one field.
    filter: DeviceFilter,
}

/// What became of devices that were to be put into a group.
#[derive(Serialize, ToSchema)]
struct JoinAnswer {
    /// How many joined; those that were in it do not count.
    joined: u64,
    /// The group.
    device_group: DeviceGroupView,
}

/// Groups of devices.
#[utoipa::path(get, path = "/device-groups", tag = "devices", params(("q" = Option<String>, Query)), responses((status = 200, body = Page<DeviceGroupView>)))]
async fn list_device_groups(
    call: Call<DevicesRead>,
    State(app): State<Shared>,
    list: List<Filters>,
) -> Result<Json<Page<DeviceGroupView>>> {
    Ok(Json(app.directory.device_groups(&call.org, list.filter.q.0, list.page).await?))
}

/// Makes a group of devices.
#[utoipa::path(post, path = "/device-groups", tag = "devices", request_body = NewDeviceGroup, responses((status = 201, body = DeviceGroupView)))]
async fn create_device_group(
    call: Call<DevicesWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(new): Body<NewDeviceGroup>,
) -> Result<Response> {
    let view = app.directory.create_device_group(&call.intent(&changing), &call.org, new).await?;
    Ok(created(changing.dry_run, view))
}

/// One group of devices, by id or name.
#[utoipa::path(get, path = "/device-groups/{group}", tag = "devices", responses((status = 200, body = DeviceGroupView)))]
async fn show_device_group(
    call: Call<DevicesRead>,
    State(app): State<Shared>,
    Path((_org, group)): Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<DeviceGroupView>> {
    Ok(Resource(app.directory.device_group(&call.org, &group).await?))
}

/// Changes name, description and how many people share a device.
#[utoipa::path(patch, path = "/device-groups/{group}", tag = "devices", request_body = NewDeviceGroup, responses((status = 200, body = DeviceGroupView)))]
async fn change_device_group(
    call: Call<DevicesWrite>,
    State(app): State<Shared>,
    Path((_org, group)): Path<(String, String)>,
    changing: Changing,
    Body(patch): Body<DeviceGroupPatch>,
) -> Result<Response> {
    let view = app.directory.change_device_group(&call.intent(&changing), &call.org, &group, patch).await?;
    Ok(changed(changing.dry_run, "changed", view))
}

/// Deletes a group of devices; the devices stay.
#[utoipa::path(delete, path = "/device-groups/{group}", tag = "devices", responses((status = 204)))]
async fn delete_device_group(
    call: Call<DevicesWrite>,
    State(app): State<Shared>,
    Path((_org, group)): Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    let view = app.directory.delete_device_group(&call.intent(&changing), &call.org, &group).await?;
    Ok(deleted(changing.dry_run, view))
}

/// The devices of a group.
#[utoipa::path(get, path = "/device-groups/{group}/members", tag = "devices", responses((status = 200, body = Page<DeviceView>)))]
async fn list_grouped_devices(
    call: Call<DevicesRead>,
    State(app): State<Shared>,
    Path((_org, group)): Path<(String, String)>,
    list: List,
) -> Result<Json<Page<DeviceView>>> {
    Ok(Json(app.directory.device_group_members(&call.org, &group, list.page).await?))
}

/// Puts every device that the filter finds into a group. Those that joined stay in it if a later one fails; the call may be repeated.
#[utoipa::path(post, path = "/device-groups/{group}/members", tag = "devices", request_body = JoinRequest, responses((status = 200, body = JoinAnswer)))]
async fn join_all(
    call: Call<DevicesWrite>,
    State(app): State<Shared>,
    Path((_org, group)): Path<(String, String)>,
    changing: Changing,
    Body(request): Body<JoinRequest>,
) -> Result<Response> {
    let intent = call.intent(&changing);
    let (view, joined) = app.directory.join_device_group_all(&intent, &call.org, &group, request.filter).await?;
    if changing.dry_run {
        return Ok(Would::of("joined", joined, &[view]).into_response());
    }
    Ok(Json(JoinAnswer { joined, device_group: view }).into_response())
}

/// Puts a device into a group.
#[utoipa::path(put, path = "/device-groups/{group}/members/{device}", tag = "devices", responses((status = 200, body = DeviceGroupView)))]
async fn join_device_group(
    call: Call<DevicesWrite>,
    State(app): State<Shared>,
    Path((_org, group, device)): Path<(String, String, String)>,
    changing: Changing,
    Body(_none): Body<NoFilter>,
) -> Result<Response> {
    let view = app.directory.join_device_group(&call.intent(&changing), &call.org, &group, &device).await?;
    Ok(changed(changing.dry_run, "joined", view))
}

/// Takes a device out of a group.
#[utoipa::path(delete, path = "/device-groups/{group}/members/{device}", tag = "devices", responses((status = 204)))]
async fn leave_device_group(
    call: Call<DevicesWrite>,
    State(app): State<Shared>,
    Path((_org, group, device)): Path<(String, String, String)>,
    changing: Changing,
) -> Result<Response> {
    let view = app.directory.leave_device_group(&call.intent(&changing), &call.org, &group, &device).await?;
    Ok(if changing.dry_run { changed(true, "left", view) } else { deleted(false, view) })
}
