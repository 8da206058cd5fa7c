//! Renewals, epochs, copies, ends, and trust in TLS.

use std::sync::Arc;

use latchkey_wire::{Bytes, Code, DeviceState};

use crate::fake_cloud::Cloud;
use crate::fake_service::{How, Service};
use crate::program::{Device, copy_folder};
use crate::wire_http::Identity;

fn enrolled() -> (Cloud, Device) {
    let (cloud, device) = (Cloud::start(), Device::new());
    let ran = device.enroll(&cloud);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    (cloud, device)
}

#[test]
fn a_renewal_advances_the_epoch_and_a_heartbeat_ends_the_old_one() {
    let (cloud, device) = enrolled();
    let ran = device.run(&["renew", "--json"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["epoch"], 1);
    assert_eq!(cloud.device().cur, 1);
    assert!(cloud.calls().last().unwrap().contains("heartbeats"), "{:?}", cloud.calls());
    assert_eq!(device.state_json()["record"]["epoch"]["next"], serde_json::Value::Null);
}

#[test]
fn a_lost_renewal_answer_is_repeated_with_the_same_next_epoch() {
    let (cloud, device) = enrolled();
    cloud.faults(|f| f.lose_answer = true);
    assert_ne!(device.run(&["renew"]).exit, 0);
    let next = device.state_json()["record"]["epoch"]["next"].clone();
    assert!(next.is_string(), "written ahead and kept");
    assert_eq!(cloud.device().cur, 1, "the server has advanced");
    let ran = device.run(&["renew", "--json"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!((ran.json()["epoch"].as_u64(), cloud.device().cur), (Some(1), 1));
    assert!(!cloud.device().forked);
    assert_eq!(device.state_json()["record"]["epoch"]["e"], next);
}

#[test]
fn a_sign_in_completes_a_renewal_whose_answer_was_lost() {
    let (cloud, device) = enrolled();
    cloud.faults(|f| f.lose_answer = true);
    assert_ne!(device.run(&["renew"]).exit, 0);
    // The server no longer takes the old epoch for tags; a proof with it would be refused with LK-PROOF-021.
    cloud.change(|d| d.prev_alive = false);
    let service = Service::start(format!("{}/o/{}/saml/sso", cloud.origin(), crate::fake_cloud::ORG), How::Redirect);
    cloud.inner.lock().unwrap().consumer = service.url("/acs");
    let ran = device.run(&["sign-in", &service.url("/secret"), "--json"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!((cloud.device().cur, cloud.device().forked), (1, false));
    assert_eq!(cloud.inner.lock().unwrap().proofs[0].n, 1);
}

#[test]
fn a_suspended_device_does_not_spend_its_epoch() {
    let (cloud, device) = enrolled();
    cloud.change(|d| d.state = DeviceState::Suspended);
    let ran = device.run(&["renew"]);
    assert_eq!((ran.exit, ran.code().as_str()), (12, "LK-RENEW-022"), "{}", ran.stderr);
    assert_eq!(device.state_json()["record"]["epoch"]["n"], 0);
    cloud.change(|d| d.state = DeviceState::Registered);
    let ran = device.run(&["renew", "--json"]);
    assert_eq!((ran.exit, cloud.device().cur), (0, 1), "{}", ran.stderr);
}

#[test]
fn a06_of_two_copies_the_second_to_renew_is_quarantined() {
    let (cloud, device) = enrolled();
    let copy = Device::new();
    copy_folder(&device.state(), &copy.state());
    assert_eq!(device.run(&["renew"]).exit, 0);
    assert_eq!(device.run(&["renew"]).exit, 0);
    let ran = copy.run(&["renew"]);
    assert_eq!((ran.exit, ran.code().as_str()), (12, "LK-RENEW-023"), "{}", ran.stderr);
    assert!(cloud.device().forked);
    assert_eq!(copy.run(&["status", "--json"]).json()["state"], "quarantined");
    assert_eq!(copy.run(&["run", "--once"]).exit, 12, "nothing goes on by itself");
}

#[test]
fn after_a_release_a_new_key_takes_over_the_record_and_the_user_is_bound_anew() {
    let (cloud, device) = enrolled();
    cloud.change(|d| d.v_cur = latchkey_wire::EpochSecret::generate().commitment());
    assert_eq!(device.run(&["renew"]).exit, 12);
    let old = cloud.device().dk;
    cloud.faults(|f| f.refuse = None);
    let ran = device.enroll(&cloud);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["device_id"], "dev-1");
    assert_eq!(ran.json()["user"]["login_name"], "anna@acme.example");
    assert_ne!(cloud.device().dk, old);
    {
        let inner = cloud.inner.lock().unwrap();
        let last = inner.enrolls.last().unwrap();
        assert_eq!((last.replaces.as_deref(), last.user.is_none()), (Some("dev-1"), true));
        assert!(inner.calls.iter().any(|c| c.contains("bindings")));
    }
    let service = Service::start(format!("{}/o/{}/saml/sso", cloud.origin(), crate::fake_cloud::ORG), How::Redirect);
    cloud.inner.lock().unwrap().consumer = service.url("/acs");
    assert_eq!(device.run(&["sign-in", &service.url("/secret")]).exit, 0);
}

#[test]
fn state_copied_from_another_machine_is_not_used() {
    let (cloud, device) = enrolled();
    let file = device.state().join("state.json");
    let mut state = device.state_json();
    for mark in ["smbios_uuid", "machine_id", "root_volume"] {
        if state["machine"][mark].is_string() {
            state["machine"][mark] = "another".into();
        }
    }
    let marks = state["machine"].as_object().unwrap().len();
    std::fs::write(&file, state.to_string()).unwrap();
    let calls = cloud.calls().len();
    let ran = device.run(&["renew"]);
    assert!(marks >= 2, "this test needs a machine with a machine id and a root volume id");
    assert_eq!((ran.exit, ran.code().as_str()), (12, "LK-CONN-014"), "{}", ran.stderr);
    assert_eq!(cloud.calls().len(), calls, "nothing was sent");
    assert_eq!(device.enroll(&cloud).exit, 12);
    assert_eq!(device.run(&["unenroll", "--local", "--yes"]).exit, 0);
    assert_eq!(device.enroll(&cloud).exit, 0);
}

#[test]
fn r30_unenroll_tells_the_cloud_and_wipes_or_wipes_nothing() {
    let (cloud, device) = enrolled();
    cloud.faults(|f| f.lose_answer = false);
    let dry = device.run(&["unenroll", "--dry-run", "--json"]);
    assert_eq!(dry.json()["would"]["devices"], 1);
    let ran = device.run(&["unenroll", "--yes", "--json"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(cloud.device().state, DeviceState::Unregistered);
    assert!(!device.state_json().to_string().contains("epoch"));
    let status = device.run(&["status", "--json"]);
    assert_eq!((status.exit, status.json()["state"].as_str()), (12, Some("unregistered")), "{}", status.stderr);
    let old = cloud.device().dk;
    assert_eq!(device.enroll(&cloud).exit, 0);
    assert_ne!(cloud.inner.lock().unwrap().devices[1].dk, old, "a new key");
}

#[test]
fn unenroll_wipes_nothing_when_the_cloud_refuses_or_is_away() {
    let (cloud, device) = enrolled();
    cloud.faults(|f| f.away = true);
    let ran = device.run(&["unenroll", "--yes"]);
    assert_eq!(ran.exit, 6, "{}", ran.stderr);
    assert!(device.state_json()["record"]["device"].is_object());
    cloud.faults(|f| f.away = false);
    assert_eq!(device.run(&["unenroll", "--yes"]).exit, 0);
}

#[test]
fn a_script_wipes_nothing_without_its_yes() {
    let (cloud, device) = enrolled();
    let calls = cloud.calls().len();
    for line in [&["unenroll"][..], &["unenroll", "--local"], &["prepare-image"]] {
        let ran = device.run(line);
        assert_eq!((ran.exit, ran.code().as_str()), (2, "LK-CONN-002"), "{line:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("--yes") && ran.stdout.is_empty(), "{line:?}: {}", ran.stderr);
        assert!(device.state_json()["record"]["device"].is_object(), "{line:?}");
    }
    assert_eq!(cloud.calls().len(), calls, "nothing was sent");
}

#[test]
fn prepare_image_wipes_and_waits_for_another_machine_id() {
    let (cloud, device) = enrolled();
    let dry = device.run(&["prepare-image", "--dry-run", "--json"]);
    assert_eq!(dry.json()["would"]["devices"], 1);
    assert!(device.state_json()["record"]["device"].is_object(), "a dry run takes nothing");
    assert_eq!(device.run(&["prepare-image", "--yes"]).exit, 0);
    assert!(std::path::Path::new("/etc/machine-id").exists(), "this test needs a machine id");
    let ran = device.enroll(&cloud);
    assert_eq!((ran.exit, ran.code().as_str()), (5, "LK-CONN-004"), "{}", ran.stderr);
}

struct Authority {
    pem: String,
    leaf: Identity,
    key_sha256: Bytes<32>,
}

fn authority(host: &str) -> Authority {
    authority_from(host, 2020)
}

fn authority_from(host: &str, year: i32) -> Authority {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    ca.distinguished_name.push(DnType::CommonName, "Inspection CA");
    let pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec![host.to_owned()]).unwrap();
    leaf.distinguished_name.push(DnType::CommonName, "inspected");
    leaf.not_before = rcgen::date_time_ymd(year, 1, 1);
    let certificate = leaf.signed_by(&key, &issuer).unwrap();
    let der = certificate.der().clone();
    let key_sha256 = Bytes(latchkey_connector::http::spki_sha256(&der).unwrap());
    Authority { pem, leaf: Identity { certificate: der.to_vec(), key: key.serialize_der() }, key_sha256 }
}

#[test]
fn a03_a_proxy_that_reads_everything_never_sees_the_seed() {
    let authority = authority("localhost");
    let cloud = Cloud::with(Some(authority.leaf));
    let device = Device::new();
    let ca = device.path("ca.pem");
    std::fs::write(&ca, &authority.pem).unwrap();
    let ran = device.enroll_with(&cloud, &["--ca-file", &ca.display().to_string()]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    let tape = cloud.tape.lock().unwrap().clone();
    assert!(tape.windows(11).any(|w| w == b"enrollments"), "the proxy did read the enrollment");
    let inner = cloud.inner.lock().unwrap();
    let seed = inner.token.signing_key().seed();
    let text = inner.token.expose().to_string();
    let forms: Vec<Vec<u8>> = vec![
        seed.to_vec(),
        text.clone().into_bytes(),
        text.as_bytes()[43..95].to_vec(),
        text[43..95].to_uppercase().into_bytes(),
        latchkey_wire::bytes::to_base64url(&*seed).into_bytes(),
        seed.iter().map(|b| format!("{b:02x}")).collect::<String>().into_bytes(),
    ];
    // The payloads are base64url: look inside them as well.
    let mut haystacks = vec![tape.clone()];
    for part in tape.split(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))) {
        haystacks.extend(latchkey_wire::bytes::from_base64url(&String::from_utf8_lossy(part)).ok());
    }
    for form in &forms {
        for haystack in haystacks.iter().filter(|h| h.len() >= form.len()) {
            assert!(!haystack.windows(form.len()).any(|w| w == &form[..]), "the seed was sent");
        }
    }
}

#[test]
fn an_unknown_certificate_is_refused_and_said_who_it_was() {
    let cloud = Cloud::with(Some(authority("localhost").leaf));
    let device = Device::new();
    let ran = device.enroll(&cloud);
    assert_eq!((ran.exit, ran.code().as_str()), (6, "LK-CONN-011"), "{}", ran.stderr);
    assert!(ran.stderr.contains("Inspection CA"), "{}", ran.stderr);
    assert!(!cloud.calls().iter().any(|c| c.contains("device/v1")), "{:?}", cloud.calls());
}

#[test]
fn a_key_that_the_root_signed_document_lists_is_trusted_without_any_ca() {
    let authority = authority("somewhere-else.example");
    let cloud = Cloud::with(Some(authority.leaf));
    cloud.faults(|f| f.list_tls_key = Some(authority.key_sha256));
    let device = Device::new();
    let ran = device.enroll(&cloud);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    let service = Service::start(format!("{}/o/{}/saml/sso", cloud.origin(), crate::fake_cloud::ORG), How::Redirect);
    cloud.inner.lock().unwrap().consumer = service.url("/acs");
    let ran = device.run(&["sign-in", &service.url("/secret")]);
    assert_eq!(ran.exit, 0, "a service on loopback may use plain http, whatever the issuer uses: {}", ran.stderr);
}

#[test]
fn a_tls_key_that_rolled_is_found_in_the_document() {
    let (first, second) = (authority("localhost"), authority("localhost"));
    let cloud = Cloud::with(Some(first.leaf));
    cloud.faults(|f| f.list_tls_key = Some(first.key_sha256));
    let device = Device::new();
    assert_eq!(device.enroll(&cloud).exit, 0);
    // The same cloud, restarted elsewhere with another key: the name in the options leads there, the document explains.
    let moved = Cloud::with(Some(second.leaf));
    {
        let mut inner = moved.inner.lock().unwrap();
        let mut old = cloud.inner.lock().unwrap();
        std::mem::swap(&mut inner.root, &mut old.root);
        std::mem::swap(&mut inner.challenge, &mut old.challenge);
        std::mem::swap(&mut inner.devices, &mut old.devices);
        inner.faults.list_tls_key = Some(second.key_sha256);
    }
    cloud.faults(|f| f.away = true);
    let file = device.state().join("state.json");
    let text = std::fs::read_to_string(&file).unwrap().replace(&cloud.name(), &moved.name());
    std::fs::write(&file, text).unwrap();
    let ran = device.run(&["renew", "--json"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(moved.device().cur, 1);
}

#[test]
fn a_device_clock_a_year_off_is_not_asked_about_the_time() {
    let (cloud, device) = (Cloud::start(), Device::new());
    cloud.faults(|f| f.ahead = 365 * 24 * 3600);
    let ran = device.enroll(&cloud);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    let service = Service::start(format!("{}/o/{}/saml/sso", cloud.origin(), crate::fake_cloud::ORG), How::Redirect);
    cloud.inner.lock().unwrap().consumer = service.url("/acs");
    let ran = device.run(&["sign-in", &service.url("/secret")]);
    assert_eq!(ran.exit, 0, "a challenge's end is measured by the server's clock: {}", ran.stderr);
    assert_eq!(device.run(&["renew"]).exit, 0);
}

#[test]
fn a_certificate_that_is_not_valid_yet_makes_the_clock_the_suspect() {
    let cloud = Cloud::with(Some(authority_from("localhost", 2090).leaf));
    let device = Device::new();
    let ran = device.enroll(&cloud);
    assert_eq!((ran.exit, ran.code().as_str()), (6, "LK-CONN-012"), "{}", ran.stderr);
}

#[test]
fn doctor_names_what_it_looked_at() {
    let (cloud, device) = enrolled();
    let ran = device.run(&["doctor", "--json"]);
    assert_eq!(ran.exit, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.json()["ok"], true);
    cloud.faults(|f| f.foreign_root = true);
    let ran = device.run(&["doctor", "--json"]);
    assert_eq!(ran.exit, 8);
    let checks = ran.json()["checks"].as_array().unwrap().clone();
    assert!(checks.iter().any(|c| c["code"] == "LK-CLOUD-002"), "{checks:?}");
}

#[test]
fn run_once_enrolls_from_the_machine_directory_and_stays_removed() {
    let (cloud, device) = (Cloud::start(), Device::new());
    let options = format!(
        r#"{{"cloudName":"{}","userDomain":"acme.example","userName":"anna","deviceToken":"{}"}}"#,
        cloud.name(),
        cloud.token_text()
    );
    std::fs::write(device.machine().join("managed.json"), options).unwrap();
    let ran = device.run(&["run", "--once"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(device.run(&["status"]).exit, 0);
    cloud.faults(|f| f.refuse = Some((Code::Device410, true)));
    assert_eq!(device.run(&["run", "--once"]).exit, 12);
    cloud.faults(|f| f.refuse = None);
    let enrolls = cloud.inner.lock().unwrap().enrolls.len();
    assert_eq!(device.run(&["run", "--once"]).exit, 0);
    assert_eq!(cloud.inner.lock().unwrap().enrolls.len(), enrolls, "a removed device stays removed");
}

#[test]
fn two_processes_at_once_make_one_device() {
    let (cloud, device) = (Arc::new(Cloud::start()), Arc::new(Device::new()));
    let arguments = device.enroll_arguments(&cloud);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (device, arguments) = (device.clone(), arguments.clone());
            std::thread::spawn(move || device.command().args(arguments).output().unwrap().status.code())
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Some(0));
    }
    assert_eq!(cloud.inner.lock().unwrap().devices.len(), 1);
    assert_eq!(cloud.inner.lock().unwrap().enrolls.len(), 1);
}
