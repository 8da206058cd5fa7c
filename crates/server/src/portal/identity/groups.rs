//! Groups of users: the list, one with its members, and what is done with it.
//!
//! Owns the pages. Must not know what a group entitles to.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::access::{AssignmentView, Holder};
use latchkey_directory::groups::{GroupPatch, GroupView, NewGroup};
use latchkey_directory::intent::{Condition, version};
use latchkey_directory::values::{Module, Scope};
use latchkey_directory::{Intent, Timestamp};

use super::users::{Row, hides};
use crate::app::App;
use crate::portal::doors::{Doors, Needs};
use crate::portal::error::obstacle;
use crate::portal::fields::{Asked, Fields, Paging};
use crate::portal::page::{self, Page};
use crate::portal::visit::Visit;
use crate::problem::{Problem, Result};

const LIST: &str = "/admin/groups";

pub(super) fn doors(doors: Doors) -> Doors {
    let (read, write) = (Needs::Right(Scope::GroupsRead), Needs::Right(Scope::GroupsWrite));
    doors
        .page(read, LIST, list)
        .page(write, "/admin/groups/new", new)
        .action(write, "/admin/groups/new", create)
        .page(read, "/admin/groups/{group}", show)
        .action(write, "/admin/groups/{group}/members", members)
        .page(write, "/admin/groups/{group}/change", edit)
        .action(write, "/admin/groups/{group}/change", change)
        .page(write, "/admin/groups/{group}/delete", ask)
        .action(write, "/admin/groups/{group}/delete", delete)
}

type Which = Path<(String, String)>;

#[derive(Template)]
#[template(path = "identity/groups.html")]
struct ListPage {
    page: Page,
    groups: Vec<GroupView>,
    q: String,
    may_write: bool,
    paging: Paging,
    api: String,
}

async fn list(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let text = asked.text("q").map(str::to_owned);
    let found = app.directory.groups(&visit.org, text.clone(), asked.page_request()).await?;
    let path = visit.at(LIST);
    Ok(page::show(&ListPage {
        page: visit.page("groups.title"),
        groups: found.items,
        q: text.unwrap_or_default(),
        may_write: visit.rights.may(Scope::GroupsWrite),
        paging: asked.paging(&path, found.next.as_ref()),
        api: format!("GET /api/v1{}/groups", visit.at("")),
    }))
}

#[derive(Template)]
#[template(path = "identity/group_form.html")]
struct FormPage {
    page: Page,
    typed: String,
    protected: bool,
    version: String,
    /// The group's page, where there is a group already.
    group: Option<(String, String)>,
    cli: String,
    api: String,
}

impl FormPage {
    fn of(visit: &Visit, page: Page, group: Option<&GroupView>, fields: Option<&Fields>) -> Self {
        let (typed, protected) = match (fields, group) {
            (Some(fields), _) => (fields.text("name").unwrap_or_default().to_owned(), fields.is_on("protected")),
            (None, Some(group)) => (group.name.clone(), group.protected),
            (None, None) => (String::new(), false),
        };
        let base = visit.at("");
        let (cli, api) = match group {
            None => (
                "latchkey group create staff".to_owned(),
                format!("POST /api/v1{base}/groups\n{{\"name\":\"staff\",\"protected\":false}}"),
            ),
            Some(group) => (
                format!("latchkey group set {} --join anna@corp.example", group.id),
                format!("PATCH /api/v1{base}/groups/{}\n{{\"name\":\"staff\",\"protected\":false}}", group.id),
            ),
        };
        Self {
            page,
            typed,
            protected,
            version: group.map(version).unwrap_or_default(),
            group: group.map(|group| (group.id.clone(), group.name.clone())),
            cli,
            api,
        }
    }

    fn show(self) -> Response {
        page::show_as(self.page.status(), &self)
    }
}

async fn new(visit: Visit) -> Result<Response> {
    Ok(FormPage::of(&visit, visit.page("groups.new"), None, None).show())
}

async fn create(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let new = NewGroup {
        name: Some(fields.text("name").unwrap_or_default().to_owned()),
        protected: Some(fields.is_on("protected")),
    };
    match app.directory.create_group(&visit.intent(), &visit.org, new).await {
        Ok(group) => Ok(visit.go_saying(&format!("{LIST}/{}", group.id), "group-created")),
        Err(error) => {
            let page = visit.page("groups.new").refused(error.into())?;
            Ok(FormPage::of(&visit, page, None, Some(&fields)).show())
        }
    }
}

#[derive(Template)]
#[template(path = "identity/group.html")]
struct GroupPage {
    page: Page,
    group: GroupView,
    members: Vec<Row>,
    roles: Vec<AssignmentView>,
    member: String,
    may_write: bool,
    paging: Paging,
    cli: String,
    api: String,
}

