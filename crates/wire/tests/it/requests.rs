use latchkey_wire::message::{Enroll, Heartbeat, Message};
use latchkey_wire::verify::{By, Signer, sign_request};
use latchkey_wire::{Bytes, P256Key, Posted, Sign as _, WireError};

use crate::support::{Device, code, common, token, verify_enroll};

#[test]
fn an_enrollment_verifies_with_all_its_signers() {
    let device = Device::new();
    let sent = device.sign(&device.enroll()).unwrap();
    let verified = verify_enroll(&sent.body).unwrap();
    assert_eq!(*verified.message(), device.enroll());
    assert_eq!(verified.request_sha256(), sent.request_sha256);
    assert_eq!(verified.signers().len(), 4);
    assert_eq!(verified.codes().collect::<Vec<_>>(), [code().id()]);
}

#[test]
fn a_heartbeat_verifies_with_the_key_of_the_record_only() {
    let (dk, other) = (P256Key::generate(), P256Key::generate());
    let message = Message { common: common(), body: Heartbeat { device_id: "d1".into(), n: 0, tag: Bytes([7; 32]) } };
    let sent = sign_request(&message, &dk.public().thumbprint(), &[By::key(&dk)]).unwrap();
    let posted = || Posted::<Heartbeat>::parse(&sent.body).unwrap();
    assert_eq!(posted().kid_of(&Signer::Device), Some(dk.public().thumbprint().to_string().as_str()));
    assert!(posted().verify(|_| Ok(dk.public().clone())).is_ok());
    assert!(matches!(posted().verify(|_| Ok(other.public().clone())).unwrap_err(), WireError::Signature { .. }));
}

#[test]
fn a_missing_signature_is_refused() {
    let device = Device::new();
    let (message, dk) = (device.enroll(), device.dk.public().thumbprint());
    let key = token().signing_key();
    let by = [By::key(&device.dk), By::credential(&token(), &key), By::key(&device.uk)];
    assert!(matches!(sign_request::<Enroll>(&message, &dk, &by), Err(WireError::Signers(_))));
}

#[test]
fn r14_what_a_cloud_says_counts_only_with_one_of_its_keys() {
    use latchkey_wire::message::NonceMessage;
    use latchkey_wire::state::Purpose;
    use latchkey_wire::verify::{sign_statement, verify_statement};
    let message = Message {
        common: common(),
        body: NonceMessage { purpose: Purpose::Enroll, thumbprint: Bytes([1; 32]), time: 1, exp: 121, serial: 1 },
    };
    let key = crate::support::challenge_key();
    let text = sign_statement(&message, &key).unwrap();
    let read = verify_statement::<NonceMessage>(&text, &[key.public().clone()]).unwrap();
    assert_eq!(*read.message(), message);
    let stranger = crate::support::root();
    assert_eq!(
        verify_statement::<NonceMessage>(&text, &[stranger.public().clone()]).unwrap_err(),
        WireError::UnknownKey
    );
}
