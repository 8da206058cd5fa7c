//! Giving roles to users and groups, and taking them.
//!
//! Owns who can have a role and what is refused on the way: more than one's own rights, a role for a group that device tokens put people into,
//! and the last owner. Must not know what a role opens.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;

use super::builtin::OWNER;
use super::guard::within;
use super::holding::keeping_an_owner;
use super::records::RoleAssignment;
use super::roles::{Role, find_role, must_give_roles};
use crate::audit::NewEvent;
use crate::groups::find_group;
use crate::id::{OrgId, new_id};
use crate::page::{Cursor, Page, PageRequest, page};
use crate::query::Filter;
use crate::records::{DeviceToken, Group, User};
use crate::scope::Org;
use crate::store::{Tx, WriteTx};
use crate::time::Timestamp;
use crate::users::find_user;
use crate::values::{HolderKind, OwnerNews, TokenState, UserStatus};
use crate::{Directory, Error, Intent, Result};

/// Who has a role, as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AssignmentView {
    /// Random.
    pub id: String,
    /// The role's id.
    pub role_id: String,
    /// The role's name.
    pub role: String,
    /// Whether a user or a group.
    pub kind: HolderKind,
    /// The user's or the group's id.
    pub subject: String,
    /// The user's login name or the group's name.
    pub name: String,
    /// Since when.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
}

/// Whom a role is given to, as flags and JSON spell it: `user:U`, `group:G`; U and G are ids or names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A user.
    User(String),
    /// The members of a group.
    Group(String),
}

/// Text that names neither a user nor a group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither user:LOGIN nor group:NAME")]
pub struct NotAHolder(String);

impl FromStr for Holder {
    type Err = NotAHolder;

    fn from_str(text: &str) -> std::result::Result<Self, NotAHolder> {
        match text.split_once(':') {
            Some(("user", which)) if !which.is_empty() => Ok(Self::User(which.to_owned())),
            Some(("group", which)) if !which.is_empty() => Ok(Self::Group(which.to_owned())),
            _ => Err(NotAHolder(text.to_owned())),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(which) => write!(f, "user:{which}"),
            Self::Group(which) => write!(f, "group:{which}"),
        }
    }
}

/// Somebody found: kind, id and name.
fn found<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, holder: &Holder) -> Result<(HolderKind, String, String)> {
    Ok(match holder {
        Holder::User(which) => {
            let user = find_user(tx, org, which)?;
            if user.status == UserStatus::Deleted {
                return Err(Error::state("the user is deleted", "make a new one: latchkey user create LOGIN"));
            }
            (HolderKind::User, user.id, user.login_name)
        }
        Holder::Group(which) => {
            let group = find_group(tx, org, which)?;
            (HolderKind::Group, group.id, group.name)
        }
    })
}

fn view(row: RoleAssignment, role: &str, name: String) -> AssignmentView {
    AssignmentView {
        id: row.id,
        role_id: row.role_id,
        role: role.to_owned(),
        kind: row.kind,
        subject: row.subject,
        name,
        created_at: row.created_at,
    }
}

fn name_of<T: Tx + ?Sized>(tx: &mut T, row: &RoleAssignment) -> Result<String> {
    let mut ours = Org::of(tx, &row.org);
    let name = match row.kind {
        HolderKind::User => ours.get::<User>(&row.subject)?.map(|user| user.login_name),
        HolderKind::Group => ours.get::<Group>(&row.subject)?.map(|group| group.name),
    };
    Ok(name.unwrap_or_else(|| row.subject.clone()))
}

/// A group that device tokens put new people into carries no role: whoever holds the token would have it.
fn no_token_fills(tx: &mut dyn WriteTx, org: &OrgId, group_id: &str, name: &str) -> Result<()> {
    let now = tx.now();
    let open = DeviceToken::state.one_of(&[TokenState::Active, TokenState::Disabled]);
    let tokens: Vec<DeviceToken> = Org::of(tx, org).find(open)?;
    let fills = tokens.iter().find(|t| t.expires_at > now && t.jit_groups.iter().any(|group| group == group_id));
    fills.map_or(Ok(()), |token| {
        Err(Error::state(
            format!("the device token {} puts new users into the group {name}: they would have the role", token.id),
            format!("change that first: latchkey token set {} --jit-group …", token.id),
        ))
    })
}

/// Gives a role inside a transaction. A repeated one changes nothing.
pub(super) fn give(
    tx: &mut dyn WriteTx,
    intent: &Intent,
    org: &OrgId,
    role: &Role,
    holder: &Holder,
) -> Result<AssignmentView> {
    let now = tx.now();
    must_give_roles(intent)?;
    within(intent, &format!("the role {}", role.name()), &role.rights())?;
    let (kind, subject, name) = found(tx, org, holder)?;
    if kind == HolderKind::Group {
        no_token_fills(tx, org, &subject, &name)?;
    }
    let row = RoleAssignment {
        org: org.clone(),
        id: new_id(now),
        role_id: role.id().to_owned(),
        kind,
        subject,
        created_at: now,
    };
    let mut ours = Org::of(tx, org);
    let same = RoleAssignment::role_id
        .eq(&row.role_id)
        .and(RoleAssignment::subject.eq(&row.subject))
        .and(RoleAssignment::kind.eq(&kind));
    if let Some(there) = ours.one::<RoleAssignment>(same)? {
        return Ok(view(there, role.name(), name));
    }
    ours.add(&row)?;
    let event = NewEvent::new(&intent.actor, "role.give", row.role_id.clone()).with("role", role.name());
    ours.audit(event.with("kind", kind).with("subject", &row.subject).with("name", &name));
    Ok(view(row, role.name(), name))
}

