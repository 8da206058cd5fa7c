//! Devices and bindings as callers see them, and the filters of their lists.
//!
//! Owns the names of the fields. Must not know what may be done with a device.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_wire::{BindingState, ClaimSource, DeviceState, Level, Platform, Protection};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Result;
use crate::names::LoginName;
use crate::records::{Binding, Device, User};
use crate::scope::Org;
use crate::store::{StoreError, Tx};
use crate::time::Timestamp;

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeviceView {
    /// Chosen by the server.
    pub id: String,
    /// Where it stands.
    #[schema(value_type = String)]
    pub state: DeviceState,
    /// Why, where that needs saying: a code, `initial`, `asleep`, `epoch`, `administrator`, …
    pub reason: Option<String>,
    /// Since when.
    #[schema(value_type = String)]
    pub state_at: Timestamp,
    /// The login names of its users.
    pub users: Vec<String>,
    /// The best evidence level among them.
    #[schema(value_type = Option<u8>)]
    pub level: Option<Level>,
    /// Its domain.
    pub domain: String,
    /// Its operating system's kind.
    #[schema(value_type = String)]
    pub platform: Platform,
    /// The operating system, as the device says.
    pub os: Option<String>,
    /// The host name, as it says.
    pub host: Option<String>,
    /// The serial number, as it says.
    pub serial: Option<String>,
    /// The SMBIOS UUID, as it says.
    pub smbios_uuid: Option<String>,
    /// The management system's id, as it says.
    pub external_device_id: Option<String>,
    /// Corporate, personal, …, as it says.
    pub ownership: Option<String>,
    /// The connector's version.
    pub agent: String,
    /// How its key is kept.
    #[schema(value_type = String)]
    pub protection: Protection,
    /// Its epoch.
    pub epoch: u64,
    /// The token it enrolled with.
    pub token_id: Option<String>,
    /// The earlier device that it replaced, or replaces once it is registered and its binding active.
    pub replaces: Option<String>,
    /// From where it was last seen.
    pub address: Option<String>,
    /// When it enrolled.
    #[schema(value_type = String)]
    pub first_seen_at: Timestamp,
    /// When it was last heard of.
    #[schema(value_type = String)]
    pub last_seen_at: Timestamp,
    /// When its certificate ends.
    #[schema(value_type = Option<String>)]
    pub certificate_expires_at: Option<Timestamp>,
    /// Until when a release from quarantine waits for a new key.
    #[schema(value_type = Option<String>)]
    pub release_ends_at: Option<Timestamp>,
    /// When it was removed.
    #[schema(value_type = Option<String>)]
    pub removed_at: Option<Timestamp>,
}

/// A binding: this user on this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BindingView {
    /// Random.
    pub id: String,
    /// The device.
    pub device_id: String,
    /// The user's id.
    pub user_id: String,
    /// The user's login name.
    pub login_name: String,
    /// The operating system's account.
    pub os_account: String,
    /// How well the user is proven.
    #[schema(value_type = u8)]
    pub level: Level,
    /// Where the connector has the name from.
    #[schema(value_type = String)]
    pub source: ClaimSource,
    /// Where it stands.
    #[schema(value_type = String)]
    pub state: BindingState,
    /// Why, where that needs saying.
    pub reason: Option<String>,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When it was last used for a sign-in.
    #[schema(value_type = Option<String>)]
    pub last_used_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>)]
    pub ended_at: Option<Timestamp>,
}

/// Which devices. A list is OR, the fields together are AND; an empty filter is every device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceFilter {
    /// In one of these states.
    #[schema(value_type = Vec<String>)]
    pub state: Vec<DeviceState>,
    /// Of one of these users, by id or login name.
    pub user: Vec<String>,
    /// Enrolled with one of these tokens.
    pub token: Vec<String>,
    /// Of one of these kinds.
    #[schema(value_type = Vec<String>)]
    pub platform: Vec<Platform>,
    /// With one of these serial numbers; capital and small letters are alike.
    pub serial: Vec<String>,
    /// With a user of one of these evidence levels.
    #[schema(value_type = Vec<u8>)]
    pub level: Vec<Level>,
    /// In one of these device groups, by id or name.
    pub group: Vec<String>,
    /// Not heard of since then.
    #[schema(value_type = Option<String>)]
    pub last_seen_before: Option<Timestamp>,
    /// Enrolled at that time or later.
    #[schema(value_type = Option<String>)]
    pub first_seen_since: Option<Timestamp>,
    /// Whose host name, serial number, id or user's login name begins with this.
    pub q: Option<String>,
}

