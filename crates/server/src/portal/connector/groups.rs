//! Groups of devices: the list, one with its devices, and what is done with it.
//!
//! Owns the pages. Must not know what is done with the devices of a group.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::Intent;
use latchkey_directory::device::group::{DeviceGroupView, NewDeviceGroup};
use latchkey_directory::device::view::DeviceView;
use latchkey_directory::intent::{Condition, version};
use latchkey_directory::page::PageRequest;
use latchkey_directory::values::Scope;

use super::super::doors::{Doors, Needs};
use super::super::error::obstacle;
use super::super::fields::{Asked, Fields, Paging};
use super::super::page::{self, Page};
use super::super::visit::Visit;
use super::devices::{asked_for, filter, name_of, query, said, seen_by};
use crate::app::App;
use crate::problem::{Problem, Result};

const LIST: &str = "/connector/device-groups";
/// Groups that can be chosen on one page.
const MOST: u64 = 1_000;

pub(super) fn doors(doors: Doors) -> Doors {
    let (read, write) = (Needs::Right(Scope::DevicesRead), Needs::Right(Scope::DevicesWrite));
    doors
        .page(read, LIST, list)
        .page(write, "/connector/device-groups/new", new)
        .action(write, "/connector/device-groups/new", create)
        .page(write, "/connector/device-groups/add", ask_add)
        .action(write, "/connector/device-groups/add", add)
        .page(read, "/connector/device-groups/{group}", show)
        .action(write, "/connector/device-groups/{group}/members", members)
        .page(write, "/connector/device-groups/{group}/change", edit)
        .action(write, "/connector/device-groups/{group}/change", change)
        .page(write, "/connector/device-groups/{group}/delete", ask)
        .action(write, "/connector/device-groups/{group}/delete", delete)
}

type Which = Path<(String, String)>;

#[derive(Template)]
#[template(path = "connector/groups.html")]
struct ListPage {
    page: Page,
    groups: Vec<DeviceGroupView>,
    q: String,
    may_write: bool,
    paging: Paging,
    api: String,
}

async fn list(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let text = asked.text("q").map(str::to_owned);
    let found = app.directory.device_groups(&visit.org, text.clone(), asked.page_request()).await?;
    Ok(page::show(&ListPage {
        page: visit.page("device_groups.title"),
        groups: found.items,
        q: text.unwrap_or_default(),
        may_write: visit.rights.may(Scope::DevicesWrite),
        paging: asked.paging(&visit.at(LIST), found.next.as_ref()),
        api: format!("GET /api/v1{}/device-groups", visit.at("")),
    }))
}

/// The values as they stand in the form.
#[derive(Default)]
struct Typed {
    name: String,
    description: String,
    users: String,
}

impl Typed {
    fn of(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
        Self { name: text("name"), description: text("description"), users: text("users_per_device") }
    }

    fn group(&self) -> NewDeviceGroup {
        NewDeviceGroup {
            name: Some(self.name.clone()),
            description: Some(self.description.clone()),
            // What is no number is none of the allowed ones.
            users_per_device: Some(self.users.trim().parse().unwrap_or(0)),
        }
    }
}

impl From<&DeviceGroupView> for Typed {
    fn from(group: &DeviceGroupView) -> Self {
        Self {
            name: group.name.clone(),
            description: group.description.clone(),
            users: group.users_per_device.to_string(),
        }
    }
}

#[derive(Template)]
#[template(path = "connector/group_form.html")]
struct FormPage {
    page: Page,
    typed: Typed,
    version: String,
    /// The group's id and name, where there is a group already.
    group: Option<(String, String)>,
    cli: String,
    api: String,
}

fn form(visit: &Visit, page: Page, group: Option<&DeviceGroupView>, typed: Typed) -> Response {
    let base = visit.at("");
    let body = "{\"name\":\"kiosks\",\"description\":\"Shop floor\",\"users_per_device\":10}";
    let (cli, api) = match group {
        None => (
            "latchkey device-group create kiosks --description \"Shop floor\" --users-per-device 10".to_owned(),
            format!("POST /api/v1{base}/device-groups\n{body}"),
        ),
        Some(group) => (
            format!("latchkey device-group set {} --rename kiosks --users-per-device 10", group.id),
            format!("PATCH /api/v1{base}/device-groups/{}\n{body}", group.id),
        ),
    };
    let one = FormPage {
        page,
        typed,
        version: group.map(version).unwrap_or_default(),
        group: group.map(|group| (group.id.clone(), group.name.clone())),
        cli,
        api,
    };
    page::show_as(one.page.status(), &one)
}

async fn new(visit: Visit) -> Result<Response> {
    let typed = Typed { users: "1".to_owned(), ..Typed::default() };
    Ok(form(&visit, visit.page("device_groups.new"), None, typed))
}

async fn create(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let typed = Typed::of(&fields);
    match app.directory.create_device_group(&visit.intent(), &visit.org, typed.group()).await {
        Ok(group) => Ok(visit.go_saying(&format!("{LIST}/{}", group.id), "device-group-saved")),
        Err(error) => Ok(form(&visit, visit.page("device_groups.new").refused(error.into())?, None, typed)),
    }
}

async fn edit(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which) -> Result<Response> {
    let group = app.directory.device_group(&visit.org, &which).await?;
    Ok(form(&visit, visit.page("device_groups.change"), Some(&group), Typed::from(&group)))
}

