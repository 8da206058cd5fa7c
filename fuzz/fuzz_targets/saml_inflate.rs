//! Deflated bytes as the Redirect binding carries them.
#![no_main]

use base64::Engine as _;
use latchkey_saml::metadata::{HttpPolicy, ServiceMetadata};
use latchkey_saml::request::{IdpAddresses, IncomingRequest, RequestPolicy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let packed = base64::engine::general_purpose::STANDARD.encode(data).replace('+', "%2B");
    let Ok(request) = IncomingRequest::from_redirect(&format!("SAMLRequest={packed}")) else { return };
    let issuer = request.issuer().to_owned();
    let Ok(service) = ServiceMetadata::by_hand(&issuer, &["https://sp.example/acs"], HttpPolicy::HttpsOnly) else {
        return;
    };
    let here = IdpAddresses { sso_redirect: "https://idp.example/sso", sso_post: "https://idp.example/sso" };
    let now = jiff::Timestamp::from_second(1_795_521_600).expect("a fixed moment");
    if let Ok(verified) = request.verify(&service, &here, now, &RequestPolicy::default()) {
        assert_eq!(verified.facts().acs.as_str(), "https://sp.example/acs");
        assert!(!verified.facts().signed);
    }
});
