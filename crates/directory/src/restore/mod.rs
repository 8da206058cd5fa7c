//! A store that comes from a backup: what goes out of force, and the confirmation that lets silent sign-in go on.
//!
//! Owns the rules of lifecycle.md "Server restore" inside the store. What an exported audit log re-applies is in `replay` and `limits`. Must not know
//! files, nor how the store came here; the new incarnation is the store's own business.

mod credentials;
mod limits;
mod replay;
mod roles;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::access::end_browser_sessions;
use crate::access::records::SetupLink;
use crate::audit::export::Export;
use crate::audit::{Actor, NewEvent};
use crate::credentials::records::{MailCodeRow, RecoveryCodeRow, RecoveryLinkRow, TotpRow};
use crate::credentials::totp;
use crate::device::clean_rule::CleanupRule;
use crate::device::state::end_sessions;
use crate::directory::write_to;
use crate::id::OrgId;
use crate::mail::records::MailRow;
use crate::query::Filter;
use crate::records::{AccessToken, ApiClient, Cloud, DeviceToken, OneTimeCode, Organization};
use crate::scope::{Org, across};
use crate::store::{Store, WriteTx};
use crate::time::Timestamp;
use crate::values::{ClientState, TokenState};
use crate::{Directory, Error, Intent, Result};

/// Why something is out of force.
const WHY: &str = "restored from a backup";

/// How many things a restore took out of force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OutOfForce {
    /// Device tokens that were active.
    pub device_tokens: u64,
    /// One-time codes that were not used.
    pub one_time_codes: u64,
    /// API clients that were active.
    pub api_clients: u64,
    /// Recovery codes: one that was used since the backup would be good again.
    pub recovery_codes: u64,
    /// Sessions that had not ended.
    pub sessions: u64,
}

/// Takes out of force what may have been revoked since the backup was taken, and lets silent sign-in wait. Needs no master key: nothing is
/// opened. Refused with [`Error::State`] where there is no cloud.
pub async fn begin(store: &Arc<dyn Store>, actor: &Actor, taken_at: Timestamp) -> Result<OutOfForce> {
    let actor = actor.clone();
    write_to(store, move |tx| {
        let now = tx.now();
        let cloud = OrgId::cloud();
        let mut row = Org::of(tx, &cloud)
            .one::<Cloud>(Filter::all())?
            .ok_or_else(|| Error::state("the backup holds no cloud", "give another one"))?;
        row.restored_at = Some(now);
        row.taken_at = Some(taken_at);
        Org::of(tx, &cloud).replace(&row)?;
        let mut out = OutOfForce::default();
        let organizations = across::<Organization, _>(tx, Filter::all())?.into_iter().map(|row| row.org);
        for org in organizations.chain([cloud]) {
            let one = disable(tx, &org, now)?;
            let event = NewEvent::new(&actor, "store.restore", org.as_str()).with("taken_at", taken_at);
            Org::of(tx, &org).audit(event.with("out_of_force", one));
            out.device_tokens += one.device_tokens;
            out.one_time_codes += one.one_time_codes;
            out.api_clients += one.api_clients;
            out.recovery_codes += one.recovery_codes;
            out.sessions += one.sessions;
        }
        Ok(out)
    })
    .await
}

