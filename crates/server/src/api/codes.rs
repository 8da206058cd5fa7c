//! One-time codes.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use latchkey_directory::Timestamp;
use latchkey_directory::codes::{CodeView, NewCode};
use latchkey_directory::page::Page;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, created, deleted, once_only};
use super::body::Body;
use super::caller::Call;
use super::query::{Changing, List, Plain};
use super::scope::{CodesRead, CodesWrite};
use crate::problem::Result;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, delete))
}

/// A new one-time code.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct NewOneTimeCode {
    /// The user: login name or id.
    user: String,
    /// Only on the machine with this serial number.
    serial: Option<String>,
    /// When it ends: RFC 3339, at most 30 days from now.
    #[schema(value_type = String)]
    expires_at: Option<Timestamp>,
}

/// The code, this once.
#[derive(Serialize, ToSchema)]
struct Made {
    #[serde(flatten)]
    view: CodeView,
    /// For the option `userClaim` or the file `userClaimFile`.
    one_time_code: String,
}

/// One-time codes, newest first.
#[utoipa::path(get, path = "/one-time-codes", tag = "codes", responses((status = 200, body = Page<CodeView>)))]
async fn list(call: Call<CodesRead>, State(app): State<Shared>, list: List) -> Result<Json<Page<CodeView>>> {
    Ok(Json(app.directory.codes(&call.org, list.page).await?))
}

/// Makes a one-time code; it is in the answer, this once.
#[utoipa::path(post, path = "/one-time-codes", tag = "codes", request_body = NewOneTimeCode, responses((status = 201, body = Made)))]
async fn create(
    call: Call<CodesWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(new): Body<NewOneTimeCode>,
) -> Result<Response> {
    let new = NewCode { user: new.user, serial: new.serial, expires_at: new.expires_at };
    let made = app.directory.create_code(&call.intent(&changing), &call.org, app.pin(), new).await?;
    if changing.dry_run {
        return Ok(created(true, made.view));
    }
    let resource = made.view.id.clone();
    let answer = Made { view: made.view, one_time_code: made.code.expose().to_string() };
    Ok(once_only(StatusCode::CREATED, resource, &answer).into_response())
}

/// One code, without its secret.
#[utoipa::path(get, path = "/one-time-codes/{id}", tag = "codes", responses((status = 200, body = CodeView)))]
async fn show(
    call: Call<CodesRead>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<CodeView>> {
    Ok(Resource(app.directory.code(&call.org, &id).await?))
}

/// Deletes a code that was not used.
#[utoipa::path(delete, path = "/one-time-codes/{id}", tag = "codes", responses((status = 204)))]
async fn delete(
    call: Call<CodesWrite>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    let view = app.directory.delete_code(&call.intent(&changing), &call.org, &id).await?;
    Ok(deleted(changing.dry_run, view))
}
