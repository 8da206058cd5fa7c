//! `POST /o/{org}/signin/finish`: the end of a sign-in by the agent.
//!
//! Owns the order of checks between a proof and the grant, and what becomes of a grant that came too late. Must not know documents or
//! rules: `saml/` writes the one, the directory knows the others.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use http::header::ORIGIN;
use latchkey_directory::refusal::Refused;
use latchkey_directory::signin::{NotGranted, NotVerified, ProvenUser, Wanted};
use latchkey_directory::{Error, OrgId};
use latchkey_saml::names::StatusCode;
use latchkey_wire::calls::ProofRequest;
use latchkey_wire::epoch::{cookie_binding, txn_sha256};
use latchkey_wire::verify::Ours;
use latchkey_wire::{Channel, Code as Wire, Posted, Retry, WireError};

use super::dispatch::{home, of_txn};
use super::refuse::{self, Answered, Refusal};
use super::tell::{NotTold, Teller, tell_service};
use super::txn::Transaction;
use super::visitor::Visitor;
use crate::app::{App, OrgKeys};
use crate::code::{Code, Own};
use crate::net::content_type;
use crate::problem::{Problem, Result};
use crate::saml::answer::{self, Told};
use crate::saml::subject::Unfit;
use crate::saml::{OrgFacts, jiff_time};

/// The agent's way: `{txn, proof}` as JSON.
pub(super) async fn finish(
    State(app): State<Arc<App>>,
    Path(org): Path<String>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    let _turn = visitor.admit(&app).await?;
    is_json(&headers)?;
    // What is malformed, or not from here, counts against its source as a proof does that does not verify.
    let failed = |problem: Problem| visitor.failed(&app).err().unwrap_or(problem);
    let org: OrgId = org.parse().map_err(|_| failed(Problem::not_found()))?;
    let keys = app.keys.of(&org).await.map_err(|error| match error {
        Error::NotFound { .. } => failed(Problem::not_found()),
        other => refuse::of_error(other),
    })?;
    let unreadable = |e: WireError| failed(Problem::of(Wire::Api001).detail(e.to_string()));
    let request = ProofRequest::parse(&body).map_err(unreadable)?;
    let opened = Transaction::open(&request.txn, &app.seals, home(&app, &org), app.seconds());
    let transaction = opened.map_err(|error| failed(of_txn(error)))?;
    let end = End { app: &app, org, keys, visitor, transaction };
    match end.redeem(&headers, &request).await {
        Ok(response) => Ok(response),
        Err(no) => end.refused(no).await,
    }
}

fn is_json(headers: &HeaderMap) -> Result<()> {
    if content_type(headers).eq_ignore_ascii_case("application/json") { Ok(()) } else { Err(Problem::of(Own::Api002)) }
}

/// A sign-in at its end.
struct End<'a> {
    app: &'a App,
    org: OrgId,
    keys: Arc<OrgKeys>,
    visitor: Visitor,
    transaction: Transaction,
}

/// Why it ends without an assertion.
enum No {
    /// A problem that is nobody's to be remembered: the store, ourselves.
    Failed(Problem),
    /// Refused; with the proof, if it was verified.
    Refused(Refused, Option<Answered>),
    /// The person, who is who the proof says, cannot be told to this service as it asks.
    Unfit(Unfit, Answered),
}

impl From<Problem> for No {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

impl From<Refused> for No {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused, None)
    }
}

impl No {
    /// Before the proof was verified.
    fn unproven(no: NotVerified) -> Self {
        match no {
            NotVerified::Refused(refused) => Self::Refused(refused, None),
            NotVerified::Store(error) => Self::Failed(Problem::of_store(&error)),
        }
    }

