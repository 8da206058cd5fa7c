//! What an administrator ended, a restore forgot or a clean-up retired: how the device comes back, by itself and without a new enrollment.

use std::os::unix::fs::PermissionsExt;

use latchkey_wire::{BindingState, Code, DeviceState};
use serde_json::json;

use crate::fake_cloud::{Cloud, DOMAIN, ORG};
use crate::fake_service::{How, Service};
use crate::program::Device;

fn enrolled() -> (Cloud, Device) {
    let (cloud, device) = (Cloud::start(), Device::new());
    let ran = device.enroll(&cloud);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    (cloud, device)
}

fn service(cloud: &Cloud) -> Service {
    let service = Service::start(format!("{}/o/{ORG}/saml/sso", cloud.origin()), How::Redirect);
    cloud.inner.lock().unwrap().consumer = service.url("/acs");
    service
}

fn end_bindings(cloud: &Cloud) {
    cloud.change(|device| device.bindings.iter_mut().for_each(|(binding, _)| binding.state = BindingState::Ended));
}

#[test]
fn an_ended_binding_is_replaced_at_the_next_sign_in_with_a_new_key() {
    let (cloud, device) = enrolled();
    let page = service(&cloud);
    let old = device.state_json()["record"]["users"][0]["uk"].clone();
    end_bindings(&cloud);
    let ran = device.run(&["sign-in", &page.url("/secret"), "--json"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["login_name"], "anna@acme.example", "as it was bound before, no option says it now");
    let users = device.state_json()["record"]["users"].clone();
    assert_eq!(users.as_array().unwrap().len(), 1, "{users}");
    assert_ne!(users[0]["uk"], old);
    let keys = std::fs::read_dir(device.state())
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().ends_with(".p8"));
    assert_eq!(keys.count(), 2, "device key and user key; the old one is gone");
    assert_eq!(device.run(&["sign-in", &page.url("/secret")]).exit, 0);
}

#[test]
fn an_ended_binding_whose_successor_waits_is_reported_as_waiting() {
    let (cloud, device) = enrolled();
    let page = service(&cloud);
    end_bindings(&cloud);
    cloud.faults(|f| f.bindings_wait = true);
    let ran = device.run(&["sign-in", &page.url("/secret")]);
    assert_eq!((ran.exit, ran.code().as_str()), (11, "LK-PROOF-022"), "{}", ran.stderr);
    let waiting = cloud.device().bindings.last().unwrap().0.id.clone();
    assert!(ran.stderr.contains(&format!("fix: latchkey binding approve {waiting}")), "{}", ran.stderr);
    let ran = device.enroll(&cloud);
    assert_eq!((ran.exit, ran.code().as_str()), (11, "LK-ENROLL-032"), "{}", ran.stderr);
    assert_eq!(ran.json()["user"]["state"], "pending");
    // Approved.
    cloud.change(|device| device.bindings.last_mut().unwrap().0.state = BindingState::Active);
    assert_eq!(device.run(&["sign-in", &page.url("/secret")]).exit, 0);
    assert_eq!(cloud.device().bindings.len(), 2, "one new binding, however often it was asked");
}

#[test]
fn enroll_does_not_call_an_ended_binding_enrolled() {
    let (cloud, device) = enrolled();
    end_bindings(&cloud);
    device.run(&["run", "--once"]);
    let ran = device.enroll(&cloud);
    assert_eq!((ran.exit, ran.json()["user"]["state"].as_str()), (0, Some("active")), "bound anew: {}", ran.stderr);
    end_bindings(&cloud);
    device.run(&["run", "--once"]);
    cloud.change(|device| device.state = DeviceState::Suspended);
    device.run(&["run", "--once"]);
    let ran = device.enroll(&cloud);
    assert_eq!((ran.exit, ran.json()["user"]["state"].as_str()), (12, Some("ended")), "{}", ran.stderr);
}

/// The store was restored from a backup that is older than the device.
fn forget(cloud: &Cloud) {
    let mut inner = cloud.inner.lock().unwrap();
    inner.forgotten = std::mem::take(&mut inner.devices);
}

