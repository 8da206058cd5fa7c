//! Who enrolled with a token, who failed and why, how a roll-out goes, and what still stops a token.
//!
//! Owns these views. Must not know how refusals are made (`refusal.rs`).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use latchkey_wire::{Code, DeviceState};
use serde::Serialize;
use utoipa::ToSchema;

use super::{state_now, wanted};
use crate::device::list::{enrolled_since, of_token};
use crate::domains::is_good;
use crate::id::OrgId;
use crate::page::{Cursor, Page, PageRequest};
use crate::policy::current;
use crate::query::{Direction, Filter};
use crate::records::{Binding, Device, DeviceToken, Domain, RefusalCount, User};
use crate::scope::Org;
use crate::store::{StoreError, Tx};
use crate::time::Timestamp;
use crate::values::{TokenState, UserStatus};
use crate::{Directory, Result};

const MINUTE: Duration = Duration::from_secs(60);
/// So many rows of failures are summed up: networks and minutes with failures, the newest first.
const MOST_FAILURES: u64 = 10_000;
/// How far back failures are shown in a live view.
const RECENT: Duration = Duration::from_secs(24 * 3_600);

/// An enrollment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Use {
    /// When.
    #[schema(value_type = String)]
    pub at: Timestamp,
    /// The device.
    pub device_id: String,
    /// Its state now.
    #[schema(value_type = String)]
    pub state: DeviceState,
    /// Why it is in that state.
    pub state_reason: Option<String>,
    /// Its first user.
    pub login_name: Option<String>,
    /// The host name, as the device says.
    pub host: Option<String>,
    /// The platform.
    pub platform: String,
    /// The serial number, as the device says.
    pub serial: Option<String>,
    /// From which address it was last seen.
    pub address: Option<String>,
}

/// Failures for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Failure {
    /// When the last was counted.
    #[schema(value_type = String)]
    pub at: Timestamp,
    /// The code.
    pub code: String,
    /// How many.
    pub count: u64,
    /// The full reason of the last.
    pub reason: String,
    /// How to mend it.
    pub fix: String,
    /// The reference that was given out with the last.
    pub r#ref: String,
}

/// How a roll-out goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Progress {
    /// Where the token stands.
    pub state: TokenState,
    /// Why it was disabled.
    pub state_reason: Option<String>,
    /// How many uses there were.
    pub uses: u64,
    /// How many there may be.
    pub max_uses: u64,
    /// How many devices the roll-out expects.
    pub expect: Option<u64>,
    /// Its devices that are registered.
    pub enrolled: u64,
    /// Its devices that wait.
    pub pending: u64,
    /// Enrollments in the last minute.
    pub enrolled_per_minute: u64,
    /// Failures counted in the last two minutes, halved.
    pub failing_per_minute: u64,
    /// What failed within a day.
    pub failures: Vec<Failure>,
}

fn failures<T: Tx + ?Sized>(
    tx: &mut T,
    org: &OrgId,
    id: &str,
    since: Option<Timestamp>,
) -> Result<Vec<Failure>, StoreError> {
    let mut filter = RefusalCount::subject.eq(&id.to_owned());
    if let Some(since) = since {
        filter = filter.and(RefusalCount::at.at_least(&since));
    }
    let mut by_code: BTreeMap<String, Failure> = BTreeMap::new();
    let newest = vec![(RefusalCount::at.name, Direction::Descending)];
    for row in Org::of(tx, org).select::<RefusalCount>(filter, newest, Some(MOST_FAILURES))? {
        let fix = row.code.parse::<Code>().map_or_else(|_| String::new(), |code| code.fix().to_owned());
        let entry = by_code.entry(row.code.clone()).or_insert_with(|| Failure {
            at: row.at,
            code: row.code.clone(),
            count: 0,
            reason: row.detail.clone(),
            fix,
            r#ref: row.reference.clone(),
        });
        entry.count += row.count;
        if row.at >= entry.at {
            entry.at = row.at;
            entry.reason = row.detail;
            entry.r#ref = row.reference;
        }
    }
    let mut all: Vec<_> = by_code.into_values().collect();
    all.sort_by(|a, b| (b.at, &b.code).cmp(&(a.at, &a.code)));
    Ok(all)
}

fn first_users<T: Tx + ?Sized>(
    tx: &mut T,
    org: &OrgId,
    devices: &[Device],
) -> Result<HashMap<String, String>, StoreError> {
    let ids: Vec<String> = devices.iter().map(|device| device.id.clone()).collect();
    let mut bindings: Vec<Binding> = Org::of(tx, org).find(Binding::device_id.one_of(&ids))?;
    bindings.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    let users: Vec<String> = bindings.iter().map(|binding| binding.user_id.clone()).collect();
    let users: Vec<User> = Org::of(tx, org).find(User::id.one_of(&users))?;
    let names: HashMap<_, _> = users.into_iter().map(|user| (user.id, user.login_name)).collect();
    // The last one written is the oldest binding: the user it was enrolled for.
    let named =
        bindings.into_iter().filter_map(|binding| Some((binding.device_id, names.get(&binding.user_id)?.clone())));
    Ok(named.collect())
}

impl Directory {
    /// The devices that enrolled with a token.
    pub async fn token_uses(&self, org: &OrgId, id: &str, request: PageRequest) -> Result<Page<Use>> {
        let (org, id) = (org.clone(), id.to_owned());
        self.read(move |tx| {
            let token = wanted(tx, &org, &id)?;
            let rows = of_token(&mut Org::of(tx, &org), token.id.as_str(), &request)?;
            let mut names = first_users(tx, &org, &rows.items)?;
            rows.map(|row| {
                Ok(Use {
                    at: row.first_seen_at,
                    login_name: names.remove(&row.id),
                    device_id: row.id,
                    state: row.state,
                    state_reason: row.state_reason,
                    host: row.host,
                    platform: row.platform.to_string(),
                    serial: row.serial,
                    address: row.address,
                })
            })
        })
        .await
    }

