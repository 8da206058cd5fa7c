//! The page that posts an answer to a service.
//!
//! Owns its HTML and its policy headers, which are stricter than other pages'. Must not know what is in the answer. Every value is escaped.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY};
use http::{HeaderValue, StatusCode};
use latchkey_saml::post_form::PostForm;
use latchkey_wire::bytes::to_base64url;

use super::visitor::private;
use crate::html::escaped;

const FRAMES: HeaderName = HeaderName::from_static("x-frame-options");

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:38rem;padding:2rem 1rem}\
button{font:inherit;padding:.5rem 1rem}dt{font-weight:600}dd{margin:0 0 .5rem}code{overflow-wrap:anywhere}\
@media(prefers-color-scheme:dark){body{background:#111;color:#eee}a{color:#9cf}}";

/// The page that posts an answer to the service: by itself with script, by its button without.
pub(super) fn posting(form: &PostForm) -> Response {
    let nonce = nonce();
    let fields: String = form
        .fields()
        .into_iter()
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escaped(value)))
        .collect();
    let body = format!(
        "<form method=\"post\" action=\"{}\">{fields}<p>You are being taken to the service.</p>\
<p><button type=\"submit\">Continue</button></p></form>\
<script nonce=\"{nonce}\">document.forms[0].submit()</script>",
        escaped(&form.action)
    );
    // Browsers apply `form-action` to redirects as well, and a service may send people on to another host of its own after it took the
    // answer; so it names schemes and not the consumer address, which is from metadata anyway.
    let policy = format!("script-src 'nonce-{nonce}'; form-action https: http:");
    page(StatusCode::OK, "Signing in", &body, &nonce, &policy)
}

fn nonce() -> String {
    to_base64url(&*latchkey_wire::sign::random_bytes::<16>())
}

fn page(status: StatusCode, title: &str, body: &str, nonce: &str, policy: &str) -> Response {
    let text = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{}</title>\
<style nonce=\"{nonce}\">{STYLE}</style></head><body><main>{body}</main></body></html>\n",
        escaped(title)
    );
    let mut response = private((status, text).into_response());
    let policy =
        format!("default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; frame-ancestors 'none'; {policy}");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy).expect("it is ASCII"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("strict-origin"));
    headers.insert(FRAMES, HeaderValue::from_static("DENY"));
    response
}
