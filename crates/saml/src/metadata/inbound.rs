//! What a service tells us about itself: its SAML metadata, or the few facts an administrator types in.
//!
//! What metadata says about signing is kept and never relaxed. Must not fetch anything: bytes and the time come in.

use uppsala::{Document, NodeId};

use super::address::{AcsUrlError, HttpPolicy, check_acs_url};
use super::text::{boolean, duration, index, problem, required, time};
use crate::keys::{Certificate, PublicKey};
use crate::names as n;
use crate::xml::{dom, gate, signature};

/// What is asked of the signature on metadata.
#[derive(Clone, Copy, Debug, Default)]
pub enum SignaturePolicy<'k> {
    /// No key is configured: a signature is neither needed nor looked at; changes wait for approval elsewhere.
    #[default]
    NotChecked,
    /// It must be signed by this key.
    SignedBy(&'k PublicKey),
}

/// Where and what, in terms of the file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in bytes.
    pub column: usize,
    /// The element, without prefix.
    pub element: String,
    /// What was expected there.
    pub expected: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}, <{}>: expected {}", self.line, self.column, self.element, self.expected)
    }
}

/// Metadata was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// A consumer address is not one we send people to.
    #[error("{0}: {1}")]
    Address(Problem, AcsUrlError),
    /// A collection of many entities.
    #[error(
        "this is a collection of many entities (EntitiesDescriptor); give the metadata of one service (EntityDescriptor)"
    )]
    Collection,
    /// It is too old.
    #[error("the metadata was valid until {0}; ask the service's owner for current metadata")]
    Expired(jiff::Timestamp),
    /// Something is missing or misspelled.
    #[error("{0}")]
    Invalid(Problem),
    /// It describes something else, such as an identity provider.
    #[error("this metadata describes no SAML 2.0 service provider (no SPSSODescriptor for {0})")]
    NotAService(String),
    /// It did not get past the gate.
    #[error("line {line}, column {column}: {why}")]
    NotXml {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The reason.
        why: String,
    },
    /// The signature is missing, not ours to trust, or more than one.
    #[error("the signature on the metadata was not accepted: {0}")]
    Signature(String),
    /// It is larger than we read.
    #[error("the metadata is larger than {0} bytes")]
    TooLarge(usize),
}

impl MetadataError {
    /// The stable code; sentences are in [`crate::request::CODES`].
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotXml { .. } | Self::TooLarge(_) => "LK-SAML-030",
            Self::Invalid(_) => "LK-SAML-031",
            Self::Collection | Self::NotAService(_) => "LK-SAML-032",
            Self::Expired(_) => "LK-SAML-033",
            Self::Signature(_) => "LK-SAML-034",
            Self::Address(..) => "LK-SAML-035",
        }
    }
}

/// One assertion consumer service (metadata 2.4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerService {
    /// Its index; unique among the consumer services.
    pub index: u16,
    /// The binding's URI. Only HTTP-POST is answered to.
    pub binding: String,
    /// What `isDefault` says, if anything.
    pub is_default: Option<bool>,
    /// The address, byte for byte as given.
    pub location: String,
}

impl ConsumerService {
    /// Whether we can answer there.
    pub fn is_post(&self) -> bool {
        self.binding == n::BINDING_POST
    }
}

/// One attribute that a service would like (metadata 2.4.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedAttribute {
    /// `Name`.
    pub name: String,
    /// `NameFormat`.
    pub name_format: Option<String>,
    /// `FriendlyName`.
    pub friendly_name: Option<String>,
    /// `isRequired`.
    pub required: bool,
}

/// A set of attributes a service would like (metadata 2.4.4.1). Shown to administrators; never released by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeConsumingService {
    /// Its index.
    pub index: u16,
    /// `isDefault`.
    pub is_default: Option<bool>,
    /// The names by language.
    pub names: Vec<(String, String)>,
    /// What it would like.
    pub requested: Vec<RequestedAttribute>,
}

