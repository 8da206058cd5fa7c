//! Sessions: listing and ending them.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use latchkey_directory::Error;
use latchkey_directory::page::Page;
use latchkey_directory::sessions::{SessionFilter, SessionView};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, Would, deleted};
use super::body::Body;
use super::caller::Call;
use super::query::{Changing, List, Many, Plain};
use super::scope::{SessionsRead, SessionsWrite};
use crate::problem::Result;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(end_many)).routes(routes!(show, end))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filters {
    user: Many<String>,
    device: Many<String>,
    service: Many<String>,
}

/// Which sessions to end.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct EndRequest {
    /// By user, device and service; or everyone.
    filter: Option<EndFilter>,
}

#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct EndFilter {
    /// Login names or ids.
    user: Vec<String>,
    /// Devices.
    device: Vec<String>,
    /// Names or ids.
    service: Vec<String>,
    /// All sessions of the organization; alone.
    everyone: bool,
}

#[derive(Serialize, ToSchema)]
struct Ended {
    /// How many sessions were ended.
    ended: u64,
}

/// Sessions that stand, newest first.
#[utoipa::path(get, path = "/sessions", tag = "sessions", responses((status = 200, body = Page<SessionView>)))]
async fn list(
    call: Call<SessionsRead>,
    State(app): State<Shared>,
    list: List<Filters>,
) -> Result<Json<Page<SessionView>>> {
    let Filters { user, device, service } = list.filter;
    let filter = SessionFilter { user: user.0, device: device.0, service: service.0 };
    Ok(Json(app.directory.sessions(&call.org, filter, list.page).await?))
}

/// One session.
#[utoipa::path(get, path = "/sessions/{id}", tag = "sessions", responses((status = 200, body = SessionView)))]
async fn show(
    call: Call<SessionsRead>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<SessionView>> {
    Ok(Resource(app.directory.session(&call.org, &id).await?))
}

/// Ends one session.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "sessions", responses((status = 204)))]
async fn end(
    call: Call<SessionsWrite>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    let view = app.directory.end_session(&call.intent(&changing), &call.org, &id).await?;
    Ok(deleted(changing.dry_run, view))
}

/// Ends the sessions that a filter finds, or everyone's.
#[utoipa::path(post, path = "/sessions/end", tag = "sessions", request_body = EndRequest, responses((status = 200, body = Ended)))]
async fn end_many(
    call: Call<SessionsWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(request): Body<EndRequest>,
) -> Result<Response> {
    let wanted = request.filter.unwrap_or_default();
    let filter = SessionFilter { user: wanted.user, device: wanted.device, service: wanted.service };
    // Nothing must not mean everybody by accident.
    if filter.is_empty() != wanted.everyone {
        return Err(Error::field("/filter", "say which: user, device or service, or everyone alone").into());
    }
    let ended = app.directory.end_sessions(&call.intent(&changing), &call.org, filter).await?;
    if changing.dry_run {
        return Ok(Json(Would::of::<Value>("ended", ended, &[])).into_response());
    }
    Ok(Json(Ended { ended }).into_response())
}
