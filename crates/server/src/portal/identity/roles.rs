//! Roles: what each opens, who has it, and roles of the organization's own.
//!
//! Owns the pages. Must not know what a right is good for.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::Intent;
use latchkey_directory::access::{AssignmentView, Holder, NewRole, RolePatch, RoleView};
use latchkey_directory::intent::{Condition, version};
use latchkey_directory::page::{Cursor, PageRequest};
use latchkey_directory::values::{Access, HolderKind, Module, Scope};

use super::users::hides;
use crate::app::App;
use crate::portal::doors::{Doors, Needs};
use crate::portal::fields::{Asked, Fields, Paging};
use crate::portal::page::{self, Page, masked};
use crate::portal::visit::Visit;
use crate::problem::Result;

const LIST: &str = "/admin/roles";

pub(super) fn doors(doors: Doors) -> Doors {
    let (read, write) = (Needs::Right(Scope::RolesRead), Needs::Fresh(Scope::RolesWrite));
    doors
        .page(read, LIST, list)
        .page(write, "/admin/roles/new", new)
        .action(write, "/admin/roles/new", create)
        .page(read, "/admin/roles/{role}", show)
        .page(write, "/admin/roles/{role}/change", edit)
        .action(write, "/admin/roles/{role}/change", change)
        .page(write, "/admin/roles/{role}/delete", ask)
        .action(write, "/admin/roles/{role}/delete", delete)
        .page(write, "/admin/roles/{role}/holders", holders)
        .action(write, "/admin/roles/{role}/holders", change_holders)
}

type Which = Path<(String, String)>;

/// What a role opens of each module, in the order of the modules.
fn opens(role: &RoleView) -> Vec<(Module, Access)> {
    let of = |module: &Module| (*module, role.rights.get(module).copied().unwrap_or(Access::None));
    Module::ALL.iter().map(of).collect()
}

#[derive(Template)]
#[template(path = "identity/roles.html")]
struct ListPage {
    page: Page,
    roles: Vec<RoleView>,
    may_write: bool,
    paging: Paging,
    api: String,
}

async fn list(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let found = app.directory.roles(&visit.org, asked.page_request()).await?;
    let path = visit.at(LIST);
    Ok(page::show(&ListPage {
        page: visit.page("roles.title"),
        roles: found.items,
        may_write: visit.rights.may(Scope::RolesWrite),
        paging: asked.paging(&path, found.next.as_ref()),
        api: format!("GET /api/v1{}/roles", visit.at("")),
    }))
}

/// Somebody who has the role, named only to whoever may read names.
struct Has {
    assignment: AssignmentView,
    is_user: bool,
}

async fn who_has(
    app: &App,
    visit: &Visit,
    role: &RoleView,
    request: PageRequest,
) -> Result<(Vec<Has>, Option<Cursor>)> {
    let found = app.directory.role_assignments(&visit.org, &role.id, request).await?;
    let hide = hides(&visit.rights) || visit.rights.is_masked(Module::Roles);
    let has = found.items.into_iter().map(|mut assignment| {
        let is_user = assignment.kind == HolderKind::User;
        assignment.name = masked(assignment.name, hide && is_user);
        Has { assignment, is_user }
    });
    Ok((has.collect(), found.next))
}

#[derive(Template)]
#[template(path = "identity/role.html")]
struct RolePage {
    page: Page,
    opens: Vec<(Module, Access)>,
    has: Vec<Has>,
    role: RoleView,
    may_write: bool,
    paging: Paging,
    cli: String,
    api: String,
}

async fn show(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which, asked: Asked) -> Result<Response> {
    let role = app.directory.role(&visit.org, &which).await?;
    let (has, next) = who_has(&app, &visit, &role, asked.page_request()).await?;
    let path = visit.at(&format!("{LIST}/{}", role.id));
    Ok(page::show(&RolePage {
        page: visit.page_of(&role.name),
        opens: opens(&role),
        has,
        may_write: visit.rights.may(Scope::RolesWrite),
        paging: asked.paging(&path, next.as_ref()),
        cli: format!("latchkey role show {}", role.id),
        api: format!("GET /api/v1{}/roles/{}", visit.at(""), role.id),
        role,
    }))
}

