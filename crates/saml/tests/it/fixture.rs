//! Keys, a service and requests, made once.

use std::sync::LazyLock;

use jiff::Timestamp;
use latchkey_saml::authn_context::EvidenceLevel;
use latchkey_saml::keys::{self, GeneratedKey, SignatureAlgorithm};
use latchkey_saml::metadata::{HttpPolicy, ServiceMetadata};
use latchkey_saml::name_id::{NameId, NameIdFormat};
use latchkey_saml::request::{IdpAddresses, IncomingRequest, RequestFacts, RequestPolicy};
use latchkey_saml::response::{LIFETIME_LIMIT, Reply, ResponseSpec};
use latchkey_saml::{Assertion, Signer};

pub(crate) const IDP: &str = "https://idp.example/o/acme/saml/metadata";
pub(crate) const SSO: &str = "https://idp.example/o/acme/saml/sso";
pub(crate) const SP: &str = "https://sp.example/metadata";
pub(crate) const ACS: &str = "https://sp.example/acs?x=1&y=2";
pub(crate) const HERE: IdpAddresses<'static> = IdpAddresses { sso_redirect: SSO, sso_post: SSO };

pub(crate) fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

pub(crate) static RSA: LazyLock<GeneratedKey> =
    LazyLock::new(|| keys::generate(SignatureAlgorithm::RsaSha256, "rsa", now(), 10).unwrap());
pub(crate) static P256: LazyLock<GeneratedKey> =
    LazyLock::new(|| keys::generate(SignatureAlgorithm::EcdsaP256, "p256", now(), 10).unwrap());
/// A service's own key.
pub(crate) static SERVICE: LazyLock<GeneratedKey> =
    LazyLock::new(|| keys::generate(SignatureAlgorithm::RsaSha256, "service", now(), 10).unwrap());
/// A key nobody registered.
pub(crate) static STRANGER: LazyLock<GeneratedKey> =
    LazyLock::new(|| keys::generate(SignatureAlgorithm::RsaSha256, "stranger", now(), 10).unwrap());

pub(crate) fn signer(key: &GeneratedKey) -> Signer<Assertion> {
    Signer::from_generated(key).unwrap()
}

pub(crate) fn service() -> ServiceMetadata {
    ServiceMetadata::by_hand(SP, &[ACS, "https://sp.example/other"], HttpPolicy::HttpsOnly).unwrap()
}

pub(crate) fn authn_request(attributes: &str, inside: &str) -> String {
    format!(
        r#"<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_req1" Version="2.0" IssueInstant="2026-11-24T11:59:50Z" {attributes}><saml:Issuer>{SP}</saml:Issuer>{inside}</samlp:AuthnRequest>"#
    )
}

pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub(crate) fn deflated(xml: impl AsRef<[u8]>) -> String {
    use std::io::Write as _;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(xml.as_ref()).unwrap();
    base64(encoder.finish().unwrap())
}

pub(crate) fn url_encoded(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

pub(crate) fn redirect_query(xml: &str) -> String {
    format!("SAMLRequest={}", url_encoded(&deflated(xml)))
}

pub(crate) fn facts() -> RequestFacts {
    IncomingRequest::from_redirect(&redirect_query(&authn_request("", "")))
        .unwrap()
        .verify(&service(), &HERE, now(), &RequestPolicy::default())
        .unwrap()
        .into_facts()
}

pub(crate) fn email() -> NameId {
    NameId { format: NameIdFormat::Email, value: "ada@acme.example".to_owned() }
}

pub(crate) fn spec<'a>(facts: &'a RequestFacts, name_id: &'a NameId) -> ResponseSpec<'a> {
    ResponseSpec {
        response_id: "_resp1",
        assertion_id: "_assert1",
        issuer: IDP,
        audience: SP,
        reply: Reply::To(facts),
        now: now(),
        lifetime: LIFETIME_LIMIT,
        name_id,
        authn_instant: now(),
        session_index: "_session1",
        session_not_on_or_after: None,
        authn_context_class: EvidenceLevel::new(1).unwrap().class(),
        evidence: EvidenceLevel::new(1).unwrap(),
        attributes: &[],
        sign_response: false,
    }
}
