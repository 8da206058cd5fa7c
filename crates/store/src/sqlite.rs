//! The embedded store: SQLite in one file, WAL, `synchronous=FULL`.
//!
//! Owns the connections (one that writes, a few that read) and what SQLite does in its own way. One process owns the file: the data
//! directory's lock sees to that. Must not know what the records mean.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use latchkey_directory::query::{Filter, Query};
use latchkey_directory::store::{ReadWork, Store, StoreError, StoreFacts, Tx, WriteWork};
use latchkey_directory::table::{Row, Table};
use latchkey_directory::time::{Clock, Timestamp};
use latchkey_directory::value::{Kind, Value};
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};

use crate::migrations;
use crate::sql::{self, Dialect, Statement};
use crate::writer::{Engine, Handle};

/// How many connections read.
const READERS: usize = 4;

/// After so many pages in the log they are moved into the file. Neighbouring commits write the same few pages again and again, and only the
/// last of each is moved: four times SQLite's own number, 16 MiB, moves a quarter as many.
const CHECKPOINT_PAGES: i64 = 4000;

/// How long a connection waits for another one.
const BUSY: std::time::Duration = std::time::Duration::from_secs(5);

/// The embedded store.
pub struct SqliteStore {
    /// Absent in a store that was opened for reading.
    writer: Option<Handle>,
    readers: Vec<Mutex<Connection>>,
    next: AtomicUsize,
    clock: Arc<dyn Clock>,
    facts: StoreFacts,
    file: PathBuf,
}

impl SqliteStore {
    /// Opens the file, makes it if it is missing, and brings it to the newest schema. A newer schema than this program's is refused.
    pub fn open(file: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let mut connection = connect(file)?;
        migrate(&mut connection)?;
        let facts = read_facts(&connection)?;
        let readers = (0..READERS).map(|_| connect(file).map(Mutex::new)).collect::<Result<_, _>>()?;
        let writer = Handle::start(Writing { connection, broken: None }, Arc::clone(&clock))
            .map_err(|e| StoreError::Unreachable(e.to_string()))?;
        Ok(Self { writer: Some(writer), readers, next: AtomicUsize::new(0), clock, facts, file: file.to_owned() })
    }

    /// Opens an existing file to read it, beside a server that may be running. It is neither made nor migrated, and every write is refused.
    /// Its schema may be an older one: see [`StoreFacts::schema`] before reading records.
    pub fn open_for_reading(file: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags).map_err(plain)?;
        connection.busy_timeout(BUSY).map_err(plain)?;
        connection.pragma_update(None, "trusted_schema", "OFF").map_err(plain)?;
        let facts = read_facts(&connection)?;
        if facts.schema > migrations::SCHEMA {
            return Err(StoreError::Newer { found: facts.schema, known: migrations::SCHEMA });
        }
        let readers = vec![Mutex::new(connection)];
        Ok(Self { writer: None, readers, next: AtomicUsize::new(0), clock, facts, file: file.to_owned() })
    }

    /// Looks through the whole file for damage. Takes as long as reading it does.
    pub fn look_for_damage(&self) -> Result<(), StoreError> {
        let found: String = self
            .with_reader(|connection| connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)))
            .map_err(plain)?;
        if found == "ok" { Ok(()) } else { Err(StoreError::Corrupt(format!("the file is damaged: {found}"))) }
    }

    /// Gives a store that was just restored an incarnation of its own, so that whatever was sealed before the restore opens no more.
    pub fn renew_incarnation(file: &Path) -> Result<(), StoreError> {
        let incarnation = latchkey_directory::random_bytes::<16>();
        match connect(file)?.execute("UPDATE store SET incarnation = ?1", [incarnation.as_slice()]).map_err(plain)? {
            1 => Ok(()),
            n => Err(StoreError::Corrupt(format!("{n} incarnations where one belongs"))),
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    fn with_reader<T>(&self, work: impl FnOnce(&mut Connection) -> T) -> T {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        for at in 0..self.readers.len() {
            if let Ok(mut connection) = self.readers[(start + at) % self.readers.len()].try_lock() {
                return work(&mut connection);
            }
        }
        let reader = &self.readers[start % self.readers.len()];
        work(&mut reader.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Store for SqliteStore {
    fn read(&self, work: ReadWork) -> BoxFuture<'_, Result<(), StoreError>> {
        // A read takes microseconds: handing it to another thread would cost more than it does.
        async move {
            let now = self.clock.now();
            self.with_reader(|connection| {
                let transaction = connection.unchecked_transaction().map_err(plain)?;
                work(&mut Reading { connection: &transaction, now });
                // Nothing was written: how a reading transaction ends does not matter.
                transaction.rollback().map_err(plain)
            })
        }
        .boxed()
    }

    fn write(&self, work: WriteWork) -> BoxFuture<'_, Result<(), StoreError>> {
        match &self.writer {
            Some(writer) => writer.write(work).boxed(),
            None => futures_util::future::ready(Err(crate::for_reading())).boxed(),
        }
    }

    fn facts(&self) -> &StoreFacts {
        &self.facts
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            let facts = self.with_reader(|connection| read_facts(connection))?;
            if facts != self.facts {
                return Err(StoreError::Corrupt("the file was exchanged while the server ran".to_owned()));
            }
            match &self.writer {
                Some(writer) => writer.ready().await,
                None => Ok(()),
            }
        }
        .boxed()
    }

    fn copy_to<'a>(&'a self, file: &'a Path) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let target =
                file.to_str().ok_or_else(|| StoreError::NoSpace("the path is not UTF-8".to_owned()))?.to_owned();
            let source = self.file.clone();
            // A copy of a large store takes a while: on a connection and a thread of its own.
            tokio::task::spawn_blocking(move || {
                connect(&source)?.execute("VACUUM INTO ?1", [target]).map(drop).map_err(plain)
            })
            .await
            .unwrap_or_else(|e| Err(StoreError::Unreachable(e.to_string())))
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            if let Some(writer) = &self.writer {
                writer.close().await;
            }
        }
        .boxed()
    }
}

