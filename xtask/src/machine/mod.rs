//! Makes a machine fit to test on. Owns what is installed and how; must not know what the tests do with it.
//!
//! What is there is taken as it is. What is missing is installed: Debian packages by apt as root, Python packages in an environment
//! under the target folder, cargo's tools beside it, Node packages where Node looks for them: beside the tests that use them. Where it may not install, everything that is missing is named and nothing runs:
//! a test that is left out because a program is not there would look like a test that passed.

mod debian;
mod node;
mod python;
mod tools;

use crate::output;
use crate::problem::Problem;
use crate::workspace::Workspace;

pub(crate) use python::interpreter;
pub(crate) use tools::has_nightly;

/// Whether a machine may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Install {
    /// Install what is missing.
    Missing,
    /// Name what is missing and stop.
    Nothing,
}

/// Has everything in place that the tests need; with `fuzzing` also what the fuzz targets need.
pub(crate) fn prepare(workspace: &Workspace, install: Install, fuzzing: bool) -> Result<(), Problem> {
    debian::prepare(workspace, install)?;
    python::prepare(workspace, install)?;
    node::prepare(workspace, install)?;
    tools::prepare(workspace, install, fuzzing)?;
    output::say("everything the tests need is here");
    Ok(())
}
