//! The socket: one JSON object a line, one answer a line. The kernel says who asks (security.md A20, A32, R15).
//!
//! Owns what a caller may ask: status, what is needed to trust the issuer, and proofs of the caller's own account; and how many may ask at
//! once. No message names an account or a user.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use latchkey_options::OptionName;
use latchkey_wire::{Bytes, Channel, Code, DeviceState};
use rustix::net::sockopt::socket_peercred;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Wake, as_line, is_managed};
use crate::account::{Account, Accounts};
use crate::bind;
use crate::commands::status;
use crate::problem::{Local, Problem, Result};
use crate::proof::{self, Context};
use crate::renew;
use crate::settings::Core;

/// Longest question, bytes; a transaction and a challenge are each under 8 KiB.
const MAX_LINE: u64 = 64 * 1024;
/// How many callers at once; and of one account, so that nobody takes the places of all others.
const MAX_CALLERS: usize = 64;
const MAX_OF_ONE: usize = 4;
/// So long a caller may think before its first question, and before each further one.
const FIRST: Duration = Duration::from_secs(5);
const FURTHER: Duration = Duration::from_secs(60);
/// A caller may make us ask the server at most so often.
const SETTLE_EVERY: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
enum Question {
    // Braces, because only a variant with members refuses unknown ones.
    Status {},
    Trust {},
    Prove {
        challenge: String,
        origin: String,
        cb: Bytes<32>,
        txn: String,
    },
    /// The server told the caller's sign-in that only we can settle it: renew, or look at our state.
    Settle {
        code: String,
    },
}

/// A listening socket; gone when dropped.
pub struct Door {
    path: PathBuf,
    stop: Arc<AtomicBool>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then sees the flag.
        let _ = UnixStream::connect(&self.path);
        let _ = std::fs::remove_file(&self.path);
    }
}

struct Service {
    core: Arc<RwLock<Core>>,
    wake: Sender<Wake>,
    settled: Mutex<Option<Instant>>,
    /// How many callers each uid has.
    callers: Mutex<HashMap<u32, usize>>,
}

/// One of the places for callers; free again when dropped.
struct Place {
    service: Arc<Service>,
    uid: u32,
}

impl Place {
    fn take(service: &Arc<Service>, uid: u32) -> Option<Self> {
        let mut callers = service.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let own = callers.get(&uid).copied().unwrap_or_default();
        if own >= MAX_OF_ONE || callers.values().sum::<usize>() >= MAX_CALLERS {
            return None;
        }
        callers.insert(uid, own + 1);
        Some(Place { service: service.clone(), uid })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut callers = self.service.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = callers.get_mut(&self.uid) {
            *own -= 1;
        }
        callers.retain(|_, own| *own > 0);
    }
}

/// Opens the socket and answers it on threads of its own.
///
/// # Errors
/// The path is in use or cannot be made.
pub fn listen(path: &Path, core: Arc<RwLock<Core>>, wake: Sender<Wake>) -> Result<Door> {
    if super::is_there(path) {
        return Err(Problem::local(
            Local::Conflict,
            format!("another service listens on {}", path.display()),
            "stop it first: systemctl stop latchkey-connector",
        ));
    }
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).map_err(|e| crate::files::cannot("listen on", path, &e))?;
    // Everybody may ask; the kernel says who it is.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    let stop = Arc::new(AtomicBool::new(false));
    let service = Arc::new(Service { core, wake, settled: Mutex::new(None), callers: Mutex::default() });
    let stopping = stop.clone();
    std::thread::Builder::new().name("socket".to_owned()).spawn(move || {
        for stream in listener.incoming() {
            if stopping.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else { continue };
            let Ok(uid) = socket_peercred(&stream).map(|peer| peer.uid.as_raw()) else { continue };
            let Some(place) = Place::take(&service, uid) else {
                let busy =
                    Problem::local(Local::Busy, "the service has no place for another caller", "try again in a moment");
                // What does not fit into the empty buffer of a new connection is not waited for.
                let _ = stream.set_nonblocking(true);
                let _ = (&stream).write_all(format!("{}\n", as_line(&busy)).as_bytes());
                continue;
            };
            // A caller that goes away in the middle is its own affair; without a thread the place is free again.
            let _ = std::thread::Builder::new().name("caller".to_owned()).spawn(move || serve(&place, &stream));
        }
    })?;
    Ok(Door { path: path.to_owned(), stop })
}

fn serve(Place { service, uid }: &Place, stream: &UnixStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(FIRST))?;
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        let read = reader.by_ref().take(MAX_LINE).read_line(&mut line)?;
        if read == 0 {
            return Ok(());
        }
        let complete = line.ends_with('\n');
        let answer = match serde_json::from_str::<Question>(&line) {
            Ok(question) if complete => answer(service, *uid, question).unwrap_or_else(|p| as_line(&p)),
            _ => as_line(&Problem::local(
                Local::Usage,
                "the question was not understood",
                "use a connector of the service's version",
            )),
        };
        let mut out = stream;
        out.write_all(format!("{answer}\n").as_bytes())?;
        if !complete {
            return Ok(());
        }
        stream.set_read_timeout(Some(FURTHER))?;
    }
}

