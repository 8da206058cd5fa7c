//! Groups of devices: whom clean-up rules and actions on many devices are about, and how many people share a machine.
//!
//! Owns their names and members. A group gives no right to anything. Must not know what is done with the devices in it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::clean_rule::CleanupRule;
use super::view::{DeviceFilter, DeviceView};
use crate::audit::NewEvent;
use crate::id::{OrgId, new_id};
use crate::orgs::display_name;
use crate::page::{Cursor, Page, PageRequest, count, page};
use crate::query::{Direction, Filter};
use crate::records::Device;
use crate::scope::{Org, Taken};
use crate::store::{StoreError, Tx};
use crate::table::{Record as _, record};
use crate::time::Timestamp;
use crate::{Directory, Error, FieldProblem, Intent, Result};

/// The most people who share a device by their word alone (lifecycle.md: shared machines).
pub const MOST_USERS: u64 = 50;
/// An organization has at most so many groups of devices.
pub const MOST_GROUPS: u64 = 1_000;
/// A group has at most so many members.
pub const MOST_MEMBERS: u64 = 100_000;
/// So many devices join in one transaction, so that nobody else waits for long.
const AT_ONCE: usize = 256;
/// The longest description, characters.
const LONGEST: usize = 500;

record! {
    /// A group of devices.
    pub struct DeviceGroup in "device_group" key ["org", "id"] {
        /// Random.
        pub id: String,
        /// Its name; unique.
        pub name: String,
        /// What it is for.
        pub description: String,
        /// So many people may use a device of it by their word alone.
        pub users_per_device: u64,
        /// When it was made.
        pub created_at: Timestamp,
    }
}

record! {
    /// A device in a group.
    pub struct DeviceGroupMember in "device_group_member" key ["org", "group_id", "device_id"] {
        /// The group.
        pub group_id: String,
        /// The device.
        pub device_id: String,
        /// Since when.
        pub created_at: Timestamp,
    }
}

/// A group of devices, as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeviceGroupView {
    /// Random.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// So many people may use a device of it by their word alone (evidence levels 0 and 1); 1 is what holds without a group.
    pub users_per_device: u64,
    /// How many devices are in it: exact up to 10,000, and 10,001 where there are more.
    pub devices: u64,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
}

/// A new group of devices. Required is `name`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct NewDeviceGroup {
    /// Its name.
    pub name: Option<String>,
    /// What it is for: 500 characters at most.
    pub description: Option<String>,
    /// So many people may use a device of it by their word alone: 1 to 50.
    pub users_per_device: Option<u64>,
}

/// A change of a group of devices.
pub type DeviceGroupPatch = NewDeviceGroup;

/// The group of devices with this id or name.
pub(crate) fn find_device_group<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, which: &str) -> Result<DeviceGroup> {
    let which = which.trim().to_owned();
    let named = DeviceGroup::id.eq(&which).or(DeviceGroup::name.eq(&which));
    let mut found: Vec<DeviceGroup> = Org::of(tx, org).find(named)?;
    // A group may be called like another's id; the id is the one that cannot be chosen.
    found.sort_by_key(|group| group.id == which);
    found.pop().ok_or_else(|| Error::not_found("device group", which))
}

/// The devices in any of these groups, by id, newest first.
pub(super) fn members<T: Tx + ?Sized>(org: &mut Org<'_, T>, groups: &[String]) -> Result<Vec<String>> {
    let mut ids = std::collections::BTreeSet::new();
    for which in groups {
        let id = org.id();
        let group = find_device_group(org.tx(), id, which)?;
        let rows: Vec<DeviceGroupMember> = org.find(DeviceGroupMember::group_id.eq(&group.id))?;
        ids.extend(rows.into_iter().map(|row| row.device_id));
    }
    Ok(ids.into_iter().rev().collect())
}

/// How many people may use the device by their word alone.
pub(super) fn users_per_device<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, device: &str) -> Result<u64, StoreError> {
    let mut ours = Org::of(tx, org);
    let rows: Vec<DeviceGroupMember> = ours.find(DeviceGroupMember::device_id.eq(&device.to_owned()))?;
    let ids: Vec<String> = rows.into_iter().map(|row| row.group_id).collect();
    if ids.is_empty() {
        return Ok(1);
    }
    let groups: Vec<DeviceGroup> = ours.find(DeviceGroup::id.one_of(&ids))?;
    Ok(groups.iter().map(|group| group.users_per_device).max().unwrap_or(1).max(1))
}

fn view<T: Tx + ?Sized>(tx: &mut T, row: DeviceGroup) -> Result<DeviceGroupView> {
    let members = DeviceGroupMember::group_id.eq(&row.id);
    let order = [(DeviceGroupMember::device_id.name, Direction::Ascending)];
    let devices = count(&mut Org::of(tx, &row.org), DeviceGroupMember::TABLE, &members, &order)?;
    Ok(DeviceGroupView {
        id: row.id,
        name: row.name,
        description: row.description,
        users_per_device: row.users_per_device,
        devices,
        created_at: row.created_at,
    })
}

