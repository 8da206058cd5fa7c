//! What hangs on a choice of sign-in methods: how much of each there is, and whether whoever chooses could still sign in.
//!
//! Owns that look before a change. Must not know pages.

use serde::Serialize;
use utoipa::ToSchema;

use super::records::{PasskeyRow, PasswordRow, TotpRow};
use super::{CredentialsView, SignInPolicyView, former};
use crate::audit::ActorKind;
use crate::id::OrgId;
use crate::page::count;
use crate::query::Direction;
use crate::records::User;
use crate::scope::Org;
use crate::store::{StoreError, Tx};
use crate::table::Record;
use crate::{Directory, Error, Intent, Result};

/// How much there is of what people sign in with. More than 10,000 of a kind is 10,001.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct CredentialCounts {
    /// Passkeys.
    pub passkeys: u64,
    /// Passwords, one for each user who has one.
    pub passwords: u64,
    /// Authenticators that make one-time codes.
    pub totp: u64,
}

fn all<R: Record, T: Tx + ?Sized>(tx: &mut T, org: &OrgId, key: &'static str) -> Result<u64, StoreError> {
    let filter = crate::query::Filter::all();
    count(&mut Org::of(tx, org), R::TABLE, &filter, &[(key, Direction::Ascending)])
}

impl Directory {
    /// How much there is of what people of the organization sign in with.
    pub async fn credential_counts(&self, org: &OrgId) -> Result<CredentialCounts> {
        let org = org.clone();
        self.read(move |tx| {
            Ok(CredentialCounts {
                passkeys: all::<PasskeyRow, _>(tx, &org, "id")?,
                passwords: all::<PasswordRow, _>(tx, &org, "user_id")?,
                totp: all::<TotpRow, _>(tx, &org, "id")?,
            })
        })
        .await
    }

    /// How many passwords would have to be changed at the next sign-in if they were good for so many days; 0 days is for ever. More than 10,000
    /// is 10,001.
    pub async fn passwords_older_than(&self, org: &OrgId, days: u64) -> Result<u64> {
        let org = org.clone();
        self.read(move |tx| {
            let Some(oldest) = former::oldest(days, tx.now()) else { return Ok(0) };
            let filter = PasswordRow::set_at.below(&oldest);
            let order = [("set_at", Direction::Ascending), ("user_id", Direction::Ascending)];
            Ok(count(&mut Org::of(tx, &org), PasswordRow::TABLE, &filter, &order)?)
        })
        .await
    }
}

/// Refuses a choice by which a person who chooses it shuts themselves out: nobody else might be left who can take it back.
pub(super) fn keeps_a_way<T: Tx + ?Sized>(
    tx: &mut T,
    intent: &Intent,
    org: &OrgId,
    before: &SignInPolicyView,
    after: &SignInPolicyView,
) -> Result<()> {
    if intent.actor.kind != ActorKind::User {
        return Ok(());
    }
    let Some(user) = Org::of(tx, org).get::<User>(&intent.actor.id)? else { return Ok(()) };
    let has = CredentialsView::of(tx, &user)?;
    // Whoever may choose has a role, and needs what administrators need.
    if has.suffice(before, true) && !has.suffice(after, true) {
        return Err(Error::state(
            "you could not sign in any more: none of the ways that would be left is one that you have",
            "set up one of them for yourself first: My account, My sign-in methods",
        ));
    }
    Ok(())
}
