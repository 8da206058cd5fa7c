//! The successful response of the web browser profile (profiles 4.1.4.2).

use jiff::{SignedDuration, Timestamp};

use super::{Signed, signing};
use crate::attributes::ReleasedAttribute;
use crate::authn_context::EvidenceLevel;
use crate::keys::{Assertion, Signer};
use crate::name_id::{NameId, NameIdFormat};
use crate::names::{self as n, StatusCode};
use crate::request::{Acs, RequestFacts};
use crate::xml::write::{Attr, Ns, WriteError, Writer, attr, attr_ns, date_time, is_id};

/// The longest an assertion may live, from `NotBefore` to `NotOnOrAfter`.
pub const LIFETIME_LIMIT: SignedDuration = SignedDuration::from_secs(300);

/// The part of the lifetime that lies before the moment of issue, for services whose clock is a little behind.
const EARLY: SignedDuration = SignedDuration::from_secs(30);

/// The name of the attribute that states the evidence level.
pub const EVIDENCE_ATTRIBUTE: &str = "urn:latchkey:attribute:evidence-level";

/// What is being answered.
#[derive(Clone, Debug)]
pub enum Reply<'a> {
    /// A verified request.
    To(&'a RequestFacts),
    /// Nothing: provider-first, where the service is set up for it. `InResponseTo` is absent.
    Unsolicited(&'a Acs),
}

/// Everything that a response says.
#[derive(Clone, Debug)]
pub struct ResponseSpec<'a> {
    /// Id of the response, drawn by the caller ([`crate::id_from_random`]).
    pub response_id: &'a str,
    /// Id of the assertion, drawn by the caller and kept in the assertion register.
    pub assertion_id: &'a str,
    /// Our entity id.
    pub issuer: &'a str,
    /// The service's entity id: the one audience.
    pub audience: &'a str,
    /// What is answered.
    pub reply: Reply<'a>,
    /// The moment of issue.
    pub now: Timestamp,
    /// From `NotBefore` (30 seconds before `now`) to `NotOnOrAfter`; at most [`LIFETIME_LIMIT`].
    pub lifetime: SignedDuration,
    /// Who it is about.
    pub name_id: &'a NameId,
    /// When the person was proven.
    pub authn_instant: Timestamp,
    /// The session at the service, for logout; one per session and service, tells nothing else.
    pub session_index: &'a str,
    /// When the service should end its session.
    pub session_not_on_or_after: Option<Timestamp>,
    /// The class to state, from [`crate::authn_context::decide`].
    pub authn_context_class: &'a str,
    /// How well it is proven; stated as an attribute as well.
    pub evidence: EvidenceLevel,
    /// What is released.
    pub attributes: &'a [ReleasedAttribute],
    /// Sign the response too, not only the assertion.
    pub sign_response: bool,
}

