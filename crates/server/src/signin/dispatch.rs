//! The dispatcher: the one place that decides what comes next in a sign-in.
//!
//! Owns the order of steps. Steps return here and never call each other. Must not know how a step does its work. An agent proves silently; a
//! person in a browser goes by a session or by steps, whose order is [`super::person`]'s part of the dispatcher.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method};
use latchkey_directory::OrgId;
use latchkey_saml::authn_context::{EvidenceLevel, lowest_level_that_meets};
use latchkey_saml::names::StatusCode;
use latchkey_wire::calls::ChallengeAnswer;
use latchkey_wire::epoch::cookie_binding;
use latchkey_wire::message::Message;
use latchkey_wire::verify::sign_statement;
use latchkey_wire::{Channel, Level};

use super::person;
use super::refuse::Refusal;
use super::txn::{Asked, Begin, Home, Transaction, TxnError};
use super::visitor::{Visitor, private, set_cookie};
use crate::app::{App, OrgKeys};
use crate::code::Code;
use crate::problem::{Problem, Result};
use crate::saml::answer::{self, Status};
use crate::saml::known::Known;

/// A sign-in that begins: a request that was accepted, and who came with it.
pub struct Begun {
    /// The organization.
    pub org: OrgId,
    /// Its keys.
    pub keys: Arc<OrgKeys>,
    /// The service.
    pub known: Known,
    /// What it asks for.
    pub asked: Asked,
    /// Who came.
    pub visitor: Visitor,
    /// With which headers: a browser's session is among its cookies.
    pub headers: HeaderMap,
    /// By which method: another site's form comes without the session's cookie.
    pub method: Method,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// No step can meet the request, whoever came.
    Impossible,
    /// A person goes on by a session, or by steps.
    Person(Level),
    /// The agent proves who it is for.
    SilentProof(Level),
}

/// Decides.
fn next(known: &Known, asked: &Asked, visitor: &Visitor) -> Step {
    let context = asked.request().and_then(|facts| facts.authn_context.as_ref());
    let Some(level) = lowest_level_that_meets(context) else { return Step::Impossible };
    let level = wire_level(level);
    if visitor.agent { Step::SilentProof(known.service.min_evidence.max(level)) } else { Step::Person(level) }
}

fn wire_level(level: EvidenceLevel) -> Level {
    Level::try_from(u64::from(level.number())).unwrap_or(Level::Present)
}

/// Begins a sign-in.
pub async fn begin(app: &App, begun: Begun) -> Result<Response> {
    match next(&begun.known, &begun.asked, &begun.visitor) {
        Step::SilentProof(level) => challenge(app, begun, level),
        Step::Impossible => {
            let detail = "no evidence level meets the RequestedAuthnContext";
            let refused = (Code::saml("LK-SAML-028"), detail.to_owned());
            tell(app, &begun, refused, StatusCode::Requester, StatusCode::NoAuthnContext).await
        }
        Step::Person(level) => {
            begun.visitor.count(app)?;
            person::arrive(app, begun, level).await
        }
    }
}

async fn remember(app: &App, begun: &Begun, (code, detail): (Code, String)) -> Problem {
    let subject = begun.known.service.id.clone();
    let refusal = Refusal { code, detail, subject, address: begun.visitor.address, actor: None };
    refusal.remember(app, &begun.org).await
}

/// Tells the service that there will be no assertion.
async fn tell(
    app: &App,
    begun: &Begun,
    refused: (Code, String),
    top: StatusCode,
    second: StatusCode,
) -> Result<Response> {
    begun.visitor.count(app)?;
    let problem = remember(app, begun, refused).await;
    let status = Status {
        acs: begun.asked.acs(),
        in_response_to: begun.asked.request().map(|facts| facts.id.as_str()),
        relay_state: begun.asked.relay_state(),
        top,
        second: Some(second),
        message: format!("{} {}", problem.code(), problem.reference()),
    };
    let form = answer::status(app, &begun.org, &begun.keys, &begun.known.settings, status).await?;
    Ok(begun.visitor.deliver(form, Some(&problem)))
}

/// The silent proof's first half: the transaction, sealed, and its challenge. Nobody is counted for it: it writes nothing and costs a signature,
/// less than the TLS handshake before it, while an office behind one address asks for hundreds a second.
fn challenge(app: &App, begun: Begun, level: Level) -> Result<Response> {
    let Begun { org, keys, known, asked, visitor, .. } = begun;
    let (cookie, is_new) = visitor.binding();
    let begin = Begin {
        request: asked,
        origin: app.origin().to_owned(),
        service_name: known.display_name().to_owned(),
        service_id: known.service.id,
        cb: cookie_binding(&cookie),
        channel: Channel::Agent,
        level,
    };
    let at = app.directory.now();
    let now = at.seconds();
    let transaction = Transaction::begin(begin, u64::try_from(at.millis()).unwrap_or(0));
    let too_much = |error| visitor.count(app).err().unwrap_or_else(|| of_txn(error));
    let txn = transaction.seal(&app.seals, home(app, &org)).map_err(too_much)?;
    let message = Message { common: app.common(&org, transaction.nonce(), now), body: transaction.challenge(&txn) };
    let challenge = sign_statement(&message, &*keys.challenge).map_err(Problem::internal)?;
    let mut response = private(Json(ChallengeAnswer { txn, challenge }).into_response());
    if is_new {
        set_cookie(&mut response, &cookie);
    }
    Ok(response)
}

/// Where this organization's transactions are at home.
pub(super) fn home<'a>(app: &'a App, org: &'a OrgId) -> Home<'a> {
    Home { org: org.as_str(), incarnation: &app.incarnation }
}

/// A transaction that there is not.
pub(super) fn of_txn(error: TxnError) -> Problem {
    Problem::of(error.code()).reason(error)
}
