//! Cargo's tools. Owns which ones the tests need, how they are seen and where they come from.

use super::{Install, python};
use crate::output;
use crate::problem::Problem;
use crate::process::Program;
use crate::workspace::Workspace;

const PINS: &str = "xtask/tools.txt";

struct Tool {
    /// As in `cargo NAME`.
    name: &'static str,
    /// Only the long stages need it.
    fuzzing: bool,
}

const TOOLS: &[Tool] = &[
    Tool { name: "nextest", fuzzing: false },
    Tool { name: "deny", fuzzing: false },
    Tool { name: "fuzz", fuzzing: true },
];

/// Installs the tools that the machine does not have.
pub(super) fn prepare(workspace: &Workspace, install: Install, fuzzing: bool) -> Result<(), Problem> {
    for (component, command) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if !answers(workspace, command) {
            return Err(Problem::new(
                format!("cargo {command} is missing."),
                format!("rustup component add {component}, or the package of your system that holds it."),
            ));
        }
    }
    let pins = std::fs::read_to_string(workspace.root().join(PINS)).map_err(|error| {
        Problem::new(format!("{PINS} cannot be read: {error}."), "Check the checkout with git status.")
    })?;
    for tool in TOOLS.iter().filter(|tool| fuzzing || !tool.fuzzing) {
        if answers(workspace, tool.name) {
            continue;
        }
        let pin = pin_of(&pins, tool.name)
            .ok_or_else(|| Problem::new(format!("{PINS} has no line for {}.", tool.name), "Add one."))?;
        bring(workspace, install, tool.name, &pin)?;
    }
    Ok(())
}

fn bring(workspace: &Workspace, install: Install, name: &str, pin: &Pin<'_>) -> Result<(), Problem> {
    let version = pin.version;
    let by_hand = format!("cargo install --locked cargo-{name}@{version}");
    if install == Install::Nothing {
        return Err(Problem::new(format!("Nothing may be installed here, and cargo {name} is missing."), by_hand));
    }
    let folder = workspace.tools();
    output::say(format_args!("installing cargo-{name} {version} in {}", folder.display()));
    // pip takes hashes from a file only.
    let one = workspace.target().join(format!("tool-{name}.txt"));
    std::fs::write(&one, pin.line).map_err(|error| {
        Problem::new(format!("{} cannot be written: {error}.", one.display()), "Make the target folder writable.")
    })?;
    let (folder, one) = (folder.to_string_lossy(), one.to_string_lossy());
    let arguments = [
        "--no-deps",
        "--require-hashes",
        "--ignore-installed",
        "--prefix",
        folder.as_ref(),
        "--requirement",
        one.as_ref(),
    ];
    if python::pip(workspace, &arguments)? && answers(workspace, name) {
        return Ok(());
    }
    output::say(format_args!("no prebuilt cargo-{name} for this machine; building it, which takes minutes"));
    let built = Program::new(workspace, "cargo")
        .args(["install", "--quiet", "--locked", "--root", folder.as_ref(), &format!("cargo-{name}@{version}")])
        .run()?;
    if built && answers(workspace, name) {
        return Ok(());
    }
    Err(Problem::new(format!("cargo-{name} could not be installed."), by_hand))
}

fn answers(workspace: &Workspace, name: &str) -> bool {
    Program::new(workspace, "cargo").args([name, "--version"]).ask().is_ok()
}

/// Whether a nightly toolchain is there, which libFuzzer needs.
pub(crate) fn has_nightly(workspace: &Workspace) -> bool {
    Program::new(workspace, "rustup").args(["run", "nightly", "cargo", "--version"]).ask().is_ok()
}

struct Pin<'a> {
    line: &'a str,
    version: &'a str,
}

fn pin_of<'a>(pins: &'a str, name: &str) -> Option<Pin<'a>> {
    pins.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let (package, rest) = line.split_once("==")?;
        let version = rest.split_whitespace().next()?;
        package.ends_with(&format!("cargo-{name}")).then_some(Pin { line, version })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_a_pin_with_a_hash() {
        let pins = include_str!("../../tools.txt");
        for tool in TOOLS {
            let pin = pin_of(pins, tool.name).unwrap();
            assert!(pin.line.contains("--hash=sha256:"), "{}", tool.name);
            assert!(pin.version.chars().all(|c| c.is_ascii_digit() || c == '.'), "{}", pin.version);
        }
    }
}
