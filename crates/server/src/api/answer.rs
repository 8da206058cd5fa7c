//! Answers: one resource with its `ETag`, a page, what a dry run found, a secret that is shown once.
//!
//! Owns the form of answers that every call shares. Must not know what is answered.

use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, ETAG};
use http::{HeaderValue, StatusCode};
use latchkey_directory::intent::version;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// One resource, with its `ETag`.
pub struct Resource<T>(pub T);

impl<T: Serialize> IntoResponse for Resource<T> {
    fn into_response(self) -> Response {
        let tag = format!("\"{}\"", version(&self.0));
        let mut response = Json(self.0).into_response();
        let tag = HeaderValue::from_str(&tag).expect("base64url and quotes are visible ASCII");
        response.headers_mut().insert(ETAG, tag);
        response
    }
}

/// What a dry run found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Would {
    /// How many things would change, and how: `{"created": 1}`.
    pub would: BTreeMap<&'static str, u64>,
    /// Some of them, as they would be.
    pub sample: Vec<Value>,
}

/// How many things a dry run shows.
pub const SAMPLE: usize = 20;

impl Would {
    /// So many of these, named like `created`.
    #[must_use]
    pub fn of<T: Serialize>(what: &'static str, count: u64, sample: &[T]) -> Self {
        // A view is plain JSON; one that were not would be left out of a sample.
        let sample = sample.iter().take(SAMPLE).filter_map(|view| serde_json::to_value(view).ok()).collect();
        Self { would: BTreeMap::from([(what, count)]), sample }
    }

    /// And so many of those.
    #[must_use]
    pub fn and(mut self, what: &'static str, count: u64) -> Self {
        self.would.insert(what, count);
        self
    }
}

impl IntoResponse for Would {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// What was created (201), or would be.
pub fn created<T: Serialize>(dry_run: bool, view: T) -> Response {
    if dry_run {
        return Would::of("created", 1, &[view]).into_response();
    }
    (StatusCode::CREATED, Resource(view)).into_response()
}

/// What was changed (200), or would be; `what` names the change, like `changed` or `disabled`.
pub fn changed<T: Serialize>(dry_run: bool, what: &'static str, view: T) -> Response {
    if dry_run {
        return Would::of(what, 1, &[view]).into_response();
    }
    Resource(view).into_response()
}

/// What was deleted (204), or would be.
pub fn deleted<T: Serialize>(dry_run: bool, view: T) -> Response {
    deleted_with(dry_run, view, &[])
}

/// What was deleted (204), or would be, with what goes along.
pub fn deleted_with<T: Serialize>(dry_run: bool, view: T, along: &[(&'static str, u64)]) -> Response {
    if dry_run {
        let would = Would::of("deleted", 1, &[view]);
        return along.iter().fold(would, |would, (what, count)| would.and(what, *count)).into_response();
    }
    StatusCode::NO_CONTENT.into_response()
}

/// Marks an answer that has a secret which is shown this once: it is neither cached nor kept for a repeated request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnceOnly {
    /// The id of what was made.
    pub resource: String,
}

/// An answer with a secret that is shown this once.
pub fn once_only<T: Serialize>(status: StatusCode, resource: impl Into<String>, view: &T) -> Response {
    let mut response = (status, Json(view)).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(OnceOnly { resource: resource.into() });
    response
}
