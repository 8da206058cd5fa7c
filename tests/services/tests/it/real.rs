//! The product itself: the server `latchkey` and a device with `latchkey-connector`, driven by their command lines alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::attacker::USER;
use crate::cells::{Kind, Setup};
use crate::cloud::{Cloud, Visit};
use crate::programs::{Running, profile_folder};

/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);
/// The exit code that says: come back later. A server under load takes back what it could not answer in time.
const LATER: i32 = 7;

/// One cloud with one organization, and one device of its only user.
pub(crate) struct Product {
    folder: tempfile::TempDir,
    visits: u32,
    /// The service that was added last.
    last: Option<String>,
    _server: Running,
}

impl Product {
    /// From nothing to an enrolled device, as the command line's page has it.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let log = std::fs::File::create(at("server.log")).unwrap();
        let server = Command::new(program("latchkey"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(at("data"))
            .arg("--ready-file")
            .arg(at("ready.json"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Running::new(server);
        let until = Instant::now() + PATIENCE;
        while !at("ready.json").exists() {
            let alive = server.is_alive() && Instant::now() < until;
            assert!(alive, "the server is not ready: {}", std::fs::read_to_string(at("server.log")).unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
        let ready: Value = serde_json::from_slice(&std::fs::read(at("ready.json")).unwrap()).unwrap();
        let cloud_name = ready["cloud_name"].as_str().unwrap().to_owned();
        let product = Self { folder, visits: 0, last: None, _server: server };

        let (user, domain) = USER.split_once('@').unwrap();
        product.server(&["org", "create", "services", "--name", "Services"]);
        product.server(&["domain", "add", domain]);
        product.server(&["domain", "verify", domain, "--operator-word", "a test on loopback"]);
        let token = product.at("token").display().to_string();
        product.server(&[
            "token",
            "create",
            "--description",
            "services",
            "--domain",
            domain,
            "--no-sealed-copy",
            "--output",
            &token,
        ]);
        product.server(&["policy", "set", "--enabled", "--domain", domain, "--jit"]);
        let enrolled = product.device(&[
            "enroll",
            "--cloud-name",
            &cloud_name,
            "--user-domain",
            domain,
            "--device-token-file",
            &token,
            "--user-name",
            user,
        ]);
        assert!(enrolled.status.success(), "the device did not enroll: {}", words(&enrolled));
        product
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a server's command, which must succeed, and gives back what it printed.
    fn server(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(program("latchkey"));
        command.args(arguments).env("LATCHKEY_DATA", self.at("data"));
        let output = patiently(&mut command);
        assert!(output.status.success(), "latchkey {}: {}", arguments.join(" "), words(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a device's command.
    fn device(&self, arguments: &[&str]) -> Output {
        let empty = self.at("machine");
        std::fs::create_dir_all(&empty).unwrap();
        let mut command = Command::new(program("latchkey-connector"));
        command.arg("--state-dir").arg(self.at("device")).arg("--machine-dir").arg(empty).args(arguments);
        patiently(&mut command)
    }
}

impl Cloud for Product {
    fn add(&mut self, kind: Kind, setup: Setup, metadata: &Path) {
        let name = format!("{}-{}-{}-{}", kind.name(), setup.binding, setup.requests, setup.name_id);
        let name_id = if setup.name_id == "unspecified" { "unspecified:mail" } else { setup.name_id };
        let metadata = metadata.display().to_string();
        self.server(&["service", "add", &name, "--metadata", &metadata, "--name-id", name_id]);
        self.last = Some(name);
    }

    fn metadata(&self) -> String {
        self.server(&["org", "idp-metadata"])
    }

    fn sheet(&self, target: &str) -> String {
        let name = self.last.as_deref().expect("a service was added");
        self.server(&["service", "handover", name, "--for", target])
    }

    fn sign_in(&mut self, url: &str) -> Visit {
        self.visits += 1;
        // A jar and a page of its own for each visit: every one is a new browser.
        let page = self.at(&format!("page-{}", self.visits));
        let jar = self.at(&format!("jar-{}", self.visits)).display().to_string();
        let page_name = page.display().to_string();
        let output = self.device(&["--json", "sign-in", url, "--cookie-jar", &jar, "--output", &page_name]);
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("sign-in ended with {}: {}", output.status, words(&output)));
        let reached = answer["reached"].as_bool().unwrap();
        assert_eq!(reached, output.status.code() == Some(0), "{answer} {}", words(&output));
        if reached {
            assert_eq!(answer["login_name"], USER, "{answer}");
        } else {
            assert_eq!(output.status.code(), Some(14), "{answer} {}", words(&output));
        }
        let status = answer["http_status"].as_u64().and_then(|s| u16::try_from(s).ok()).expect("a status");
        Visit { status, page: std::fs::read_to_string(page).unwrap_or_default() }
    }
}

/// Runs a command, and comes back as often as it says so.
fn patiently(command: &mut Command) -> Output {
    for _ in 0..20 {
        let output = command.stdin(Stdio::null()).output().unwrap();
        if output.status.code() != Some(LATER) {
            return output;
        }
        std::thread::sleep(Duration::from_secs(2));
    }
    panic!("{command:?} was told to come back later, twenty times")
}

/// A program of the workspace, built beside this one.
fn program(name: &str) -> PathBuf {
    let path = profile_folder().join(name);
    assert!(path.exists(), "{} is not there: run `cargo build --workspace --bins` first", path.display());
    path
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
