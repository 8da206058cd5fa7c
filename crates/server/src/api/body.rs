//! JSON bodies.
//!
//! Owns reading a body into a typed request with every unknown field and every wrong type told at once. Must not know the request.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use http::{HeaderMap, Method, StatusCode};
use latchkey_wire::Code as Wire;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Shared, fields, json};
use crate::code::Own;
use crate::net::content_type;
use crate::problem::{Problem, Result};

/// A JSON object as the request `T`, whose fields may all be absent (`#[serde(default)]`). No body at all is an empty object.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Shared> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Shared) -> Result<Self> {
        let method = request.method().clone();
        let headers = request.headers().clone();
        let bytes = whole(request, app).await?;
        if bytes.is_empty() {
            return fields::typed(serde_json::Map::new()).map(Self);
        }
        is_json(&method, &headers)?;
        let value = json::parse(&bytes).map_err(|error| {
            let detail = format!("the body is not JSON with each member once: {error}");
            Problem::of(Wire::Api001).detail(detail).fix("Send one JSON object.")
        })?;
        let Value::Object(members) = value else {
            return Err(Problem::of(Wire::Api001)
                .detail("the body is not a JSON object")
                .fix("Send one JSON object: {\"name\": …}."));
        };
        fields::known("field", members.keys().map(String::as_str), fields::declared::<T>())?;
        fields::typed(members).map(Self)
    }
}

/// A body that is not JSON: CSV, JSON lines.
pub struct Raw(pub Bytes);

impl FromRequest<Shared> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Shared) -> Result<Self> {
        whole(request, app).await.map(Self)
    }
}

async fn whole(request: Request, app: &Shared) -> Result<Bytes> {
    Bytes::from_request(request, app).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::of(Own::Api006),
        _ => Problem::of(Wire::Api001).detail(rejection.body_text()).fix("Send the request again, whole."),
    })
}

fn is_json(method: &Method, headers: &HeaderMap) -> Result<()> {
    let found = content_type(headers);
    let is = |wanted: &str| found.eq_ignore_ascii_case(wanted);
    if is("application/json") || (*method == Method::PATCH && is("application/merge-patch+json")) {
        return Ok(());
    }
    let wanted = if *method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    Err(Problem::of(Own::Api002).detail(format!(
        "the body is {}, this call takes {wanted}",
        if found.is_empty() { "of no type" } else { found }
    )))
}
