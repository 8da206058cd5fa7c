//! One user: who it is, what hangs on it, and what happened.
//!
//! Owns the page, and the page of the user's roles. Must not know how any of it comes about.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::access::{AssignmentView, BrowserSessionView, Holder, RoleView};
use latchkey_directory::audit::log::{EventFilter, EventView};
use latchkey_directory::credentials::CredentialsView;
use latchkey_directory::device::view::{BindingFilter, BindingView};
use latchkey_directory::page::PageRequest;
use latchkey_directory::sessions::{SessionFilter, SessionView};
use latchkey_directory::users::UserView;
use latchkey_directory::values::{HolderKind, Module, Scope, UserStatus};

use super::{LIST, hides};
use crate::app::App;
use crate::portal::doors::{Doors, Needs};
use crate::portal::fields::Fields;
use crate::portal::page::{self, MASK, Page, masked};
use crate::portal::visit::Visit;
use crate::problem::Result;

/// So many of each kind are shown; the rooms of those have the others.
const SOME: u64 = 20;

pub(super) fn doors(doors: Doors) -> Doors {
    let roles = Needs::Fresh(Scope::RolesWrite);
    doors
        .page(Needs::Right(Scope::UsersRead), "/admin/users/{user}", show)
        .page(roles, "/admin/users/{user}/roles", roles_of)
        .action(roles, "/admin/users/{user}/roles", change_roles)
}

/// Something that happened to the user.
struct Happened {
    at: String,
    action: String,
    actor: String,
    refused: bool,
    id: String,
}

impl Happened {
    fn of(event: &EventView, hide: bool) -> Self {
        let text = |name: &str| event.event.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        // To the minute, as other times are shown.
        let at = text("at");
        let at = at.get(..16).map_or_else(|| at.clone(), |minute| format!("{} UTC", minute.replace('T', " ")));
        Self {
            at,
            action: text("action"),
            actor: masked(format!("{} {}", text("actor_kind"), text("actor")), hide),
            refused: text("outcome") == "refused",
            id: text("id"),
        }
    }
}

/// What may be seen beside the user, each where there is a right to it.
struct Beside {
    roles: Option<Vec<AssignmentView>>,
    bindings: Option<Vec<BindingView>>,
    /// There are more than are shown.
    more_bindings: bool,
    sessions: Option<(Vec<SessionView>, Vec<BrowserSessionView>)>,
    more_sessions: bool,
    services: Option<Vec<String>>,
    history: Option<Vec<Happened>>,
}

#[derive(Template)]
#[template(path = "identity/user.html")]
struct UserPage {
    page: Page,
    user: UserView,
    hide: bool,
    beside: Beside,
    credentials: Option<CredentialsView>,
    may_write: bool,
    may_give: bool,
    may_end: bool,
    cli: String,
    api: String,
}

impl UserPage {
    /// Whether a role comes by a group.
    fn by_group(role: &AssignmentView) -> bool {
        role.kind == HolderKind::Group
    }
}

async fn beside(app: &App, visit: &Visit, user: &UserView) -> Result<Beside> {
    let (directory, org, rights) = (&app.directory, &visit.org, &visit.rights);
    let some = || PageRequest { limit: SOME, ..PageRequest::default() };
    let deleted = user.status == UserStatus::Deleted;
    let roles = match rights.may(Scope::RolesRead) && !deleted {
        true => Some(directory.roles_of(org, &Holder::User(user.id.clone())).await?),
        false => None,
    };
    let (mut more_bindings, mut more_sessions) = (false, false);
    let bindings = if rights.may(Scope::DevicesRead) {
        let theirs = BindingFilter { user: vec![user.id.clone()], ..BindingFilter::default() };
        let page = directory.bindings(org, theirs, some()).await?;
        more_bindings = page.next.is_some();
        Some(page.items)
    } else {
        None
    };
    let sessions = if rights.may(Scope::SessionsRead) {
        let theirs = SessionFilter { user: vec![user.id.clone()], ..SessionFilter::default() };
        let at_services = directory.sessions(org, theirs, some()).await?;
        more_sessions = at_services.next.is_some();
        let at_services = at_services.items;
        let mut in_browsers = directory.browser_sessions(org, Some(&user.id), some()).await?.items;
        if rights.is_masked(Module::Sessions) {
            for session in &mut in_browsers {
                session.address = session.address.as_ref().map(|_| MASK.to_owned());
            }
        }
        Some((at_services, in_browsers))
    } else {
        None
    };
    let services = if rights.may(Scope::ServicesRead) && user.status == UserStatus::Active {
        Some(directory.services_of(org, &user.id).await?.into_iter().map(|service| service.name).collect())
    } else {
        None
    };
    let history = if rights.may(Scope::AuditRead) {
        let about = EventFilter { target: vec![user.id.clone()], ..EventFilter::default() };
        let hide = rights.is_masked(Module::Audit);
        let events = directory.audit_events(org, about, some()).await?.items;
        Some(events.iter().map(|event| Happened::of(event, hide)).collect())
    } else {
        None
    };
    Ok(Beside { roles, bindings, more_bindings, sessions, more_sessions, services, history })
}

