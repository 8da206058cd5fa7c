//! Running the real program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::fake_cloud::{Cloud, DOMAIN};

pub struct Ran {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {:?} {}", self.stdout, self.stderr))
    }

    /// The code in the last line of stderr.
    pub fn code(&self) -> String {
        let line = self.stderr.lines().last().unwrap_or_default();
        if let Ok(document) = serde_json::from_str::<Value>(line) {
            return document["code"].as_str().unwrap().to_owned();
        }
        assert!(line.starts_with("error ") && line.contains(" fix: ") && line.contains(" ref: "), "{line}");
        line.strip_prefix("error ").unwrap().split(':').next().unwrap().to_owned()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Ran {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A device: a folder with state, machine directory and token file.
pub struct Device {
    pub folder: tempfile::TempDir,
}

impl Device {
    pub fn new() -> Self {
        let device = Device { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(device.machine()).unwrap();
        device
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub fn machine(&self) -> PathBuf {
        self.path("machine")
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey-connector"));
        for (name, _) in
            std::env::vars().filter(|(n, _)| n.starts_with("LATCHKEY_") || n.to_lowercase().ends_with("_proxy"))
        {
            command.env_remove(name);
        }
        command.arg("--state-dir").arg(self.state()).arg("--machine-dir").arg(self.machine());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.command().args(arguments).output().unwrap().into()
    }

    pub fn enroll_arguments(&self, cloud: &Cloud) -> Vec<String> {
        let token = self.path("token");
        std::fs::write(&token, cloud.token_text()).unwrap();
        ["enroll", "--json", "--cloud-name", &cloud.name(), "--user-domain", DOMAIN, "--user-name", "anna"]
            .into_iter()
            .map(str::to_owned)
            .chain(["--device-token-file".to_owned(), token.display().to_string()])
            .collect()
    }

    pub fn enroll(&self, cloud: &Cloud) -> Ran {
        self.enroll_with(cloud, &[])
    }

    pub fn enroll_with(&self, cloud: &Cloud, more: &[&str]) -> Ran {
        self.command().args(self.enroll_arguments(cloud)).args(more).output().unwrap().into()
    }

    pub fn state_json(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.state().join("state.json")).unwrap()).unwrap()
    }
}

pub fn copy_folder(from: &Path, to: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir(to).unwrap();
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
