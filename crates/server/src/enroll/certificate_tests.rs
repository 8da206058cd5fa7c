use std::process::Command;
use std::sync::Arc;

use latchkey_wire::epoch::EpochSecret;
use latchkey_wire::{P256Key, Sign as _};
use proptest::prelude::*;
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::UnixTime;

use super::*;

const NOW: Seconds = 1_764_000_000;

fn extension() -> Extension {
    Extension {
        org: "0199c0de-0000-7000-8000-000000000001".into(),
        device_id: "0199c0de-0000-7000-8000-0000000000aa".into(),
        n: 3,
        v_n_sha256: Extension::hash_of(&EpochSecret::from_bytes(&[7; 32]).commitment()),
        issued: NOW * 1000 + 250,
        domain: "acme.example".into(),
        serial: Some("PF-1234".into()),
    }
}

fn ca() -> DeviceCa {
    let made = generate_ca("0199c0de-0000-7000-8000-000000000001", NOW - 1000).unwrap();
    DeviceCa::open(&made.pkcs8, &made.certificate).unwrap()
}

fn issued() -> (DeviceCa, P256Key, Vec<u8>) {
    let (ca, key) = (ca(), P256Key::generate());
    let der = ca.issue(key.public(), &extension(), LIFETIME).unwrap();
    (ca, key, der)
}

#[test]
fn our_own_certificate_tells_what_we_said() {
    let (ca, key, der) = issued();
    let read = OwnCertificate::verify(&[ca.certificate()], &der).unwrap();
    assert_eq!(read.extension(), &extension());
    assert_eq!(read.device_key(), key.public());
    assert_eq!(read.not_after(), NOW + 7 * DAY);
    assert_eq!(not_after(&der).unwrap(), NOW + 7 * DAY);
}

#[test]
fn r18_a_certificate_lasts_seven_days_and_is_back_dated_five_minutes() {
    let (ca, _, der) = issued();
    let certificate = parse(&der).unwrap();
    let validity = certificate.validity();
    assert_eq!(validity.not_before.timestamp(), i64::try_from(NOW - 300).unwrap());
    assert_eq!(validity.not_after.timestamp() - validity.not_before.timestamp(), 7 * 24 * 3600 + 300);
    assert!(certificate.key_usage().unwrap().unwrap().value.digital_signature());
    assert!(!certificate.is_ca());
    assert_ne!(certificate.subject().as_raw(), certificate.issuer().as_raw());
    let ours = certificate.get_extension_unique(&Oid::new((&OID_DER).into())).unwrap().unwrap();
    assert!(!ours.critical);
    let own = parse(ca.certificate()).unwrap();
    let usage = own.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.key_cert_sign() && !usage.value.digital_signature());
    assert_eq!(own.basic_constraints().unwrap().unwrap().value.path_len_constraint, Some(0));
}

#[test]
fn two_cas_and_two_certificates_are_never_taken_for_each_other() {
    let (one, other) = (ca(), ca());
    let subject = |ca: &DeviceCa| parse(ca.certificate()).unwrap().subject().as_raw().to_vec();
    assert_ne!(subject(&one), subject(&other));
    let key = P256Key::generate();
    let serial = |der: &[u8]| parse(der).unwrap().raw_serial().to_vec();
    let first = one.issue(key.public(), &extension(), LIFETIME).unwrap();
    let second = one.issue(key.public(), &extension(), LIFETIME).unwrap();
    assert_ne!(serial(&first), serial(&second));
    assert_eq!(serial(&first).len(), 16);
}

#[test]
fn a05_a_certificate_of_another_organization_or_cloud_is_not_ours() {
    let (_, _, der) = issued();
    let other = ca();
    assert_eq!(OwnCertificate::verify(&[other.certificate()], &der), Err(CertificateError::NotOurs("another issuer")));
    assert_eq!(OwnCertificate::verify::<&[u8]>(&[], &der), Err(CertificateError::NotOurs("another issuer")));
}

#[test]
fn a_ca_of_the_same_name_with_another_key_signs_nothing_of_ours() {
    let (ours, key, _) = issued();
    let forger = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(ours.certificate()), forger).unwrap();
    let forged = DeviceCa { issuer, certificate: ours.certificate().to_vec() };
    let der = forged.issue(key.public(), &extension(), LIFETIME).unwrap();
    assert_eq!(OwnCertificate::verify(&[ours.certificate()], &der), Err(CertificateError::Signature));
}

#[test]
fn the_cas_certificate_is_no_devices_certificate() {
    let ca = ca();
    assert_eq!(
        OwnCertificate::verify(&[ca.certificate()], ca.certificate()),
        Err(CertificateError::NotOurs("a CA's, not a device's"))
    );
}

