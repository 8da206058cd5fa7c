//! Passwords that users had before, and when one has to be changed.
//!
//! Owns how many are kept, as hashes, and when a password counts as too old. Must not know who asks.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::SignInPolicyView;
use super::password::Phc;
use super::records::{FormerPassword, PasswordRow};
use crate::id::{OrgId, new_id};
use crate::scope::Org;
use crate::store::{StoreError, Tx, WriteTx};
use crate::time::Timestamp;

/// Why a password has to be changed when it is used next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PasswordDue {
    /// An administrator asked for it.
    Asked,
    /// It is older than the organization allows.
    TooOld,
}

/// Whether a password has to be changed when it is used next.
pub(super) fn due(row: &PasswordRow, policy: &SignInPolicyView, now: Timestamp) -> Option<PasswordDue> {
    if row.must_change {
        return Some(PasswordDue::Asked);
    }
    let oldest = oldest(policy.password_max_age_days, now)?;
    (row.set_at < oldest).then_some(PasswordDue::TooOld)
}

/// A password that was set earlier is too old; none is, if there is no such limit.
pub(super) fn oldest(max_age_days: u64, now: Timestamp) -> Option<Timestamp> {
    (max_age_days > 0).then(|| now.minus(Duration::from_secs(max_age_days * 24 * 60 * 60)))
}

/// The latest passwords of a user before the present one, at most so many, newest first.
pub(super) fn of<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, user_id: &str, most: u64) -> Result<Vec<Phc>, StoreError> {
    Ok(latest(tx, org, user_id)?
        .into_iter()
        .take(usize::try_from(most).unwrap_or(usize::MAX))
        .map(|row| row.phc)
        .collect())
}

/// Newest first: an id begins with the time at which it was made.
fn latest<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, user_id: &str) -> Result<Vec<FormerPassword>, StoreError> {
    let mut rows = Org::of(tx, org).find::<FormerPassword>(FormerPassword::user_id.eq(&user_id.to_owned()))?;
    rows.sort_by(|a, b| b.id.cmp(&a.id));
    Ok(rows)
}

/// Keeps a password that is one no more, and forgets those of the user that are too many.
pub(crate) fn keep(tx: &mut dyn WriteTx, row: PasswordRow, most: u64) -> Result<(), StoreError> {
    let (org, user_id) = (row.org, row.user_id);
    if most > 0 {
        let former = FormerPassword { org: org.clone(), id: new_id(tx.now()), user_id: user_id.clone(), phc: row.phc };
        Org::of(tx, &org).add(&former)?;
    }
    let over = latest(tx, &org, &user_id)?.into_iter().skip(usize::try_from(most).unwrap_or(usize::MAX));
    let over: Vec<String> = over.map(|row| row.id).collect();
    if !over.is_empty() {
        Org::of(tx, &org).delete::<FormerPassword>(FormerPassword::id.one_of(&over))?;
    }
    Ok(())
}
