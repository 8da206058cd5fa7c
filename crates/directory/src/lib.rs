//! The domain: organizations, domains, users, groups, device tokens, devices, services, sessions, policy decisions, audit events.
//!
//! **Owns** the records, the application services that portal, command line and REST call alike, the rules of who may do what, and the
//! [`store::Store`] trait. A grant is decided in the commit that records it, from the current state of everything it depends on.
//!
//! **Must not know** SQL, HTTP or XML. Time, randomness and the network are parameters.

pub mod access;
pub mod audit;
pub mod branding;
pub mod clients;
pub mod clock;
pub mod codes;
pub mod credentials;
pub mod device;
mod directory;
pub mod domains;
mod entitled;
pub mod error;
pub mod groups;
pub mod id;
pub mod idempotency;
pub mod inspect;
pub mod intent;
pub mod key_copy;
pub mod keys;
pub mod mail;
pub mod master;
pub mod names;
pub mod orgs;
pub mod page;
pub mod pairwise;
pub mod patch;
pub mod policy;
pub mod query;
pub mod records;
pub mod refusal;
pub mod restore;
pub mod rewrap;
pub mod scope;
pub mod services;
pub mod sessions;
pub mod signin;
pub mod signin_browser;
pub mod statistics;
pub mod store;
pub mod table;
mod tidy;
pub mod time;
pub mod tokens;
mod user_keys;
pub mod users;
pub mod value;
pub mod values;
mod walk;

pub use directory::{Directory, GRANT_LIFETIME, Granted, Stale};
pub use error::{Error, FieldProblem, Result};
pub use id::OrgId;
pub use intent::Intent;
pub use scope::{Org, Taken, across};
pub use time::Timestamp;

/// Fixed-length bytes in a record.
pub use latchkey_wire::Bytes;
/// SHA-256, as the protocol uses it: for a store that hashes what it chains.
pub use latchkey_wire::bytes::sha256;
/// Random bytes: for a store's incarnation.
pub use latchkey_wire::sign::random_bytes;
