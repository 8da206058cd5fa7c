//! `GET|POST /o/{org}/saml/sso`: requests of services by either binding, and sign-ins that begin here.
//!
//! Owns the way from bytes to a verified request of a known service, and what happens to one that is refused. What comes next is the
//! dispatcher's word.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, Method};
use latchkey_directory::OrgId;
use latchkey_directory::records::Service;
use latchkey_saml::request::{Answer, Fault, IdpAddresses, IncomingRequest, RequestError};

use super::answer::{self, Status};
use super::known::Known;
use super::{jiff_time, sso_url};
use crate::app::{App, OrgKeys};
use crate::code::{Code, Own};
use crate::net::content_type;
use crate::net::limits::Admitted;
use crate::problem::{Problem, Result};
use crate::signin::dispatch::{self, Begun};
use crate::signin::refuse::{self, Refusal};
use crate::signin::txn::{Asked, Unsolicited};
use crate::signin::visitor::Visitor;

/// RelayState of a sign-in that begins here, bytes: what saml.md says we send.
const MAX_OWN_RELAY_STATE: usize = 80;

/// The HTTP-Redirect binding, or `?service=NAME[&RelayState=…]` for a sign-in that begins here.
pub(super) async fn redirect(
    State(app): State<Arc<App>>,
    Path(org): Path<String>,
    visitor: Visitor,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    let place = Place::find(&app, &org, visitor, (headers, Method::GET)).await?;
    let query = query.unwrap_or_default();
    if let Some(wanted) = OwnStart::read(&query) {
        return place.begin_here(wanted).await;
    }
    place.request(IncomingRequest::from_redirect(&query)).await
}

/// The HTTP-POST binding.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    Path(org): Path<String>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    if !content_type(&headers).eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(
            Problem::of(Own::Api002).detail("A sign-in request is posted as application/x-www-form-urlencoded.")
        );
    }
    Place::find(&app, &org, visitor, (headers, Method::POST))
        .await?
        .request(IncomingRequest::from_post_body(&body))
        .await
}

/// What the query of a sign-in that begins here says.
struct OwnStart {
    service: String,
    relay_state: Option<String>,
}

impl OwnStart {
    fn read(query: &str) -> Option<Self> {
        let mut service = None;
        let mut relay_state = None;
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                // A request of a service is never anything else.
                "SAMLRequest" => return None,
                "service" => service = Some(value.into_owned()),
                "RelayState" => relay_state = Some(value.into_owned()),
                _ => {}
            }
        }
        Some(Self { service: service?, relay_state: relay_state.filter(|text| !text.is_empty()) })
    }
}

/// Where a request arrived, and from whom.
struct Place<'a> {
    app: &'a App,
    org: OrgId,
    keys: Arc<OrgKeys>,
    visitor: Visitor,
    headers: HeaderMap,
    method: Method,
    /// Where too much failed, one's turn to be heard.
    _turn: Option<Admitted>,
}

impl<'a> Place<'a> {
    async fn find(app: &'a App, org: &str, visitor: Visitor, (headers, method): (HeaderMap, Method)) -> Result<Self> {
        let turn = visitor.admit(app).await?;
        let counted = |problem| visitor.count(app).err().unwrap_or(problem);
        let org: OrgId = org.parse().map_err(|_| counted(Problem::not_found()))?;
        let keys = app.keys.of(&org).await.map_err(|error| counted(refuse::of_error(error)))?;
        Ok(Self { app, org, keys, visitor, headers, method, _turn: turn })
    }

