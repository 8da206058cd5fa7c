//! Groups of users.
//!
//! Owns their names, members and protection. Members of a protected group are protected users. Must not know what a group entitles to.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::holding::{held_by_group, keeping_an_owner};
use crate::access::may_join;
use crate::audit::NewEvent;
use crate::id::{OrgId, new_id};
use crate::orgs::display_name;
use crate::page::{Cursor, Page, PageRequest, count, page};
use crate::query::{Direction, Filter};
use crate::records::{DeviceToken, Entitlement, Group, Membership};
use crate::scope::{Org, Taken};
use crate::store::Tx;
use crate::table::Record as _;
use crate::time::Timestamp;
use crate::users::{UserView, find_user, members, views};
use crate::values::{EntitlementKind, TokenState, UserStatus};
use crate::{Directory, Error, FieldProblem, Intent, Result};

/// A group, as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GroupView {
    /// Random.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its members are protected users.
    pub protected: bool,
    /// How many members it has: exact up to 10,000, and 10,001 where there are more.
    pub members: u64,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
}

/// A new group. Required is `name`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct NewGroup {
    /// Its name.
    pub name: Option<String>,
    /// Its members are protected users.
    pub protected: Option<bool>,
}

/// A change of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct GroupPatch {
    /// Its name.
    pub name: Option<String>,
    /// Its members are protected users.
    pub protected: Option<bool>,
}

/// The group with this id or name.
pub fn find_group<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, which: &str) -> Result<Group> {
    let which = which.trim().to_owned();
    let mut found: Vec<Group> = Org::of(tx, org).find(Group::id.eq(&which).or(Group::name.eq(&which)))?;
    // A group may be called like another's id; the id is the one that cannot be chosen.
    found.sort_by_key(|group| group.id == which);
    found.pop().ok_or_else(|| Error::not_found("group", which))
}

fn view<T: Tx + ?Sized>(tx: &mut T, row: Group) -> Result<GroupView> {
    let members = Membership::group_id.eq(&row.id);
    let by_user = [(Membership::user_id.name, Direction::Ascending)];
    let members = count(&mut Org::of(tx, &row.org), Membership::TABLE, &members, &by_user)?;
    Ok(GroupView { id: row.id, name: row.name, protected: row.protected, members, created_at: row.created_at })
}

fn name(value: Option<&str>) -> Result<String> {
    let complaint = |detail: String| Error::Invalid(vec![FieldProblem::invalid("/name", detail)]);
    let value = value.ok_or_else(|| complaint("name is missing".to_owned()))?;
    let value = display_name(value).map_err(complaint)?;
    if value.contains(';') {
        return Err(complaint("a group's name has no semicolon: it separates groups in files".to_owned()));
    }
    Ok(value)
}

