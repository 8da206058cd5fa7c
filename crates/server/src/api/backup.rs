//! A backup, as one stream.

use axum::body::Body as Stream;
use axum::extract::State;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use latchkey_directory::tokens::Password;
use latchkey_wire::Code as Wire;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::body::Body;
use super::caller::OperatorCall;
use super::query::Plain;
use crate::backup::take::take;
use crate::problem::{Problem, Result};

/// Not under the idempotency of other calls: nothing is made that a repeat could double, and a backup is not kept to be answered again.
pub(super) fn operator_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(backup))
}

/// How a backup is made.
#[derive(Default, Deserialize, ToSchema)]
struct BackupOrder {
    /// Put a copy of the master key into it, sealed with the password.
    #[serde(default)]
    with_master_key: bool,
    /// The password of that copy.
    #[schema(value_type = Option<String>)]
    password: Option<Password>,
}

/// Takes a backup of the embedded store. The answer is a tar file: `manifest.json`, `master.key.sealed` if asked for, `store.db`.
#[utoipa::path(post, path = "/backup", tag = "operator", request_body = BackupOrder, responses((status = 200, content_type = "application/x-tar", body = Vec<u8>)))]
async fn backup(
    call: OperatorCall,
    State(app): State<Shared>,
    _query: Plain,
    Body(order): Body<BackupOrder>,
) -> Result<Response> {
    let complaint = match &order.password {
        Some(password) if order.with_master_key => password.complaint(),
        None if !order.with_master_key => None,
        _ => Some("password and with_master_key are given together, or neither"),
    };
    if let Some(detail) = complaint {
        return Err(Problem::of(Wire::Api010).detail(detail).field("/password", Wire::Api010, detail));
    }
    let stream: Stream = take(&app, call.actor, order.password).await?;
    Response::builder()
        .header(CONTENT_TYPE, "application/x-tar")
        .header(CACHE_CONTROL, "no-store")
        .body(stream)
        .map_err(Problem::internal)
}
