//! The answer of /.well-known/latchkey: nothing hangs on a pin whose root never signed.
#![no_main]

use latchkey_wire::Pin;
use latchkey_wire::cloud::{Anchor, follow_roots};
use latchkey_wire::message::WellKnown;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|answer: &[u8]| {
    if let Ok(answer) = serde_json::from_slice::<WellKnown>(answer) {
        assert!(follow_roots(&Anchor::Pin(Pin::from_bytes([0xee; 16])), &answer).is_err());
        for root in &answer.roots {
            // An attacker who names a root of its own may be believed by whoever pinned it; it must only never panic.
            let _ = follow_roots(&Anchor::Root(root.clone()), &answer).map(|f| f.accept("acme.example", None));
        }
    }
});