/// What is wrong with a text that says what something is for.
pub(super) fn description(text: &str) -> std::result::Result<String, String> {
    let text = text.trim();
    if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
        return Err(format!("a description has at most {LONGEST} characters and no control characters"));
    }
    Ok(text.to_owned())
}

/// The fields as they are kept, those that were said.
struct Checked {
    name: Option<String>,
    description: Option<String>,
    users_per_device: Option<u64>,
}

impl Checked {
    fn of(new: &NewDeviceGroup) -> Result<Self> {
        let mut wrong = Vec::new();
        let mut keep = |pointer: &str, checked: Option<std::result::Result<String, String>>| match checked {
            Some(Ok(text)) => Some(text),
            Some(Err(detail)) => {
                wrong.push(FieldProblem::invalid(pointer, detail));
                None
            }
            None => None,
        };
        let name = keep("/name", new.name.as_deref().map(display_name));
        let description = keep("/description", new.description.as_deref().map(description));
        if new.users_per_device.is_some_and(|many| !(1..=MOST_USERS).contains(&many)) {
            wrong.push(FieldProblem::invalid("/users_per_device", format!("from 1 to {MOST_USERS}")));
        }
        if wrong.is_empty() {
            Ok(Self { name, description, users_per_device: new.users_per_device })
        } else {
            Err(Error::Invalid(wrong))
        }
    }
}

fn event(intent: &Intent, action: &'static str, row: &DeviceGroup) -> NewEvent {
    let event = NewEvent::new(&intent.actor, action, row.id.clone()).with("name", &row.name);
    event.with("users_per_device", row.users_per_device)
}

fn free<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, name: &String) -> Result<()> {
    match Org::of(tx, org).one::<DeviceGroup>(DeviceGroup::name.eq(name))? {
        Some(there) => Err(Error::Exists { noun: "device group", which: there.name, id: there.id }),
        None => Ok(()),
    }
}

