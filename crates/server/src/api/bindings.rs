//! Bindings: which user is on which device. Made by devices only; here they are listed, approved and ended.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use latchkey_directory::device::view::{BindingFilter, BindingView};
use latchkey_directory::page::Page;
use latchkey_wire::BindingState;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, Would, changed};
use super::caller::Call;
use super::query::{Changing, List, Many, Plain};
use super::scope::{DevicesRead, DevicesWrite};
use crate::problem::Result;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(approve)).routes(routes!(remove))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filters {
    device: Many<String>,
    user: Many<String>,
    state: Many<BindingState>,
}

/// Bindings, newest first.
#[utoipa::path(get, path = "/bindings", tag = "devices", responses((status = 200, body = Page<BindingView>)))]
async fn list(
    call: Call<DevicesRead>,
    State(app): State<Shared>,
    list: List<Filters>,
) -> Result<Json<Page<BindingView>>> {
    let Filters { device, user, state } = list.filter;
    let filter = BindingFilter { device: device.0, user: user.0, state: state.0 };
    Ok(Json(app.directory.bindings(&call.org, filter, list.page).await?))
}

/// One binding.
#[utoipa::path(get, path = "/bindings/{id}", tag = "devices", responses((status = 200, body = BindingView)))]
async fn show(
    call: Call<DevicesRead>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<BindingView>> {
    Ok(Resource(app.directory.binding(&call.org, &id).await?))
}

/// Lets a pending binding sign in.
#[utoipa::path(post, path = "/bindings/{id}/approve", tag = "devices", responses((status = 200, body = BindingView)))]
async fn approve(
    call: Call<DevicesWrite>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    let view = app.directory.approve_binding(&call.intent(&changing), &call.org, &id).await?;
    Ok(changed(changing.dry_run, "bindings", view))
}

/// Ends a binding, and its sessions.
#[utoipa::path(post, path = "/bindings/{id}/remove", tag = "devices", responses((status = 200, body = BindingView)))]
async fn remove(
    call: Call<DevicesWrite>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    let (view, sessions) = app.directory.remove_binding(&call.intent(&changing), &call.org, &id).await?;
    if changing.dry_run {
        return Ok(Would::of("bindings", 1, &[view]).and("sessions", sessions).into_response());
    }
    Ok(Resource(view).into_response())
}
