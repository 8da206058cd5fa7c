//! What passes a token to devices. It is made in [`crate::artifact`].

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use latchkey_directory::Intent;
use latchkey_directory::tokens::Password;
use latchkey_options::deploy::Target;
use latchkey_wire::Code as Wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::api::Shared;
use crate::api::answer::once_only;
use crate::api::body::Body;
use crate::api::caller::Call;
use crate::api::query::Plain;
use crate::api::scope::TokensWrite;
use crate::artifact::{self, From, Order};
use crate::problem::{Problem, Result};

/// For what, for whom, and with which token: exactly one of `password`, `device_token` and `placeholder`.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(super) struct ArtifactRequest {
    /// `shell`, `linux` or `managed-json`.
    target: Option<String>,
    /// The user domain: one that the token covers.
    domain: Option<String>,
    /// The password of the token's sealed copy.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Password>,
    /// The token itself; it is checked against its public key and not kept.
    #[schema(value_type = Option<String>, format = Password)]
    device_token: Option<Password>,
    /// `@@DEVICE_TOKEN@@` in place of the token, to be filled in later.
    #[serde(default)]
    placeholder: bool,
}

/// An artifact.
#[derive(Serialize, ToSchema)]
pub(super) struct ArtifactAnswer<'a> {
    /// For what.
    target: &'static str,
    /// The user domain.
    domain: String,
    /// What the file is called.
    file_name: &'static str,
    /// What it is.
    media_type: &'static str,
    /// Whether it has a placeholder in place of the token.
    placeholder: bool,
    /// The text of the file.
    content: &'a str,
}

/// Makes the commands or the file that pass a token to devices. Nothing of it is kept; opening the sealed copy is recorded.
#[utoipa::path(post, path = "/device-tokens/{id}/artifacts", tag = "tokens", request_body = ArtifactRequest, responses((status = 200, body = ArtifactAnswer<'static>)))]
pub(super) async fn make_artifact(
    call: Call<TokensWrite>,
    State(app): State<Shared>,
    Path((_org, id)): Path<(String, String)>,
    _query: Plain,
    Body(request): Body<ArtifactRequest>,
) -> Result<Response> {
    let made = artifact::make(&app, &Intent::of(&call.actor), &call.org, &id, request.order()?).await?;
    let answer = ArtifactAnswer {
        target: made.target.name(),
        file_name: made.target.file_name(),
        media_type: made.target.media_type(),
        placeholder: made.device_token.is_none(),
        domain: made.domain,
        content: &made.text,
    };
    Ok(once_only(StatusCode::OK, made.token.id.to_string(), &answer))
}

impl ArtifactRequest {
    fn order(self) -> Result<Order> {
        let wrong = |pointer: &str, detail: String| {
            Problem::of(Wire::Api010).detail(detail.clone()).field(pointer, Wire::Api010, detail)
        };
        let target = self.target.ok_or_else(|| wrong("/target", "target is missing".to_owned()))?;
        let target: Target = target.parse().map_err(|none| wrong("/target", format!("{none}")))?;
        let domain = self.domain.ok_or_else(|| wrong("/domain", "domain is missing".to_owned()))?;
        let from = match (self.password, self.device_token, self.placeholder) {
            (Some(password), None, false) => From::Password(password),
            (None, Some(token), false) => From::Pasted(Zeroizing::new(token.expose().to_owned())),
            (None, None, true) => From::Placeholder,
            _ => {
                let detail = "say where the token comes from, by one of password, device_token and placeholder: true";
                return Err(wrong("/password", detail.to_owned()));
            }
        };
        Ok(Order { target, domain, from })
    }
}
