//! The device token policy: one document, written as a whole.

use axum::extract::State;
use axum::response::Response;
use latchkey_directory::policy::{NewPolicy, PolicyView};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, changed};
use super::body::Body;
use super::caller::Call;
use super::query::{Changing, Plain};
use super::scope::{PolicyRead, PolicyWrite};
use crate::problem::Result;

/// The calls of this resource.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(show_policy, set_policy))
}

/// The policy.
#[utoipa::path(get, path = "/device-token-policy", tag = "policy", responses((status = 200, body = PolicyView)))]
async fn show_policy(call: Call<PolicyRead>, State(app): State<Shared>, _query: Plain) -> Result<Resource<PolicyView>> {
    Ok(Resource(app.directory.policy(&call.org).await?))
}

/// Writes the whole policy; needs `If-Match`.
#[utoipa::path(put, path = "/device-token-policy", tag = "policy", request_body = NewPolicy, responses((status = 200, body = PolicyView)))]
async fn set_policy(
    call: Call<PolicyWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(new): Body<NewPolicy>,
) -> Result<Response> {
    changing.needs_if_match()?;
    let view = app.directory.set_policy(&call.intent(&changing), &call.org, new).await?;
    Ok(changed(changing.dry_run, "changed", view))
}