/// A module in the form.
struct Line {
    module: Module,
    chosen: Access,
    /// Up to what the person has, and what is chosen already.
    choices: Vec<Access>,
}

#[derive(Template)]
#[template(path = "identity/role_form.html")]
struct FormPage {
    page: Page,
    typed: String,
    description: String,
    lines: Vec<Line>,
    version: String,
    /// The role's page, where there is a role already.
    role: Option<(String, String)>,
    /// How many have it already.
    assignments: u64,
    cli: String,
    api: String,
}

/// What the form says of each module.
fn rights(fields: &Fields) -> BTreeMap<String, String> {
    let of = |module: &Module| Some((module.to_string(), fields.text(module.as_str())?.to_owned()));
    Module::ALL.iter().filter_map(of).collect()
}

impl FormPage {
    fn of(visit: &Visit, page: Page, role: Option<&RoleView>, fields: Option<&Fields>) -> Self {
        let typed = |name: &str, known: fn(&RoleView) -> &String| match (fields, role) {
            (Some(fields), _) => fields.text(name).unwrap_or_default().to_owned(),
            (None, Some(role)) => known(role).clone(),
            (None, None) => String::new(),
        };
        let line = |module: &Module| {
            let known = role.and_then(|role| role.rights.get(module).copied()).unwrap_or(Access::None);
            let said = fields.and_then(|fields| fields.text(module.as_str())?.parse().ok());
            let chosen = said.unwrap_or(known);
            let most = visit.rights.access(*module).max(known);
            Line { module: *module, chosen, choices: Access::ALL.iter().copied().filter(|one| *one <= most).collect() }
        };
        let base = visit.at("");
        let (cli, api) = match role {
            None => (
                "latchkey role create branch-help --access users=view --access devices=full".to_owned(),
                format!(
                    "POST /api/v1{base}/roles\n{{\"name\":\"branch-help\",\"rights\":{{\"users\":\"view\",\"devices\":\"full\"}}}}"
                ),
            ),
            Some(role) => (
                format!("latchkey role set {} --access devices=full", role.id),
                format!("PATCH /api/v1{base}/roles/{}\n{{\"rights\":{{\"devices\":\"full\"}}}}", role.id),
            ),
        };
        Self {
            page,
            typed: typed("name", |role| &role.name),
            description: typed("description", |role| &role.description),
            lines: Module::ALL.iter().map(line).collect(),
            version: role.map(version).unwrap_or_default(),
            role: role.map(|role| (role.id.clone(), role.name.clone())),
            assignments: role.map_or(0, |role| role.assignments),
            cli,
            api,
        }
    }

    fn show(self) -> Response {
        page::show_as(self.page.status(), &self)
    }
}

async fn new(visit: Visit) -> Result<Response> {
    Ok(FormPage::of(&visit, visit.page("roles.new"), None, None).show())
}

async fn create(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let text = |name: &str| Some(fields.text(name).unwrap_or_default().to_owned());
    let new = NewRole { name: text("name"), description: text("description"), rights: Some(rights(&fields)) };
    match app.directory.create_role(&visit.intent(), &visit.org, new).await {
        Ok(role) => Ok(visit.go_saying(&format!("{LIST}/{}", role.id), "role-created")),
        Err(error) => {
            let page = visit.page("roles.new").refused(error.into())?;
            Ok(FormPage::of(&visit, page, None, Some(&fields)).show())
        }
    }
}

async fn edit(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which) -> Result<Response> {
    let role = app.directory.role(&visit.org, &which).await?;
    Ok(FormPage::of(&visit, visit.page("roles.change"), Some(&role), None).show())
}

