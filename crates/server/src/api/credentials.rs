//! How people sign in: the organization's choice of methods, and what one user has.
//!
//! Nothing here opens anything: of passwords and codes only counts and times are told.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use latchkey_directory::FieldProblem;
use latchkey_directory::credentials::{CredentialsView, NewSignInPolicy, RemovedCredentials, SignInPolicyView};
use latchkey_directory::values::SignInMethod;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::answer::{Resource, Would, changed};
use super::body::Body;
use super::caller::Call;
use super::query::{Changing, Plain};
use super::scope::{PolicyRead, PolicyWrite, UsersRead, UsersWrite};
use crate::problem::Result;

/// The calls of this resource.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(show_sign_in_methods, set_sign_in_methods))
        .routes(routes!(show_credentials))
        .routes(routes!(reset_credentials))
        .routes(routes!(expire_password))
}

/// How people of the organization may sign in.
#[utoipa::path(get, path = "/sign-in-methods", tag = "policy", responses((status = 200, body = SignInPolicyView)))]
async fn show_sign_in_methods(
    call: Call<PolicyRead>,
    State(app): State<Shared>,
    _query: Plain,
) -> Result<Resource<SignInPolicyView>> {
    Ok(Resource(app.directory.sign_in_policy(&call.org).await?))
}

/// Writes the whole choice; needs `If-Match`.
#[utoipa::path(put, path = "/sign-in-methods", tag = "policy", request_body = NewSignInPolicy, responses((status = 200, body = SignInPolicyView)))]
async fn set_sign_in_methods(
    call: Call<PolicyWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(new): Body<NewSignInPolicy>,
) -> Result<Response> {
    changing.needs_if_match()?;
    let view = app.directory.set_sign_in_policy(&call.intent(&changing), &call.org, new).await?;
    Ok(changed(changing.dry_run, "changed", view))
}

/// What a user signs in with.
#[utoipa::path(get, path = "/users/{user}/credentials", tag = "users", responses((status = 200, body = CredentialsView)))]
async fn show_credentials(
    call: Call<UsersRead>,
    State(app): State<Shared>,
    Path((_org, user)): Path<(String, String)>,
    _query: Plain,
) -> Result<Resource<CredentialsView>> {
    Ok(Resource(app.directory.credentials(&call.org, &user).await?))
}

/// What to take away.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct ResetCredentials {
    /// These ways to sign in.
    methods: Option<Vec<SignInMethod>>,
}

/// Takes ways to sign in away from a user, who lost them; browser sessions end. Recovery codes go with `totp`.
#[utoipa::path(post, path = "/users/{user}/credentials/reset", tag = "users", request_body = ResetCredentials, responses((status = 200, body = RemovedCredentials)))]
async fn reset_credentials(
    call: Call<UsersWrite>,
    State(app): State<Shared>,
    Path((_org, user)): Path<(String, String)>,
    changing: Changing,
    Body(order): Body<ResetCredentials>,
) -> Result<Response> {
    let methods = order.methods.unwrap_or_default();
    if methods.is_empty() {
        let detail = "say what to take away: passkey, password, totp, recovery_code";
        let wrong = FieldProblem::invalid("/methods", detail);
        return Err(latchkey_directory::Error::Invalid(vec![wrong]).into());
    }
    let intent = call.intent(&changing);
    let gone = app.directory.reset_credentials(&intent, &call.org, &user, &methods).await?;
    if changing.dry_run {
        let would = Would::of("reset", 1, &[gone]);
        return Ok(would.into_response());
    }
    let id = app.directory.user(&call.org, &user).await?.id;
    app.directory.end_browser_sessions_of(&intent, &call.org, &id, None).await?;
    Ok(Json(gone).into_response())
}

/// What a password's state became.
#[derive(Debug, Serialize, ToSchema)]
struct Expired {
    /// The password has to be changed when it is used next.
    must_change: bool,
}

/// Has a user's password changed at the next sign-in by it.
#[utoipa::path(post, path = "/users/{user}/credentials/expire-password", tag = "users", responses((status = 200, body = Expired)))]
async fn expire_password(
    call: Call<UsersWrite>,
    State(app): State<Shared>,
    Path((_org, user)): Path<(String, String)>,
    changing: Changing,
) -> Result<Response> {
    app.directory.expire_password(&call.intent(&changing), &call.org, &user).await?;
    Ok(changed(changing.dry_run, "changed", Expired { must_change: true }))
}
