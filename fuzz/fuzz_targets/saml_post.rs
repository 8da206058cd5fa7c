//! XML as the POST binding carries it, to a service that signs its requests with a key nobody here has.
#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use latchkey_saml::keys::{Certificate, SignatureAlgorithm, generate};
use latchkey_saml::metadata::{HttpPolicy, ServiceMetadata};
use latchkey_saml::request::{IdpAddresses, IncomingRequest, RequestPolicy};
use libfuzzer_sys::fuzz_target;

static NOW: LazyLock<jiff::Timestamp> =
    LazyLock::new(|| jiff::Timestamp::from_second(1_795_521_600).expect("a fixed moment"));
static KEY: LazyLock<Certificate> = LazyLock::new(|| {
    let key = generate(SignatureAlgorithm::RsaSha256, "fuzz", *NOW, 10).expect("a key");
    Certificate::from_der(&key.certificate).expect("our own certificate")
});

fuzz_target!(|data: &[u8]| {
    let Ok(request) = IncomingRequest::from_post(&base64::engine::general_purpose::STANDARD.encode(data), None) else {
        return;
    };
    let issuer = request.issuer().to_owned();
    let Ok(mut service) = ServiceMetadata::by_hand(&issuer, &["https://sp.example/acs"], HttpPolicy::HttpsOnly) else {
        return;
    };
    service.authn_requests_signed = true;
    service.signing_keys.push(KEY.clone());
    let here = IdpAddresses { sso_redirect: "https://idp.example/sso", sso_post: "https://idp.example/sso" };
    let verified = request.verify(&service, &here, *NOW, &RequestPolicy::default());
    assert!(verified.is_err(), "a key that never signed was believed");
});