fn take(tx: &mut dyn WriteTx, intent: &Intent, role: &Role, row: RoleAssignment) -> Result<AssignmentView> {
    must_give_roles(intent)?;
    within(intent, &format!("the role {}", role.name()), &role.rights())?;
    let org = row.org.clone();
    let name = name_of(tx, &row)?;
    keeping_an_owner(tx, &org, |tx| {
        let mut ours = Org::of(tx, &org);
        ours.delete::<RoleAssignment>(RoleAssignment::id.eq(&row.id))?;
        let event = NewEvent::new(&intent.actor, "role.take", row.role_id.clone()).with("role", role.name());
        ours.audit(event.with("kind", row.kind).with("subject", &row.subject).with("name", &name));
        Ok(())
    })?;
    Ok(view(row, role.name(), name))
}

impl Directory {
    /// Who has a role, newest first.
    pub async fn role_assignments(
        &self,
        org: &OrgId,
        which: &str,
        request: PageRequest,
    ) -> Result<Page<AssignmentView>> {
        let (org, which) = (org.clone(), which.to_owned());
        self.read(move |tx| {
            let role = find_role(tx, &org, &which)?;
            let of_it = RoleAssignment::role_id.eq(&role.id().to_owned());
            let place = |row: &RoleAssignment| Cursor { at: row.created_at, id: row.id.clone() };
            let rows = page(&mut Org::of(tx, &org), of_it, RoleAssignment::created_at, "id", &request, place)?;
            rows.map(|row| {
                let name = name_of(tx, &row)?;
                Ok(view(row, role.name(), name))
            })
        })
        .await
    }

    /// The roles of a user or a group, and by whom they come: a user has those of the groups as well.
    pub async fn roles_of(&self, org: &OrgId, holder: &Holder) -> Result<Vec<AssignmentView>> {
        let (org, holder) = (org.clone(), holder.clone());
        self.read(move |tx| {
            let (kind, subject, _) = found(tx, &org, &holder)?;
            let mut subjects = vec![subject.clone()];
            if kind == HolderKind::User {
                subjects.extend(super::holding::groups_of(tx, &org, &subject)?);
            }
            let rows: Vec<RoleAssignment> = Org::of(tx, &org).find(RoleAssignment::subject.one_of(&subjects))?;
            let mut all = Vec::new();
            for row in rows {
                let role = find_role(tx, &org, &row.role_id)?;
                let name = name_of(tx, &row)?;
                all.push(view(row, role.name(), name));
            }
            Ok(all)
        })
        .await
    }

    /// Gives a role to a user or a group. A repeated one changes nothing.
    pub async fn give_role(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        holder: &Holder,
    ) -> Result<AssignmentView> {
        let (intent, org, which, holder) = (intent.clone(), org.clone(), which.to_owned(), holder.clone());
        let mail = self.outbox();
        self.change(intent.dry_run, move |tx| {
            let role = find_role(tx, &org, &which)?;
            let now = tx.now();
            let given = give(tx, &intent, &org, &role, &holder)?;
            // One that was there already is no news.
            if role.id() == OWNER && given.created_at == now {
                mail.owners(tx, &org, OwnerNews::OwnerGiven, &given.name, &intent.actor)?;
            }
            Ok(given)
        })
        .await
    }

    /// Takes a role from a user or a group.
    pub async fn take_role(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        holder: &Holder,
    ) -> Result<AssignmentView> {
        let (intent, org, which, holder) = (intent.clone(), org.clone(), which.to_owned(), holder.clone());
        self.change(intent.dry_run, move |tx| {
            let role = find_role(tx, &org, &which)?;
            let (kind, subject, name) = found(tx, &org, &holder)?;
            let of_it = RoleAssignment::role_id
                .eq(&role.id().to_owned())
                .and(RoleAssignment::kind.eq(&kind))
                .and(RoleAssignment::subject.eq(&subject));
            let row = Org::of(tx, &org).one::<RoleAssignment>(of_it)?;
            let row = row.ok_or_else(|| Error::not_found("role assignment", format!("{} of {name}", role.name())))?;
            take(tx, &intent, &role, row)
        })
        .await
    }

    /// Takes a role from whom this assignment gave it to.
    pub async fn end_assignment(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        assignment_id: &str,
    ) -> Result<AssignmentView> {
        let (intent, org, which, id) = (intent.clone(), org.clone(), which.to_owned(), assignment_id.to_owned());
        self.change(intent.dry_run, move |tx| {
            let role = find_role(tx, &org, &which)?;
            let row = Org::of(tx, &org).get::<RoleAssignment>(&id)?.filter(|row| row.role_id == role.id());
            let row = row.ok_or_else(|| Error::not_found("role assignment", id.clone()))?;
            take(tx, &intent, &role, row)
        })
        .await
    }
}

/// Takes every role of a user who is deleted, or of a group that is.
pub(crate) fn forget(tx: &mut dyn WriteTx, org: &OrgId, subject: &str) -> Result<u64> {
    let of_it: Filter = RoleAssignment::subject.eq(&subject.to_owned());
    Ok(Org::of(tx, org).delete::<RoleAssignment>(of_it)?)
}
