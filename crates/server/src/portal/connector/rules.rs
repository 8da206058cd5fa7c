//! Clean-up rules: the list, one with what it would touch, and what is done with it.
//!
//! Owns the pages, and that a rule shows what it would touch before it is saved. Must not know when rules are applied.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::Intent;
use latchkey_directory::device::clean_rule::{CleanupPreview, CleanupRuleView, NewCleanupRule};
use latchkey_directory::device::group::DeviceGroupView;
use latchkey_directory::device::view::DeviceView;
use latchkey_directory::intent::{Condition, version};
use latchkey_directory::page::PageRequest;
use latchkey_directory::values::{CleanupAction, Scope};
use latchkey_wire::Platform;

use super::super::doors::{Doors, Needs};
use super::super::fields::Fields;
use super::super::page::{self, Page};
use super::super::visit::Visit;
use super::devices::{name_of, seen_by};
use crate::app::App;
use crate::problem::Result;

const LIST: &str = "/connector/cleanup-rules";
/// Rules and groups that are shown on one page: all there can be.
const MOST: u64 = 1_000;
/// So many devices are shown of those that a rule would touch.
const SAMPLE: u64 = 10;
/// The silences that can be chosen, days.
const DAYS: [u64; 6] = [30, 60, 90, 120, 150, 180];

pub(super) fn doors(doors: Doors) -> Doors {
    // A rule acts when nobody looks.
    let (read, write) = (Needs::Right(Scope::DevicesRead), Needs::Fresh(Scope::DevicesWrite));
    doors
        .page(read, LIST, list)
        .page(write, "/connector/cleanup-rules/new", new)
        .action(write, "/connector/cleanup-rules/new", create)
        .page(write, "/connector/cleanup-rules/{rule}", edit)
        .action(write, "/connector/cleanup-rules/{rule}", change)
        .action(write, "/connector/cleanup-rules/{rule}/delete", delete)
}

#[derive(Template)]
#[template(path = "connector/rules.html")]
struct ListPage {
    page: Page,
    rules: Vec<CleanupRuleView>,
    /// Unused devices retire after so many days by the organization's setting.
    retire_days: u64,
    may_write: bool,
    api: String,
}

async fn list(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    let all = PageRequest { limit: MOST, ..PageRequest::default() };
    let rules = app.directory.cleanup_rules(&visit.org, all).await?.items;
    let organization = app.directory.organization(visit.org.as_str()).await?;
    Ok(page::show(&ListPage {
        page: visit.page("rules.title"),
        rules,
        retire_days: organization.retire_after_s / 86_400,
        may_write: visit.rights.may(Scope::DevicesWrite),
        api: format!("GET /api/v1{}/cleanup-rules", visit.at("")),
    }))
}

/// The values as they stand in the form.
#[derive(Clone)]
struct Typed {
    description: String,
    action: String,
    days: String,
    group: String,
    platforms: Vec<String>,
    enabled: bool,
}

impl Typed {
    fn blank() -> Self {
        Self {
            description: String::new(),
            action: CleanupAction::Retire.to_string(),
            days: "90".to_owned(),
            group: String::new(),
            platforms: Vec::new(),
            enabled: true,
        }
    }

    fn of(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
        Self {
            description: text("description"),
            action: text("action"),
            days: text("silent_days"),
            group: text("device_group"),
            platforms: fields.many("platforms"),
            enabled: fields.is_on("enabled"),
        }
    }

    fn rule(&self) -> NewCleanupRule {
        NewCleanupRule {
            description: Some(self.description.clone()),
            action: self.action.parse().ok(),
            platforms: Some(self.platforms.iter().filter_map(|platform| platform.parse().ok()).collect()),
            device_group: Some(self.group.clone()),
            // What is no number is none of the allowed ones.
            silent_days: Some(self.days.parse().unwrap_or(0)),
            enabled: Some(self.enabled),
        }
    }

    /// As flags and as a document.
    fn said(&self) -> (String, String) {
        let mut flags = format!(" --action {} --silent-days {}", self.action, self.days);
        if !self.group.is_empty() {
            flags.push_str(&format!(" --device-group {}", self.group));
        }
        for platform in &self.platforms {
            flags.push_str(&format!(" --platform {platform}"));
        }
        flags.push_str(if self.enabled { " --enabled" } else { " --disabled" });
        let body = serde_json::json!({
            "action": self.action, "silent_days": self.days.parse::<u64>().unwrap_or(0), "device_group": self.group,
            "platforms": self.platforms, "enabled": self.enabled, "description": self.description,
        });
        (flags, body.to_string())
    }
}

impl From<&CleanupRuleView> for Typed {
    fn from(rule: &CleanupRuleView) -> Self {
        Self {
            description: rule.description.clone(),
            action: rule.action.to_string(),
            days: rule.silent_days.to_string(),
            group: rule.device_group.clone().unwrap_or_default(),
            platforms: rule.platforms.iter().map(ToString::to_string).collect(),
            enabled: rule.enabled,
        }
    }
}

#[derive(Template)]
#[template(path = "connector/rule.html")]
struct FormPage {
    page: Page,
    typed: Typed,
    version: String,
    id: Option<String>,
    groups: Vec<DeviceGroupView>,
    /// What it would touch now.
    preview: Option<CleanupPreview>,
    cli: String,
    api: String,
}