fn connect(file: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(plain)?;
    connection.set_prepared_statement_cache_capacity(256);
    connection.busy_timeout(BUSY).map_err(plain)?;
    // Without this SQLite compiles a statement anew whenever another value is bound to an indexed column, which is nearly always: that
    // cost more than everything else a sign-in does in the store. Plans do not depend on values here.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(plain)?;
    for (name, value) in [("journal_mode", "WAL"), ("synchronous", "FULL"), ("trusted_schema", "OFF")] {
        connection.pragma_update(None, name, value).map_err(plain)?;
    }
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(plain)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let schema: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(plain)?;
    let schema = u64::try_from(schema).unwrap_or(u64::MAX);
    if schema > migrations::SCHEMA {
        return Err(StoreError::Newer { found: schema, known: migrations::SCHEMA });
    }
    for (number, text) in migrations::after(schema, Dialect::Sqlite) {
        let transaction = connection.transaction().map_err(plain)?;
        transaction.execute_batch(&text).map_err(plain)?;
        if number == 1 {
            let incarnation = latchkey_directory::random_bytes::<16>();
            transaction
                .execute("INSERT INTO store (incarnation) VALUES (?1)", [incarnation.as_slice()])
                .map_err(plain)?;
        }
        transaction.pragma_update(None, "user_version", i64::try_from(number).unwrap_or(i64::MAX)).map_err(plain)?;
        transaction.commit().map_err(plain)?;
    }
    Ok(())
}

fn read_facts(connection: &Connection) -> Result<StoreFacts, StoreError> {
    let schema: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(plain)?;
    let incarnation: Vec<u8> =
        connection.query_row("SELECT incarnation FROM store", [], |row| row.get(0)).map_err(plain)?;
    Ok(StoreFacts {
        incarnation: incarnation
            .try_into()
            .map_err(|_| StoreError::Corrupt("an incarnation has 16 bytes".to_owned()))?,
        schema: u64::try_from(schema).unwrap_or(u64::MAX),
        engine: format!("sqlite {}", rusqlite::version()),
    })
}

/// What went wrong before a commit: nothing was written.
#[expect(clippy::needless_pass_by_value, reason = "it stands where `map_err` wants a function of the error")]
fn plain(error: rusqlite::Error) -> StoreError {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Contended,
        Some(ErrorCode::DiskFull | ErrorCode::ReadOnly | ErrorCode::SystemIoFailure) => StoreError::NoSpace(text),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => StoreError::Unreachable(text),
        _ => StoreError::Corrupt(text),
    }
}

struct Parameter<'a>(&'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
            Value::Bool(truth) => ValueRef::Integer((*truth).into()),
        }))
    }
}

fn cell(value: ValueRef<'_>, kind: Kind) -> Result<Value, StoreError> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) if kind == Kind::Bool => Value::Bool(number != 0),
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Text(text) => Value::Text(
            String::from_utf8(text.to_vec()).map_err(|_| StoreError::Corrupt("text that is not UTF-8".to_owned()))?,
        ),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Real(_) => return Err(StoreError::Corrupt("a fraction where none belongs".to_owned())),
    })
}

fn rows(connection: &Connection, kinds: &[Kind], statement: &Statement) -> Result<Vec<Row>, StoreError> {
    let mut prepared = connection.prepare_cached(&statement.text).map_err(plain)?;
    let parameters = rusqlite::params_from_iter(statement.values.iter().map(Parameter));
    let mut found = prepared.query(parameters).map_err(plain)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(plain)? {
        let cells = kinds.iter().enumerate().map(|(at, kind)| cell(row.get_ref(at).map_err(plain)?, *kind));
        rows.push(cells.collect::<Result<Row, StoreError>>()?);
    }
    Ok(rows)
}

