//! Sessions: who is signed in at which service, who is signed in here, and ending either.
//!
//! Owns both lists. Must not know how a session begins.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::access::BrowserSessionView;
use latchkey_directory::sessions::{SessionFilter, SessionView};
use latchkey_directory::values::{Module, Scope};
use latchkey_directory::{Error, OrgId};

use super::super::doors::{Doors, Needs};
use super::super::fields::{Asked, Fields, Paging};
use super::super::page::{self, MASK, Page};
use super::super::visit::Visit;
use crate::app::App;
use crate::problem::Result;

/// Where the sessions at services are.
const LIST: &str = "/admin/sessions";
/// Where the sessions here are.
const BROWSERS: &str = "/admin/sessions/browsers";

pub(super) fn doors(doors: Doors) -> Doors {
    let (read, write) = (Needs::Right(Scope::SessionsRead), Needs::Right(Scope::SessionsWrite));
    doors
        .page(read, LIST, list)
        .page(read, BROWSERS, browsers)
        .page(write, "/admin/sessions/end", confirm)
        .action(write, "/admin/sessions/end", end_many)
        .action(write, "/admin/sessions/{id}/end", end)
        .action(write, "/admin/sessions/browsers/{id}/end", end_browser)
}

fn filter(fields: &Fields) -> SessionFilter {
    SessionFilter { user: fields.words("user"), device: fields.words("device"), service: fields.words("service") }
}

#[derive(Template)]
#[template(path = "identity/sessions.html")]
struct ListPage {
    page: Page,
    sessions: Vec<SessionView>,
    user: String,
    device: String,
    service: String,
    filtered: bool,
    /// What is asked for, for the page that ends all of it.
    query: String,
    may_write: bool,
    paging: Paging,
    cli: String,
    api: String,
}

async fn list(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let mut filter = filter(&asked);
    if visit.rights.is_masked(Module::Sessions) {
        // Whoever may not read names must not find out by asking for them.
        filter.user.clear();
        filter.device.clear();
    }
    let filtered = !filter.is_empty();
    let found = app.directory.sessions(&visit.org, filter, asked.page_request()).await?;
    let mut sessions = found.items;
    if visit.rights.is_masked(Module::Sessions) {
        for session in &mut sessions {
            MASK.clone_into(&mut session.login_name);
        }
    }
    let path = visit.at(LIST);
    let text = |name: &str| asked.text(name).unwrap_or_default().to_owned();
    Ok(page::show(&ListPage {
        page: visit.page("sessions.title"),
        sessions,
        user: text("user"),
        device: text("device"),
        service: text("service"),
        filtered,
        query: asked.with_after("", None),
        may_write: visit.rights.may(Scope::SessionsWrite),
        paging: asked.paging(&path, found.next.as_ref()),
        cli: "latchkey session list --user anna@acme.example\nlatchkey session end ID".to_owned(),
        api: format!("GET /api/v1{0}/sessions?user=anna@acme.example\nDELETE /api/v1{0}/sessions/ID", visit.at("")),
    }))
}

/// A session here, with the name of its person.
struct Browser {
    view: BrowserSessionView,
    name: String,
    address: String,
    is_this: bool,
}

#[derive(Template)]
#[template(path = "identity/sessions_browsers.html")]
struct BrowsersPage {
    page: Page,
    sessions: Vec<Browser>,
    user: String,
    unknown: bool,
    may_write: bool,
    paging: Paging,
    cli: String,
    api: String,
}

async fn browsers(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let user = asked.text("user").unwrap_or_default().to_owned();
    let of = match user.as_str() {
        _ if visit.rights.is_masked(Module::Sessions) => None,
        "" => None,
        which => match app.directory.user(&visit.org, which).await {
            Ok(found) => Some(found.id),
            // Nobody has this name, so nobody of this name is signed in.
            Err(Error::NotFound { .. }) => Some(String::new()),
            Err(error) => return Err(error.into()),
        },
    };
    let found = app.directory.browser_sessions(&visit.org, of.as_deref(), asked.page_request()).await?;
    let masked = visit.rights.is_masked(Module::Sessions);
    let mut sessions = Vec::with_capacity(found.items.len());
    for view in found.items {
        let name = if masked { MASK.to_owned() } else { name_of(&app, &visit.org, &view.user_id).await? };
        let address = if masked { MASK.to_owned() } else { view.address.clone().unwrap_or_default() };
        sessions.push(Browser { name, address, is_this: view.id == visit.session.id, view });
    }
    let path = visit.at(BROWSERS);
    Ok(page::show(&BrowsersPage {
        page: visit.page("sessions.title"),
        sessions,
        unknown: of.as_deref() == Some(""),
        user,
        may_write: visit.rights.may(Scope::SessionsWrite),
        paging: asked.paging(&path, found.next.as_ref()),
        cli: "latchkey session end --user anna@acme.example".to_owned(),
        api: format!("POST /api/v1{}/sessions/end\n{{\"filter\":{{\"user\":[\"anna@acme.example\"]}}}}", visit.at("")),
    }))
}

async fn name_of(app: &Arc<App>, org: &OrgId, id: &str) -> Result<String> {
    match app.directory.user(org, id).await {
        Ok(user) => Ok(user.login_name),
        Err(Error::NotFound { .. }) => Ok(id.to_owned()),
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "identity/sessions_end.html")]
struct ConfirmPage {
    page: Page,
    user: String,
    device: String,
    service: String,
    everyone: bool,
    count: u64,
    cli: String,
    api: String,
}

async fn confirm(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let filter = filter(&asked);
    let everyone = filter.is_empty();
    let text = |name: &str| asked.text(name).unwrap_or_default().to_owned();
    let (user, device, service) = (text("user"), text("device"), text("service"));
    let mut cli = "latchkey session end".to_owned();
    let mut api = serde_json::Map::new();
    for (name, values) in [("user", &filter.user), ("device", &filter.device), ("service", &filter.service)] {
        for value in values {
            cli = format!("{cli} --{name} {value}");
        }
        if !values.is_empty() {
            api.insert(name.to_owned(), values.clone().into());
        }
    }
    if everyone {
        cli.push_str(" --everyone");
        api.insert("everyone".to_owned(), true.into());
    }
    let count = app.directory.end_sessions(&visit.trial(), &visit.org, filter).await?;
    let body = serde_json::json!({ "filter": api });
    Ok(page::show(&ConfirmPage {
        page: visit.page("sessions.end.title"),
        user,
        device,
        service,
        everyone,
        count,
        cli,
        api: format!("POST /api/v1{}/sessions/end\n{body}", visit.at("")),
    }))
}

async fn end_many(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let filter = filter(&fields);
    // Nothing must not mean everybody by accident.
    if filter.is_empty() != fields.is_on("everyone") {
        return Err(Error::field("/filter", "say which: user, device or service, or everyone alone").into());
    }
    app.directory.end_sessions(&visit.intent(), &visit.org, filter).await?;
    Ok(visit.go_saying(LIST, "sessions-ended"))
}

async fn end(visit: Visit, State(app): State<Arc<App>>, Path((_org, id)): Path<(String, String)>) -> Result<Response> {
    app.directory.end_session(&visit.intent(), &visit.org, &id).await?;
    Ok(visit.go_saying(LIST, "sessions-ended"))
}

async fn end_browser(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    app.directory.end_browser_session(&visit.intent(), &visit.org, &id, None).await?;
    Ok(visit.go_saying(BROWSERS, "sessions-ended"))
}
