//! PostgreSQL 14 or newer, or an engine that speaks its protocol: for more than one node.
//!
//! Owns the connections and what PostgreSQL does in its own way: serializable transactions, durability that is refused to be switched
//! off, the node's checks. Must not know what the records mean.
//!
//! Work is synchronous (it is a rule of the directory, not I/O), so the writer's thread and the blocking threads that read wait for each
//! statement. That costs a thread, not a worker of the runtime.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use latchkey_directory::query::{Filter, Query};
use latchkey_directory::store::{ReadWork, Store, StoreError, StoreFacts, Tx, WriteWork};
use latchkey_directory::table::{Row, Table};
use latchkey_directory::time::{Clock, Timestamp};
use latchkey_directory::value::{Kind, Value};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow, PgSslMode};
use sqlx::query::Query as Prepared;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Postgres, Row as _};
use tokio::runtime::Handle as Runtime;

use crate::migrations;
use crate::sql::{self, Dialect, Statement};
use crate::writer::{Engine, Handle};

/// How many connections read.
const READERS: u32 = 8;

/// How long a connection may take to be made or handed out.
const CONNECT: Duration = Duration::from_secs(5);

/// So far the database's clock may be from this node's.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// The oldest version, as `server_version_num`.
const OLDEST: i64 = 140_000;

/// What the planner is told. Every long list has an index in its order, and is asked for a page: sorting what a filter finds is the plan that is fast
/// until the filter finds much. Where there is no such index, the few rows are sorted all the same. Compiling a query takes longer than any of
/// ours, and the planner thinks it worth it when it has to sort after all.
pub const PLANNER: [(&str, &str); 2] = [("enable_sort", "off"), ("jit", "off")];

/// A number for the advisory lock under which migrations run; any constant of our own does.
const MIGRATION_LOCK: i64 = 0x6c61_7463_686b_6579;

/// Text is compared and lowered byte by byte, as SQLite does it, whatever the locale of the database: what is found and in which order must
/// not depend on it, and an index serves a comparison only if both have the same collation. Databases made before the migration of this
/// number have columns of the database's own collation; this changes them, one `ALTER TABLE` for each table.
const BYTEWISE: &str = r#"
DO $$
DECLARE line record;
BEGIN
    FOR line IN
        SELECT c.table_name, string_agg(format('ALTER COLUMN %I TYPE TEXT COLLATE "C"', c.column_name), ', ') AS changes
        FROM information_schema.columns c
        JOIN information_schema.tables t USING (table_schema, table_name)
        WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' AND c.data_type = 'text'
            AND c.collation_name IS DISTINCT FROM 'C'
        GROUP BY c.table_name
    LOOP
        EXECUTE format('ALTER TABLE %I %s', line.table_name, line.changes);
    END LOOP;
END $$"#;

/// PostgreSQL as a store.
pub struct PostgresStore {
    /// Absent in a store that was opened for reading.
    writer: Option<Handle>,
    readers: PgPool,
    clock: Arc<dyn Clock>,
    facts: StoreFacts,
}

impl PostgresStore {
    /// Connects, checks that the database is fit, and brings it to the newest schema. To a host that is not this machine the connection is
    /// encrypted and the server's certificate verified, unless the address says otherwise (`sslmode`).
    pub async fn open(url: &str, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let options = options(url)?;
        let mut connection = connect(&options).await?;
        check(&mut connection, clock.as_ref()).await?;
        migrate(&mut connection).await?;
        let facts = read_facts(&mut connection).await?;
        let readers =
            PgPoolOptions::new().max_connections(READERS).acquire_timeout(CONNECT).connect_lazy_with(options.clone());
        let engine = Writing {
            runtime: Runtime::current(),
            options,
            connection: Some(connection),
            facts: facts.clone(),
            clock: Arc::clone(&clock),
            broken: None,
        };
        let writer = Handle::start(engine, Arc::clone(&clock)).map_err(|e| StoreError::Unreachable(e.to_string()))?;
        Ok(Self { writer: Some(writer), readers, clock, facts })
    }

