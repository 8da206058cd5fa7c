//! The checks between an incoming request and [`VerifiedRequest`]. Order matters: signature first, then the consumer
//! address, and only then faults that the service itself is told about.

use jiff::{SignedDuration, Timestamp};

use super::decode::{Arrived, IncomingRequest};
use super::error::{Answer, Fault, RequestError};
use super::facts::{Acs, RequestFacts};
use super::read::{self, Fields};
use crate::keys::{Certificate, PublicKey};
use crate::metadata::{ConsumerService, ServiceMetadata};
use crate::name_id::NameIdFormat;
use crate::names as n;
use crate::xml::signature::{self, SignatureError};

/// Our own addresses, to compare `Destination` with.
#[derive(Clone, Copy, Debug)]
pub struct IdpAddresses<'a> {
    /// Where requests come by HTTP-Redirect.
    pub sso_redirect: &'a str,
    /// Where requests come by HTTP-POST.
    pub sso_post: &'a str,
}

/// The administrator's settings for one service, on top of what its metadata says.
#[derive(Clone, Copy, Debug)]
pub struct RequestPolicy {
    /// Every request must be signed, whatever metadata says.
    pub require_signed: bool,
    /// How old a request may be.
    pub max_age: SignedDuration,
    /// How far the service's clock may be off, either way.
    pub clock_skew: SignedDuration,
}

impl Default for RequestPolicy {
    /// Five minutes of age and three of clock difference: nobody types between making a request and arriving here, so an
    /// older one is a bookmark or a replay.
    fn default() -> Self {
        Self { require_signed: false, max_age: SignedDuration::from_mins(5), clock_skew: SignedDuration::from_mins(3) }
    }
}

/// Proof that a request passed every check. Made by [`IncomingRequest::verify`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRequest {
    facts: RequestFacts,
}

impl VerifiedRequest {
    /// What it says.
    pub fn facts(&self) -> &RequestFacts {
        &self.facts
    }

    /// What it says, to be sealed into a transaction.
    pub fn into_facts(self) -> RequestFacts {
        self.facts
    }
}

impl IncomingRequest {
    /// Checks the request against the stored metadata of the service that [`IncomingRequest::issuer`] named.
    pub fn verify(
        self,
        service: &ServiceMetadata,
        here: &IdpAddresses<'_>,
        now: Timestamp,
        policy: &RequestPolicy,
    ) -> Result<VerifiedRequest, RequestError> {
        if self.issuer() != service.entity_id {
            return Err(self.unknown_service());
        }
        if service.is_expired(now) {
            return Err(Fault::ServiceExpired.into());
        }
        let signed = self.check_signature(service, now)?;
        if !signed && (policy.require_signed || service.authn_requests_signed) {
            return Err(Fault::NotSigned.into());
        }

        // From here on data is read, from the root of the one parsed document: the element that was verified.
        let root = self.document.document_element().ok_or(Fault::Encoding("the document is empty"))?;
        let fields = read::fields(&self.document, root)?;
        self.check_destination(&fields, signed, here)?;
        let consumer = choose_consumer(&fields, service)?;

        // The address is the service's own, so the service may be told what follows.
        let acs = Acs::from_metadata(consumer);
        let respond = |fault: Fault| {
            let (top, second) = fault.status();
            let answer = Answer::Respond {
                acs: acs.clone(),
                in_response_to: fields.id.clone(),
                relay_state: self.relay_state.clone(),
                top,
                second,
            };
            RequestError { fault, answer }
        };
        check_time(&fields, now, policy).map_err(respond)?;
        check_binding(&fields).map_err(respond)?;
        if let Some(what) = fields.unsupported {
            return Err(respond(Fault::Unsupported(what)));
        }
        let name_id_format = name_id_format(&fields).map_err(respond)?;
        check_attribute_index(&fields, service).map_err(respond)?;

        Ok(VerifiedRequest {
            facts: RequestFacts {
                id: fields.id,
                issuer: service.entity_id.clone(),
                acs,
                relay_state: self.relay_state,
                force_authn: fields.force_authn,
                is_passive: fields.is_passive,
                authn_context: fields.authn_context,
                name_id_format,
                sp_name_qualifier: fields.sp_name_qualifier.filter(|q| !q.is_empty()),
                subject: fields.subject,
                attribute_index: fields.attribute_index,
                provider_name: fields.provider_name.filter(|name| !name.is_empty()),
                signed,
            },
        })
    }

