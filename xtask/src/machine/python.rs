//! Python packages, in an environment under the target folder: the system's own are neither used nor changed.

use super::Install;
use crate::output;
use crate::problem::Problem;
use crate::process::Program;
use crate::workspace::Workspace;

const REQUIREMENTS: &str = "tests/requirements.txt";
/// The modules that [`REQUIREMENTS`] brings, as Python imports them.
const PROBE: &str = "import cryptography, lxml, onelogin.saml2.auth, schemathesis, signxml, xmlsec";

/// Makes the environment, or brings it up to date with the requirements.
pub(super) fn prepare(workspace: &Workspace, install: Install) -> Result<(), Problem> {
    let file = workspace.root().join(REQUIREMENTS);
    let wanted = std::fs::read_to_string(&file).map_err(|error| {
        Problem::new(format!("{REQUIREMENTS} cannot be read: {error}."), "Check the checkout with git status.")
    })?;
    let venv = workspace.venv();
    // Written last, so an installation that was interrupted is done again.
    let stamp = venv.join("requirements-met.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|met| met == wanted) && imports(workspace) {
        return Ok(());
    }
    if install == Install::Nothing {
        let by_hand = format!("python3 -m venv {0} && {0}/bin/python -m pip install -r {REQUIREMENTS}", venv.display());
        if imports(workspace) {
            return Ok(());
        }
        return Err(Problem::new("Nothing may be installed here, and Python packages are missing.", by_hand));
    }
    output::say(format_args!("installing Python packages in {}", venv.display()));
    let made = Program::new(workspace, "python3").args(["-m", "venv", "--clear"]).args([&venv]).run()?
        && pip(workspace, &["--requirement", REQUIREMENTS])?;
    if !made || !imports(workspace) {
        return Err(Problem::new(
            format!("The Python packages of {REQUIREMENTS} could not be installed."),
            "See what pip said above; a package without a wheel for this Python needs another pin.",
        ));
    }
    std::fs::write(&stamp, wanted).map_err(|error| {
        Problem::new(format!("{} cannot be written: {error}.", stamp.display()), "Make the target folder writable.")
    })
}

/// Runs `pip install` of the environment.
pub(super) fn pip(workspace: &Workspace, arguments: &[&str]) -> Result<bool, Problem> {
    Program::new(workspace, &interpreter(workspace))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"])
        .args(arguments)
        .run()
}

/// The environment's Python, which tests find in `LATCHKEY_TEST_PYTHON`.
pub(crate) fn interpreter(workspace: &Workspace) -> String {
    workspace.venv().join("bin/python").to_string_lossy().into_owned()
}

fn imports(workspace: &Workspace) -> bool {
    Program::new(workspace, &interpreter(workspace)).args(["-c", PROBE]).ask().is_ok()
}