impl FormPage {
    fn days() -> impl Iterator<Item = u64> {
        DAYS.into_iter()
    }

    fn platforms() -> impl Iterator<Item = &'static Platform> {
        Platform::ALL.iter()
    }

    fn actions() -> impl Iterator<Item = &'static CleanupAction> {
        CleanupAction::ALL.iter()
    }

    fn is_days(&self, days: &u64) -> bool {
        self.typed.days == days.to_string()
    }

    /// A number of days that a command line chose and the page does not offer.
    fn other_days(&self) -> Option<&str> {
        let offered = DAYS.iter().any(|days| self.is_days(days));
        (!offered && self.typed.days.parse::<u64>().is_ok()).then_some(self.typed.days.as_str())
    }

    fn is_on(&self, platform: &Platform) -> bool {
        self.typed.platforms.contains(&platform.to_string())
    }

    fn name<'a>(&self, device: &'a DeviceView) -> &'a str {
        name_of(device)
    }
}

async fn form(
    app: &App,
    visit: &Visit,
    page: Page,
    rule: Option<&CleanupRuleView>,
    typed: Typed,
    preview: Option<CleanupPreview>,
) -> Result<Response> {
    let all = PageRequest { limit: MOST, ..PageRequest::default() };
    let groups = app.directory.device_groups(&visit.org, None, all).await?.items;
    let (flags, body) = typed.said();
    let base = visit.at("");
    let (cli, api) = match rule {
        None => (format!("latchkey cleanup-rule create{flags}"), format!("POST /api/v1{base}/cleanup-rules\n{body}")),
        Some(rule) => (
            format!("latchkey cleanup-rule set {}{flags}", rule.id),
            format!("PATCH /api/v1{base}/cleanup-rules/{}\n{body}", rule.id),
        ),
    };
    let preview = preview.map(|mut preview| {
        preview.sample = preview.sample.into_iter().map(|device| seen_by(visit, device)).collect();
        preview
    });
    let one = FormPage {
        page,
        typed,
        version: rule.map(version).unwrap_or_default(),
        id: rule.map(|rule| rule.id.clone()),
        groups,
        preview,
        cli,
        api,
    };
    Ok(page::show_as(one.page.status(), &one))
}

async fn new(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    form(&app, &visit, visit.page("rules.new"), None, Typed::blank(), None).await
}

async fn create(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let typed = Typed::of(&fields);
    let directory = &app.directory;
    // Saving is the second step: the first shows what it would touch.
    let intent = if fields.is_on("save") { visit.intent() } else { visit.trial() };
    match directory.create_cleanup_rule(&intent, &visit.org, typed.rule()).await {
        Ok(_) if fields.is_on("save") => Ok(visit.go_saying(LIST, "rule-saved")),
        Ok(_) => {
            let look = directory.preview_cleanup_rule(&visit.org, None, typed.rule(), SAMPLE).await?;
            form(&app, &visit, visit.page("rules.new"), None, typed, Some(look)).await
        }
        Err(error) => {
            let page = visit.page("rules.new").refused(error.into())?;
            form(&app, &visit, page, None, typed, None).await
        }
    }
}

type Which = Path<(String, String)>;

async fn edit(visit: Visit, State(app): State<Arc<App>>, Path((_org, id)): Which) -> Result<Response> {
    let rule = app.directory.cleanup_rule(&visit.org, &id).await?;
    let as_it_is = NewCleanupRule::default();
    let look = app.directory.preview_cleanup_rule(&visit.org, Some(&rule.id), as_it_is, SAMPLE).await?;
    form(&app, &visit, visit.page("rules.change"), Some(&rule), Typed::from(&rule), Some(look)).await
}

async fn change(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Which,
    fields: Fields,
) -> Result<Response> {
    let typed = Typed::of(&fields);
    let directory = &app.directory;
    let seen = fields.text("version").unwrap_or_default().to_owned();
    let intent = if fields.is_on("save") { visit.intent() } else { visit.trial() };
    let intent = Intent { condition: Condition::OneOf(vec![seen]), ..intent };
    let done = directory.change_cleanup_rule(&intent, &visit.org, &id, typed.rule()).await;
    let rule = directory.cleanup_rule(&visit.org, &id).await?;
    match done {
        Ok(_) if fields.is_on("save") => Ok(visit.go_saying(LIST, "rule-saved")),
        Ok(_) => {
            let look = directory.preview_cleanup_rule(&visit.org, Some(&id), typed.rule(), SAMPLE).await?;
            form(&app, &visit, visit.page("rules.change"), Some(&rule), typed, Some(look)).await
        }
        Err(error) => {
            let page = visit.page("rules.change").refused(error.into())?;
            form(&app, &visit, page, Some(&rule), typed, None).await
        }
    }
}

async fn delete(visit: Visit, State(app): State<Arc<App>>, Path((_org, id)): Which) -> Result<Response> {
    app.directory.delete_cleanup_rule(&visit.intent(), &visit.org, &id).await?;
    Ok(visit.go_saying(LIST, "rule-deleted"))
}
