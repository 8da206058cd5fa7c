//! Saying that the server answers: one line, one document, one file.
//!
//! Owns the ready document and the ready file's life. Must not know when that is.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::datadir::write_private;
use crate::exit::{Failure, Result};

/// What a script needs to go on.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    /// The cloud's primary address.
    pub url: String,
    /// The cloud name.
    pub cloud_name: String,
    /// The root key's pin, as the option `cloudKey` takes it.
    pub cloud_key: String,
    /// The operator's socket.
    pub socket: PathBuf,
    /// The own authority's certificate, if there is one.
    pub ca_file: Option<PathBuf>,
    /// The data directory.
    pub data: PathBuf,
}

impl Ready {
    /// The document of cli.md.
    #[must_use]
    pub(super) fn document(&self) -> Value {
        json!({
            "event": "ready",
            "url": self.url,
            "cloud_name": self.cloud_name,
            "cloud_key": self.cloud_key,
            "socket": self.socket,
            "ca_file": self.ca_file,
            "data": self.data,
            "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"),
        })
    }

    /// The document as it is printed: with the set-up link, where there is one. It stands in no file, since others may read that.
    #[must_use]
    pub(super) fn announcement(&self, setup_url: Option<&str>) -> Value {
        let mut document = self.document();
        if let Some(url) = setup_url {
            document["setup_url"] = url.into();
        }
        document
    }

    /// The line of a person.
    #[must_use]
    pub(super) fn line(&self) -> String {
        let ca = self.ca_file.as_ref().map(|file| format!(", CA {}", file.display())).unwrap_or_default();
        format!("ready: {}, cloud name {}, cloud key {}{ca}\n", self.url, self.cloud_name, self.cloud_key)
    }
}

/// The file that is there while, and only while, the server answers.
#[derive(Debug)]
pub(super) struct ReadyFile(Option<PathBuf>);

impl ReadyFile {
    /// Takes away what an earlier run may have left.
    pub(super) fn prepare(file: Option<&Path>) -> Result<Self> {
        if let Some(file) = file {
            match std::fs::remove_file(file) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Failure::io(file.display(), &error)),
            }
        }
        Ok(Self(file.map(Path::to_owned)))
    }

    /// Writes the document, whole at once.
    pub(super) fn write(&self, ready: &Ready) -> Result<()> {
        let Some(file) = &self.0 else { return Ok(()) };
        // Nothing in it is secret, and who waits for it may be another user.
        write_private(file, format!("{}\n", ready.document()).as_bytes(), 0o644)
            .map_err(|error| Failure::io(file.display(), &error))
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        if let Some(file) = &self.0 {
            // Gone already is as good.
            let _ = std::fs::remove_file(file);
        }
    }
}
