//! R26: the audit log is append-only; whoever alters the store is found out.

use std::path::PathBuf;
use std::sync::Arc;

use latchkey_directory::audit::log::EventFilter;
use latchkey_directory::audit::verify::{AuditKeys, Verdict};
use latchkey_directory::audit::{Actor, NewEvent};
use latchkey_directory::master::MasterKey;
use latchkey_directory::page::PageRequest;
use latchkey_directory::store::StoreError;
use latchkey_directory::time::SystemClock;
use latchkey_directory::{Directory, OrgId};
use latchkey_store::sqlite::SqliteStore;

use latchkey_wire::{Ed25519Key, Sign as _};

struct Log {
    _folder: tempfile::TempDir,
    file: PathBuf,
    directory: Directory,
    org: OrgId,
    keys: AuditKeys,
}

impl Log {
    async fn with(events: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.db");
        let key = Arc::new(Ed25519Key::generate());
        let keys = AuditKeys { all: vec![key.public().clone()], current: key };
        let log = Self { directory: open(&file), file, org: "acme".parse().unwrap(), keys, _folder: folder };
        log.write(events).await;
        log
    }

    async fn write(&self, events: usize) {
        for n in 0..events {
            let org = self.org.clone();
            self.directory
                .write::<_, StoreError>(move |tx| {
                    tx.audit(&org, NewEvent::new(&Actor::system(), "test.event", format!("t{n}")).with("n", n));
                    Ok(())
                })
                .await
                .unwrap();
        }
    }

    async fn checkpoint(&self) -> Option<String> {
        self.directory.checkpoint(&self.org, &self.keys).await.unwrap()
    }

    async fn verdict(&self) -> Verdict {
        self.directory.verify_audit(&self.org, &self.keys, None).await.unwrap()
    }

    async fn export(&self) -> String {
        let all = PageRequest { limit: 1000, ..PageRequest::default() };
        let page = self.directory.audit_events(&self.org, EventFilter::default(), all).await.unwrap();
        page.items.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect()
    }

    async fn against(&self, export: &str) -> Verdict {
        self.directory.verify_audit(&self.org, &self.keys, Some(export)).await.unwrap()
    }

    /// As whoever got hold of the file would.
    fn tamper(&self, sql: &str) {
        let changed = rusqlite::Connection::open(&self.file).unwrap().execute(sql, []).unwrap();
        assert!(changed > 0, "{sql}");
    }
}

fn open(file: &std::path::Path) -> Directory {
    let store = Arc::new(SqliteStore::open(file, Arc::new(SystemClock)).unwrap());
    let master = MasterKey::new(zeroize::Zeroizing::new([1; 32]));
    Directory::new(store, Arc::new(SystemClock), Arc::new(master))
}

#[tokio::test]
async fn r26_an_untouched_log_is_whole_over_several_processes() {
    let log = Log::with(5).await;
    assert!(log.checkpoint().await.is_some());
    assert!(log.checkpoint().await.is_none(), "nothing happened since");
    log.directory.close().await;
    // The next process opens a chain of its own, which names the checkpoint.
    let log = Log { directory: open(&log.file), ..log };
    log.write(3).await;
    assert!(log.checkpoint().await.is_some());
    let verdict = log.verdict().await;
    assert!(verdict.ok, "{verdict:?}");
    assert_eq!((verdict.chains.len(), verdict.checkpoints, verdict.events), (2, 2, 10));
    assert!(log.export().await.contains("checkpoint_sha256"));
}

#[tokio::test]
async fn r26_an_altered_event_is_found() {
    let log = Log::with(5).await;
    log.tamper("UPDATE audit_event SET target = 'somebody else' WHERE seq = 3");
    let verdict = log.verdict().await;
    assert_eq!((verdict.ok, verdict.chains[0].first_bad_seq), (false, Some(3)));
}

#[tokio::test]
async fn r26_a_removed_event_and_a_cut_log_are_found() {
    let log = Log::with(5).await;
    log.tamper("DELETE FROM audit_event WHERE seq = 3");
    assert_eq!(log.verdict().await.chains[0].first_bad_seq, Some(3));

    let log = Log::with(5).await;
    log.tamper("DELETE FROM audit_event WHERE seq = 6");
    assert_eq!(log.verdict().await.chains[0].first_bad_seq, Some(6));
}

#[tokio::test]
async fn r26_a_log_that_was_cut_together_with_its_head_is_found_by_the_checkpoint() {
    let log = Log::with(5).await;
    log.checkpoint().await.unwrap();
    log.tamper("DELETE FROM audit_event WHERE seq > 4");
    log.tamper("UPDATE audit_chain SET events = 4, head_hash = (SELECT hash FROM audit_event WHERE seq = 4)");
    let verdict = log.verdict().await;
    assert_eq!((verdict.ok, verdict.chains[0].first_bad_seq, verdict.first_bad_checkpoint), (false, None, Some(1)));
}

#[tokio::test]
async fn r26_a_rewritten_checkpoint_is_found() {
    let log = Log::with(5).await;
    log.checkpoint().await.unwrap();
    log.tamper("UPDATE checkpoint SET body = replace(body, '\"seq\":1', '\"seq\":1 ')");
    assert_eq!(log.verdict().await.first_bad_checkpoint, Some(1));
}

#[tokio::test]
async fn r26_a_log_written_anew_from_the_start_is_found_by_an_earlier_export() {
    let log = Log::with(5).await;
    let export = log.export().await;
    log.write(2).await;
    let verdict = log.against(&export).await;
    assert!(verdict.ok, "{verdict:?}");
    assert_eq!(verdict.against.unwrap().events, 6);

    // Another log, whole in itself: only the export tells.
    let other = Log::with(5).await;
    assert!(other.verdict().await.ok);
    let verdict = other.against(&export).await;
    assert_eq!((verdict.ok, verdict.against.as_ref().unwrap().missing), (false, 6));

    // An export that was altered is not evidence of anything.
    // The whole member: two letters alone also stand in a hash now and then.
    let altered = export.replace("\"target\":\"t2\"", "\"target\":\"t9\"");
    let verdict = log.against(&altered).await;
    assert_eq!((verdict.ok, verdict.against.unwrap().unusable), (false, 1));
}
