//! Who has which rights.
//!
//! Owns reading a user's roles, given to the user or to a group of theirs, and the rule that an organization keeps an owner. Must not know how
//! roles are given.

use super::builtin::{BuiltInRole, OWNER};
use super::records::{CustomRole, RoleAssignment};
use super::rights::Rights;
use crate::id::OrgId;
use crate::records::{Membership, User};
use crate::scope::Org;
use crate::store::{StoreError, Tx, WriteTx};
use crate::values::{HolderKind, UserStatus};
use crate::{Error, Result};

/// What somebody has by their roles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// The roles, by name.
    pub roles: Vec<String>,
    /// What they open together.
    pub rights: Rights,
}

/// What a user has, by their own roles and those of their groups.
pub fn held_by<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, user_id: &str) -> Result<Held, StoreError> {
    let groups = groups_of(tx, org, user_id)?;
    let assignments = assigned(tx, org, user_id, groups)?;
    held(tx, org, &assignments)
}

/// What the members of a group have by it.
pub(crate) fn held_by_group<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, group_id: &str) -> Result<Held, StoreError> {
    let of_it = RoleAssignment::subject.eq(&group_id.to_owned()).and(RoleAssignment::kind.eq(&HolderKind::Group));
    let assignments = Org::of(tx, org).find(of_it)?;
    held(tx, org, &assignments)
}

/// Whether a user has a role, in person or by one of these groups, which are theirs.
pub fn has_role<T: Tx + ?Sized>(
    tx: &mut T,
    org: &OrgId,
    user_id: &str,
    groups: Vec<String>,
) -> Result<bool, StoreError> {
    Ok(!assigned(tx, org, user_id, groups)?.is_empty())
}

/// The groups of a user.
pub(crate) fn groups_of<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, user_id: &str) -> Result<Vec<String>, StoreError> {
    let rows: Vec<Membership> = Org::of(tx, org).find(Membership::user_id.eq(&user_id.to_owned()))?;
    Ok(rows.into_iter().map(|row| row.group_id).collect())
}

fn assigned<T: Tx + ?Sized>(
    tx: &mut T,
    org: &OrgId,
    user_id: &str,
    groups: Vec<String>,
) -> Result<Vec<RoleAssignment>, StoreError> {
    let mut subjects = groups;
    subjects.push(user_id.to_owned());
    let mut rows: Vec<RoleAssignment> = Org::of(tx, org).find(RoleAssignment::subject.one_of(&subjects))?;
    rows.retain(|row| (row.kind == HolderKind::User) == (row.subject == user_id));
    Ok(rows)
}

fn held<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, assignments: &[RoleAssignment]) -> Result<Held, StoreError> {
    let mut held = Held::default();
    for row in assignments {
        let (name, rights) = match BuiltInRole::named(&row.role_id) {
            Some(role) => (role.name.to_owned(), role.rights()),
            None => match Org::of(tx, org).get::<CustomRole>(&row.role_id)? {
                Some(role) => (role.name, role.rights.0.into_iter().collect()),
                // An assignment never outlives its role; one that did would open nothing.
                None => continue,
            },
        };
        held.rights.join(&rights);
        held.roles.push(name);
    }
    held.roles.sort();
    held.roles.dedup();
    Ok(held)
}

/// Whether anybody who may sign in has the role of the owner.
pub(crate) fn has_owner<T: Tx + ?Sized>(tx: &mut T, org: &OrgId) -> Result<bool, StoreError> {
    let mut ours = Org::of(tx, org);
    let owners: Vec<RoleAssignment> = ours.find(RoleAssignment::role_id.eq(&OWNER.to_owned()))?;
    for owner in owners {
        let users = match owner.kind {
            HolderKind::User => vec![owner.subject],
            HolderKind::Group => {
                let members: Vec<Membership> = ours.find(Membership::group_id.eq(&owner.subject))?;
                members.into_iter().map(|member| member.user_id).collect()
            }
        };
        for some in users.chunks(500) {
            if ours.any::<User>(User::id.one_of(some).and(User::status.eq(&UserStatus::Active)))? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Does something that may take rights away, and refuses it if an organization that had an owner would have none.
pub(crate) fn keeping_an_owner<T>(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    work: impl FnOnce(&mut dyn WriteTx) -> Result<T>,
) -> Result<T> {
    let had = has_owner(tx, org)?;
    let done = work(tx)?;
    if had && !has_owner(tx, org)? {
        return Err(Error::state(
            "nobody who may sign in would be left with the role owner",
            "give it to somebody else first: latchkey role give owner --user LOGIN",
        ));
    }
    Ok(done)
}