    /// Connects and checks that the database is fit, to read it beside servers that may be running. Nothing is migrated, and every write is
    /// refused. Its schema may be an older one, 0 in an empty database: see [`StoreFacts::schema`] before reading records.
    pub async fn open_for_reading(url: &str, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let options = options(url)?;
        let mut connection = connect(&options).await?;
        check(&mut connection, clock.as_ref()).await?;
        let empty = "SELECT to_regclass('schema_migration') IS NULL, current_setting('server_version')";
        let row = connection.fetch_one(empty).await.map_err(|e| plain(&e))?;
        let facts = if row.try_get(0).map_err(|e| plain(&e))? {
            let version: String = row.try_get(1).map_err(|e| plain(&e))?;
            StoreFacts { incarnation: [0; 16], schema: 0, engine: format!("postgresql {version}") }
        } else {
            read_facts(&mut connection).await?
        };
        if facts.schema > migrations::SCHEMA {
            return Err(StoreError::Newer { found: facts.schema, known: migrations::SCHEMA });
        }
        let readers = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT).connect_lazy_with(options);
        Ok(Self { writer: None, readers, clock, facts })
    }

    /// What could lose an acknowledged grant although the database itself is durable: a standby that it does not wait for.
    pub async fn doubt(&self) -> Result<Option<String>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(|e| plain(&e))?;
        let question = "SELECT current_setting('synchronous_standby_names'), current_setting('synchronous_commit'), \
                        current_setting('fsync'), (SELECT count(*) FROM pg_stat_replication)";
        let row = connection.fetch_one(question).await.map_err(|e| plain(&e))?;
        let field = |e: sqlx::Error| plain(&e);
        let names: String = row.try_get(0).map_err(field)?;
        let commit: String = row.try_get(1).map_err(field)?;
        let fsync: String = row.try_get(2).map_err(field)?;
        let standbys: i64 = row.try_get(3).map_err(field)?;
        if fsync != "on" {
            return Ok(Some("fsync is off: a crash of the machine loses what was acknowledged".to_owned()));
        }
        let waits = !names.trim().is_empty() && commit != "local";
        Ok((standbys > 0 && !waits).then(|| {
            format!("{standbys} standby servers, none synchronous: a failover loses what was acknowledged last")
        }))
    }
}

impl Store for PostgresStore {
    fn read(&self, work: ReadWork) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            let mut connection = self.readers.acquire().await.map_err(|e| plain(&e))?;
            let now = self.clock.now();
            let runtime = Runtime::current();
            tokio::task::spawn_blocking(move || {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                runtime.block_on(connection.execute(begin)).map_err(|e| plain(&e))?;
                work(&mut Reading { runtime: &runtime, connection: &mut connection, now });
                // Nothing was written: how a reading transaction ends does not matter, only that it does.
                runtime.block_on(connection.execute("ROLLBACK")).map(drop).map_err(|e| plain(&e))
            })
            .await
            .unwrap_or_else(|e| Err(StoreError::Unreachable(e.to_string())))
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
            let mut connection = self.readers.acquire().await.map_err(|e| plain(&e))?;
            check(&mut connection, self.clock.as_ref()).await?;
            same_store(&self.facts, &read_facts(&mut connection).await?)?;
            // Reading and writing are on connections of their own.
            drop(connection);
            match &self.writer {
                Some(writer) => writer.ready().await,
                None => Ok(()),
            }
        }
        .boxed()
    }

    fn copy_to<'a>(&'a self, _file: &'a std::path::Path) -> BoxFuture<'a, Result<(), StoreError>> {
        let refused = "a PostgreSQL database is backed up with its own tools: pg_dump, or continuous archiving";
        async move { Err(StoreError::NoSpace(refused.to_owned())) }.boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            if let Some(writer) = &self.writer {
                writer.close().await;
            }
            self.readers.close().await;
        }
        .boxed()
    }
}

fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    // The address may hold a password: the error must not repeat it.
    let unreadable = |_| StoreError::Unreachable("the database's address is not postgres://user@host/name".to_owned());
    let mut options = PgConnectOptions::from_str(url).map_err(unreadable)?;
    let host = options.get_host().to_owned();
    let here = options.get_socket().is_some()
        || host.starts_with('/')
        || matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1");
    if !here && !url.contains("sslmode=") {
        options = options.ssl_mode(PgSslMode::VerifyFull);
    }
    Ok(options.application_name("latchkey").statement_cache_capacity(256).disable_statement_logging().options([
        ("lock_timeout", "5s"),
        ("statement_timeout", "30s"),
        ("idle_in_transaction_session_timeout", "30s"),
        PLANNER[0],
        PLANNER[1],
    ]))
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    match tokio::time::timeout(CONNECT, PgConnection::connect_with(options)).await {
        Ok(connected) => connected.map_err(|e| plain(&e)),
        Err(_) => Err(StoreError::Unreachable("the database does not answer".to_owned())),
    }
}

/// Refuses a database that is too old, a standby, without durability, or whose clock is far from ours.
async fn check(connection: &mut PgConnection, clock: &dyn Clock) -> Result<(), StoreError> {
    let row = connection
        .fetch_one(
            "SELECT current_setting('server_version_num')::bigint, pg_is_in_recovery(), \
             current_setting('synchronous_commit'), current_setting('fsync'), \
             (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
        )
        .await
        .map_err(|e| plain(&e))?;
    let field = |e: sqlx::Error| plain(&e);
    let version: i64 = row.try_get(0).map_err(field)?;
    let standby: bool = row.try_get(1).map_err(field)?;
    let commit: String = row.try_get(2).map_err(field)?;
    let now = Timestamp::from_millis(row.try_get(4).map_err(field)?);
    if version < OLDEST {
        return Err(StoreError::Unreachable(format!("PostgreSQL 14 or newer is needed, this is {}", version / 10_000)));
    }
    if standby {
        return Err(StoreError::Unreachable("the database is a standby and cannot be written".to_owned()));
    }
    if commit == "off" {
        let detail = "synchronous_commit is off: an acknowledged grant could be lost. Set it to on for this database";
        return Err(StoreError::Unreachable(detail.to_owned()));
    }
    let ours = clock.now();
    if ours.since(now).max(now.since(ours)) > CLOCK_SKEW {
        return Err(StoreError::Unreachable(format!("the database's clock says {now}, this node's {ours}")));
    }
    Ok(())
}

