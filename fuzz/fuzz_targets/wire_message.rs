//! Payloads of every message: what is read is read again as the same, and what a connector may send has one reading.
#![no_main]

use latchkey_wire::message::{
    Bind, Challenge, DeviceResult, Document, Enroll, Heartbeat, Message, NonceMessage, Payload, Proof, Refusal, Renew,
    Succession, Unenroll,
};
use libfuzzer_sys::fuzz_target;

fn check<T: Payload + PartialEq>(payload: &[u8]) {
    let Ok(message) = Message::<T>::from_payload(payload) else { return };
    // A message at its limit can grow by escaping when written anew; that is refused, never truncated.
    let Ok(written) = message.to_payload() else { return };
    let again = Message::<T>::from_payload(&written).expect("what we write we read");
    assert_eq!(again, message);
    if T::STRICT {
        let (sent, kept): (serde_json::Value, serde_json::Value) =
            (serde_json::from_slice(payload).expect("it parsed"), serde_json::from_slice(&written).expect("JSON"));
        assert_eq!(sent, kept, "a member was read as something else");
    }
}

fuzz_target!(|payload: &[u8]| {
    check::<Bind>(payload);
    check::<Challenge>(payload);
    check::<DeviceResult>(payload);
    check::<Document>(payload);
    check::<Enroll>(payload);
    check::<Heartbeat>(payload);
    check::<NonceMessage>(payload);
    check::<Proof>(payload);
    check::<Refusal>(payload);
    check::<Renew>(payload);
    check::<Succession>(payload);
    check::<Unenroll>(payload);
});