#[test]
fn during_a_change_both_cas_are_good() {
    let (ca_before, _, der) = issued();
    let ca_after = ca();
    assert!(OwnCertificate::verify(&[ca_after.certificate(), ca_before.certificate()], &der).is_ok());
}

#[test]
fn only_a_p256_key_gets_one_and_only_with_names_that_fit() {
    let ca = ca();
    let ed25519 = latchkey_wire::Ed25519Key::generate();
    assert_eq!(ca.issue(ed25519.public(), &extension(), LIFETIME), Err(CertificateError::KeyKind));
    let key = P256Key::generate();
    let long = Extension { device_id: "x".repeat(65), ..extension() };
    assert!(matches!(ca.issue(key.public(), &long, LIFETIME), Err(CertificateError::Own(_))));
    let far = Extension { issued: LAST_SECOND * 1000, ..extension() };
    assert!(matches!(ca.issue(key.public(), &far, LIFETIME), Err(CertificateError::Own(_))));
    let huge = Extension { serial: Some("x".repeat(MAX_CERTIFICATE)), ..extension() };
    assert!(matches!(ca.issue(key.public(), &huge, LIFETIME), Err(CertificateError::Own(_))));
}

#[test]
fn a_key_and_a_certificate_that_do_not_belong_together_are_no_ca() {
    let (one, other) = (generate_ca("a", NOW).unwrap(), generate_ca("a", NOW).unwrap());
    assert!(matches!(DeviceCa::open(&one.pkcs8, &other.certificate), Err(CertificateError::Own(_))));
    assert!(DeviceCa::open(&one.pkcs8, &one.certificate).is_ok());
}

#[test]
fn rustls_takes_it_as_a_client_certificate_while_it_lasts() {
    let (ca, _, der) = issued();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(ca.certificate().to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let leaf = CertificateDer::from(der);
    let at = |second| UnixTime::since_unix_epoch(Duration::from_secs(second));
    assert!(verifier.verify_client_cert(&leaf, &[], at(NOW)).is_ok());
    assert!(verifier.verify_client_cert(&leaf, &[], at(NOW - 299)).is_ok());
    assert!(verifier.verify_client_cert(&leaf, &[], at(NOW - 301)).is_err());
    assert!(verifier.verify_client_cert(&leaf, &[], at(NOW + 7 * DAY + 1)).is_err());
}

/// The judge is somebody else's program. It is on every machine that builds this; where it is not, the test fails rather than skips.
#[test]
fn openssl_takes_it_too() {
    let (ca, _, der) = issued();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, der: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, der).unwrap();
        let pem = path.with_extension("pem");
        let mut convert = Command::new("openssl");
        convert.args(["x509", "-inform", "DER", "-in"]).arg(&path).arg("-out").arg(&pem);
        assert!(convert.status().unwrap().success());
        pem
    };
    let (ca, leaf) = (file("ca", ca.certificate()), file("leaf", &der));
    let now = NOW.to_string();
    let judged = Command::new("openssl")
        .args(["verify", "-x509_strict", "-purpose", "sslclient", "-attime", &now, "-CAfile"])
        .arg(ca)
        .arg(leaf)
        .output()
        .unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
}

#[test]
fn no_altered_bit_outside_the_signed_part_is_believed() {
    let (ca, _, der) = issued();
    // The outer head, and from the algorithm to the end.
    for at in (0..4).chain(der.len() - 90..der.len()) {
        for bit in 0..8 {
            let mut altered = der.clone();
            altered[at] ^= 1 << bit;
            assert!(
                OwnCertificate::verify(&[ca.certificate()], &altered).is_err(),
                "byte {at} of {}, bit {bit}",
                der.len()
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_we_vouch_for_comes_back(
        n in 0u64..(1 << 53), issued in 1_000_000_000_000u64..4_000_000_000_000, domain in "[a-z]{1,40}\\.example",
        serial in proptest::option::of("[ -~]{1,60}"), device_id in "[a-z0-9-]{1,64}",
    ) {
        let said = Extension { n, issued, domain, serial, device_id, ..extension() };
        let (ca, key) = (ca(), P256Key::generate());
        let der = ca.issue(key.public(), &said, LIFETIME).unwrap();
        let read = OwnCertificate::verify(&[ca.certificate()], &der).unwrap();
        prop_assert_eq!(read.extension(), &said);
        prop_assert_eq!(read.device_key(), key.public());
    }

    #[test]
    fn no_altered_byte_is_believed(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (ca, _, der) = issued();
        let mut altered = der.clone();
        altered[at.index(der.len())] ^= 1 << bit;
        prop_assert!(OwnCertificate::verify(&[ca.certificate()], &altered).is_err());
    }

    #[test]
    fn rubbish_is_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..5000)) {
        let ca = ca();
        prop_assert!(OwnCertificate::verify(&[ca.certificate()], &bytes).is_err());
    }
}