/// Which bindings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BindingFilter {
    /// On one of these devices.
    pub device: Vec<String>,
    /// Of one of these users, by id or login name.
    pub user: Vec<String>,
    /// In one of these states.
    #[schema(value_type = Vec<String>)]
    pub state: Vec<BindingState>,
}

impl DeviceFilter {
    /// Every device.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The ids of users named by id or login name; those of deleted users too.
pub(super) fn users<T: Tx + ?Sized>(ours: &mut Org<'_, T>, named: &[String]) -> Result<Vec<String>> {
    let names: Vec<String> = named
        .iter()
        .map(|name| LoginName::given(name).map_or_else(|_| name.clone(), |name| name.as_str().to_owned()))
        .collect();
    // Two questions: an index answers each of them.
    let mut ids = BTreeSet::new();
    for filter in [User::id.one_of(named), User::login_name.one_of(&names)] {
        ids.extend(ours.select::<User>(filter, Vec::new(), None)?.into_iter().map(|user| user.id));
    }
    Ok(ids.into_iter().collect())
}

/// The views of these devices, in the same order.
pub(crate) fn devices<T: Tx + ?Sized>(
    ours: &mut Org<'_, T>,
    rows: Vec<Device>,
) -> std::result::Result<Vec<DeviceView>, StoreError> {
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let bindings = ours.select::<Binding>(Binding::device_id.one_of(&ids), Vec::new(), None)?;
    let names = login_names(ours, &bindings)?;
    let view = |row: Device| {
        let of_device = || bindings.iter().filter(|b| b.device_id == row.id);
        // What is over is told only where nothing else is left to tell.
        let any_live = of_device().any(|b| b.state != BindingState::Ended);
        let told: Vec<&Binding> = of_device().filter(|b| !any_live || b.state != BindingState::Ended).collect();
        let users: BTreeSet<&String> = told.iter().filter_map(|b| names.get(&b.user_id)).collect();
        let users = users.into_iter().cloned().collect();
        let level = of_device().filter(|b| b.state == BindingState::Active).map(|b| b.level).max();
        DeviceView {
            users,
            level,
            id: row.id,
            state: row.state,
            reason: row.state_reason,
            state_at: row.state_at,
            domain: row.domain,
            platform: row.platform,
            os: row.os,
            host: row.host,
            serial: row.serial,
            smbios_uuid: row.smbios_uuid,
            external_device_id: row.external_device_id,
            ownership: row.ownership,
            agent: row.agent,
            protection: row.protection,
            epoch: row.cur,
            token_id: row.token_id,
            replaces: row.replaces,
            address: row.address,
            first_seen_at: row.first_seen_at,
            last_seen_at: row.last_seen_at,
            certificate_expires_at: row.certificate_expires_at,
            release_ends_at: row.released_until,
            removed_at: row.removed_at,
        }
    };
    Ok(rows.into_iter().map(view).collect())
}

/// The views of these bindings, in the same order.
pub(crate) fn bindings<T: Tx + ?Sized>(
    ours: &mut Org<'_, T>,
    rows: Vec<Binding>,
) -> std::result::Result<Vec<BindingView>, StoreError> {
    let names = login_names(ours, &rows)?;
    let view = |row: Binding| BindingView {
        login_name: names.get(&row.user_id).cloned().unwrap_or(row.claim),
        id: row.id,
        device_id: row.device_id,
        user_id: row.user_id,
        os_account: row.os_account,
        level: row.level,
        source: row.source,
        state: row.state,
        reason: row.state_reason,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        ended_at: row.ended_at,
    };
    Ok(rows.into_iter().map(view).collect())
}

pub(super) fn login_names<T: Tx + ?Sized>(
    ours: &mut Org<'_, T>,
    bindings: &[Binding],
) -> std::result::Result<BTreeMap<String, String>, StoreError> {
    let ids: BTreeSet<&String> = bindings.iter().map(|binding| &binding.user_id).collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let users = ours.select::<User>(User::id.one_of(ids), Vec::new(), None)?;
    Ok(users.into_iter().map(|user| (user.id, user.login_name)).collect())
}
