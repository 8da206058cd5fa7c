//! The audit log and the register of assertions: read-only.

use axum::Json;
use axum::extract::{DefaultBodyLimit, Path, State};
use latchkey_directory::Timestamp;
use latchkey_directory::audit::log::{AssertionView, EventFilter, EventView};
use latchkey_directory::audit::verify::Verdict;
use latchkey_directory::page::Page;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::body::Raw;
use super::caller::Call;
use super::query::{List, Many, Once, Plain};
use super::scope::AuditRead;
use crate::code::Own;
use crate::problem::{Problem, Result};

/// The largest export that a log is compared with, bytes.
const MAX_EXPORT: usize = 64 * 1024 * 1024;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    let verify = OpenApiRouter::new().routes(routes!(verify, verify_against)).layer(DefaultBodyLimit::max(MAX_EXPORT));
    OpenApiRouter::new().routes(routes!(list)).merge(verify).routes(routes!(show)).routes(routes!(assertion))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filters {
    since: Once<Timestamp>,
    until: Once<Timestamp>,
    actor: Many<String>,
    action: Many<String>,
    target: Many<String>,
    outcome: Many<String>,
    r#ref: Many<String>,
}

/// Events, newest first. Sign-ins by actor or target are looked through 10,000 events a page: a page may have few events, or none, and a `next`.
#[utoipa::path(get, path = "/audit-events", tag = "audit", responses((status = 200, body = Page<EventView>)))]
async fn list(call: Call<AuditRead>, State(app): State<Shared>, list: List<Filters>) -> Result<Json<Page<EventView>>> {
    let Filters { since, until, actor, action, target, outcome, r#ref } = list.filter;
    if let Some(wrong) = outcome.0.iter().find(|value| !matches!(value.as_str(), "ok" | "refused")) {
        let code = latchkey_wire::Code::Api010;
        return Err(Problem::of(code).field("/outcome", code, format!("ok or refused, not {wrong:?}")));
    }
    let filter = EventFilter {
        since: since.0,
        until: until.0,
        actor: actor.0,
        action: action.0,
        target: target.0,
        outcome: outcome.0,
        reference: r#ref.0,
    };
    Ok(Json(app.directory.audit_events(&call.org, filter, list.page).await?))
}

/// One event.
#[utoipa::path(get, path = "/audit-events/{id}", tag = "audit", responses((status = 200, body = EventView)))]
async fn show(
    call: Call<AuditRead>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    _query: Plain,
) -> Result<Json<EventView>> {
    Ok(Json(app.directory.audit_event(&call.org, &id).await?))
}

/// Checks chains, checkpoints and signatures.
#[utoipa::path(get, path = "/audit-events/verify", tag = "audit", responses((status = 200, body = Verdict)))]
async fn verify(call: Call<AuditRead>, State(app): State<Shared>, _query: Plain) -> Result<Json<Verdict>> {
    let keys = app.audit_keys().await?;
    Ok(Json(app.directory.verify_audit(&call.org, &keys, None).await?))
}

/// The same, and compares the log with an earlier export (JSON lines).
#[utoipa::path(post, path = "/audit-events/verify", tag = "audit", request_body(content = String, content_type = "application/jsonl"), responses((status = 200, body = Verdict)))]
async fn verify_against(
    call: Call<AuditRead>,
    State(app): State<Shared>,
    _query: Plain,
    Raw(export): Raw,
) -> Result<Json<Verdict>> {
    let export = std::str::from_utf8(&export)
        .map_err(|_| Problem::of(Own::Api002).detail("an export is JSON lines in UTF-8"))?;
    let keys = app.audit_keys().await?;
    Ok(Json(app.directory.verify_audit(&call.org, &keys, Some(export)).await?))
}

/// Whether we issued an assertion.
#[utoipa::path(get, path = "/assertions/{id}", tag = "audit", responses((status = 200, body = AssertionView)))]
async fn assertion(
    call: Call<AuditRead>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    _query: Plain,
) -> Result<Json<AssertionView>> {
    Ok(Json(app.directory.assertion(&call.org, &id).await?))
}
