//! What happened lately, in numbers.

use axum::Json;
use axum::extract::State;
use latchkey_directory::statistics::StatisticsView;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::caller::Call;
use super::query::{Once, Plain};
use super::scope::AuditRead;
use crate::problem::Result;

/// So many days are answered if none are asked for.
const DAYS: u64 = 30;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(statistics))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    days: Once<u64>,
}

/// Sign-ins, refusals, devices and users of the last days, day by day: `days` is 1 to 90, and 30 if it is not said.
#[utoipa::path(get, path = "/statistics", tag = "audit", params(("days" = Option<u64>, Query)), responses((status = 200, body = StatisticsView)))]
async fn statistics(
    call: Call<AuditRead>,
    State(app): State<Shared>,
    Plain(wanted): Plain<Wanted>,
) -> Result<Json<StatisticsView>> {
    Ok(Json(app.directory.statistics(&call.org, wanted.days.0.unwrap_or(DAYS)).await?))
}