/// A service provider as its metadata describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceMetadata {
    /// `entityID`.
    pub entity_id: String,
    /// Where assertions may go; at least one with the POST binding.
    pub consumers: Vec<ConsumerService>,
    /// The service says that it signs its requests: then no unsigned one is accepted.
    pub authn_requests_signed: bool,
    /// The service wants assertions signed. Ours always are.
    pub want_assertions_signed: bool,
    /// Keys that its requests may be signed with.
    pub signing_keys: Vec<Certificate>,
    /// Certificates for encryption, as DER, kept for later.
    pub encryption_keys: Vec<Vec<u8>>,
    /// `NameIDFormat`s, as given.
    pub name_id_formats: Vec<String>,
    /// Attribute sets it would like.
    pub attribute_services: Vec<AttributeConsumingService>,
    /// Names by language, from `mdui:DisplayName`, else `OrganizationDisplayName`.
    pub display_names: Vec<(String, String)>,
    /// Until when this may be used.
    pub valid_until: Option<jiff::Timestamp>,
    /// How long it may be cached, in seconds.
    pub cache_duration: Option<u64>,
}

impl ServiceMetadata {
    /// A service typed in by hand: entity id and consumer addresses (POST), the first being the default.
    pub fn by_hand(entity_id: &str, acs: &[&str], http: HttpPolicy) -> Result<Self, MetadataError> {
        let place = |element: &str, expected: &str| Problem {
            line: 1,
            column: 1,
            element: element.to_owned(),
            expected: expected.to_owned(),
        };
        check_entity_id(entity_id).map_err(|e| MetadataError::Invalid(place("EntityDescriptor", e)))?;
        if acs.is_empty() {
            return Err(MetadataError::Invalid(place("AssertionConsumerService", "at least one consumer address")));
        }
        let mut consumers = Vec::with_capacity(acs.len());
        for (index, location) in (0_u16..).zip(acs) {
            check_acs_url(location, http)
                .map_err(|e| MetadataError::Address(place("AssertionConsumerService", "a consumer address"), e))?;
            consumers.push(ConsumerService {
                index,
                binding: n::BINDING_POST.to_owned(),
                is_default: (index == 0).then_some(true),
                location: (*location).to_owned(),
            });
        }
        Ok(Self {
            entity_id: entity_id.to_owned(),
            consumers,
            authn_requests_signed: false,
            want_assertions_signed: false,
            signing_keys: Vec::new(),
            encryption_keys: Vec::new(),
            name_id_formats: Vec::new(),
            attribute_services: Vec::new(),
            display_names: Vec::new(),
            valid_until: None,
            cache_duration: None,
        })
    }

    /// Reads the metadata of one service; no signature is asked for. See [`Self::parse_signed`].
    pub fn parse(bytes: &[u8], now: jiff::Timestamp, http: HttpPolicy) -> Result<Self, MetadataError> {
        Self::parse_signed(bytes, SignaturePolicy::NotChecked, now, http)
    }

    /// Reads the metadata of one service: limits of `saml.md` 1, then the signature as `policy` asks, then data from the
    /// same parsed document.
    pub fn parse_signed(
        bytes: &[u8],
        policy: SignaturePolicy<'_>,
        now: jiff::Timestamp,
        http: HttpPolicy,
    ) -> Result<Self, MetadataError> {
        let text = gate::pass(bytes, gate::METADATA).map_err(|r| match r.why {
            gate::Why::Size(limit) => MetadataError::TooLarge(limit),
            why => MetadataError::NotXml { line: r.line, column: r.column, why: why.to_string() },
        })?;
        let not_xml = |why: String| MetadataError::NotXml { line: 1, column: 1, why };
        let doc = uppsala::parse(text)
            .map_err(|e| not_xml(e.to_string().chars().filter(|c| !c.is_control()).take(160).collect()))?;
        let root = doc.document_element().ok_or_else(|| not_xml("there is no element".to_owned()))?;
        match dom::name(&doc, root) {
            Some((n::NS_MD, "EntityDescriptor")) => {}
            Some((n::NS_MD, "EntitiesDescriptor")) => return Err(MetadataError::Collection),
            _ => {
                let expected = format!("an EntityDescriptor of the namespace {}", n::NS_MD);
                return Err(problem(&doc, root, expected));
            }
        }
        check_signature(&doc, policy)?;
        read(&doc, root, now, http)
    }

    /// Whether `validUntil` has passed: then the service's requests are refused (fail closed).
    pub fn is_expired(&self, now: jiff::Timestamp) -> bool {
        self.valid_until.is_some_and(|until| until <= now)
    }

