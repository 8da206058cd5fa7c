//! The cookie by which a browser is known to have signed a user in before (`credentials/attempts` says what for).
//!
//! Owns its name and attributes. It opens nothing.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use latchkey_directory::credentials::BrowserSecret;

const NAME: &str = "__Host-lk-k";

/// 400 days, the longest that browsers keep.
const MAX_AGE: u64 = 400 * 24 * 60 * 60;

/// What the browser shows. Two of them are none.
#[must_use]
pub(super) fn shown(headers: &HeaderMap) -> Option<BrowserSecret> {
    let mut found = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == NAME)
        .map(|(_, value)| value);
    let (Some(value), None) = (found.next(), found.next()) else { return None };
    BrowserSecret::read(value)
}

/// The cookie for the answer that signs somebody in.
#[must_use]
pub(super) fn set(secret: &BrowserSecret) -> HeaderValue {
    let text = format!("{NAME}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={MAX_AGE}", secret.expose());
    let mut value = HeaderValue::from_str(&text).expect("the value is base64url");
    value.set_sensitive(true);
    value
}
