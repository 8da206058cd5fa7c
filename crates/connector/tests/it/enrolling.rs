//! `enroll` and what is before, after and instead of it.

use std::os::unix::fs::PermissionsExt;

use latchkey_wire::{Code, DeviceState};

use crate::fake_cloud::{Cloud, DOMAIN};
use crate::program::Device;

#[test]
fn a_wait_that_no_clock_can_add_is_a_wrong_flag() {
    let device = Device::new();
    for arguments in [["enroll", "--wait", "999999999999999d"], ["enroll", "--wait", "18446744073709551615s"]] {
        let ran = device.run(&arguments);
        assert_eq!((ran.exit, ran.code().as_str()), (2, "LK-CONN-002"), "{}", ran.stderr);
    }
}

#[test]
fn a_device_enrolls_and_keeps_its_files_to_itself() {
    let (cloud, device) = (Cloud::start(), Device::new());
    let ran = device.enroll(&cloud);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    let answer = ran.json();
    assert_eq!(answer["state"], "registered");
    assert_eq!(answer["user"]["login_name"], "anna@acme.example");
    assert_eq!(answer["cloud_name"], cloud.name());
    assert_eq!(answer["epoch"], 0);
    assert_eq!(answer["protection"], "software");
    assert!(answer["renew_at"].as_str().unwrap().ends_with('Z'));
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&device.state()), 0o700);
    for entry in std::fs::read_dir(device.state()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        let bytes = std::fs::read(&path).unwrap();
        let token = cloud.token_text();
        assert!(!String::from_utf8_lossy(&bytes).contains(&token[40..92]), "the token's seed in {}", path.display());
    }
}

#[test]
fn enrolling_again_sends_nothing_and_another_cloud_is_a_conflict() {
    let (cloud, device) = (Cloud::start(), Device::new());
    assert_eq!(device.enroll(&cloud).exit, 0);
    let calls = cloud.calls().len();
    let again = device.enroll(&cloud);
    assert_eq!(again.exit, 0, "{}", again.stderr);
    assert_eq!(again.json()["device_id"], "dev-1");
    assert_eq!(cloud.calls().len(), calls);
    let other = Cloud::start();
    let ran = device.enroll(&other);
    assert_eq!(ran.exit, 5);
    assert!(other.calls().is_empty());
}

#[test]
fn a_lost_answer_is_asked_for_again_with_the_same_keys() {
    let (cloud, device) = (Cloud::start(), Device::new());
    cloud.faults(|f| f.lose_answer = true);
    let lost = device.enroll(&cloud);
    assert_eq!(lost.exit, 7, "{}", lost.stderr);
    let ran = device.enroll(&cloud);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    let inner = cloud.inner.lock().unwrap();
    assert_eq!((inner.devices.len(), inner.used), (1, 1));
    assert_eq!(inner.enrolls[0].dk_jwk, inner.enrolls[1].dk_jwk);
    assert_eq!(inner.enrolls[0].v_0, inner.enrolls[1].v_0);
    assert_eq!(inner.enrolls[0].user.as_ref().unwrap().uk_jwk, inner.enrolls[1].user.as_ref().unwrap().uk_jwk);
}

#[test]
fn a_pending_device_is_exit_11_keeps_its_state_and_is_not_enrolled_twice() {
    let (cloud, device) = (Cloud::start(), Device::new());
    cloud.faults(|f| f.enroll_state = Some(DeviceState::Pending));
    let ran = device.enroll(&cloud);
    assert_eq!(ran.exit, 11, "{}", ran.stderr);
    assert_eq!(ran.json()["state"], "pending");
    assert_eq!(device.run(&["status", "--json"]).exit, 11);
    cloud.change(|d| d.state = DeviceState::Registered);
    let ran = device.enroll(&cloud);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(cloud.inner.lock().unwrap().enrolls.len(), 1, "heartbeat, do not enroll again");
}

