//! The stages of `test`, in their order. Each runs one tool over everything and notes what came of it.

use std::path::{Path, PathBuf};

use super::report::Ending;
use super::{Run, edges, fuzz, read, services};
use crate::docs;
use crate::machine;
use crate::output;
use crate::problem::Problem;
use crate::process::Program;
use crate::workspace::Workspace;

/// One stage.
pub(super) struct Stage {
    /// For `--only` and the report.
    pub(super) name: &'static str,
    /// For the heading.
    pub(super) title: &'static str,
    /// Whether it makes no sense without a build.
    pub(super) needs_build: bool,
    /// Fails only if the stage could not be run at all; what it finds goes into the report.
    pub(super) run: fn(&mut Run<'_>) -> Result<(), Problem>,
}

const fn stage(
    name: &'static str,
    title: &'static str,
    needs_build: bool,
    run: fn(&mut Run<'_>) -> Result<(), Problem>,
) -> Stage {
    Stage { name, title, needs_build, run }
}

/// All stages; cheap ones that often fail come first.
pub(super) const STAGES: &[Stage] = &[
    stage("fmt", "formatting (cargo fmt)", false, fmt),
    stage("clippy", "lints (cargo clippy, no warnings)", false, clippy),
    stage("edges", "which crate knows which, and uses what it declares", false, edges::stage),
    stage("deny", "dependencies: bans, licences, sources (cargo deny)", false, deny),
    stage("doc", "documentation of the code (cargo doc, no warnings)", false, doc),
    stage("build", "build of programs and tests", false, build),
    stage("docs", "the book: generated pages, links, tests it claims", true, docs_check),
    stage("tests", "tests (cargo nextest)", true, tests),
    stage("interop", "services of other people's making", true, interop),
    stage("browser", "the portals in a browser (Chromium, axe)", true, browser),
    stage("doctests", "examples in the documentation (cargo test --doc)", true, doctests),
    stage("python", "the second client, in Python", false, python_client),
    stage("api-fuzz", "the API, fuzzed by its own description (schemathesis)", true, api_fuzz),
    stage("fuzz", "fuzz targets", false, fuzz::stage),
];

/// A service on somebody else's SAML library; tests start it.
const DEMO_SERVICE: &str = "interop/demo-service/Cargo.toml";

/// The fuzz targets.
pub(super) const FUZZ: &str = "fuzz/Cargo.toml";

/// The names for `--only`.
pub(super) fn names() -> Vec<&'static str> {
    STAGES.iter().map(|stage| stage.name).collect()
}

/// Runs cargo and notes whether it succeeded.
fn cargo(run: &mut Run<'_>, name: &str, arguments: &[&str]) -> Result<(), Problem> {
    let succeeded = Program::new(run.workspace, "cargo").args(arguments).run()?;
    run.check(name, Ending::of(succeeded));
    Ok(())
}

fn fmt(run: &mut Run<'_>) -> Result<(), Problem> {
    cargo(run, "fmt", &["fmt", "--all", "--check"])
}

fn clippy(run: &mut Run<'_>) -> Result<(), Problem> {
    cargo(run, "clippy", &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

fn deny(run: &mut Run<'_>) -> Result<(), Problem> {
    cargo(run, "deny", &["deny", "--log-level", "error", "--locked", "check", "bans", "licenses", "sources"])?;
    // Workspaces of their own, by the rules of the product.
    for (name, manifest) in [("deny-fuzz", FUZZ), ("deny-interop", DEMO_SERVICE)] {
        let of = ["deny", "--log-level", "error", "--locked", "--config", "deny.toml", "--manifest-path", manifest];
        let what = ["check", "bans", "licenses", "sources"];
        cargo(run, name, &[of.as_slice(), &what].concat())?;
    }
    if run.args.advisories {
        return cargo(run, "deny-advisories", &["deny", "--log-level", "error", "--locked", "check", "advisories"]);
    }
    run.skip(
        "deny-advisories",
        "their database is fetched from outside the package registries; before a release, run cargo xtask test --advisories where the network has it",
    );
    Ok(())
}

fn doc(run: &mut Run<'_>) -> Result<(), Problem> {
    let succeeded = Program::new(run.workspace, "cargo")
        .args(["doc", "--locked", "--workspace", "--no-deps"])
        // A link to something private leads nowhere on the page, but to the right place in an editor.
        .env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links")
        .run()?;
    run.check("doc", Ending::of(succeeded));
    Ok(())
}

fn build(run: &mut Run<'_>) -> Result<(), Problem> {
    // Programs first and by themselves: tests of one crate start the programs of another, and of another workspace.
    let apart = apart(run.workspace);
    let steps = [
        Program::new(run.workspace, "cargo").args(["build", "--locked", "--workspace", "--bins"]),
        Program::new(run.workspace, "cargo")
            .args(["build", "--locked", "--manifest-path", DEMO_SERVICE])
            .env("CARGO_TARGET_DIR", &apart),
        Program::new(run.workspace, "cargo").args([
            "nextest",
            "run",
            "--locked",
            "--workspace",
            "--profile",
            "ci",
            "--no-run",
        ]),
    ];
    for step in steps {
        run.built = run.built && step.run()?;
    }
    run.check("build", Ending::of(run.built));
    Ok(())
}

fn docs_check(run: &mut Run<'_>) -> Result<(), Problem> {
    let faults = docs::faults(run.workspace)?;
    for fault in &faults {
        output::say(fault);
    }
    run.check("docs", Ending::of(faults.is_empty()));
    Ok(())
}

fn tests(run: &mut Run<'_>) -> Result<(), Problem> {
    let target = run.workspace.target().to_owned();
    nextest(run, "tests", "Cargo.toml", &target, &["--workspace"])?;
    services::table(run);
    Ok(())
}

/// The services of other people's making are workspaces of their own: nothing above has seen them.
fn interop(run: &mut Run<'_>) -> Result<(), Problem> {
    cargo(run, "interop-fmt", &["fmt", "--manifest-path", DEMO_SERVICE, "--check"])?;
    let apart = apart(run.workspace);
    let clean = Program::new(run.workspace, "cargo")
        .args(["clippy", "--locked", "--manifest-path", DEMO_SERVICE, "--all-targets", "--", "-D", "warnings"])
        .env("CARGO_TARGET_DIR", &apart)
        .run()?;
    run.check("interop-clippy", Ending::of(clean));
    nextest(run, "interop", DEMO_SERVICE, &apart, &[])
}

/// Where the demonstration and the tests build that service: its crates are other versions of ours, and would be built in turn with them.
fn apart(workspace: &Workspace) -> PathBuf {
    workspace.target().join("demo-service")
}

/// Runs the tests of a workspace and reads what nextest reports.
fn nextest(run: &mut Run<'_>, name: &str, manifest: &str, target: &Path, arguments: &[&str]) -> Result<(), Problem> {
    let manifest = run.workspace.root().join(manifest);
    // Wherever the target folder is, nextest reports here.
    let junit = manifest.with_file_name("target/nextest/ci/junit.xml");
    // A file of an earlier run must not speak for this one; that there is none is well.
    let _ = std::fs::remove_file(&junit);
    let program = Program::new(run.workspace, "cargo")
        .args(["nextest", "run", "--locked", "--profile", "ci"])
        .args(["--manifest-path".as_ref(), manifest.as_os_str()])
        .args(arguments)
        .args(["--target-dir".as_ref(), target.as_os_str()])
        .env("LATCHKEY_TEST_PYTHON", machine::interpreter(run.workspace));
    let succeeded = program.run()?;
    let failed_before = run.report.count(Ending::Failed);
    let read = std::fs::read_to_string(&junit).ok().and_then(|document| read::junit(&document, &mut run.report));
    let found_failures = run.report.count(Ending::Failed) > failed_before;
    if read.is_none() {
        output::say(format_args!("{} is missing or unreadable", junit.display()));
        run.check(name, Ending::Failed);
    } else if succeeded == found_failures {
        output::say("cargo nextest and its report disagree on whether anything failed");
        run.check(name, Ending::Failed);
    }
    Ok(())
}

fn doctests(run: &mut Run<'_>) -> Result<(), Problem> {
    let (succeeded, said) = Program::new(run.workspace, "cargo")
        .args(["test", "--locked", "--workspace", "--doc", "--no-fail-fast"])
        .tee()?;
    let seen = read::doc_tests(&said, &mut run.report);
    if !succeeded || seen == 0 {
        run.check("doctests", Ending::Failed);
    }
    Ok(())
}

fn python_client(run: &mut Run<'_>) -> Result<(), Problem> {
    unittests(run, "python", "python-client")
}

fn api_fuzz(run: &mut Run<'_>) -> Result<(), Problem> {
    unittests(run, "api-fuzz", "api-fuzz")
}

/// Runs a folder of Python's own tests.
fn unittests(run: &mut Run<'_>, stage: &str, folder: &str) -> Result<(), Problem> {
    let (succeeded, said) = Program::new(run.workspace, &machine::interpreter(run.workspace))
        .args(["tests/run_unittests.py", &format!("tests/{folder}")])
        .tee()?;
    let seen = read::lines(&said, folder, &mut run.report);
    if !succeeded || seen == 0 {
        run.check(stage, Ending::Failed);
    }
    Ok(())
}

/// Pictures of failures, and what was on the pages, are in `browser/` of the report.
fn browser(run: &mut Run<'_>) -> Result<(), Problem> {
    let (succeeded, said) = Program::new(run.workspace, "node")
        .args(["tests/browser/run.mjs", "--target"])
        .args([run.workspace.target()])
        .tee()?;
    let seen = read::lines(&said, "browser", &mut run.report);
    if !succeeded || seen == 0 {
        run.check("browser", Ending::Failed);
    }
    Ok(())
}
