//! One function a command: options in, answer or problem out. Owns the field names of cli.md, nothing else.

pub(crate) mod doctor;
pub(crate) mod enroll;
pub(crate) mod sign_in;
pub(crate) mod status;
pub(crate) mod unenroll;

use latchkey_options::{OptionName, Purpose, Severity, check_relations};
use latchkey_wire::DeviceState;
use serde_json::{Value, json};

use crate::cli::Place;
use crate::clock::rfc3339;
use crate::output::Output;
use crate::problem::{Local, Problem, Result};
use crate::renew as talk;
use crate::service;
use crate::settings::Core;

/// The parts of this process, or the sentence for a caller who would need root.
pub(crate) fn here(place: &Place) -> Result<&Core> {
    match place {
        Place::Here(core) => Ok(core),
        Place::Service(_) => Err(Problem::local(
            Local::NotPermitted,
            "the system service does this for root only",
            "run it as root, or use a state directory of your own with --state-dir",
        )),
    }
}

pub(crate) fn version(output: Output) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    if output.json {
        output.answer(&json!({"version": version, "protocol": [latchkey_wire::VERSION]}));
    } else {
        output.text(&format!("latchkey-connector {version}\n"));
    }
    Ok(())
}

pub(crate) fn renew(place: &Place, output: Output) -> Result<()> {
    let core = here(place)?;
    let _lock = core.store.lock()?;
    let mut state = core.store.load()?;
    let result = talk::renew(core, &mut state).map_err(|r| with_state(core, r.problem))?;
    if result.state != DeviceState::Registered {
        return Err(standing(result.state, None).unwrap_or_else(|| state.without_record()));
    }
    let record = talk::enrolled(&state)?;
    if record.heartbeat_due {
        // Ends the old epoch at the server; if it fails, the next contact does it.
        let _ = talk::heartbeat(core, &mut state);
    }
    let device = record.device()?;
    output.answer(&json!({
        "epoch": record.epoch.n,
        "certificate_expires_at": device.certificate_expires_at.map(rfc3339),
        "renew_at": rfc3339(device.renew_at),
    }));
    Ok(())
}

pub(crate) fn options(place: &Place, output: Output) -> Result<()> {
    let core = here(place)?;
    let effective = |name: OptionName| {
        let spec = name.spec();
        match core.options.effective(name) {
            Some(e) => json!({
                "name": spec.spelled, "value": e.value.masked(), "source": e.source.name(), "place": e.place,
                "overrode": e.overrode.iter().map(|o| json!({"source": o.source.name(), "place": o.place, "value": o.masked})).collect::<Vec<_>>(),
            }),
            None => {
                json!({"name": spec.spelled, "value": spec.default, "source": "default", "place": "", "overrode": []})
            }
        }
    };
    let given = |name: &&OptionName| output.json || core.options.effective(**name).is_some();
    let items: Vec<Value> = OptionName::ALL.iter().filter(given).map(|n| effective(*n)).collect();
    let mut findings = check_relations(&core.options, Purpose::Show);
    findings.extend(core.options.notices().iter().cloned());
    let findings: Vec<Value> = findings
        .iter()
        .map(|f| {
            json!({"code": f.code, "notice": f.severity == Severity::Notice, "option": f.option, "detail": f.to_string(), "fix": f.fix})
        })
        .collect();
    output.answer(&json!({"items": items, "next": null, "findings": findings}));
    Ok(())
}

pub(crate) fn serve(place: Place, once: bool, output: Output) -> Result<()> {
    match place {
        Place::Here(core) => service::run(*core, once, output),
        Place::Service(_) => Err(Problem::local(
            Local::Conflict,
            "the service runs already",
            "see `systemctl status latchkey-connector`",
        )),
    }
}

/// The problem of a device that may not act: exit 11 or 12; `None` for a registered one.
pub(crate) fn standing(state: DeviceState, code: Option<latchkey_wire::Code>) -> Option<Problem> {
    use latchkey_wire::Code;
    let problem = match state {
        DeviceState::Registered => return None,
        DeviceState::Pending => {
            let mut problem = Problem::of(code.unwrap_or(Code::Enroll030));
            if code.is_none() {
                "the device waits for approval".clone_into(&mut problem.detail);
                "latchkey device approve X".clone_into(&mut problem.fix);
            }
            problem.exit = 11;
            problem
        }
        DeviceState::Suspended => Problem::of(Code::Renew022),
        DeviceState::Quarantined => Problem::of(Code::Renew023),
        DeviceState::RemovalPending | DeviceState::Removed => Problem::of(Code::Device410),
        DeviceState::Unregistered | DeviceState::Retired => {
            Problem::of(Code::Proof022).because(format!("the device is {state}"))
        }
    };
    let exit = if state == DeviceState::Pending { 11 } else { 12 };
    Some(Problem { exit, ..problem })
}

/// A refusal that leaves the device in a state of its own is reported by that state's exit status.
pub(crate) fn with_state(core: &Core, problem: Problem) -> Problem {
    let state = core.store.load().ok().and_then(|s| s.record).and_then(|r| r.device).map(|d| d.state);
    let final_state = state.filter(|s| !matches!(s, DeviceState::Registered | DeviceState::Pending));
    match final_state {
        Some(_) if problem.exit != 6 && problem.exit != 7 => Problem { exit: 12, ..problem },
        _ => problem,
    }
}
