//! The plain pages of the shell: a refusal, and the way to the right address.
//!
//! Owns HTML with the portals' style sheet and without script, for when nothing else can be shown. Must not know the portals.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::host::WrongName;
use crate::code::{Code, Own};
use crate::html::escaped;
use crate::portal::assets;
use crate::problem::Problem;

/// The page of first-hour.md for a request under another name.
pub(super) fn wrong_name(wrong: &WrongName) -> Response {
    let body = format!(
        "<p>{}</p><p>Go there: <a href=\"{1}\">{1}</a></p><p>{2}</p>",
        escaped(&wrong.what()),
        escaped(&wrong.target),
        escaped(&wrong.mend())
    );
    page(StatusCode::MISDIRECTED_REQUEST, "Another name", &body)
}

/// A problem, for a person.
pub(super) fn problem(problem: &Problem, headers: &HeaderMap) -> Response {
    if matches!(problem.code(), Code::Own(Own::Api004)) {
        return nothing_here(problem);
    }
    let body = format!(
        "<p>{}</p><p>{}</p><p class=\"ref\">{} · <code>{}</code></p>",
        escaped(problem.words()),
        escaped(problem.way_out()),
        problem.code(),
        escaped(problem.reference())
    );
    let mut response = page(problem.status(), problem.code().title(), &body);
    if let Some(wait) = headers.get(RETRY_AFTER) {
        response.headers_mut().insert(RETRY_AFTER, wait.clone());
    }
    response
}

/// An address that leads nowhere. The code's own words are for whoever names things on a command line; here somebody followed a link.
fn nothing_here(problem: &Problem) -> Response {
    let body = format!(
        "<p>There is no page at this address. A bookmark of a sign-in page does not work: open the service that you want to use, and it \
         sends you to the right place.</p><p>If a service sent you here, tell your administrator; it has the wrong address of this sign-in \
         server.</p><p><a href=\"/\">About this server</a></p><p class=\"ref\">{} · <code>{}</code></p>",
        problem.code(),
        escaped(problem.reference())
    );
    page(problem.status(), "There is no such page", &body)
}

/// A page without script, that nothing can be put into.
pub(crate) fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let title = escaped(title);
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{}</style><body class=\"narrow roomy\"><main><div class=\"card\"><h1>{title}</h1>{body}</div></main>\
         </body></html>\n",
        assets::STYLE
    );
    let mut response = (status, text).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, policy());
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn policy() -> HeaderValue {
    let style = assets::style_source();
    let policy =
        format!("default-src 'none'; style-src {style}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    HeaderValue::from_str(&policy).expect("it is ASCII")
}