fn answer(service: &Service, uid: u32, question: Question) -> Result<Value> {
    let core = service.core.read().unwrap_or_else(PoisonError::into_inner);
    match question {
        Question::Status {} => {
            let state = core.store.load()?;
            let now = state.record.as_ref().map(|r| r.clock.now(&(core.monotonic)()));
            let (mut answer, problem) = status::report(&state, now.unwrap_or_default());
            only_own(&mut answer, uid);
            let problem = problem.as_ref().map(|p| as_line(p)["problem"].take());
            Ok(json!({"status": answer, "problem": problem, "ok": true}))
        }
        Question::Trust {} => trust(&core, uid),
        Question::Prove { challenge, origin, cb, txn } => {
            let account = Accounts::here().by_uid(uid)?;
            if waits(&core, &account)? {
                // Perhaps somebody approved meanwhile; if the answer cannot be had, the proof says why it is not made.
                let _ = settle(service, &core, None);
            }
            prove(&core, &account, &challenge, &origin, cb, &txn)
        }
        Question::Settle { code } => {
            let code: Option<Code> = code.parse().ok();
            settle(service, &core, code)?;
            Ok(json!({"ok": true}))
        }
    }
}

/// Whether device or binding could not act when we last heard of them.
fn waits(core: &Core, account: &Account) -> Result<bool> {
    let state = core.store.load()?;
    let Some(record) = &state.record else { return Ok(false) };
    let device_waits = record.device.as_ref().is_some_and(|d| d.state != DeviceState::Registered);
    let mut own = record.users.iter().filter(|u| u.account == *account);
    let binding_waits =
        own.any(|u| u.binding.as_ref().is_some_and(|b| b.state == latchkey_wire::BindingState::Pending));
    Ok(device_waits || binding_waits)
}

/// Others' bindings are nobody's business.
fn only_own(answer: &mut Value, uid: u32) {
    if uid == 0 {
        return;
    }
    let name = Accounts::here().by_uid(uid).map(|a| a.name).unwrap_or_default();
    if let Some(bindings) = answer.get_mut("bindings").and_then(Value::as_array_mut) {
        bindings.retain(|b| b["os_account"] == name.as_str());
    }
}

fn trust(core: &Core, uid: u32) -> Result<Value> {
    let state = core.store.load()?;
    let record = state.record.as_ref().ok_or_else(|| state.without_record())?;
    let accepted = record.accepted()?;
    let document = accepted.document();
    let managed_ca = is_managed(&core.options, OptionName::CaFile);
    let pem = if managed_ca { core.extra_pem()? } else { None };
    Ok(json!({
        "public_urls": document.public_urls,
        "tls_spki_sha256": document.tls_spki_sha256,
        "ca_pem": pem.map(|p| String::from_utf8_lossy(&p).into_owned()),
        "proxy": core.options.text(OptionName::ProxyUrl).and_then(|proxy| proxy_for(uid, proxy)),
        "ok": true,
    }))
}

/// Name and password at the proxy are the machine's, not everybody's on it: others get its address.
fn proxy_for(uid: u32, proxy: &str) -> Option<String> {
    let mut url = url::Url::parse(proxy).ok()?;
    if uid == 0 || (url.username().is_empty() && url.password().is_none()) {
        return Some(proxy.to_owned());
    }
    url.set_username("").and_then(|()| url.set_password(None)).ok()?;
    Some(url.into())
}

fn prove(core: &Core, account: &Account, challenge: &str, origin: &str, cb: Bytes<32>, txn: &str) -> Result<Value> {
    let _lock = core.store.lock()?;
    let mut state = core.store.load()?;
    let mut record = renew::enrolled(&state)?;
    if !record.users.iter().any(|u| u.account == *account && u.is_live()) {
        bind::account(core, &mut state, account)?;
        record = renew::enrolled(&state)?;
    }
    let context = Context { account, origin, cb, txn, channel: Channel::Agent };
    if !proof::knows_key(&record, challenge) {
        let fetched = crate::cloud::refetch(core, &mut record);
        state.record = Some(record.clone());
        core.store.save(&state)?;
        fetched?;
    }
    let signed = proof::sign(core, &mut record, challenge, &context);
    state.record = Some(record);
    core.store.save(&state)?;
    let signed = signed?;
    Ok(json!({
        "proof": signed.proof, "service": signed.service, "login_name": signed.login_name, "level": signed.level, "ok": true,
    }))
}

fn settle(service: &Service, core: &Core, code: Option<Code>) -> Result<()> {
    {
        let mut last = service.settled.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|at| at.elapsed() < SETTLE_EVERY) {
            let mut problem = Problem::of(Code::Proof021);
            problem.retry_after = Some(SETTLE_EVERY.as_secs());
            return Err(problem);
        }
        *last = Some(Instant::now());
    }
    let _lock = core.store.lock()?;
    let mut state = core.store.load()?;
    let result =
        if code == Some(Code::Proof021) { renew::renew(core, &mut state) } else { renew::heartbeat(core, &mut state) };
    // What is due now has changed.
    let _ = service.wake.send(Wake::Look);
    result.map(drop).map_err(|r| r.problem)
}
