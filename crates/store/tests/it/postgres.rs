//! The conformance suite on PostgreSQL, and what only PostgreSQL can show. Runs on a private server of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use latchkey_directory::records::TABLES;
use latchkey_directory::store::{Store, StoreError};
use latchkey_directory::time::{ManualClock, SystemClock, Timestamp};
use latchkey_store::postgres::PostgresStore;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};

use crate::conformance;

/// A PostgreSQL server in a temporary folder, reached by its socket only.
struct Server {
    folder: tempfile::TempDir,
    bin: PathBuf,
}

impl Server {
    fn start() -> Self {
        let bin = newest_bin();
        let folder = tempfile::Builder::new().prefix("lk-pg").tempdir_in("/tmp").unwrap();
        let server = Self { folder, bin };
        server.as_postgres("chown", &[]);
        server.run("initdb", &["-D", "DATA", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"]);
        // Tests of behaviour, not of crashes: there is no need to wait for the disk.
        server.run("pg_ctl", &["-s", "-w", "-D", "DATA", "-l", "LOG", "-o", "OPTIONS", "start"]);
        server
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.folder.path().display())
    }

    async fn database(&self, name: &str) -> String {
        let mut connection = sqlx::PgConnection::connect(&self.url("postgres")).await.unwrap();
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        self.url(name)
    }

    fn as_postgres(&self, program: &str, _arguments: &[&str]) {
        assert_eq!(program, "chown");
        if rustix::process::geteuid().is_root() {
            let status = Command::new("chown").arg("postgres").arg(self.folder.path()).status().unwrap();
            assert!(status.success());
        }
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let folder = self.folder.path().display().to_string();
        let options = format!("-c listen_addresses='' -k {folder} -c fsync=off");
        let mut command = if rustix::process::geteuid().is_root() {
            // The server refuses to run as root.
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(self.bin.join(program));
            command
        } else {
            Command::new(self.bin.join(program))
        };
        for argument in arguments {
            match *argument {
                "DATA" => command.arg(format!("{folder}/data")),
                "LOG" => command.arg(format!("{folder}/log")),
                "OPTIONS" => command.arg(&options),
                other => command.arg(other),
            };
        }
        let output = command.current_dir("/tmp").stdout(std::process::Stdio::null()).status().unwrap();
        assert!(output.success(), "{program} failed; see {folder}/log");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-s", "-D", "DATA", "-m", "immediate", "stop"]);
    }
}

fn newest_bin() -> PathBuf {
    let mut versions: Vec<_> = Path::new("/usr/lib/postgresql")
        .read_dir()
        .expect("PostgreSQL is needed: apt-get install postgresql")
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop().expect("PostgreSQL's server programs are needed: apt-get install postgresql")
}

async fn open(url: &str) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(url, Arc::new(SystemClock)).await.unwrap())
}

/// One test for the whole suite: a server takes longer to start than all of it to run.
#[test]
fn the_conformance_suite_on_postgresql() {
    let server = Server::start();
    for (number, (name, case)) in conformance::CASES.iter().enumerate() {
        eprintln!("{name}");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let url = server.database(&format!("case{number}")).await;
            let store = open(&url).await;
            case(Arc::clone(&store)).await;
            store.close().await;
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_postgresql_can_show() {
    let server = Server::start();
    let url = server.database("one").await;

    // Two nodes on one database see one store, and neither disturbs the other's start.
    let (first, second) = tokio::join!(open(&url), open(&url));
    assert_eq!(first.facts(), second.facts());
    first.ready().await.unwrap();

    // Its columns are exactly those that the records declare.
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    for table in TABLES {
        let question = "SELECT column_name::text, is_nullable = 'YES' FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position";
        let found = connection.fetch_all(sqlx::query(question).bind(table.name)).await.unwrap();
        let found: Vec<(String, bool)> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
        let declared: Vec<_> = table.columns.iter().map(|c| (c.name.to_owned(), c.nullable)).collect();
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