fn selected(connection: &Connection, query: &Query) -> Result<Vec<Row>, StoreError> {
    let kinds: Vec<Kind> = query.table.columns.iter().map(|column| column.kind).collect();
    rows(connection, &kinds, &sql::select(Dialect::Sqlite, query))
}

fn placed(connection: &Connection, query: &Query, skip: u64, columns: &[&str]) -> Result<Option<Row>, StoreError> {
    let kinds = sql::kinds(query.table, columns);
    Ok(rows(connection, &kinds, &sql::place(Dialect::Sqlite, query, skip, columns))?.pop())
}

fn number(connection: &Connection, statement: &Statement) -> Result<u64, StoreError> {
    let mut prepared = connection.prepare_cached(&statement.text).map_err(plain)?;
    let parameters = rusqlite::params_from_iter(statement.values.iter().map(Parameter));
    let count: i64 = prepared.query_row(parameters, |row| row.get(0)).map_err(plain)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

struct Reading<'a> {
    connection: &'a Connection,
    now: Timestamp,
}

impl Tx for Reading<'_> {
    fn select(&mut self, query: &Query) -> Result<Vec<Row>, StoreError> {
        selected(self.connection, query)
    }

    fn place(&mut self, query: &Query, skip: u64, columns: &[&'static str]) -> Result<Option<Vec<Value>>, StoreError> {
        placed(self.connection, query, skip, columns)
    }

    fn count(&mut self, table: &'static Table, filter: &Filter) -> Result<u64, StoreError> {
        number(self.connection, &sql::count(Dialect::Sqlite, table, filter))
    }

    fn now(&self) -> Timestamp {
        self.now
    }
}

struct Writing {
    connection: Connection,
    /// The first error of this transaction after which SQLite may have rolled it back by itself.
    broken: Option<StoreError>,
}

impl Writing {
    fn run(&mut self, text: &str) -> Result<(), StoreError> {
        let result = self.connection.prepare_cached(text).and_then(|mut s| s.execute([])).map(drop).map_err(plain);
        self.note(result)
    }

    fn change(&mut self, statement: &Statement) -> Result<u64, StoreError> {
        let parameters = rusqlite::params_from_iter(statement.values.iter().map(Parameter));
        let changed = self
            .connection
            .prepare_cached(&statement.text)
            .and_then(|mut prepared| prepared.execute(parameters))
            .map(|changed| changed as u64)
            .map_err(plain);
        self.note(changed)
    }

    fn note<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result {
            self.broken.get_or_insert_with(|| error.clone());
        }
        result
    }
}

impl Engine for Writing {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.broken = None;
        self.run("BEGIN IMMEDIATE")
    }

    fn savepoint(&mut self) -> Result<(), StoreError> {
        self.run("SAVEPOINT item")
    }

    fn keep(&mut self) -> Result<(), StoreError> {
        self.run("RELEASE item")
    }

    fn undo(&mut self) -> Result<(), StoreError> {
        self.run("ROLLBACK TO item")?;
        self.run("RELEASE item")
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        // SQLite says whether a commit happened: an error means that it did not, and the transaction is still open.
        self.run("COMMIT")
    }

    fn rollback(&mut self) {
        if !self.connection.is_autocommit() {
            // When even this fails SQLite has rolled back already, or the next BEGIN will say what is wrong.
            let _ = self.run("ROLLBACK");
        }
        self.broken = None;
    }

    fn broken(&mut self) -> Option<StoreError> {
        self.broken.clone()
    }

    fn select(&mut self, query: &Query) -> Result<Vec<Row>, StoreError> {
        let result = selected(&self.connection, query);
        self.note(result)
    }

    fn place(&mut self, query: &Query, skip: u64, columns: &[&str]) -> Result<Option<Vec<Value>>, StoreError> {
        let result = placed(&self.connection, query, skip, columns);
        self.note(result)
    }

    fn count(&mut self, table: &'static Table, filter: &Filter) -> Result<u64, StoreError> {
        let result = number(&self.connection, &sql::count(Dialect::Sqlite, table, filter));
        self.note(result)
    }

    fn insert(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<u64, StoreError> {
        // One by one: there is no round trip to save, and one text for all is compiled once.
        let mut inserted = 0;
        for row in rows {
            inserted += self.change(&sql::insert(Dialect::Sqlite, table, vec![row]))?;
        }
        Ok(inserted)
    }

    fn update(
        &mut self,
        table: &'static Table,
        filter: &Filter,
        set: &[(&'static str, Value)],
    ) -> Result<u64, StoreError> {
        self.change(&sql::update(Dialect::Sqlite, table, filter, set))
    }

    fn add(&mut self, table: &'static Table, filter: &Filter, column: &str, by: i64) -> Result<u64, StoreError> {
        self.change(&sql::add(Dialect::Sqlite, table, filter, column, by))
    }

    fn delete(&mut self, table: &'static Table, filter: &Filter) -> Result<u64, StoreError> {
        self.change(&sql::delete(Dialect::Sqlite, table, filter))
    }
}
