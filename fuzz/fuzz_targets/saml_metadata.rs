//! A service's metadata.
#![no_main]

use latchkey_saml::metadata::address::check_acs_url;
use latchkey_saml::metadata::{HttpPolicy, ServiceMetadata};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let now = jiff::Timestamp::from_second(1_795_521_600).expect("a fixed moment");
    if let Ok(service) = ServiceMetadata::parse(data, now, HttpPolicy::HttpsOnly) {
        assert!(service.default_consumer().is_some());
        for consumer in &service.consumers {
            assert_eq!(check_acs_url(&consumer.location, HttpPolicy::HttpsOnly), Ok(()));
        }
    }
});
