//! Enrollment, renewal, binding, heartbeat and unenrollment: the server's side of `device/v1`.
//!
//! Owns the routes, the order of checks before a transaction (protocol.md), the signing of results and refusals, and the device CA. Must
//! not know the rules: those decide inside `latchkey_directory::device`.

mod answer;
pub mod certificate;
mod devices;
mod enrollments;
mod nonces;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use latchkey_wire::message::{Bind, Enroll, Heartbeat, Renew, Unenroll};
use latchkey_wire::{Posted, calls};

use crate::app::App;

pub(crate) use answer::unavailable;

/// The device interface.
pub fn routes() -> Router<Arc<App>> {
    let path = |call: &str| format!("/o/{{org}}/{call}");
    let at_most = DefaultBodyLimit::max;
    Router::new()
        .route(&path(calls::path::NONCES), post(nonces::nonces).layer(at_most(calls::NonceRequest::MAX_BODY)))
        .route(
            &path(calls::path::ENROLLMENTS),
            post(enrollments::enrollments).layer(at_most(Posted::<Enroll>::MAX_BODY)),
        )
        .route(&path(calls::path::RENEWALS), post(devices::renewals).layer(at_most(Posted::<Renew>::MAX_BODY)))
        .route(&path(calls::path::BINDINGS), post(devices::bindings).layer(at_most(Posted::<Bind>::MAX_BODY)))
        .route(&path(calls::path::HEARTBEATS), post(devices::heartbeats).layer(at_most(Posted::<Heartbeat>::MAX_BODY)))
        .route(
            &path(calls::path::UNENROLLMENTS),
            post(devices::unenrollments).layer(at_most(Posted::<Unenroll>::MAX_BODY)),
        )
}
