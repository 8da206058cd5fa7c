//! What a connector posts, of every kind. Without its key no message is proven, whatever its form.
#![no_main]

use latchkey_wire::message::{Bind, Enroll, Heartbeat, Renew, Unenroll};
use latchkey_wire::verify::NoKey;
use latchkey_wire::{Ed25519Key, Posted, Sign as _};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(posted) = Posted::<Enroll>::parse(body) {
        assert!(!posted.signers().is_empty());
        let stranger = Ed25519Key::from_seed(&[0xee; 32]);
        assert!(posted.verify_token(stranger.public()).is_err());
    }
    if let Ok(posted) = Posted::<Renew>::parse(body) {
        assert!(posted.verify(|_| Err(NoKey)).is_err());
    }
    if let Ok(posted) = Posted::<Bind>::parse(body) {
        assert!(posted.verify(|_| Err(NoKey)).is_err());
    }
    if let Ok(posted) = Posted::<Heartbeat>::parse(body) {
        assert!(posted.verify(|_| Err(NoKey)).is_err());
    }
    if let Ok(posted) = Posted::<Unenroll>::parse(body) {
        assert!(posted.verify(|_| Err(NoKey)).is_err());
    }
});
