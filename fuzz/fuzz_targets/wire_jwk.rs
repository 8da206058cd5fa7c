//! JWK: what parses strictly is written back with the same thumbprint, and verifying with it never panics.
#![no_main]

use latchkey_wire::{PublicJwk, Verify as _};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(key) = PublicJwk::parse(text) {
        let again = PublicJwk::parse(&key.to_string()).expect("what we write we read");
        assert_eq!(again.thumbprint(), key.thumbprint());
        let _ = key.verify(b"message", &[1; 64]);
    }
});
