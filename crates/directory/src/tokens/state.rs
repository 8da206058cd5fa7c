//! Changing a token: limits, disabling, revoking.
//!
//! Owns which change may follow which state. Revoking is final, and may take the devices of a leaked token along.

use serde::Serialize;
use utoipa::ToSchema;

use latchkey_wire::DeviceState;

use super::{TokenPatch, TokenView, view, wanted};
use crate::audit::NewEvent;
use crate::device::list::enrolled_since;
use crate::device::state::quarantine;
use crate::id::OrgId;
use crate::records::{Device, DeviceToken};
use crate::scope::Org;
use crate::store::WriteTx;
use crate::time::Timestamp;
use crate::values::TokenState;
use crate::{Directory, Error, Intent, Result};

/// A revoked token and what went with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Revoked {
    /// The token.
    #[serde(flatten)]
    pub token: TokenView,
    /// How many of its devices were quarantined.
    pub quarantined: u64,
    /// Their ids.
    pub quarantined_devices: Vec<String>,
}

fn save(tx: &mut dyn WriteTx, intent: &Intent, action: &'static str, row: &mut DeviceToken) -> Result<()> {
    row.updated_at = tx.now();
    let mut ours = Org::of(tx, &row.org);
    ours.replace(row)?;
    ours.audit(NewEvent::new(&intent.actor, action, row.id.to_string()).with("reason", &row.state_reason));
    Ok(())
}

fn is_revoked(row: &DeviceToken) -> Result<()> {
    if row.state == TokenState::Revoked {
        return Err(Error::state("the device token is revoked, for ever", "make a new one: latchkey token create …"));
    }
    Ok(())
}

impl Directory {
    /// Changes a token's limits. What accepts more than before needs `loosen`.
    pub async fn change_token(
        &self,
        intent: &Intent,
        org: &OrgId,
        id: &str,
        patch: TokenPatch,
        loosen: bool,
    ) -> Result<TokenView> {
        let (intent, org, id) = (intent.clone(), org.clone(), id.to_owned());
        self.change(intent.dry_run, move |tx| {
            let before = wanted(tx, &org, &id)?;
            intent.condition.check("device token", &view(tx, before.clone())?)?;
            is_revoked(&before)?;
            let mut row = before.clone();
            let mut wrong = Vec::new();
            patch.apply(tx, &org, &mut row, &mut wrong)?;
            if !wrong.is_empty() {
                return Err(Error::Invalid(wrong));
            }
            if !loosen {
                super::limits::must_not_loosen(&before, &row)?;
            }
            row.updated_at = tx.now();
            let looser = |before: &DeviceToken, after: &DeviceToken| -> Vec<String> {
                super::limits::loosened(before, after).into_iter().map(|field| field.pointer).collect()
            };
            let mut ours = Org::of(tx, &org);
            ours.replace(&row)?;
            let event = NewEvent::new(&intent.actor, "token.set", row.id.to_string());
            // A limit is tighter if going back would loosen it: a restore has to tell.
            ours.audit(event.with("loosened", looser(&before, &row)).with("tightened", looser(&row, &before)));
            view(tx, row)
        })
        .await
    }

    /// Stops a token until it is enabled again.
    pub async fn disable_token(&self, intent: &Intent, org: &OrgId, id: &str) -> Result<TokenView> {
        let (intent, org, id) = (intent.clone(), org.clone(), id.to_owned());
        self.change(intent.dry_run, move |tx| {
            let mut row = wanted(tx, &org, &id)?;
            intent.condition.check("device token", &view(tx, row.clone())?)?;
            is_revoked(&row)?;
            if row.state != TokenState::Disabled {
                row.state = TokenState::Disabled;
                row.state_reason = Some("administrator".to_owned());
                save(tx, &intent, "token.disable", &mut row)?;
            }
            view(tx, row)
        })
        .await
    }

    /// Lets a disabled token go on, whoever or whatever disabled it.
    pub async fn enable_token(&self, intent: &Intent, org: &OrgId, id: &str) -> Result<TokenView> {
        let (intent, org, id) = (intent.clone(), org.clone(), id.to_owned());
        self.change(intent.dry_run, move |tx| {
            let mut row = wanted(tx, &org, &id)?;
            intent.condition.check("device token", &view(tx, row.clone())?)?;
            is_revoked(&row)?;
            if row.state != TokenState::Active {
                row.state = TokenState::Active;
                row.state_reason = None;
                save(tx, &intent, "token.enable", &mut row)?;
            }
            view(tx, row)
        })
        .await
    }

    /// Ends a token for ever, and quarantines the devices that enrolled with it since then, if that is wanted.
    pub async fn revoke_token(
        &self,
        intent: &Intent,
        org: &OrgId,
        id: &str,
        quarantine_since: Option<Timestamp>,
    ) -> Result<Revoked> {
        let (intent, org, id) = (intent.clone(), org.clone(), id.to_owned());
        self.change(intent.dry_run, move |tx| {
            let mut row = wanted(tx, &org, &id)?;
            intent.condition.check("device token", &view(tx, row.clone())?)?;
            if row.state != TokenState::Revoked {
                row.state = TokenState::Revoked;
                row.state_reason = Some("administrator".to_owned());
                row.revoked_at = Some(tx.now());
                save(tx, &intent, "token.revoke", &mut row)?;
            }
            let mut quarantined_devices = Vec::new();
            if let Some(since) = quarantine_since {
                let live = [DeviceState::Pending, DeviceState::Registered, DeviceState::Suspended];
                let its = enrolled_since(row.id.as_str(), since).and(Device::state.one_of(&live).by_row());
                for mut device in Org::of(tx, &org).find::<Device>(its)? {
                    let event = NewEvent::new(&intent.actor, "device.quarantine", device.id.clone());
                    quarantine(tx, &mut device, "token", event.with("token", row.id.to_string()))?;
                    quarantined_devices.push(device.id);
                }
            }
            let quarantined = quarantined_devices.len() as u64;
            Ok(Revoked { token: view(tx, row)?, quarantined, quarantined_devices })
        })
        .await
    }
}
