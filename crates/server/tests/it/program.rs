//! Running the program.

use std::process::{Command, Output};

/// The program with these arguments, an empty environment of settings and no terminal.
pub(crate) fn latchkey(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LATCHKEY_")) {
        command.env_remove(name);
    }
    command.args(arguments).env_remove("SSH_CONNECTION").stdin(std::process::Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    latchkey(arguments).output().unwrap()
}

/// The last line of stderr.
pub(crate) fn last_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned()
}
