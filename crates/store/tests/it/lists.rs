//! Every long list with a million users, devices, bindings, sessions and events: how each engine goes about what the list really asks, printed,
//! and that it reads no table through, sorts nothing and looks at no more rows than a page may.
//!
//! One test for each engine: filling it takes longer than everything that is asked.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use latchkey_directory::audit::log::EventFilter;
use latchkey_directory::device::view::{BindingFilter, DeviceFilter};
use latchkey_directory::master::MasterKey;
use latchkey_directory::page::{Page, PageRequest};
use latchkey_directory::query::{Filter, Query};
use latchkey_directory::sessions::SessionFilter;
use latchkey_directory::store::{ReadWork, Store, StoreError, StoreFacts, Tx, WriteWork};
use latchkey_directory::table::{Row, Table};
use latchkey_directory::time::{Clock as _, SystemClock, Timestamp};
use latchkey_directory::users::UserFilter;
use latchkey_directory::value::Value;
use latchkey_directory::values::{UserSource, UserStatus};
use latchkey_directory::{Directory, OrgId};
use latchkey_store::Question;
use latchkey_store::postgres::{PLANNER, PostgresStore};
use latchkey_store::sqlite::SqliteStore;
use latchkey_wire::{BindingState, DeviceState, Ed25519Key, Level, Platform, Sign as _};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};

use crate::private_postgres::PrivatePostgres;

/// How many users, devices, bindings, sessions and events.
const MANY: i64 = 1_000_000;

/// The tables of which nobody may read more than a page needs.
const LARGE: [&str; 8] =
    ["person", "device", "binding", "session", "audit_event", "membership", "one_time_code", "refusal_count"];

/// No question looks at more rows: a bounded look, and some for what belongs to a page.
const MOST_ROWS: i64 = 12_000;

/// What SQLite's machine may do for one question: a bounded look takes a tenth of it, the whole of a table twenty times as much.
const MOST_STEPS: i32 = 1_000_000;

/// A store that remembers what it was asked.
struct Recording {
    store: Arc<dyn Store>,
    asked: Arc<Mutex<Vec<Question>>>,
}

struct RecordingTx<'a> {
    tx: &'a mut dyn Tx,
    asked: Arc<Mutex<Vec<Question>>>,
}

impl RecordingTx<'_> {
    fn note(&self, question: Question) {
        self.asked.lock().unwrap().push(question);
    }
}

impl Tx for RecordingTx<'_> {
    fn select(&mut self, query: &Query) -> Result<Vec<Row>, StoreError> {
        self.note(Question::Select(query.clone()));
        self.tx.select(query)
    }

    fn place(&mut self, query: &Query, skip: u64, columns: &[&'static str]) -> Result<Option<Vec<Value>>, StoreError> {
        self.note(Question::Place(query.clone(), skip, columns.to_vec()));
        self.tx.place(query, skip, columns)
    }

    fn count(&mut self, table: &'static Table, filter: &Filter) -> Result<u64, StoreError> {
        self.note(Question::Count(table, filter.clone()));
        self.tx.count(table, filter)
    }

    fn now(&self) -> Timestamp {
        self.tx.now()
    }
}

impl Store for Recording {
    fn read(&self, work: ReadWork) -> BoxFuture<'_, Result<(), StoreError>> {
        let asked = Arc::clone(&self.asked);
        self.store.read(Box::new(move |tx| work(&mut RecordingTx { tx, asked })))
    }

    fn write(&self, work: WriteWork) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.write(work)
    }

    fn facts(&self) -> &StoreFacts {
        self.store.facts()
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.ready()
    }

    fn copy_to<'a>(&'a self, file: &'a std::path::Path) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.copy_to(file)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.store.close()
    }
}

/// How an engine goes about a question, and what is wrong with that.
trait Engine {
    fn look(&mut self, question: &Question) -> (Vec<String>, Vec<String>);
}

fn table(question: &Question) -> &'static str {
    match question {
        Question::Select(query) | Question::Place(query, ..) => query.table.name,
        Question::Count(table, _) => table.name,
    }
}

struct Lists<'e> {
    directory: Directory,
    org: OrgId,
    now: Timestamp,
    asked: Arc<Mutex<Vec<Question>>>,
    engine: &'e mut dyn Engine,
    wrong: Vec<String>,
}