async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    let failed = |e: sqlx::Error| plain(&e);
    // Several nodes may start at once: one migrates, the others wait and find nothing to do.
    let mut transaction = connection.begin().await.map_err(failed)?;
    let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
    transaction.execute(AssertSqlSafe(lock)).await.map_err(failed)?;
    transaction
        .execute("CREATE TABLE IF NOT EXISTS schema_migration (number BIGINT PRIMARY KEY)")
        .await
        .map_err(failed)?;
    let row = transaction.fetch_one("SELECT coalesce(max(number), 0) FROM schema_migration").await.map_err(failed)?;
    let schema: i64 = row.try_get(0).map_err(failed)?;
    let schema = u64::try_from(schema).unwrap_or(u64::MAX);
    if schema > migrations::SCHEMA {
        return Err(StoreError::Newer { found: schema, known: migrations::SCHEMA });
    }
    for (number, text) in migrations::after(schema, Dialect::Postgres) {
        if number == migrations::BYTEWISE {
            transaction.execute(sqlx::raw_sql(BYTEWISE)).await.map_err(failed)?;
        }
        transaction.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.map_err(failed)?;
        if number == 1 {
            let incarnation = latchkey_directory::random_bytes::<16>();
            let insert = sqlx::query("INSERT INTO store (incarnation) VALUES ($1)").bind(incarnation.to_vec());
            transaction.execute(insert).await.map_err(failed)?;
        }
        let insert = sqlx::query("INSERT INTO schema_migration (number) VALUES ($1)");
        let insert = insert.bind(i64::try_from(number).unwrap_or(i64::MAX));
        transaction.execute(insert).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

async fn read_facts(connection: &mut PgConnection) -> Result<StoreFacts, StoreError> {
    let question = "SELECT (SELECT incarnation FROM store), (SELECT max(number) FROM schema_migration), \
                    current_setting('server_version')";
    let row = connection.fetch_one(question).await.map_err(|e| plain(&e))?;
    let field = |e: sqlx::Error| plain(&e);
    let incarnation: Vec<u8> = row.try_get(0).map_err(field)?;
    let schema: i64 = row.try_get(1).map_err(field)?;
    let version: String = row.try_get(2).map_err(field)?;
    Ok(StoreFacts {
        incarnation: incarnation
            .try_into()
            .map_err(|_| StoreError::Corrupt("an incarnation has 16 bytes".to_owned()))?,
        schema: u64::try_from(schema).unwrap_or(u64::MAX),
        engine: format!("postgresql {version}"),
    })
}

fn same_store(ours: &StoreFacts, found: &StoreFacts) -> Result<(), StoreError> {
    if ours.incarnation == found.incarnation && ours.schema == found.schema {
        return Ok(());
    }
    Err(StoreError::Unreachable("the database was restored or migrated since this node started; restart it".to_owned()))
}

/// What went wrong before a commit: nothing was written.
fn plain(error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(database) => match database.code().as_deref() {
            // Serialization failure, deadlock, lock not available.
            Some("40001" | "40P01" | "55P03") => StoreError::Contended,
            // Disk full, out of memory, too many connections; read-only transaction.
            Some(code) if code.starts_with("53") || code == "25006" => {
                StoreError::NoSpace(database.message().to_owned())
            }
            // Shutdown, connection failures, authentication.
            Some(code) if ["57", "08", "28", "3D"].iter().any(|class| code.starts_with(class)) => {
                StoreError::Unreachable(database.message().to_owned())
            }
            _ => StoreError::Corrupt(database.message().to_owned()),
        },
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnIndexOutOfBounds { .. } | sqlx::Error::RowNotFound => {
            StoreError::Corrupt(error.to_string())
        }
        other => StoreError::Unreachable(other.to_string()),
    }
}

/// What a failed commit means: the server's word is that it did not happen; no word means that nobody knows.
fn of_commit(error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(_) => plain(error),
        other => StoreError::Unknown(other.to_string()),
    }
}

fn prepared(statement: &Statement) -> Prepared<'_, Postgres, PgArguments> {
    let mut query = sqlx::query(AssertSqlSafe(statement.text.as_str()));
    for (value, kind) in statement.values.iter().zip(&statement.kinds) {
        query = match (value, kind) {
            (Value::Text(text), _) => query.bind(text),
            (Value::Int(number), _) => query.bind(number),
            (Value::Bytes(bytes), _) => query.bind(bytes),
            (Value::Bool(truth), _) => query.bind(truth),
            (Value::Null, Kind::Text) => query.bind(None::<String>),
            (Value::Null, Kind::Int) => query.bind(None::<i64>),
            (Value::Null, Kind::Bytes) => query.bind(None::<Vec<u8>>),
            (Value::Null, Kind::Bool) => query.bind(None::<bool>),
        };
    }
    query
}