#[test]
fn r29_placeholders_and_damaged_tokens_are_refused_before_anything_is_sent() {
    let (cloud, device) = (Cloud::start(), Device::new());
    let token = cloud.token_text();
    let mut typo = token.clone().into_bytes();
    typo[50] = if typo[50] == b'a' { b'b' } else { b'a' };
    let typo = String::from_utf8(typo).unwrap();
    let cases = [
        ("{{deviceToken}}", "LK-TOKEN-001"),
        ("@@DEVICE_TOKEN@@", "LK-TOKEN-001"),
        ("${TOKEN}", "LK-TOKEN-001"),
        ("", "LK-TOKEN-001"),
        (&typo, "LK-TOKEN-002"),
        (&token[..70], "LK-TOKEN-003"),
        (&token.replacen("lkdt1", "lkuc1", 1), "LK-TOKEN-004"),
        (&token.replacen("lkdt1", "lkdt9", 1), "LK-TOKEN-004"),
    ];
    for (value, code) in cases {
        let ran = device.run(&[
            "enroll",
            "--cloud-name",
            &cloud.name(),
            "--user-domain",
            DOMAIN,
            "--user-name",
            "anna",
            "--device-token",
            value,
        ]);
        assert_eq!((ran.exit, ran.code().as_str()), (2, code), "{value:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
    for name in ["{{partialupn}}", "%USERNAME%", "аnna", "anna@acme.example"] {
        let ran = device.run(&[
            "enroll",
            "--cloud-name",
            &cloud.name(),
            "--user-domain",
            DOMAIN,
            "--user-name",
            name,
            "--device-token",
            &token,
        ]);
        assert_eq!(ran.exit, 2, "{name}");
    }
    assert!(cloud.calls().is_empty(), "{:?}", cloud.calls());
}

#[test]
fn the_token_is_forgotten_where_it_is_ours_and_reported_where_it_is_not() {
    let cloud = Cloud::start();
    let options = |token: &str| {
        format!(
            r#"{{"cloudName":"{}","userDomain":"{DOMAIN}","userName":"anna","DEVICETOKEN":"{token}","ownership":"corporate"}}"#,
            cloud.name()
        )
    };
    let installed = Device::new();
    let file = installed.machine().join("options.json");
    std::fs::write(&file, options(&cloud.token_text())).unwrap();
    let ran = installed.run(&["enroll", "--json"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["token_removed_from"][0], file.display().to_string());
    let left = std::fs::read_to_string(&file).unwrap();
    assert!(!left.contains("lkdt1") && left.contains("corporate"), "{left}");

    let managed = Device::new();
    let file = managed.machine().join("managed.json");
    std::fs::write(&file, options(&cloud.token_text())).unwrap();
    let ran = managed.run(&["enroll", "--json"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["token_remains_in"][0], file.display().to_string());
    assert!(std::fs::read_to_string(&file).unwrap().contains("lkdt1"));
    assert_eq!(managed.run(&["status", "--json"]).json()["token_remains_in"][0], file.display().to_string());

    let by_file = Device::new();
    let token_file = by_file.path("token-of-the-installer");
    std::fs::write(&token_file, cloud.token_text()).unwrap();
    std::fs::set_permissions(&token_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(
        by_file.machine().join("options.json"),
        format!(
            r#"{{"cloudName":"{}","userDomain":"{DOMAIN}","userName":"anna","deviceTokenFile":"{}"}}"#,
            cloud.name(),
            token_file.display()
        ),
    )
    .unwrap();
    let ran = by_file.run(&["enroll", "--json"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert!(!token_file.exists());
}

#[test]
fn files_that_others_can_change_are_not_believed() {
    let device = Device::new();
    let file = device.machine().join("managed.json");
    std::fs::write(&file, "{}").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let ran = device.run(&["options"]);
    assert_eq!((ran.exit, ran.code().as_str()), (2, "LK-CONN-006"));
    std::fs::remove_file(&file).unwrap();
    std::fs::write(device.path("elsewhere"), "{}").unwrap();
    std::os::unix::fs::symlink(device.path("elsewhere"), &file).unwrap();
    let ran = device.run(&["options"]);
    assert_eq!((ran.exit, ran.code().as_str()), (2, "LK-CONN-006"));
    std::fs::remove_file(&file).unwrap();
    std::fs::set_permissions(device.machine(), std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::write(&file, "{}").unwrap();
    let ran = device.run(&["options"]);
    assert_eq!((ran.exit, ran.code().as_str()), (2, "LK-CONN-006"));
}

#[test]
fn r14_documents_of_impostors_are_refused_and_the_token_signs_nothing() {
    type Change = fn(&mut crate::fake_cloud::Faults);
    let cases: [(Change, &str, i32); 5] = [
        (|f| f.foreign_root = true, "LK-CLOUD-002", 6),
        (|f| f.wrong_signature = true, "LK-CLOUD-002", 6),
        (|f| f.other_domain = true, "LK-CLOUD-002", 6),
        (|f| f.document_age = 31 * 24 * 3600, "LK-CLOUD-003", 6),
        (|f| f.min_connector = Some("99.0.0".into()), "LK-CONN-015", 4),
    ];
    for (change, code, exit) in cases {
        let (cloud, device) = (Cloud::start(), Device::new());
        cloud.faults(change);
        let ran = device.enroll(&cloud);
        assert_eq!((ran.exit, ran.code().as_str()), (exit, code), "{}", ran.stderr);
        assert!(cloud.inner.lock().unwrap().enrolls.is_empty());
    }
}

#[test]
fn a_token_of_another_cloud_is_refused_by_its_pin() {
    let (cloud, other, device) = (Cloud::start(), Cloud::start(), Device::new());
    let ran = device.run(&[
        "enroll",
        "--cloud-name",
        &cloud.name(),
        "--user-domain",
        DOMAIN,
        "--user-name",
        "anna",
        "--device-token",
        &other.token_text(),
    ]);
    assert_eq!((ran.exit, ran.code().as_str()), (6, "LK-CLOUD-002"));
    // Both keys are named, and what is wrong is said once.
    assert!(
        ran.stderr.contains("this device has the pin ") && ran.stderr.contains("the server's key is "),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stderr.matches("not the pinned one").count(), 1, "{}", ran.stderr);
    let ran = device.run(&[
        "enroll",
        "--cloud-name",
        &cloud.name(),
        "--user-domain",
        "other.example",
        "--user-name",
        "anna",
        "--device-token",
        &cloud.token_text(),
    ]);
    assert_eq!((ran.exit, ran.code().as_str()), (4, "LK-CLOUD-001"));
}

#[test]
fn a_refusal_is_reported_with_its_code_and_exit() {
    for (code, exit) in [(Code::Enroll020, 4), (Code::Enroll011, 4), (Code::Enroll018, 7), (Code::Enroll031, 12)] {
        let (cloud, device) = (Cloud::start(), Device::new());
        cloud.faults(|f| f.refuse = Some((code, true)));
        let ran = device.enroll(&cloud);
        assert_eq!((ran.exit, ran.code().as_str()), (exit, code.as_str()), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
        assert_eq!(device.run(&["status", "--json"]).exit, 10);
    }
}

#[test]
fn a_dry_run_asks_the_server_and_keeps_nothing() {
    let (cloud, device) = (Cloud::start(), Device::new());
    let ran = device.enroll_with(&cloud, &["--dry-run"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["state"], "registered");
    assert!(cloud.inner.lock().unwrap().devices.is_empty());
    assert_eq!(device.run(&["status"]).exit, 10);
    assert!(device.path("token").exists());
    let words: Vec<String> = device.enroll_arguments(&cloud).into_iter().filter(|word| word != "--json").collect();
    let ran: crate::program::Ran = device.command().args(words).arg("--dry-run").output().unwrap().into();
    assert_eq!(ran.stdout, "device registered\n");
}

#[test]
fn a_one_time_code_signs_the_enrollment_too() {
    let (cloud, device) = (Cloud::start(), Device::new());
    let code = cloud.inner.lock().unwrap().code.expose().to_string();
    std::fs::write(device.path("code"), code).unwrap();
    let file = device.path("code").display().to_string();
    let ran = device.enroll_with(&cloud, &["--user-claim-file", &file]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(cloud.inner.lock().unwrap().enrolls[0].evidence.len(), 1);
}

#[test]
fn status_without_enrollment_is_exit_10_with_an_answer() {
    let ran = Device::new().run(&["status", "--json"]);
    assert_eq!(ran.exit, 10);
    assert_eq!(ran.json()["enrolled"], false);
    assert_eq!(ran.code(), "LK-CONN-005");
}

#[test]
fn missing_and_unknown_flags_are_exit_2_and_named() {
    let device = Device::new();
    let ran = device.run(&["enroll"]);
    assert_eq!(ran.exit, 2);
    assert!(ran.stderr.contains("--cloud-name") && ran.stderr.contains("--user-domain"), "{}", ran.stderr);
    let ran = device.run(&["enroll", "--frobnicate"]);
    assert_eq!(ran.exit, 2);
    assert!(ran.stderr.contains("frobnicate"), "{}", ran.stderr);
}

#[test]
fn what_is_missing_or_misspelled_is_named_with_what_was_meant() {
    let device = Device::new();
    for (line, said) in [
        (&[][..], &["a command is missing", "`latchkey-connector --help`"][..]),
        (&["sign-in"], &["<URL> is missing", "`latchkey-connector sign-in --help`"]),
        (&["sigin-in", "http://x/"], &["sigin-in", "'sign-in'"]),
        (&["enroll", "--wate", "5m"], &["--wate", "'--wait'"]),
        (&["enroll", "--user-nam", "anna"], &["--user-nam", "'--user-name'"]),
        (&["sign-in", "ftp://x/"], &["ftp://x/", "http or https", "`latchkey-connector sign-in --help`"]),
        (&["sign-in", "wiki.example"], &["wiki.example", "http or https"]),
    ] {
        let ran = device.run(line);
        assert_eq!((ran.exit, ran.code().as_str()), (2, "LK-CONN-002"), "{line:?}: {}", ran.stderr);
        for words in said {
            assert!(ran.stderr.contains(words), "{words:?} for {line:?}: {}", ran.stderr);
        }
    }
}

#[test]
fn a_file_that_was_named_and_is_not_there_is_exit_2() {
    let device = Device::new();
    let nowhere = device.path("nowhere/file").display().to_string();
    let enroll = ["enroll", "--cloud-name", "localhost:1", "--user-domain", DOMAIN, "--user-name", "anna"];
    for (line, named) in [
        (&[&enroll[..], &["--device-token-file", &nowhere]].concat()[..], "deviceTokenFile"),
        (&["status", "--config", &nowhere], "--config"),
        (&["sign-in", "http://127.0.0.1:1/", "--output", &nowhere], "--output"),
    ] {
        let ran = device.run(line);
        assert_eq!((ran.exit, ran.code().as_str()), (2, "LK-CONN-002"), "{line:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(named) && ran.stderr.contains("nowhere"), "{}", ran.stderr);
    }
}

#[test]
fn a_name_that_does_not_resolve_and_a_proxy_that_does_not_answer_are_told_apart() {
    let (cloud, device) = (Cloud::start(), Device::new());
    let token = cloud.token_text();
    let base = ["enroll", "--user-domain", DOMAIN, "--user-name", "anna", "--device-token", &token];
    let with = |more: &[&str]| device.run(&[&base[..], more].concat());
    let ran = with(&["--cloud-name", "nowhere.invalid"]);
    assert_eq!((ran.exit, ran.code().as_str()), (6, "LK-CONN-010"), "{}", ran.stderr);
    let ran = with(&["--cloud-name", "127.0.0.1:1"]);
    assert_eq!((ran.exit, ran.code().as_str()), (6, "LK-CONN-016"), "{}", ran.stderr);
    let ran = with(&["--cloud-name", "id.acme.example", "--proxy-url", "http://127.0.0.1:1"]);
    assert_eq!((ran.exit, ran.code().as_str()), (6, "LK-CONN-013"), "{}", ran.stderr);
}

#[test]
fn options_shows_value_source_and_what_it_overrode_with_secrets_masked() {
    let device = Device::new();
    let token = Cloud::start().token_text();
    std::fs::write(
        device.machine().join("managed.json"),
        format!(r#"{{"cloudName":"a.example","deviceToken":"{token}"}}"#),
    )
    .unwrap();
    let ran = device.run(&[
        "options",
        "--json",
        "--cloud-name",
        "b.example",
        "--user-domain",
        DOMAIN,
        "--strictEnforcement",
        "1",
    ]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    let answer = ran.json();
    let items = answer["items"].as_array().unwrap();
    let item = |name: &str| items.iter().find(|i| i["name"] == name).unwrap();
    assert_eq!(item("cloudName")["value"], "a.example");
    assert_eq!(item("cloudName")["source"], "machine_policy");
    assert_eq!(item("cloudName")["overrode"][0]["value"], "b.example");
    assert!(!ran.stdout.contains(&token[20..60]), "masked");
    assert_eq!(item("deviceToken")["value"], format!("{}_…", &token[..16]));
    assert_eq!(item("keyStore")["source"], "default");
    assert_eq!(answer["findings"][0]["code"], "LK-OPTION-005");
}

#[test]
fn a_damaged_state_is_reported_and_never_replaced() {
    let (cloud, device) = (Cloud::start(), Device::new());
    assert_eq!(device.enroll(&cloud).exit, 0);
    let file = device.state().join("state.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &text[..text.len() / 2]).unwrap();
    let ran = device.enroll(&cloud);
    assert_eq!((ran.exit, ran.code().as_str()), (1, "LK-CONN-007"), "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap().len(), text.len() / 2);
    assert_eq!(device.run(&["unenroll", "--local", "--yes"]).exit, 0);
    assert_eq!(device.enroll(&cloud).exit, 0);
}

#[test]
fn no_secret_but_the_device_token_is_taken_from_the_command_line() {
    let ran = Device::new().run(&["enroll", "--user-claim", "lkuc1_whatever"]);
    assert_eq!(ran.exit, 2);
    assert!(ran.stderr.contains("--user-claim-file") && !ran.stderr.contains("whatever"), "{}", ran.stderr);
}