impl Lists<'_> {
    /// Asks for the first page, the one after it, and how many there are, and looks at every question that this led to.
    async fn list<T, F>(&mut self, name: &str, page: impl Fn(Directory, OrgId, PageRequest) -> F)
    where
        F: Future<Output = latchkey_directory::Result<Page<T>>>,
    {
        eprintln!("\n## {name}");
        let ask = |request| page(self.directory.clone(), self.org.clone(), request);
        let first = ask(PageRequest { count: true, ..PageRequest::default() }).await.unwrap();
        eprintln!("{} on the first page of {}", first.items.len(), first.count.unwrap());
        assert!(!first.items.is_empty() || first.next.is_some(), "{name}: a list with nothing on it shows nothing");
        if first.next.is_some() {
            ask(PageRequest { after: first.next, ..PageRequest::default() }).await.unwrap();
        }
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        let mut seen = std::collections::BTreeSet::new();
        for question in asked.iter().filter(|question| LARGE.contains(&table(question))) {
            let (plan, wrong) = self.engine.look(question);
            if seen.insert(plan.clone()) || !wrong.is_empty() {
                plan.iter().for_each(|line| eprintln!("{line}"));
            }
            self.wrong.extend(wrong.into_iter().map(|wrong| format!("{name}: {wrong}: {plan:#?}")));
        }
    }

    async fn users(&mut self, name: &str, filter: UserFilter) {
        self.list(&format!("users {name}"), |d, org, r| {
            let filter = filter.clone();
            async move { d.users(&org, filter, r).await }
        })
        .await;
    }

    async fn devices(&mut self, name: &str, filter: DeviceFilter) {
        self.list(&format!("devices {name}"), |d, org, r| {
            let filter = filter.clone();
            async move { d.devices(&org, filter, r).await }
        })
        .await;
    }

    async fn bindings(&mut self, name: &str, filter: BindingFilter) {
        self.list(&format!("bindings {name}"), |d, org, r| {
            let filter = filter.clone();
            async move { d.bindings(&org, filter, r).await }
        })
        .await;
    }

    async fn sessions(&mut self, name: &str, filter: SessionFilter) {
        self.list(&format!("sessions {name}"), |d, org, r| {
            let filter = filter.clone();
            async move { d.sessions(&org, filter, r).await }
        })
        .await;
    }

    async fn events(&mut self, name: &str, filter: EventFilter) {
        self.list(&format!("audit {name}"), |d, org, r| {
            let filter = filter.clone();
            async move { d.audit_events(&org, filter, r).await }
        })
        .await;
    }

    async fn all_users(&mut self) {
        let all = UserFilter::default;
        self.users("all", all()).await;
        self.users("disabled", UserFilter { status: vec![UserStatus::Disabled], ..all() }).await;
        self.users("deleted", UserFilter { status: vec![UserStatus::Deleted], ..all() }).await;
        self.users("from a source", UserFilter { source: vec![UserSource::Local], ..all() }).await;
        let departments = vec!["Department 3".to_owned(), "Department 4".to_owned()];
        self.users("of departments", UserFilter { department: departments.clone(), ..all() }).await;
        self.users("of a large group", UserFilter { group: vec!["large".into()], ..all() }).await;
        self.users("of a small group", UserFilter { group: vec!["small".into()], ..all() }).await;
        let of_both = UserFilter { group: vec!["small".into(), "large".into()], ..all() };
        self.users("of two groups and departments", UserFilter { department: departments, ..of_both }).await;
        for text in ["user12", "PERSON 77", "family4", "person"] {
            self.users(&format!("by the text {text}"), UserFilter { text: Some(text.into()), ..all() }).await;
        }
        let local = UserFilter { source: vec![UserSource::Local], text: Some("user1".into()), ..all() };
        self.users("by text and source", local).await;
        self.list("members of a group", |d, org, r| async move { d.group_members(&org, "large", r).await }).await;
        self.list("groups", |d, org, r| async move { d.groups(&org, None, r).await }).await;
    }

    async fn all_devices(&mut self) {
        let all = DeviceFilter::default;
        let someone = || vec!["user4000@fill.example".to_owned()];
        let old = Some(Timestamp::from_millis(self.now.millis() - 9 * 86_400_000));
        self.devices("all", all()).await;
        self.devices("pending", DeviceFilter { state: vec![DeviceState::Pending], ..all() }).await;
        let two = vec![DeviceState::Quarantined, DeviceState::Registered];
        self.devices("in two states", DeviceFilter { state: two, ..all() }).await;
        self.devices("of a platform", DeviceFilter { platform: vec![Platform::Ios], ..all() }).await;
        let of_platform = DeviceFilter { platform: vec![Platform::Windows], ..all() };
        self.devices("of a platform in a state", DeviceFilter { state: vec![DeviceState::Retired], ..of_platform })
            .await;
        self.devices("of a user", DeviceFilter { user: someone(), ..all() }).await;
        self.devices("of a token", DeviceFilter { token: vec!["aaaaaaaaab".into()], ..all() }).await;
        let of_token = DeviceFilter { token: vec!["aaaaaaaaab".into()], ..all() };
        self.devices("of a token, pending", DeviceFilter { state: vec![DeviceState::Pending], ..of_token }).await;
        self.devices("by serial", DeviceFilter { serial: vec!["sn5".into(), "SN77".into()], ..all() }).await;
        self.devices("of a rare level", DeviceFilter { level: vec![Level::try_from(5).unwrap()], ..all() }).await;
        let weak = DeviceFilter { level: vec![Level::try_from(1).unwrap(), Level::try_from(2).unwrap()], ..all() };
        self.devices("of levels", weak.clone()).await;
        self.devices("of levels, suspended", DeviceFilter { state: vec![DeviceState::Suspended], ..weak }).await;
        self.devices("not seen since", DeviceFilter { last_seen_before: old, ..all() }).await;
        let waiting = DeviceFilter { state: vec![DeviceState::Pending], ..all() };
        self.devices("pending, not seen since", DeviceFilter { last_seen_before: old, ..waiting }).await;
        for text in ["host-4", "sn123", "user99", "HOST-777777"] {
            self.devices(&format!("by the text {text}"), DeviceFilter { q: Some(text.into()), ..all() }).await;
        }
        let rare = DeviceFilter { level: vec![Level::try_from(5).unwrap()], q: Some("host-1".into()), ..all() };
        self.devices("by text and level", rare).await;
        self.list("uses of a token", |d, org, r| async move { d.token_uses(&org, "aaaaaaaaaa", r).await }).await;
        self.list("failures of a token", |d, org, r| async move { d.token_failures(&org, "aaaaaaaaaa", r).await })
            .await;
        self.list("codes", |d, org, r| async move { d.codes(&org, r).await }).await;
        self.bindings("all", BindingFilter::default()).await;
        self.bindings("pending", BindingFilter { state: vec![BindingState::Pending], ..Default::default() }).await;
        self.bindings("of a user", BindingFilter { user: someone(), ..Default::default() }).await;
    }

    async fn all_events(&mut self) {
        let all = SessionFilter::default;
        self.sessions("all", all()).await;
        self.sessions("of a user", SessionFilter { user: vec!["user4000@fill.example".into()], ..all() }).await;
        let of_user = DeviceFilter { user: vec!["user4000@fill.example".into()], ..Default::default() };
        let one = self.directory.devices(&self.org, of_user, PageRequest::default()).await.unwrap();
        let device = vec![one.items[0].id.clone()];
        self.bindings("of a device", BindingFilter { device: device.clone(), ..Default::default() }).await;
        self.sessions("of a device", SessionFilter { device, ..all() }).await;
        let all = EventFilter::default;
        let days = |ago: i64| Some(Timestamp::from_millis(self.now.millis() - ago * 86_400_000));
        let (since, until) = (days(11), days(10));
        self.events("all", all()).await;
        self.events("between", EventFilter { since, until, ..all() }).await;
        self.events("by an administrator", EventFilter { actor: vec!["admin1".into()], ..all() }).await;
        self.events("by a user", EventFilter { actor: vec!["user7@fill.example".into()], ..all() }).await;
        self.events("of an action", EventFilter { action: vec!["device.enroll".into()], ..all() }).await;
        self.events("of sign-ins", EventFilter { action: vec!["signin.saml".into()], ..all() }).await;
        self.events("about a device", EventFilter { target: vec!["device2".into()], ..all() }).await;
        self.events("refused", EventFilter { outcome: vec!["refused".into()], ..all() }).await;
        self.events("under a reference", EventFilter { reference: vec!["ref503".into()], ..all() }).await;
        let created = EventFilter { action: vec!["token.create".into()], outcome: vec!["ok".into()], ..all() };
        self.events("of an action, between", EventFilter { since, until, ..created }).await;
    }
}

