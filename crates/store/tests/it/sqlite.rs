//! The conformance suite on SQLite, and what only SQLite can show.

use std::sync::Arc;

use latchkey_directory::records::TABLES;
use latchkey_directory::store::{Store, StoreError};
use latchkey_directory::time::SystemClock;
use latchkey_store::sqlite::SqliteStore;

use crate::conformance;

fn open(folder: &tempfile::TempDir) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(&folder.path().join("store.db"), Arc::new(SystemClock)).unwrap())
}

fn fresh() -> (Arc<dyn Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (open(&folder), folder)
}

conformance::suite!(fresh);

#[test]
fn the_migrations_make_exactly_the_columns_that_the_records_declare() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder));
    let connection = rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
    for table in TABLES {
        let mut found: Vec<(String, bool)> = Vec::new();
        connection
            .pragma(None, "table_info", table.name, |row| {
                found.push((row.get(1)?, row.get::<_, i64>(3)? == 0));
                Ok(())
            })
            .unwrap();
        let mut declared: Vec<_> = table.columns.iter().map(|c| (c.name.to_owned(), c.nullable)).collect();
        // Statements name their columns; one that came later stands last in its table, wherever the record has it.
        found.sort_unstable();
        declared.sort_unstable();
        assert_eq!(found, declared, "{}", table.name);
    }
}

#[test]
fn a_newer_schema_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder));
    let file = folder.path().join("store.db");
    rusqlite::Connection::open(&file).unwrap().pragma_update(None, "user_version", 9_999).unwrap();
    assert!(matches!(SqliteStore::open(&file, Arc::new(SystemClock)), Err(StoreError::Newer { found: 9_999, .. })));
}

#[tokio::test]
async fn a_copy_is_whole_and_opens() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let copy = folder.path().join("copy.db");
    store.copy_to(&copy).await.unwrap();
    let copied = SqliteStore::open(&copy, Arc::new(SystemClock)).unwrap();
    assert_eq!(copied.facts(), store.facts());
}
