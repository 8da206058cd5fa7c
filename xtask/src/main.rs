//! `cargo xtask`: the project's own commands, one module each. Owns nothing but the choice between them.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod demo;
mod docs;
mod machine;
mod output;
mod problem;
mod process;
mod test;
mod workspace;

use problem::Problem;
use workspace::Workspace;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Line {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measure the published ratios, each against the cryptography it cannot do without
    Bench(bench::Args),
    /// Show the main job with the real programs: from a device token to a silent sign-in
    Demo(demo::Args),
    /// Check and test everything; installs what that needs
    Test(test::Args),
    /// Write the reference pages that are generated from code
    Docs(docs::Args),
}

fn main() -> ExitCode {
    let line = Line::parse();
    let done = Workspace::find().and_then(|workspace| match line.command {
        Task::Bench(args) => bench::run(&workspace, &args),
        Task::Demo(args) => demo::run(&workspace, &args),
        Task::Test(args) => test::run(&workspace, &args),
        Task::Docs(args) => docs::run(&workspace, &args),
    });
    match done {
        Ok(code) => code,
        Err(problem) => fail(&problem),
    }
}

fn fail(problem: &Problem) -> ExitCode {
    use std::io::Write as _;
    // Nobody is left to tell when standard error is closed; the exit code says it all the same.
    let _ = writeln!(std::io::stderr(), "error: {problem}");
    ExitCode::FAILURE
}
