//! The cookie by which a browser is known to have signed a user in before (`credentials/attempts` says what for).
//!
//! Owns its name and attributes. It opens nothing.

use http::{HeaderMap, HeaderValue};
use latchkey_directory::credentials::BrowserSecret;

use crate::net::cookie;

const NAME: &str = "__Host-lk-k";

/// 400 days, the longest that browsers keep.
const MAX_AGE: u64 = 400 * 24 * 60 * 60;

/// What the browser shows.
#[must_use]
pub(crate) fn shown(headers: &HeaderMap) -> Option<BrowserSecret> {
    BrowserSecret::read(cookie(headers, NAME)?)
}

/// The cookie for the answer that signs somebody in.
#[must_use]
pub(crate) fn set(secret: &BrowserSecret) -> HeaderValue {
    let text = format!("{NAME}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={MAX_AGE}", secret.expose());
    let mut value = HeaderValue::from_str(&text).expect("the value is base64url");
    value.set_sensitive(true);
    value
}
