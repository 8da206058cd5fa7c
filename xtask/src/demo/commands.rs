//! The commands that are typed: the server's and the connector's command lines. Owns how they are run and how their failure is told.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Programs, unexpected};
use crate::problem::Problem;

/// Runs commands of the administrator and of the device.
pub(super) struct Commands {
    server: PathBuf,
    connector: PathBuf,
    data: PathBuf,
    state: PathBuf,
    folder: PathBuf,
}

/// How a command ended.
pub(super) struct Ended {
    /// Its exit code; 255 if a signal ended it.
    pub(super) exit: u8,
    pub(super) stdout: String,
    stderr: String,
}

impl Ended {
    /// The last line of its standard error, where its failure stands.
    pub(super) fn last_words(&self) -> String {
        self.stderr.lines().last().unwrap_or("it said nothing").to_owned()
    }
}

impl Commands {
    pub(super) fn new(programs: &Programs, folder: &Path) -> Self {
        Self {
            server: programs.server.clone(),
            connector: programs.connector.clone(),
            data: folder.join("cloud"),
            state: folder.join("device"),
            folder: folder.to_owned(),
        }
    }

    /// A command of the operator, over the socket in the data directory.
    pub(super) fn server(&self, arguments: &[&str]) -> Result<String, Problem> {
        let mut command = Command::new(&self.server);
        command.env("LATCHKEY_DATA", &self.data).args(arguments);
        done("latchkey", arguments, run(command)?)
    }

    /// The same, with its answer as JSON.
    pub(super) fn ask_server(&self, arguments: &[&str]) -> Result<Value, Problem> {
        let arguments = [&["--json"], arguments].concat();
        serde_json::from_str(&self.server(&arguments)?).map_err(|e| unexpected(&arguments.join(" "), &e))
    }

    /// A command on the device, whatever it ends with.
    pub(super) fn connector(&self, arguments: &[&str]) -> Result<Ended, Problem> {
        self.on_device(&self.state, arguments)
    }

    /// The same on another device, whose state is in this place of the demonstration's folder.
    pub(super) fn connector_of(&self, device: &str, arguments: &[&str]) -> Result<Ended, Problem> {
        let state = self.folder.join(device);
        if let Some(above) = state.parent() {
            std::fs::create_dir_all(above).map_err(|e| unexpected("the folder of devices", &e))?;
        }
        self.on_device(&state, arguments)
    }

    fn on_device(&self, state: &Path, arguments: &[&str]) -> Result<Ended, Problem> {
        let mut command = Command::new(&self.connector);
        command.arg("--state-dir").arg(state).args(arguments);
        run(command)
    }

    /// The same, which must succeed, with its answer as JSON.
    pub(super) fn ask_connector(&self, arguments: &[&str]) -> Result<Value, Problem> {
        let arguments = [&["--json"], arguments].concat();
        let answer = done("latchkey-connector", &arguments, self.connector(&arguments)?)?;
        serde_json::from_str(&answer).map_err(|e| unexpected(&arguments.join(" "), &e))
    }
}

fn run(mut command: Command) -> Result<Ended, Problem> {
    // The environment of whoever runs the demonstration must not leak into it.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("LATCHKEY_") && text != "LATCHKEY_DATA" {
            command.env_remove(&name);
        }
    }
    let output = command.stdin(Stdio::null()).output().map_err(|error| {
        Problem::new(
            format!("{} does not run: {error}.", command.get_program().display()),
            "Run the same command again.",
        )
    })?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ended {
        exit: output.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    })
}

fn done(program: &str, arguments: &[&str], ended: Ended) -> Result<String, Problem> {
    if ended.exit == 0 {
        return Ok(ended.stdout);
    }
    Err(Problem::new(
        format!("`{program} {}` ended with {}: {}", arguments.join(" "), ended.exit, ended.last_words()),
        "This step works on a fresh folder; if the message does not help, it is a defect.",
    ))
}
