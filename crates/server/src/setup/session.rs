//! Opening a link, and the cookie that goes on with it.
//!
//! Owns the cookie. The link is exchanged for it at once and the browser is sent on, so that the secret leaves address bar and history and is
//! worth nothing to whoever finds it there. Must not know the steps.

use std::sync::Arc;

use askama::Template;
use axum::extract::{FromRequestParts, Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use latchkey_directory::access::{SETUP_SESSION_LIFETIME, SetupSession};
use latchkey_directory::credentials::BrowserSecret;
use latchkey_directory::{Error, Intent, OrgId};

use crate::app::App;
use crate::code::Own;
use crate::net::cookie;
use crate::portal::page::{self, Page};
use crate::portal::visit::Passer;
use crate::problem::{Problem, Result};
use crate::serve::way::Way;
use crate::signin::person::cookie as known;

const NAME: &str = "__Host-lk-setup";

#[derive(Template)]
#[template(path = "setup/gone.html")]
struct Gone {
    page: Page,
    command: String,
}

/// The page for whoever comes without a link that counts.
pub(super) fn gone(app: &App, passer: &Passer) -> Response {
    let command = format!("latchkey setup-link --data {}", app.settings.data.display());
    let shown = Gone { page: passer.page("setup.gone.title"), command };
    passer.bound(page::show_as(StatusCode::GONE, &shown))
}

/// `GET /setup/{token}`.
pub(super) async fn open(passer: Passer, State(app): State<Arc<App>>, Path(token): Path<String>) -> Result<Response> {
    // Opening is a write: nobody makes many of them by guessing.
    if let Some(address) = passer.address {
        app.limits.unauthenticated(address)?;
    }
    let Some((secret, _)) = app.directory.open_setup_link(&token, address(&passer)).await? else {
        return Ok(gone(&app, &passer));
    };
    let mut response = Redirect::to("/setup").into_response();
    let seconds = SETUP_SESSION_LIFETIME.as_secs();
    let cookie = format!("{NAME}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}", secret.expose());
    let mut cookie = HeaderValue::from_str(&cookie).map_err(Problem::internal)?;
    cookie.set_sensitive(true);
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(passer.bound(response))
}

/// Takes the cookie away again.
pub(super) fn end(response: &mut Response) {
    let gone = HeaderValue::from_static("__Host-lk-setup=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    response.headers_mut().append(SET_COOKIE, gone);
}

fn address(passer: &Passer) -> Option<String> {
    passer.address.map(|address| address.to_canonical().to_string())
}

/// A set-up under way, read for this request, with whoever goes on with it.
pub(super) struct Under {
    pub(super) setup: SetupSession,
    pub(super) passer: Passer,
    /// What the browser calls itself.
    pub(super) agent: Option<String>,
    /// What the browser is known by, if somebody signed in there before.
    pub(super) browser: Option<BrowserSecret>,
    /// How it came here.
    pub(super) way: Option<Way>,
}

impl Under {
    /// Who acts, as the audit names them.
    pub(super) fn intent(&self) -> Intent {
        Intent::of(&self.setup.actor(self.address()))
    }

    pub(super) fn address(&self) -> Option<String> {
        address(&self.passer)
    }

    /// The organization that was made.
    pub(super) fn org(&self) -> Result<OrgId> {
        let missing = || Error::state("there is no organization yet", "begin with it: open /setup");
        Ok(self.setup.org.clone().ok_or_else(missing)?)
    }

    pub(super) fn page(&self, title: &str) -> Page {
        self.passer.page(title)
    }
}

impl FromRequestParts<Arc<App>> for Under {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> std::result::Result<Self, Response> {
        let passer =
            Passer::from_request_parts(parts, app).await.map_err(axum::response::IntoResponse::into_response)?;
        let found = match cookie(&parts.headers, NAME) {
            Some(cookie) => app.directory.setup_session(cookie).await,
            None => Ok(None),
        };
        let setup = match found {
            Ok(Some(setup)) => setup,
            Ok(None) => return Err(gone(app, &passer)),
            Err(error) => return Err(Problem::from(error).into_response()),
        };
        let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let way = parts.extensions.get::<Way>().cloned();
        Ok(Self { setup, passer, agent: text(http::header::USER_AGENT), browser: known::shown(&parts.headers), way })
    }
}

/// What is wrong with one field.
pub(super) fn wrong(field: &str, detail: &str) -> Problem {
    Problem::of(latchkey_wire::Code::Api010).detail(detail.to_owned()).field(
        format!("/{field}"),
        latchkey_wire::Code::Api010,
        detail.to_owned(),
    )
}

/// A problem of the set-up that no form can mend.
pub(super) fn over() -> Problem {
    Problem::of(Own::Auth002)
        .detail("This set-up is over.")
        .fix("Ask for a new link on the server: latchkey setup-link --user LOGIN")
}
