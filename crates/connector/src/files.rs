//! Files that only their owner may read, written so that a crash leaves the old or the new one.
//!
//! Owns permissions, the temp-fsync-rename-fsync sequence and the lock. Knows no content.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use zeroize::Zeroizing;

use crate::problem::{Local, Problem, Result};

/// Largest file of our own we read, bytes.
const MAX: u64 = 1024 * 1024;

/// A directory of mode 0700 that belongs to us.
#[derive(Clone, Debug)]
pub struct PrivateDir {
    path: PathBuf,
    /// Called between the steps of a write; tests stop the world here.
    crash: Option<fn(&str) -> std::io::Result<()>>,
}

impl PrivateDir {
    /// Opens the directory, making it (0700) if it is not there.
    ///
    /// # Errors
    /// It belongs to somebody else, or others have rights in it.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.exists() {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(|e| cannot("make the directory", path, &e))?;
        }
        Self::existing(path)
    }

    /// Opens the directory if it is there.
    ///
    /// # Errors
    /// As [`PrivateDir::open`], or it is not there.
    pub fn existing(path: &Path) -> Result<Self> {
        let meta = std::fs::symlink_metadata(path).map_err(|e| cannot("open", path, &e))?;
        let me = rustix::process::geteuid().as_raw();
        if !meta.is_dir() || meta.uid() != me || meta.mode() & 0o077 != 0 {
            return Err(Problem::local(
                Local::UnsafeFile,
                format!("{} is not a private directory of this user", path.display()),
                format!("chown it to the user who runs the connector and chmod 700 {}", path.display()),
            ));
        }
        Ok(PrivateDir { path: path.to_owned(), crash: None })
    }

    /// A folder that is not private, for replacing one file of our own in it; the file itself becomes 0600.
    pub(crate) fn beside(path: &Path) -> Self {
        PrivateDir { path: path.to_owned(), crash: None }
    }

    /// For tests: every step of every write asks first, and an error there is a crash at that point.
    #[doc(hidden)]
    #[must_use]
    pub fn crashing(mut self, at: fn(&str) -> std::io::Result<()>) -> Self {
        self.crash = Some(at);
        self
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the lock of this directory; it is held until the guard is dropped.
    ///
    /// # Errors
    /// The lock file cannot be made.
    pub fn lock(&self) -> Result<Lock> {
        let path = self.path.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(nofollow())
            .open(&path)
            .map_err(|e| cannot("open", &path, &e))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|e| cannot("lock", &path, &e.into()))?;
        Ok(Lock { _file: file })
    }

    /// Reads a file of the directory; `None` if it is not there.
    ///
    /// # Errors
    /// It cannot be read, or is too large.
    pub fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let path = self.path.join(name);
        let file = match OpenOptions::new().read(true).custom_flags(nofollow()).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(cannot("read", &path, &e)),
        };
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(MAX + 1).read_to_end(&mut bytes).map_err(|e| cannot("read", &path, &e))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX {
            return Err(Problem::local(Local::BadState, format!("{} is too large", path.display()), "restore it"));
        }
        Ok(Some(bytes))
    }

    /// Writes a file of the directory: temp file, fsync, rename, fsync of the folder.
    ///
    /// # Errors
    /// After an error the old content, or the new one, is there; never a part.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        let temp = self.path.join(format!(".{name}.tmp"));
        self.write_steps(&path, &temp, bytes).map_err(|e| cannot("write", &path, &e))
    }

    fn write_steps(&self, path: &Path, temp: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let step = |name: &str| self.crash.map_or(Ok(()), |crash| crash(name));
        step("before")?;
        let _ = std::fs::remove_file(temp);
        let mut file =
            OpenOptions::new().create_new(true).write(true).mode(0o600).custom_flags(nofollow()).open(temp)?;
        file.write_all(bytes)?;
        step("written")?;
        file.sync_all()?;
        step("synced")?;
        std::fs::rename(temp, path)?;
        step("renamed")?;
        File::open(&self.path)?.sync_all()?;
        step("folder synced")
    }

    /// Removes a file of the directory; it need not be there.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.path.join(name);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(File::open(&self.path)?.sync_all()?),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(cannot("remove", &path, &e)),
        }
    }
}

/// The lock of a directory, held while this lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Who must own a file before we believe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Root only: what the system service reads.
    Root,
    /// Root, or the user who runs this: private state directories.
    RootOrMe,
}

/// Reads a file that steers us: nobody but its owner may be able to change it, on the whole way to it.
///
/// # Errors
/// `LK-CONN-006` for a symbolic link, a foreign owner, or a file or folder that others can write. `Ok(None)` if there is no file.
pub fn read_trusted(path: &Path, owner: Owner, secret: bool) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let file = match OpenOptions::new().read(true).custom_flags(nofollow()).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) if e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(unsafe_file(path, "is a symbolic link"));
        }
        Err(e) => return Err(cannot("read", path, &e)),
    };
    let trusted = |uid: u32| match owner {
        Owner::Root => uid == 0,
        Owner::RootOrMe => uid == 0 || uid == rustix::process::geteuid().as_raw(),
    };
    let meta = file.metadata()?;
    if !meta.is_file() || !trusted(meta.uid()) {
        return Err(unsafe_file(path, "does not belong to root"));
    }
    if meta.mode() & 0o022 != 0 {
        return Err(unsafe_file(path, "can be written by others"));
    }
    if secret && meta.mode() & 0o077 != 0 {
        return Err(unsafe_file(path, "holds a secret and can be read by others"));
    }
    let absolute = std::path::absolute(path)?;
    for folder in absolute.ancestors().skip(1) {
        let meta = std::fs::symlink_metadata(folder)?;
        // A sticky folder (/tmp) lets nobody replace another's file.
        let sticky = meta.mode() & 0o1000 != 0;
        if meta.is_symlink() || !trusted(meta.uid()) || (meta.mode() & 0o022 != 0 && !sticky) {
            return Err(unsafe_file(folder, "is a folder on the way that somebody else can change"));
        }
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn unsafe_file(path: &Path, problem: &str) -> Problem {
    Problem::local(
        Local::UnsafeFile,
        format!("{} {problem}", path.display()),
        format!("chown root and chmod go-w (a secret: 600) {}", path.display()),
    )
}

/// A file that the caller named and that cannot be read: a wrong file (exit 2), unless this user may not read it.
pub(crate) fn wrong_file(what: &str, path: &Path, error: &std::io::Error) -> Problem {
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        return cannot(&format!("read {what}"), path, error);
    }
    Problem::local(
        Local::Usage,
        format!("cannot read {what} {}: {error}", path.display()),
        format!("check the file that {what} names"),
    )
}

/// A failed file operation, in words.
pub(crate) fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Problem {
    let kind = if error.kind() == std::io::ErrorKind::PermissionDenied { Local::NotPermitted } else { Local::Failed };
    Problem::local(
        kind,
        format!("cannot {what} {}: {error}", path.display()),
        "check that the path exists and that this user may use it",
    )
}

/// `O_NOFOLLOW` as `OpenOptions` wants it.
pub(crate) fn nofollow() -> i32 {
    i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).expect("the flag is a small constant")
}
