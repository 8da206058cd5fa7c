//! `status`.

use latchkey_wire::{BindingState, Code, DeviceState};
use serde_json::{Value, json};

use super::standing;
use crate::account::Accounts;
use crate::cli::Place;
use crate::clock::rfc3339;
use crate::machine::Marks;
use crate::output::Output;
use crate::problem::{Local, Problem, Result};
use crate::service;
use crate::state::{State, not_enrolled};

pub(crate) fn run(place: &Place, output: Output) -> Result<()> {
    let (answer, problem) = match place {
        Place::Here(core) => {
            let state = core.store.load()?;
            let now = state.record.as_ref().map(|r| r.clock.now(&(core.monotonic)()));
            report(&state, now.unwrap_or_default())
        }
        Place::Service(socket) => service::ask_status(socket)?,
    };
    match problem {
        Some(problem) => Err(problem.with_answer(answer)),
        None => {
            output.answer(&answer);
            Ok(())
        }
    }
}

/// The answer, and the problem that decides the exit status.
pub(crate) fn report(state: &State, now: u64) -> (Value, Option<Problem>) {
    let Some(record) = &state.record else {
        let ended = state.ended.as_ref();
        let problem = state.without_record();
        let answer = json!({
            "enrolled": false,
            "state": ended.map(|e| e.state),
            "organization": null, "cloud_name": ended.map(|e| e.cloud_name.clone()), "device_id": null, "bindings": [],
            "protection": null, "epoch": null, "certificate_expires_at": null, "renew_at": null,
            "last_contact_at": ended.map(|e| rfc3339(e.at)), "token_remains_in": [],
            "problems": [describe(&problem)],
        });
        return (answer, Some(problem));
    };
    let bindings: Vec<Value> = record
        .users
        .iter()
        .filter_map(|u| {
            let b = u.binding.as_ref()?;
            Some(json!({"os_account": u.account.name, "login_name": b.login_name, "level": b.level, "state": b.state}))
        })
        .collect();
    let device = record.device.as_ref();
    let mut problems = Vec::new();
    let mut first = match device {
        None => Some(not_enrolled()),
        Some(device) => standing(device.state, None),
    };
    problems.extend(first.as_ref().map(describe));
    let registered = device.is_some_and(|d| d.state == DeviceState::Registered);
    if registered && record.users.iter().any(|u| u.binding.as_ref().is_some_and(|b| b.state == BindingState::Pending)) {
        let problem = Problem::of(Code::Enroll032);
        problems.push(describe(&problem));
        first.get_or_insert(problem);
    }
    if device.is_some() && state.machine.copied_to(&Marks::here()) {
        let problem = Problem::of(Code::Conn014);
        problems.push(describe(&problem));
        first = Some(problem);
    }
    if device.and_then(|d| d.certificate_expires_at).is_some_and(|end| end < now) {
        problems.push(
            json!({"code": Local::Expired.as_str(), "title": "the certificate has expired", "fix": "latchkey-connector renew"}),
        );
    }
    let accounts = Accounts::here();
    for user in record.users.iter().filter(|u| u.is_live()) {
        if accounts.by_uid(user.account.uid).is_ok_and(|now| now == user.account) {
            continue;
        }
        problems.push(json!({
            "code": Local::NoAccount.as_str(),
            "title": format!("the binding of {} is dead: uid, name or home of the account changed", user.account.name),
            "fix": "latchkey binding remove ID on the server; then the account's next sign-in asks for a new one",
        }));
    }
    let answer = json!({
        "enrolled": device.is_some(),
        "state": device.map(|d| d.state),
        "organization": record.cloud.as_ref().map(|c| c.org.clone()),
        "cloud_name": record.cloud_name,
        "device_id": device.map(|d| d.id.clone()),
        "bindings": bindings,
        "protection": device.map(|d| d.protection),
        "epoch": record.epoch.n,
        "certificate_expires_at": device.and_then(|d| d.certificate_expires_at).map(rfc3339),
        "renew_at": device.map(|d| rfc3339(d.renew_at)),
        "last_contact_at": record.last_contact_at.map(rfc3339),
        "token_remains_in": record.token_remains_in,
        "problems": problems,
    });
    (answer, first)
}

fn describe(problem: &Problem) -> Value {
    json!({"code": problem.code, "title": problem.detail, "fix": problem.fix})
}
