//! Device tokens as an administrator handles them: made, limited, watched, revoked.
//!
//! Owns what callers see of a token and its computed state. Only the public key is kept, and, if wanted, a copy of the seed sealed with a
//! password that is not kept. Must not know enrollment: a token's limits are applied in `device/`.

mod create;
mod found;
mod limits;
pub mod reveal;
pub mod seal;
mod state;
mod watch;

use std::collections::BTreeMap;

use latchkey_wire::{DeviceState, Level, Platform, TokenId};
use serde::Serialize;
use utoipa::ToSchema;

pub use create::{Made, RotateOrder};
pub use found::Identified;
pub use limits::{NewToken, Password, TokenPatch};
pub use state::Revoked;
pub(crate) use watch::standing;
pub use watch::{Failure, Progress, Standing, Use};

use crate::id::OrgId;
use crate::query::Filter;
use crate::records::{DeviceToken, Group};
use crate::scope::Org;
use crate::store::{StoreError, Tx};
use crate::time::Timestamp;
use crate::values::{KnownUsers, Leniency, TokenState};
use crate::{Error, Result};

/// A device token, as callers see it. The secret is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TokenView {
    /// The id inside the token.
    #[schema(value_type = String)]
    pub id: TokenId,
    /// The token with its secret masked.
    pub masked: String,
    /// What the administrator calls it.
    pub description: String,
    /// Where it stands now.
    pub state: TokenState,
    /// Why it was disabled or revoked.
    pub state_reason: Option<String>,
    /// The domains it covers.
    pub domains: Vec<String>,
    /// When it ends.
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
    /// How many enrollments.
    pub max_uses: u64,
    /// How many there were.
    pub uses: u64,
    /// How many a minute.
    pub uses_per_minute: u64,
    /// The platforms it is for; empty is all.
    #[schema(value_type = Vec<String>)]
    pub platforms: Vec<Platform>,
    /// The networks it may be used from; empty is all.
    pub networks: Vec<String>,
    /// The lowest evidence level it accepts.
    #[schema(value_type = u64)]
    pub min_evidence: Level,
    /// *registered* or *pending*.
    #[schema(value_type = String)]
    pub initial_state: DeviceState,
    /// The rule for known users.
    pub known_users: KnownUsers,
    /// The rule for a serial number that is known.
    pub on_known_serial: Leniency,
    /// The rule for a further device of a user.
    pub on_second_device: Leniency,
    /// The groups that users created just in time get.
    pub jit_groups: Vec<String>,
    /// The brake, in percent.
    pub brake: Option<u64>,
    /// How many devices the roll-out expects.
    pub expect: Option<u64>,
    /// Whether a sealed copy is kept that `reveal` can open.
    pub sealed_copy: bool,
    /// Who made it.
    pub creator: String,
    /// The token that took its place.
    pub replaced_by: Option<String>,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String)]
    pub updated_at: Timestamp,
    /// When it was revoked.
    #[schema(value_type = Option<String>)]
    pub revoked_at: Option<Timestamp>,
}

/// Where a token stands: what an administrator set, or what time and use made of it.
#[must_use]
pub fn state_now(token: &DeviceToken, now: Timestamp) -> TokenState {
    match token.state {
        TokenState::Active if token.expires_at <= now => TokenState::Expired,
        TokenState::Active if token.uses >= token.max_uses => TokenState::Exhausted,
        state => state,
    }
}

/// The names of an organization's groups by their ids.
pub(crate) struct GroupNames(BTreeMap<String, String>);

impl GroupNames {
    pub(crate) fn read<T: Tx + ?Sized>(tx: &mut T, org: &OrgId) -> Result<Self, StoreError> {
        let groups: Vec<Group> = Org::of(tx, org).find(Filter::all())?;
        Ok(Self(groups.into_iter().map(|group| (group.id, group.name)).collect()))
    }

    /// The names; a group that is gone has none.
    fn of(&self, ids: &[String]) -> Vec<String> {
        ids.iter().filter_map(|id| self.0.get(id).cloned()).collect()
    }

    /// The id of a group given by id or name.
    fn id(&self, which: &str) -> Option<&str> {
        if let Some((id, _)) = self.0.get_key_value(which) {
            return Some(id);
        }
        self.0.iter().find(|(_, name)| *name == which).map(|(id, _)| id.as_str())
    }
}

impl TokenView {
    pub(crate) fn of(row: DeviceToken, groups: &GroupNames, now: Timestamp) -> Self {
        Self {
            masked: format!("lkdt1_{}_****", row.id),
            state: state_now(&row, now),
            jit_groups: groups.of(&row.jit_groups),
            sealed_copy: row.sealed_seed.is_some(),
            id: row.id,
            description: row.description,
            state_reason: row.state_reason,
            domains: row.domains.0,
            expires_at: row.expires_at,
            max_uses: row.max_uses,
            uses: row.uses,
            uses_per_minute: row.uses_per_minute,
            platforms: row.platforms.0,
            networks: row.networks.0,
            min_evidence: row.min_evidence,
            initial_state: row.initial_state,
            known_users: row.known_users,
            on_known_serial: row.on_known_serial,
            on_second_device: row.on_second_device,
            brake: row.brake,
            expect: row.expect,
            creator: row.creator,
            replaced_by: row.replaced_by,
            created_at: row.created_at,
            updated_at: row.updated_at,
            revoked_at: row.revoked_at,
        }
    }
}

/// The token with this id.
pub(crate) fn wanted<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, id: &str) -> Result<DeviceToken> {
    Org::of(tx, org).get::<DeviceToken>(id)?.ok_or_else(|| Error::not_found("device token", id))
}

fn view<T: Tx + ?Sized>(tx: &mut T, row: DeviceToken) -> Result<TokenView> {
    let groups = GroupNames::read(tx, &row.org)?;
    let now = tx.now();
    Ok(TokenView::of(row, &groups, now))
}
