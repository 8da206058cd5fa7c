//! What the server asks others over the network, name servers and addresses that somebody typed in, and what every call from there has in
//! common.
//!
//! Owns the guard against being sent where it must not go (security.md, A31), the limits by source address, and reading a content type.
//! Must not know why it asks, nor what is asked.

pub mod address;
pub mod dns;
pub mod fetch;
pub mod limits;

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// The content type of a body without its parameters; empty if there is none.
#[must_use]
pub fn content_type(headers: &HeaderMap) -> &str {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}
