//! Answers to devices: signed results, signed refusals, and what an unproven sender is told.
//!
//! Owns which refusal is signed, and that each is remembered under the reference it is given out with. Must not know why something was
//! refused.

use std::net::IpAddr;
use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use latchkey_directory::audit::{Actor, ActorKind};
use latchkey_directory::device::{CertificateOrder, Outcome};
use latchkey_directory::refusal::{Refused, Remembered};
use latchkey_directory::store::StoreError;
use latchkey_directory::{Error, Granted, OrgId};
use latchkey_wire::calls::ResultAnswer;
use latchkey_wire::message::{Common, DeviceResult, Message, Refusal};
use latchkey_wire::verify::{sign_result, sign_statement};
use latchkey_wire::{Binary, Bytes, Code, Retry, Thumbprint, Typ};

use crate::app::{App, OrgKeys};
use crate::code::Own;
use crate::problem::{Problem, Result};

/// A request whose sender proved possession of the keys it names.
pub(super) struct Asked {
    pub(super) app: Arc<App>,
    pub(super) org: OrgId,
    pub(super) keys: Arc<OrgKeys>,
    /// Which kind of message.
    pub(super) typ: Typ,
    /// What was tried, for the audit log.
    pub(super) action: &'static str,
    /// The device key that asks.
    pub(super) dk: Thumbprint,
    pub(super) request_sha256: Bytes<32>,
    pub(super) nonce: String,
    /// The token or device it is about.
    pub(super) subject: String,
    pub(super) client: IpAddr,
}

/// What a decision of the directory comes to.
pub(super) type Decided = std::result::Result<std::result::Result<Granted<Outcome>, Refused>, StoreError>;

impl Asked {
    /// Answers a decision: signs the result, or the refusal where it should change what the connector does.
    pub(super) async fn answer(&self, decided: Decided) -> Result<Response> {
        match decided.map_err(|error| unavailable(error.into()))? {
            Ok(granted) => self.good(granted),
            Err(refused) => Err(self.refuse(refused).await),
        }
    }

    fn good(&self, granted: Granted<Outcome>) -> Result<Response> {
        // Too old means that a revocation may have happened meanwhile. The connector asks again and is answered as the first time.
        let outcome =
            granted.release(self.app.directory.clock().monotonic()).map_err(|stale| unavailable(stale.into()))?;
        let certificate = outcome.certificate.as_ref().map(|order| self.issue(order)).transpose()?;
        let status = if outcome.created { StatusCode::CREATED } else { StatusCode::OK };
        let message = Message {
            common: self.common(outcome.time),
            body: DeviceResult {
                request_sha256: self.request_sha256,
                dk: self.dk,
                device_id: outcome.device_id,
                state: outcome.state,
                reason: outcome.reason,
                n: outcome.n,
                certificate,
                renew_at: outcome.renew_at,
                heartbeat_s: outcome.heartbeat_s,
                settings: std::collections::BTreeMap::new(),
                time: outcome.time,
                bindings: outcome.bindings,
                would: outcome.would,
            },
        };
        let result = sign_result(self.typ, &message, self.keys.challenge.as_ref()).map_err(Problem::internal)?;
        Ok((status, axum::Json(ResultAnswer { result })).into_response())
    }

    fn issue(&self, order: &CertificateOrder) -> Result<Binary> {
        let key = order.key.read()?;
        let issued = self.keys.device_ca.issue(&key, &order.extension, order.lifetime);
        issued.map(Binary).map_err(Problem::internal)
    }

    fn common(&self, time: latchkey_wire::Seconds) -> Common {
        self.app.common(&self.org, self.nonce.clone(), time)
    }

    /// The refusal as an answer, remembered under its reference.
    async fn refuse(&self, refused: Refused) -> Problem {
        let code = refused.code;
        let remembered = Remembered {
            actor: Actor {
                kind: ActorKind::Device,
                id: self.subject.clone(),
                address: Some(self.client.to_canonical().to_string()),
            },
            action: self.action,
            code: code.to_string(),
            subject: self.subject.clone(),
            address: Some(self.client),
            detail: refused.detail.clone(),
            proven: true,
        };
        let directory = &self.app.directory;
        let reference = if self.typ == Typ::Enroll {
            directory.remember_enrollment_refusal(&self.org, remembered).await
        } else {
            directory.remember_refusal(&self.org, remembered).await
        };
        // The device is told the code's own words; the full reason is the administrator's, under the reference.
        let mut problem = Problem::of(code).reason(&refused.detail).with_reference(reference);
        if code == Code::Enroll027 {
            // Who signed with the code may know which of its limits it was; a new code helps in every case, the same one in none.
            problem = problem.detail(&refused.detail);
        }
        if let Some(seconds) = refused.retry_after {
            problem = problem.retry_after(seconds);
        }
        match self.sign(&refused) {
            Ok(Some(signed)) => problem.signed(signed),
            Ok(None) => problem,
            Err(failed) => failed,
        }
    }

