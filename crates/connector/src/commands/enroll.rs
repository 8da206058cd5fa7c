//! `enroll`.

use std::time::{Duration, Instant};

use latchkey_options::Purpose;
use latchkey_wire::message::{DeviceResult, Reason, Would};
use latchkey_wire::{BindingState, Code, DeviceState, Retry};
use serde_json::{Value, json};

use super::{here, standing, with_state};
use crate::account::{Account, Accounts, Claim, Directory, claim};
use crate::backoff::{Backoff, Path, random_unit};
use crate::bind;
use crate::cli::{EnrollArgs, Place};
use crate::clock::{rfc3339, wall};
use crate::enroll::{Request, enroll, prepare};
use crate::files::PrivateDir;
use crate::output::Output;
use crate::problem::{Local, Problem, Result};
use crate::renew as talk;
use crate::settings::{Core, check, device_token, one_time_code};
use crate::state::{RefusedToken, State, Store};
use crate::token::{Forgotten, forget};

pub(crate) fn run(place: &Place, args: &EnrollArgs, output: Output) -> Result<()> {
    let core = here(place)?;
    for notice in core.options.notices() {
        output.say(&format!("note {}: {notice}", notice.code));
    }
    if args.dry_run {
        return dry_run(core, output);
    }
    let answer = enroll_until(core, args.wait)?;
    output.answer(&answer);
    Ok(())
}

fn enroll_until(core: &Core, wait: Option<Duration>) -> Result<Value> {
    let deadline = wait.map(|w| Instant::now() + w);
    let mut backoff = Backoff::default();
    loop {
        let problem = match once(core) {
            Ok(answer) => return Ok(answer),
            Err(problem) => problem,
        };
        let again = problem.exit == 11
            || problem.exit == 6 && problem.known().is_none_or(|c| c.retry() == Retry::BackOff)
            || problem.known().is_some_and(|c| c.retry() == Retry::BackOff);
        let pause = backoff.next(Path::Prompt, problem.retry_after.map(Duration::from_secs), random_unit());
        match deadline {
            Some(deadline) if again && Instant::now() + pause < deadline => std::thread::sleep(pause),
            _ => return Err(problem),
        }
    }
}

/// One attempt, under the lock: what another process just did counts.
pub(crate) fn once(core: &Core) -> Result<Value> {
    let _lock = core.store.lock()?;
    let mut state = core.store.load()?;
    prepare(core, &mut state)?;
    if state.record.as_ref().is_some_and(|r| r.device.is_some()) {
        return already(core, &mut state);
    }
    check(&core.options, Purpose::Enroll)?;
    let owner = core.owner();
    let Some(token) = device_token(&core.options, owner)? else {
        return Err(Problem::local(
            Local::Usage,
            "there is no device token",
            "give --device-token-file FILE (in a file: deviceTokenFile)",
        ));
    };
    let code = one_time_code(&core.options, owner)?;
    let request = Request { token: &token, code: code.as_ref(), user: first_user(core)?, dry_run: false };
    match enroll(core, &mut state, &request) {
        Ok(result) => {
            let forgotten = forget(core);
            if let Some(record) = &mut state.record {
                record.token_remains_in.clone_from(&forgotten.remains_in);
            }
            core.store.save(&state)?;
            bind_first(core, &mut state, &request, &result)?;
            finished(&state, &result, &forgotten)
        }
        Err(refused) => {
            // An unsigned refusal, whoever it is from, only ever causes back-off.
            let is_final = refused.signed.as_ref().is_some_and(|s| s.retry == Retry::Never);
            if is_final {
                state.refused_token = Some(RefusedToken {
                    id: token.token.id().to_string(),
                    code: refused.problem.code.clone(),
                    at: wall(),
                });
                core.store.save(&state)?;
            }
            Err(with_state(core, refused.problem))
        }
    }
}

/// A record that was taken over gets its user by binding, at the old level.
fn bind_first(core: &Core, state: &mut State, request: &Request<'_>, result: &DeviceResult) -> Result<()> {
    let unbound = state.record.as_ref().is_some_and(|r| r.users.is_empty());
    match &request.user {
        Some((account, claim)) if unbound && result.state == DeviceState::Registered => {
            bind::bind(core, state, account, claim, request.code).map(drop).map_err(|r| with_state(core, r.problem))
        }
        _ => Ok(()),
    }
}

