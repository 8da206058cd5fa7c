//! What the cloud says about itself.
//!
//! Owns the signed cloud document and its address. Must not know how the root key is kept.

pub mod document;
mod well_known;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use latchkey_directory::Timestamp;
use latchkey_wire::Milliseconds;

use crate::app::{App, OrgKeys, Root};

/// The cloud document.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/.well-known/latchkey", get(well_known::well_known))
}

/// The serial of the newest document of an organization with these keys under this root.
#[must_use]
pub fn serial(keys: &OrgKeys, root: &Root, now: Timestamp) -> Milliseconds {
    let millis = |time: Timestamp| u64::try_from(time.millis()).unwrap_or(0);
    document::serial(millis(keys.changed_at.max(root.since)), millis(now))
}