    /// Who failed with a token, by reason.
    pub async fn token_failures(&self, org: &OrgId, id: &str, request: PageRequest) -> Result<Page<Failure>> {
        let (org, id) = (org.clone(), id.to_owned());
        self.read(move |tx| {
            let token = wanted(tx, &org, &id)?;
            let all = failures(tx, &org, token.id.as_str(), None)?;
            Ok(Page::of_list(all, &request, |failure| Cursor { at: failure.at, id: failure.code.clone() }))
        })
        .await
    }

    /// How the roll-out with a token goes.
    pub async fn token_progress(&self, org: &OrgId, id: &str) -> Result<Progress> {
        let (org, id) = (org.clone(), id.to_owned());
        self.read(move |tx| {
            let now = tx.now();
            let token = wanted(tx, &org, &id)?;
            let key = token.id.to_string();
            let its = || Device::token_id.is(&key);
            let mut ours = Org::of(tx, &org);
            let enrolled = ours.count::<Device>(its().and(Device::state.eq(&DeviceState::Registered).by_row()))?;
            let pending = ours.count::<Device>(Device::state.eq(&DeviceState::Pending).and(its().by_row()))?;
            let last_minute = enrolled_since(token.id.as_str(), now.minus(MINUTE));
            let enrolled_per_minute = ours.count::<Device>(last_minute)?;
            let two_minutes = failures(tx, &org, &key, Some(now.minus(MINUTE * 2)))?;
            Ok(Progress {
                state: state_now(&token, now),
                state_reason: token.state_reason.clone(),
                uses: token.uses,
                max_uses: token.max_uses,
                expect: token.expect,
                enrolled,
                pending,
                enrolled_per_minute,
                failing_per_minute: two_minutes.iter().map(|failure| failure.count).sum::<u64>().div_ceil(2),
                failures: failures(tx, &org, &key, Some(now.minus(RECENT)))?,
            })
        })
        .await
    }

    /// The tokens that could be used, and what still stops each.
    pub async fn token_standing(&self, org: &OrgId) -> Result<Vec<Standing>> {
        let org = org.clone();
        self.read(move |tx| standing(tx, &org)).await
    }

    /// What still stops a token, as the codes a device would be told.
    pub async fn token_obstacles(&self, org: &OrgId, id: &str) -> Result<Vec<Code>> {
        let (org, id) = (org.clone(), id.to_owned());
        self.read(move |tx| {
            let token = wanted(tx, &org, &id)?;
            obstacles(tx, &org, &token)
        })
        .await
    }
}

/// A device token that could be used, and what still stops it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub description: String,
    /// The domains it covers.
    pub domains: Vec<String>,
    /// What stops it, as the codes a device would be told; nothing is accepted.
    pub obstacles: Vec<Code>,
}

/// The tokens that are neither disabled nor over, newest first, and what else stops each.
pub(crate) fn standing<T: Tx + ?Sized>(tx: &mut T, org: &OrgId) -> Result<Vec<Standing>> {
    let now = tx.now();
    let mut rows: Vec<DeviceToken> = Org::of(tx, org).find(DeviceToken::state.eq(&TokenState::Active))?;
    rows.retain(|row| state_now(row, now) == TokenState::Active);
    rows.sort_by(|a, b| (b.created_at, b.id.as_str()).cmp(&(a.created_at, a.id.as_str())));
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let obstacles = obstacles(tx, org, &row)?;
        all.push(Standing { id: row.id.to_string(), description: row.description, domains: row.domains.0, obstacles });
    }
    Ok(all)
}

/// What still stops a token.
pub(crate) fn obstacles<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, token: &DeviceToken) -> Result<Vec<Code>> {
    let mut codes = Vec::new();
    match state_now(token, tx.now()) {
        TokenState::Active => {}
        TokenState::Disabled => codes.push(Code::Enroll013),
        TokenState::Revoked => codes.push(Code::Enroll014),
        TokenState::Expired => codes.push(Code::Enroll011),
        TokenState::Exhausted => codes.push(Code::Enroll012),
    }
    let policy = current(tx, org)?;
    if !policy.enabled {
        codes.push(Code::Enroll020);
    }
    if !policy.all_domains && !token.domains.iter().all(|domain| policy.domains.contains(domain)) {
        codes.push(Code::Enroll021);
    }
    let domains: Vec<Domain> = Org::of(tx, org).find(Domain::name.one_of(&token.domains.0))?;
    let good = |name: &String| domains.iter().any(|domain| domain.name == *name && is_good(domain.verification));
    if !token.domains.iter().all(good) {
        codes.push(Code::Cloud001);
    }
    if !policy.jit && !somebody_is_known(tx, org, &token.domains.0)? {
        codes.push(Code::Enroll022);
    }
    Ok(codes)
}

/// Whether anybody could enroll without being created first.
fn somebody_is_known<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, domains: &[String]) -> Result<bool, StoreError> {
    let active = User::status.eq(&UserStatus::Active);
    let theirs = |domain| Filter::EndsWith(User::login_name.name, format!("@{domain}"));
    let any = Filter::Or(domains.iter().map(theirs).collect());
    Org::of(tx, org).any::<User>(active.and(any))
}
