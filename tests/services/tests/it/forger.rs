//! An identity provider in the test. It has a key that the service trusts, so its answers are honestly signed, and it can
//! say in them what a real one never would. Built on `latchkey-saml`, so the documents are the product's own.

use std::path::Path;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::{SignedDuration, Timestamp};
use latchkey_saml::attributes::{Facts, Mapping};
use latchkey_saml::authn_context::{self, EvidenceLevel};
use latchkey_saml::handover::{Sheet, Target};
use latchkey_saml::keys::{self, GeneratedKey, SignatureAlgorithm};
use latchkey_saml::metadata::{HttpPolicy, IdpMetadata, Published, ServiceMetadata};
use latchkey_saml::name_id::{NameId, NameIdFormat};
use latchkey_saml::request::{IdpAddresses, IncomingRequest, RequestFacts, RequestPolicy};
use latchkey_saml::response::{LIFETIME_LIMIT, Reply, ResponseSpec};
use latchkey_saml::{Signer, id_from_random};

use crate::attacker::USER;
use crate::browser::{Browser, Form, Page, form};
use crate::cells::{Kind, Setup};
use crate::cloud::{Cloud, Visit};

const ENTITY: &str = "http://forger.localhost/metadata";
const SSO: &str = "http://forger.localhost/sso";

/// What its answers say that they should not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lies {
    /// The audience, instead of the service's name.
    pub(crate) audience: Option<&'static str>,
    /// How long ago they were issued.
    pub(crate) age: SignedDuration,
}

pub(crate) struct Forger {
    assertion_key: GeneratedKey,
    metadata_key: GeneratedKey,
    service: Option<(ServiceMetadata, Setup)>,
    pub(crate) lies: Lies,
}

impl Forger {
    pub(crate) fn new() -> Self {
        let key = |name| keys::generate(SignatureAlgorithm::RsaSha256, name, Timestamp::now(), 1).unwrap();
        Self { assertion_key: key("assertion"), metadata_key: key("metadata"), service: None, lies: Lies::default() }
    }

    /// The request that a page of the service carries, verified as the product verifies it.
    fn request(&self, page: &Page) -> RequestFacts {
        let (service, setup) = self.service.as_ref().unwrap();
        let incoming = match setup.binding {
            "redirect" => {
                let location = page.location.as_deref().unwrap_or_else(|| panic!("no redirect: {page:?}"));
                let (address, query) = location.split_once('?').unwrap();
                assert_eq!(address, SSO);
                IncomingRequest::from_redirect(query).unwrap()
            }
            _ => {
                let form = form(&page.body).unwrap_or_else(|| panic!("no form: {page:?}"));
                assert_eq!(form.action, SSO);
                let field = |name: &str| form.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
                IncomingRequest::from_post(field("SAMLRequest").unwrap(), field("RelayState")).unwrap()
            }
        };
        let here = IdpAddresses { sso_redirect: SSO, sso_post: SSO };
        let verified = incoming.verify(service, &here, Timestamp::now(), &RequestPolicy::default()).unwrap();
        let facts = verified.into_facts();
        assert_eq!(facts.signed, setup.requests == "signed", "the service signs its requests as it was told");
        let asked = facts.name_id_format.unwrap_or(NameIdFormat::Unspecified);
        assert_eq!(asked.name(), setup.name_id, "the service asks for the NameID format that it was told");
        facts
    }

    fn answer(&self, facts: &RequestFacts) -> Form {
        let (service, setup) = self.service.as_ref().unwrap();
        let now = Timestamp::now() - self.lies.age;
        let format = NameIdFormat::from_name(setup.name_id).unwrap();
        let value = match format {
            NameIdFormat::Email | NameIdFormat::Unspecified => USER.to_owned(),
            NameIdFormat::Persistent => "p-2f9c1e7a".to_owned(),
            NameIdFormat::Transient => random_id(),
        };
        let level = EvidenceLevel::new(0).unwrap();
        let person: Facts = [("mail", USER), ("displayName", "Anna Example")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), vec![value.to_owned()]))
            .collect();
        let signed = ResponseSpec {
            response_id: &random_id(),
            assertion_id: &random_id(),
            issuer: ENTITY,
            audience: self.lies.audience.unwrap_or(&service.entity_id),
            reply: Reply::To(facts),
            now,
            lifetime: LIFETIME_LIMIT,
            name_id: &NameId { format, value },
            authn_instant: now,
            session_index: &random_id(),
            session_not_on_or_after: None,
            authn_context_class: authn_context::decide(facts.authn_context.as_ref(), level).unwrap(),
            evidence: level,
            attributes: &Mapping::basic().release(&person),
            sign_response: false,
        }
        .sign(&Signer::from_generated(&self.assertion_key).unwrap())
        .unwrap();
        let mut fields = vec![("SAMLResponse".to_owned(), BASE64.encode(signed.xml()))];
        fields.extend(facts.relay_state.clone().map(|state| ("RelayState".to_owned(), state)));
        Form { action: signed.destination().to_owned(), fields }
    }
}

impl Cloud for Forger {
    fn add(&mut self, _kind: Kind, setup: Setup, metadata: &Path) {
        let metadata = std::fs::read(metadata).unwrap();
        let service = ServiceMetadata::parse(&metadata, Timestamp::now(), HttpPolicy::HttpsOnly).unwrap();
        assert_eq!(service.authn_requests_signed, setup.requests == "signed");
        self.service = Some((service, setup));
    }

    fn metadata(&self) -> String {
        let assertion: Signer<latchkey_saml::Assertion> = Signer::from_generated(&self.assertion_key).unwrap();
        let metadata = IdpMetadata {
            id: &random_id(),
            entity_id: ENTITY,
            sso_redirect: SSO,
            sso_post: SSO,
            assertion_keys: &[Published { certificate: assertion.certificate() }],
            display_names: &[("en", "Forger")],
            logo: None,
            want_authn_requests_signed: false,
            valid_until: Timestamp::now() + SignedDuration::from_hours(24),
            cache_seconds: 3600,
        };
        let signed = metadata.sign(&Signer::from_generated(&self.metadata_key).unwrap()).unwrap();
        String::from_utf8(signed).unwrap()
    }

    fn sheet(&self, target: &str) -> String {
        let (service, setup) = self.service.as_ref().unwrap();
        let assertion: Signer<latchkey_saml::Assertion> = Signer::from_generated(&self.assertion_key).unwrap();
        Sheet {
            entity_id: ENTITY,
            metadata_url: ENTITY,
            sso_url: SSO,
            certificate: assertion.certificate(),
            service,
            name_id: NameIdFormat::from_name(setup.name_id).unwrap(),
            attributes: &Mapping::basic(),
        }
        .text(Target::from_name(target).unwrap())
    }

    fn sign_in(&mut self, url: &str) -> Visit {
        let mut browser = Browser::new();
        let page = browser.get_following(url);
        let answer = self.answer(&self.request(&page));
        let mut page = browser.post(&answer);
        if let Some(next) = page.location.take() {
            page = browser.get_following(&next);
        }
        // Whoever was let in without a session would be sent away once more.
        let status = if page.location.is_some() { 0 } else { page.status };
        Visit { status, page: page.body }
    }
}

fn random_id() -> String {
    let mut bytes = [0_u8; 20];
    SystemRandom::new().fill(&mut bytes).unwrap();
    id_from_random(&bytes)
}
