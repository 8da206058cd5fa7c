//! Backups of the embedded store: taken while the server runs, restored into an empty directory, confirmed by a person.
//!
//! Owns the archive's form, its making and its unpacking. What a restore takes out of force and what a confirmation re-applies are the
//! directory's. Must not know HTTP beyond the one answer that carries the archive.

pub mod archive;
mod confirm;
mod restore;
pub mod take;

use std::path::PathBuf;

use crate::exit::{Failure, Result};
use crate::output::Output;
use crate::serve::config::Typed;

/// `restore FILE` and `restore --confirm`, with the flags of `serve`.
#[derive(clap::Args, Debug)]
pub struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE", required_unless_present = "confirm", conflicts_with = "confirm")]
    file: Option<PathBuf>,
    /// File with the password of the master key inside the backup (- is stdin)
    #[arg(long, value_name = "F", requires = "file")]
    password_file: Option<String>,
    /// Say what is lost, and let silent sign-in go on
    #[arg(long)]
    confirm: bool,
    /// With --confirm: re-apply what this exported audit log took away since the backup (repeatable, one an organization)
    #[arg(long, value_name = "FILE", requires = "confirm")]
    replay: Vec<PathBuf>,
    /// With --confirm: only say what would happen
    #[arg(long, requires = "confirm")]
    dry_run: bool,
    #[command(flatten)]
    typed: Typed,
}

/// Restores a backup, or confirms that.
///
/// # Errors
/// As each says.
pub fn command(args: &RestoreArgs, output: Output) -> Result<()> {
    match &args.file {
        Some(file) => restore::restore(file, args.password_file.as_deref(), &args.typed, output),
        None if args.confirm => confirm::confirm(&args.replay, args.dry_run, &args.typed, output),
        None => Err(Failure::usage("the backup's file is missing", "latchkey restore FILE --data EMPTY-DIR")),
    }
}
