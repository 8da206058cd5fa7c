//! The system service: one thread that works when something is due, one that answers the socket.
//!
//! Owns the timing (protocol.md back-off; at most one wake-up in 30 minutes beyond renewal), `autoEnroll`, and reloading of
//! options. Wakes early for SIGHUP; SIGTERM and SIGINT end it.

mod client;
mod socket;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use latchkey_options::{OptionName, Resolved, Source};
use latchkey_wire::{DeviceState, DeviceToken};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

pub use client::{SocketProver, ask_status};
pub use socket::{Door, listen};

use crate::account::Directory;
use crate::backoff::{Backoff, Path as Way, random_unit};
use crate::clock::wall;
use crate::commands;
use crate::output::Output;
use crate::problem::{Problem, Result};
use crate::renew;
use crate::settings::Core;
use crate::state::State;

/// Where the system service listens.
pub const SOCKET: &str = "/run/latchkey-connector/socket";

/// Longest idle time; also what an unenrolled service waits between looks at its options.
const IDLE: Duration = Duration::from_secs(1800);

/// The same token is not tried again for so long after a final refusal.
const REFUSED: u64 = 24 * 60 * 60;

/// The socket to ask: the system's, or the one the environment names (tests, containers).
#[must_use]
pub fn socket_path() -> PathBuf {
    std::env::var_os("LATCHKEY_CONNECTOR_SOCKET")
        .filter(|v| !v.is_empty())
        .map_or_else(|| PathBuf::from(SOCKET), PathBuf::from)
}

/// Whether somebody listens there.
#[must_use]
pub fn is_there(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}

/// What may wake the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Read options again, look at everything.
    Look,
    /// End.
    Stop,
}

/// Runs the service until it is told to stop; with `once` one round of work only.
///
/// # Errors
/// The socket cannot be made; with `once` also what the round met.
pub(crate) fn run(core: Core, once: bool, output: Output) -> Result<()> {
    let core = Arc::new(RwLock::new(core));
    if once {
        let done = work(&core);
        let core = core.read().unwrap_or_else(PoisonError::into_inner);
        return done.map(drop).map_err(|stopped| commands::with_state(&core, stopped.problem));
    }
    let (wake, woken) = channel();
    signals(wake.clone())?;
    let is_system = core.read().unwrap_or_else(PoisonError::into_inner).directory == Directory::System;
    let named = std::env::var_os("LATCHKEY_CONNECTOR_SOCKET").is_some_and(|v| !v.is_empty());
    // A private directory's owner works on it directly; a socket only where one is asked for.
    let _door = if is_system || named { Some(listen(&socket_path(), core.clone(), wake.clone())?) } else { None };
    output.say("latchkey-connector runs");
    let mut backoff = Backoff::default();
    loop {
        let pause = match work(&core) {
            Ok(pause) => {
                backoff.reset();
                pause
            }
            Err(Stopped { problem, way }) => {
                output.say(&format!("{problem}"));
                backoff.next(way, problem.retry_after.map(Duration::from_secs), random_unit())
            }
        };
        match woken.recv_timeout(pause) {
            Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Ok(Wake::Look) | Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn signals(wake: Sender<Wake>) -> Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGTERM, SIGINT])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            let what = if signal == SIGHUP { Wake::Look } else { Wake::Stop };
            if wake.send(what).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// What stopped a round, and how patiently it is tried again.
#[derive(Debug)]
pub struct Stopped {
    /// The reason.
    pub problem: Problem,
    /// The cap of the back-off.
    pub way: Way,
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Stopped { way: Way::of(problem.known()), problem }
    }
}