async fn look_at_every_list(store: Arc<dyn Store>, org: &OrgId, now: Timestamp, engine: &mut dyn Engine) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let store = Recording { store, asked: Arc::clone(&asked) };
    let master = MasterKey::new(zeroize::Zeroizing::new([1; 32]));
    let directory = Directory::new(Arc::new(store), Arc::new(SystemClock), Arc::new(master));
    let mut lists = Lists { directory, org: org.clone(), now, asked, engine, wrong: Vec::new() };
    lists.all_users().await;
    lists.all_devices().await;
    lists.all_events().await;
    assert!(lists.wrong.is_empty(), "{}", lists.wrong.join("\n"));
}

/// A look that saw nothing wrong must see it when the index is gone.
fn pending_devices() -> Question {
    use latchkey_directory::query::Direction;
    use latchkey_directory::records::Device;
    use latchkey_directory::table::Record as _;
    let filter = Filter::Eq("org", Value::Text("acme".into())).and(Device::state.eq(&DeviceState::Unregistered));
    let filter = filter.and(Device::platform.eq(&Platform::Ios));
    let order = vec![("id", Direction::Descending)];
    Question::Select(Query { table: Device::TABLE, filter, order, limit: Some(51) })
}

/// The statements that fill an organization, ended by the time `now`.
pub(crate) fn fill((text, many): (&str, i64), org: &OrgId, now: Timestamp) -> String {
    let key = serde_json::to_string(Ed25519Key::generate().public()).unwrap();
    let start = now.millis() - MANY.max(many) * 1_000;
    let first = now.millis() - 28 * 1_000_000 - 60_000;
    text.replace("ORG", org.as_str())
        .replace("COUNT", &many.to_string())
        .replace("START", &start.to_string())
        .replace("FIRST", &first.to_string())
        .replace("EVERY", &(28 * 1_000_000 / many).to_string())
        .replace("'KEY'", &format!("'{key}'"))
}

