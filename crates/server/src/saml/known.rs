//! Services as SAML needs them: record, parsed metadata, parsed settings.
//!
//! Owns the memory of parsed records (by content: what a document says never changes) and the form of the settings `name_id` and
//! `attributes`. Must not know requests.

use std::sync::Arc;

use data_encoding::BASE64;
use jiff::SignedDuration;
use latchkey_directory::records::Service;
use latchkey_directory::services::ServiceSettings;
use latchkey_directory::values::{SignAlgorithm, SignWhat};
use latchkey_directory::{Bytes, FieldProblem};
use latchkey_saml::SignatureAlgorithm;
use latchkey_saml::attributes::Mapping;
use latchkey_saml::keys::Certificate;
use latchkey_saml::metadata::{HttpPolicy, MetadataError, ServiceMetadata, SignaturePolicy};
use latchkey_saml::name_id::NameIdFormat;
use latchkey_saml::request::RequestPolicy;

/// How many services stay in memory, parsed.
const REMEMBERED: u64 = 4096;

/// What the records of services say, parsed, by the hash of the metadata and the text of the settings: what those say never changes.
#[derive(Clone)]
pub struct Parsed(moka::sync::Cache<(Bytes<32>, String), SamlService>);

/// A service's record as SAML reads it.
#[derive(Debug, Clone)]
pub struct SamlService {
    /// Its metadata. Whether it has expired since is looked at for each request.
    pub metadata: Arc<ServiceMetadata>,
    /// Its settings.
    pub settings: Arc<SamlSettings>,
}

impl Default for Parsed {
    fn default() -> Self {
        Self(moka::sync::Cache::new(REMEMBERED))
    }
}

impl Parsed {
    /// A service, parsed now or remembered.
    pub fn of(&self, service: &Service, now: jiff::Timestamp) -> Result<SamlService, Unusable> {
        let key = (service.metadata_sha256, service.settings.text().to_owned());
        if let Some(known) = self.0.get(&key) {
            return Ok(known);
        }
        let settings = ServiceSettings::of(service).map_err(|e| Unusable::Settings(e.to_string()))?;
        let settings = SamlSettings::parse(&settings)
            .map_err(|wrong| Unusable::Settings(wrong.into_iter().map(|w| w.detail).collect::<Vec<_>>().join("; ")))?;
        let metadata = Arc::new(ServiceMetadata::parse(&service.metadata.0, now, settings.http)?);
        let parsed = SamlService { metadata, settings: Arc::new(settings) };
        self.0.insert(key, parsed.clone());
        Ok(parsed)
    }
}

/// What the setting `name_id` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameIdSetting {
    /// The login name, as a mail address.
    Email,
    /// Pairwise.
    Persistent,
    /// New each time.
    Transient,
    /// The value of this fact.
    Unspecified(String),
}

impl NameIdSetting {
    /// From `email`, `persistent`, `transient` or `unspecified:ATTRIBUTE`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "email" => Some(Self::Email),
            "persistent" => Some(Self::Persistent),
            "transient" => Some(Self::Transient),
            _ => text
                .strip_prefix("unspecified:")
                .filter(|name| !name.is_empty() && name.len() <= 512 && !name.chars().any(char::is_control))
                .map(|name| Self::Unspecified(name.to_owned())),
        }
    }

    /// The format it gives.
    #[must_use]
    pub const fn format(&self) -> NameIdFormat {
        match self {
            Self::Email => NameIdFormat::Email,
            Self::Persistent => NameIdFormat::Persistent,
            Self::Transient => NameIdFormat::Transient,
            Self::Unspecified(_) => NameIdFormat::Unspecified,
        }
    }
}

/// A service's settings, parsed.
#[derive(Debug, Clone)]
pub struct SamlSettings {
    /// The NameID.
    pub name_id: NameIdSetting,
    /// The attributes.
    pub mapping: Mapping,
    /// Whether the response is signed as well.
    pub sign_response: bool,
    /// With which algorithm.
    pub algorithm: SignatureAlgorithm,
    /// Whether a sign-in may begin here.
    pub idp_initiated: bool,
    /// Whether consumer addresses may be http.
    pub http: HttpPolicy,
}