/// The user's binding was ended: whoever may enroll the machine may ask for another, which is for the server to judge.
fn bind_again(core: &Core, state: &mut State) -> Result<()> {
    let Some(record) = &state.record else { return Ok(()) };
    let registered = record.device.as_ref().is_some_and(|d| d.state == DeviceState::Registered);
    match record.users.first() {
        Some(user) if registered && user.has_ended() => {
            let account = user.account.clone();
            // An account that is not what it was gets a binding of its own, when it signs in.
            if Accounts::here().by_uid(account.uid).is_ok_and(|now| now == account) {
                bind::account(core, state, &account).map_err(|problem| with_state(core, problem))?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The first user of the device: the owner of a private directory; on the system, whom `userName` speaks for, if that is
/// already clear; otherwise nobody, and the first user comes by binding.
fn first_user(core: &Core) -> Result<Option<(Account, Claim)>> {
    let accounts = Accounts::here();
    let account = match core.directory {
        Directory::Private => Some(accounts.by_uid(rustix::process::geteuid().as_raw())?),
        Directory::System => system_account(core, &accounts),
    };
    let Some(account) = account else {
        return Ok(None);
    };
    let claim = claim(&account, &core.options, &accounts, core.directory, None)?;
    Ok(Some((account, claim)))
}

fn system_account(core: &Core, accounts: &Accounts) -> Option<Account> {
    use latchkey_options::OptionName;
    if let Some(name) = core.options.text(OptionName::OsAccount) {
        return accounts.by_name(name).ok();
    }
    core.options.text(OptionName::UserName)?;
    accounts.only_regular().cloned()
}

fn already(core: &Core, state: &mut State) -> Result<Value> {
    let waiting = state.record.as_ref().is_some_and(|r| {
        let device_waits = r.device.as_ref().is_some_and(|d| d.state == DeviceState::Pending);
        device_waits || r.users.iter().any(|u| u.binding.as_ref().is_some_and(|b| b.state == BindingState::Pending))
    });
    if waiting {
        // Heartbeat, do not enroll again: perhaps somebody approved meanwhile.
        let _ = talk::heartbeat(core, state);
    }
    bind_again(core, state)?;
    let record = talk::enrolled(state)?;
    let device = record.device()?;
    let reason = match &device.reason {
        Some(Reason::Code(code)) => code.known(),
        _ => None,
    };
    let answer = answer(state, &Forgotten { removed_from: Vec::new(), remains_in: record.token_remains_in.clone() })?;
    if let Some(problem) = standing(device.state, reason) {
        return Err(problem.with_answer(answer));
    }
    bound(state, answer)
}

fn finished(state: &State, result: &DeviceResult, forgotten: &Forgotten) -> Result<Value> {
    let answer = answer(state, forgotten)?;
    let reason = match &result.reason {
        Some(Reason::Code(code)) => code.known(),
        _ => None,
    };
    if let Some(problem) = standing(result.state, reason) {
        return Err(problem.with_answer(answer));
    }
    bound(state, answer)
}

fn bound(state: &State, answer: Value) -> Result<Value> {
    let user = state.record.as_ref().and_then(|r| r.users.first());
    match user.and_then(|u| u.binding.as_ref()).map(|b| b.state) {
        Some(BindingState::Pending) => Err(Problem::of(Code::Enroll032).with_answer(answer)),
        Some(BindingState::Ended) => {
            Err(Problem::of(Code::Proof022).because("the binding is ended").with_answer(answer))
        }
        Some(BindingState::Active) | None => Ok(answer),
    }
}

fn answer(state: &State, forgotten: &Forgotten) -> Result<Value> {
    let record = state.record.as_ref().ok_or_else(|| state.without_record())?;
    let device = record.device()?;
    let user = record
        .users
        .first()
        .and_then(|u| u.binding.as_ref())
        .map(|b| json!({"login_name": b.login_name, "level": b.level, "state": b.state}));
    Ok(json!({
        "device_id": device.id,
        "state": device.state,
        "organization": record.cloud.as_ref().map(|c| c.org.clone()),
        "cloud_name": record.cloud_name,
        "user": user,
        "protection": device.protection,
        "epoch": record.epoch.n,
        "renew_at": rfc3339(device.renew_at),
        "token_removed_from": forgotten.removed_from,
        "token_remains_in": forgotten.remains_in,
    }))
}

/// Asks with keys that live only for this question.
fn dry_run(core: &Core, output: Output) -> Result<()> {
    check(&core.options, Purpose::Enroll)?;
    let owner = core.owner();
    let Some(token) = device_token(&core.options, owner)? else {
        return Err(Problem::local(Local::Usage, "there is no device token", "give --device-token-file FILE"));
    };
    let code = one_time_code(&core.options, owner)?;
    let scratch = std::env::temp_dir().join(format!("latchkey-dry-run-{}-{}", std::process::id(), wall()));
    let throwaway = Core {
        store: Store::new(PrivateDir::open(&scratch)?),
        options: core.options.clone(),
        directory: core.directory,
        monotonic: core.monotonic,
        timeout: core.timeout,
        inputs: None,
    };
    let request = Request { token: &token, code: code.as_ref(), user: first_user(core)?, dry_run: true };
    let outcome = enroll(&throwaway, &mut State { version: 1, ..State::default() }, &request);
    let _ = throwaway.store.wipe_all();
    let _ = std::fs::remove_dir_all(&scratch);
    let result = outcome.map_err(|r| r.problem)?;
    if output.json {
        output.answer(&json!({"state": result.state, "reason": result.reason, "would": result.would}));
    } else {
        output.text(&verdict(result.state, result.reason.as_ref(), result.would.as_ref()));
    }
    Ok(())
}

/// The server's verdict in a line.
fn verdict(state: DeviceState, reason: Option<&Reason>, would: Option<&Would>) -> String {
    let mut parts = Vec::new();
    if let Some(name) = would.and_then(|would| would.login_name.as_ref()) {
        let created = would.is_some_and(|would| would.user_created);
        parts.push(if created { format!("{name} (would be created)") } else { name.clone() });
    }
    parts.extend(would.and_then(|would| would.level).map(|level| format!("level {}", level.number())));
    let why = reason.map(|reason| format!(" ({})", reason.as_str())).unwrap_or_default();
    parts.push(format!("device {state}{why}"));
    parts.extend(would.and_then(|would| would.binding_state).map(|state| format!("binding {state}")));
    if let Some((used, of)) = would.and_then(|would| would.uses.zip(would.max_uses)) {
        parts.push(format!("would use 1 of {of} ({used} used so far)"));
    }
    format!("{}\n", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_says_what_it_would_cost() {
        let would: Would = serde_json::from_value(json!({
            "login_name": "anna@acme.example", "level": 0, "user_created": true, "binding_state": "active", "uses": 0, "max_uses": 5000
        }))
        .unwrap();
        assert_eq!(
            verdict(DeviceState::Pending, Some(&Reason::Initial), Some(&would)),
            "anna@acme.example (would be created), level 0, device pending (initial), binding active, would use 1 of 5000 (0 used so far)\n"
        );
    }
}
