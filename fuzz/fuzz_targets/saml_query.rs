//! The raw query of the Redirect binding.
#![no_main]

use latchkey_saml::metadata::{HttpPolicy, ServiceMetadata};
use latchkey_saml::request::{IdpAddresses, IncomingRequest, RequestPolicy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &str| {
    let Ok(request) = IncomingRequest::from_redirect(data) else { return };
    let issuer = request.issuer().to_owned();
    let Ok(mut service) = ServiceMetadata::by_hand(&issuer, &["https://sp.example/acs"], HttpPolicy::HttpsOnly) else {
        return;
    };
    service.authn_requests_signed = true;
    let here = IdpAddresses { sso_redirect: "https://idp.example/sso", sso_post: "https://idp.example/sso" };
    let now = jiff::Timestamp::from_second(1_795_521_600).expect("a fixed moment");
    let verified = request.verify(&service, &here, now, &RequestPolicy::default());
    assert!(verified.is_err(), "there is no key, so nothing can be signed");
});
