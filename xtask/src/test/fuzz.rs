//! Fuzz targets: that they are clean and build, always; some seconds of each, with `--all`. A smoke test, not evidence: that takes hours.

use super::Run;
use super::report::Ending;
use crate::machine;
use crate::output;
use crate::problem::Problem;
use crate::process::Program;

/// Lints the targets with the compiler of the product, and runs them where a nightly one is there.
pub(super) fn stage(run: &mut Run<'_>) -> Result<(), Problem> {
    let formatted =
        Program::new(run.workspace, "cargo").args(["fmt", "--manifest-path", super::stages::FUZZ, "--check"]).run()?;
    run.check("fuzz-fmt", Ending::of(formatted));
    // libFuzzer needs a nightly compiler to run, not to be checked.
    let clean = Program::new(run.workspace, "cargo")
        .args(["clippy", "--locked", "--manifest-path", super::stages::FUZZ, "--all-targets", "--", "-D", "warnings"])
        .env("CARGO_TARGET_DIR", run.workspace.target())
        .run()?;
    run.check("fuzz-clippy", Ending::of(clean));
    if !run.args.all {
        return Ok(());
    }
    if !machine::has_nightly(run.workspace) {
        run.skip("fuzz-runs", "no nightly toolchain: rustup toolchain install nightly");
        return Ok(());
    }
    for seeds in ["fuzz/wire-seeds.py", "fuzz/saml-seeds.py"] {
        if !Program::new(run.workspace, &machine::interpreter(run.workspace)).args([seeds]).run()? {
            run.check(&format!("fuzz-runs {seeds}"), Ending::Failed);
        }
    }
    let targets = Program::new(run.workspace, "rustup")
        .args(["run", "nightly", "cargo", "fuzz", "list", "--fuzz-dir", "fuzz"])
        .ask()
        .map_err(|said| Problem::new(format!("cargo fuzz list failed: {said}"), "See fuzz/README.md."))?;
    for target in targets.split_whitespace() {
        let seconds = format!("-max_total_time={}", run.args.fuzz_seconds);
        let mut arguments =
            vec!["run", "nightly", "cargo", "fuzz", "run", "--fuzz-dir", "fuzz", target, "--", &seconds];
        if target.starts_with("wire_") {
            arguments.push("-dict=fuzz/wire.dict");
        }
        output::say(format_args!("{target}:"));
        let quiet = Program::new(run.workspace, "rustup").args(arguments).run()?;
        run.report.add(Ending::of(quiet), &format!("fuzz::{target}"));
    }
    Ok(())
}
