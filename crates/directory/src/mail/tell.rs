//! Telling people what happened to their account, and owners what they should all know.
//!
//! Owns who is told of what. Must not know the words.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Letter, Outbox};
use crate::access::OWNER;
use crate::access::records::RoleAssignment;
use crate::audit::{Actor, ActorKind};
use crate::id::OrgId;
use crate::records::{Membership, User};
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};
use crate::values::{HolderKind, MethodChange, OwnerNews, UserStatus};

/// News are worth sending for so long; a mail server that is away over a weekend is no reason to keep them.
const NEWS: Duration = Duration::from_secs(3 * 24 * 3_600);

/// The people who have the role of the owner and may sign in, in person or by a group.
fn owners(tx: &mut dyn WriteTx, org: &OrgId) -> Result<Vec<User>, StoreError> {
    let mut ours = Org::of(tx, org);
    let mut found = BTreeMap::new();
    for given in ours.find::<RoleAssignment>(RoleAssignment::role_id.eq(&OWNER.to_owned()))? {
        let users = match given.kind {
            HolderKind::User => vec![given.subject],
            HolderKind::Group => {
                let members: Vec<Membership> = ours.find(Membership::group_id.eq(&given.subject))?;
                members.into_iter().map(|member| member.user_id).collect()
            }
        };
        for some in users.chunks(500) {
            let active = User::id.one_of(some).and(User::status.eq(&UserStatus::Active));
            found.extend(ours.find::<User>(active)?.into_iter().map(|user| (user.id.clone(), user)));
        }
    }
    Ok(found.into_values().collect())
}

impl Outbox {
    /// Tells a person that their ways to sign in have changed.
    pub(crate) fn person(
        &self,
        tx: &mut dyn WriteTx,
        user: &User,
        change: MethodChange,
        by: &Actor,
    ) -> Result<(), StoreError> {
        if !self.is_open() {
            return Ok(());
        }
        let yourself = by.kind == ActorKind::User && by.id == user.id;
        let letter = Letter::MethodsChanged { change, at: tx.now(), yourself };
        self.put(tx, user, &letter, NEWS).map(drop)
    }

    /// Tells every owner.
    pub(crate) fn owners(
        &self,
        tx: &mut dyn WriteTx,
        org: &OrgId,
        news: OwnerNews,
        about: &str,
        by: &Actor,
    ) -> Result<(), StoreError> {
        if !self.is_open() {
            return Ok(());
        }
        let who = match by.kind {
            ActorKind::User => Org::of(tx, org).get::<User>(&by.id)?.map(|user| user.login_name),
            _ => None,
        };
        let letter = Letter::OwnersTold { news, about: about.to_owned(), by_kind: by.kind, by: who, at: tx.now() };
        for owner in owners(tx, org)? {
            self.put(tx, &owner, &letter, NEWS)?;
        }
        Ok(())
    }
}
