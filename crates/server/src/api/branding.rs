//! How an organization looks: one document, which is there from the beginning.

use axum::extract::State;
use axum::response::Response;
use latchkey_directory::branding::{BrandingPatch, BrandingView};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, changed, deleted};
use super::body::Body;
use super::caller::Call;
use super::query::{Changing, Plain};
use super::scope::{OrganizationRead, OrganizationWrite};
use crate::problem::Result;

/// The calls of this resource.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(show_branding, change_branding, reset_branding))
}

/// How the organization looks.
#[utoipa::path(get, path = "/branding", tag = "organization", responses((status = 200, body = BrandingView)))]
async fn show_branding(
    call: Call<OrganizationRead>,
    State(app): State<Shared>,
    _query: Plain,
) -> Result<Resource<BrandingView>> {
    Ok(Resource(app.directory.branding(&call.org).await?))
}

/// Changes it; `null` goes back to the product's own.
#[utoipa::path(patch, path = "/branding", tag = "organization", request_body = BrandingPatch, responses((status = 200, body = BrandingView)))]
async fn change_branding(
    call: Call<OrganizationWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(patch): Body<BrandingPatch>,
) -> Result<Response> {
    let view = app.directory.change_branding(&call.intent(&changing), &call.org, patch).await?;
    Ok(changed(changing.dry_run, "changed", view))
}

/// Goes back to the product's own looks.
#[utoipa::path(delete, path = "/branding", tag = "organization", responses((status = 204)))]
async fn reset_branding(
    call: Call<OrganizationWrite>,
    State(app): State<Shared>,
    changing: Changing,
) -> Result<Response> {
    let was = app.directory.reset_branding(&call.intent(&changing), &call.org).await?;
    Ok(deleted(changing.dry_run, was))
}
