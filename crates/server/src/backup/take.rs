//! Taking a backup while the server runs.
//!
//! Owns the temporary copy: inside the data directory, for this user alone, gone before the first byte is sent (the open file lives on).

use std::io::Write;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::{Body, Bytes};
use latchkey_directory::audit::Actor;
use latchkey_directory::key_copy;
use latchkey_directory::store::StoreError;
use latchkey_directory::tokens::Password;
use tokio::sync::mpsc;

use super::archive::{self, KeyFacts, Manifest};
use crate::app::App;
use crate::code::Own;
use crate::problem::{Problem, Result};

const PREFIX: &str = "backup-";
const SUFFIX: &str = ".tmp";

/// How long the copy may take before the answer begins without it: a failure after that cuts the answer short.
const PATIENCE: Duration = Duration::from_secs(30);

/// So much is sent at once.
const PIECE: usize = 256 * 1024;

/// A folder that goes with its owner.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is removed at the next start.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Removes what a server that was killed left of a backup.
pub fn clean(data: &Path) {
    for entry in data.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX)) {
            // It is only in the way of the disk.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Everything of an archive.
struct Prepared {
    manifest: Manifest,
    key: Option<Vec<u8>>,
    store: std::fs::File,
}

/// Takes a backup and answers it as a stream.
pub async fn take(app: &std::sync::Arc<App>, actor: Actor, password: Option<Password>) -> Result<Body> {
    if app.settings.database.is_some() {
        return Err(Problem::of(Own::Backup001));
    }
    app.directory.note_backup(&actor, password.is_some()).await?;
    let mut preparing = tokio::spawn(prepare(std::sync::Arc::clone(app), password));
    let ready = match tokio::time::timeout(PATIENCE, &mut preparing).await {
        Ok(prepared) => Some(prepared.map_err(Problem::internal)??),
        Err(_) => None,
    };
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        let prepared = match ready {
            Some(prepared) => Ok(prepared),
            None => match preparing.await {
                Ok(prepared) => prepared.map_err(|problem| problem.words().to_owned()),
                Err(panic) => Err(panic.to_string()),
            },
        };
        let failed = sender.clone();
        let sent = match prepared {
            Ok(prepared) => tokio::task::spawn_blocking(move || send(prepared, sender))
                .await
                .unwrap_or_else(|panic| Err(std::io::Error::other(panic))),
            Err(words) => Err(std::io::Error::other(words)),
        };
        if let Err(error) = sent {
            tracing::error!(%error, "the backup was cut short");
            // Whoever asked may have gone away, which is the error.
            let _ = failed.send(Err(error)).await;
        }
    });
    Ok(Body::from_stream(futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    })))
}

async fn prepare(app: std::sync::Arc<App>, password: Option<Password>) -> Result<Prepared> {
    let (directory, now) = (&app.directory, app.directory.now());
    let full = |error: std::io::Error| Problem::from(StoreError::NoSpace(error.to_string()));
    let id = latchkey_directory::id::new_id(now);
    let scratch = Scratch(app.settings.data.join(format!("{PREFIX}{id}{SUFFIX}")));
    std::fs::DirBuilder::new().mode(0o700).create(&scratch.0).map_err(full)?;
    let copy = scratch.0.join("store.db");
    // Before the copy: whoever asks later what may be missing must not be told too little.
    let key = KeyFacts { fingerprint: directory.master().id().to_owned(), included: password.is_some() };
    let mut manifest = Manifest::new(now, directory.facts(), &app.iss, key);
    directory.copy_to(&copy).await?;
    let master = std::sync::Arc::clone(directory.master());
    tokio::task::spawn_blocking(move || {
        let key = password.map(|password| key_copy::seal(&master, password.expose())).transpose()?;
        manifest.store = archive::measure(std::fs::File::open(&copy).map_err(full)?).map_err(full)?;
        let store = std::fs::File::open(&copy).map_err(full)?;
        drop(scratch);
        Ok(Prepared { manifest, key, store })
    })
    .await
    .map_err(Problem::internal)?
}

fn send(prepared: Prepared, sender: mpsc::Sender<std::io::Result<Bytes>>) -> std::io::Result<()> {
    let pieces = std::io::BufWriter::with_capacity(PIECE, Pieces(sender));
    archive::write(pieces, &prepared.manifest, prepared.key.as_deref(), prepared.store)
}

/// A writer whose pieces become the body.
struct Pieces(mpsc::Sender<std::io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let gone = |_| std::io::Error::other("whoever asked for the backup has gone");
        self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes))).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
