//! Whatever reads as a token or code is written back as itself, and nothing panics.
#![no_main]

use latchkey_wire::{DeviceToken, OneTimeCode, Pin};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let written = text.trim().to_ascii_lowercase();
    if let Ok(token) = DeviceToken::parse(text) {
        assert_eq!(*token.expose(), written);
    }
    if let Ok(code) = OneTimeCode::parse(text) {
        assert_eq!(*code.expose(), written);
    }
    if let Ok(pin) = text.parse::<Pin>() {
        assert_eq!(pin.to_string(), written);
    }
});