fn disable(tx: &mut dyn WriteTx, org: &OrgId, now: Timestamp) -> Result<OutOfForce> {
    let sessions = end_sessions(tx, org, Filter::all(), WHY)? + end_browser_sessions(tx, org, Filter::all(), WHY)?;
    let mut ours = Org::of(tx, org);
    let device_tokens = ours.update::<DeviceToken>(
        DeviceToken::state.eq(&TokenState::Active),
        &[
            DeviceToken::state.set(&TokenState::Disabled),
            DeviceToken::state_reason.set(&Some(WHY.to_owned())),
            DeviceToken::updated_at.set(&now),
        ],
    )?;
    let unused = OneTimeCode::used_at.is_null().and(OneTimeCode::expires_at.at_least(&now));
    let one_time_codes = ours.update::<OneTimeCode>(unused, &[OneTimeCode::expires_at.set(&now)])?;
    let active = ApiClient::state.eq(&ClientState::Active);
    let api_clients = ours.update::<ApiClient>(active, &[ApiClient::state.set(&ClientState::Disabled)])?;
    // A rule that was switched off or deleted since the backup would take devices away again.
    let rules = CleanupRule::enabled.eq(&true);
    ours.update::<CleanupRule>(rules, &[CleanupRule::enabled.set(&false), CleanupRule::updated_at.set(&now)])?;
    ours.delete::<AccessToken>(Filter::all())?;
    let recovery_codes = ours.delete::<RecoveryCodeRow>(Filter::all())?;
    // A code of an authenticator that was used since the backup is not good again.
    ours.update::<TotpRow>(Filter::all(), &[TotpRow::last_step.set(&totp::last_step(now))])?;
    ours.delete::<SetupLink>(Filter::all())?;
    // What waited then was sent, or is no news any more; a code or link that was used since is not good again.
    ours.delete::<MailRow>(Filter::all())?;
    ours.delete::<MailCodeRow>(Filter::all())?;
    ours.delete::<RecoveryLinkRow>(Filter::all())?;
    Ok(OutOfForce { device_tokens, one_time_codes, api_clients, recovery_codes, sessions })
}

impl Directory {
    /// Records that a backup is taken, and whether the master key goes with it.
    pub async fn note_backup(&self, actor: &Actor, with_master_key: bool) -> Result<()> {
        let actor = actor.clone();
        self.write(move |tx| {
            let cloud = OrgId::cloud();
            let event = NewEvent::new(&actor, "store.backup", cloud.as_str());
            Org::of(tx, &cloud).audit(event.with("with_master_key", with_master_key));
            Ok(())
        })
        .await
    }
}

/// What a confirmation found and did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confirmed {
    /// When the backup was taken: what happened since is not in the store.
    pub taken_at: Option<Timestamp>,
    /// When it was restored.
    pub restored_at: Timestamp,
    /// How many events of the exported logs the store does not have.
    pub events: u64,
    /// What was re-applied: action and how many times.
    pub applied: BTreeMap<String, u64>,
    /// Changes in the logs that are not re-applied, because they take nothing away or only add: action and how many times.
    pub not_replayed: BTreeMap<String, u64>,
    /// What could not be re-applied, and why: to be done by hand.
    pub left: Vec<String>,
}

/// Why a restore was not confirmed. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unconfirmed {
    /// There is none.
    NotRestored,
    /// The exported log does not continue what the store has.
    Export(String),
}

impl Directory {
    /// Re-applies what exported logs took away since the backup, and lets silent sign-in go on: both or neither.
    pub async fn confirm_restore(
        &self,
        intent: &Intent,
        export: Export,
    ) -> Result<std::result::Result<Confirmed, Unconfirmed>> {
        let (actor, dry_run) = (intent.actor.clone(), intent.dry_run);
        self.change(dry_run, move |tx| {
            let cloud = OrgId::cloud();
            let row = Org::of(tx, &cloud).one::<Cloud>(Filter::all())?;
            let Some((mut row, restored_at)) = row.and_then(|row| row.restored_at.map(|at| (row, at))) else {
                return Ok(Err(Unconfirmed::NotRestored));
            };
            let mut confirmed = Confirmed {
                taken_at: row.taken_at,
                restored_at,
                events: 0,
                applied: BTreeMap::new(),
                not_replayed: BTreeMap::new(),
                left: Vec::new(),
            };
            if let Err(why) = replay::replay(tx, &actor, &export, &mut confirmed)? {
                return Ok(Err(Unconfirmed::Export(why)));
            }
            row.restored_at = None;
            let mut ours = Org::of(tx, &cloud);
            ours.replace(&row)?;
            ours.audit(
                NewEvent::new(&actor, "store.confirm", cloud.as_str())
                    .with("taken_at", row.taken_at)
                    .with("restored_at", restored_at)
                    .with("replayed", &confirmed.applied),
            );
            Ok(Ok(confirmed))
        })
        .await
    }
}
