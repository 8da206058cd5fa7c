//! `restore --confirm`: what is lost, what an exported audit log gives back, and silent sign-in goes on.

use std::path::PathBuf;

use latchkey_directory::Intent;
use latchkey_directory::audit::export::Export;
use latchkey_directory::restore::{Confirmed, Unconfirmed};
use serde_json::json;

use crate::app::failure;
use crate::code::Own;
use crate::exit::{Failure, Result};
use crate::output::Output;
use crate::serve::config::Typed;
use crate::stopped::{Stopped, operator};

pub(super) fn confirm(replay: &[PathBuf], dry_run: bool, typed: &Typed, output: Output) -> Result<()> {
    let export = exported(replay)?;
    let stopped = Stopped::open(typed)?;
    let intent = Intent { dry_run, ..Intent::of(&operator()) };
    let confirmed =
        stopped.run(|directory| async move { directory.confirm_restore(&intent, export).await.map_err(failure) })?;
    let confirmed = confirmed.map_err(|why| match why {
        Unconfirmed::NotRestored => Failure::of(Own::Restore002),
        Unconfirmed::Export(detail) => Failure::new(Own::Restore003, detail, Own::Restore003.fix()),
    })?;
    tell(&confirmed, dry_run, replay.is_empty(), output);
    Ok(())
}

fn exported(files: &[PathBuf]) -> Result<Export> {
    let mut export = Export::default();
    for file in files {
        let text = std::fs::read_to_string(file)
            .map_err(|e| Failure::new(Own::Cli004, format!("--replay {}: {e}", file.display()), Own::Cli004.fix()))?;
        export.add(&text).map_err(|why| {
            Failure::new(Own::Restore003, format!("--replay {}: {why}", file.display()), Own::Restore003.fix())
        })?;
    }
    Ok(export)
}

fn tell(confirmed: &Confirmed, dry_run: bool, without_log: bool, output: Output) {
    let lost = confirmed.taken_at.map(|taken_at| confirmed.restored_at.since(taken_at).as_secs());
    if output.json {
        let mut document = json!(confirmed);
        document["lost_seconds"] = lost.into();
        document["confirmed"] = (!dry_run).into();
        output.document(&document);
        return;
    }
    let from = confirmed.taken_at.map_or_else(|| "the backup".to_owned(), |at| at.to_string());
    output.text(&format!("lost: what happened from {from} on, but for what is told below\n"));
    if without_log {
        output.say("no exported log was given: a device, user, token or key that was removed or revoked since counts again. --replay gives it back");
    }
    for (action, count) in &confirmed.applied {
        output.text(&format!("re-applied {count} × {action}\n"));
    }
    for (action, count) in &confirmed.not_replayed {
        output.text(&format!("not re-applied {count} × {action}\n"));
    }
    for left in &confirmed.left {
        output.text(&format!("to be done by hand: {}\n", crate::cli::clean(left)));
    }
    output.text(if dry_run {
        "nothing was changed: a dry run\n"
    } else {
        "confirmed: silent sign-in goes on at the next start\n"
    });
}