const TEXTS: [(&str, i64); 2] = [(include_str!("../million.sql"), MANY), (include_str!("../million_events.sql"), MANY)];

/// The same with what SQLite has for bytes and hexadecimal numbers.
pub(crate) fn fill_sqlite(text: &str) -> String {
    let text = text.replace("BYTES32(i)", "unhex(printf('%064x', i))").replace("BYTES32(0)", "zeroblob(32)");
    text.replace("HEX12(", "printf('%012x', ")
}

struct Sqlite(rusqlite::Connection);

impl Engine for Sqlite {
    fn look(&mut self, question: &Question) -> (Vec<String>, Vec<String>) {
        let (text, values) = question.sqlite();
        let values = values.into_iter().map(|value| match value {
            Value::Null => rusqlite::types::Value::Null,
            Value::Text(text) => text.into(),
            Value::Int(number) => number.into(),
            Value::Bytes(bytes) => bytes.into(),
            Value::Bool(truth) => truth.into(),
        });
        let values: Vec<_> = values.collect();
        let mut explain = self.0.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
        let mut plan: Vec<String> = explain
            .query_map(rusqlite::params_from_iter(&values), |row| row.get::<_, String>(3))
            .unwrap()
            .map(|line| format!("  {}", line.unwrap()))
            .collect();
        let mut wrong = Vec::new();
        if plan.iter().any(|line| line.contains("TEMP B-TREE")) {
            wrong.push("sorted without an index".to_owned());
        }
        if plan.iter().any(|line| LARGE.iter().any(|table| line.trim() == format!("SCAN {table}"))) {
            wrong.push("read through".to_owned());
        }
        let mut statement = self.0.prepare(&text).unwrap();
        let mut rows = statement.query(rusqlite::params_from_iter(&values)).unwrap();
        while rows.next().unwrap().is_some() {}
        drop(rows);
        let steps = statement.get_status(rusqlite::StatementStatus::VmStep);
        if steps > MOST_STEPS {
            wrong.push(format!("{steps} steps"));
        }
        plan[0] = format!("{:<6}{}", steps, plan[0].trim_start());
        (plan, wrong)
    }
}

