//! `latchkey check`: what it sees, and that it changes nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::program::{last_line, run};
use crate::server::Place;

fn check(place: &Place, more: &[&str]) -> (Output, Value) {
    let data = place.text("d");
    let output = run(&[&["check", "--json", "--data", &data], more].concat());
    let document = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, document)
}

fn named<'d>(document: &'d Value, name: &str) -> &'d Value {
    let found = document["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no check {name} in {document}"))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_in_order_is_found_in_order_with_and_without_a_server() {
    let place = Place::new();
    let server = place.start(&["--tls", "own"]);
    let (output, document) = check(&place, &["--tls", "own", "--online"]);
    assert_eq!(output.status.code(), Some(0), "{document}\n{}", last_line(&output));
    assert_eq!(document["ok"], true);
    assert!(named(&document, "server")["detail"].as_str().unwrap().contains(&server.pid().to_string()), "{document}");
    for name in ["settings", "data", "master_key", "store", "schema", "keys", "audit", "clock", "tls", "disk", "reach"]
    {
        let finding = named(&document, name);
        assert_eq!((&finding["ok"], &finding["code"]), (&Value::Bool(true), &Value::Null), "{finding}");
    }
    let cloud_key = server.ready["cloud_key"].clone();
    assert_eq!(named(&document, "keys")["cloud_key"], cloud_key, "what LK-CLOUD-002 says to compare");
    assert!(server.stop().success());
    let before = names(&place.path("d"));
    let output = run(&["check", "--tls", "own", "--data", &place.text("d")]);
    assert_eq!(output.status.code(), Some(0), "{}", last_line(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().any(|line| line.starts_with("ok    audit ")), "{text}");
    assert!(text.contains(cloud_key.as_str().unwrap()), "{text}");
    let after: Vec<_> = names(&place.path("d")).into_iter().filter(|name| !name.starts_with("latchkey.db-")).collect();
    assert_eq!(after, before);
}

#[test]
fn nothing_is_made_where_nothing_is() {
    let place = Place::new();
    let (output, document) = check(&place, &[]);
    assert_eq!((output.status.code(), &document["ok"]), (Some(8), &Value::Bool(false)));
    assert!(last_line(&output).contains("LK-CHECK-001"), "{}", last_line(&output));
    assert_eq!(named(&document, "data")["code"], "LK-SERVE-002");
    assert!(!place.path("d").exists() && !place.path("d.key").exists());
}

#[test]
fn a_wrong_setting_is_the_only_finding() {
    let place = Place::new();
    let (output, document) = check(&place, &["--listen", "somewhere"]);
    assert_eq!(output.status.code(), Some(8));
    assert_eq!(document["checks"].as_array().unwrap().len(), 1);
    assert_eq!(named(&document, "settings")["code"], "LK-SERVE-002");
}

#[test]
fn each_fault_is_named_with_its_way_out() {
    let place = Place::new();
    assert!(place.start(&[]).stop().success());
    let bad = |name: &str| {
        let (output, document) = check(&place, &[]);
        assert_eq!(output.status.code(), Some(8), "{document}");
        let finding = named(&document, name).clone();
        assert_eq!(finding["ok"], false, "{document}");
        finding
    };
    let key = place.path("d.key");
    let (right, rights) = (std::fs::read(&key).unwrap(), |mode| std::fs::Permissions::from_mode(mode));

    std::fs::set_permissions(&key, rights(0o644)).unwrap();
    assert!(bad("master_key")["fix"].as_str().unwrap().starts_with("chmod 600"));
    std::fs::set_permissions(&key, rights(0o600)).unwrap();

    std::fs::write(&key, "00".repeat(32)).unwrap();
    assert_eq!(bad("keys")["code"], "LK-SERVE-006");
    std::fs::remove_file(&key).unwrap();
    assert_eq!(bad("master_key")["code"], "LK-SERVE-006");
    std::fs::write(&key, &right).unwrap();
    std::fs::set_permissions(&key, rights(0o600)).unwrap();

    std::fs::set_permissions(place.path("d"), rights(0o755)).unwrap();
    assert!(bad("data")["fix"].as_str().unwrap().starts_with("chmod 700"));
    std::fs::set_permissions(place.path("d"), rights(0o700)).unwrap();

    let (_, document) = check(&place, &["--trusted-proxy", "0.0.0.0/0"]);
    assert_eq!(named(&document, "proxies")["ok"], false);

    // A page of the file overwritten.
    let store = place.path("d/latchkey.db");
    let mut bytes = std::fs::read(&store).unwrap();
    bytes[4096..8192].fill(0x5a);
    std::fs::write(&store, bytes).unwrap();
    assert_eq!(bad("store")["code"], "LK-SERVE-001");
}
