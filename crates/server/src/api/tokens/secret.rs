//! The calls that show a token's secret: creation, rotation, reveal. The secret itself is handled in [`crate::shown`].

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use latchkey_directory::Intent;
use latchkey_directory::tokens::{NewToken, Password, RotateOrder, TokenView};
use latchkey_wire::Code as Wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::Shared;
use crate::api::answer::{created, once_only};
use crate::api::body::Body;
use crate::api::caller::Call;
use crate::api::query::{Changing, Plain};
use crate::api::scope::TokensWrite;
use crate::problem::Result;
use crate::shown::{self, Outcome, Shown};

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
    Ok(answer(&app, shown::create(&app, &call.intent(&changing), &call.org, new).await?))
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
    Ok(answer(&app, shown::rotate(&app, &call.intent(&changing), &call.org, &id, order).await?))
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
    let shown = shown::reveal(&app, &Intent::of(&call.actor), &call.org, &id, order.password).await?;
    Ok(secret(&app, StatusCode::OK, shown))
}

fn answer(app: &Shared, outcome: Outcome) -> Response {
    match outcome {
        Outcome::Done(shown) => secret(app, StatusCode::CREATED, shown),
        Outcome::Would(view) => created(true, view),
    }
}

fn secret(app: &Shared, status: StatusCode, shown: Shown) -> Response {
    let id = shown.token.id.to_string();
    let answer = TokenWithSecret {
        token: shown.token,
        device_token: &shown.text,
        cloud_name: &app.cloud_name,
        cloud_key: app.cloud_key(),
        accepted: shown.not_accepted_because.is_empty(),
        not_accepted_because: shown.not_accepted_because,
    };
    once_only(status, id, &answer)
}