    /// The consumer service used when a request names none (metadata 2.2.3): the first marked default, else the first not
    /// marked otherwise, else the first; of those we can answer to.
    pub fn default_consumer(&self) -> Option<&ConsumerService> {
        let post = || self.consumers.iter().filter(|c| c.is_post());
        post()
            .find(|c| c.is_default == Some(true))
            .or_else(|| post().find(|c| c.is_default.is_none()))
            .or_else(|| post().next())
    }

    /// Where a provider-first response goes.
    pub fn default_acs(&self) -> Option<crate::request::Acs> {
        self.default_consumer().map(crate::request::Acs::from_metadata)
    }

    /// The name to show, in the wanted language if there is one.
    pub fn display_name(&self, language: &str) -> Option<&str> {
        let by = |l: &str| self.display_names.iter().find(|(have, _)| have == l).map(|(_, name)| name.as_str());
        by(language).or_else(|| by("en")).or_else(|| self.display_names.first().map(|(_, name)| name.as_str()))
    }
}

fn check_entity_id(id: &str) -> Result<(), &'static str> {
    if id.is_empty() || id.len() > 1024 {
        return Err("an entity id of 1 to 1024 characters");
    }
    if id.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("an entity id without white space");
    }
    Ok(())
}

fn check_signature(doc: &Document<'_>, policy: SignaturePolicy<'_>) -> Result<(), MetadataError> {
    let refused = |why: &str| Err(MetadataError::Signature(why.to_owned()));
    match (signature::count(doc), policy) {
        (0 | 1, SignaturePolicy::NotChecked) => Ok(()),
        (0, SignaturePolicy::SignedBy(_)) => refused("it is not signed, and a metadata key is configured"),
        (1, SignaturePolicy::SignedBy(key)) => {
            signature::verify(doc, &[key]).map(drop).map_err(|e| MetadataError::Signature(e.to_string()))
        }
        _ => refused("it has more than one signature"),
    }
}

fn read(
    doc: &Document<'_>,
    root: NodeId,
    now: jiff::Timestamp,
    http: HttpPolicy,
) -> Result<ServiceMetadata, MetadataError> {
    let entity_id = required(doc, root, "entityID")?;
    check_entity_id(entity_id).map_err(|e| problem(doc, root, e))?;
    let role = dom::children_named(doc, root, n::NS_MD, "SPSSODescriptor")
        .find(|r| {
            let protocols = dom::attribute(doc, *r, "protocolSupportEnumeration").unwrap_or_default();
            protocols.split_ascii_whitespace().any(|p| p == n::NS_SAMLP)
        })
        .ok_or_else(|| MetadataError::NotAService(entity_id.to_owned()))?;

    let valid_until = [time(doc, root, "validUntil")?, time(doc, role, "validUntil")?].into_iter().flatten().min();
    if let Some(until) = valid_until.filter(|until| *until <= now) {
        return Err(MetadataError::Expired(until));
    }
    let cache_duration = match duration(doc, root, "cacheDuration")? {
        Some(seconds) => Some(seconds),
        None => duration(doc, role, "cacheDuration")?,
    };

    let mut signing_keys = Vec::new();
    let mut encryption_keys = Vec::new();
    for key in dom::children_named(doc, role, n::NS_MD, "KeyDescriptor") {
        key_descriptor(doc, key, &mut signing_keys, &mut encryption_keys)?;
    }

    let mut consumers: Vec<ConsumerService> = Vec::new();
    for acs in dom::children_named(doc, role, n::NS_MD, "AssertionConsumerService") {
        let consumer = consumer(doc, acs, http)?;
        if consumers.iter().any(|c| c.index == consumer.index) {
            return Err(problem(doc, acs, format!("an index other than {}, which is taken", consumer.index)));
        }
        consumers.push(consumer);
    }
    if !consumers.iter().any(ConsumerService::is_post) {
        return Err(problem(doc, role, "an AssertionConsumerService with the HTTP-POST binding"));
    }

    let mut attribute_services = Vec::new();
    for service in dom::children_named(doc, role, n::NS_MD, "AttributeConsumingService") {
        attribute_services.push(attribute_service(doc, service)?);
    }

    Ok(ServiceMetadata {
        entity_id: entity_id.to_owned(),
        consumers,
        authn_requests_signed: boolean(doc, role, "AuthnRequestsSigned")?.unwrap_or(false),
        want_assertions_signed: boolean(doc, role, "WantAssertionsSigned")?.unwrap_or(false),
        signing_keys,
        encryption_keys,
        name_id_formats: dom::children_named(doc, role, n::NS_MD, "NameIDFormat")
            .filter_map(|f| dom::trimmed(doc, f))
            .collect(),
        attribute_services,
        display_names: display_names(doc, root, role),
        valid_until,
        cache_duration,
    })
}

