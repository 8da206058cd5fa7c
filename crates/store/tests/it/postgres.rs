//! The conformance suite on PostgreSQL, and what only PostgreSQL can show. Runs on a private server of its own.

use std::sync::Arc;

use latchkey_directory::records::TABLES;
use latchkey_directory::store::{Store, StoreError};
use latchkey_directory::time::{ManualClock, SystemClock, Timestamp};
use latchkey_store::postgres::PostgresStore;
use sqlx::{Connection as _, Executor as _, Row as _};

use crate::conformance;
use crate::private_postgres::PrivatePostgres;

fn database(server: &PrivatePostgres, name: &str) -> String {
    server.sql("postgres", &format!("CREATE DATABASE {name}"));
    server.url(name)
}

async fn open(url: &str) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(url, Arc::new(SystemClock)).await.unwrap())
}

/// One test for the whole suite: a server takes longer to start than all of it to run.
#[test]
fn the_conformance_suite_on_postgresql() {
    let server = PrivatePostgres::start();
    for (number, (name, case)) in conformance::CASES.iter().enumerate() {
        eprintln!("{name}");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let url = database(&server, &format!("case{number}"));
            let store = open(&url).await;
            case(Arc::clone(&store)).await;
            store.close().await;
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_postgresql_can_show() {
    let server = PrivatePostgres::start();
    let url = database(&server, "one");

    // Two nodes on one database see one store, and neither disturbs the other's start.
    let (first, second) = tokio::join!(open(&url), open(&url));
    assert_eq!(first.facts(), second.facts());
    first.ready().await.unwrap();

    // Its columns are exactly those that the records declare.
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    for table in TABLES {
        let question = "SELECT column_name::text, is_nullable = 'YES' FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position";
        let found = connection.fetch_all(sqlx::query(question).bind(table.name)).await.unwrap();
        let mut found: Vec<(String, bool)> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
        let mut declared: Vec<_> = table.columns.iter().map(|c| (c.name.to_owned(), c.nullable)).collect();
        // Statements name their columns; one that came later stands last in its table, wherever the record has it.
        found.sort_unstable();
        declared.sort_unstable();
        assert_eq!(found, declared, "{}", table.name);
    }

    // Exactly once over two nodes: R4's rule at the level of the store.
    conformance::two_nodes_share_a_counter(first.clone(), second.clone()).await;

    // A node whose clock is far off grants nothing, nor does one on a database without durability, of a newer schema, or not there.
    let wrong = Arc::new(ManualClock::at(Timestamp::from_millis(1_000)));
    assert!(matches!(PostgresStore::open(&url, wrong).await, Err(StoreError::Unreachable(_))));
    connection.execute("ALTER DATABASE one SET synchronous_commit = off").await.unwrap();
    assert!(matches!(PostgresStore::open(&url, Arc::new(SystemClock)).await, Err(StoreError::Unreachable(_))));
    connection.execute("ALTER DATABASE one RESET synchronous_commit").await.unwrap();
    connection.execute("INSERT INTO schema_migration VALUES (9999)").await.unwrap();
    assert!(matches!(
        PostgresStore::open(&url, Arc::new(SystemClock)).await,
        Err(StoreError::Newer { found: 9_999, .. })
    ));
    assert!(matches!(first.ready().await, Err(StoreError::Unreachable(_))), "another node has migrated");
    let nowhere = PostgresStore::open(&server.url("nowhere"), Arc::new(SystemClock)).await;
    assert!(matches!(nowhere, Err(StoreError::Unreachable(_))));
    first.close().await;
    second.close().await;
}