impl Directory {
    /// Makes a group of devices.
    pub async fn create_device_group(
        &self,
        intent: &Intent,
        org: &OrgId,
        new: NewDeviceGroup,
    ) -> Result<DeviceGroupView> {
        let checked = Checked::of(&new)?;
        let name = checked.name.ok_or_else(|| Error::field("/name", "name is missing"))?;
        let (description, users) = (checked.description.unwrap_or_default(), checked.users_per_device.unwrap_or(1));
        let (intent, org) = (intent.clone(), org.clone());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            free(tx, &org, &name)?;
            let mut ours = Org::of(tx, &org);
            if ours.count::<DeviceGroup>(Filter::all())? >= MOST_GROUPS {
                let detail = format!("there are {MOST_GROUPS} device groups, which is the most");
                return Err(Error::state(detail, "delete one: latchkey device-group delete NAME"));
            }
            let row = DeviceGroup {
                org: org.clone(),
                id: new_id(now),
                name: name.clone(),
                description: description.clone(),
                users_per_device: users,
                created_at: now,
            };
            ours.add(&row)?;
            ours.audit(event(&intent, "device-group.create", &row));
            view(tx, row)
        })
        .await
    }

    /// Groups of devices, newest first.
    pub async fn device_groups(
        &self,
        org: &OrgId,
        text: Option<String>,
        request: PageRequest,
    ) -> Result<Page<DeviceGroupView>> {
        let org = org.clone();
        self.read(move |tx| {
            let filter = text.map_or_else(Filter::all, |text| Filter::Contains(vec!["name"], text.trim().to_owned()));
            let place = |row: &DeviceGroup| Cursor { at: row.created_at, id: row.id.clone() };
            let rows = page(&mut Org::of(tx, &org), filter, DeviceGroup::created_at, "id", &request, place)?;
            rows.map(|row| view(tx, row))
        })
        .await
    }

    /// One group of devices, by id or name.
    pub async fn device_group(&self, org: &OrgId, which: &str) -> Result<DeviceGroupView> {
        let (org, which) = (org.clone(), which.to_owned());
        self.read(move |tx| {
            let row = find_device_group(tx, &org, &which)?;
            view(tx, row)
        })
        .await
    }

    /// Changes a group of devices.
    pub async fn change_device_group(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        patch: DeviceGroupPatch,
    ) -> Result<DeviceGroupView> {
        let checked = Checked::of(&patch)?;
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let mut row = find_device_group(tx, &org, &which)?;
            intent.condition.check("device group", &view(tx, row.clone())?)?;
            if let Some(name) = checked.name.clone()
                && name != row.name
            {
                free(tx, &org, &name)?;
                row.name = name;
            }
            row.description = checked.description.clone().unwrap_or(row.description);
            row.users_per_device = checked.users_per_device.unwrap_or(row.users_per_device);
            let mut ours = Org::of(tx, &org);
            ours.replace(&row)?;
            ours.audit(event(&intent, "device-group.set", &row));
            view(tx, row)
        })
        .await
    }

    /// Deletes a group of devices; the devices stay.
    pub async fn delete_device_group(&self, intent: &Intent, org: &OrgId, which: &str) -> Result<DeviceGroupView> {
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let row = find_device_group(tx, &org, &which)?;
            let seen = view(tx, row.clone())?;
            intent.condition.check("device group", &seen)?;
            let mut ours = Org::of(tx, &org);
            if let Some(rule) = ours.one::<CleanupRule>(CleanupRule::group_id.is(&row.id))? {
                return Err(Error::state(
                    format!("the clean-up rule {} is about this group", rule.description),
                    format!("delete that first: latchkey cleanup-rule delete {}", rule.id),
                ));
            }
            ours.delete::<DeviceGroupMember>(DeviceGroupMember::group_id.eq(&row.id))?;
            ours.delete::<DeviceGroup>(DeviceGroup::id.eq(&row.id))?;
            ours.audit(event(&intent, "device-group.delete", &row));
            Ok(seen)
        })
        .await
    }

    /// The devices of a group, newest first.
    pub async fn device_group_members(
        &self,
        org: &OrgId,
        which: &str,
        request: PageRequest,
    ) -> Result<Page<DeviceView>> {
        let group = self.device_group(org, which).await?.id;
        self.devices(org, DeviceFilter { group: vec![group], ..DeviceFilter::default() }, request).await
    }

    /// Puts a device into a group. A repeated one changes nothing.
    pub async fn join_device_group(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        device: &str,
    ) -> Result<DeviceGroupView> {
        self.put_in(intent, org, which, vec![device.to_owned()], true).await.map(|(view, _)| view)
    }

    /// Puts every device that the filter finds into a group. Not one transaction: what was done stays done when a later one fails, and the
    /// same call may be made again. Answers how many joined.
    pub async fn join_device_group_all(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        filter: DeviceFilter,
    ) -> Result<(DeviceGroupView, u64)> {
        let ids = self.device_ids(org, filter).await?;
        let mut done = (self.device_group(org, which).await?, 0);
        for some in ids.chunks(AT_ONCE) {
            let (view, joined) = self.put_in(intent, org, which, some.to_vec(), false).await?;
            done = (view, done.1 + joined);
        }
        Ok(done)
    }

    async fn put_in(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        devices: Vec<String>,
        named: bool,
    ) -> Result<(DeviceGroupView, u64)> {
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let group = find_device_group(tx, &org, &which)?;
            let mut ours = Org::of(tx, &org);
            let there = ours.count::<DeviceGroupMember>(DeviceGroupMember::group_id.eq(&group.id))?;
            if there + u64::try_from(devices.len()).unwrap_or(u64::MAX) > MOST_MEMBERS {
                let detail = format!("a device group has at most {MOST_MEMBERS} devices");
                return Err(Error::state(detail, "make another group: latchkey device-group create NAME"));
            }
            let mut joined = 0;
            for id in &devices {
                if ours.get::<Device>(id)?.is_none() {
                    // One that was named is a mistake; one that a filter found went away meanwhile.
                    if named {
                        return Err(Error::not_found("device", id));
                    }
                    continue;
                }
                let row = DeviceGroupMember {
                    org: org.clone(),
                    group_id: group.id.clone(),
                    device_id: id.clone(),
                    created_at: now,
                };
                if ours.insert(&row)? != Err(Taken) {
                    let event = NewEvent::new(&intent.actor, "device-group.join", group.id.clone());
                    ours.audit(event.with("name", &group.name).with("device", id));
                    joined += 1;
                }
            }
            Ok((view(tx, group)?, joined))
        })
        .await
    }

    /// Takes a device out of a group.
    pub async fn leave_device_group(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        device: &str,
    ) -> Result<DeviceGroupView> {
        let (intent, org, which, device) = (intent.clone(), org.clone(), which.to_owned(), device.to_owned());
        self.change(intent.dry_run, move |tx| {
            let group = find_device_group(tx, &org, &which)?;
            let mut ours = Org::of(tx, &org);
            let this = DeviceGroupMember::group_id.eq(&group.id).and(DeviceGroupMember::device_id.eq(&device));
            if ours.delete::<DeviceGroupMember>(this)? > 0 {
                let event = NewEvent::new(&intent.actor, "device-group.leave", group.id.clone());
                ours.audit(event.with("name", &group.name).with("device", &device));
            }
            view(tx, group)
        })
        .await
    }

    /// The groups that a device is in.
    pub async fn groups_of_device(&self, org: &OrgId, device: &str) -> Result<Vec<DeviceGroupView>> {
        let (org, device) = (org.clone(), device.to_owned());
        self.read(move |tx| {
            let mut ours = Org::of(tx, &org);
            let rows: Vec<DeviceGroupMember> = ours.find(DeviceGroupMember::device_id.eq(&device))?;
            let ids: Vec<String> = rows.into_iter().map(|row| row.group_id).collect();
            let mut groups: Vec<DeviceGroup> = ours.find(DeviceGroup::id.one_of(&ids))?;
            groups.sort_by(|a, b| a.name.cmp(&b.name));
            groups.into_iter().map(|row| view(tx, row)).collect()
        })
        .await
    }
}
