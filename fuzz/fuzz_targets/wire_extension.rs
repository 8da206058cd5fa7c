//! The certificate's extension: one DER per content.
#![no_main]

use latchkey_wire::certificate::Extension;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|der: &[u8]| {
    if let Ok(extension) = Extension::from_der(der) {
        assert_eq!(extension.to_der().expect("it was read").0, der);
    }
});
