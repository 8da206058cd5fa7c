//! What the server asks others over the network, name servers and addresses that somebody typed in, and what every call from there has in
//! common.
//!
//! Owns the guard against being sent where it must not go (security.md, A31), the limits by source address, and reading a content type or a cookie.
//! Must not know why it asks, nor what is asked.

pub mod address;
pub mod dns;
pub mod fetch;
pub mod limits;

use http::HeaderMap;
use http::header::{CONTENT_TYPE, COOKIE};

/// The content type of a body without its parameters; empty if there is none.
#[must_use]
pub fn content_type(headers: &HeaderMap) -> &str {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

/// The value of the one cookie with this name. Two of them are none: one that somebody else set on the same host name must not count.
#[must_use]
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(found, _)| *found == name)
        .map(|(_, value)| value);
    match (found.next(), found.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}
