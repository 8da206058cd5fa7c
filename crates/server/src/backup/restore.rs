//! `restore FILE`: a backup becomes the store of an empty data directory.
//!
//! Owns the order: everything is checked and changed in a file of another name, which takes its place last, so that a restore that fails
//! or is killed leaves no store that a server would start on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use latchkey_directory::restore::{OutOfForce, begin};
use latchkey_directory::store::Store;
use latchkey_directory::time::SystemClock;
use latchkey_directory::{Directory, key_copy};
use latchkey_store::SCHEMA;
use latchkey_store::sqlite::SqliteStore;
use serde_json::json;
use zeroize::Zeroizing;

use super::archive::{self, Manifest};
use crate::app::{failure, store_failure};
use crate::cli::password;
use crate::code::Own;
use crate::exit::{Failure, Result};
use crate::output::Output;
use crate::serve::config::{Said, Typed};
use crate::serve::datadir::{DataDir, STORE_FILE, sync_folder};
use crate::serve::master_key::MasterKey;
use crate::serve::settings::Settings;
use crate::stopped;

/// A folder of its own, so that what the engine writes beside the file is in it as well.
const FOLDER: &str = "restoring";

pub(super) fn restore(file: &Path, password_file: Option<&str>, typed: &Typed, output: Output) -> Result<()> {
    let settings = Settings::resolve(&Said::gather(typed, |name| std::env::var_os(name))?)?;
    if settings.database.is_some() {
        return Err(Failure::new(
            Own::Backup001,
            "a backup is restored into the embedded store; --database names PostgreSQL",
            "restore the database with its own tools: pg_restore",
        ));
    }
    stopped::private();
    refuse_used(&settings)?;
    let data = DataDir::open(&settings.data)?;
    let placed = place(file, password_file, &settings, &data, output);
    if placed.is_err() {
        data.abandon();
    }
    placed
}

/// Makes the store from the backup and puts it, and the master key, in their places.
fn place(file: &Path, password_file: Option<&str>, settings: &Settings, data: &DataDir, output: Output) -> Result<()> {
    let folder = Scratch::make(data.path().join(FOLDER))?;
    let copy = folder.0.join(STORE_FILE);
    let key_file = settings.master_key_file.clone().unwrap_or_else(|| data.master_key_file());
    let mut key = Key::Missing;
    let manifest = archive::read(file, |manifest, sealed| {
        if manifest.schema > SCHEMA {
            let detail = format!("the backup has schema {}, this program knows {SCHEMA}", manifest.schema);
            return Err(Failure::new(Own::Serve007, detail, Own::Serve007.fix()));
        }
        key = Key::find(manifest, sealed, &key_file, password_file)?;
        Ok(copy.clone())
    })?;
    let out = stopped::runtime()?.block_on(prepare(&copy, &manifest, key.secret()))?;
    let placed = key.place(&key_file)?;
    let target = data.store_file();
    std::fs::rename(&copy, &target).map_err(|error| Failure::io(target.display(), &error))?;
    sync_folder(data.path()).map_err(|error| Failure::io(data.path().display(), &error))?;
    drop(folder);
    tell(output, data, &manifest, out, &key_file, placed, &key);
    Ok(())
}

fn refuse_used(settings: &Settings) -> Result<()> {
    let store = settings.data.join(STORE_FILE);
    if store.exists() {
        let detail = format!("{} is there already", store.display());
        return Err(Failure::new(Own::Restore004, detail, Own::Restore004.fix()));
    }
    Ok(())
}

/// The folder of the unfinished store; one that a killed restore left is made anew.
struct Scratch(PathBuf);

