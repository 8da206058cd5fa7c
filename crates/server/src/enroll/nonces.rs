//! Nonces: sealed, not stored. Asking for one reads and writes nothing and tells nothing.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use latchkey_directory::device::Nonce;
use latchkey_directory::{OrgId, Timestamp};
use latchkey_wire::calls::{NonceAnswer, NonceRequest};
use latchkey_wire::message::{Message, NonceMessage};
use latchkey_wire::nonce::NoncePayload;
use latchkey_wire::state::Purpose;
use latchkey_wire::verify::sign_statement;
use latchkey_wire::{Code, Thumbprint};

use super::answer::{content_type, unavailable};
use crate::app::App;
use crate::problem::{Problem, Result};
use crate::serve::host::ClientAddr;

pub(super) async fn nonces(
    State(app): State<Arc<App>>,
    Path(org): Path<String>,
    Extension(ClientAddr(client)): Extension<ClientAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    // There is nothing to prove yet, and an honest device needs one before it can prove anything: a source that failed elsewhere is heard.
    app.limits.unauthenticated(client)?;
    content_type(&headers, "application/json")?;
    let wrong = |problem: Problem| app.limits.failed(client).map_or_else(Problem::from, |()| problem);
    let asked = NonceRequest::parse(&body).map_err(|e| wrong(Problem::of(Code::Api001).detail(e.to_string())))?;
    let org: OrgId = org.parse().map_err(|_| Problem::of(Code::Device404))?;
    let keys = app.keys.of(&org).await.map_err(|error| wrong(unavailable(error)))?;
    let now = app.directory.now();
    let payload = NoncePayload::new(asked.purpose, asked.thumbprint, &asked.id, now.seconds())
        .map_err(|e| Problem::of(Code::Api001).detail(e.to_string()))?;
    let sealed = app
        .seals
        .seal_with(now.seconds(), |key| payload.seal(key, org.as_str(), &app.incarnation))
        .map_err(Problem::internal)?;
    let message = Message {
        common: app.common(&org, sealed, now.seconds()),
        body: NonceMessage {
            purpose: asked.purpose,
            thumbprint: asked.thumbprint,
            time: now.seconds(),
            exp: payload.exp,
            serial: crate::cloud::serial(&keys, &app.roots.current(), now),
        },
    };
    let nonce = sign_statement(&message, keys.challenge.as_ref()).map_err(Problem::internal)?;
    Ok(axum::Json(NonceAnswer { nonce }).into_response())
}

/// Opens a nonce that was made for this; anything else is `LK-NONCE-001`, without a word about which of its parts was wrong.
pub(super) fn open(
    app: &App,
    org: &OrgId,
    text: &str,
    purpose: Purpose,
    dk: &Thumbprint,
    id: &str,
) -> std::result::Result<Nonce, Code> {
    let now = app.directory.now().seconds();
    let opened = app.seals.open_with(now, |key| NoncePayload::open(text, key, org.as_str(), &app.incarnation)).ok();
    let nonce = opened.filter(|nonce| nonce.good_for(purpose, dk, id, now)).ok_or(Code::Nonce001)?;
    Ok(Nonce { unique: nonce.unique, exp: Timestamp::from_seconds(nonce.exp) })
}