    /// Afterwards.
    fn proven(no: NotGranted<NotTold>, proof: Answered) -> Self {
        match no {
            NotGranted::Decided(NotTold::Unfit(unfit)) => Self::Unfit(unfit, proof),
            NotGranted::Decided(NotTold::Unusable(unusable)) => {
                Self::Failed(Problem::of(unusable.code()).reason(unusable))
            }
            NotGranted::Refused(refused) => Self::Refused(refused, Some(proof)),
            NotGranted::Store(error) => Self::Failed(Problem::of_store(&error)),
        }
    }
}

impl End<'_> {
    async fn redeem(&self, headers: &HeaderMap, request: &ProofRequest) -> std::result::Result<Response, No> {
        let Self { app, org, keys, transaction, .. } = self;
        self.bound_to_this_visitor(headers)?;
        let posted = self.fitting_proof(request)?;
        let rk = app.rk();
        let ours = Ours { iss: &app.iss, org: org.as_str(), rk: &rk };
        let proven = app.directory.verify_proof(org, posted, ours).await.map_err(No::unproven)?;
        let facts = app.saml.facts(app, org).await.map_err(refuse::of_error)?;

        let assertion_id = answer::new_assertion_id(app.directory.now());
        let granted = self.grant(proven, &facts, &assertion_id).await?;
        let mut session = String::new();
        let written = granted.map(|signed_in| {
            session.clone_from(&signed_in.session_id);
            answer::success(&facts, keys, &transaction.request, &assertion_id, &signed_in)
        });
        match written.release(app.directory.clock().monotonic()) {
            Ok(Ok(form)) => Ok(self.visitor.deliver(form, None)),
            Ok(Err(problem)) => {
                self.drop_session(&session).await;
                Err(problem.into())
            }
            // What was true 700 ms ago may not be any more: it is not given out.
            Err(latchkey_directory::Stale) => {
                self.drop_session(&session).await;
                Err(Problem::of(Wire::Cloud503).reason("the grant was too old to be given out").into())
            }
        }
    }

    /// Cookie, origin and time: a transaction ends where it began.
    fn bound_to_this_visitor(&self, headers: &HeaderMap) -> std::result::Result<(), Refused> {
        let transaction = &self.transaction;
        if !self.visitor.agent || transaction.channel != Channel::Agent {
            let detail = format!("the transaction is of the channel {}", transaction.channel);
            return Err(Refused::new(Wire::Proof013, detail));
        }
        match &self.visitor.cookie {
            None => return Err(Refused::new(Wire::Proof011, "there is no binding cookie")),
            Some(value) if cookie_binding(value) != transaction.cb => {
                return Err(Refused::new(Wire::Proof011, "the binding cookie is another one"));
            }
            Some(_) => {}
        }
        let origin = headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
        if origin.is_some_and(|origin| origin != transaction.origin) {
            return Err(Refused::new(Wire::Proof012, "the request's Origin is not the transaction's"));
        }
        if !transaction.challenge_open(self.app.seconds()) {
            return Err(Refused::new(Wire::Proof010, "the challenge is older than 60 seconds"));
        }
        Ok(())
    }

    /// The proof, taken apart, if it answers this transaction's challenge.
    fn fitting_proof(
        &self,
        request: &ProofRequest,
    ) -> std::result::Result<Posted<latchkey_wire::message::Proof>, Refused> {
        let transaction = &self.transaction;
        let unreadable = |e: WireError| Refused::new(Wire::Enroll010, format!("the proof: {e}"));
        let posted = Posted::parse_proof(&request.proof).map_err(unreadable)?;
        let said = &posted.unverified().body;
        if said.txn_sha256 != txn_sha256(&request.txn) || posted.nonce() != transaction.nonce() {
            return Err(Refused::new(Wire::Proof010, "the proof is for another transaction"));
        }
        if said.channel != transaction.channel {
            let detail = format!("the proof is for the channel {}", said.channel);
            return Err(Refused::new(Wire::Proof013, detail));
        }
        Ok(posted)
    }

    async fn grant(
        &self,
        proven: ProvenUser,
        facts: &Arc<OrgFacts>,
        assertion_id: &str,
    ) -> std::result::Result<latchkey_directory::Granted<latchkey_directory::signin::SignedIn<Told>>, No> {
        let app = self.app;
        let proof = Answered::by(&proven);
        let wanted = Wanted {
            service_id: self.transaction.service_id.clone(),
            nonce: self.transaction.unique,
            level: self.transaction.level,
            channel: self.transaction.channel,
            presence: self.transaction.request.force_authn(),
            assertion_id: assertion_id.to_owned(),
            address: self.visitor.address,
        };
        let teller = Teller {
            parsed: app.saml.parsed.clone(),
            asked: self.transaction.request.clone(),
            facts: Arc::clone(facts),
            now: jiff_time(app.directory.now()),
        };
        let granted = app.directory.sign_in(&self.org, proven, wanted, teller).await;
        granted.map_err(|no| No::proven(no, proof))
    }

    async fn drop_session(&self, session: &str) {
        if let Err(error) = self.app.directory.drop_session(&self.org, session).await {
            tracing::error!(%error, session, "a session whose answer was not given out could not be ended");
        }
    }

    /// Remembers why not, and tells the service what it can act on, otherwise the agent: a service that asked for what this person cannot
    /// be given learns which part of its request that was, one that asked not to be kept waiting that it need not wait.
    async fn refused(&self, no: No) -> Result<Response> {
        let address = self.visitor.address;
        let (request, service) = (&self.transaction.request, &self.transaction.service_id);
        let (refusal, told, signed) = match no {
            No::Failed(problem) => return Err(problem),
            No::Unfit(unfit, proof) => {
                // Without a request there is nobody who asked.
                let told = request.request().map(|_| (unfit.top(), unfit.status));
                let (code, actor) = (Code::saml(unfit.code), Some(proof.device_id));
                (Refusal { code, detail: unfit.detail, subject: service.clone(), address, actor }, told, None)
            }
            No::Refused(refused, proof) => {
                // That a service was deleted under way is nobody's fault who comes to it.
                if proof.is_none() && refused.code != Wire::Proof020 {
                    self.visitor.failed(self.app)?;
                }
                let signed = match &proof {
                    Some(proof) => self.sign(proof, &refused).await,
                    None => None,
                };
                let Refused { code, detail, .. } = refused;
                // What the connector can mend by itself it is told; everything else ends the wait of the service.
                let passive = request.is_passive() && !matches!(code.retry(), Retry::RenewFirst | Retry::NewNonce);
                let told = passive.then_some((StatusCode::Responder, StatusCode::NoPassive));
                let actor = proof.map(|proof| proof.device_id);
                let subject = actor.clone().unwrap_or_else(|| service.clone());
                (Refusal { code: code.into(), detail, subject, address, actor }, told, signed)
            }
        };
        let problem = refusal.remember(self.app, &self.org).await;
        match (told, signed) {
            (Some((top, second)), _) => self.tell_service(problem, top, second).await,
            (None, Some(signed)) => Err(problem.signed(signed)),
            (None, None) => Err(problem),
        }
    }

    async fn sign(&self, proof: &Answered, refused: &Refused) -> Option<String> {
        if refused.state.is_none() && refused.code != Wire::Device410 {
            return None;
        }
        let dk = self.app.directory.device_key_of(&self.org, &proof.device_id).await.ok().flatten()?;
        refuse::signed(self.app, &self.org, &self.keys, proof, dk, refused)
    }

    /// Tells the service that there will be no assertion.
    async fn tell_service(&self, problem: Problem, top: StatusCode, second: StatusCode) -> Result<Response> {
        let Self { app, org, keys, visitor, transaction } = self;
        let asked = (transaction.service_id.as_str(), &transaction.request);
        tell_service(app, org, keys, visitor, asked, (problem, top, second)).await
    }
}
