//! Device tokens: made, limited, watched, revoked.

mod artifacts;
mod secret;
mod watch;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use latchkey_directory::Timestamp;
use latchkey_directory::page::Page;
use latchkey_directory::tokens::{Failure, Identified, Revoked, TokenPatch, TokenView, Use};
use latchkey_directory::values::TokenState;
use latchkey_wire::Code as Wire;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, Would, changed};
use super::body::Body;
use super::caller::Call;
use super::query::{Changing, List, Many, Once, Plain};
use super::scope::{TokensRead, TokensWrite};
use crate::problem::{Problem, Result};

/// The calls of this resource.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list_tokens, secret::create_token))
        .routes(routes!(identify_token))
        .routes(routes!(show_token, change_token))
        .routes(routes!(disable_token))
        .routes(routes!(enable_token))
        .routes(routes!(revoke_token))
        .routes(routes!(secret::rotate_token))
        .routes(routes!(secret::reveal_token))
        .routes(routes!(artifacts::make_artifact))
        .routes(routes!(token_uses))
        .routes(routes!(token_failures))
        .routes(routes!(watch::watch_token))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenFilter {
    state: Many<TokenState>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Loosen {
    loosen: Once<bool>,
}

/// Whether devices go with the token.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct Revocation {
    /// Quarantine the devices that enrolled with it since then.
    #[schema(value_type = Option<String>)]
    quarantine_since: Option<Timestamp>,
}

/// A text in which somebody found a token.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct FoundText {
    /// The text.
    text: Option<String>,
}

/// The organization's device tokens.
#[utoipa::path(get, path = "/device-tokens", tag = "tokens", params(("state" = Option<Vec<TokenState>>, Query)), responses((status = 200, body = Page<TokenView>)))]
async fn list_tokens(
    call: Call<TokensRead>,
    State(app): State<Shared>,
    list: List<TokenFilter>,
) -> Result<Json<Page<TokenView>>> {
    Ok(Json(app.directory.tokens(&call.org, list.filter.state.0, list.page).await?))
}

/// One device token.
#[utoipa::path(get, path = "/device-tokens/{id}", tag = "tokens", responses((status = 200, body = TokenView)))]
async fn show_token(
    call: Call<TokensRead>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<TokenView>> {
    Ok(Resource(app.directory.token(&call.org, &id).await?))
}

/// Changes limits; what accepts more than before needs `loosen=true`.
#[utoipa::path(patch, path = "/device-tokens/{id}", tag = "tokens", params(("loosen" = Option<bool>, Query)), request_body = TokenPatch, responses((status = 200, body = TokenView)))]
async fn change_token(
    call: Call<TokensWrite>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    changing: Changing<Loosen>,
    Body(patch): Body<TokenPatch>,
) -> Result<Response> {
    let loosen = changing.filter.loosen.0.unwrap_or(false);
    let view = app.directory.change_token(&call.intent(&changing), &call.org, &id, patch, loosen).await?;
    Ok(changed(changing.dry_run, "changed", view))
}

/// Stops a token until it is enabled again.
#[utoipa::path(post, path = "/device-tokens/{id}/disable", tag = "tokens", responses((status = 200, body = TokenView)))]
async fn disable_token(
    call: Call<TokensWrite>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    changing: Changing,
    Body(_none): Body<super::query::NoFilter>,
) -> Result<Response> {
    let view = app.directory.disable_token(&call.intent(&changing), &call.org, &id).await?;
    Ok(changed(changing.dry_run, "disabled", view))
}

/// Lets a disabled token go on.
#[utoipa::path(post, path = "/device-tokens/{id}/enable", tag = "tokens", responses((status = 200, body = TokenView)))]
async fn enable_token(
    call: Call<TokensWrite>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    changing: Changing,
    Body(_none): Body<super::query::NoFilter>,
) -> Result<Response> {
    let view = app.directory.enable_token(&call.intent(&changing), &call.org, &id).await?;
    Ok(changed(changing.dry_run, "enabled", view))
}

/// Ends a token for ever.
#[utoipa::path(post, path = "/device-tokens/{id}/revoke", tag = "tokens", request_body = Revocation, responses((status = 200, body = Revoked)))]
async fn revoke_token(
    call: Call<TokensWrite>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    changing: Changing,
    Body(order): Body<Revocation>,
) -> Result<Response> {
    let done = app.directory.revoke_token(&call.intent(&changing), &call.org, &id, order.quarantine_since).await?;
    if changing.dry_run {
        let would = Would::of("quarantined", done.quarantined, &done.quarantined_devices).and("revoked", 1);
        return Ok(would.into_response());
    }
    Ok(Json(done).into_response())
}

/// Who enrolled with it.
#[utoipa::path(get, path = "/device-tokens/{id}/uses", tag = "tokens", responses((status = 200, body = Page<Use>)))]
async fn token_uses(
    call: Call<TokensRead>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    list: List,
) -> Result<Json<Page<Use>>> {
    Ok(Json(app.directory.token_uses(&call.org, &id, list.page).await?))
}

/// Who failed with it, by reason.
#[utoipa::path(get, path = "/device-tokens/{id}/failures", tag = "tokens", responses((status = 200, body = Page<Failure>)))]
async fn token_failures(
    call: Call<TokensRead>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    list: List,
) -> Result<Json<Page<Failure>>> {
    Ok(Json(app.directory.token_failures(&call.org, &id, list.page).await?))
}

/// Which token is this string?
#[utoipa::path(post, path = "/device-tokens/identify", tag = "tokens", request_body = FoundText, responses((status = 200, body = Identified)))]
async fn identify_token(
    call: Call<TokensRead>,
    State(app): State<Shared>,
    _query: Plain,
    Body(found): Body<FoundText>,
) -> Result<Json<Identified>> {
    let text = found.text.ok_or_else(|| Problem::of(Wire::Api010).field("/text", Wire::Api010, "text is missing"))?;
    Ok(Json(app.directory.identify_token(&call.org, &text).await?))
}
