//! The data directory: whose it is, who uses it, and what the shell keeps in it.
//!
//! Owns making, recognizing and locking `DIR`, and its `latchkey.toml`. Must not know what the store keeps there, but for the
//! name of its file, by which a directory that was used is told from a fresh one.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::config::CONFIG_FILE;
use crate::code::Own;
use crate::exit::{Failure, Result};

/// The embedded store's file.
pub const STORE_FILE: &str = "latchkey.db";
/// The operator's socket.
pub const SOCKET_FILE: &str = "latchkey.sock";
/// Certificates.
pub const TLS_FOLDER: &str = "tls";
const LOCK_FILE: &str = "latchkey.lock";

/// A data directory that this process alone uses, until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    fresh: bool,
    /// Whether the directory, and whether the lock's file, was made by this opening.
    made: (bool, bool),
    /// The lock goes with the file.
    _lock: File,
}

impl DataDir {
    /// Makes the directory if there is none, refuses somebody else's, and locks it.
    pub fn open(path: &Path) -> Result<Self> {
        let made = make(path)?;
        let path = path.canonicalize().map_err(|error| Failure::io(path.display(), &error))?;
        let locked_before = path.join(LOCK_FILE).exists();
        let ours = locked_before || path.join(STORE_FILE).exists();
        if !ours {
            refuse_foreign(&path)?;
        }
        let fresh = !path.join(STORE_FILE).exists();
        if !made {
            tighten(&path)?;
        }
        let lock = lock(&path)?;
        Ok(Self { path, fresh, made: (made, !locked_before), _lock: lock })
    }

    /// Takes away what opening it made, after a failure: what stays would look like the directory of a server, and `serve` would found a new
    /// cloud in it.
    pub(crate) fn abandon(self) {
        let (folder, lock) = self.made;
        // What cannot be removed is no worse than a process that was killed here.
        if lock {
            let _ = std::fs::remove_file(self.path.join(LOCK_FILE));
        }
        if folder {
            let _ = std::fs::remove_dir(&self.path);
        }
    }

    /// Where it is, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether no embedded store was ever made in it.
    #[must_use]
    pub const fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// The embedded store's file.
    #[must_use]
    pub fn store_file(&self) -> PathBuf {
        self.path.join(STORE_FILE)
    }

    /// The operator's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.path.join(SOCKET_FILE)
    }

    /// The folder of certificates.
    #[must_use]
    pub fn tls(&self) -> PathBuf {
        self.path.join(TLS_FOLDER)
    }

    /// Where the master key is when nobody says otherwise: beside the directory, so that a copy of it is no copy of the key.
    #[must_use]
    pub fn master_key_file(&self) -> PathBuf {
        key_file_beside(&self.path)
    }

    /// Keeps `listen` in the directory's own configuration, in place of what it said.
    pub fn keep_listen(&self, listen: std::net::SocketAddr) -> Result<()> {
        let file = self.path.join(CONFIG_FILE);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failure::io(file.display(), &error)),
        };
        write_private(&file, with_listen(&text, &listen.to_string()).as_bytes(), 0o600)
            .map_err(|error| Failure::io(file.display(), &error))
    }
}

/// Where the master key of this data directory is when nobody says otherwise.
#[must_use]
pub fn key_file_beside(data: &Path) -> PathBuf {
    let data = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    let mut name = data.into_os_string();
    name.push(".key");
    name.into()
}

/// The text with `listen` set; everything else, comments too, stays as the administrator wrote it.
fn with_listen(text: &str, listen: &str) -> String {
    let line = format!("listen = \"{listen}\"");
    let is_listen =
        |line: &str| line.trim_start().strip_prefix("listen").is_some_and(|rest| rest.trim_start().starts_with('='));
    if text.lines().any(is_listen) {
        return text
            .lines()
            .map(|old| if is_listen(old) { &line } else { old })
            .map(|line| format!("{line}\n"))
            .collect();
    }
    // First, because a key after a table header would be the table's.
    format!("# The free port that the first start took.\n{line}\n{text}")
}

/// Whether the directory had to be made.
fn make(path: &Path) -> Result<bool> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => return Ok(false),
        Ok(_) => {
            let detail = format!("{} is not a directory", path.display());
            return Err(Failure::new(Own::Serve002, detail, "name a directory with --data"));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::io(path.display(), &error)),
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| {
        let detail = format!("{} cannot be made: {error}", path.display());
        Failure::new(Own::Serve002, detail, "name a place where this user may make a directory with --data")
    })?;
    Ok(true)
}

