//! Clean-up rules: what becomes of devices that were not heard of.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::device::clean_rule::{CleanupPreview, CleanupRuleView, NewCleanupRule};
use latchkey_directory::page::Page;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, changed, created, deleted};
use super::body::Body;
use super::caller::Call;
use super::query::{Changing, List, Plain};
use super::scope::{DevicesRead, DevicesWrite};
use crate::problem::Result;

/// So many devices are shown of those that a rule would touch.
const SAMPLE: u64 = 20;

/// The calls of this resource.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list_cleanup_rules, create_cleanup_rule))
        .routes(routes!(show_cleanup_rule, change_cleanup_rule, delete_cleanup_rule))
        .routes(routes!(preview_cleanup_rule))
}

/// Clean-up rules.
#[utoipa::path(get, path = "/cleanup-rules", tag = "devices", responses((status = 200, body = Page<CleanupRuleView>)))]
async fn list_cleanup_rules(
    call: Call<DevicesRead>,
    State(app): State<Shared>,
    list: List,
) -> Result<Json<Page<CleanupRuleView>>> {
    Ok(Json(app.directory.cleanup_rules(&call.org, list.page).await?))
}

/// Makes a clean-up rule. It touches a twentieth of the devices a day at most.
#[utoipa::path(post, path = "/cleanup-rules", tag = "devices", request_body = NewCleanupRule, responses((status = 201, body = CleanupRuleView)))]
async fn create_cleanup_rule(
    call: Call<DevicesWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(new): Body<NewCleanupRule>,
) -> Result<Response> {
    let view = app.directory.create_cleanup_rule(&call.intent(&changing), &call.org, new).await?;
    Ok(created(changing.dry_run, view))
}

/// One clean-up rule.
#[utoipa::path(get, path = "/cleanup-rules/{rule}", tag = "devices", responses((status = 200, body = CleanupRuleView)))]
async fn show_cleanup_rule(
    call: Call<DevicesRead>,
    State(app): State<Shared>,
    Path((_org, rule)): Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<CleanupRuleView>> {
    Ok(Resource(app.directory.cleanup_rule(&call.org, &rule).await?))
}

/// What a rule would touch now, whether it is on or off.
#[utoipa::path(get, path = "/cleanup-rules/{rule}/preview", tag = "devices", responses((status = 200, body = CleanupPreview)))]
async fn preview_cleanup_rule(
    call: Call<DevicesRead>,
    State(app): State<Shared>,
    Path((_org, rule)): Path<(String, String)>,
    _query: Plain,
) -> Result<Json<CleanupPreview>> {
    let as_it_is = NewCleanupRule::default();
    Ok(Json(app.directory.preview_cleanup_rule(&call.org, Some(&rule), as_it_is, SAMPLE).await?))
}

/// Changes a clean-up rule.
#[utoipa::path(patch, path = "/cleanup-rules/{rule}", tag = "devices", request_body = NewCleanupRule, responses((status = 200, body = CleanupRuleView)))]
async fn change_cleanup_rule(
    call: Call<DevicesWrite>,
    State(app): State<Shared>,
    Path((_org, rule)): Path<(String, String)>,
    changing: Changing,
    Body(patch): Body<NewCleanupRule>,
) -> Result<Response> {
    let view = app.directory.change_cleanup_rule(&call.intent(&changing), &call.org, &rule, patch).await?;
    Ok(changed(changing.dry_run, "changed", view))
}

/// Deletes a clean-up rule. What it did stays done.
#[utoipa::path(delete, path = "/cleanup-rules/{rule}", tag = "devices", responses((status = 204)))]
async fn delete_cleanup_rule(
    call: Call<DevicesWrite>,
    State(app): State<Shared>,
    Path((_org, rule)): Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    let view = app.directory.delete_cleanup_rule(&call.intent(&changing), &call.org, &rule).await?;
    Ok(deleted(changing.dry_run, view))
}
