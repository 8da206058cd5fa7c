//! Making a user, and changing what is known about one.
//!
//! Owns the form. Must not know what may stand in a field.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::Intent;
use latchkey_directory::intent::{Condition, version};
use latchkey_directory::page::PageRequest;
use latchkey_directory::patch::Patch;
use latchkey_directory::users::{NewUser, UserPatch, UserView};
use latchkey_directory::values::Scope;

use super::{LIST, hides};
use crate::app::App;
use crate::code::Own;
use crate::portal::doors::{Doors, Needs};
use crate::portal::fields::Fields;
use crate::portal::page::{self, Page};
use crate::portal::visit::Visit;
use crate::problem::{Problem, Result};

/// So many groups can be ticked; more are typed.
const TICKED: u64 = 30;

pub(super) fn doors(doors: Doors) -> Doors {
    let write = Needs::Right(Scope::UsersWrite);
    doors
        .page(write, "/admin/users/new", new)
        .action(write, "/admin/users/new", create)
        .page(write, "/admin/users/{user}/change", edit)
        .action(write, "/admin/users/{user}/change", change)
}

/// What was typed, or what is known.
#[derive(Default)]
struct Typed {
    login_name: String,
    display_name: String,
    given_name: String,
    family_name: String,
    emails: String,
    department: String,
    groups: Vec<String>,
    protected: bool,
    version: String,
}

impl Typed {
    fn of(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
        Self {
            login_name: text("login_name"),
            display_name: text("display_name"),
            given_name: text("given_name"),
            family_name: text("family_name"),
            emails: fields.raw("emails").unwrap_or_default().to_owned(),
            department: text("department"),
            groups: groups(fields),
            protected: fields.is_on("protected"),
            version: text("version"),
        }
    }
}

impl From<&UserView> for Typed {
    fn from(user: &UserView) -> Self {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self {
            login_name: user.login_name.clone(),
            display_name: text(&user.display_name),
            given_name: text(&user.given_name),
            family_name: text(&user.family_name),
            emails: user.emails.join("\n"),
            department: text(&user.department),
            groups: user.groups.clone(),
            protected: user.protected,
            version: version(user),
        }
    }
}

/// The groups, ticked or one in a line.
fn groups(fields: &Fields) -> Vec<String> {
    let mut all = fields.many("groups");
    let lines = fields.raw("group_lines").unwrap_or_default().lines();
    all.extend(lines.map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
    all
}

#[derive(Template)]
#[template(path = "identity/user_form.html")]
struct FormPage {
    page: Page,
    typed: Typed,
    /// The user's page, where there is a user already.
    user: Option<(String, String)>,
    /// The groups to tick.
    ticked: Vec<(String, bool)>,
    /// Too many to tick.
    lines: bool,
    may_join: bool,
    cli: String,
    api: String,
}

async fn show(app: &App, visit: &Visit, page: Page, typed: Typed, user: Option<(String, String)>) -> Result<Response> {
    let may_join = visit.rights.may(Scope::GroupsWrite);
    let request = PageRequest { limit: TICKED, ..PageRequest::default() };
    let found = app.directory.groups(&visit.org, None, request).await?;
    let lines = found.next.is_some();
    let mut ticked: Vec<_> =
        found.items.into_iter().map(|group| (group.name.clone(), typed.groups.contains(&group.name))).collect();
    ticked.sort();
    let (cli, api) = match &user {
        None => (
            "latchkey user create anna@corp.example --display-name \"Anna Ode\" --group staff".to_owned(),
            format!(
                "POST /api/v1{}/users\n{{\"login_name\":\"anna@corp.example\",\"display_name\":\"Anna Ode\",\"groups\":[\"staff\"]}}",
                visit.at("")
            ),
        ),
        Some((id, login)) => (
            format!("latchkey user set {login} --display-name \"Anna Ode\" --department Sales"),
            format!(
                "PATCH /api/v1{}/users/{id}\n{{\"display_name\":\"Anna Ode\",\"department\":\"Sales\"}}",
                visit.at("")
            ),
        ),
    };
    Ok(page::show_as(page.status(), &FormPage { page, typed, user, ticked, lines, may_join, cli, api }))
}

async fn new(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    show(&app, &visit, visit.page("users.new"), Typed::default(), None).await
}

async fn create(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let text = |name: &str| fields.text(name).map(str::to_owned);
    let new = NewUser {
        login_name: text("login_name"),
        display_name: text("display_name"),
        given_name: text("given_name"),
        family_name: text("family_name"),
        emails: Some(fields.words("emails")),
        department: text("department"),
        groups: visit.rights.may(Scope::GroupsWrite).then(|| groups(&fields)),
        protected: Some(fields.is_on("protected")),
    };
    match app.directory.create_user(&visit.intent(), &visit.org, new).await {
        Ok(user) => Ok(visit.go_saying(&format!("{LIST}/{}", user.id), "user-created")),
        Err(error) => {
            let page = visit.page("users.new").refused(error.into())?;
            show(&app, &visit, page, Typed::of(&fields), None).await
        }
    }
}

/// Whoever sees no names changes none.
fn sees_names(visit: &Visit) -> Result<()> {
    if hides(&visit.rights) { Err(Problem::of(Own::Auth002)) } else { Ok(()) }
}

async fn edit(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, which)): Path<(String, String)>,
) -> Result<Response> {
    sees_names(&visit)?;
    let user = app.directory.user(&visit.org, &which).await?;
    let typed = Typed::from(&user);
    show(&app, &visit, visit.page("users.change"), typed, Some((user.id, user.login_name))).await
}

async fn change(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, which)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response> {
    sees_names(&visit)?;
    let text = |name: &str| fields.text(name).map_or(Patch::Clear, |text| Patch::Set(text.to_owned()));
    let patch = UserPatch {
        display_name: text("display_name"),
        given_name: text("given_name"),
        family_name: text("family_name"),
        emails: Some(fields.words("emails")),
        department: text("department"),
        groups: visit.rights.may(Scope::GroupsWrite).then(|| groups(&fields)),
        protected: Some(fields.is_on("protected")),
    };
    let seen = fields.text("version").unwrap_or_default().to_owned();
    let intent = Intent { condition: Condition::OneOf(vec![seen]), ..visit.intent() };
    match app.directory.change_user(&intent, &visit.org, &which, patch).await {
        Ok(user) => Ok(visit.go_saying(&format!("{LIST}/{}", user.id), "user-changed")),
        Err(error) => {
            let page = visit.page("users.change").refused(error.into())?;
            // What was typed stays; sent again, it is put over what is there now.
            let user = app.directory.user(&visit.org, &which).await?;
            let typed = Typed { version: version(&user), login_name: user.login_name.clone(), ..Typed::of(&fields) };
            show(&app, &visit, page, typed, Some((user.id, user.login_name))).await
        }
    }
}
