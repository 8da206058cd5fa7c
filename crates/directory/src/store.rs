//! The port to a store.
//!
//! Owns what the directory asks of a store: consistent reads, and writes whose commit is the grant. `latchkey-store` implements it on
//! SQLite and PostgreSQL; one conformance suite holds for both. Must not know SQL.
//!
//! A write is a closure that runs inside a transaction which other requests may share. It may run more than once (when a batch fails, each
//! of its items is tried alone), so it must have no effect but on the transaction and its own result. What it reads is the current state.
//! When it answers [`Verdict::Undo`], its own changes are taken back and its neighbours' stay.

use std::time::Instant;

use futures_util::future::BoxFuture;

use crate::audit::NewEvent;
use crate::id::OrgId;
use crate::query::{Filter, Query};
use crate::table::{Row, Table};
use crate::time::Timestamp;
use crate::value::Value;

/// What can go wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or this node was cut off from it. Nothing was written.
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
    /// The connection was lost while a commit was under way: it may or may not have happened, and nothing is repeated.
    #[error("whether the store has it is not known: {0}")]
    Unknown(String),
    /// Too many writes wait already. Nothing was written.
    #[error("too many writes wait for the store")]
    Overloaded,
    /// Another transaction was in the way. The writer tries again by itself; only its last try is seen.
    #[error("another transaction was in the way")]
    Contended,
    /// The store holds what this version did not write, or refuses what this version thinks is right.
    #[error("the store and this version do not agree: {0}")]
    Corrupt(String),
    /// The store is of a newer version of the program; nothing was touched.
    #[error("the store has schema {found}, this program knows {known}")]
    Newer {
        /// The store's schema.
        found: u64,
        /// The newest this program knows.
        known: u64,
    },
    /// The disk is full, or the file cannot be written. Nothing was written.
    #[error("the store cannot write: {0}")]
    NoSpace(String),
}

impl StoreError {
    /// What helps, where the code under which this is told cannot know it.
    #[must_use]
    pub const fn fix(&self) -> Option<&'static str> {
        match self {
            Self::NoSpace(_) => Some(
                "Free space on the disk of the data directory or database, or make it writable; it goes on by itself.",
            ),
            _ => None,
        }
    }
}

/// Reading.
pub trait Tx {
    /// The rows that a query selects.
    fn select(&mut self, query: &Query) -> Result<Vec<Row>, StoreError>;

    /// These columns of the row that comes after so many others of the query, its limit aside: how far looking through so many rows gets.
    fn place(&mut self, query: &Query, skip: u64, columns: &[&'static str]) -> Result<Option<Vec<Value>>, StoreError>;

    /// How many rows there are.
    fn count(&mut self, table: &'static Table, filter: &Filter) -> Result<u64, StoreError>;

    /// When this transaction began, by the wall clock.
    fn now(&self) -> Timestamp;
}

/// Writing.
pub trait WriteTx: Tx {
    /// Inserts rows; one whose key, or another unique value, is there already is left out. Answers how many were inserted.
    fn insert(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<u64, StoreError>;

    /// Changes columns of the rows that the filter selects. Answers how many rows those were.
    fn update(
        &mut self,
        table: &'static Table,
        filter: &Filter,
        set: &[(&'static str, Value)],
    ) -> Result<u64, StoreError>;

    /// Adds to a number column of the rows that the filter selects.
    fn add(&mut self, table: &'static Table, filter: &Filter, column: &'static str, by: i64)
    -> Result<u64, StoreError>;

    /// Deletes the rows that the filter selects. Answers how many those were.
    fn delete(&mut self, table: &'static Table, filter: &Filter) -> Result<u64, StoreError>;

    /// Appends to the organization's audit chain of this writer, in this commit.
    fn audit(&mut self, org: &OrgId, event: NewEvent);

    /// When this transaction began to read, by the monotonic clock: a grant older than 700 ms is not given out.
    fn began(&self) -> Instant;
}

/// What becomes of a write's changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They are committed, with those of others.
    Keep,
    /// They are taken back.
    Undo,
}

/// Work that reads.
pub type ReadWork = Box<dyn FnOnce(&mut dyn Tx) + Send>;

/// Work that writes.
pub type WriteWork = Box<dyn FnMut(&mut dyn WriteTx) -> Verdict + Send>;

/// Facts about a store as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFacts {
    /// 16 random bytes, new after each restore.
    pub incarnation: [u8; 16],
    /// The number of the newest migration.
    pub schema: u64,
    /// `sqlite` or `postgresql`, with its version.
    pub engine: String,
}

/// A store. Cheap calls only: `read` and `write` are the hot path.
pub trait Store: Send + Sync + 'static {
    /// Runs work that reads, on one consistent state.
    fn read(&self, work: ReadWork) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Runs work that writes. When this answers `Ok`, what the work kept is durable, with its audit events.
    fn write(&self, work: WriteWork) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Facts read when the store was opened.
    fn facts(&self) -> &StoreFacts;

    /// Whether this node can write now: connected, to the primary, same incarnation and schema, clock within five seconds.
    fn ready(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// A consistent copy of the whole store into a new file, while it runs. SQLite only; PostgreSQL has its own tools.
    fn copy_to<'a>(&'a self, file: &'a std::path::Path) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Writes what is under way, and ends. Later writes are refused.
    fn close(&self) -> BoxFuture<'_, ()>;
}