impl SamlSettings {
    /// Parses them; every wrong field at once.
    pub fn parse(settings: &ServiceSettings) -> Result<Self, Vec<FieldProblem>> {
        let mut wrong = Vec::new();
        let name_id = NameIdSetting::parse(&settings.name_id);
        if name_id.is_none() {
            let detail = format!("{:?} is not email, persistent, transient or unspecified:ATTRIBUTE", settings.name_id);
            wrong.push(FieldProblem::invalid("/name_id", detail));
        }
        let text = match &settings.attributes {
            serde_json::Value::String(word) => word.clone(),
            other => other.to_string(),
        };
        let mapping =
            Mapping::parse(&text).map_err(|e| wrong.push(FieldProblem::invalid("/attributes", e.to_string())));
        match (name_id, mapping) {
            (Some(name_id), Ok(mapping)) => Ok(Self {
                name_id,
                mapping,
                sign_response: settings.sign == SignWhat::Both,
                algorithm: match settings.algorithm {
                    SignAlgorithm::RsaSha256 => SignatureAlgorithm::RsaSha256,
                    SignAlgorithm::EcdsaP256 => SignatureAlgorithm::EcdsaP256,
                },
                idp_initiated: settings.idp_initiated,
                http: http_policy(settings.allow_http),
            }),
            _ => Err(wrong),
        }
    }

    /// What is asked of this service's requests beyond its metadata: nothing but freshness.
    #[must_use]
    pub fn request_policy(&self) -> RequestPolicy {
        RequestPolicy { require_signed: false, max_age: SignedDuration::from_mins(5), ..RequestPolicy::default() }
    }
}

/// The switch of a service as the SAML library spells it.
#[must_use]
pub const fn http_policy(allow_http: bool) -> HttpPolicy {
    if allow_http { HttpPolicy::AllowHttp } else { HttpPolicy::HttpsOnly }
}

/// Reads metadata as a service's settings ask: addresses, and the signature where a certificate is set for it (saml.md, rule 1).
pub fn read_metadata(
    text: &[u8],
    settings: &ServiceSettings,
    now: jiff::Timestamp,
) -> Result<ServiceMetadata, MetadataError> {
    let http = http_policy(settings.allow_http);
    let Some(base64) = &settings.metadata_certificate else { return ServiceMetadata::parse(text, now, http) };
    let refused = |why: String| MetadataError::Signature(why);
    let der = BASE64.decode(base64.as_bytes()).map_err(|e| refused(format!("the metadata certificate: {e}")))?;
    let certificate = Certificate::from_der(&der).map_err(|e| refused(e.to_string()))?;
    if certificate.is_expired(now) {
        return Err(refused("the metadata certificate that is set is past its end".to_owned()));
    }
    ServiceMetadata::parse_signed(text, SignaturePolicy::SignedBy(certificate.public_key()), now, http)
}

/// A certificate as administrators give it, PEM or bare base64, in the form in which the settings keep it.
pub fn certificate_setting(text: &str) -> Result<String, String> {
    let lines = text.lines().map(str::trim);
    if lines.clone().filter(|line| line.starts_with("-----BEGIN ")).count() > 1 {
        return Err("there is more than one in it; give the one whose key signs the metadata".to_owned());
    }
    let base64: String = lines.filter(|line| !line.starts_with("-----")).collect();
    let der = BASE64.decode(base64.as_bytes()).map_err(|_| "it is neither PEM nor base64".to_owned())?;
    Certificate::from_der(&der).map_err(|e| e.to_string())?;
    Ok(base64)
}

/// Everything about one service.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its record.
    pub service: Service,
    /// Its metadata.
    pub metadata: Arc<ServiceMetadata>,
    /// Its settings.
    pub settings: Arc<SamlSettings>,
}

/// Why a stored service cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Its metadata was accepted once and is not now: it expired, mostly.
    #[error("the service's stored metadata: {0}")]
    Metadata(#[from] MetadataError),
    /// Its settings were written by another version.
    #[error("the service's stored settings: {0}")]
    Settings(String),
}

impl Unusable {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> crate::code::Code {
        match self {
            Self::Metadata(MetadataError::Expired(_)) => crate::code::Code::saml("LK-SAML-015"),
            Self::Metadata(error) => crate::code::Code::saml(error.code()),
            Self::Settings(_) => crate::code::Own::Api500.into(),
        }
    }
}

impl Known {
    /// Of a record.
    pub fn of(parsed: &Parsed, service: Service, now: jiff::Timestamp) -> Result<Self, Unusable> {
        let SamlService { metadata, settings } = parsed.of(&service, now)?;
        Ok(Self { service, metadata, settings })
    }

