//! `sign-in URL`: the way, what stops it, and what is never signed.

use std::os::unix::fs::PermissionsExt;

use latchkey_wire::{Code, DeviceState};

use crate::fake_cloud::{Cloud, Faults, ORG};
use crate::fake_service::{How, Service};
use crate::program::Device;

fn enrolled() -> (Cloud, Device) {
    let (cloud, device) = (Cloud::start(), Device::new());
    let ran = device.enroll(&cloud);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    (cloud, device)
}

fn service(cloud: &Cloud, how: How) -> Service {
    let service = Service::start(format!("{}/o/{ORG}/saml/sso", cloud.origin()), how);
    cloud.inner.lock().unwrap().consumer = service.url("/acs");
    service
}

#[test]
fn the_page_is_reached_by_redirect_and_by_form() {
    for how in [How::Redirect, How::Post] {
        let (cloud, device) = enrolled();
        let service = service(&cloud, how);
        let page = device.path("page.html");
        let ran = device.run(&["sign-in", &service.url("/secret"), "--json", "--output", &page.display().to_string()]);
        assert_eq!(ran.exit, 0, "{}", ran.stderr);
        let answer = ran.json();
        assert_eq!(answer["reached"], true);
        assert_eq!(answer["session"], false);
        assert_eq!(answer["login_name"], "anna@acme.example");
        assert_eq!(answer["service"], "wiki");
        assert_eq!(answer["http_status"], 200);
        assert_eq!(answer["level"], 0);
        assert_eq!(answer["hops"].as_array().unwrap().len(), 4);
        assert!(std::fs::read_to_string(&page).unwrap().contains("Hello anna"));
        assert_eq!(std::fs::metadata(&page).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!ran.stdout.contains("PHg"), "hops carry no query values: {}", ran.stdout);
        let inner = cloud.inner.lock().unwrap();
        assert_eq!(inner.calls.iter().filter(|c| c.contains("/saml/") || c.contains("/signin/")).count(), 2);
        assert!(!inner.proofs[0].presence);
    }
}

#[test]
fn the_page_goes_to_stdout_and_the_hops_to_stderr() {
    let (cloud, device) = enrolled();
    let ran = device.run(&["sign-in", &service(&cloud, How::Redirect).url("/secret")]);
    assert_eq!(ran.stdout, "<title>Secret</title><p>Hello anna</p>");
    assert_eq!(ran.stderr.lines().count(), 4);
}

#[test]
fn the_jar_keeps_the_services_cookies_and_never_the_issuers() {
    let (cloud, device) = enrolled();
    let service = service(&cloud, How::Redirect);
    let jar = device.path("jar").display().to_string();
    assert_eq!(device.run(&["sign-in", &service.url("/secret"), "--cookie-jar", &jar]).exit, 0);
    let text = std::fs::read_to_string(&jar).unwrap();
    assert!(text.contains("session\tanna") && text.contains("#HttpOnly_127.0.0.1"), "{text}");
    assert!(!text.contains("__Host-lk-b"), "{text}");
    assert_eq!(std::fs::metadata(&jar).unwrap().permissions().mode() & 0o777, 0o600);
    let before = cloud.calls().len();
    let ran = device.run(&["sign-in", &service.url("/secret"), "--cookie-jar", &jar, "--json"]);
    assert_eq!(ran.exit, 0);
    assert_eq!(ran.json()["session"], true);
    assert_eq!(cloud.calls().len(), before, "the issuer is not asked");
}

#[test]
fn a_jar_behind_a_symbolic_link_is_left_alone() {
    let (cloud, device) = enrolled();
    let service = service(&cloud, How::Redirect);
    std::fs::write(device.path("victim"), "").unwrap();
    std::os::unix::fs::symlink(device.path("victim"), device.path("jar")).unwrap();
    let jar = device.path("jar").display().to_string();
    let ran = device.run(&["sign-in", &service.url("/secret"), "--cookie-jar", &jar]);
    assert_ne!(ran.exit, 0);
    assert_eq!(std::fs::read_to_string(device.path("victim")).unwrap(), "");
}

#[test]
fn forms_go_only_to_the_issuer_and_answers_only_to_their_destination() {
    let (cloud, device) = enrolled();
    let elsewhere = Service::start(String::new(), How::Redirect);
    let posting = service(&cloud, How::PostTo(elsewhere.url("/steal")));
    let ran = device.run(&["sign-in", &posting.url("/secret"), "--json"]);
    assert_eq!((ran.exit, ran.code().as_str()), (14, "LK-CONN-019"));
    assert_eq!(ran.json()["reached"], false);
    assert!(ran.stderr.contains("/steal"), "{}", ran.stderr);
    let passing_on = service(&cloud, How::SendsOn(elsewhere.url("/steal")));
    let ran = device.run(&["sign-in", &passing_on.url("/secret"), "--json"]);
    assert_eq!((ran.exit, ran.code().as_str()), (14, "LK-CONN-019"));
    assert!(elsewhere.requests().is_empty(), "{:?}", elsewhere.requests());
}

