//! `cargo xtask test`: everything that must hold before a change lands, in one run. Owns the order of the stages and the verdict.
//!
//! Every stage runs, whatever an earlier one found, except those that need a build that failed. The exit code is 0 only if nothing
//! failed. What cannot run here is named with the reason, in the output and in the report.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::machine::{self, Install};
use crate::output;
use crate::problem::Problem;
use crate::workspace::Workspace;
use report::{Ending, Report};
use stages::STAGES;

mod edges;
mod fuzz;
mod read;
mod report;
mod services;
mod stages;

/// What to test.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The long stage too: some seconds of every fuzz target
    #[arg(long)]
    all: bool,
    /// Ask for security advisories too; their database comes from outside the package registries
    #[arg(long)]
    advisories: bool,
    /// Install nothing; name what is missing and stop
    #[arg(long)]
    no_install: bool,
    /// Run this stage only; may be repeated
    #[arg(long, value_name = "STAGE", value_parser = stages::names())]
    only: Vec<String>,
    /// How long each fuzz target runs with --all, in seconds
    #[arg(long, value_name = "N", default_value_t = 20)]
    fuzz_seconds: u32,
}

/// One run: what was asked for, and what came of it so far.
struct Run<'a> {
    workspace: &'a Workspace,
    args: &'a Args,
    report: Report,
    /// Stages that need a build are left out once it failed.
    built: bool,
}

impl Run<'_> {
    /// Notes a check that is no test of its own.
    fn check(&mut self, name: &str, ending: Ending) {
        self.report.add(ending, &format!("check::{name}"));
    }

    /// Notes a check that cannot run here, and says why.
    fn skip(&mut self, name: &str, why: &str) {
        output::say(format_args!("skipped: {name}: {why}"));
        self.check(name, Ending::Skipped);
    }
}

/// Runs the stages and says how they ended.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, Problem> {
    let began = Instant::now();
    let folder = workspace.report();
    // What an earlier run left would be taken for this one's.
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|error| not_writable(&folder, &error))?;
    }
    std::fs::create_dir_all(&folder).map_err(|error| not_writable(&folder, &error))?;

    let chosen: Vec<_> =
        STAGES.iter().filter(|stage| args.only.is_empty() || args.only.iter().any(|only| only == stage.name)).collect();
    let of = chosen.len() + 1;
    output::heading(1, of, "what the tests need");
    let install = if args.no_install { Install::Nothing } else { Install::Missing };
    machine::prepare(workspace, install, args.all)?;
    let mut times = vec![("preparing", began.elapsed())];

    let mut run = Run { workspace, args, report: Report::default(), built: true };
    for (index, stage) in chosen.iter().enumerate() {
        output::heading(index + 2, of, stage.title);
        let stage_began = Instant::now();
        let failed_before = run.report.count(Ending::Failed);
        if stage.needs_build && !run.built {
            run.skip(stage.name, "the workspace does not build");
        } else {
            (stage.run)(&mut run)?;
        }
        let took = stage_began.elapsed();
        let verdict = if run.report.count(Ending::Failed) == failed_before { "nothing failed" } else { "FAILED" };
        output::say(format_args!("--- {}: {verdict}, {}", stage.name, output::seconds(took)));
        times.push((stage.name, took));
    }

    run.report.write(&folder)?;
    conclude(&run.report, &times, began.elapsed());
    Ok(if run.report.count(Ending::Failed) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn conclude(report: &Report, times: &[(&str, Duration)], took: Duration) {
    output::say("\n=== in all");
    let each: Vec<String> = times.iter().map(|(name, time)| format!("{name} {}", output::seconds(*time))).collect();
    output::say(format_args!("{}: {}", output::seconds(took), each.join(", ")));
    for name in report.names(Ending::Skipped) {
        output::say(format_args!("skipped {name}"));
    }
    for name in report.names(Ending::Failed) {
        output::say(format_args!("failed {name}"));
    }
    output::say(report.totals());
}

fn not_writable(path: &std::path::Path, error: &std::io::Error) -> Problem {
    Problem::new(format!("{} cannot be written: {error}.", path.display()), "Make the target folder writable.")
}
