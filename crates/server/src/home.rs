//! The two plain pages that anybody may read: what answers at the cloud's own address, and what the codes mean.
//!
//! Owns `/` and `/docs/errors`, to which the `type` of every problem document leads. Says nothing that is not the same for every cloud but
//! the cloud's name: no organization, no version. Must not know the portals.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};

use crate::app::App;
use crate::code::Code;
use crate::html::escaped;
use crate::serve::pages;

/// Where the page of codes is; a problem's `type` is this with `#CODE`.
const ERRORS: &str = "/docs/errors";

/// Both pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/", get(home)).route(ERRORS, get(errors))
}

async fn home(State(app): State<Arc<App>>) -> Response {
    pages::page(StatusCode::OK, "Latchkey", &welcome(&app.cloud_name))
}

fn welcome(cloud: &str) -> String {
    format!(
        "<p>The cloud <b>{}</b> is running.</p>\
         <p><a href=\"/signin\">Sign in</a> to your own page: your services, your devices and, for administrators, the portals.</p>\
         <p>For its administrator, on the server:</p>\
         <dl class=\"facts\"><dt><code>latchkey setup-link</code></dt><dd>A link to set up the first organization in the browser</dd>\
         <dt><code>latchkey check</code></dt><dd>What is in order, and what is not</dd>\
         <dt><code>latchkey --help</code></dt><dd>Everything, by command line</dd></dl>\
         <p>Programs use the <a href=\"/api/v1/openapi.json\">REST interface</a>. What a code means: <a href=\"{ERRORS}\">codes</a>, or \
         <code>latchkey explain CODE</code>.</p>",
        escaped(cloud)
    )
}

async fn errors() -> Response {
    static BODY: OnceLock<String> = OnceLock::new();
    let mut response = pages::page(StatusCode::OK, "Codes", BODY.get_or_init(table));
    // The same until the next version.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    response
}

/// Every code of the product, each under its own name.
fn table() -> String {
    let mut html =
        "<p>Under the reference beside a code: <code>latchkey explain REF</code>, on the server.</p><dl class=\"facts\">".to_owned();
    for code in Code::all() {
        // Writing to a string does not fail.
        let _ = write!(
            html,
            "<dt id=\"{0}\"><code>{0}</code></dt><dd><p>{1}</p><p class=\"muted\">{2}</p></dd>",
            code.as_str(),
            escaped(code.title()),
            escaped(code.fix())
        );
    }
    html.push_str("</dl>");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_leads_to_its_place_on_the_page() {
        let page = table();
        for code in Code::all() {
            assert_eq!(page.matches(&format!("id=\"{code}\"")).count(), 1, "{code}");
        }
        let document = crate::problem::Problem::not_found().document();
        assert_eq!(document["type"], format!("{ERRORS}#LK-API-004"));
        assert!(!page.contains("<NAME>") && !welcome("a<b").contains("a<b"));
    }
}