fn cells(row: &PgRow, kinds: &[Kind]) -> Result<Row, sqlx::Error> {
    let cell = |(at, kind): (usize, &Kind)| {
        Ok(match kind {
            Kind::Text => row.try_get::<Option<String>, _>(at)?.map_or(Value::Null, Value::Text),
            Kind::Int => row.try_get::<Option<i64>, _>(at)?.map_or(Value::Null, Value::Int),
            Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map_or(Value::Null, Value::Bytes),
            Kind::Bool => row.try_get::<Option<bool>, _>(at)?.map_or(Value::Null, Value::Bool),
        })
    };
    kinds.iter().enumerate().map(cell).collect()
}

async fn rows(connection: &mut PgConnection, query: &Query) -> Result<Vec<Row>, sqlx::Error> {
    let kinds: Vec<Kind> = query.table.columns.iter().map(|column| column.kind).collect();
    let found = connection.fetch_all(prepared(&sql::select(Dialect::Postgres, query))).await?;
    found.iter().map(|row| cells(row, &kinds)).collect()
}

async fn placed(
    connection: &mut PgConnection,
    query: &Query,
    skip: u64,
    columns: &[&str],
) -> Result<Option<Row>, sqlx::Error> {
    let kinds = sql::kinds(query.table, columns);
    let found = connection.fetch_optional(prepared(&sql::place(Dialect::Postgres, query, skip, columns))).await?;
    found.map(|row| cells(&row, &kinds)).transpose()
}

async fn number(connection: &mut PgConnection, statement: &Statement) -> Result<u64, sqlx::Error> {
    let count: i64 = connection.fetch_one(prepared(statement)).await?.try_get(0)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

struct Reading<'a> {
    runtime: &'a Runtime,
    connection: &'a mut PgConnection,
    now: Timestamp,
}

impl Tx for Reading<'_> {
    fn select(&mut self, query: &Query) -> Result<Vec<Row>, StoreError> {
        self.runtime.block_on(rows(self.connection, query)).map_err(|e| plain(&e))
    }

    fn place(&mut self, query: &Query, skip: u64, columns: &[&'static str]) -> Result<Option<Vec<Value>>, StoreError> {
        self.runtime.block_on(placed(self.connection, query, skip, columns)).map_err(|e| plain(&e))
    }

    fn count(&mut self, table: &'static Table, filter: &Filter) -> Result<u64, StoreError> {
        let statement = sql::count(Dialect::Postgres, table, filter);
        self.runtime.block_on(number(self.connection, &statement)).map_err(|e| plain(&e))
    }

    fn now(&self) -> Timestamp {
        self.now
    }
}

struct Writing {
    runtime: Runtime,
    options: PgConnectOptions,
    /// Absent after it was lost, until the next transaction begins.
    connection: Option<PgConnection>,
    facts: StoreFacts,
    clock: Arc<dyn Clock>,
    /// The first error of this transaction, after which PostgreSQL refuses every further statement.
    broken: Option<StoreError>,
}

impl Writing {
    fn run(&mut self, text: &'static str) -> Result<(), StoreError> {
        let result = match self.connection.as_mut() {
            Some(connection) => self.runtime.block_on(connection.execute(text)).map(drop).map_err(|e| plain(&e)),
            None => Err(StoreError::Unreachable("the connection was lost".to_owned())),
        };
        self.note(result)
    }

    fn change(&mut self, statement: &Statement) -> Result<u64, StoreError> {
        let result = match self.connection.as_mut() {
            Some(connection) => self
                .runtime
                .block_on(connection.execute(prepared(statement)))
                .map(|done| done.rows_affected())
                .map_err(|e| plain(&e)),
            None => Err(StoreError::Unreachable("the connection was lost".to_owned())),
        };
        self.note(result)
    }

    fn note<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result {
            self.broken.get_or_insert_with(|| error.clone());
        }
        result
    }

    /// A connection that is checked like the first one: the database behind the address may be another by now.
    async fn reconnect(
        options: &PgConnectOptions,
        facts: &StoreFacts,
        clock: &dyn Clock,
    ) -> Result<PgConnection, StoreError> {
        let mut connection = connect(options).await?;
        check(&mut connection, clock).await?;
        same_store(facts, &read_facts(&mut connection).await?)?;
        Ok(connection)
    }
}