#[tokio::test]
async fn long_lists_on_sqlite_find_every_page_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let (org, now): (OrgId, _) = ("acme".parse().unwrap(), SystemClock.now());
    SqliteStore::open(&file, Arc::new(SystemClock)).unwrap().close().await;
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection
        .execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; PRAGMA cache_size = -500000")
        .unwrap();
    // Filling goes by the table, indexes are made once.
    let indexes: Vec<(String, String)> = {
        let mut found =
            connection.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").unwrap();
        found.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    indexes.iter().for_each(|(name, _)| connection.execute_batch(&format!("DROP INDEX {name}")).unwrap());
    let begun = std::time::Instant::now();
    for text in TEXTS {
        connection.execute_batch(&fill_sqlite(&fill(text, &org, now))).unwrap();
    }
    indexes.iter().for_each(|(_, sql)| connection.execute_batch(sql).unwrap());
    eprintln!("filled in {:?}", begun.elapsed());
    connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).unwrap();
    let mut engine = Sqlite(connection);
    let store = Arc::new(SqliteStore::open(&file, Arc::new(SystemClock)).unwrap());
    look_at_every_list(store, &org, now, &mut engine).await;

    assert!(engine.look(&pending_devices()).1.is_empty());
    engine.0.execute_batch("DROP INDEX device_state").unwrap();
    assert!(!engine.look(&pending_devices()).1.is_empty(), "a missing index goes unnoticed");
}

/// What the server adds to a plan for certain values for making it, above what any question here is charged.
const PLANNING: f64 = 1_000.0;

fn cost(plan: &[String]) -> f64 {
    let range = plan[0].split_once("cost=").and_then(|(_, rest)| rest.split(' ').next());
    range.and_then(|range| range.split_once("..")).map_or(f64::MAX, |(_, to)| to.parse().unwrap())
}

struct Postgres {
    connection: sqlx::PgConnection,
    runtime: tokio::runtime::Handle,
}

impl Postgres {
    fn lines(&mut self, text: &str) -> Vec<String> {
        let rows = self.connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(text.to_owned())));
        let rows = tokio::task::block_in_place(|| self.runtime.block_on(rows)).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

impl Engine for Postgres {
    fn look(&mut self, question: &Question) -> (Vec<String>, Vec<String>) {
        let (text, values) = question.postgresql();
        let values: Vec<String> = values
            .into_iter()
            .map(|value| match value {
                Value::Null => "NULL".to_owned(),
                Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
                Value::Int(number) => number.to_string(),
                Value::Bytes(bytes) => format!("'\\x{}'", bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()),
                Value::Bool(truth) => truth.to_string(),
            })
            .collect();
        let values = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
        let (mut plan, mut wrong) = (Vec::new(), Vec::new());
        let mut custom = f64::MAX;
        // A prepared statement is planned for its values, or after some times for any, if the server thinks that costs no more.
        for mode in ["force_custom_plan", "force_generic_plan"] {
            self.lines(&format!("SET plan_cache_mode = {mode}; PREPARE question AS {text}"));
            let cost = cost(&self.lines(&format!("EXPLAIN EXECUTE question {values}")));
            if cost > 1.1 * custom + PLANNING {
                self.lines("DEALLOCATE question");
                plan.push("  for any values: dearer, so never taken".to_owned());
                continue;
            }
            custom = cost;
            let options = "ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF";
            let lines = self.lines(&format!("EXPLAIN ({options}) EXECUTE question {values}"));
            self.lines("DEALLOCATE question");
            let looked_at = |line: &String| {
                let removed = line.split_once("Removed by Filter: ").map_or(0, |(_, n)| n.trim().parse().unwrap_or(0));
                let rows = line.split_once("actual rows=").and_then(|(_, rest)| rest.split(' ').next());
                removed + rows.and_then(|rows| rows.parse::<i64>().ok()).unwrap_or(0)
            };
            let rows = lines.iter().map(looked_at).max().unwrap_or(0);
            if rows > MOST_ROWS {
                wrong.push(format!("{mode}: {rows} rows looked at"));
            }
            if lines.iter().any(|line| line.trim_start().trim_start_matches("->").trim_start().starts_with("Sort")) {
                wrong.push(format!("{mode}: sorted without an index"));
            }
            if lines.iter().any(|line| LARGE.iter().any(|table| line.contains(&format!("Seq Scan on {table} ")))) {
                wrong.push(format!("{mode}: read through"));
            }
            let told = lines.into_iter().map(|line| match line.char_indices().nth(220) {
                Some((end, _)) => format!("  {}…", &line[..end]),
                None => format!("  {line}"),
            });
            plan.extend(told);
        }
        (plan, wrong)
    }
}