async fn change(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, which)): Which,
    fields: Fields,
) -> Result<Response> {
    let role = app.directory.role(&visit.org, &which).await?;
    let text = |name: &str| Some(fields.text(name).unwrap_or_default().to_owned());
    // Only what differs: a right above the person's own may stay, and may not be given anew.
    let differs = |(module, access): &(String, String)| {
        let known = module.parse().ok().and_then(|module: Module| role.rights.get(&module).copied());
        known.unwrap_or(Access::None).as_str() != access
    };
    let rights = rights(&fields).into_iter().filter(differs).map(|(module, access)| (module, Some(access))).collect();
    let patch = RolePatch { name: text("name"), description: text("description"), rights: Some(rights) };
    let seen = fields.text("version").unwrap_or_default().to_owned();
    let intent = Intent { condition: Condition::OneOf(vec![seen]), ..visit.intent() };
    match app.directory.change_role(&intent, &visit.org, &role.id, patch).await {
        Ok(role) => Ok(visit.go_saying(&format!("{LIST}/{}", role.id), "role-changed")),
        Err(error) => {
            let page = visit.page("roles.change").refused(error.into())?;
            Ok(FormPage::of(&visit, page, Some(&role), Some(&fields)).show())
        }
    }
}

#[derive(Template)]
#[template(path = "identity/role_delete.html")]
struct DeletePage {
    page: Page,
    role: RoleView,
    taken: u64,
    cli: String,
    api: String,
}

async fn ask(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which) -> Result<Response> {
    let (role, taken) = app.directory.delete_role(&visit.trial(), &visit.org, &which, true).await?;
    Ok(page::show(&DeletePage {
        page: visit.page("roles.delete.title"),
        cli: format!("latchkey role delete {} --from-everybody", role.id),
        api: format!("DELETE /api/v1{}/roles/{}?from_everybody=true", visit.at(""), role.id),
        role,
        taken,
    }))
}

async fn delete(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which) -> Result<Response> {
    app.directory.delete_role(&visit.intent(), &visit.org, &which, true).await?;
    Ok(visit.go_saying(LIST, "role-deleted"))
}

#[derive(Template)]
#[template(path = "identity/role_holders.html")]
struct HoldersPage {
    page: Page,
    role: RoleView,
    has: Vec<Has>,
    kind: String,
    typed: String,
    paging: Paging,
    cli: String,
    api: String,
}

async fn holders(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, which)): Which,
    asked: Asked,
) -> Result<Response> {
    let page = visit.page("roles.holders.title");
    show_holders(&app, &visit, page, &which, &asked, (String::new(), String::new())).await
}

async fn show_holders(
    app: &App,
    visit: &Visit,
    page: Page,
    which: &str,
    asked: &Asked,
    (kind, typed): (String, String),
) -> Result<Response> {
    let role = app.directory.role(&visit.org, which).await?;
    let (has, next) = who_has(app, visit, &role, asked.page_request()).await?;
    let path = visit.at(&format!("{LIST}/{}/holders", role.id));
    let one = HoldersPage {
        page,
        has,
        kind,
        typed,
        paging: asked.paging(&path, next.as_ref()),
        cli: format!(
            "latchkey role give {} --user anna@corp.example\nlatchkey role take {} --user anna@corp.example",
            role.id, role.id
        ),
        api: format!(
            "POST /api/v1{}/roles/{}/assignments\n{{\"holder\":\"user:anna@corp.example\"}}",
            visit.at(""),
            role.id
        ),
        role,
    };
    Ok(page::show_as(one.page.status(), &one))
}

async fn change_holders(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, which)): Which,
    fields: Fields,
) -> Result<Response> {
    let (directory, intent, org) = (&app.directory, visit.intent(), &visit.org);
    let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
    let (kind, name) = (text("kind"), text("name"));
    let done = match fields.text("take") {
        Some(assignment) => directory.end_assignment(&intent, org, &which, assignment).await,
        None => {
            let holder = if kind == "group" { Holder::Group(name.clone()) } else { Holder::User(name.clone()) };
            directory.give_role(&intent, org, &which, &holder).await
        }
    };
    match done {
        Ok(_) => Ok(visit.go_saying(&format!("{LIST}/{which}/holders"), "roles-changed")),
        Err(error) => {
            let problem = match error {
                latchkey_directory::Error::NotFound { noun: "user" | "group", .. } => {
                    latchkey_directory::Error::field("/name", format!("there is no {kind} {name}")).into()
                }
                other => other.into(),
            };
            let page = visit.page("roles.holders.title").refused(problem)?;
            show_holders(&app, &visit, page, &which, &Asked::default(), (kind, name)).await
        }
    }
}