async fn show(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, which)): Path<(String, String)>,
) -> Result<Response> {
    let mut user = app.directory.user(&visit.org, &which).await?;
    let deleted = user.status == UserStatus::Deleted;
    let credentials = if deleted { None } else { Some(app.directory.credentials(&visit.org, &user.id).await?) };
    let beside = beside(&app, &visit, &user).await?;
    let hide = hides(&visit.rights);
    user.login_name = masked(user.login_name, hide);
    if hide {
        (user.display_name, user.given_name, user.family_name) = (None, None, None);
        user.emails.fill(MASK.to_owned());
    }
    let rights = &visit.rights;
    Ok(page::show(&UserPage {
        page: visit.page_of(user.display_name.as_deref().unwrap_or(&user.login_name)),
        hide,
        beside,
        credentials,
        may_write: rights.may(Scope::UsersWrite) && !deleted,
        may_give: rights.may(Scope::RolesWrite) && !deleted,
        may_end: rights.may(Scope::SessionsWrite),
        cli: format!("latchkey user show {}", user.id),
        api: format!("GET /api/v1{}/users/{}", visit.at(""), user.id),
        user,
    }))
}

#[derive(Template)]
#[template(path = "identity/user_roles.html")]
struct RolesPage {
    page: Page,
    id: String,
    login: String,
    held: Vec<AssignmentView>,
    roles: Vec<RoleView>,
    cli: String,
    api: String,
}

async fn roles_of(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, which)): Path<(String, String)>,
) -> Result<Response> {
    show_roles(&app, &visit, visit.page("users.roles.title"), &which).await
}

async fn show_roles(app: &App, visit: &Visit, page: Page, which: &str) -> Result<Response> {
    let user = app.directory.user(&visit.org, which).await?;
    let held = app.directory.roles_of(&visit.org, &Holder::User(user.id.clone())).await?;
    let all = app.directory.roles(&visit.org, PageRequest { limit: 1000, ..PageRequest::default() }).await?.items;
    let has = |role: &RoleView| held.iter().any(|one| one.kind == HolderKind::User && one.role_id == role.id);
    let login = masked(user.login_name, hides(&visit.rights));
    Ok(page::show_as(
        page.status(),
        &RolesPage {
            page,
            roles: all.into_iter().filter(|role| !has(role)).collect(),
            held,
            cli: format!(
                "latchkey role give help-desk --user {}\nlatchkey role take help-desk --user {}",
                user.id, user.id
            ),
            api: format!(
                "POST /api/v1{}/roles/help-desk/assignments\n{{\"holder\":\"user:{}\"}}",
                visit.at(""),
                user.id
            ),
            id: user.id,
            login,
        },
    ))
}

async fn change_roles(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, which)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response> {
    let holder = Holder::User(which.clone());
    let (directory, intent, org) = (&app.directory, visit.intent(), &visit.org);
    let done = match (fields.text("give"), fields.text("take")) {
        (Some(role), _) => directory.give_role(&intent, org, role, &holder).await,
        (None, Some(role)) => directory.take_role(&intent, org, role, &holder).await,
        (None, None) => return Ok(visit.go(&format!("{LIST}/{which}/roles"))),
    };
    match done {
        Ok(_) => Ok(visit.go_saying(&format!("{LIST}/{which}/roles"), "roles-changed")),
        Err(error) => {
            let page = visit.page("users.roles.title").refused(error.into())?;
            show_roles(&app, &visit, page, &which).await
        }
    }
}