fn key_descriptor(
    doc: &Document<'_>,
    key: NodeId,
    signing: &mut Vec<Certificate>,
    encryption: &mut Vec<Vec<u8>>,
) -> Result<(), MetadataError> {
    let (for_signing, for_encryption) = match dom::attribute(doc, key, "use") {
        None => (true, true),
        Some("signing") => (true, false),
        Some("encryption") => (false, true),
        Some(_) => return Err(problem(doc, key, "the attribute use to be signing or encryption")),
    };
    let certificates: Vec<NodeId> =
        dom::elements(doc, key).filter(|e| dom::is(doc, *e, n::NS_DS, "X509Certificate")).collect();
    if certificates.is_empty() {
        // A bare encryption key is no reason to refuse: nothing is encrypted to it yet, and requests do not hang on it.
        if !for_signing {
            return Ok(());
        }
        return Err(problem(doc, key, "a certificate (KeyInfo, X509Data, X509Certificate)"));
    }
    for node in certificates {
        let der = dom::text(doc, node)
            .and_then(|t| dom::base64(&t))
            .ok_or_else(|| problem(doc, node, "a certificate in base64"))?;
        if for_signing {
            let certificate =
                Certificate::from_der(&der).map_err(|e| problem(doc, node, format!("a usable certificate: {e}")))?;
            if !signing.contains(&certificate) {
                signing.push(certificate);
            }
        }
        if for_encryption && !encryption.contains(&der) {
            encryption.push(der);
        }
    }
    Ok(())
}

fn consumer(doc: &Document<'_>, acs: NodeId, http: HttpPolicy) -> Result<ConsumerService, MetadataError> {
    let consumer = ConsumerService {
        index: index(doc, acs)?,
        binding: required(doc, acs, "Binding")?.to_owned(),
        is_default: boolean(doc, acs, "isDefault")?,
        location: required(doc, acs, "Location")?.to_owned(),
    };
    check_acs_url(&consumer.location, http).map_err(|e| match problem(doc, acs, "a consumer address") {
        MetadataError::Invalid(place) => MetadataError::Address(place, e),
        other => other,
    })?;
    Ok(consumer)
}

fn attribute_service(doc: &Document<'_>, node: NodeId) -> Result<AttributeConsumingService, MetadataError> {
    let mut requested = Vec::new();
    for attribute in dom::children_named(doc, node, n::NS_MD, "RequestedAttribute") {
        requested.push(RequestedAttribute {
            name: required(doc, attribute, "Name")?.to_owned(),
            name_format: dom::attribute(doc, attribute, "NameFormat").map(str::to_owned),
            friendly_name: dom::attribute(doc, attribute, "FriendlyName").map(str::to_owned),
            required: boolean(doc, attribute, "isRequired")?.unwrap_or(false),
        });
    }
    Ok(AttributeConsumingService {
        index: index(doc, node)?,
        is_default: boolean(doc, node, "isDefault")?,
        names: localized(doc, dom::children_named(doc, node, n::NS_MD, "ServiceName")),
        requested,
    })
}

fn display_names(doc: &Document<'_>, root: NodeId, role: NodeId) -> Vec<(String, String)> {
    let ui = dom::children_named(doc, role, n::NS_MD, "Extensions")
        .flat_map(|e| dom::children_named(doc, e, n::NS_MDUI, "UIInfo"))
        .flat_map(|u| dom::children_named(doc, u, n::NS_MDUI, "DisplayName"));
    let names = localized(doc, ui);
    if !names.is_empty() {
        return names;
    }
    let organization = dom::children_named(doc, root, n::NS_MD, "Organization")
        .flat_map(|o| dom::children_named(doc, o, n::NS_MD, "OrganizationDisplayName"));
    localized(doc, organization)
}

fn localized(doc: &Document<'_>, nodes: impl Iterator<Item = NodeId>) -> Vec<(String, String)> {
    nodes
        .filter_map(|node| {
            let language = dom::attribute_ns(doc, node, n::NS_XML, "lang").unwrap_or("en").to_owned();
            dom::trimmed(doc, node).filter(|t| !t.is_empty()).map(|t| (language, t))
        })
        .collect()
}
