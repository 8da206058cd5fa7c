//! Node packages, beside the browser tests that import them. Owns which Node is new enough and when the packages are up to date; which
//! ones they are stands in `tests/browser/package.json`, and their hashes in the lock file there.

use super::Install;
use crate::output;
use crate::problem::Problem;
use crate::process::Program;
use crate::workspace::Workspace;

const FOLDER: &str = "tests/browser";

/// The least Node that the packages run on.
const NODE: u32 = 20;

/// Installs the packages, or brings them up to date with the lock file.
pub(super) fn prepare(workspace: &Workspace, install: Install) -> Result<(), Problem> {
    let said = Program::new(workspace, "node").args(["--version"]).ask().unwrap_or_default();
    if major(&said).is_none_or(|major| major < NODE) {
        return Err(Problem::new(
            format!("node --version says \"{}\"; the browser tests need Node {NODE} or later.", said.trim()),
            format!(
                "Install a Node {NODE} (Debian 13 has one; for Debian 12 it comes from nodejs.org or NodeSource) and put it first on the PATH."
            ),
        ));
    }
    let folder = workspace.root().join(FOLDER);
    let lock = folder.join("package-lock.json");
    let wanted = std::fs::read_to_string(&lock).map_err(|error| {
        Problem::new(format!("{} cannot be read: {error}.", lock.display()), "Check the checkout with git status.")
    })?;
    // Written last, so an installation that was interrupted is done again.
    let stamp = folder.join("node_modules/lock-met.json");
    if std::fs::read_to_string(&stamp).is_ok_and(|met| met == wanted) {
        return Ok(());
    }
    let by_hand = format!("npm ci --prefix {FOLDER} --ignore-scripts");
    if install == Install::Nothing {
        if imports(workspace) {
            return Ok(());
        }
        return Err(Problem::new("Nothing may be installed here, and Node packages are missing.", by_hand));
    }
    output::say(format_args!("installing Node packages in {FOLDER}/node_modules"));
    // Scripts of packages are not run: none of these needs any, and none should be able to.
    let brought = Program::new(workspace, "npm")
        .args(["ci", "--prefix", FOLDER, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"])
        .run()?;
    if !brought || !imports(workspace) {
        return Err(Problem::new(
            format!("The Node packages of {FOLDER}/package-lock.json could not be installed."),
            format!(
                "See what npm said above; it needs a package registry, the one of `npm config get registry`. By hand: {by_hand}"
            ),
        ));
    }
    std::fs::write(&stamp, wanted).map_err(|error| {
        Problem::new(format!("{} cannot be written: {error}.", stamp.display()), "Make the folder writable.")
    })
}

/// Whether the tests find what they import.
fn imports(workspace: &Workspace) -> bool {
    let probe = format!(
        "const {{ createRequire }} = require('node:module'); const ask = createRequire(process.cwd() + '/{FOLDER}/run.mjs'); \
         ask.resolve('playwright-core'); ask.resolve('axe-core/axe.min.js');"
    );
    Program::new(workspace, "node").args(["--eval", &probe]).ask().is_ok()
}

/// `v20.20.2`: 20.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_as_node_says_it() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("v9.0.0"), Some(9));
        assert_eq!(major(""), None);
    }

    /// Each package is named by its hash, and from whatever registry a machine uses.
    #[test]
    fn the_lock_file_has_hashes_and_names_no_registry() {
        let lock = include_str!("../../../tests/browser/package-lock.json");
        let packages = lock.matches("\"node_modules/").count();
        assert!(packages > 0 && lock.matches("\"integrity\": \"sha512-").count() == packages, "{lock}");
        assert!(
            !lock.contains("\"resolved\""),
            "npm install --omit-lockfile-registry-resolved leaves the registry out"
        );
    }
}
