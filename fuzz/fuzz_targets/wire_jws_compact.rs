//! Compact JWS of every kind. No input may verify: the only keys are ones whose signatures the corpus does not hold.
#![no_main]

use latchkey_wire::message::{Challenge, Document, NonceMessage, Refusal, Succession};
use latchkey_wire::verify::{self, NoKey, verify_statement};
use latchkey_wire::{Ed25519Key, Posted, Sign as _};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let keys = [Ed25519Key::from_seed(&[0xee; 32]).public().clone()];
    assert!(verify_statement::<Document>(text, &keys).is_err());
    assert!(verify_statement::<Succession>(text, &keys).is_err());
    assert!(verify_statement::<NonceMessage>(text, &keys).is_err());
    assert!(verify_statement::<Challenge>(text, &keys).is_err());
    assert!(verify_statement::<Refusal>(text, &keys).is_err());
    let _ = verify::kid_of_compact(text);
    if let Ok(proof) = Posted::parse_proof(text) {
        assert!(proof.verify(|_| Err(NoKey)).is_err());
    }
});