#[test]
fn a_service_that_refuses_is_exit_14_with_its_status_and_title() {
    let (cloud, device) = enrolled();
    let ran = device.run(&["sign-in", &service(&cloud, How::Refuses).url("/secret"), "--json"]);
    assert_eq!(ran.exit, 14);
    let answer = ran.json();
    assert_eq!((answer["reached"].as_bool(), answer["http_status"].as_u64()), (Some(false), Some(403)));
    assert!(ran.stderr.contains("Audience is wrong"), "{}", ran.stderr);
    let ran = device.run(&["sign-in", &service(&cloud, How::Loops).url("/secret"), "--json"]);
    assert_eq!((ran.exit, ran.code().as_str()), (14, "LK-CONN-018"));
    let ran = device.run(&["sign-in", &service(&cloud, How::Redirect).url("/missing"), "--json"]);
    assert_eq!(ran.exit, 14);
    let ran = device.run(&["sign-in", &service(&cloud, How::Redirect).url("/circle"), "--json"]);
    assert_eq!((ran.exit, ran.json()["hops"].as_array().unwrap().len()), (14, 20));
    let ran = device.run(&["sign-in", "http://127.0.0.1:1/", "--json"]);
    assert_eq!(ran.exit, 14, "nobody there: {}", ran.stderr);
}

#[test]
fn plain_http_is_for_loopback_names_only() {
    let (cloud, device) = enrolled();
    let ran = device.run(&["sign-in", "http://wiki.acme.example/", "--json"]);
    assert_eq!(ran.exit, 14);
    assert!(ran.stderr.contains("not https"), "{}", ran.stderr);
    let ran = device.run(&[
        "sign-in",
        &service(&cloud, How::Via("http://wiki.acme.example/".into())).url("/secret"),
        "--json",
    ]);
    assert_eq!(ran.exit, 14);
}

#[test]
fn r14_only_challenges_of_this_cloud_for_this_browser_and_origin_are_signed() {
    type Change = fn(&mut Faults);
    let cases: [(&str, Change, &str); 5] = [
        ("wrong key", |f| f.challenge_key = true, "LK-CLOUD-002"),
        ("other issuer", |f| f.challenge_issuer = true, "LK-CLOUD-002"),
        ("other origin", |f| f.challenge_origin = Some("https://evil.example".into()), "LK-PROOF-012"),
        ("other cookie", |f| f.challenge_cookie = true, "LK-PROOF-011"),
        ("expired", |f| f.challenge_expired = 7200, "LK-PROOF-010"),
    ];
    for (what, change, code) in cases {
        let (cloud, device) = enrolled();
        let service = service(&cloud, How::Redirect);
        cloud.faults(change);
        let ran = device.run(&["sign-in", &service.url("/secret"), "--json"]);
        assert_eq!(
            (ran.code().as_str(), ran.json()["reached"].as_bool()),
            (code, Some(false)),
            "{what}: {}",
            ran.stderr
        );
        assert!(!cloud.calls().iter().any(|c| c.contains("finish")), "{what}: nothing was signed and sent");
    }
}

#[test]
fn what_the_server_says_about_the_proof_is_the_exit() {
    for (code, exit) in [(Code::Proof014, 13), (Code::Proof020, 4), (Code::Node001, 7)] {
        let (cloud, device) = enrolled();
        let service = service(&cloud, How::Redirect);
        cloud.faults(|f| f.finish_refuses = Some(code));
        let ran = device.run(&["sign-in", &service.url("/secret"), "--json"]);
        assert_eq!((ran.exit, ran.code().as_str()), (exit, code.as_str()));
        assert_eq!(ran.json()["reached"], false);
        assert!(ran.stderr.contains("R-42"), "the server's reference is told: {}", ran.stderr);
    }
}

#[test]
fn a_removed_device_is_exit_12_from_then_on_and_its_keys_are_gone() {
    let (cloud, device) = enrolled();
    let service = service(&cloud, How::Redirect);
    cloud.change(|d| d.state = DeviceState::Removed);
    cloud.faults(|f| f.refuse = Some((Code::Device410, true)));
    let ran = device.run(&["sign-in", &service.url("/secret"), "--json"]);
    assert_eq!(ran.exit, 12, "{}", ran.stderr);
    let keys = std::fs::read_dir(device.state())
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().ends_with(".p8"));
    assert_eq!(keys.count(), 0);
    let ran = device.run(&["sign-in", &service.url("/secret"), "--json"]);
    assert_eq!((ran.exit, ran.code().as_str()), (12, "LK-DEVICE-410"), "{}", ran.stderr);
    let status = device.run(&["status", "--json"]);
    assert_eq!((status.exit, status.json()["state"].as_str().unwrap().to_owned()), (12, "removed".into()));
}

