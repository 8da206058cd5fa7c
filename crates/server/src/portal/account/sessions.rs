//! My sessions: where I am signed in, and signing out there.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::access::BrowserSessionView;
use latchkey_directory::page::PageRequest;
use latchkey_directory::sessions::{SessionFilter, SessionView};

use crate::app::App;
use crate::portal::doors::{Doors, Needs};
use crate::portal::page::{self, Page};
use crate::portal::visit::Visit;
use crate::problem::Result;

const HERE: &str = "/account/sessions";

pub(super) fn doors(doors: Doors) -> Doors {
    doors.page(Needs::Person, HERE, sessions).action(Needs::Person, "/account/sessions/{id}/end", end).action(
        Needs::Person,
        "/account/sessions/end-others",
        end_others,
    )
}

#[derive(Template)]
#[template(path = "account/sessions.html")]
struct SessionsPage {
    page: Page,
    here: String,
    browsers: Vec<BrowserSessionView>,
    services: Vec<SessionView>,
}

async fn sessions(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    let request = || PageRequest { limit: 100, ..PageRequest::default() };
    let browsers = app.directory.browser_sessions(&visit.org, Some(&visit.user_id), request()).await?.items;
    let filter = SessionFilter { user: vec![visit.user_id.clone()], ..SessionFilter::default() };
    let services = app.directory.sessions(&visit.org, filter, request()).await?.items;
    let here = visit.session.id.clone();
    Ok(page::show(&SessionsPage { page: visit.page("account.sessions"), here, browsers, services }))
}

async fn end(visit: Visit, State(app): State<Arc<App>>, Path((_org, id)): Path<(String, String)>) -> Result<Response> {
    app.directory.end_browser_session(&visit.intent(), &visit.org, &id, Some(&visit.user_id)).await?;
    // Who ended the session of this very browser is asked to sign in by the next page.
    Ok(visit.go_saying(HERE, "signed-out-there"))
}

async fn end_others(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    let keep = Some(visit.session.id.as_str());
    app.directory.end_browser_sessions_of(&visit.intent(), &visit.org, &visit.user_id, keep).await?;
    Ok(visit.go_saying(HERE, "signed-out-there"))
}
