//! The organization's own rules for devices that were not heard of.
//!
//! Owns what a rule may say, and the look at what it would touch. Must not know when rules are applied, nor how many devices a day may be touched
//! (`clean`).

use std::time::Duration;

use latchkey_wire::{DeviceState, Platform};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::group::{description, find_device_group};
use super::view::{DeviceFilter, DeviceView};
use crate::audit::NewEvent;
use crate::id::{OrgId, new_id};
use crate::page::{Cursor, Page, PageRequest};
use crate::query::Filter;
use crate::records::{Device, Organization};
use crate::scope::Org;
use crate::store::Tx;
use crate::table::record;
use crate::time::Timestamp;
use crate::value::Json;
use crate::values::CleanupAction;
use crate::{Directory, Error, FieldProblem, Intent, Result};

/// The least silence that a rule may be about, days.
pub const LEAST_DAYS: u64 = 30;
/// The longest, days.
pub const MOST_DAYS: u64 = 180;
/// An organization has at most so many rules: each is looked at every minute.
pub const MOST_RULES: u64 = 50;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

record! {
    /// A clean-up rule.
    pub struct CleanupRule in "cleanup_rule" key ["org", "id"] {
        /// Random.
        pub id: String,
        /// What it is for.
        pub description: String,
        /// What it does.
        pub action: CleanupAction,
        /// The kinds of devices it is about; none is all.
        pub platforms: Json<Vec<Platform>>,
        /// The group of devices it is about; absent is all.
        pub group_id: Option<String>,
        /// The silence it is about, days.
        pub silent_days: u64,
        /// Whether it is applied.
        pub enabled: bool,
        /// When it was made.
        pub created_at: Timestamp,
        /// When it was last changed.
        pub updated_at: Timestamp,
    }
}

impl CleanupRule {
    /// The states of devices that it touches.
    fn states(&self) -> &'static [DeviceState] {
        use DeviceState::{Registered, RemovalPending, Retired, Suspended, Unregistered};
        match self.action {
            CleanupAction::Retire | CleanupAction::Suspend => &[Registered],
            CleanupAction::Remove => &[Registered, Suspended, RemovalPending, Unregistered, Retired],
        }
    }

    /// Since when a device must have been silent.
    fn before(&self, now: Timestamp) -> Timestamp {
        now.minus(DAY * u32::try_from(self.silent_days).unwrap_or(u32::MAX))
    }

    /// Whether this device is one that it touches now, if it is in the rule's group.
    pub(super) fn is_about(&self, device: &Device, now: Timestamp) -> bool {
        let before = self.before(now);
        // What an administrator let go on again is not stopped the next minute.
        let settled = self.action == CleanupAction::Remove || device.state_at < before;
        settled
            && self.states().contains(&device.state)
            && device.last_seen_at < before
            && (self.platforms.0.is_empty() || self.platforms.0.contains(&device.platform))
    }

    /// The devices that it touches.
    pub(super) fn filter(&self, now: Timestamp) -> DeviceFilter {
        DeviceFilter {
            state: self.states().to_vec(),
            platform: self.platforms.0.clone(),
            group: self.group_id.iter().cloned().collect(),
            last_seen_before: Some(self.before(now)),
            ..DeviceFilter::default()
        }
    }
}

/// A clean-up rule, as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CleanupRuleView {
    /// Random.
    pub id: String,
    /// What it is for.
    pub description: String,
    /// What it does to a device: `retire`, `suspend` or `remove`.
    pub action: CleanupAction,
    /// The kinds of devices it is about; none is all.
    #[schema(value_type = Vec<String>)]
    pub platforms: Vec<Platform>,
    /// The group of devices it is about, by name; absent is all devices.
    pub device_group: Option<String>,
    /// Devices that were not heard of for so many days.
    pub silent_days: u64,
    /// Whether it is applied.
    pub enabled: bool,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String)]
    pub updated_at: Timestamp,
}

