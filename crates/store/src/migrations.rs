//! The migrations: forward only, numbered, the same for both engines.
//!
//! Owns the texts and the newest number. One text serves both engines, since only the type of bytes has two names (it is written `BYTES`)
//! and PostgreSQL has to be told that `TEXT` is compared byte by byte.
//! A migration that has landed is never edited.

use crate::sql::Dialect;

/// The number of the newest migration. A store with a larger one is of a newer version of the program and is not opened.
pub const SCHEMA: u64 = MIGRATIONS.len() as u64;

const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_start.sql"),
    include_str!("../migrations/0002_clock_look.sql"),
    include_str!("../migrations/0003_credentials.sql"),
    include_str!("../migrations/0004_access.sql"),
    include_str!("../migrations/0005_lists.sql"),
    include_str!("../migrations/0006_statistics.sql"),
    include_str!("../migrations/0007_proofs.sql"),
    include_str!("../migrations/0008_cleaning.sql"),
    include_str!("../migrations/0009_device_groups.sql"),
    include_str!("../migrations/0010_branding.sql"),
    include_str!("../migrations/0011_passwords.sql"),
    include_str!("../migrations/0012_mail.sql"),
];

/// Before this one, text columns in PostgreSQL had the database's collation.
pub(crate) const BYTEWISE: u64 = 5;

/// The statements of every migration after this number, in order, each with its number.
pub(crate) fn after(schema: u64, dialect: Dialect) -> impl Iterator<Item = (u64, String)> {
    let (bytes, text) = match dialect {
        Dialect::Sqlite => (" BLOB", " TEXT"),
        Dialect::Postgres => (" BYTEA", " TEXT COLLATE \"C\""),
    };
    (1..)
        .zip(MIGRATIONS)
        .filter(move |(number, _)| *number > schema)
        .map(move |(number, migration)| (number, migration.replace(" BYTES", bytes).replace(" TEXT", text)))
}
