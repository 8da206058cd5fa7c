//! Runs other programs. Owns how they are started and what a missing one is called; must not know what they are for.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::output;
use crate::problem::Problem;
use crate::workspace::Workspace;

/// A program to run in the workspace's root, with its arguments.
pub(crate) struct Program {
    name: String,
    command: Command,
}

impl Program {
    /// `name` is looked up on the path, the tools of `workspace` first.
    pub(crate) fn new(workspace: &Workspace, name: &str) -> Self {
        let path = search_path(workspace);
        let mut command = Command::new(find_in(&path, name).unwrap_or_else(|| PathBuf::from(name)));
        command.current_dir(workspace.root()).env("PATH", path).stdin(Stdio::null());
        // What cargo told this program about itself is not true of the programs it starts; a build script that looks at it
        // would build everything anew.
        for (variable, _) in std::env::vars_os() {
            let text = variable.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "LD_LIBRARY_PATH" {
                command.env_remove(&variable);
            }
        }
        Self { name: name.to_owned(), command }
    }

    /// More arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// A variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it, its output shown as it comes; whether it succeeded.
    pub(crate) fn run(mut self) -> Result<bool, Problem> {
        let status = self.command.status().map_err(|error| missing(&self.name, &error))?;
        Ok(status.success())
    }

    /// Runs it, shows its standard output as it comes and gives it back; whether it succeeded.
    pub(crate) fn tee(mut self) -> Result<(bool, String), Problem> {
        let mut child = self.command.stdout(Stdio::piped()).spawn().map_err(|error| missing(&self.name, &error))?;
        let mut seen = String::new();
        if let Some(stdout) = child.stdout.take() {
            let mut stdout = BufReader::new(stdout);
            let mut line = Vec::new();
            while stdout.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line);
                output::say(text.trim_end_matches('\n'));
                seen.push_str(&text);
                line.clear();
            }
        }
        let status = child.wait().map_err(|error| missing(&self.name, &error))?;
        Ok((status.success(), seen))
    }

    /// Runs it silently; its standard output if it succeeded, else what it said on standard error.
    pub(crate) fn ask(mut self) -> Result<String, String> {
        let answer = self.command.output().map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if answer.status.success() { Ok(text(&answer.stdout)) } else { Err(text(&answer.stderr)) }
    }
}

/// Whether `name` is found where [`Program`] looks.
pub(crate) fn exists(workspace: &Workspace, name: &str) -> bool {
    find_in(&search_path(workspace), name).is_some()
}

fn missing(name: &str, error: &std::io::Error) -> Problem {
    Problem::new(format!("{name} does not run: {error}."), format!("Install {name} or put it on the PATH."))
}

/// The PATH for programs we start: tools we installed, then what there is, then where Debian keeps what is root's.
fn search_path(workspace: &Workspace) -> OsString {
    let given = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(workspace.tools().join("bin"))
        .chain(std::env::split_paths(&given))
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    // A folder whose name holds a colon cannot be in a PATH at all; then the given one has to do.
    std::env::join_paths(folders).unwrap_or(given)
}

fn find_in(path: &OsStr, name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|candidate| {
        candidate.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}
