//! Users: the list with its filters, and the way out as a file.
//!
//! Owns the list. Must not know what is done with one user.

mod form;
mod import;
mod one;
mod reset;
mod status;
pub mod waiting;

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::Timestamp;
use latchkey_directory::access::Rights;
use latchkey_directory::users::{UserFilter, UserView};
use latchkey_directory::values::{Module, Scope, UserSource, UserStatus};

use crate::app::App;
use crate::code::Own;
use crate::portal::doors::{Doors, Needs};
use crate::portal::fields::{Asked, Paging};
use crate::portal::page::{self, Page, masked};
use crate::portal::visit::Visit;
use crate::problem::{Problem, Result};
use crate::{export, users_csv};

/// Where the list is.
const LIST: &str = "/admin/users";

pub(super) fn doors(doors: Doors) -> Doors {
    let read = Needs::Right(Scope::UsersRead);
    let doors = doors.page(read, LIST, list).page(read, "/admin/users/export", file);
    let doors = form::doors(doors);
    let doors = import::doors(doors);
    let doors = status::doors(doors);
    let doors = reset::doors(doors);
    one::doors(doors)
}

/// A user in the list, named only to whoever may read names.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) login_name: String,
    pub(super) display_name: Option<String>,
    pub(super) status: UserStatus,
    pub(super) protected: bool,
    pub(super) source: UserSource,
    pub(super) department: Option<String>,
    pub(super) groups: Vec<String>,
    pub(super) created_at: Timestamp,
}

impl Row {
    pub(super) fn of(user: UserView, hide: bool) -> Self {
        Self {
            id: user.id,
            login_name: masked(user.login_name, hide),
            display_name: user.display_name.filter(|_| !hide),
            status: user.status,
            protected: user.protected,
            source: user.source,
            department: user.department,
            groups: user.groups,
            created_at: user.created_at,
        }
    }
}

/// Whether these rights see users without their names.
pub(super) fn hides(rights: &Rights) -> bool {
    rights.is_masked(Module::Users) || !rights.may(Scope::UsersRead)
}

#[derive(Template)]
#[template(path = "identity/users.html")]
struct ListPage {
    page: Page,
    users: Vec<Row>,
    hide: bool,
    q: String,
    department: String,
    group: String,
    status: Vec<String>,
    source: Vec<String>,
    filtered: bool,
    may_write: bool,
    paging: Paging,
    export: String,
    api: String,
}

impl ListPage {
    fn statuses() -> impl Iterator<Item = &'static str> {
        ["active", "disabled", "deleted"].into_iter()
    }

    fn sources() -> impl Iterator<Item = &'static str> {
        ["local", "import", "device-token"].into_iter()
    }

    fn has(list: &[String], value: &str) -> bool {
        list.iter().any(|one| one == value)
    }
}

/// Who was asked for. Whoever sees no names finds nobody by name: the list would tell them.
fn filter(asked: &Asked, hide: bool) -> UserFilter {
    UserFilter {
        status: asked.all_of("status"),
        source: asked.all_of("source"),
        department: asked.many("department"),
        group: asked.many("group"),
        text: asked.text("q").filter(|_| !hide).map(str::to_owned),
    }
}

async fn list(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let hide = hides(&visit.rights);
    let found = app.directory.users(&visit.org, filter(&asked, hide), asked.page_request()).await?;
    let path = visit.at(LIST);
    let text = |name: &str| asked.text(name).unwrap_or_default().to_owned();
    let (q, department, group) = (text("q"), text("department"), text("group"));
    let (status, source) = (asked.many("status"), asked.many("source"));
    Ok(page::show(&ListPage {
        page: visit.page("users.title"),
        users: found.items.into_iter().map(|user| Row::of(user, hide)).collect(),
        hide,
        filtered: !(q.is_empty()
            && department.is_empty()
            && group.is_empty()
            && status.is_empty()
            && source.is_empty()),
        q,
        department,
        group,
        status,
        source,
        may_write: visit.rights.may(Scope::UsersWrite),
        paging: asked.paging(&path, found.next.as_ref()),
        export: asked.with_after(&visit.at("/admin/users/export"), None),
        api: format!("GET /api/v1{}/users", visit.at("")),
    }))
}

/// The users that the list shows, as a file that the import reads.
async fn file(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    if hides(&visit.rights) {
        return Err(Problem::of(Own::Auth002)
            .detail("A file of users has their names, and your roles show names masked.")
            .fix("Ask an administrator of your organization for a role that may view users."));
    }
    let (org, filter) = (visit.org.clone(), filter(&asked, false));
    let rows = move |request| {
        let (app, org, filter) = (Arc::clone(&app), org.clone(), filter.clone());
        async move { app.directory.users(&org, filter, request).await }
    };
    Ok(page::kept_by_nobody(export::csv("users.csv", &users_csv::COLUMNS, rows, users_csv::line).await?))
}
