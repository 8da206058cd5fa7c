//! What a code means, and what happened under a reference.

use axum::Json;
use axum::extract::{Path, State};
use latchkey_directory::OrgId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::caller::Call;
use super::query::Plain;
use super::scope::AuditRead;
use crate::explained::{self, Explanation};
use crate::problem::Result;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(explain))
}

/// A code or a reference, explained.
#[utoipa::path(get, path = "/explain/{what}", tag = "audit", responses((status = 200, body = Explanation)))]
async fn explain(
    call: Call<AuditRead>,
    State(app): State<Shared>,
    Path((_org, what)): Path<(String, String)>,
    _query: Plain,
) -> Result<Json<Explanation>> {
    // A device that named no organization's domain is recorded with the cloud.
    let cloud = call.caller.is_operator().then(OrgId::cloud);
    Ok(Json(explained::explain(&app, &call.org, cloud.as_ref(), &what).await?))
}