fn refuse_foreign(path: &Path) -> Result<()> {
    let entries = std::fs::read_dir(path).map_err(|error| Failure::io(path.display(), &error))?;
    let mut foreign: Vec<String> = entries
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        // A directory that is a file system of its own has lost+found.
        .filter(|name| ![CONFIG_FILE, TLS_FOLDER, "lost+found"].contains(&name.as_str()))
        .collect();
    foreign.sort();
    if foreign.is_empty() {
        return Ok(());
    }
    let more = if foreign.len() > 3 { format!(" and {} more", foreign.len() - 3) } else { String::new() };
    foreign.truncate(3);
    let detail = format!("{} has files of somebody else: {}{more}", path.display(), foreign.join(", "));
    Err(Failure::new(Own::Serve003, detail, Own::Serve003.fix()))
}

/// Takes the rights of others away from a directory that was there already.
fn tighten(path: &Path) -> Result<()> {
    let metadata = std::fs::metadata(path).map_err(|error| Failure::io(path.display(), &error))?;
    if metadata.mode() & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(|error| {
        let detail = format!("{} can be read by others, and that cannot be changed: {error}", path.display());
        Failure::new(
            Own::Serve002,
            detail,
            format!("chown it to the user the server runs as, and chmod 700 {}", path.display()),
        )
    })
}

fn lock(path: &Path) -> Result<File> {
    let name = path.join(LOCK_FILE);
    let failed = |error: &std::io::Error| Failure::io(name.display(), error);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(&name)
        .map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Without the number the refusal is still right.
            let _ = file.read_to_string(&mut holder);
            let holder = holder.trim();
            let holder = if holder.is_empty() { String::new() } else { format!(" by process {holder}") };
            let detail = format!("{} is in use{holder}", path.display());
            return Err(Failure::new(Own::Serve004, detail, Own::Serve004.fix()));
        }
        Err(TryLockError::Error(error)) => return Err(failed(&error)),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(|error| failed(&error))?;
    Ok(file)
}

/// Writes a file whole or not at all: temporary name, fsync, rename.
pub(super) fn write_private(file: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let mut temporary = file.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    // A leftover of a crash may have other rights.
    let _ = std::fs::remove_file(&temporary);
    let mut handle = File::options().write(true).create_new(true).mode(mode).open(&temporary)?;
    handle.set_permissions(std::fs::Permissions::from_mode(mode))?;
    handle.write_all(bytes)?;
    handle.sync_all()?;
    std::fs::rename(&temporary, file)?;
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => sync_folder(folder),
        _ => Ok(()),
    }
}

/// Makes sure that the names in a folder survive a crash.
pub(crate) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A new file for this user alone; one that is there already is an error.
pub(crate) fn private_file(file: &Path) -> std::io::Result<File> {
    File::options().write(true).create_new(true).mode(0o600).open(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_made_for_its_owner_alone_and_found_again() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a/d");
        let data = DataDir::open(&path).unwrap();
        assert!(data.is_fresh());
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        std::fs::write(data.store_file(), "x").unwrap();
        std::fs::write(path.join("anything"), "x").unwrap();
        drop(data);
        assert!(!DataDir::open(&path).unwrap().is_fresh());
    }

    #[test]
    fn a_lone_configuration_and_tls_are_not_foreign_and_other_files_are() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::write(scratch.path().join(CONFIG_FILE), "").unwrap();
        std::fs::create_dir(scratch.path().join("tls")).unwrap();
        std::fs::write(scratch.path().join("thesis.odt"), "").unwrap();
        let failure = DataDir::open(scratch.path()).unwrap_err();
        assert_eq!((failure.exit.number(), failure.code.as_str()), (2, "LK-SERVE-003"));
        assert!(failure.detail.contains("thesis.odt"));
        std::fs::remove_file(scratch.path().join("thesis.odt")).unwrap();
        assert!(DataDir::open(scratch.path()).is_ok());
    }

    #[test]
    fn the_kept_port_leaves_the_rest_of_the_file_alone() {
        assert_eq!(
            with_listen("", "1.2.3.4:5"),
            "# The free port that the first start took.\nlisten = \"1.2.3.4:5\"\n"
        );
        let text = "# mine\n  listen= \"x:0\"\ncloud_name = \"a\" # why\n";
        assert_eq!(with_listen(text, "1.2.3.4:5"), "# mine\nlisten = \"1.2.3.4:5\"\ncloud_name = \"a\" # why\n");
        assert!(with_listen("listening = 1\n", "y").starts_with("# The free"));
    }
}
