//! What a service is told: the signed response, or a status that says why there is none.
//!
//! Owns the making of both and of the form that carries them. Must not know by which channel they travel.

use std::sync::Arc;

use jiff::SignedDuration;
use latchkey_directory::OrgId;
use latchkey_directory::signin::SignedIn;
use latchkey_saml::attributes::ReleasedAttribute;
use latchkey_saml::authn_context::EvidenceLevel;
use latchkey_saml::name_id::NameId;
use latchkey_saml::names::StatusCode;
use latchkey_saml::post_form::PostForm;
use latchkey_saml::request::Acs;
use latchkey_saml::response::{ErrorResponse, ResponseSpec};

use super::known::SamlSettings;
use super::{OrgFacts, jiff_time};
use crate::app::{App, OrgKeys};
use crate::problem::Problem;
use crate::signin::txn::Asked;

/// How long an assertion lives.
const LIFETIME: SignedDuration = SignedDuration::from_secs(300);

/// What is decided about a person inside the grant.
#[derive(Debug, Clone)]
pub struct Told {
    /// The service's entity id.
    pub audience: String,
    /// The identifier.
    pub name_id: NameId,
    /// The class to state.
    pub authn_context_class: String,
    /// What is released.
    pub attributes: Vec<ReleasedAttribute>,
    /// How to sign.
    pub settings: Arc<SamlSettings>,
}

/// A new id for a document of ours.
fn new_id() -> String {
    latchkey_saml::id_from_random(&latchkey_wire::sign::random_bytes())
}

/// A new id for an assertion, which the store keeps and finds again.
#[must_use]
pub fn new_assertion_id(now: latchkey_directory::Timestamp) -> String {
    let now_ms = u64::try_from(now.millis()).unwrap_or(0);
    latchkey_saml::id_from_time_and_random(now_ms, &latchkey_wire::sign::random_bytes())
}

/// The signed response for a sign-in that was granted.
pub fn success(
    facts: &OrgFacts,
    keys: &OrgKeys,
    asked: &Asked,
    assertion_id: &str,
    granted: &SignedIn<Told>,
) -> Result<PostForm, Problem> {
    let told = &granted.answer;
    let evidence = EvidenceLevel::new(granted.level.number())
        .ok_or_else(|| Problem::internal("an evidence level that SAML does not know"))?;
    let now = jiff_time(granted.at);
    let response_id = new_id();
    let spec = ResponseSpec {
        response_id: &response_id,
        assertion_id,
        issuer: &facts.entity_id,
        audience: &told.audience,
        reply: asked.reply(),
        now,
        lifetime: LIFETIME,
        name_id: &told.name_id,
        authn_instant: now,
        session_index: &granted.session_id,
        session_not_on_or_after: Some(jiff_time(granted.expires_at)),
        authn_context_class: &told.authn_context_class,
        evidence,
        attributes: &told.attributes,
        sign_response: told.settings.sign_response,
    };
    let signed = spec
        .sign(keys.assertion(told.settings.algorithm))
        .map_err(|e| Problem::internal(format!("the response could not be written: {e}")))?;
    Ok(PostForm::new(&signed, asked.relay_state()))
}

/// A response without an assertion: where it goes and what it says.
#[derive(Debug, Clone)]
pub struct Status<'a> {
    /// To an address from metadata.
    pub acs: &'a Acs,
    /// The request's id.
    pub in_response_to: Option<&'a str>,
    /// To be echoed.
    pub relay_state: Option<&'a str>,
    /// Top-level status.
    pub top: StatusCode,
    /// Second-level status.
    pub second: Option<StatusCode>,
    /// Our code and reference, for the service's log.
    pub message: String,
}

/// The response without an assertion. Signed only for services that want their responses signed.
pub async fn status(
    app: &App,
    org: &OrgId,
    keys: &OrgKeys,
    settings: &SamlSettings,
    status: Status<'_>,
) -> Result<PostForm, Problem> {
    let facts = app.saml.facts(app, org).await.map_err(crate::signin::refuse::of_error)?;
    let response_id = new_id();
    let response = ErrorResponse {
        response_id: &response_id,
        issuer: &facts.entity_id,
        acs: status.acs,
        in_response_to: status.in_response_to,
        now: jiff_time(app.directory.now()),
        top: status.top,
        second: status.second,
        message: Some(&status.message),
    };
    let key = settings.sign_response.then(|| keys.assertion(settings.algorithm).as_ref());
    let signed = response.write(key).map_err(|e| Problem::internal(format!("the error response: {e}")))?;
    Ok(PostForm::new(&signed, status.relay_state))
}
