//! Interactive sessions of the operating system, as systemd-logind writes them down.
//!
//! Owns reading `/run/systemd/sessions`: who is logged in as a person, at the machine or by ssh, and not by a timer or a unit. Must not
//! know what a session entitles to.

use std::path::{Path, PathBuf};

/// Where logind keeps one file a session. Root's alone to write.
const LOGIND: &str = "/run/systemd/sessions";

/// Where sessions are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions(PathBuf);

impl Default for Sessions {
    fn default() -> Self {
        Self(LOGIND.into())
    }
}

impl Sessions {
    /// In another folder than logind's.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Whether this uid has an interactive session; `None` where there is no logind that would know.
    #[must_use]
    pub fn has(&self, uid: u32) -> Option<bool> {
        let mut entries = std::fs::read_dir(&self.0).ok()?;
        Some(entries.any(|entry| {
            // Beside each session lies a pipe, `ID.ref`: opening that would wait for a writer.
            entry.is_ok_and(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()) && is_of(uid, &entry.path()))
        }))
    }
}

/// A session of the class `user`: not the greeter's, not cron's (`background`), not the user manager's. One that closes is over.
fn is_of(uid: u32, file: &Path) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value("UID") == Some(uid.to_string().as_str())
        && value("CLASS") == Some("user")
        && value("STATE").is_some_and(|state| state != "closing")
}
