//! `unenroll` and `prepare-image`: what takes something away.

use std::io::IsTerminal as _;

use serde_json::json;

use super::{here, with_state};
use crate::cli::Place;
use crate::machine::Marks;
use crate::output::Output;
use crate::problem::{Local, Problem, Result};
use crate::renew as talk;
use crate::settings::Core;
use crate::state::State;

pub(crate) fn run(place: &Place, local: bool, yes: bool, dry_run: bool, output: Output) -> Result<()> {
    let core = here(place)?;
    if dry_run {
        return would(core, output);
    }
    confirm(yes, "Wipe the keys and the state of this device?")?;
    let _lock = core.store.lock()?;
    if local {
        core.store.wipe_all()?;
        output.answer(&json!({"unenrolled": true, "told": false}));
        return Ok(());
    }
    let mut state = core.store.load()?;
    let record = talk::enrolled(&state).map_err(|problem| {
        if problem.code == Local::NotEnrolled.as_str() {
            problem
        } else {
            Problem { fix: "latchkey-connector unenroll --local".to_owned(), ..problem }
        }
    })?;
    let told = talk::unenroll(core, &mut state).map_err(|r| with_state(core, r.problem))?;
    core.store.wipe(Some(talk::unregistered(&record, told.time)))?;
    output.answer(&json!({"unenrolled": true, "told": true}));
    Ok(())
}

pub(crate) fn prepare_image(place: &Place, yes: bool, dry_run: bool, output: Output) -> Result<()> {
    let core = here(place)?;
    if dry_run {
        return would(core, output);
    }
    confirm(yes, "Wipe the keys of this machine, so that it can be copied?")?;
    let _lock = core.store.lock()?;
    core.store.wipe_all()?;
    // Nobody enrolls here until the machine id is another one: the image itself must not become a device.
    let state =
        State { version: 1, machine: Marks::default(), prepared_on: Marks::here().machine_id, ..State::default() };
    core.store.save(&state)?;
    output.answer(&json!({"prepared": true, "waits_for_new_machine_id": state.prepared_on.is_some()}));
    Ok(())
}

/// What either command would take away; takes nothing.
fn would(core: &Core, output: Output) -> Result<()> {
    let _lock = core.store.lock()?;
    let state = core.store.load()?;
    let record = state.record.as_ref();
    let users = record.map_or(0, |r| r.users.len());
    output.answer(&json!({
        "would": {"devices": u8::from(record.is_some()), "user_keys": users},
        "sample": record.map(|r| r.cloud_name.clone()).into_iter().collect::<Vec<_>>(),
    }));
    Ok(())
}

/// A person at a terminal is asked; a script has to say `--yes`, because keys that are gone do not come back.
fn confirm(yes: bool, question: &str) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        let detail = "this wipes keys and state, and nobody is here to be asked";
        return Err(Problem::local(Local::Usage, detail, "give --yes; --dry-run says what would go"));
    }
    eprint!("{question} [y/N] ");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    if line.trim().eq_ignore_ascii_case("y") {
        Ok(())
    } else {
        Err(Problem::local(Local::Usage, "not confirmed", "answer y, or give --yes"))
    }
}
