//! The store: reachable, durable, whole, of our schema, sealed with our key, its audit chains ending where they should.

use std::sync::Arc;

use latchkey_directory::master::MasterKey as Master;
use latchkey_directory::store::{Store, StoreError};
use latchkey_directory::time::SystemClock;
use latchkey_directory::{Directory, Error};
use latchkey_store::SCHEMA;
use latchkey_store::postgres::PostgresStore;
use latchkey_store::sqlite::SqliteStore;
use zeroize::Zeroizing;

use super::{Finding, machine};
use crate::code::Own;
use crate::serve::datadir::STORE_FILE;
use crate::serve::master_key::MasterKey;
use crate::serve::settings::Settings;

/// So many seconds the clock may be behind the newest event: other nodes have clocks of their own.
const CLOCK_BEHIND: i64 = 300;

/// Everything about the store, as far as each step lets the next one be.
pub(super) async fn look(settings: &Settings, key: Option<&MasterKey>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let opened = match &settings.database {
        Some(url) => postgres(url.expose(), &mut findings).await,
        None => sqlite(settings, &mut findings),
    };
    let Some(store) = opened else { return findings };
    let schema = store.facts().schema;
    if schema == 0 {
        let fix = "the first `latchkey serve` makes the tables";
        findings.push(Finding::warning("schema", Own::Check001, "the database is empty", fix));
        return findings;
    }
    if schema < SCHEMA {
        let detail = format!("schema {schema}, this program's is {SCHEMA}; what is in it was not looked at");
        let fix = "the next `latchkey serve` brings it up to date: take a backup with the old program before";
        findings.push(Finding::warning("schema", Own::Check001, detail, fix));
        return findings;
    }
    findings.push(Finding::good("schema", format!("schema {schema}")));
    // Without the key the finding before has said what to do.
    if let Some(key) = key {
        let master = Master::new(Zeroizing::new(*key.expose()));
        let directory = Directory::new(Arc::clone(&store), Arc::new(SystemClock), Arc::new(master));
        findings.extend(contents(settings, &directory).await);
    }
    store.close().await;
    findings
}

fn sqlite(settings: &Settings, findings: &mut Vec<Finding>) -> Option<Arc<dyn Store>> {
    let file = settings.data.join(STORE_FILE);
    if !file.exists() {
        let detail = format!("there is no {}", file.display());
        let fix = "the first `latchkey serve` makes it; or name the right directory with --data";
        findings.push(Finding::bad("store", Own::Serve008, detail, fix));
        return None;
    }
    let opened = SqliteStore::open_for_reading(&file, Arc::new(SystemClock))
        .and_then(|store| store.look_for_damage().map(|()| store));
    match opened {
        Ok(store) => {
            let detail = format!("{}, {}", store.facts().engine, file.display());
            findings.push(Finding::good("store", detail));
            Some(Arc::new(store))
        }
        Err(error) => {
            findings.push(unusable(&error));
            None
        }
    }
}

async fn postgres(url: &str, findings: &mut Vec<Finding>) -> Option<Arc<dyn Store>> {
    let store = match PostgresStore::open_for_reading(url, Arc::new(SystemClock)).await {
        Ok(store) => store,
        Err(error) => {
            findings.push(unusable(&error));
            return None;
        }
    };
    findings.push(Finding::good("store", store.facts().engine.clone()));
    findings.push(match store.doubt().await {
        Ok(None) => Finding::good(
            "durability",
            "what is acknowledged is on disk, and on a synchronous standby if there are any",
        ),
        Ok(Some(doubt)) => {
            let fix = "set synchronous_standby_names and synchronous_commit = on, and fsync = on";
            Finding::warning("durability", Own::Check001, doubt, fix)
        }
        Err(error) => unusable(&error),
    });
    Some(Arc::new(store))
}

fn unusable(error: &StoreError) -> Finding {
    match error {
        StoreError::Newer { .. } => Finding::bad("schema", Own::Serve007, error.to_string(), Own::Serve007.fix()),
        StoreError::Corrupt(_) => Finding::bad(
            "store",
            Own::Serve001,
            error.to_string(),
            "keep the file as it is, and restore the newest backup: latchkey restore FILE --data EMPTY-DIR",
        ),
        _ => Finding::bad("store", Own::Serve008, error.to_string(), Own::Serve008.fix()),
    }
}

async fn contents(settings: &Settings, directory: &Directory) -> Vec<Finding> {
    let cloud = match directory.cloud().await {
        Ok(Some(cloud)) => cloud,
        Ok(None) => {
            let fix = "the next `latchkey serve` founds the cloud";
            return vec![Finding::warning("keys", Own::Check001, "the store holds no cloud yet", fix)];
        }
        Err(Error::State { detail, fix }) => return vec![Finding::bad("keys", Own::Serve006, detail, fix)],
        Err(error) => return vec![Finding::bad("store", Own::Serve001, error.to_string(), Own::Serve001.fix())],
    };
    let found = match directory.inspect().await {
        Ok(found) => found,
        Err(error) => return vec![Finding::bad("store", Own::Serve001, error.to_string(), Own::Serve001.fix())],
    };
    let mut findings = Vec::new();
    findings.push(if found.sealed_keys.is_empty() {
        match crate::app::Root::load(directory).await {
            // What LK-CLOUD-002 asks to be compared with a token's pin.
            Ok(root) => {
                let cloud_key = root.pin().to_string();
                let detail = format!("all {} open with the master key; the cloud key is {cloud_key}", found.keys);
                Finding::good("keys", detail).with("cloud_key", cloud_key)
            }
            Err(error) => Finding::bad("keys", Own::Serve001, error.to_string(), Own::Serve001.fix()),
        }
    } else {
        let detail = format!("these do not open with the master key: {}", found.sealed_keys.join(", "));
        Finding::bad("keys", Own::Serve006, detail, "restore the newest backup, or add and activate new keys")
    });
    findings.push(if found.broken_chains.is_empty() {
        Finding::good("audit", format!("{} chains end where they should", found.chains))
    } else {
        let fix = "keep the store as it is; latchkey audit verify --against an earlier export says what was changed";
        Finding::bad("audit", Own::Check003, found.broken_chains.join("; "), fix)
    });
    if let Some(newest) = found.newest_event {
        let not_before = newest.seconds().cast_signed() - CLOCK_BEHIND;
        findings.push(machine::clock("data_clock", settings, not_before, "the newest audit event was written"));
    }
    if let Some(restored_at) = cloud.restored_at {
        let detail = format!("restored at {restored_at}; silent sign-in waits");
        let fix = "stop the server, and: latchkey restore --confirm [--replay AUDIT.jsonl]";
        findings.push(Finding::bad("restore", Own::Restore001, detail, fix));
    }
    findings
}
