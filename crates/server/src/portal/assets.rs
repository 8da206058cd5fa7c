//! The looks: one style sheet and one script, both our own.
//!
//! Owns the policy that allows these two and nothing else. Must not know pages.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use latchkey_wire::bytes::{sha256, to_base64url};

use super::page;
use crate::app::App;
use crate::problem::{Problem, Result};

/// The style sheet; it stands in every page.
pub(crate) const STYLE: &str = include_str!("../../assets/portal.css");
const SCRIPT: &str = include_str!("../../assets/portal.js");
const PLACE: &str = "/assets/portal.js";

/// The routes of this concern.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route(PLACE, get(script)).route("/o/{org}/logo/{sha256}", get(logo))
}

/// An organization's logo. Everybody may see it: it stands on the sign-in page. Its address has its hash, as the script's.
async fn logo(State(app): State<Arc<App>>, Path((org, sha256)): Path<(String, String)>) -> Result<Response> {
    let (organization, _) = app.directory.face(&org).await.map_err(|_| Problem::not_found())?;
    let found = app.directory.logo(&organization.id, &sha256).await?.ok_or_else(Problem::not_found)?;
    let kind = HeaderValue::from_str(&found.media_type).map_err(Problem::internal)?;
    let mut response = page::as_file(Response::new(found.body.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(response)
}

async fn script() -> Response {
    let kind = HeaderValue::from_static("text/javascript; charset=utf-8");
    // Its address has its hash: another script is at another address.
    let keep = HeaderValue::from_static("public, max-age=31536000, immutable");
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, keep)], SCRIPT).into_response()
}

/// Where the script is.
pub(super) fn script_path() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| format!("{PLACE}?v={}", to_base64url(&sha256(SCRIPT.as_bytes()).0[..9])))
}

/// The style sheet as a policy names it.
pub(crate) fn style_source() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| format!("'sha256-{}'", STANDARD.encode(sha256(STYLE.as_bytes()).0)))
}

/// What a page may load and do: our style, our script, pictures of our own, forms to ourselves.
pub(super) fn policy() -> HeaderValue {
    static POLICY: OnceLock<HeaderValue> = OnceLock::new();
    POLICY.get_or_init(|| policy_with(style_source(), "'self'")).clone()
}

/// The same for another style sheet, or with forms that go elsewhere. Both are sources as a policy names them.
pub(super) fn policy_with(style: &str, forms: &str) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; style-src {style}; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action {forms}; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("sources are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_sheet_leaves_room_for_the_page_and_cannot_end_its_element() {
        assert!(STYLE.len() <= 32 * 1024, "{} bytes", STYLE.len());
        assert!(!STYLE.contains("</"), "it stands inside <style>");
        assert!(!policy().to_str().unwrap().contains("unsafe"));
    }
}
