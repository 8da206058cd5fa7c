//! Hostile requests. The corpus of `security.md` A9, A10, A13–A15, R21–R23.

use latchkey_saml::keys::Certificate;
use latchkey_saml::metadata::ServiceMetadata;
use latchkey_saml::request::{Answer, IncomingRequest, RequestError, RequestFacts, RequestPolicy};

use crate::fixture::{self, HERE, SERVICE, SSO, authn_request, now, redirect_query, service};
use crate::sign::enveloped;

/// The service with a signing key in its metadata.
pub(crate) fn signing_service() -> ServiceMetadata {
    let mut service = service();
    service.signing_keys.push(Certificate::from_der(&SERVICE.certificate).unwrap());
    service.authn_requests_signed = true;
    service
}

pub(crate) fn post(xml: &str, service: &ServiceMetadata) -> Result<RequestFacts, RequestError> {
    IncomingRequest::from_post(&fixture::base64(xml), None)?
        .verify(service, &HERE, now(), &RequestPolicy::default())
        .map(latchkey_saml::request::VerifiedRequest::into_facts)
}

fn code(xml: &str, service: &ServiceMetadata) -> &'static str {
    match post(xml, service) {
        Ok(facts) => panic!("accepted: {facts:?}"),
        Err(e) => e.code(),
    }
}

#[test]
fn a_signed_request_is_accepted_and_an_unsigned_one_is_not() {
    let plain = authn_request(&format!(r#"Destination="{SSO}""#), "");
    let signed = enveloped(&plain, &SERVICE);
    assert!(post(&signed, &signing_service()).unwrap().signed);
    assert_eq!(code(&plain, &signing_service()), "LK-SAML-020");
    assert_eq!(code(&signed.replace("_req1", "_req2"), &signing_service()), "LK-SAML-021");
    assert_eq!(code(&signed, &service()), "LK-SAML-024", "a signature that nobody can check is no signature");
}

#[test]
fn a14_a_consumer_address_that_is_not_registered_gets_a_page_and_no_post() {
    for url in [
        "https://evil.example/acs",
        "https://sp.example/acs",
        "https://SP.example/acs?x=1&amp;y=2",
        "javascript:alert(1)",
    ] {
        let xml = authn_request(&format!(r#"AssertionConsumerServiceURL="{url}""#), "");
        let error = IncomingRequest::from_redirect(&redirect_query(&xml))
            .unwrap()
            .verify(&service(), &HERE, now(), &RequestPolicy::default())
            .unwrap_err();
        assert_eq!((error.code(), &error.answer), ("LK-SAML-011", &Answer::Page), "{url}");
    }
}