/// A new clean-up rule, or a change of one. For a new one `action` and `silent_days` are required.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct NewCleanupRule {
    /// What it is for: 500 characters at most.
    pub description: Option<String>,
    /// `retire` (may come back with an approval), `suspend` or `remove` (for ever).
    pub action: Option<CleanupAction>,
    /// The kinds of devices it is about; none is all.
    #[schema(value_type = Option<Vec<String>>)]
    pub platforms: Option<Vec<Platform>>,
    /// The group of devices it is about, by id or name; empty is all devices.
    pub device_group: Option<String>,
    /// Devices that were not heard of for so many days: 30 to 180.
    pub silent_days: Option<u64>,
    /// Whether it is applied.
    pub enabled: Option<bool>,
}

/// What a rule would touch now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CleanupPreview {
    /// How many devices: exact up to 10,000, and 10,001 where there are more.
    pub devices: u64,
    /// Some of them, those that were silent longest first.
    pub sample: Vec<DeviceView>,
}

fn find<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, id: &str) -> Result<CleanupRule> {
    Org::of(tx, org).get::<CleanupRule>(id)?.ok_or_else(|| Error::not_found("clean-up rule", id))
}

fn view<T: Tx + ?Sized>(tx: &mut T, row: CleanupRule) -> Result<CleanupRuleView> {
    let group = match &row.group_id {
        Some(id) => Some(find_device_group(tx, &row.org, id)?.name),
        None => None,
    };
    Ok(CleanupRuleView {
        id: row.id,
        description: row.description,
        action: row.action,
        platforms: row.platforms.0,
        device_group: group,
        silent_days: row.silent_days,
        enabled: row.enabled,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

fn event(intent: &Intent, action: &'static str, row: &CleanupRule) -> NewEvent {
    let event = NewEvent::new(&intent.actor, action, row.id.clone()).with("description", &row.description);
    let event = event.with("does", row.action).with("silent_days", row.silent_days).with("enabled", row.enabled);
    event.with("device_group", &row.group_id).with("platforms", &row.platforms.0)
}

/// Writes what was said into a rule.
fn apply<T: Tx + ?Sized>(tx: &mut T, row: &mut CleanupRule, said: &NewCleanupRule) -> Result<()> {
    let mut wrong = Vec::new();
    if let Some(text) = &said.description {
        match description(text) {
            Ok(text) => row.description = text,
            Err(detail) => wrong.push(FieldProblem::invalid("/description", detail)),
        }
    }
    row.action = said.action.unwrap_or(row.action);
    if let Some(platforms) = &said.platforms {
        row.platforms = Json(platforms.clone());
        row.platforms.0.sort_unstable();
        row.platforms.0.dedup();
    }
    row.silent_days = said.silent_days.unwrap_or(row.silent_days);
    if !(LEAST_DAYS..=MOST_DAYS).contains(&row.silent_days) {
        wrong.push(FieldProblem::invalid("/silent_days", format!("from {LEAST_DAYS} to {MOST_DAYS} days")));
    }
    row.enabled = said.enabled.unwrap_or(row.enabled);
    match said.device_group.as_deref().map(str::trim) {
        None => {}
        Some("") => row.group_id = None,
        Some(which) => match find_device_group(tx, &row.org, which) {
            Ok(group) => row.group_id = Some(group.id),
            Err(Error::NotFound { .. }) => {
                let detail = format!("there is no device group {which}: latchkey device-group create {which}");
                wrong.push(FieldProblem::invalid("/device_group", detail));
            }
            Err(error) => return Err(error),
        },
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

/// A rule that says nothing yet.
fn blank(org: &OrgId, now: Timestamp, said: &NewCleanupRule) -> Result<CleanupRule> {
    let mut wrong = Vec::new();
    if said.action.is_none() {
        wrong.push(FieldProblem::invalid("/action", "action is missing: retire, suspend or remove"));
    }
    if said.silent_days.is_none() {
        wrong.push(FieldProblem::invalid("/silent_days", format!("is missing: from {LEAST_DAYS} to {MOST_DAYS} days")));
    }
    let (Some(action), Some(silent_days)) = (said.action, said.silent_days) else { return Err(Error::Invalid(wrong)) };
    Ok(CleanupRule {
        org: org.clone(),
        id: new_id(now),
        description: String::new(),
        action,
        platforms: Json(Vec::new()),
        group_id: None,
        silent_days,
        enabled: true,
        created_at: now,
        updated_at: now,
    })
}

impl Directory {
    /// Makes a clean-up rule.
    pub async fn create_cleanup_rule(
        &self,
        intent: &Intent,
        org: &OrgId,
        new: NewCleanupRule,
    ) -> Result<CleanupRuleView> {
        let (intent, org) = (intent.clone(), org.clone());
        self.change(intent.dry_run, move |tx| {
            let mut row = blank(&org, tx.now(), &new)?;
            apply(tx, &mut row, &new)?;
            let mut ours = Org::of(tx, &org);
            if ours.one::<Organization>(Filter::all())?.is_none() {
                return Err(Error::not_found("organization", org.as_str()));
            }
            if ours.count::<CleanupRule>(Filter::all())? >= MOST_RULES {
                let detail = format!("there are {MOST_RULES} clean-up rules, which is the most");
                return Err(Error::state(detail, "delete one: latchkey cleanup-rule delete ID"));
            }
            ours.add(&row)?;
            ours.audit(event(&intent, "cleanup-rule.create", &row));
            view(tx, row)
        })
        .await
    }

    /// The clean-up rules, newest first.
    pub async fn cleanup_rules(&self, org: &OrgId, request: PageRequest) -> Result<Page<CleanupRuleView>> {
        let org = org.clone();
        self.read(move |tx| {
            let mut rows: Vec<CleanupRule> = Org::of(tx, &org).find(Filter::all())?;
            rows.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
            let place = |row: &CleanupRule| Cursor { at: row.created_at, id: row.id.clone() };
            Page::of_list(rows, &request, place).map(|row| view(tx, row))
        })
        .await
    }

    /// One clean-up rule.
    pub async fn cleanup_rule(&self, org: &OrgId, id: &str) -> Result<CleanupRuleView> {
        let (org, id) = (org.clone(), id.to_owned());
        self.read(move |tx| {
            let row = find(tx, &org, &id)?;
            view(tx, row)
        })
        .await
    }

    /// Changes a clean-up rule.
    pub async fn change_cleanup_rule(
        &self,
        intent: &Intent,
        org: &OrgId,
        id: &str,
        patch: NewCleanupRule,
    ) -> Result<CleanupRuleView> {
        let (intent, org, id) = (intent.clone(), org.clone(), id.to_owned());
        self.change(intent.dry_run, move |tx| {
            let mut row = find(tx, &org, &id)?;
            intent.condition.check("clean-up rule", &view(tx, row.clone())?)?;
            apply(tx, &mut row, &patch)?;
            row.updated_at = tx.now();
            let mut ours = Org::of(tx, &org);
            ours.replace(&row)?;
            ours.audit(event(&intent, "cleanup-rule.set", &row));
            view(tx, row)
        })
        .await
    }

    /// Deletes a clean-up rule. What it did stays done.
    pub async fn delete_cleanup_rule(&self, intent: &Intent, org: &OrgId, id: &str) -> Result<CleanupRuleView> {
        let (intent, org, id) = (intent.clone(), org.clone(), id.to_owned());
        self.change(intent.dry_run, move |tx| {
            let row = find(tx, &org, &id)?;
            let seen = view(tx, row.clone())?;
            intent.condition.check("clean-up rule", &seen)?;
            let mut ours = Org::of(tx, &org);
            ours.delete::<CleanupRule>(CleanupRule::id.eq(&row.id))?;
            ours.audit(event(&intent, "cleanup-rule.delete", &row));
            Ok(seen)
        })
        .await
    }

    /// What a rule would touch now, switched on or not. With `id`, the rule that is there with these changes.
    pub async fn preview_cleanup_rule(
        &self,
        org: &OrgId,
        id: Option<&str>,
        said: NewCleanupRule,
        limit: u64,
    ) -> Result<CleanupPreview> {
        let (of, id) = (org.clone(), id.map(str::to_owned));
        let filter = self
            .read::<_, Error>(move |tx| {
                let mut row = match &id {
                    Some(id) => find(tx, &of, id)?,
                    None => blank(&of, tx.now(), &said)?,
                };
                apply(tx, &mut row, &said)?;
                Ok(row.filter(tx.now()))
            })
            .await?;
        let page = self.devices(org, filter, PageRequest { limit, after: None, count: true }).await?;
        Ok(CleanupPreview { devices: page.count.unwrap_or_default(), sample: page.items })
    }
}
