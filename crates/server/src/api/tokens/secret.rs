//! The calls that show a token's secret: creation, rotation, reveal.
//!
//! Owns where the secret exists: from the moment it is drawn, or opened, until the answer is written. Argon2 runs on threads that may block, a
//! few at a time.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use latchkey_directory::tokens::{Made, NewToken, Password, RotateOrder, TokenView, seal};
use latchkey_directory::{Intent, OrgId};
use latchkey_wire::{Code as Wire, DeviceToken as Credential};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::Shared;
use crate::api::answer::{created, once_only};
use crate::api::body::Body;
use crate::api::caller::Call;
use crate::api::query::{Changing, Plain};
use crate::api::scope::TokensWrite;
use crate::code::Own;
use crate::problem::{Problem, Result};

/// A token with its secret, and what an installer needs beside it.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenWithSecret<'a> {
    #[serde(flatten)]
    token: TokenView,
    /// The token, this once.
    device_token: &'a str,
    /// The cloud's name, for the installer.
    cloud_name: &'a str,
    /// The root key's pin, for the installer.
    cloud_key: String,
    /// Whether a device would be accepted now.
    accepted: bool,
    /// What still stops it, as the codes a device would be told.
    #[schema(value_type = Vec<String>)]
    not_accepted_because: Vec<Wire>,
}

/// The password of a sealed copy.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(super) struct Reveal {
    /// The password given when the token was made.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Password>,
}

/// Makes a device token. The answer has it this once.
#[utoipa::path(post, path = "/device-tokens", tag = "tokens", request_body = NewToken, responses((status = 201, body = TokenWithSecret<'static>)))]
pub(super) async fn create_token(
    call: Call<TokensWrite>,
    State(app): State<Shared>,
    changing: Changing,
    Body(new): Body<NewToken>,
) -> Result<Response> {
    let intent = call.intent(&changing);
    let credential = Credential::generate(app.pin());
    // Everything is judged before the password may cost anything.
    let bare = Made::of(app.directory.master(), &call.org, &credential, None)?;
    let would = app.directory.create_token(&trial(&intent), &call.org, new.clone(), bare).await?;
    if changing.dry_run {
        return Ok(created(true, would));
    }
    let (credential, made) = sealed(&app, &call.org, credential, new.password.clone()).await?;
    let view = app.directory.create_token(&intent, &call.org, new, made).await?;
    shown(&app, &call.org, StatusCode::CREATED, view, &credential).await
}

/// Makes a successor. The answer has it this once.
#[utoipa::path(post, path = "/device-tokens/{id}/rotate", tag = "tokens", request_body = RotateOrder, responses((status = 201, body = TokenWithSecret<'static>)))]
pub(super) async fn rotate_token(
    call: Call<TokensWrite>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    changing: Changing,
    Body(order): Body<RotateOrder>,
) -> Result<Response> {
    let intent = call.intent(&changing);
    let credential = Credential::generate(app.pin());
    let bare = Made::of(app.directory.master(), &call.org, &credential, None)?;
    let would = app.directory.rotate_token(&trial(&intent), &call.org, &id, order.clone(), bare).await?;
    if changing.dry_run {
        return Ok(created(true, would));
    }
    let (credential, made) = sealed(&app, &call.org, credential, order.password.clone()).await?;
    let view = app.directory.rotate_token(&intent, &call.org, &id, order, made).await?;
    shown(&app, &call.org, StatusCode::CREATED, view, &credential).await
}

/// Shows a token again, from its sealed copy. Five wrong passwords an hour.
#[utoipa::path(post, path = "/device-tokens/{id}/reveal", tag = "tokens", request_body = Reveal, responses((status = 200, body = TokenWithSecret<'static>)))]
pub(super) async fn reveal_token(
    call: Call<TokensWrite>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    _query: Plain,
    Body(order): Body<Reveal>,
) -> Result<Response> {
    let missing = || Problem::of(Wire::Api010).field("/password", Wire::Api010, "password is missing");
    let password = order.password.ok_or_else(missing)?;
    let intent = Intent::of(&call.actor);
    let attempt = app.directory.begin_reveal(&call.org, &id).await?;
    let (directory, org, tried) = (app.directory.clone(), call.org.clone(), attempt.clone());
    let seed =
        blocking(&app, move || seal::open(directory.master(), &org, &tried.id, &tried.sealed, &password)).await?;
    let Some(seed) = seed else {
        let problem = Problem::of(Own::Auth002)
            .detail("the password is not the one of this token's sealed copy")
            .fix("Try again, at most five times an hour; without the password the token can only be rotated.");
        app.directory.wrong_reveal(&intent, &call.org, &attempt, problem.reference()).await?;
        return Err(problem);
    };
    let credential = Credential::from_parts(attempt.id.clone(), app.pin(), &seed);
    app.directory.end_reveal(&intent, &call.org, attempt).await?;
    let view = app.directory.token(&call.org, &id).await?;
    shown(&app, &call.org, StatusCode::OK, view, &credential).await
}

fn trial(intent: &Intent) -> Intent {
    Intent { dry_run: true, ..intent.clone() }
}

/// Seals a copy where there is a password. The credential goes along, and comes back.
async fn sealed(
    app: &Shared,
    org: &OrgId,
    credential: Credential,
    password: Option<Password>,
) -> Result<(Credential, Made)> {
    let (directory, org) = (app.directory.clone(), org.clone());
    let work = move || {
        let made = Made::of(directory.master(), &org, &credential, password.as_ref())?;
        Ok((credential, made))
    };
    blocking(app, work).await
}

/// Work that takes a core and 64 MiB for a good part of a second: a few at a time, others wait.
async fn blocking<T: Send + 'static>(
    app: &Shared,
    work: impl FnOnce() -> latchkey_directory::Result<T> + Send + 'static,
) -> Result<T> {
    let permit = app.password_work.acquire().await.map_err(Problem::internal)?;
    let done = tokio::task::spawn_blocking(work).await.map_err(Problem::internal)?;
    drop(permit);
    Ok(done?)
}

async fn shown(
    app: &Shared,
    org: &OrgId,
    status: StatusCode,
    token: TokenView,
    credential: &Credential,
) -> Result<Response> {
    let id = token.id.to_string();
    let not_accepted_because = app.directory.token_obstacles(org, &id).await?;
    let text = credential.expose();
    let answer = TokenWithSecret {
        token,
        device_token: &text,
        cloud_name: &app.cloud_name,
        cloud_key: app.cloud_key(),
        accepted: not_accepted_because.is_empty(),
        not_accepted_because,
    };
    Ok(once_only(status, id, &answer))
}