impl ResponseSpec<'_> {
    /// Writes and signs it.
    pub fn sign(&self, key: &Signer<Assertion>) -> Result<Signed, WriteError> {
        self.check()?;
        let (acs, in_response_to) = match &self.reply {
            Reply::To(facts) => (&facts.acs, Some(facts.id.as_str())),
            Reply::Unsolicited(acs) => (*acs, None),
        };
        let issued = date_time(self.now)?;

        let mut w = Writer::with_capacity(12 * 1024);
        let mut head = vec![
            attr("Destination", acs.as_str()),
            attr("ID", self.response_id),
            attr("IssueInstant", &issued),
            attr("Version", "2.0"),
        ];
        head.extend(in_response_to.map(|id| attr("InResponseTo", id)));
        w.start_with(Ns::Samlp, "Response", &mut head, &[])?;
        w.leaf(Ns::Saml, "Issuer", [], self.issuer)?;
        let response_signature = w.position();
        status(&mut w, StatusCode::Success, None, None)?;
        self.assertion(&mut w, acs, in_response_to, &issued, key)?;
        w.end();
        if self.sign_response {
            signing::enveloped(&mut w, 0, response_signature, self.response_id, &[Ns::Xs], key)?;
        }
        Ok(Signed { xml: w.finish(), destination: acs.as_str().to_owned() })
    }

    fn check(&self) -> Result<(), WriteError> {
        for id in [self.response_id, self.assertion_id] {
            if !is_id(id) {
                return Err(WriteError::BadId(id.to_owned()));
            }
        }
        if self.response_id == self.assertion_id {
            return Err(WriteError::BadId(self.assertion_id.to_owned()));
        }
        if self.lifetime > LIFETIME_LIMIT || self.lifetime <= EARLY {
            return Err(WriteError::TooLong(self.lifetime.as_secs()));
        }
        for (what, value) in [
            ("the issuer", self.issuer),
            ("the audience", self.audience),
            ("the name id", self.name_id.value.as_str()),
            ("the session index", self.session_index),
            ("the authentication context", self.authn_context_class),
        ] {
            if value.is_empty() {
                return Err(WriteError::Empty(what));
            }
        }
        // Core 8.3.7 and 8.3.8.
        let bounded = matches!(self.name_id.format, NameIdFormat::Persistent | NameIdFormat::Transient);
        if bounded && self.name_id.value.chars().count() > 256 {
            return Err(WriteError::NameIdTooLong);
        }
        Ok(())
    }

    fn assertion(
        &self,
        w: &mut Writer,
        acs: &Acs,
        in_response_to: Option<&str>,
        issued: &str,
        key: &Signer<Assertion>,
    ) -> Result<(), WriteError> {
        let not_before = self.now.checked_sub(EARLY).map_err(|_| WriteError::BadTime)?;
        let not_after = not_before.checked_add(self.lifetime).map_err(|_| WriteError::BadTime)?;
        let (not_before, not_after) = (date_time(not_before)?, date_time(not_after)?);

        let start = w.position();
        let mut head = [attr("ID", self.assertion_id), attr("IssueInstant", issued), attr("Version", "2.0")];
        // The prefix xs occurs in values of xsi:type only; it is declared here and named in the signature.
        w.start_with(Ns::Saml, "Assertion", &mut head, &[Ns::Xs])?;
        w.leaf(Ns::Saml, "Issuer", [], self.issuer)?;
        let signature = w.position();
        self.subject(w, acs, in_response_to, &not_after)?;
        w.start(Ns::Saml, "Conditions", [attr("NotBefore", &not_before), attr("NotOnOrAfter", &not_after)])?;
        w.start(Ns::Saml, "AudienceRestriction", [])?;
        w.leaf(Ns::Saml, "Audience", [], self.audience)?;
        w.end();
        w.end();
        self.authn_statement(w)?;
        self.attribute_statement(w)?;
        w.end();
        signing::enveloped(w, start, signature, self.assertion_id, &[Ns::Xs], key)
    }

    fn subject(
        &self,
        w: &mut Writer,
        acs: &Acs,
        in_response_to: Option<&str>,
        not_after: &str,
    ) -> Result<(), WriteError> {
        w.start(Ns::Saml, "Subject", [])?;
        let mut head = vec![attr("Format", self.name_id.format.uri())];
        // Core 8.3.7 and 8.3.8: who made the identifier and for whom. For the others the qualifiers have no meaning
        // (8.3.2), and services that compare them would stumble.
        if matches!(self.name_id.format, NameIdFormat::Persistent | NameIdFormat::Transient) {
            let asked = match &self.reply {
                Reply::To(facts) => facts.sp_name_qualifier.as_deref(),
                Reply::Unsolicited(_) => None,
            };
            head.push(attr("NameQualifier", self.issuer));
            head.push(attr("SPNameQualifier", asked.unwrap_or(self.audience)));
        }
        w.start_with(Ns::Saml, "NameID", &mut head, &[])?;
        w.text(&self.name_id.value)?;
        w.end();
        w.start(Ns::Saml, "SubjectConfirmation", [attr("Method", n::CM_BEARER)])?;
        let mut data = vec![attr("NotOnOrAfter", not_after), attr("Recipient", acs.as_str())];
        data.extend(in_response_to.map(|id| attr("InResponseTo", id)));
        w.start_with(Ns::Saml, "SubjectConfirmationData", &mut data, &[])?;
        w.end();
        w.end();
        w.end();
        Ok(())
    }

    fn authn_statement(&self, w: &mut Writer) -> Result<(), WriteError> {
        let instant = date_time(self.authn_instant)?;
        let until = self.session_not_on_or_after.map(date_time).transpose()?;
        let mut head = vec![attr("AuthnInstant", &instant), attr("SessionIndex", self.session_index)];
        head.extend(until.as_deref().map(|u| attr("SessionNotOnOrAfter", u)));
        w.start_with(Ns::Saml, "AuthnStatement", &mut head, &[])?;
        w.start(Ns::Saml, "AuthnContext", [])?;
        w.leaf(Ns::Saml, "AuthnContextClassRef", [], self.authn_context_class)?;
        w.end();
        w.end();
        Ok(())
    }

    fn attribute_statement(&self, w: &mut Writer) -> Result<(), WriteError> {
        w.start(Ns::Saml, "AttributeStatement", [])?;
        for attribute in self.attributes.iter().filter(|a| !a.values.is_empty()) {
            let mut head: Vec<Attr<'_>> =
                vec![attr("Name", &attribute.name), attr("NameFormat", attribute.format.uri())];
            head.extend(attribute.friendly_name.as_deref().map(|f| attr("FriendlyName", f)));
            w.start_with(Ns::Saml, "Attribute", &mut head, &[])?;
            for value in &attribute.values {
                w.leaf(Ns::Saml, "AttributeValue", [attr_ns(Ns::Xsi, "type", "xs:string")], value)?;
            }
            w.end();
        }
        w.start(
            Ns::Saml,
            "Attribute",
            [
                attr("FriendlyName", "evidenceLevel"),
                attr("Name", EVIDENCE_ATTRIBUTE),
                attr("NameFormat", n::ATTRNAME_URI),
            ],
        )?;
        let level = self.evidence.number().to_string();
        w.leaf(Ns::Saml, "AttributeValue", [attr_ns(Ns::Xsi, "type", "xs:string")], &level)?;
        w.end();
        w.end();
        Ok(())
    }
}

/// `samlp:Status` (core 3.2.2).
pub(super) fn status(
    w: &mut Writer,
    top: StatusCode,
    second: Option<StatusCode>,
    message: Option<&str>,
) -> Result<(), WriteError> {
    w.start(Ns::Samlp, "Status", [])?;
    w.start(Ns::Samlp, "StatusCode", [attr("Value", top.uri())])?;
    if let Some(second) = second {
        w.start(Ns::Samlp, "StatusCode", [attr("Value", second.uri())])?;
        w.end();
    }
    w.end();
    if let Some(message) = message {
        w.leaf(Ns::Samlp, "StatusMessage", [], message)?;
    }
    w.end();
    Ok(())
}
