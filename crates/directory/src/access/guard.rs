//! What somebody may change about others who have roles.
//!
//! Owns the rule that rights are neither taken over nor handed on by a side door: a user with more rights than one's own is not changed, and a
//! group that carries a role is not joined by whoever could not give that role. Must not know what the change is.

use super::holding::{held_by, held_by_group};
use super::rights::Rights;
use crate::audit::ActorKind;
use crate::id::OrgId;
use crate::records::Group;
use crate::scope::Org;
use crate::store::Tx;
use crate::values::{Access, Module};
use crate::{Error, Intent, Result};

pub(super) const ASK: &str = "ask somebody who has the role owner, or the operator on the server";

fn denied(what: &str, (module, access): (Module, Access)) -> Error {
    Error::Denied {
        detail: format!("{what} has {access} access to {module}, which is more than you have"),
        fix: ASK.to_owned(),
    }
}

/// Refuses a change of something with more rights than whoever changes it may give.
pub(super) fn within(intent: &Intent, what: &str, rights: &Rights) -> Result<()> {
    intent.may_give.beyond(rights).map_or(Ok(()), |beyond| Err(denied(what, beyond)))
}

/// Whether this user may be changed: who could set an owner's password or address could become the owner. Everybody may change themselves, even
/// in a session in which their rights do not count yet.
pub fn may_change_user<T: Tx + ?Sized>(tx: &mut T, intent: &Intent, org: &OrgId, user_id: &str) -> Result<()> {
    let is_self = intent.actor.kind == ActorKind::User && intent.actor.id == user_id;
    if is_self || intent.may_give == super::MayGive::Everything {
        return Ok(());
    }
    let held = held_by(tx, org, user_id)?;
    within(intent, "the user", &held.rights)
}

/// Whether the members of these groups may be changed: groups open services, and to join one that carries a role is to get that role.
pub fn may_join<T: Tx + ?Sized>(tx: &mut T, intent: &Intent, org: &OrgId, groups: &[String]) -> Result<()> {
    if groups.is_empty() || intent.may_give == super::MayGive::Everything {
        return Ok(());
    }
    if !intent.may_give.changes_groups() {
        return Err(Error::Denied {
            detail: "groups open services, and you may not change who is in them".to_owned(),
            fix: "leave the groups as they are, or ask for write access to groups".to_owned(),
        });
    }
    for group in groups {
        let held = held_by_group(tx, org, group)?;
        if held.roles.is_empty() {
            continue;
        }
        let name = Org::of(tx, org).get::<Group>(group)?.map_or_else(|| group.clone(), |group| group.name);
        if !intent.may_give.gives_roles() {
            return Err(Error::Denied {
                detail: format!("the group {name} carries a role, and you may not give roles"),
                fix: ASK.to_owned(),
            });
        }
        within(intent, &format!("the group {name}"), &held.rights)?;
    }
    Ok(())
}
