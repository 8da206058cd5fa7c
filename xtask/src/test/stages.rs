//! The stages of `test`, in their order. Each runs one tool over everything and notes what came of it.

use super::report::Ending;
use super::{Run, fuzz, read, services};
use crate::docs;
use crate::machine;
use crate::output;
use crate::problem::Problem;
use crate::process::Program;

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
    stage("deny", "dependencies: bans, licences, sources (cargo deny)", false, deny),
    stage("doc", "documentation of the code (cargo doc, no warnings)", false, doc),
    stage("build", "build of programs and tests", false, build),
    stage("docs", "the book: generated pages, links, tests it claims", true, docs_check),
    stage("tests", "tests (cargo nextest)", true, tests),
    stage("services", "table of third-party services", true, services::table),
    stage("doctests", "examples in the documentation (cargo test --doc)", true, doctests),
    stage("python", "the second client, in Python", false, python_client),
    stage("fuzz", "fuzz targets", false, fuzz::stage),
];

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
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    run.check("doc", Ending::of(succeeded));
    Ok(())
}

fn build(run: &mut Run<'_>) -> Result<(), Problem> {
    // The programs first and by themselves: tests of one crate start the program of another.
    let built = Program::new(run.workspace, "cargo").args(["build", "--locked", "--workspace", "--bins"]).run()?
        && Program::new(run.workspace, "cargo")
            .args(["nextest", "run", "--locked", "--workspace", "--profile", "ci", "--no-run"])
            .run()?;
    run.built = built;
    run.check("build", Ending::of(built));
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
    let junit = run.workspace.target().join("nextest/ci/junit.xml");
    // A file of an earlier run must not speak for this one; that there is none is well.
    let _ = std::fs::remove_file(&junit);
    let mut program = Program::new(run.workspace, "cargo")
        .args(["nextest", "run", "--locked", "--workspace", "--profile", "ci"])
        .env("LATCHKEY_TEST_PYTHON", machine::interpreter(run.workspace))
        .env(services::FOLDER_VARIABLE, run.workspace.report());
    if run.args.all {
        program = program.args(["--run-ignored", "all"]);
    }
    let succeeded = program.run()?;
    let failed_before = run.report.count(Ending::Failed);
    let read = std::fs::read_to_string(&junit).ok().and_then(|document| read::junit(&document, &mut run.report));
    let found_failures = run.report.count(Ending::Failed) > failed_before;
    if read.is_none() {
        output::say(format_args!("{} is missing or unreadable", junit.display()));
        run.check("tests", Ending::Failed);
    } else if succeeded == found_failures {
        output::say("cargo nextest and its report disagree on whether anything failed");
        run.check("tests", Ending::Failed);
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
    let (succeeded, said) = Program::new(run.workspace, &machine::interpreter(run.workspace))
        .args(["tests/run_unittests.py", "tests/python-client"])
        .tee()?;
    let seen = read::lines(&said, "python-client", &mut run.report);
    if !succeeded || seen == 0 {
        run.check("python", Ending::Failed);
    }
    Ok(())
}