async fn change(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, which)): Which,
    fields: Fields,
) -> Result<Response> {
    let typed = Typed::of(&fields);
    let seen = fields.text("version").unwrap_or_default().to_owned();
    let intent = Intent { condition: Condition::OneOf(vec![seen]), ..visit.intent() };
    match app.directory.change_device_group(&intent, &visit.org, &which, typed.group()).await {
        Ok(group) => Ok(visit.go_saying(&format!("{LIST}/{}", group.id), "device-group-saved")),
        Err(error) => {
            let page = visit.page("device_groups.change").refused(error.into())?;
            let group = app.directory.device_group(&visit.org, &which).await?;
            Ok(form(&visit, page, Some(&group), typed))
        }
    }
}

#[derive(Template)]
#[template(path = "connector/group.html")]
struct GroupPage {
    page: Page,
    group: DeviceGroupView,
    devices: Vec<DeviceView>,
    may_write: bool,
    paging: Paging,
    cli: String,
    api: String,
}

impl GroupPage {
    fn name<'a>(&self, device: &'a DeviceView) -> &'a str {
        name_of(device)
    }
}

async fn show(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which, asked: Asked) -> Result<Response> {
    let group = app.directory.device_group(&visit.org, &which).await?;
    let found = app.directory.device_group_members(&visit.org, &group.id, asked.page_request()).await?;
    Ok(page::show(&GroupPage {
        page: visit.page_of(&group.name),
        devices: found.items.into_iter().map(|device| seen_by(&visit, device)).collect(),
        may_write: visit.rights.may(Scope::DevicesWrite),
        paging: asked.paging(&visit.at(&format!("{LIST}/{}", group.id)), found.next.as_ref()),
        cli: format!("latchkey device list --group {0}\nlatchkey device-group set {0} --leave DEVICE", group.id),
        api: format!("DELETE /api/v1{}/device-groups/{}/members/DEVICE", visit.at(""), group.id),
        group,
    }))
}

/// Takes a device out, or puts one in: by the page of the group or of the device, to which the person comes back.
async fn members(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, which)): Which,
    fields: Fields,
) -> Result<Response> {
    let (directory, intent, org) = (&app.directory, visit.intent(), &visit.org);
    let group = match (fields.text("leave"), fields.text("join")) {
        (Some(device), _) => directory.leave_device_group(&intent, org, &which, device).await?,
        (None, Some(device)) => directory.join_device_group(&intent, org, &which, device).await?,
        (None, None) => return Err(Problem::not_found()),
    };
    Ok(visit.go_saying(&format!("{LIST}/{}", group.id), "device-group-saved"))
}

#[derive(Template)]
#[template(path = "connector/group_add.html")]
struct AddPage {
    page: Page,
    groups: Vec<DeviceGroupView>,
    /// The filter, to be sent along.
    fields: Vec<(String, String)>,
    /// The group that was chosen, and how many devices would join it.
    chosen: Option<(DeviceGroupView, u64)>,
    nothing: bool,
    back: String,
    cli: String,
    api: String,
}

/// Devices that a filter finds are put into a group: choose, see how many, do it.
async fn ask_add(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let wanted = filter(&visit, &asked, app.directory.now());
    let fields = asked_for(&asked);
    let (directory, org) = (&app.directory, &visit.org);
    let chosen = match asked.text("into") {
        Some(which) if !wanted.is_empty() => {
            Some(directory.join_device_group_all(&visit.trial(), org, which, wanted.clone()).await?)
        }
        _ => None,
    };
    let all = directory.device_groups(org, None, PageRequest { limit: MOST, ..PageRequest::default() }).await?;
    let id = chosen.as_ref().map_or("GROUP", |(group, _)| group.id.as_str());
    let body = serde_json::json!({"filter": said(&wanted)});
    Ok(page::show(&AddPage {
        page: visit.page("device_groups.add.title"),
        groups: all.items,
        nothing: wanted.is_empty(),
        back: format!("/connector/devices?{}", query(&fields)),
        cli: format!("latchkey device-group set {id} --join DEVICE"),
        api: format!("POST /api/v1{}/device-groups/{id}/members\n{body}", visit.at("")),
        fields,
        chosen,
    }))
}

async fn add(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let wanted = filter(&visit, &fields, app.directory.now());
    let which = fields.text("into").ok_or_else(Problem::not_found)?;
    let (group, _) = app.directory.join_device_group_all(&visit.intent(), &visit.org, which, wanted).await?;
    Ok(visit.go_saying(&format!("{LIST}/{}", group.id), "device-group-saved"))
}

#[derive(Template)]
#[template(path = "connector/group_delete.html")]
struct DeletePage {
    page: Page,
    group: DeviceGroupView,
    /// What stands in the way, and what to do.
    obstacle: Option<(String, String)>,
    cli: String,
    api: String,
}

async fn ask(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which) -> Result<Response> {
    let group = app.directory.device_group(&visit.org, &which).await?;
    let obstacle = obstacle(app.directory.delete_device_group(&visit.trial(), &visit.org, &group.id).await)?;
    Ok(page::show(&DeletePage {
        page: visit.page("device_groups.delete.title"),
        obstacle,
        cli: format!("latchkey device-group delete {} --yes", group.id),
        api: format!("DELETE /api/v1{}/device-groups/{}", visit.at(""), group.id),
        group,
    }))
}

async fn delete(visit: Visit, State(app): State<Arc<App>>, Path((_org, which)): Which) -> Result<Response> {
    app.directory.delete_device_group(&visit.intent(), &visit.org, &which).await?;
    Ok(visit.go_saying(LIST, "device-group-deleted"))
}
