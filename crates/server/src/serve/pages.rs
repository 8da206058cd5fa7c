//! The plain pages of the shell: a refusal, and the way to the right address.
//!
//! Owns HTML without style or script, for when nothing else can be shown. Must not know the portals' looks.

use std::fmt::Write as _;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::host::WrongName;
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
    let body = format!(
        "<p>{}</p><p>{}</p><p>{} · {}</p>",
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

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let title = escaped(title);
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><body><h1>{title}</h1>{body}</body></html>\n"
    );
    let mut response = (status, text).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

/// Text as HTML shows it.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut html, c| {
        match c {
            '&' | '<' | '>' | '"' | '\'' => {
                // Writing to a string does not fail.
                let _ = write!(html, "&#{};", u32::from(c));
            }
            c => html.push(c),
        }
        html
    })
}
