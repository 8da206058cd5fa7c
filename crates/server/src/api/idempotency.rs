//! `Idempotency-Key` on every `POST`.
//!
//! Owns the step before and after a handler that makes a repeated request answer the same. It runs only for a caller who is known, and keeps
//! only answers of success: a refusal changed nothing and may be tried again. Must not know the handler.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use latchkey_directory::OrgId;
use latchkey_directory::idempotency::Before;
use latchkey_wire::Code as Wire;
use latchkey_wire::bytes::sha256;

use super::Shared;
use super::answer::OnceOnly;
use super::caller::{Caller, who};
use crate::code::Own;
use crate::problem::{Problem, Result};
use crate::serve::listen::Operator;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The most that is read to compare two requests: as much as any call takes that is repeated. The call's own limit comes after.
const REQUEST: usize = super::services::MAX_BODY;
/// The most of an answer that is kept.
const LIMIT: usize = 1024 * 1024;

/// Says that this answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The step of calls about an organization.
pub(super) async fn of_organization(State(app): State<Shared>, request: Request, next: Next) -> Response {
    step(app, request, next, false).await.unwrap_or_else(IntoResponse::into_response)
}

/// The step of the operator's calls above organizations.
pub(super) async fn of_operator(State(app): State<Shared>, request: Request, next: Next) -> Response {
    step(app, request, next, true).await.unwrap_or_else(IntoResponse::into_response)
}

async fn step(app: Shared, request: Request, next: Next, above: bool) -> Result<Response> {
    let Some(key) = request.headers().get(KEY).cloned().filter(|_| request.method() == Method::POST) else {
        return Ok(next.run(request).await);
    };
    let key = key.to_str().ok().filter(|key| (1..=64).contains(&key.len())).map(str::to_owned);
    let key = key.ok_or_else(|| Problem::of(Wire::Api001).detail("Idempotency-Key has 1 to 64 visible characters"))?;
    let (mut parts, body) = request.into_parts();
    let (org, caller) = if above {
        let operator = parts.extensions.get::<Operator>().copied().ok_or_else(|| Problem::of(Own::Auth004))?;
        (OrgId::cloud(), format!("uid:{}", operator.uid()))
    } else {
        let (organization, caller) = who(&mut parts, &app).await?;
        let caller = match caller {
            Caller::Operator { uid } => format!("uid:{uid}"),
            Caller::Client(client) => client.id,
        };
        (organization.id, caller)
    };
    let bytes = to_bytes(body, REQUEST).await.map_err(|_| Problem::of(Own::Api006))?;
    let id = sha256(format!("{caller}\n{}\n{key}", parts.uri).as_bytes()).to_string();
    let hash = sha256(&bytes);
    match app.directory.begin_idempotent(&org, id.clone(), hash).await? {
        Before::New => {}
        Before::Same { status, answer } => return Ok(again(status, answer)),
        Before::Secret { resource } => {
            return Err(Problem::of(Wire::Api011)
                .detail(format!("this was done before; what it made is {resource}, and its secret was shown then")));
        }
        Before::UnderWay => {
            return Err(Problem::of(Own::Api013)
                .detail("the request with this Idempotency-Key is still under way")
                .fix("Wait for its answer, then ask again."));
        }
        Before::Other => return Err(Problem::of(Own::Api013)),
    }
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    keep(&app, &org, id, response).await
}

fn again(status: u64, answer: String) -> Response {
    let status =
        u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
    let mut response = (status, answer).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

async fn keep(app: &Shared, org: &OrgId, id: String, response: Response) -> Result<Response> {
    if !response.status().is_success() {
        app.directory.forget_idempotent(org, id).await?;
        return Ok(response);
    }
    let status = response.status().as_u16().into();
    if let Some(OnceOnly { resource }) = response.extensions().get().cloned() {
        app.directory.end_idempotent(org, id, status, None, Some(resource)).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let bytes: Bytes = to_bytes(body, LIMIT).await.map_err(Problem::internal)?;
    let text = String::from_utf8(bytes.to_vec()).map_err(Problem::internal)?;
    app.directory.end_idempotent(org, id, status, Some(text), None).await?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}
