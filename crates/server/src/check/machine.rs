//! What the machine has: data directory, running server, master key, clock, disk.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::Finding;
use crate::code::Own;
use crate::serve::datadir::{self, SOCKET_FILE, STORE_FILE};
use crate::serve::health::{BUILT_AT, unix_now};
use crate::serve::master_key::MasterKey;
use crate::serve::settings::Settings;
use crate::serve::way::{self, Trouble};

/// Less than this is a problem.
const DISK_BAD: u64 = 256 * 1024 * 1024;
/// Less than this is worth a word.
const DISK_LOW: u64 = 1024 * 1024 * 1024;

pub(super) fn data(settings: &Settings) -> Finding {
    let bad = |detail: String, fix: String| Finding::bad("data", Own::Serve002, detail, fix);
    let shown = settings.data.display();
    let metadata = match std::fs::metadata(&settings.data) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => return bad(format!("{shown} is not a directory"), "name a directory with --data".to_owned()),
        Err(error) => {
            return bad(
                format!("{shown}: {error}"),
                "name the server's directory with --data; the first `latchkey serve` makes it".to_owned(),
            );
        }
    };
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user && user != 0 {
        let detail = format!("{shown} belongs to user {}, this is user {user}", metadata.uid());
        return bad(detail, "run this as root or as the server's own user".to_owned());
    }
    if metadata.mode() & 0o077 != 0 {
        return bad(format!("{shown} can be read by others"), format!("chmod 700 {shown}"));
    }
    if settings.database.is_none() && !settings.data.join(STORE_FILE).exists() {
        return bad(
            format!("{shown} has no store in it yet"),
            "the first `latchkey serve` makes it; or name the right directory with --data".to_owned(),
        );
    }
    Finding::good("data", shown.to_string())
}

fn socket(settings: &Settings) -> PathBuf {
    settings.data.join(SOCKET_FILE)
}

/// The process that serves this directory.
pub(super) fn server_pid(settings: &Settings) -> Option<i32> {
    let stream = UnixStream::connect(socket(settings)).ok()?;
    let peer = rustix::net::sockopt::socket_peercred(&stream).ok()?;
    Some(peer.pid.as_raw_nonzero().get())
}

/// Whether the server that runs, if one does, is ready.
pub(super) fn server(settings: &Settings, pid: Option<i32>) -> Finding {
    let Some(pid) = pid else { return Finding::good("server", "none runs on this directory") };
    let bad = |detail: String| {
        let fix = "see its log; `latchkey explain CODE` says more";
        Finding::bad("server", latchkey_wire::Code::Node001, format!("process {pid}: {detail}"), fix)
    };
    match readiness(settings) {
        Err(error) => bad(format!("it does not answer: {error}")),
        Ok(document) if document["ready"] == true => Finding::good("server", format!("process {pid} is ready")),
        Ok(document) => {
            let failed = document["checks"].as_array().into_iter().flatten().filter(|check| check["ok"] == false);
            let words = failed.map(|check| format!("{}: {}", check["name"], check["detail"]));
            bad(format!("not ready: {}", words.collect::<Vec<_>>().join("; ").replace('"', "")))
        }
    }
}

fn readiness(settings: &Settings) -> std::io::Result<Value> {
    serde_json::from_str(&asked(settings, "/readyz")?).map_err(std::io::Error::other)
}

/// What the server that runs has seen of proxies; nothing where none runs.
pub(super) fn proxies(settings: &Settings) -> Vec<Trouble> {
    let seen = asked(settings, way::PLACE).ok();
    seen.and_then(|body| serde_json::from_str(&body).ok()).unwrap_or_default()
}

/// The body of the operator's answer.
fn asked(settings: &Settings, path: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket(settings))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned()))
}

/// The key, if there is one that can be used; it is never made here.
pub(super) fn master_key(settings: &Settings) -> (Option<MasterKey>, Finding) {
    let file = settings.master_key_file.clone().unwrap_or_else(|| datadir::key_file_beside(&settings.data));
    match MasterKey::open(&file, false) {
        Ok(key) => {
            let finding = Finding::good("master_key", format!("{}, fingerprint {}", file.display(), key.id()));
            (Some(key), finding)
        }
        Err(failure) => (None, Finding::failed("master_key", failure)),
    }
}

/// The clock against the date of the build; against the data it is looked at with the store.
pub(super) fn build_clock(settings: &Settings) -> Finding {
    clock("clock", settings, BUILT_AT, "this program was built")
}

/// The clock against something that happened.
pub(super) fn clock(name: &'static str, settings: &Settings, not_before: i64, what: &str) -> Finding {
    let time =
        |seconds| jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string());
    let now = unix_now();
    if now >= not_before {
        return Finding::good(name, format!("{}, after {what}", time(now)));
    }
    let detail = format!("it says {}, and {what} at {}", time(now), time(not_before));
    if settings.accept_clock {
        return Finding::warning(
            name,
            Own::Serve010,
            detail,
            "accept_clock is set: take it away once the clock is right",
        );
    }
    Finding::bad(name, Own::Serve010, detail, "set the clock; --accept-clock goes on regardless, and is recorded")
}

pub(super) fn disk(settings: &Settings) -> Finding {
    let Ok(found) = rustix::fs::statvfs(&settings.data) else {
        let detail = format!("the free space of {} cannot be asked for", settings.data.display());
        return Finding::bad("disk", Own::Check002, detail, "name the server's directory with --data");
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let detail = format!("{} MiB free", free / 1024 / 1024);
    let fix = "make room, or move the data directory to a larger file system";
    if found.f_files > 0 && found.f_favail < 100 {
        return Finding::bad("disk", Own::Check002, format!("{} more files fit", found.f_favail), fix);
    }
    match free {
        free if free < DISK_BAD => Finding::bad("disk", Own::Check002, detail, fix),
        free if free < DISK_LOW => Finding::warning("disk", Own::Check002, detail, fix),
        _ => Finding::good("disk", detail),
    }
}