    /// Whether it is signed; an error if it is and the signature does not count.
    fn check_signature(&self, service: &ServiceMetadata, now: Timestamp) -> Result<bool, Fault> {
        let keys = || -> Result<Vec<&PublicKey>, Fault> {
            let usable: Vec<_> =
                service.signing_keys.iter().filter(|c| !c.is_expired(now)).map(Certificate::public_key).collect();
            if usable.is_empty() { Err(Fault::NoKey) } else { Ok(usable) }
        };
        let enveloped = signature::count(&self.document);
        match &self.arrived {
            Arrived::Redirect(_) if enveloped != 0 => {
                Err(Fault::Shape("HTTP-Redirect carries no signature inside the document".to_owned()))
            }
            Arrived::Redirect(None) => Ok(false),
            Arrived::Redirect(Some(detached)) => {
                let known = [n::RSA_SHA256, n::RSA_SHA384, n::RSA_SHA512, n::ECDSA_SHA256, n::ECDSA_SHA384];
                if !known.contains(&detached.algorithm.as_str()) {
                    let named = detached.algorithm.chars().filter(|c| !c.is_control()).take(100).collect::<String>();
                    return Err(Fault::Algorithm(format!("{named} is not an algorithm we accept")));
                }
                keys()?
                    .iter()
                    .any(|k| k.verify(&detached.octets, &detached.signature, &detached.algorithm).is_ok())
                    .then_some(true)
                    .ok_or(Fault::Signature)
            }
            Arrived::Post if enveloped == 0 => Ok(false),
            Arrived::Post => match signature::verify(&self.document, &keys()?) {
                Ok(verified) if Some(verified.root) == self.document.document_element() => Ok(true),
                Ok(_) | Err(SignatureError::Invalid) => Err(Fault::Signature),
                Err(e @ SignatureError::Algorithm(_)) => Err(Fault::Algorithm(e.to_string())),
                Err(SignatureError::NoKey) => Err(Fault::NoKey),
                Err(SignatureError::Shape(why)) => Err(Fault::Shape(why.to_owned())),
            },
        }
    }

    /// Bindings 3.4.5.2 and 3.5.5.2: a signed request must say whom it is for; an unsigned one may.
    fn check_destination(&self, fields: &Fields, signed: bool, here: &IdpAddresses<'_>) -> Result<(), Fault> {
        match fields.destination.as_deref() {
            None | Some("") if !signed => Ok(()),
            Some(to) if to == here.sso_redirect || to == here.sso_post => Ok(()),
            other => Err(Fault::Destination(other.unwrap_or_default().chars().take(200).collect())),
        }
    }
}

fn choose_consumer<'s>(fields: &Fields, service: &'s ServiceMetadata) -> Result<&'s ConsumerService, Fault> {
    if let Some(url) = &fields.acs_url {
        return service
            .consumers
            .iter()
            .find(|c| c.is_post() && c.location == *url)
            .ok_or_else(|| Fault::UnknownConsumer(url.chars().take(200).collect()));
    }
    if let Some(index) = fields.acs_index {
        return service
            .consumers
            .iter()
            .find(|c| c.is_post() && c.index == index)
            .ok_or(Fault::Index("consumer index", index));
    }
    service.default_consumer().ok_or_else(|| Fault::UnknownConsumer(String::new()))
}

fn check_time(fields: &Fields, now: Timestamp, policy: &RequestPolicy) -> Result<(), Fault> {
    let age = now.duration_since(fields.issue_instant);
    if age > policy.max_age.saturating_add(policy.clock_skew) || age < -policy.clock_skew {
        return Err(Fault::Time(fields.issue_instant));
    }
    Ok(())
}

fn check_binding(fields: &Fields) -> Result<(), Fault> {
    match fields.protocol_binding.as_deref() {
        None | Some(n::BINDING_POST) => Ok(()),
        Some(other) => Err(Fault::Binding(other.chars().take(100).collect())),
    }
}

fn name_id_format(fields: &Fields) -> Result<Option<NameIdFormat>, Fault> {
    let Some(uri) = fields.name_id_format.as_deref().filter(|f| !f.is_empty()) else { return Ok(None) };
    match NameIdFormat::from_uri(uri) {
        // "Unspecified" in a request means that we choose (core 3.4.1.1).
        Some(NameIdFormat::Unspecified) => Ok(None),
        Some(format) => Ok(Some(format)),
        None => Err(Fault::NameIdFormat(uri.chars().take(100).collect())),
    }
}

fn check_attribute_index(fields: &Fields, service: &ServiceMetadata) -> Result<(), Fault> {
    match fields.attribute_index {
        // Without any attribute service in metadata (a service typed in by hand) the index says nothing we could check.
        Some(index)
            if !service.attribute_services.is_empty()
                && service.attribute_services.iter().all(|s| s.index != index) =>
        {
            Err(Fault::Index("attribute index", index))
        }
        _ => Ok(()),
    }
}