impl Scratch {
    fn make(folder: PathBuf) -> Result<Self> {
        let failed = |error: std::io::Error| Failure::io(folder.display(), &error);
        match std::fs::remove_dir_all(&folder) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        std::fs::create_dir(&folder).map_err(failed)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The next restore removes what cannot be removed now.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where the master key comes from.
enum Key {
    /// It is in its place.
    There(MasterKey),
    /// It was in the backup.
    Inside(Zeroizing<[u8; 32]>),
    /// Somebody has to bring it.
    Missing,
}

impl Key {
    fn find(manifest: &Manifest, sealed: Option<Vec<u8>>, file: &Path, password_file: Option<&str>) -> Result<Self> {
        let wanted = &manifest.master_key.fingerprint;
        if file.exists() {
            let key = MasterKey::open(file, false)?;
            if key.id() != *wanted {
                let detail =
                    format!("{} is the master key {}, the backup was sealed with {wanted}", file.display(), key.id());
                return Err(Failure::new(
                    Own::Serve006,
                    detail,
                    "move that file away, or name the right one with --master-key-file",
                ));
            }
            return Ok(Self::There(key));
        }
        let Some(sealed) = sealed else { return Ok(Self::Missing) };
        let password = password(password_file, ": the master key is inside the backup, sealed with a password")?;
        match key_copy::open(&sealed, &password, wanted).map_err(failure)? {
            Some(secret) => Ok(Self::Inside(secret)),
            None => Err(Failure::of(Own::Backup003)),
        }
    }

    fn secret(&self) -> Option<Zeroizing<[u8; 32]>> {
        match self {
            Self::There(key) => Some(Zeroizing::new(*key.expose())),
            Self::Inside(secret) => Some(secret.clone()),
            Self::Missing => None,
        }
    }

    /// Whether the key was written now.
    fn place(&self, file: &Path) -> Result<bool> {
        let Self::Inside(secret) = self else { return Ok(false) };
        MasterKey::keep(secret.clone(), file)?;
        Ok(true)
    }
}

/// Makes the copy fit to be served: whole, of this schema, an incarnation of its own, everything that may be out of date out of force.
async fn prepare(copy: &Path, manifest: &Manifest, key: Option<Zeroizing<[u8; 32]>>) -> Result<OutOfForce> {
    let clock = Arc::new(SystemClock);
    let not = |why: &str| Failure::new(Own::Backup002, why, Own::Backup002.fix());
    let reading = SqliteStore::open_for_reading(copy, clock.clone()).map_err(|error| store_failure(&error))?;
    reading.look_for_damage().map_err(|error| not(&error.to_string()))?;
    if data_encoding::HEXLOWER.encode(&reading.facts().incarnation) != manifest.incarnation {
        return Err(not("the store in the backup is not the one its manifest names"));
    }
    drop(reading);
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(copy, clock.clone()).map_err(|error| store_failure(&error))?);
    if let Some(key) = key {
        let directory = Directory::new(
            Arc::clone(&store),
            clock.clone(),
            Arc::new(latchkey_directory::master::MasterKey::new(key)),
        );
        directory.cloud().await.map_err(failure)?.ok_or_else(|| not("the backup holds no cloud"))?;
        let found = directory.inspect().await.map_err(failure)?;
        if let Some(first) = found.sealed_keys.first().or(found.broken_chains.first()) {
            return Err(not(&format!("the store in the backup is not whole: {first}")));
        }
    }
    let out = begin(&store, &stopped::operator(), manifest.taken_at).await.map_err(failure)?;
    store.close().await;
    drop(store);
    SqliteStore::renew_incarnation(copy).map_err(|error| store_failure(&error))?;
    Ok(out)
}

fn tell(output: Output, data: &DataDir, manifest: &Manifest, out: OutOfForce, file: &Path, placed: bool, key: &Key) {
    let fingerprint = &manifest.master_key.fingerprint;
    let missing = matches!(key, Key::Missing);
    if output.json {
        output.document(&json!({
            "data": data.path(), "taken_at": manifest.taken_at, "version": manifest.version, "cloud": manifest.cloud,
            "master_key": {"fingerprint": fingerprint, "file": file, "placed": placed, "missing": missing},
            "out_of_force": out,
        }));
        return;
    }
    let OutOfForce { device_tokens, one_time_codes, api_clients, recovery_codes, sessions } = out;
    output.text(&format!("restored {} as it was at {}\n", data.path().display(), manifest.taken_at));
    output.say(&format!(
        "out of force: {device_tokens} device tokens, {one_time_codes} one-time codes, {api_clients} API clients, {recovery_codes} recovery codes, {sessions} sessions"
    ));
    let file = file.display();
    if missing {
        output.say(&format!(
            "the master key is not in the backup: put the one with fingerprint {fingerprint} at {file}, chmod 600"
        ));
    } else if placed {
        output.say(&format!("the master key {fingerprint} was in the backup and is at {file} now"));
    }
    output.say("silent sign-in waits for: latchkey restore --confirm [--replay AUDIT.jsonl], with the server stopped");
}
