//! SQLite and PostgreSQL behind the directory's `Store` trait.
//!
//! **Owns** the connections, the writer that commits many requests together and continues the audit chains, the SQL that both engines
//! share, and the migrations.
//!
//! **Must not know** HTTP and everything above it, nor what the records mean.

mod batch;
mod migrations;
pub mod postgres;
mod sql;
pub mod sqlite;
mod writer;

pub use migrations::SCHEMA;
pub use sql::Question;

/// What a write meets in a store that was opened for reading.
fn for_reading() -> latchkey_directory::store::StoreError {
    latchkey_directory::store::StoreError::Unreachable("the store was opened for reading".to_owned())
}