impl Directory {
    /// Makes a group.
    pub async fn create_group(&self, intent: &Intent, org: &OrgId, new: NewGroup) -> Result<GroupView> {
        let name = name(new.name.as_deref())?;
        let (intent, org) = (intent.clone(), org.clone());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let row = Group {
                org: org.clone(),
                id: new_id(now),
                name: name.clone(),
                protected: new.protected.unwrap_or(false),
                created_at: now,
            };
            let mut ours = Org::of(tx, &org);
            if let Some(there) = ours.one::<Group>(Group::name.eq(&row.name))? {
                return Err(Error::Exists { noun: "group", which: there.name, id: there.id });
            }
            ours.add(&row)?;
            let event = NewEvent::new(&intent.actor, "group.create", row.id.clone());
            ours.audit(event.with("name", &row.name).with("protected", row.protected));
            view(tx, row)
        })
        .await
    }

    /// Groups.
    pub async fn groups(&self, org: &OrgId, text: Option<String>, request: PageRequest) -> Result<Page<GroupView>> {
        let org = org.clone();
        self.read(move |tx| {
            let filter = text.map_or_else(Filter::all, |text| Filter::Contains(vec!["name"], text.trim().to_owned()));
            let place = |row: &Group| Cursor { at: row.created_at, id: row.id.clone() };
            let rows = page(&mut Org::of(tx, &org), filter, Group::created_at, "id", &request, place)?;
            rows.map(|row| view(tx, row))
        })
        .await
    }

    /// One group, by id or name.
    pub async fn group(&self, org: &OrgId, which: &str) -> Result<GroupView> {
        let (org, which) = (org.clone(), which.to_owned());
        self.read(move |tx| {
            let row = find_group(tx, &org, &which)?;
            view(tx, row)
        })
        .await
    }

    /// Changes a group.
    pub async fn change_group(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        patch: GroupPatch,
    ) -> Result<GroupView> {
        let new_name = patch.name.as_deref().map(|value| name(Some(value))).transpose()?;
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let mut row = find_group(tx, &org, &which)?;
            intent.condition.check("group", &view(tx, row.clone())?)?;
            let mut ours = Org::of(tx, &org);
            if let Some(name) = &new_name
                && *name != row.name
            {
                if let Some(there) = ours.one::<Group>(Group::name.eq(name))? {
                    return Err(Error::Exists { noun: "group", which: there.name, id: there.id });
                }
                row.name.clone_from(name);
            }
            row.protected = patch.protected.unwrap_or(row.protected);
            ours.replace(&row)?;
            let event = NewEvent::new(&intent.actor, "group.set", row.id.clone());
            ours.audit(event.with("name", &row.name).with("protected", row.protected));
            view(tx, row)
        })
        .await
    }

    /// Deletes a group; its members stay users.
    pub async fn delete_group(&self, intent: &Intent, org: &OrgId, which: &str) -> Result<GroupView> {
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let row = find_group(tx, &org, &which)?;
            let seen = view(tx, row.clone())?;
            intent.condition.check("group", &seen)?;
            let mut ours = Org::of(tx, &org);
            let entitles = Entitlement::kind.eq(&EntitlementKind::Group).and(Entitlement::subject.eq(&row.id));
            if ours.any::<Entitlement>(entitles)? {
                return Err(Error::state(
                    format!("the group {} is entitled to a service", row.name),
                    "take the entitlement away first: latchkey service set NAME --entitle …",
                ));
            }
            if let Some(role) = held_by_group(tx, &org, &row.id)?.roles.first() {
                return Err(Error::state(
                    format!("the group {} has the role {role}", row.name),
                    format!("take it away first: latchkey role take {role} --group {}", row.id),
                ));
            }
            let mut ours = Org::of(tx, &org);
            let tokens: Vec<DeviceToken> = ours.find(DeviceToken::state.eq(&TokenState::Active))?;
            if let Some(token) =
                tokens.iter().find(|token| token.expires_at > now && token.jit_groups.contains(&row.id))
            {
                return Err(Error::state(
                    format!("users created by the device token {} get the group {}", token.id, row.name),
                    format!("change that first: latchkey token set {} --jit-group …", token.id),
                ));
            }
            ours.delete::<Membership>(Membership::group_id.eq(&row.id))?;
            ours.delete::<Group>(Group::id.eq(&row.id))?;
            ours.audit(NewEvent::new(&intent.actor, "group.delete", row.id.clone()).with("name", &row.name));
            Ok(seen)
        })
        .await
    }

    /// The members of a group, newest users first.
    pub async fn group_members(&self, org: &OrgId, which: &str, request: PageRequest) -> Result<Page<UserView>> {
        let (org, which) = (org.clone(), which.to_owned());
        self.read(move |tx| {
            let group = find_group(tx, &org, &which)?;
            let rows = members(&mut Org::of(tx, &org), &request, &[group.id], &Filter::all())?;
            views(tx, &org, rows)
        })
        .await
    }

    /// The groups of a user.
    pub async fn user_groups(&self, org: &OrgId, which: &str, request: PageRequest) -> Result<Page<GroupView>> {
        let (org, which) = (org.clone(), which.to_owned());
        self.read(move |tx| {
            let user = find_user(tx, &org, &which)?;
            let mut ours = Org::of(tx, &org);
            let memberships: Vec<Membership> = ours.find(Membership::user_id.eq(&user.id))?;
            let ids: Vec<String> = memberships.into_iter().map(|row| row.group_id).collect();
            let mut groups: Vec<Group> = ours.find(Group::id.one_of(&ids))?;
            groups.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
            let place = |row: &Group| Cursor { at: row.created_at, id: row.id.clone() };
            Page::of_list(groups, &request, place).map(|row| view(tx, row))
        })
        .await
    }

    /// Puts a user into a group. A repeated one changes nothing.
    pub async fn join_group(&self, intent: &Intent, org: &OrgId, which: &str, user: &str) -> Result<GroupView> {
        let (intent, org, which, user) = (intent.clone(), org.clone(), which.to_owned(), user.to_owned());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let group = find_group(tx, &org, &which)?;
            let user = find_user(tx, &org, &user)?;
            if user.status == UserStatus::Deleted {
                return Err(Error::state("the user is deleted", "make a new one: latchkey user create LOGIN"));
            }
            may_join(tx, &intent, &org, std::slice::from_ref(&group.id))?;
            let row =
                Membership { org: org.clone(), group_id: group.id.clone(), user_id: user.id.clone(), created_at: now };
            let mut ours = Org::of(tx, &org);
            if ours.insert(&row)? != Err(Taken) {
                let event = NewEvent::new(&intent.actor, "group.join", group.id.clone());
                ours.audit(event.with("name", &group.name).with("user", &user.id).with("login_name", &user.login_name));
            }
            view(tx, group)
        })
        .await
    }

    /// Takes a user out of a group.
    pub async fn leave_group(&self, intent: &Intent, org: &OrgId, which: &str, user: &str) -> Result<GroupView> {
        let (intent, org, which, user) = (intent.clone(), org.clone(), which.to_owned(), user.to_owned());
        self.change(intent.dry_run, move |tx| {
            let group = find_group(tx, &org, &which)?;
            let user = find_user(tx, &org, &user)?;
            may_join(tx, &intent, &org, std::slice::from_ref(&group.id))?;
            keeping_an_owner(tx, &org, |tx| {
                let mut ours = Org::of(tx, &org);
                let this = Membership::group_id.eq(&group.id).and(Membership::user_id.eq(&user.id));
                if ours.delete::<Membership>(this)? > 0 {
                    let event = NewEvent::new(&intent.actor, "group.leave", group.id.clone());
                    let event = event.with("name", &group.name).with("user", &user.id);
                    ours.audit(event.with("login_name", &user.login_name));
                }
                Ok(())
            })?;
            view(tx, group)
        })
        .await
    }
}
