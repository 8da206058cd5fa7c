//! Nonces, sealed values and the certificate's extension.

use latchkey_wire::certificate::{self, Extension};
use latchkey_wire::nonce::NoncePayload;
use latchkey_wire::seal::{Context, SealKey};
use latchkey_wire::state::Purpose;
use latchkey_wire::{Bytes, EpochSecret, WireError, epoch};
use proptest::prelude::*;

const KEY: [u8; 32] = [1; 32];
const INCARNATION: [u8; 16] = [2; 16];

#[test]
fn a_nonce_opens_only_where_it_was_made() {
    let payload = NoncePayload::new(Purpose::Renew, Bytes([3; 32]), "device-1", 1000).unwrap();
    let text = payload.seal(&SealKey::new(&KEY), "org-1", &INCARNATION).unwrap();
    assert_eq!(NoncePayload::open(&text, &SealKey::new(&KEY), "org-1", &INCARNATION).unwrap(), payload);
    for (key, org, incarnation) in
        [([9; 32], "org-1", INCARNATION), (KEY, "org-2", INCARNATION), (KEY, "org-1", [9; 16])]
    {
        let opened = NoncePayload::open(&text, &SealKey::new(&key), org, &incarnation);
        assert_eq!(opened.unwrap_err(), WireError::NotSealedHere);
    }
    // A nonce is no transaction, though both are sealed under the same key.
    let other = Context { what: "txn", org: "org-1", incarnation: &INCARNATION };
    assert!(SealKey::new(&KEY).open(&text, &other).is_err());
    assert!(text.len() < 200, "{}", text.len());
}

#[test]
fn a_nonce_is_good_for_one_purpose_key_and_id_and_for_two_minutes() {
    let nonce = NoncePayload::new(Purpose::Renew, Bytes([3; 32]), "device-1", 1000).unwrap();
    assert!(nonce.good_for(Purpose::Renew, &Bytes([3; 32]), "device-1", 1120));
    assert!(!nonce.good_for(Purpose::Renew, &Bytes([3; 32]), "device-1", 1121));
    assert!(!nonce.good_for(Purpose::Bind, &Bytes([3; 32]), "device-1", 1000));
    assert!(!nonce.good_for(Purpose::Renew, &Bytes([4; 32]), "device-1", 1000));
    assert!(!nonce.good_for(Purpose::Renew, &Bytes([3; 32]), "device-2", 1000));
    assert!(NoncePayload::new(Purpose::Renew, Bytes([3; 32]), "", 1000).is_err());
}

#[test]
fn tags_and_commitments_are_told_apart() {
    let (e, other) = (EpochSecret::from_bytes(&[1; 32]), EpochSecret::from_bytes(&[2; 32]));
    let v = e.commitment();
    assert!(epoch::commitment_matches(&v, &e));
    assert!(!epoch::commitment_matches(&v, &other));
    let tag = epoch::tag(&v, "nonce");
    assert!(epoch::tag_matches(&v, "nonce", &tag));
    assert!(!epoch::tag_matches(&v, "nonce2", &tag));
    assert!(!epoch::tag_matches(&other.commitment(), "nonce", &tag));
    assert_eq!(format!("{e:?}"), "EpochSecret(****)");
}

#[test]
fn the_three_forms_of_the_oid_agree() {
    let arcs = certificate::OID_ARCS.map(|arc| arc.to_string()).join(".");
    assert_eq!(arcs, certificate::OID);
    let mut rest = certificate::OID_ARCS[2];
    let mut last = vec![u8::try_from(rest & 127).unwrap()];
    while rest > 127 {
        rest >>= 7;
        last.insert(0, u8::try_from(rest & 127).unwrap() | 128);
    }
    assert_eq!([vec![2 * 40 + 25], last].concat(), certificate::OID_DER);
}

prop_compose! {
    fn extension()(
        org in "[a-z0-9-]{1,40}", device_id in "[a-z0-9-]{1,40}", n in 0..=u64::MAX, hash: [u8; 32], issued in 0..=u64::MAX,
        domain in "[a-z.]{1,60}", serial in proptest::option::of("\\PC{1,40}"),
    ) -> Extension {
        Extension { org, device_id, n, v_n_sha256: Bytes(hash), issued, domain, serial }
    }
}

proptest! {
    #[test]
    fn any_extension_makes_the_round_trip_and_has_one_spelling(extension in extension(), at: prop::sample::Index, bit in 0..8) {
        let der = extension.to_der().unwrap().0;
        prop_assert_eq!(Extension::from_der(&der).unwrap(), extension);
        let mut changed = der.clone();
        changed[at.index(der.len())] ^= 1u8 << bit;
        if let Ok(read) = Extension::from_der(&changed) {
            prop_assert_eq!(read.to_der().unwrap().0, changed);
        }
        prop_assert!(Extension::from_der(&der[..der.len() - 1]).is_err());
        prop_assert!(Extension::from_der(&[der, vec![0]].concat()).is_err());
    }

    #[test]
    fn any_sealed_value_opens_and_no_altered_one_does(plain: Vec<u8>, at: prop::sample::Index, bit in 0..6) {
        let (key, context) = (SealKey::new(&KEY), Context { what: "txn", org: "o", incarnation: &INCARNATION });
        let sealed = key.seal(&plain, &context).unwrap();
        prop_assert_eq!(key.open(&sealed, &context).unwrap(), plain);
        let mut altered = sealed.clone().into_bytes();
        altered[at.index(sealed.len())] ^= 1u8 << bit;
        prop_assert!(key.open(&String::from_utf8_lossy(&altered), &context).is_err());
    }

    #[test]
    fn no_bytes_make_the_parsers_panic(bytes: Vec<u8>) {
        let _ = Extension::from_der(&bytes);
        let _ = latchkey_wire::Posted::<latchkey_wire::message::Enroll>::parse(&bytes);
        let _ = latchkey_wire::PublicJwk::parse(&String::from_utf8_lossy(&bytes));
    }
}