async fn show(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which, asked: Asked) -> Result<Response> {
    let group = app.directory.group(&visit.org, &which).await?;
    show_group(&app, &visit, visit.page_of(&group.name), group, &asked, String::new()).await
}

async fn show_group(
    app: &App,
    visit: &Visit,
    page: Page,
    group: GroupView,
    asked: &Asked,
    member: String,
) -> Result<Response> {
    let rights = &visit.rights;
    let hide = hides(rights) || rights.is_masked(Module::Groups);
    let found = app.directory.group_members(&visit.org, &group.id, asked.page_request()).await?;
    let roles = if rights.may(Scope::RolesRead) {
        app.directory.roles_of(&visit.org, &Holder::Group(group.id.clone())).await?
    } else {
        Vec::new()
    };
    let path = visit.at(&format!("{LIST}/{}", group.id));
    Ok(page::show_as(
        page.status(),
        &GroupPage {
            page,
            members: found.items.into_iter().map(|user| Row::of(user, hide)).collect(),
            roles,
            member,
            may_write: rights.may(Scope::GroupsWrite),
            paging: asked.paging(&path, found.next.as_ref()),
            cli: format!(
                "latchkey group set {} --join anna@corp.example\nlatchkey group set {} --leave anna@corp.example",
                group.id, group.id
            ),
            api: format!("PUT /api/v1{}/groups/{}/members/anna@corp.example", visit.at(""), group.id),
            group,
        },
    ))
}

impl GroupPage {
    fn since(&self) -> &Timestamp {
        &self.group.created_at
    }
}

/// Puts somebody in or takes somebody out.
async fn members(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, which)): Which,
    fields: Fields,
) -> Result<Response> {
    let (directory, intent, org) = (&app.directory, visit.intent(), &visit.org);
    let join = fields.text("join").unwrap_or_default().to_owned();
    let done = match fields.text("leave") {
        Some(user) => directory.leave_group(&intent, org, &which, user).await,
        None => directory.join_group(&intent, org, &which, &join).await,
    };
    let group = directory.group(org, &which).await?;
    match done {
        Ok(_) => Ok(visit.go_saying(&format!("{LIST}/{}", group.id), "group-changed")),
        Err(latchkey_directory::Error::NotFound { .. }) => {
            let detail = format!("there is nobody with the login name {join}");
            let problem = Problem::of(latchkey_wire::Code::Api010).detail(detail.clone());
            let page =
                visit.page_of(&group.name).refused(problem.field("/join", latchkey_wire::Code::Api010, detail))?;
            show_group(&app, &visit, page, group, &Asked::default(), join).await
        }
        Err(error) => {
            let page = visit.page_of(&group.name).refused(error.into())?;
            show_group(&app, &visit, page, group, &Asked::default(), join).await
        }
    }
}

async fn edit(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which) -> Result<Response> {
    let group = app.directory.group(&visit.org, &which).await?;
    Ok(FormPage::of(&visit, visit.page("groups.change"), Some(&group), None).show())
}

async fn change(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, which)): Which,
    fields: Fields,
) -> Result<Response> {
    let patch = GroupPatch {
        name: Some(fields.text("name").unwrap_or_default().to_owned()),
        protected: Some(fields.is_on("protected")),
    };
    let seen = fields.text("version").unwrap_or_default().to_owned();
    let intent = Intent { condition: Condition::OneOf(vec![seen]), ..visit.intent() };
    match app.directory.change_group(&intent, &visit.org, &which, patch).await {
        Ok(group) => Ok(visit.go_saying(&format!("{LIST}/{}", group.id), "group-changed")),
        Err(error) => {
            let page = visit.page("groups.change").refused(error.into())?;
            let group = app.directory.group(&visit.org, &which).await?;
            Ok(FormPage::of(&visit, page, Some(&group), Some(&fields)).show())
        }
    }
}

#[derive(Template)]
#[template(path = "identity/group_delete.html")]
struct DeletePage {
    page: Page,
    group: GroupView,
    /// What stands in the way, and what to do.
    obstacle: Option<(String, String)>,
    cli: String,
    api: String,
}

async fn ask(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which) -> Result<Response> {
    let group = app.directory.group(&visit.org, &which).await?;
    let obstacle = obstacle(app.directory.delete_group(&visit.trial(), &visit.org, &group.id).await)?;
    Ok(page::show(&DeletePage {
        page: visit.page("groups.delete.title"),
        obstacle,
        cli: format!("latchkey group delete {}", group.id),
        api: format!("DELETE /api/v1{}/groups/{}", visit.at(""), group.id),
        group,
    }))
}

async fn delete(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which) -> Result<Response> {
    app.directory.delete_group(&visit.intent(), &visit.org, &which).await?;
    Ok(visit.go_saying(LIST, "group-deleted"))
}
