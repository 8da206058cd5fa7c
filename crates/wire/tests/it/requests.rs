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

#[test]
fn one_key_cannot_stand_for_two_parties() {
    let mut device = Device::new();
    device.uk = P256Key::from_pkcs8(&device.dk.to_pkcs8().unwrap()).unwrap();
    let error = device.sign(&device.enroll()).unwrap_err();
    assert_eq!(error, WireError::Signers("one key signs twice".into()));
}

#[test]
fn a_kid_that_is_not_the_thumbprint_of_the_record_is_refused() {
    let dk = P256Key::generate();
    let message = Message { common: common(), body: Heartbeat { device_id: "d1".into(), n: 0, tag: Bytes([7; 32]) } };
    // The right key, under the hash of something else.
    let sent = sign_request(&message, &dk.public().thumbprint(), &[By::mdm(b"something else", &dk)]).unwrap();
    let error = Posted::<Heartbeat>::parse(&sent.body).unwrap().verify(|_| Ok(dk.public().clone())).unwrap_err();
    assert!(matches!(error, WireError::Signature { .. }), "{error:?}");
}

#[test]
fn a_key_of_another_kind_never_verifies() {
    let device = Device::new();
    let sent = device.sign(&device.enroll()).unwrap();
    let posted = Posted::<Enroll>::parse(&sent.body).unwrap().verify_token(&token().public_key()).unwrap();
    let error = posted.verify(|_| Ok(device.dk.public().clone())).unwrap_err();
    assert_eq!(error, WireError::Key("not the kind of key of this signer"));
}

#[test]
fn a03_an_enrollment_for_one_cloud_is_not_for_another() {
    use latchkey_wire::verify::Ours;
    let device = Device::new();
    let sent = device.sign(&device.enroll()).unwrap();
    let posted = Posted::<Enroll>::parse(&sent.body).unwrap();
    let (rk, other_rk) = (crate::support::root().public().thumbprint(), Bytes([0; 32]));
    let ours = Ours { iss: "https://id.example", org: "org-1", rk: &rk };
    assert_eq!(posted.addressed_to(ours), Ok(()));
    let others = [
        (Ours { iss: "https://evil.example", ..ours }, "iss"),
        (Ours { org: "org-2", ..ours }, "org"),
        (Ours { rk: &other_rk, ..ours }, "rk"),
    ];
    for (theirs, member) in others {
        assert_eq!(posted.addressed_to(theirs), Err(WireError::NotOurs { member }));
    }
    assert_eq!(posted.cloud_is(&["https://evil.example".into()]), Err(WireError::NotOurs { member: "cloud" }));
    // Nor does anything that was sent hold the seed.
    let text = String::from_utf8(sent.body).unwrap();
    let seed = token().signing_key().seed();
    let payload = String::from_utf8_lossy(
        &latchkey_wire::bytes::from_base64url(
            serde_json::from_str::<serde_json::Value>(&text).unwrap()["payload"].as_str().unwrap(),
        )
        .unwrap(),
    )
    .into_owned();
    for written in [latchkey_wire::bytes::to_base64url(&*seed), token().expose().split('_').nth(3).unwrap().to_owned()]
    {
        assert!(!text.contains(&written) && !payload.contains(&written));
    }
}

#[test]
fn a_refusal_of_another_request_counts_as_unsigned() {
    use latchkey_wire::message::Refusal;
    use latchkey_wire::verify::{sign_statement, verify_refusal};
    let device = Device::new();
    let sent = device.sign(&device.enroll()).unwrap();
    let key = crate::support::challenge_key();
    let refusal = |dk, request_sha256, nonce: &str| {
        let body = Refusal {
            dk,
            request_sha256,
            time: 1,
            code: latchkey_wire::Code::Device410.into(),
            state: None,
            retry: latchkey_wire::Retry::Never,
            retry_after: None,
        };
        let mut common = common();
        common.nonce = nonce.into();
        let text = sign_statement(&Message { common, body }, &key).unwrap();
        verify_refusal(&text, &sent, &[key.public().clone()]).map(|_| ())
    };
    assert_eq!(refusal(sent.dk, sent.request_sha256, &sent.nonce), Ok(()));
    let not_ours = |member| Err(WireError::NotOurs { member });
    assert_eq!(refusal(Bytes([0; 32]), sent.request_sha256, &sent.nonce), not_ours("dk"));
    assert_eq!(refusal(sent.dk, Bytes([0; 32]), &sent.nonce), not_ours("request_sha256"));
    assert_eq!(refusal(sent.dk, sent.request_sha256, "another"), not_ours("nonce"));
}
