//! Sign-in: one dispatcher, and the steps that return to it.
//!
//! Owns the sealed transaction, the keys that seal it, the challenge and its proof, and the pages of a sign-in. Must not know SAML's
//! documents: what a service is told is made in `saml/`.
//!
//! Built: the agent's channel, and the steps of a person in a browser ([`person`]). The browser channels of a connector (`signin/proof`, the page
//! that redeems at `signin/finish`) come to the same dispatcher.

#[cfg(test)]
pub(crate) mod authenticator;
pub(crate) mod by_session;
pub mod dispatch;
mod finish;
mod page;
pub mod passkeys;
pub(crate) mod person;
pub(crate) mod recover;
pub mod refuse;
pub mod seal;
mod tell;
pub mod txn;
pub mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use latchkey_wire::calls::ProofRequest;

use crate::app::App;

/// The routes of this concern.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/o/{org}/signin/finish", post(finish::finish).layer(DefaultBodyLimit::max(ProofRequest::MAX_BODY)))
}