/// The statements of a filling, those together that build on each other.
fn by_table(text: &str) -> Vec<Vec<String>> {
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut of_users = Vec::new();
    for statement in text.split_inclusive(";\n").filter(|statement| statement.contains("INSERT")) {
        if ["person", "user_group", "membership"].iter().any(|table| statement.contains(&format!("INTO {table} "))) {
            of_users.push(statement.to_owned());
        } else {
            groups.push(vec![statement.to_owned()]);
        }
    }
    groups.insert(0, of_users);
    groups
}

/// Runs groups of statements over two connections, each as soon as one is free.
async fn at_once(url: &str, groups: Vec<Vec<String>>) {
    let waiting = Mutex::new(groups.into_iter());
    let one = async || {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        let memory =
            "SET maintenance_work_mem = '256MB'; SET work_mem = '128MB'; SET max_parallel_maintenance_workers = 0";
        connection.execute(memory).await.unwrap();
        while let Some(group) = { waiting.lock().unwrap().next() } {
            for statement in group {
                connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await.unwrap();
            }
        }
    };
    tokio::join!(one(), one());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_lists_on_postgresql_find_every_page_by_an_index() {
    let server = PrivatePostgres::start();
    server.sql("postgres", "CREATE DATABASE lists");
    let url = server.url("lists");
    let (org, now): (OrgId, _) = ("acme".parse().unwrap(), SystemClock.now());
    let store = Arc::new(PostgresStore::open(&url, Arc::new(SystemClock)).await.unwrap());
    let mut engine = Postgres {
        connection: sqlx::PgConnection::connect(&url).await.unwrap(),
        runtime: tokio::runtime::Handle::current(),
    };
    engine.lines(
        "CREATE FUNCTION HEX12(bigint) RETURNS text LANGUAGE sql IMMUTABLE RETURN lpad(to_hex($1), 12, '0');
         CREATE FUNCTION BYTES32(bigint) RETURNS bytea LANGUAGE sql IMMUTABLE RETURN decode(lpad(to_hex($1), 64, '0'), 'hex')",
    );
    // Nothing here outlives a crash: no log is written of what is filled in.
    for table in LARGE {
        engine.lines(&format!("ALTER TABLE {table} SET UNLOGGED"));
    }
    // Filling goes by the table, indexes are made once.
    let ours = "schemaname = 'public' AND indexname NOT LIKE '%_pkey'";
    let indexes = engine.lines(&format!("SELECT indexdef::text FROM pg_indexes WHERE {ours}"));
    for name in engine.lines(&format!("SELECT indexname::text FROM pg_indexes WHERE {ours}")) {
        engine.lines(&format!("DROP INDEX {name}"));
    }
    let begun = std::time::Instant::now();
    let fillings = TEXTS.map(|text| fill(text, &org, now));
    at_once(&url, fillings.iter().flat_map(|text| by_table(text)).collect()).await;
    at_once(&url, indexes.into_iter().map(|index| vec![index]).collect()).await;
    engine.lines("VACUUM ANALYZE");
    eprintln!("filled in {:?}", begun.elapsed());
    PLANNER.iter().for_each(|(name, value)| drop(engine.lines(&format!("SET {name} = {value}"))));
    look_at_every_list(store, &org, now, &mut engine).await;

    assert!(engine.look(&pending_devices()).1.is_empty());
    engine.lines("DROP INDEX device_state");
    assert!(!engine.look(&pending_devices()).1.is_empty(), "a missing index goes unnoticed");
}