/// One round: options, enrollment, renewal, heartbeat. Says how long nothing is due.
///
/// # Errors
/// What stopped the round; the caller backs off.
pub fn work(shared: &RwLock<Core>) -> std::result::Result<Duration, Stopped> {
    reload(shared)?;
    let core = shared.read().unwrap_or_else(PoisonError::into_inner);
    let state = core.store.load()?;
    let device = state.record.as_ref().and_then(|r| r.device.as_ref());
    // The keys of a quarantined device are dead: all that is left to it is to take over its own record, once that is released.
    // Without a token that can be read it keeps the record: nothing could follow it.
    let start = match device {
        Some(device) => device.state == DeviceState::Quarantined && given_token_id(&core.options).is_some(),
        None => true,
    };
    if start && may_enroll(&core.options, &state) {
        commands::enroll::once(&core).map(drop)?;
        return Ok(IDLE);
    }
    if device.is_none() {
        return Ok(IDLE);
    }
    let _lock = core.store.lock()?;
    let mut state = core.store.load()?;
    let record = renew::enrolled(&state)?;
    let device = record.device()?;
    let now = record.clock.now(&(core.monotonic)());
    let due = now >= device.renew_at || record.epoch.next.is_some();
    if due && device.state == DeviceState::Registered {
        renew::renew(&core, &mut state).map_err(|r| r.problem)?;
    }
    // After a renewal this ends the old epoch; else it is the half-hourly word.
    renew::heartbeat(&core, &mut state).map_err(|r| Stopped { problem: r.problem, way: Way::Patient })?;
    Ok(next_due(&core, &state))
}

/// Heartbeat interval ± 20 %, or the renewal, whichever comes first.
fn next_due(core: &Core, state: &State) -> Duration {
    let Some((record, device)) = state.record.as_ref().and_then(|r| Some((r, r.device.as_ref()?))) else {
        return IDLE;
    };
    let spread = 0.8 + 0.4 * random_unit();
    let heartbeat = Duration::from_secs(device.heartbeat_s.max(60)).mul_f64(spread);
    let now = record.clock.now(&(core.monotonic)());
    let renewal = Duration::from_secs(device.renew_at.saturating_sub(now).max(1));
    if device.state == DeviceState::Registered { heartbeat.min(renewal) } else { heartbeat }
}

/// `autoEnroll`: 0 by command only · 1 whenever there is no record, or a dead one to take over, and the last end was not *removed* ·
/// 2 never after a first success. A token that was finally refused is tried again after a day, or when it changes.
#[must_use]
pub fn may_enroll(options: &Resolved, state: &State) -> bool {
    let has_token =
        options.text(OptionName::DeviceToken).is_some() || options.text(OptionName::DeviceTokenFile).is_some();
    let mode = options.text(OptionName::AutoEnroll).unwrap_or(if has_token { "1" } else { "0" });
    let removed = state.ended.as_ref().is_some_and(|e| match e.state {
        // The release may still come; until then the server says so each time.
        DeviceState::Quarantined => state.replaces.is_none(),
        other => other == DeviceState::Removed,
    });
    if !has_token || mode == "0" || removed || (mode == "2" && state.enrolled_once) {
        return false;
    }
    match (&state.refused_token, given_token_id(options)) {
        (Some(refused), Some(id)) => refused.id != id || wall().saturating_sub(refused.at) >= REFUSED,
        _ => true,
    }
}

/// The id of the token that the options give; `None` also where its file is gone or holds none.
pub(crate) fn given_token_id(options: &Resolved) -> Option<String> {
    let text = match options.text(OptionName::DeviceToken) {
        Some(text) => zeroize::Zeroizing::new(text.to_owned()),
        None => zeroize::Zeroizing::new(std::fs::read_to_string(options.text(OptionName::DeviceTokenFile)?).ok()?),
    };
    Some(DeviceToken::parse(&text).ok()?.id().to_string())
}

/// Reads the options again; a file that is broken now leaves the last good ones in force and is reported.
fn reload(shared: &RwLock<Core>) -> Result<()> {
    let fresh = {
        let core = shared.read().unwrap_or_else(PoisonError::into_inner);
        match &core.inputs {
            Some(inputs) => crate::settings::read_options(inputs, core.owner())?,
            None => return Ok(()),
        }
    };
    shared.write().unwrap_or_else(PoisonError::into_inner).options = fresh;
    Ok(())
}

/// Whether an option came from a place that only root can change.
#[must_use]
pub(crate) fn is_managed(options: &Resolved, name: OptionName) -> bool {
    options.effective(name).is_some_and(|e| e.source <= Source::Installer)
}

pub(crate) fn as_line(problem: &Problem) -> serde_json::Value {
    serde_json::json!({"problem": {
        "code": problem.code, "detail": problem.detail, "fix": problem.fix, "ref": problem.reference,
        "exit": problem.exit, "retry_after": problem.retry_after,
    }})
}