    async fn request(self, incoming: std::result::Result<IncomingRequest, Fault>) -> Result<Response> {
        let incoming = match incoming {
            Ok(incoming) => incoming,
            Err(fault) => return self.refused(fault.into(), None).await,
        };
        let service = self.app.directory.service_by_entity(&self.org, incoming.issuer()).await;
        let Some(service) = service.map_err(refuse::of_error)? else {
            return self.refused(incoming.unknown_service(), None).await;
        };
        let known = self.known(service).await?;
        let here = sso_url(self.app, &self.org);
        let here = IdpAddresses { sso_redirect: &here, sso_post: &here };
        let now = jiff_time(self.app.directory.now());
        match incoming.verify(&known.metadata, &here, now, &known.settings.request_policy()) {
            Ok(verified) => self.go_on(known, Asked::Request(verified.into_facts())).await,
            Err(error) => self.refused(error, Some(&known)).await,
        }
    }

    async fn begin_here(self, wanted: OwnStart) -> Result<Response> {
        let found = self.app.directory.service_record(&self.org, &wanted.service).await;
        let service = match found.map_err(refuse::of_error) {
            Ok(service) => service,
            Err(problem) => {
                self.visitor.count(self.app)?;
                return Err(problem);
            }
        };
        let known = self.known(service).await?;
        let id = known.service.id.as_str();
        if !known.settings.idp_initiated {
            let detail = "a sign-in began here, and the service is not set up for it";
            return Err(self.remember(Own::Signin003.into(), detail, id).await?);
        }
        if known.metadata.is_expired(jiff_time(self.app.directory.now())) {
            let detail = "the service's metadata is past its validUntil";
            return Err(self.remember(Code::saml("LK-SAML-015"), detail, id).await?);
        }
        let long = |text: &String| text.len() > MAX_OWN_RELAY_STATE || text.chars().any(char::is_control);
        if wanted.relay_state.as_ref().is_some_and(long) {
            return Err(self.remember(Code::saml("LK-SAML-004"), "RelayState is too long", id).await?);
        }
        let Some(acs) = known.metadata.default_acs() else {
            return Err(self.remember(Code::saml("LK-SAML-031"), "no consumer address", id).await?);
        };
        let asked = Asked::Unsolicited(Unsolicited { acs, relay_state: wanted.relay_state });
        self.go_on(known, asked).await
    }

    async fn known(&self, service: Service) -> Result<Known> {
        let id = service.id.clone();
        match Known::of(&self.app.saml.parsed, service, jiff_time(self.app.directory.now())) {
            Ok(known) => Ok(known),
            Err(unusable) => Err(self.remember(unusable.code(), &unusable.to_string(), &id).await?),
        }
    }

    /// Remembers a refusal of what nobody has proved. It is counted first, so that a flood of them writes nothing.
    async fn remember(&self, code: Code, detail: &str, subject: &str) -> Result<Problem> {
        self.visitor.count(self.app)?;
        let (detail, subject) = (detail.to_owned(), subject.to_owned());
        let refusal = Refusal { code, detail, subject, address: self.visitor.address, actor: None };
        Ok(refusal.remember(self.app, &self.org).await)
    }

    async fn go_on(self, known: Known, asked: Asked) -> Result<Response> {
        let Self { app, org, keys, visitor, headers, method, _turn } = self;
        dispatch::begin(app, Begun { org, keys, known, asked, visitor, headers, method }).await
    }

    /// A request that was refused: the service is told where it may be, otherwise a person or a program reads why.
    async fn refused(self, error: RequestError, known: Option<&Known>) -> Result<Response> {
        let subject = known.map(|known| known.service.id.as_str()).unwrap_or_default();
        let problem = self.remember(Code::saml(error.code()), &error.fault.to_string(), subject).await?;
        let (Some(known), Answer::Respond { acs, in_response_to, relay_state, top, second }) = (known, &error.answer)
        else {
            return Err(problem);
        };
        let status = Status {
            acs,
            in_response_to: Some(in_response_to),
            relay_state: relay_state.as_deref(),
            top: *top,
            second: *second,
            message: format!("{} {}", problem.code(), problem.reference()),
        };
        let form = answer::status(self.app, &self.org, &self.keys, &known.settings, status).await?;
        Ok(self.visitor.deliver(form, Some(&problem)))
    }
}
