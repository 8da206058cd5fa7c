//! `key rewrap`: another master key, with the server stopped.
//!
//! Owns the order that a crash cannot harm: the new key is in its file, and the file on the disk, before the commit that makes it the only
//! one that opens the store. Until that commit the old key opens everything, from then on the new one; the old file is left alone, because
//! older backups need it. Must not know what is sealed.

use std::path::Path;
use std::sync::Arc;

use latchkey_directory::master::MasterKey as Master;
use serde_json::json;
use zeroize::Zeroizing;

use crate::app::failure;
use crate::code::Own;
use crate::exit::{Failure, Result};
use crate::output::Output;
use crate::serve::config::Typed;
use crate::serve::master_key::MasterKey;
use crate::stopped::{Stopped, operator};

/// Seals everything with the key in this file, which is made if it is missing.
///
/// # Errors
/// The server runs, or a key file cannot be used; nothing was changed then.
pub fn command(new_file: &Path, typed: &Typed, output: Output) -> Result<()> {
    let stopped = Stopped::open(typed)?;
    let new = MasterKey::open(new_file, true)?;
    let was = stopped.directory().master().id().to_owned();
    if new.id() == was {
        let detail = format!("{} holds the master key that is in use, {was}", new_file.display());
        return Err(Failure::new(Own::Api008, detail, "name a file with another key, or one that is not there yet"));
    }
    MasterKey::settle(new_file)?;
    let id = new.id();
    let master = Arc::new(Master::new(Zeroizing::new(*new.expose())));
    let done = stopped.run(|directory| async move { directory.rewrap(&operator(), master).await.map_err(failure) })?;
    if output.json {
        output.document(&json!({
            "master_key": id, "was": was, "file": new_file, "keys": done.keys, "token_copies": done.token_copies,
            "totp_secrets": done.totp_secrets, "mails": done.mails,
        }));
        return Ok(());
    }
    output.text(&format!(
        "sealed {} keys, {} token copies, {} secrets of authenticators and {} waiting mails with the master key {id}, {}\n",
        done.keys,
        done.token_copies,
        done.totp_secrets,
        done.mails,
        new_file.display()
    ));
    output.say(&format!(
        "from now on start with --master-key-file {}, or put it where the old one is; keep the old one, {was}, for older backups",
        new_file.display()
    ));
    Ok(())
}
