//! Where things are: the workspace and what the commands keep under its target folder.

use std::path::{Path, PathBuf};

use crate::problem::Problem;

/// The folders of one checkout.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// The checkout this program was built from, or the one it is run in if that was moved.
    pub(crate) fn find() -> Result<Self, Problem> {
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned);
        let here = std::env::current_dir().ok();
        let is_ours = |folder: &&Path| folder.join("xtask/Cargo.toml").is_file();
        let root = here
            .iter()
            .flat_map(|here| here.ancestors())
            .find(is_ours)
            .map(Path::to_owned)
            .or_else(|| built_from.filter(|folder| is_ours(&folder.as_path())))
            .ok_or_else(|| Problem::new("There is no checkout here.", "Run this inside the project's folder."))?;
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => root.join(folder),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The folder with the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target folder.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Where `test` leaves its reports.
    pub(crate) fn report(&self) -> PathBuf {
        self.target.join("report")
    }

    /// The Python environment of the tests.
    pub(crate) fn venv(&self) -> PathBuf {
        self.target.join("venv")
    }

    /// Where pinned tools are installed that the machine does not have.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }
}