#[test]
fn an_unsigned_refusal_changes_nothing() {
    let (cloud, device) = enrolled();
    cloud.faults(|f| f.refuse = Some((Code::Device410, false)));
    let ran = device.run(&["renew"]);
    assert_ne!(ran.exit, 0);
    assert_eq!(device.state_json()["record"]["device"]["state"], "registered");
    cloud.faults(|f| f.refuse = None);
    let ran = device.run(&["sign-in", &service(&cloud, How::Redirect).url("/secret")]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
}

#[test]
fn without_an_enrollment_the_issuer_is_nobody_special() {
    let cloud = Cloud::start();
    let device = Device::new();
    let ran = device.run(&["sign-in", &service(&cloud, How::Redirect).url("/plain"), "--json"]);
    assert_eq!((ran.exit, ran.json()["session"].as_bool()), (0, Some(true)));
    let ran = device.run(&["sign-in", &service(&cloud, How::Redirect).url("/secret"), "--json"]);
    assert_eq!(ran.exit, 10, "{}", ran.stderr);
}

#[test]
fn a_service_that_is_told_no_passive_is_exit_13() {
    let (cloud, device) = enrolled();
    cloud.faults(|f| f.passive = true);
    let ran = device.run(&["sign-in", &service(&cloud, How::Redirect).url("/secret"), "--json"]);
    assert_eq!((ran.exit, ran.code().as_str()), (13, "LK-PROOF-014"), "{}", ran.stderr);
    assert_eq!(ran.json()["reached"], false);
}

#[test]
fn a_service_that_is_told_of_a_refusal_is_not_reached_whatever_it_shows() {
    for (code, how, exit) in [
        ("LK-PROOF-014", How::Redirect, 13),
        ("LK-PROOF-020", How::Redirect, 4),
        ("LK-SAML-026", How::Refuses, 4),
        ("LK-PROOF-020", How::Loops, 4),
    ] {
        let (cloud, device) = enrolled();
        cloud.faults(|f| f.delivers_refusal = Some(code.into()));
        let page = device.path("page.html");
        let service = service(&cloud, how);
        let ran = device.run(&["sign-in", &service.url("/secret"), "--json", "--output", &page.display().to_string()]);
        assert_eq!((ran.exit, ran.code().as_str()), (exit, code), "{}", ran.stderr);
        let answer = ran.json();
        assert_eq!((answer["reached"].as_bool(), answer["session"].as_bool()), (Some(false), Some(false)));
        assert_eq!((&answer["login_name"], &answer["level"]), (&serde_json::Value::Null, &serde_json::Value::Null));
        assert_eq!(answer["service"], "wiki");
        assert!(ran.stderr.contains("not as asked") && ran.stderr.contains("R-43"), "{}", ran.stderr);
        assert_eq!(service.requests().iter().filter(|r| r.0.contains("/acs")).count(), 1, "the service is told, once");
    }
}

#[test]
fn a_device_whose_removal_the_service_is_told_of_looks_for_itself() {
    let (cloud, device) = enrolled();
    let service = service(&cloud, How::Redirect);
    cloud.faults(|f| {
        f.delivers_refusal = Some("LK-DEVICE-410".into());
        f.refuse = Some((Code::Device410, true));
    });
    let ran = device.run(&["sign-in", &service.url("/secret"), "--json"]);
    assert_eq!((ran.exit, ran.code().as_str()), (12, "LK-DEVICE-410"), "{}", ran.stderr);
    assert_eq!(device.run(&["status", "--json"]).json()["state"], "removed");
}

#[test]
fn a_new_challenge_key_is_found_in_the_document_but_not_more_than_once_a_minute() {
    let (cloud, device) = enrolled();
    let service = service(&cloud, How::Redirect);
    cloud.roll_challenge_key();
    let ran = device.run(&["sign-in", &service.url("/secret")]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    let documents = || cloud.calls().iter().filter(|c| c.contains("well-known")).count();
    let before = documents();
    cloud.faults(|f| f.challenge_key = true);
    for _ in 0..3 {
        let ran = device.run(&["sign-in", &service.url("/secret"), "--json"]);
        assert_eq!(ran.code(), "LK-CLOUD-002");
    }
    assert_eq!(documents(), before, "unknown keys make us ask once a minute at most");
}
