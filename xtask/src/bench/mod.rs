//! `cargo xtask bench`: the published ratios. Owns building what is measured and where the figures go; the measuring is a program of its
//! own (`tests/bench`), so that its CPU time is not the server's.

use std::process::ExitCode;

use crate::output::say;
use crate::problem::Problem;
use crate::process::Program;
use crate::workspace::Workspace;

/// Options of the benchmark.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Under two minutes once built; the figures are rougher and are not written down
    #[arg(long)]
    quick: bool,
}

/// Runs the benchmark; a full run writes `docs/benchmarks.md`.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode, Problem> {
    say("Building with optimization; the first time takes some minutes.");
    let build = ["build", "--quiet", "--profile", "bench", "-p", "latchkey", "-p", "latchkey-bench"];
    if !Program::new(workspace, "cargo").args(build).run()? {
        return Err(Problem::new("The programs were not built; the compiler says why above.", "Mend that first."));
    }
    // Cargo keeps what the profile `bench` builds beside the release.
    let built = workspace.target().join("release");
    let folder = workspace.target().join("bench");
    let mut arguments = vec![built.join("latchkey"), folder];
    arguments.extend(args.quick.then(|| "--quick".into()));
    let program = built.join("latchkey-bench");
    let (good, figures) = Program::new(workspace, &program.display().to_string()).args(arguments).tee()?;
    if !good {
        return Err(Problem::new(
            "The benchmark failed; it says why above.",
            "A failing sign-in is a defect, not a figure.",
        ));
    }
    if !args.quick {
        write(workspace, &figures)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write(workspace: &Workspace, figures: &str) -> Result<(), Problem> {
    let file = workspace.root().join("docs/benchmarks.md");
    let problem = |e: std::io::Error| Problem::new(format!("{}: {e}.", file.display()), "Make it writable.");
    let old = std::fs::read_to_string(&file).map_err(problem)?;
    // Between the marks the figures of the last run stand; the words around them are written by hand.
    let (begin, end) = ("<!-- figures -->\n", "<!-- end of figures -->");
    let (Some(from), Some(to)) = (old.find(begin), old.find(end)) else {
        return Err(Problem::new(
            "docs/benchmarks.md has lost its marks.",
            "Put `<!-- figures -->` and `<!-- end of figures -->` back.",
        ));
    };
    let new = format!("{}\n{figures}\n{}", &old[..from + begin.len()], &old[to..]);
    std::fs::write(&file, new).map_err(problem)
}
