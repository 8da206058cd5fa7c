//! One transaction that many requests share: what each of them sees, and what is read once for all.
//!
//! Owns the events that wait for their place in a chain, and the memory of what the batch has read already. Policy, service and
//! entitlements are the same rows for every sign-in of a batch: they are read once, and again after anything wrote to their table. Nothing
//! is remembered beyond the transaction, so every decision stands on the state in which it is committed. Must not know commits, savepoints
//! or what the rows mean.

use std::collections::HashMap;
use std::time::Instant;

use latchkey_directory::OrgId;
use latchkey_directory::audit::NewEvent;
use latchkey_directory::query::{Direction, Filter, Query};
use latchkey_directory::store::{StoreError, Tx, WriteTx};
use latchkey_directory::table::{Row, Table};
use latchkey_directory::time::Timestamp;
use latchkey_directory::value::Value;

use crate::writer::Engine;

/// Longer answers are not remembered: they are lists for somebody, not states that the next request asks for too.
const MOST_ROWS: usize = 16;

/// How much one batch remembers at most, in answers.
const MOST_ANSWERS: usize = 4096;

/// What distinguishes two selections from one table.
type Asked = (Filter, Vec<(&'static str, Direction)>, Option<u64>);

/// The transaction of a batch.
pub(crate) struct Batch<'a, E> {
    engine: &'a mut E,
    events: Vec<(OrgId, NewEvent)>,
    read: Answers,
    began: Instant,
    now: Timestamp,
}

/// What was read, by table.
#[derive(Default)]
struct Answers {
    by_table: HashMap<&'static str, HashMap<Asked, Vec<Row>>>,
    count: usize,
}

impl Answers {
    fn of(&self, query: &Query) -> Option<&Vec<Row>> {
        let asked = self.by_table.get(query.table.name)?;
        // The key is made of the query's parts only once there is something to find.
        asked.get(&(query.filter.clone(), query.order.clone(), query.limit))
    }

    fn keep(&mut self, query: &Query, rows: &[Row]) {
        if rows.len() <= MOST_ROWS && self.count < MOST_ANSWERS {
            let asked = (query.filter.clone(), query.order.clone(), query.limit);
            self.by_table.entry(query.table.name).or_default().insert(asked, rows.to_vec());
            self.count += 1;
        }
    }

    fn forget(&mut self, table: &Table) {
        if let Some(asked) = self.by_table.remove(table.name) {
            self.count -= asked.len();
        }
    }

    fn forget_all(&mut self) {
        *self = Self::default();
    }
}

impl<'a, E: Engine> Batch<'a, E> {
    /// A transaction that has just begun.
    pub(crate) fn new(engine: &'a mut E, began: Instant, now: Timestamp) -> Self {
        Self { engine, events: Vec::new(), read: Answers::default(), began, now }
    }

    /// The connection, for what is between two requests.
    pub(crate) fn engine(&mut self) -> &mut E {
        self.engine
    }

    /// The next request's view.
    pub(crate) fn transaction(&mut self) -> Transaction<'_, 'a, E> {
        Transaction { events_before: self.events.len(), changed: false, batch: self }
    }

    /// Forgets the events beyond the first `events`, and everything read: what a request saw after its own changes is not so any more.
    pub(crate) fn forget(&mut self, events: usize) {
        self.events.truncate(events);
        self.read.forget_all();
    }

    /// What the requests had to say to the audit.
    pub(crate) fn into_events(self) -> Vec<(OrgId, NewEvent)> {
        self.events
    }
}

/// One request's view of the transaction it shares.
pub(crate) struct Transaction<'b, 'a, E> {
    batch: &'b mut Batch<'a, E>,
    events_before: usize,
    changed: bool,
}

impl<E: Engine> Transaction<'_, '_, E> {
    /// Whether it changed a row.
    pub(crate) fn changed(&self) -> bool {
        self.changed
    }

    /// How many events there were before it.
    pub(crate) fn events_before(&self) -> usize {
        self.events_before
    }

    fn note(&mut self, table: &Table, changed: Result<u64, StoreError>) -> Result<u64, StoreError> {
        // A failed statement may have changed something before it failed; the engine will say that the transaction is broken.
        if changed.as_ref().is_ok_and(|rows| *rows > 0) {
            self.changed = true;
            self.batch.read.forget(table);
        }
        changed
    }
}

impl<E: Engine> Tx for Transaction<'_, '_, E> {
    fn select(&mut self, query: &Query) -> Result<Vec<Row>, StoreError> {
        if let Some(rows) = self.batch.read.of(query) {
            return Ok(rows.clone());
        }
        let rows = self.batch.engine.select(query)?;
        self.batch.read.keep(query, &rows);
        Ok(rows)
    }

    fn place(&mut self, query: &Query, skip: u64, columns: &[&'static str]) -> Result<Option<Vec<Value>>, StoreError> {
        self.batch.engine.place(query, skip, columns)
    }

    fn count(&mut self, table: &'static Table, filter: &Filter) -> Result<u64, StoreError> {
        self.batch.engine.count(table, filter)
    }

    fn now(&self) -> Timestamp {
        self.batch.now
    }
}

impl<E: Engine> WriteTx for Transaction<'_, '_, E> {
    fn insert(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<u64, StoreError> {
        let inserted = self.batch.engine.insert(table, rows);
        self.note(table, inserted)
    }

    fn update(
        &mut self,
        table: &'static Table,
        filter: &Filter,
        set: &[(&'static str, Value)],
    ) -> Result<u64, StoreError> {
        let updated = self.batch.engine.update(table, filter, set);
        self.note(table, updated)
    }

    fn add(
        &mut self,
        table: &'static Table,
        filter: &Filter,
        column: &'static str,
        by: i64,
    ) -> Result<u64, StoreError> {
        let updated = self.batch.engine.add(table, filter, column, by);
        self.note(table, updated)
    }

    fn delete(&mut self, table: &'static Table, filter: &Filter) -> Result<u64, StoreError> {
        let deleted = self.batch.engine.delete(table, filter);
        self.note(table, deleted)
    }

    fn audit(&mut self, org: &OrgId, event: NewEvent) {
        self.batch.events.push((org.clone(), event));
    }

    fn began(&self) -> Instant {
        self.batch.began
    }
}

/// Reads outside a transaction.
pub(crate) struct Reader<'a, E>(pub(crate) &'a mut E);

impl<E: Engine> Tx for Reader<'_, E> {
    fn select(&mut self, query: &Query) -> Result<Vec<Row>, StoreError> {
        self.0.select(query)
    }

    fn place(&mut self, query: &Query, skip: u64, columns: &[&'static str]) -> Result<Option<Vec<Value>>, StoreError> {
        self.0.place(query, skip, columns)
    }

    fn count(&mut self, table: &'static Table, filter: &Filter) -> Result<u64, StoreError> {
        self.0.count(table, filter)
    }

    fn now(&self) -> Timestamp {
        Timestamp::default()
    }
}