    /// The name shown to people: the metadata's, else the administrator's.
    #[must_use]
    pub fn display_name(&self) -> &str {
        self.metadata.display_name("en").unwrap_or(&self.service.name)
    }
}

/// Metadata for a service that is typed in by hand, so that there is one form in the store and one way in.
pub fn by_hand(entity_id: &str, acs: &[String], http: HttpPolicy) -> Result<String, MetadataError> {
    use std::fmt::Write as _;
    let addresses: Vec<&str> = acs.iter().map(String::as_str).collect();
    ServiceMetadata::by_hand(entity_id, &addresses, http)?;
    let mut xml = format!(
        "<EntityDescriptor xmlns=\"{}\" entityID=\"{}\"><SPSSODescriptor protocolSupportEnumeration=\"{}\">",
        latchkey_saml::names::NS_MD,
        crate::html::escaped(entity_id),
        latchkey_saml::names::NS_SAMLP,
    );
    for (index, location) in addresses.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(
            xml,
            "<AssertionConsumerService Binding=\"{}\" Location=\"{}\" index=\"{index}\"{}/>",
            latchkey_saml::names::BINDING_POST,
            crate::html::escaped(location),
            if index == 0 { " isDefault=\"true\"" } else { "" },
        );
    }
    xml.push_str("</SPSSODescriptor></EntityDescriptor>");
    Ok(xml)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_in_is_read_back_as_metadata() {
        let acs = ["https://wiki.example/acs?a=1&b=\"2\"".to_owned(), "https://wiki.example/zweite'".to_owned()];
        let xml = by_hand("https://wiki.example/<sp>&", &acs, HttpPolicy::HttpsOnly).unwrap();
        let now = "2026-11-24T20:00:00Z".parse().unwrap();
        let read = ServiceMetadata::parse(xml.as_bytes(), now, HttpPolicy::HttpsOnly).unwrap();
        assert_eq!(read.entity_id, "https://wiki.example/<sp>&");
        let locations: Vec<_> = read.consumers.iter().map(|c| c.location.clone()).collect();
        assert_eq!(locations, acs);
        assert!(by_hand("x", &["javascript:alert(1)".to_owned()], HttpPolicy::AllowHttp).is_err());
        assert!(by_hand("x", &[], HttpPolicy::AllowHttp).is_err());
    }

    #[test]
    fn a_certificate_is_taken_as_pem_or_bare_and_alone() {
        let now = "2026-11-24T20:00:00Z".parse().unwrap();
        let made = latchkey_saml::keys::generate(SignatureAlgorithm::EcdsaP256, "federation", now, 1).unwrap();
        let bare = BASE64.encode(&made.certificate);
        let wrapped = bare.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>();
        let pem = format!("-----BEGIN CERTIFICATE-----\r\n{}\r\n-----END CERTIFICATE-----\n", wrapped.join("\r\n"));
        assert_eq!(certificate_setting(&bare), Ok(bare.clone()));
        assert_eq!(certificate_setting(&pem), Ok(bare.clone()));
        for wrong in [format!("{pem}{pem}"), "x".into(), String::new(), "AAAA".into()] {
            assert!(certificate_setting(&wrong).is_err(), "{wrong}");
        }
        let settings = ServiceSettings { metadata_certificate: Some(bare), ..ServiceSettings::default() };
        let later = now + SignedDuration::from_hours(2 * 366 * 24);
        let Err(MetadataError::Signature(why)) = read_metadata(b"<x/>", &settings, later) else { panic!() };
        assert!(why.contains("past its end"), "{why}");
    }

    #[test]
    fn wrong_settings_are_named_all_at_once() {
        let settings = ServiceSettings {
            name_id: "mail".into(),
            attributes: serde_json::json!([{"name": "a"}]),
            ..ServiceSettings::default()
        };
        let wrong = SamlSettings::parse(&settings).unwrap_err();
        assert_eq!(wrong.iter().map(|w| w.pointer.as_str()).collect::<Vec<_>>(), ["/name_id", "/attributes"]);
        let good = SamlSettings::parse(&ServiceSettings::default()).unwrap();
        assert_eq!(good.name_id, NameIdSetting::Email);
        assert_eq!(good.mapping, Mapping::basic());
    }
}
