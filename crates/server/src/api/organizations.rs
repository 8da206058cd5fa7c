//! Organizations: the operator's list and creation, and the one that a call is about.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::orgs::{OrganizationPatch, OrganizationView};
use latchkey_directory::page::{Cursor, Page};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, changed, created, deleted_with};
use super::body::Body;
use super::caller::{Call, OperatorCall};
use super::query::{Changing, List, Plain};
use super::scope::{OrganizationRead, OrganizationWrite};
use crate::problem::Result;

/// The organization that a call is about.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(show, change))
}

/// Organizations side by side.
pub(super) fn operator_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show_one, change_one, delete_one))
}

/// A new organization.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct NewOrganization {
    /// Its short name in paths: a to z, 0 to 9 and `-`.
    slug: String,
    /// Its name for people.
    name: String,
}

/// The organization.
#[utoipa::path(get, path = "/", tag = "organization", responses((status = 200, body = OrganizationView)))]
async fn show(call: Call<OrganizationRead>, _query: Plain) -> Resource<OrganizationView> {
    Resource(call.organization)
}

/// Changes name and limits.
#[utoipa::path(patch, path = "/", tag = "organization", request_body = OrganizationPatch, responses((status = 200, body = OrganizationView)))]
async fn change(
    call: Call<OrganizationWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(patch): Body<OrganizationPatch>,
) -> Result<Response> {
    let view = app.directory.change_organization(&call.intent(&changing), &call.org, patch).await?;
    Ok(changed(changing.dry_run, "changed", view))
}

/// Every organization of the cloud.
#[utoipa::path(get, path = "/organizations", tag = "operator", responses((status = 200, body = Page<OrganizationView>)))]
async fn list(_: OperatorCall, State(app): State<Shared>, list: List) -> Result<Json<Page<OrganizationView>>> {
    let all = app.directory.organizations().await?;
    let place = |view: &OrganizationView| Cursor { at: view.created_at, id: view.id.to_string() };
    Ok(Json(Page::of_list(all, &list.page, place)))
}

/// Makes an organization with its keys.
#[utoipa::path(post, path = "/organizations", tag = "operator", request_body = NewOrganization, responses((status = 201, body = OrganizationView)))]
async fn create(
    call: OperatorCall,
    State(app): State<Shared>,
    changing: Changing,
    Body(new): Body<NewOrganization>,
) -> Result<Response> {
    let view = app.create_organization(&call.intent(&changing), new.slug, new.name).await?;
    Ok(created(changing.dry_run, view))
}

/// One organization, by slug or id.
#[utoipa::path(get, path = "/organizations/{which}", tag = "operator", responses((status = 200, body = OrganizationView)))]
async fn show_one(
    _: OperatorCall,
    State(app): State<Shared>,
    Path(which): Path<String>,
    _query: Plain,
) -> Result<Resource<OrganizationView>> {
    Ok(Resource(app.directory.organization(&which).await?))
}

/// Changes name and limits of one organization.
#[utoipa::path(patch, path = "/organizations/{which}", tag = "operator", request_body = OrganizationPatch, responses((status = 200, body = OrganizationView)))]
async fn change_one(
    call: OperatorCall,
    State(app): State<Shared>,
    Path(which): Path<String>,
    changing: Changing,
    Body(patch): Body<OrganizationPatch>,
) -> Result<Response> {
    let org = app.directory.organization(&which).await?.id;
    let view = app.directory.change_organization(&call.intent(&changing), &org, patch).await?;
    Ok(changed(changing.dry_run, "changed", view))
}

/// Deletes an organization with everything in it; only its audit log stays.
#[utoipa::path(delete, path = "/organizations/{which}", tag = "operator", responses((status = 204)))]
async fn delete_one(
    call: OperatorCall,
    State(app): State<Shared>,
    Path(which): Path<String>,
    changing: Changing,
) -> Result<Response> {
    let org = app.directory.organization(&which).await?.id;
    let (view, gone) = app.directory.delete_organization(&call.intent(&changing), &org).await?;
    Ok(deleted_with(changing.dry_run, view, &gone))
}
