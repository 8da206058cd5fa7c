//! What a service is told about a person: decided inside the grant, from the rows read there.
//!
//! Owns which of the service's settings and of its request must hold at that moment, and that a service hears when it gets nothing. Must not know
//! devices, proofs or how an answer is written.

use std::sync::Arc;

use axum::response::Response;
use latchkey_directory::OrgId;
use latchkey_directory::records::Service;
use latchkey_directory::signin::{Decide, Standing};
use latchkey_saml::authn_context::{self, EvidenceLevel};
use latchkey_saml::metadata::ServiceMetadata;
use latchkey_saml::names::StatusCode;

use super::txn::Asked;
use super::visitor::Visitor;
use crate::app::{App, OrgKeys};
use crate::problem::Problem;
use crate::saml::answer::{self, Status, Told};
use crate::saml::known::{Known, Parsed, SamlService, SamlSettings, Unusable};
use crate::saml::subject::{self, Unfit};
use crate::saml::{OrgFacts, jiff_time};

/// Tells one service, which asked for this.
pub(super) struct Teller {
    pub(super) parsed: Parsed,
    pub(super) asked: Asked,
    pub(super) facts: Arc<OrgFacts>,
    pub(super) now: jiff::Timestamp,
}

/// Why it is told nothing.
pub(super) enum NotTold {
    /// The person cannot be told to it as it asks.
    Unfit(Unfit),
    /// Its record cannot be read by this version.
    Unusable(Unusable),
}

impl From<Unfit> for NotTold {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}

impl Decide for Teller {
    type Service = SamlService;
    type Answer = Told;
    type No = NotTold;

    /// Parsed before, nearly always: the request that began this sign-in needed it too.
    fn service(&self, record: &Service) -> Result<SamlService, NotTold> {
        self.parsed.of(record, self.now).map_err(NotTold::Unusable)
    }

    fn names_groups(&self, service: &SamlService) -> bool {
        subject::needs_groups(&service.settings)
    }

    fn decide(&self, service: &SamlService, standing: &Standing<'_>) -> Result<Told, NotTold> {
        let Self { asked, facts, now, .. } = self;
        let SamlService { metadata, settings } = service;
        let unfit = |code, status, detail: &str| NotTold::Unfit(Unfit { code, status, detail: detail.to_owned() });
        if metadata.is_expired(*now) {
            let detail = "the service's metadata is past its validUntil";
            return Err(unfit("LK-SAML-015", StatusCode::RequestDenied, detail));
        }
        if !consumes(metadata, asked) {
            let detail = "the consumer address is not in the service's metadata any more";
            return Err(unfit("LK-SAML-011", StatusCode::RequestDenied, detail));
        }
        if asked.request().is_none() && !settings.idp_initiated {
            let detail = "the service is not set up for sign-ins that begin here any more";
            return Err(unfit("LK-SAML-011", StatusCode::RequestDenied, detail));
        }
        let context = asked.request().and_then(|request| request.authn_context.as_ref());
        let level = EvidenceLevel::new(standing.level.number());
        let class = level.and_then(|level| authn_context::decide(context, level)).map(str::to_owned);
        let Some(authn_context_class) = class else {
            let detail = format!("level {} does not meet the RequestedAuthnContext", standing.level);
            return Err(unfit("LK-SAML-028", StatusCode::NoAuthnContext, &detail));
        };
        let audience = metadata.entity_id.clone();
        let (user, groups) = (standing.user, standing.groups);
        let name_id = subject::name_id(settings, asked.request(), user, groups, &audience, &facts.pairwise)?;
        Ok(Told {
            audience,
            name_id,
            authn_context_class,
            attributes: subject::attributes(settings, user, groups),
            settings: Arc::clone(settings),
        })
    }
}

/// Whether the answer goes where the service's metadata says that it takes answers.
pub(super) fn consumes(metadata: &ServiceMetadata, asked: &Asked) -> bool {
    let address = asked.acs().as_str();
    metadata.consumers.iter().any(|consumer| consumer.is_post() && consumer.location == address)
}

/// Tells the service that there will be no assertion, and why, in its own terms.
pub(super) async fn tell_service(
    app: &App,
    org: &OrgId,
    keys: &OrgKeys,
    visitor: &Visitor,
    (service_id, asked): (&str, &Asked),
    (problem, top, second): (Problem, StatusCode, StatusCode),
) -> Result<Response, Problem> {
    let service = app.directory.service_record(org, service_id).await;
    let settings = service.ok().and_then(|service| settings_of(app, asked, service));
    // A service that is gone, or has another address now, is told nothing.
    let Some(settings) = settings else { return Err(problem) };
    let status = Status {
        acs: asked.acs(),
        in_response_to: asked.request().map(|facts| facts.id.as_str()),
        relay_state: asked.relay_state(),
        top,
        second: Some(second),
        message: format!("{} {}", problem.code(), problem.reference()),
    };
    let form = answer::status(app, org, keys, &settings, status).await?;
    Ok(visitor.deliver(form, Some(&problem)))
}

/// The settings, if the address in the transaction still is the service's by metadata that counts.
fn settings_of(app: &App, asked: &Asked, service: Service) -> Option<Arc<SamlSettings>> {
    let now = jiff_time(app.directory.now());
    let known = Known::of(&app.saml.parsed, service, now).ok()?;
    let counts = !known.metadata.is_expired(now) && consumes(&known.metadata, asked);
    counts.then_some(known.settings)
}
