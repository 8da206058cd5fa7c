//! Files of the command line: what `--output` writes, and what an argument names.
//!
//! Owns 0600-by-rename and the bound of what is read. Knows no content.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::code::Own;
use crate::exit::{Failure, Result};

/// A file that appears whole or not at all, readable by its owner only.
pub(crate) struct NewFile {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<std::fs::File>,
}

impl NewFile {
    /// Begins a file beside `path`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn begin(path: &Path) -> Result<Self> {
        let name = path.file_name().ok_or_else(|| cannot(path, "it names no file"))?;
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}.new", std::process::id()));
        let temporary = path.with_file_name(temporary);
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(|e| cannot(path, &e.to_string()))?;
        Ok(NewFile { path: path.to_owned(), temporary, file: Some(file) })
    }

    /// Appends.
    ///
    /// # Errors
    /// The disk is full, or the like.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(bytes).map_err(|e| cannot(&self.path, &e.to_string())),
            None => Ok(()),
        }
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// As [`NewFile::write`]; then the old file, if there was one, is still there.
    pub(crate) fn finish(mut self) -> Result<()> {
        if let Some(file) = self.file.take() {
            file.sync_all()
                .and_then(|()| std::fs::rename(&self.temporary, &self.path))
                .map_err(|e| cannot(&self.path, &e.to_string()))?;
        }
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // After `finish` it is not there any more.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

/// Writes a whole file, 0600, by rename.
///
/// # Errors
/// It cannot be written; an old one is then still there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = NewFile::begin(path)?;
    file.write(bytes)?;
    file.finish()
}

/// Reads a file of at most `limit` bytes; `-` is stdin.
///
/// # Errors
/// It cannot be read, or is longer.
pub(crate) fn read(path: &str, limit: u64) -> Result<Vec<u8>> {
    let bytes = read_some(path, limit + 1)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(Failure::new(
            Own::Cli004,
            format!("{path} is longer than {limit} bytes"),
            "check that it is the right file",
        ));
    }
    Ok(bytes)
}

/// Reads the first `most` bytes of a file; `-` is stdin.
///
/// # Errors
/// It cannot be read.
pub(crate) fn read_some(path: &str, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let reading = if path == "-" {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    reading.map_err(|e| {
        Failure::new(Own::Cli004, format!("cannot read {path}: {e}"), "check the file's name and permissions")
    })?;
    Ok(bytes)
}

/// As [`read`], and it must be text.
///
/// # Errors
/// As [`read`], or it is not UTF-8.
pub(crate) fn read_text(path: &str, limit: u64) -> Result<String> {
    text(path, read(path, limit)?)
}

/// What was read from `path`, as text.
///
/// # Errors
/// It is not UTF-8.
pub(crate) fn text(path: &str, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes)
        .map_err(|_| Failure::new(Own::Cli004, format!("{path} is not UTF-8 text"), "check that it is the right file"))
}

fn cannot(path: &Path, why: &str) -> Failure {
    Failure::new(
        Own::Cli004,
        format!("cannot write {}: {why}", path.display()),
        "name a file in a folder that this user may write",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn output_is_private_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_was_not_finished_leaves_the_old_file_and_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("backup");
        std::fs::write(&path, "old").unwrap();
        let mut begun = NewFile::begin(&path).unwrap();
        begun.write(b"half").unwrap();
        drop(begun);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_too_long_is_the_wrong_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, [b'x'; 11]).unwrap();
        assert!(read(path.to_str().unwrap(), 10).is_err());
        assert_eq!(read(path.to_str().unwrap(), 11).unwrap().len(), 11);
    }
}
