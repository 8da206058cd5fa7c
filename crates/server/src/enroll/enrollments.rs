//! `POST …/enrollments`: the checks before the transaction, in the protocol's order.
//!
//! size · typ, alg · nonce seal · iss, org, cloud, rk ours · token signature · the other required signatures. Cheap ones first: nothing
//! is read from the store before the nonce was found to be ours, and no signature is verified before that.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::response::Response;
use http::HeaderMap;
use latchkey_directory::OrgId;
use latchkey_directory::device::enroll::Request;
use latchkey_wire::message::Enroll;
use latchkey_wire::state::Purpose;
use latchkey_wire::verify::{Ours, Signer};
use latchkey_wire::{Code, Posted, Typ};

use super::answer::{Asked, Unproven, content_type, unavailable};
use super::nonces;
use crate::app::App;
use crate::problem::Result;
use crate::serve::host::ClientAddr;

const ACTION: &str = "device.enroll";

pub(super) async fn enrollments(
    State(app): State<Arc<App>>,
    Path(org): Path<String>,
    Extension(ClientAddr(client)): Extension<ClientAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    let _turn = app.limits.admit(client).await?;
    content_type(&headers, latchkey_wire::calls::JOSE_JSON)?;
    let unproven = Unproven { app: &app, client, action: ACTION };
    let posted = match Posted::<Enroll>::parse(&body) {
        Ok(posted) => posted,
        Err(error) => return Err(unproven.refuse(None, Code::Enroll010, error).await),
    };
    let Ok(org) = org.parse::<OrgId>() else {
        return Err(unproven.refuse(None, Code::Enroll010, "no organization has this id").await);
    };
    let said = &posted.unverified().body;
    let dk = said.dk_jwk.thumbprint();
    let Some(token_id) = said.token_id.clone() else {
        return Err(unproven.refuse(None, Code::Enroll010, "no device token is named").await);
    };
    let nonce = match nonces::open(&app, &org, posted.nonce(), Purpose::Enroll, &dk, token_id.as_str()) {
        Ok(nonce) => nonce,
        Err(code) => return Err(unproven.refuse(None, code, "not a nonce for this").await),
    };
    let ours = Ours { iss: &app.iss, org: org.as_str(), rk: &app.rk() };
    if let Err(error) = posted.addressed_to(ours).and_then(|()| posted.cloud_is(&app.public_urls)) {
        return Err(unproven.refuse(Some(&org), Code::Enroll010, error).await);
    }
    // A nonce of ours names an organization that is there.
    let keys = app.keys.of(&org).await.map_err(unavailable)?;
    let codes = posted.signers().iter().filter_map(|s| if let Signer::Code(id) = s { Some(id.clone()) } else { None });
    let credentials = app
        .directory
        .credential_keys(&org, Some(token_id.clone()), codes.collect())
        .await
        .map_err(|error| unavailable(error.into()))?;
    let Some(token_key) = credentials.token() else {
        return Err(unproven.refuse(Some(&org), Code::Enroll010, format!("there is no device token {token_id}")).await);
    };
    let verified =
        posted.verify_token(token_key).and_then(|posted| posted.verify(|signer| credentials.evidence(signer)));
    let message = match verified {
        Ok(message) => message,
        Err(error) => return Err(unproven.refuse(Some(&org), Code::Enroll010, error).await),
    };
    let asked = Asked {
        app: Arc::clone(&app),
        org: org.clone(),
        keys,
        typ: Typ::Enroll,
        action: ACTION,
        dk,
        request_sha256: message.request_sha256(),
        nonce: message.common().nonce.clone(),
        subject: token_id.to_string(),
        client,
    };
    let decided = app.directory.enroll(&org, Request { message, nonce, address: Some(client) }).await;
    asked.answer(decided).await
}
