//! Refusals of sign-ins: remembered with their full reason, told by code and reference.
//!
//! Owns the way from a reason to a problem document, and the signed refusal of a device that proved itself. Must not know HTTP statuses.

use std::net::IpAddr;

use latchkey_directory::audit::{Actor, ActorKind};
use latchkey_directory::refusal::{Refused, Remembered};
use latchkey_directory::signin::ProvenUser;
use latchkey_directory::{Error, OrgId};
use latchkey_wire::Thumbprint;
use latchkey_wire::code::AnyCode;
use latchkey_wire::message::{Message, Refusal as SignedRefusal};
use latchkey_wire::verify::sign_statement;

use crate::app::{App, OrgKeys};
use crate::code::Code;
use crate::problem::Problem;

/// A sign-in that is refused.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Why, in one word.
    pub code: Code,
    /// Why, in full, for the administrator.
    pub detail: String,
    /// The service or device it is about; empty when unknown.
    pub subject: String,
    /// From where it came.
    pub address: Option<IpAddr>,
    /// The device that sent it, if it had proved possession of a user key.
    pub actor: Option<String>,
}

impl Refusal {
    /// Remembers it, and makes what the caller is told: the code's own words and the reference.
    pub async fn remember(self, app: &App, org: &OrgId) -> Problem {
        let Self { code, detail, subject, address, actor } = self;
        let proven = actor.is_some();
        let (kind, id) =
            actor.map_or_else(|| (ActorKind::User, "unknown".to_owned()), |device| (ActorKind::Device, device));
        let address_text = address.map(|address| address.to_canonical().to_string());
        let reason = detail.clone();
        let remembered = Remembered {
            actor: Actor { kind, id, address: address_text },
            action: "signin.saml",
            code: code.as_str().to_owned(),
            subject,
            address,
            detail,
            proven,
        };
        let reference = app.directory.remember_refusal(org, remembered).await;
        Problem::of(code).reason(reason).with_reference(reference)
    }
}

/// What the directory says no to, on a path where nobody is told more than that there is no such thing.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "it stands where `map_err` wants a function of the error")]
pub fn of_error(error: Error) -> Problem {
    match &error {
        Error::NotFound { .. } => Problem::not_found(),
        Error::Store(error) => Problem::of_store(error),
        other => Problem::internal(other),
    }
}

/// The signed form, for a device that proved itself and must act on it for longer than a back-off.
pub(super) fn signed(
    app: &App,
    org: &OrgId,
    keys: &OrgKeys,
    proof: &Answered,
    dk: Thumbprint,
    refused: &Refused,
) -> Option<String> {
    let now = app.seconds();
    let message = Message {
        common: app.common(org, proof.nonce.clone(), now),
        body: SignedRefusal {
            dk,
            request_sha256: proof.request_sha256,
            time: now,
            code: AnyCode::Known(refused.code),
            state: refused.state,
            retry: refused.code.retry(),
            retry_after: refused.retry_after,
        },
    };
    sign_statement(&message, &*keys.challenge)
        .inspect_err(|error| tracing::error!(%error, "a refusal could not be signed"))
        .ok()
}

/// What a refusal of a proof names.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    pub(super) nonce: String,
    pub(super) request_sha256: latchkey_wire::Bytes<32>,
    pub(super) device_id: String,
}

impl Answered {
    pub(super) fn by(proven: &ProvenUser) -> Self {
        Self {
            nonce: proven.nonce().to_owned(),
            request_sha256: proven.request_sha256(),
            device_id: proven.said().device_id.clone(),
        }
    }
}