    /// A signed refusal changes what the connector does for longer than a back-off: it ends its attempts, or tells a state.
    fn sign(&self, refused: &Refused) -> Result<Option<String>> {
        let code = refused.code;
        if tells_nothing(code) || code.retry() != Retry::Never && refused.state.is_none() {
            return Ok(None);
        }
        let time = self.app.seconds();
        let message = Message {
            common: self.common(time),
            body: Refusal {
                dk: self.dk,
                request_sha256: self.request_sha256,
                time,
                code: code.into(),
                state: refused.state,
                retry: code.retry(),
                retry_after: refused.retry_after,
            },
        };
        sign_statement(&message, self.keys.challenge.as_ref()).map(Some).map_err(Problem::internal)
    }
}

fn tells_nothing(code: Code) -> bool {
    matches!(code, Code::Enroll010 | Code::Nonce001 | Code::Device404)
}

/// Somebody who has proved nothing yet.
pub(super) struct Unproven<'a> {
    pub(super) app: &'a App,
    pub(super) client: IpAddr,
    /// What they try, for the audit log.
    pub(super) action: &'static str,
}

impl Unproven<'_> {
    /// A refusal: a code, a reference, and not a word about why. Counts against the source; one that failed too often is told only that.
    pub(super) async fn refuse(&self, org: Option<&OrgId>, code: Code, reason: impl ToString) -> Problem {
        let reason = reason.to_string();
        let problem = Problem::of(code).reason(&reason);
        if let Err(too_often) = self.app.limits.failed(self.client) {
            return Problem::from(too_often).reason(reason);
        }
        // A nonce that has died on the way is everyday life and no event.
        let Some(org) = org.filter(|_| code != Code::Nonce001) else { return problem };
        let address = Some(self.client.to_canonical().to_string());
        let remembered = Remembered {
            actor: Actor { kind: ActorKind::Device, id: String::new(), address },
            action: self.action,
            code: code.to_string(),
            // What an unproven sender names is not kept: it could fill the table with names of its own making.
            subject: String::new(),
            address: Some(self.client),
            detail: reason,
            proven: false,
        };
        problem.with_reference(self.app.directory.remember_refusal(org, remembered).await)
    }
}

/// The store cannot be asked, or the thing is not there.
pub(crate) fn unavailable(error: Error) -> Problem {
    match error {
        Error::NotFound { .. } => Problem::of(Code::Device404),
        Error::Store(error) => Problem::of_store(&error),
        other => Problem::internal(other),
    }
}

/// The content type that the call takes; parameters beside it do not matter.
pub(super) fn content_type(headers: &HeaderMap, wanted: &str) -> Result<()> {
    if crate::net::content_type(headers).eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    Err(Problem::of(Own::Api002).detail(format!("this call takes {wanted}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r25_a_node_without_its_store_grants_nothing_and_says_when_to_come_again() {
        let store = |error: StoreError| unavailable(error.into());
        for (problem, code) in [
            (store(StoreError::Unreachable("x".into())), "LK-NODE-001"),
            (store(StoreError::Unknown("x".into())), "LK-NODE-001"),
            (store(StoreError::NoSpace("x".into())), "LK-NODE-001"),
            (store(StoreError::Overloaded), "LK-CLOUD-503"),
            (store(StoreError::Contended), "LK-CLOUD-503"),
            (unavailable(latchkey_directory::Stale.into()), "LK-CLOUD-503"),
        ] {
            assert_eq!((problem.status().as_u16(), problem.code().as_str()), (503, code));
            assert!(problem.document()["retry_after"].as_u64().is_some_and(|seconds| seconds > 0));
        }
        assert_eq!(store(StoreError::Corrupt("x".into())).status().as_u16(), 500);
        assert_eq!(unavailable(Error::not_found("organization", "x")).code().as_str(), "LK-DEVICE-404");
    }
}
