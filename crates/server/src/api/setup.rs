//! Set-up links, which only the operator makes.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use latchkey_directory::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{created, once_only};
use super::body::Body;
use super::caller::OperatorCall;
use super::query::Changing;
use crate::problem::Result;

pub(super) fn operator_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(create_setup_link))
}

/// For whom a link is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct SetupLinkOrder {
    /// The organization; needed only where there are several.
    organization: Option<String>,
    /// The administrator who is locked out; without, the link is for the first administrator.
    user: Option<String>,
}

/// A link that was made.
#[derive(Serialize, ToSchema)]
struct SetupLinkView {
    /// Its address. Shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Until when it can be opened, once.
    #[schema(value_type = String)]
    expires_at: Timestamp,
    /// Who is let in again.
    login_name: Option<String>,
}

/// Makes a link by which the first administrator comes in, or one who is locked out. It opens once, within 15 minutes.
#[utoipa::path(post, path = "/setup-links", tag = "operator", request_body = SetupLinkOrder, responses((status = 201, body = SetupLinkView)))]
async fn create_setup_link(
    call: OperatorCall,
    State(app): State<Shared>,
    changing: Changing,
    Body(order): Body<SetupLinkOrder>,
) -> Result<Response> {
    let intent = call.intent(&changing);
    let made = app.setup_link(&intent, order.organization.as_deref(), order.user.as_deref()).await?;
    let mut view = SetupLinkView { url: None, expires_at: made.expires_at, login_name: made.login_name.clone() };
    if changing.dry_run {
        return Ok(created(true, view));
    }
    view.url = Some(app.setup_url(&made.secret).to_string());
    Ok(once_only(StatusCode::CREATED, made.login_name.unwrap_or_default(), &view))
}
