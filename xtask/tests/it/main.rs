//! The demonstration is real: it reaches the page, and when a part of it is broken it says so and ends with 14.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report; helpers are not inside #[test]"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

/// A demonstration that is held before its sign-in.
struct Held {
    folder: tempfile::TempDir,
    demo: Child,
    running: Value,
}

impl Held {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hold = folder.path().join("hold.json");
        let mut demo = demo(folder.path()).arg("--hold").arg(&hold).spawn().unwrap();
        while !hold.exists() {
            if let Some(status) = demo.try_wait().unwrap() {
                panic!("the demonstration ended early with {status}: {}", said(folder.path()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let running = serde_json::from_str(&std::fs::read_to_string(hold).unwrap()).unwrap();
        Self { folder, demo, running }
    }

    fn go_on(mut self) -> (ExitStatus, String) {
        std::fs::remove_file(self.folder.path().join("hold.json")).unwrap();
        let status = self.demo.wait().unwrap();
        (status, said(self.folder.path()))
    }

    fn latchkey(&self, arguments: &[&str]) -> Value {
        let output = Command::new(programs().join("latchkey"))
            .arg("--json")
            .args(arguments)
            .env("LATCHKEY_DATA", self.folder.path().join("demo/cloud"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// Where cargo puts programs: beside this test's own.
fn programs() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_xtask")).parent().unwrap().to_owned()
}

fn demo(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(["demo", "--once", "--built", "--folder"])
        .arg(folder.join("demo"))
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(folder.join("said")).unwrap())
        .stderr(std::fs::File::create(folder.join("complained")).unwrap());
    command
}

fn said(folder: &Path) -> String {
    ["said", "complained"].map(|name| std::fs::read_to_string(folder.join(name)).unwrap_or_default()).concat()
}

#[test]
fn the_page_is_reached_and_a_second_run_works() {
    let folder = tempfile::tempdir().unwrap();
    for run in 1..=2 {
        let status = demo(folder.path()).status().unwrap();
        let said = said(folder.path());
        assert_eq!(status.code(), Some(0), "run {run}: {said}");
        for part in ["anna@acme.example reached", "signin.saml", "device.enroll", "domain.verify"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}

#[test]
fn when_the_service_is_killed_it_ends_with_14() {
    let held = Held::start();
    let pid = i32::try_from(held.running["pids"]["demo-service"].as_i64().unwrap()).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
    let (status, said) = held.go_on();
    assert_eq!(status.code(), Some(14), "{said}");
    assert!(said.contains("The page was not reached"), "{said}");
}

#[test]
fn when_our_signing_key_is_replaced_the_service_refuses_and_it_ends_with_14() {
    let held = Held::start();
    let added = held.latchkey(&["key", "add", "--use", "assertion"]);
    held.latchkey(&["key", "activate", added["id"].as_str().unwrap()]);
    let (status, said) = held.go_on();
    assert_eq!(status.code(), Some(14), "{said}");
    // It is the service that refuses: our answer was delivered.
    assert!(said.contains("POST http://127.0.0.1"), "{said}");
}

#[test]
fn a_folder_with_other_files_or_without_rights_gets_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("demo")).unwrap();
    std::fs::write(folder.path().join("demo/thesis.txt"), "ten years of work").unwrap();
    let status = demo(folder.path()).status().unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(said(folder.path()).contains("Give an empty folder: cargo xtask demo --folder DIR"));
    assert!(folder.path().join("demo/thesis.txt").exists());
}

#[test]
fn a_taken_port_gets_a_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let status = demo(folder.path()).arg("--listen").arg(taken.local_addr().unwrap().to_string()).status().unwrap();
    let said = said(folder.path());
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("LK-SERVE-005"), "{said}");
}