impl Engine for Writing {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.broken = None;
        if self.connection.is_none() {
            let reconnect = Self::reconnect(&self.options, &self.facts, self.clock.as_ref());
            self.connection = Some(self.runtime.block_on(reconnect)?);
        }
        let begun = self.run("BEGIN ISOLATION LEVEL SERIALIZABLE");
        if begun.is_err() {
            self.connection = None;
        }
        begun
    }

    fn savepoint(&mut self) -> Result<(), StoreError> {
        self.run("SAVEPOINT item")
    }

    fn keep(&mut self) -> Result<(), StoreError> {
        self.run("RELEASE SAVEPOINT item")
    }

    fn undo(&mut self) -> Result<(), StoreError> {
        self.run("ROLLBACK TO SAVEPOINT item")?;
        self.run("RELEASE SAVEPOINT item")
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let Some(connection) = self.connection.as_mut() else {
            return Err(StoreError::Unreachable("the connection was lost".to_owned()));
        };
        let result = self.runtime.block_on(connection.execute("COMMIT")).map(drop).map_err(|e| of_commit(&e));
        self.note(result)
    }

    fn rollback(&mut self) {
        let lost = matches!(self.broken, Some(StoreError::Unreachable(_) | StoreError::Unknown(_)));
        // A connection of which it is not known whether it still works is not worth waiting for: the next transaction makes a new one.
        if lost || self.run("ROLLBACK").is_err() {
            self.connection = None;
        }
        self.broken = None;
    }

    fn broken(&mut self) -> Option<StoreError> {
        self.broken.clone()
    }

    fn select(&mut self, query: &Query) -> Result<Vec<Row>, StoreError> {
        let result = match self.connection.as_mut() {
            Some(connection) => self.runtime.block_on(rows(connection, query)).map_err(|e| plain(&e)),
            None => Err(StoreError::Unreachable("the connection was lost".to_owned())),
        };
        self.note(result)
    }

    fn place(&mut self, query: &Query, skip: u64, columns: &[&str]) -> Result<Option<Vec<Value>>, StoreError> {
        let result = match self.connection.as_mut() {
            Some(connection) => self.runtime.block_on(placed(connection, query, skip, columns)).map_err(|e| plain(&e)),
            None => Err(StoreError::Unreachable("the connection was lost".to_owned())),
        };
        self.note(result)
    }

    fn count(&mut self, table: &'static Table, filter: &Filter) -> Result<u64, StoreError> {
        let statement = sql::count(Dialect::Postgres, table, filter);
        let result = match self.connection.as_mut() {
            Some(connection) => self.runtime.block_on(number(connection, &statement)).map_err(|e| plain(&e)),
            None => Err(StoreError::Unreachable("the connection was lost".to_owned())),
        };
        self.note(result)
    }

    fn insert(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<u64, StoreError> {
        let mut inserted = 0;
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let some = rows.by_ref().take(sql::MAX_PARAMETERS / table.columns.len()).collect();
            inserted += self.change(&sql::insert(Dialect::Postgres, table, some))?;
        }
        Ok(inserted)
    }

    fn update(
        &mut self,
        table: &'static Table,
        filter: &Filter,
        set: &[(&'static str, Value)],
    ) -> Result<u64, StoreError> {
        self.change(&sql::update(Dialect::Postgres, table, filter, set))
    }

    fn add(&mut self, table: &'static Table, filter: &Filter, column: &str, by: i64) -> Result<u64, StoreError> {
        self.change(&sql::add(Dialect::Postgres, table, filter, column, by))
    }

    fn delete(&mut self, table: &'static Table, filter: &Filter) -> Result<u64, StoreError> {
        self.change(&sql::delete(Dialect::Postgres, table, filter))
    }
}
