//! Who may use a service.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::Error;
use latchkey_directory::page::{Cursor, Page};
use latchkey_directory::services::{Entitled, EntitlementView};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Shared;
use super::super::answer::{created, deleted};
use super::super::body::Body;
use super::super::caller::Call;
use super::super::query::{Changing, List};
use super::super::scope::{ServicesRead, ServicesWrite};
use crate::problem::Result;

/// Entitlements of a service.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(entitlements, entitle)).routes(routes!(disentitle))
}

/// Who may use the service.
#[utoipa::path(get, path = "/services/{service}/entitlements", tag = "services", responses((status = 200, body = Page<EntitlementView>)))]
async fn entitlements(
    call: Call<ServicesRead>,
    State(app): State<Shared>,
    path: Path<(String, String)>,
    list: List,
) -> Result<Json<Page<EntitlementView>>> {
    let Path((_, which)) = path;
    let mut all = app.directory.service_entitlements(&call.org, &which).await?;
    all.reverse();
    let place = |view: &EntitlementView| Cursor { at: view.created_at, id: view.id.clone() };
    Ok(Json(Page::of_list(all, &list.page, place)))
}

/// Whom to let use the service.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct EntitleFields {
    /// `everyone`, `group:NAME` or `user:LOGIN`.
    entitle: String,
}

/// Lets somebody use the service.
#[utoipa::path(post, path = "/services/{service}/entitlements", tag = "services", request_body = EntitleFields, responses((status = 201, body = EntitlementView)))]
async fn entitle(
    call: Call<ServicesWrite>,
    State(app): State<Shared>,
    path: Path<(String, String)>,
    changing: Changing,
    Body(fields): Body<EntitleFields>,
) -> Result<Response> {
    let Path((_, which)) = path;
    let whom: Entitled = fields
        .entitle
        .parse()
        .map_err(|e: latchkey_directory::services::NotEntitled| Error::field("/entitle", e.to_string()))?;
    let view = app.directory.add_entitlement(&call.intent(&changing), &call.org, &which, whom).await?;
    Ok(created(changing.dry_run, view))
}

/// Takes an entitlement back.
#[utoipa::path(delete, path = "/services/{service}/entitlements/{entitlement}", tag = "services", responses((status = 204)))]
async fn disentitle(
    call: Call<ServicesWrite>,
    State(app): State<Shared>,
    path: Path<(String, String, String)>,
    changing: Changing,
) -> Result<Response> {
    let Path((_, which, id)) = path;
    let view = app.directory.remove_entitlement(&call.intent(&changing), &call.org, &which, &id).await?;
    Ok(deleted(changing.dry_run, view))
}
