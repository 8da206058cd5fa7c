//! Disabling, enabling and deleting a user, each with what it takes along; and ending a user's sessions.
//!
//! Owns the pages that ask first. Must not know how sessions end.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::sessions::SessionFilter;
use latchkey_directory::values::Scope;

use super::{LIST, hides};
use crate::app::App;
use crate::portal::doors::{Doors, Needs};
use crate::portal::fields::Fields;
use crate::portal::page::{self, Page, masked};
use crate::portal::visit::Visit;
use crate::problem::Result;

pub(super) fn doors(doors: Doors) -> Doors {
    let write = Needs::Right(Scope::UsersWrite);
    doors
        .page(write, "/admin/users/{user}/disable", ask_disable)
        .action(write, "/admin/users/{user}/disable", disable)
        .action(write, "/admin/users/{user}/enable", enable)
        .page(write, "/admin/users/{user}/delete", ask_delete)
        .action(write, "/admin/users/{user}/delete", delete)
        .action(Needs::Right(Scope::SessionsWrite), "/admin/users/{user}/sessions/end", end)
}

/// What would be touched: how many, and of what, by the key of its text.
type Touched = Vec<(u64, &'static str)>;

#[derive(Template)]
#[template(path = "identity/user_away.html")]
struct AskPage {
    page: Page,
    id: String,
    login: String,
    /// What the text of this page is called: `disable` or `delete`.
    what: &'static str,
    touched: Touched,
    cli: String,
    api: String,
}

type Which = Path<(String, String)>;

async fn ask_disable(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which) -> Result<Response> {
    let (user, sessions) = app.directory.disable_user(&visit.trial(), &visit.org, &which).await?;
    let login = masked(user.login_name, hides(&visit.rights));
    Ok(page::show(&AskPage {
        page: visit.page("users.disable.title"),
        cli: format!("latchkey user disable {}", user.id),
        api: format!("POST /api/v1{}/users/{}/disable", visit.at(""), user.id),
        what: "disable",
        touched: vec![(sessions, "users.away.sessions")],
        id: user.id,
        login,
    }))
}

async fn disable(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which) -> Result<Response> {
    let (user, _) = app.directory.disable_user(&visit.intent(), &visit.org, &which).await?;
    Ok(visit.go_saying(&format!("{LIST}/{}", user.id), "user-disabled"))
}

async fn enable(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which) -> Result<Response> {
    let user = app.directory.enable_user(&visit.intent(), &visit.org, &which).await?;
    Ok(visit.go_saying(&format!("{LIST}/{}", user.id), "user-enabled"))
}

async fn ask_delete(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which) -> Result<Response> {
    let (user, sessions, bindings) = app.directory.delete_user(&visit.trial(), &visit.org, &which).await?;
    let login = masked(user.login_name, hides(&visit.rights));
    Ok(page::show(&AskPage {
        page: visit.page("users.delete.title"),
        cli: format!("latchkey user delete {}", user.id),
        api: format!("DELETE /api/v1{}/users/{}", visit.at(""), user.id),
        what: "delete",
        touched: vec![(sessions, "users.away.sessions"), (bindings, "users.away.bindings")],
        id: user.id,
        login,
    }))
}

async fn delete(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which) -> Result<Response> {
    app.directory.delete_user(&visit.intent(), &visit.org, &which).await?;
    Ok(visit.go_saying(LIST, "user-deleted"))
}

/// One session at a service, one in a browser, or all there are.
async fn end(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, which)): Which,
    fields: Fields,
) -> Result<Response> {
    let user = app.directory.user(&visit.org, &which).await?;
    let (directory, intent) = (&app.directory, visit.intent());
    match (fields.text("session"), fields.text("browser")) {
        (Some(id), _) => drop(directory.end_session(&intent, &visit.org, id).await?),
        (None, Some(id)) => drop(directory.end_browser_session(&intent, &visit.org, id, Some(&user.id)).await?),
        (None, None) => {
            let all = SessionFilter { user: vec![user.id.clone()], ..SessionFilter::default() };
            directory.end_sessions(&intent, &visit.org, all).await?;
        }
    }
    Ok(visit.go_saying(&format!("{LIST}/{}", user.id), "sessions-ended"))
}