#[test]
fn a_device_that_a_restored_server_forgot_asks_to_be_adopted() {
    let (cloud, device) = enrolled();
    forget(&cloud);
    let ran = device.run(&["run", "--once"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(cloud.device().state, DeviceState::Pending);
    assert_eq!(device.run(&["status", "--json"]).json()["state"], "pending");
    cloud.change(|device| device.state = DeviceState::Registered);
    let page = service(&cloud);
    assert_eq!(device.run(&["sign-in", &page.url("/secret")]).exit, 0, "an approval was all it needed");
}

#[test]
fn a_sign_in_too_asks_for_adoption_and_says_that_it_waits() {
    let (cloud, device) = enrolled();
    let page = service(&cloud);
    forget(&cloud);
    let ran = device.run(&["sign-in", &page.url("/secret")]);
    assert_eq!((ran.exit, ran.code().as_str()), (11, "LK-PROOF-022"), "{}", ran.stderr);
    assert!(ran.stderr.contains("fix: latchkey device approve dev-1"), "{}", ran.stderr);
    assert_eq!(cloud.device().state, DeviceState::Pending);
}

#[test]
fn a_device_that_is_unknown_for_good_asks_once_a_round_and_keeps_everything() {
    let (cloud, device) = enrolled();
    cloud.inner.lock().unwrap().devices.clear();
    let before = device.state_json()["record"]["device"].clone();
    let ran = device.run(&["run", "--once"]);
    assert_eq!((ran.exit, ran.code().as_str()), (7, "LK-DEVICE-404"), "{}", ran.stderr);
    let renewals = cloud.calls().iter().filter(|call| call.contains("renewals")).count();
    assert_eq!(renewals, 1);
    assert_eq!(device.state_json()["record"]["device"], before);
}

#[test]
fn a_retired_device_asks_to_come_back() {
    for command in [&["run", "--once"][..], &["sign-in"]] {
        let (cloud, device) = enrolled();
        let page = service(&cloud).url("/secret");
        cloud.change(|device| device.state = DeviceState::Retired);
        let mut command = command.to_vec();
        if command[0] == "sign-in" {
            command.push(&page);
        }
        device.run(&command);
        assert_eq!(cloud.device().state, DeviceState::Pending, "{command:?}");
        let ran = device.run(&["status", "--json"]);
        assert_eq!((ran.exit, ran.json()["state"].as_str()), (11, Some("pending")), "{command:?}");
    }
}

#[test]
fn after_a_release_the_service_takes_over_the_record_by_itself() {
    let (cloud, device) = (Cloud::start(), Device::new());
    let options =
        json!({"cloudName": cloud.name(), "userDomain": DOMAIN, "userName": "anna", "deviceToken": cloud.token_text()});
    std::fs::write(device.machine().join("managed.json"), options.to_string()).unwrap();
    assert_eq!(device.run(&["run", "--once"]).exit, 0);
    cloud.change(|d| d.v_cur = latchkey_wire::EpochSecret::generate().commitment());
    assert_eq!(device.run(&["renew"]).exit, 12, "quarantined");
    let old = cloud.device().dk;
    // Not released yet: it asks again, as often as it likes.
    cloud.faults(|f| f.refuse = Some((Code::Proof022, true)));
    for _ in 0..2 {
        let ran = device.run(&["run", "--once"]);
        assert_eq!((ran.exit, ran.code().as_str()), (12, "LK-PROOF-022"), "{}", ran.stderr);
    }
    assert_eq!(device.run(&["status"]).exit, 10);
    cloud.faults(|f| f.refuse = None);
    let ran = device.run(&["run", "--once"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_ne!(cloud.device().dk, old);
    assert_eq!(cloud.inner.lock().unwrap().enrolls.last().unwrap().replaces.as_deref(), Some("dev-1"));
    let ran = device.run(&["status", "--json"]);
    assert_eq!((ran.exit, ran.json()["bindings"][0]["state"].as_str()), (0, Some("active")), "{}", ran.stdout);
}

#[test]
fn a_quarantined_device_keeps_its_record_while_its_token_file_is_gone() {
    let (cloud, device) = (Cloud::start(), Device::new());
    let file = device.machine().join("token");
    let give = || {
        std::fs::write(&file, cloud.token_text()).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    give();
    let options = json!({"cloudName": cloud.name(), "userDomain": DOMAIN, "userName": "anna", "deviceTokenFile": file});
    std::fs::write(device.machine().join("managed.json"), options.to_string()).unwrap();
    let ran = device.run(&["run", "--once"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    cloud.change(|d| d.v_cur = latchkey_wire::EpochSecret::generate().commitment());
    assert_eq!(device.run(&["renew"]).exit, 12, "quarantined");
    let _ = std::fs::remove_file(&file);
    device.run(&["run", "--once"]);
    let _ = device.run(&["enroll"]);
    let status = device.run(&["status", "--json"]).json();
    assert_eq!(status["state"], "quarantined", "{status}");
    // A new token is all that it takes, once it is released.
    cloud.faults(|f| f.refuse = None);
    give();
    let ran = device.run(&["run", "--once"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(cloud.inner.lock().unwrap().enrolls.last().unwrap().replaces.as_deref(), Some("dev-1"));
}
