//! Making tokens and their successors.
//!
//! Owns the rules of creation and rotation. The secret is made by the caller, who alone ever has it.

use std::time::Duration;

use latchkey_wire::{DeviceState, DeviceToken as Credential, Level, PublicJwk, TokenId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::limits::LONGEST;
use super::{NewToken, Password, TokenView, seal, state_now, view, wanted};
use crate::audit::NewEvent;
use crate::id::OrgId;
use crate::master::MasterKey;
use crate::orgs::settings;
use crate::page::{Cursor, Page, PageRequest};
use crate::query::Filter;
use crate::records::DeviceToken;
use crate::scope::Org;
use crate::store::Tx;
use crate::value::{Blob, Json};
use crate::values::{KnownUsers, Leniency, TokenState};
use crate::{Directory, Error, FieldProblem, Intent, Result};

/// What is kept of a secret that was just drawn.
#[derive(Debug, Clone)]
pub struct Made {
    /// The token's id.
    pub id: TokenId,
    /// Its public key.
    pub public_key: PublicJwk,
    /// The sealed copy, if one is kept.
    pub sealed_seed: Option<Blob>,
}

impl Made {
    /// Of a credential, with a copy sealed if there is a password. With a password this blocks for a good part of a second.
    pub fn of(master: &MasterKey, org: &OrgId, credential: &Credential, password: Option<&Password>) -> Result<Self> {
        let key = credential.signing_key();
        let sealed_seed =
            password.map(|password| seal::seal(master, org, credential.id(), &key.seed(), password)).transpose()?;
        Ok(Self { id: credential.id().clone(), public_key: credential.public_key(), sealed_seed })
    }
}

/// How a token is rotated.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct RotateOrder {
    /// For so many seconds the old token counts beside the new one; without it the old one is revoked at once.
    pub overlap_s: Option<u64>,
    /// Keep a copy of the new token sealed with this password.
    #[schema(value_type = Option<String>, format = Password)]
    pub password: Option<Password>,
    /// `false`: keep no copy.
    pub sealed_copy: Option<bool>,
}

/// Refuses another token where the organization has as many as it may.
fn room<T: Tx + ?Sized>(tx: &mut T, org: &OrgId) -> Result<()> {
    let most = settings(tx, org)?.max_tokens;
    let there = Org::of(tx, org).count::<DeviceToken>(DeviceToken::state.eq(&TokenState::Revoked).negate())?;
    if there < most {
        return Ok(());
    }
    Err(Error::state(
        format!("the organization has {there} device tokens that are not revoked, and may have {most}"),
        "revoke one that is not needed (latchkey token list, latchkey token revoke ID), or raise the limit: latchkey org set SLUG --max-tokens N",
    ))
}

fn complete(wrong: Vec<FieldProblem>) -> Result<()> {
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

impl Directory {
    /// Makes a token. In a dry run `made` may be of any credential.
    pub async fn create_token(&self, intent: &Intent, org: &OrgId, new: NewToken, made: Made) -> Result<TokenView> {
        let (intent, org) = (intent.clone(), org.clone());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let mut wrong = Vec::new();
            NewToken::copy_problems(new.password.as_ref(), new.sealed_copy, &mut wrong);
            let mut row = DeviceToken {
                org: org.clone(),
                id: made.id.clone(),
                public_key: Json(made.public_key.clone()),
                description: String::new(),
                sealed_seed: made.sealed_seed.clone(),
                domains: Json(Vec::new()),
                expires_at: now,
                max_uses: 1,
                uses: 0,
                uses_per_minute: 600,
                platforms: Json(Vec::new()),
                networks: Json(Vec::new()),
                min_evidence: Level::Asserted,
                initial_state: DeviceState::Registered,
                known_users: KnownUsers::FirstDevice,
                on_known_serial: Leniency::Pending,
                on_second_device: Leniency::Pending,
                jit_groups: Json(Vec::new()),
                brake: None,
                expect: None,
                state: TokenState::Active,
                state_reason: None,
                creator: intent.actor.id.clone(),
                replaced_by: None,
                created_at: now,
                updated_at: now,
                revoked_at: None,
            };
            new.as_patch(&mut wrong).apply(tx, &org, &mut row, &mut wrong)?;
            complete(wrong)?;
            room(tx, &org)?;
            let mut ours = Org::of(tx, &org);
            ours.add(&row)?;
            let event = NewEvent::new(&intent.actor, "token.create", row.id.to_string());
            ours.audit(
                event
                    .with("description", &row.description)
                    .with("domains", &row.domains.0)
                    .with("expires_at", row.expires_at)
                    .with("max_uses", row.max_uses)
                    .with("sealed_copy", row.sealed_seed.is_some()),
            );
            view(tx, row)
        })
        .await
    }

    /// Makes a successor with the same limits and a life as long, counted anew. The old token is revoked, at once or after the overlap.
    pub async fn rotate_token(
        &self,
        intent: &Intent,
        org: &OrgId,
        id: &str,
        order: RotateOrder,
        made: Made,
    ) -> Result<TokenView> {
        let (intent, org, id) = (intent.clone(), org.clone(), id.to_owned());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let mut old = wanted(tx, &org, &id)?;
            let seen = view(tx, old.clone())?;
            intent.condition.check("device token", &seen)?;
            let mut wrong = Vec::new();
            NewToken::copy_problems(order.password.as_ref(), order.sealed_copy, &mut wrong);
            if order.overlap_s.is_some_and(|overlap| overlap > 366 * 86_400) {
                wrong.push(FieldProblem::invalid("/overlap_s", "an overlap is at most a year"));
            }
            complete(wrong)?;
            if old.state == TokenState::Revoked {
                return Err(Error::state("the device token is revoked", "make a new one: latchkey token create …"));
            }
            let new = DeviceToken {
                id: made.id.clone(),
                public_key: Json(made.public_key.clone()),
                sealed_seed: made.sealed_seed.clone(),
                // One that was prolonged may have had longer than a new one gets.
                expires_at: now.plus(old.expires_at.since(old.created_at).min(LONGEST)),
                uses: 0,
                state: TokenState::Active,
                state_reason: None,
                creator: intent.actor.id.clone(),
                replaced_by: None,
                created_at: now,
                updated_at: now,
                ..old.clone()
            };
            old.replaced_by = Some(new.id.to_string());
            old.updated_at = now;
            match order.overlap_s {
                Some(overlap) => old.expires_at = old.expires_at.min(now.plus(Duration::from_secs(overlap))),
                None => {
                    old.state = TokenState::Revoked;
                    old.state_reason = Some("rotated".to_owned());
                    old.revoked_at = Some(now);
                }
            }
            Org::of(tx, &org).replace(&old)?;
            room(tx, &org)?;
            let mut ours = Org::of(tx, &org);
            ours.add(&new)?;
            let event = NewEvent::new(&intent.actor, "token.rotate", old.id.to_string());
            let event = event.with("successor", new.id.to_string()).with("old_expires_at", old.expires_at);
            ours.audit(event.with("revoked", old.state == TokenState::Revoked));
            view(tx, new)
        })
        .await
    }

    /// The organization's tokens.
    pub async fn tokens(&self, org: &OrgId, states: Vec<TokenState>, request: PageRequest) -> Result<Page<TokenView>> {
        let org = org.clone();
        self.read(move |tx| {
            let now = tx.now();
            let names = super::GroupNames::read(tx, &org)?;
            // States are computed, and there are at most a few thousand tokens.
            let mut rows: Vec<DeviceToken> = Org::of(tx, &org).find(Filter::all())?;
            rows.retain(|row| states.is_empty() || states.contains(&state_now(row, now)));
            rows.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
            let place = |row: &DeviceToken| Cursor { at: row.created_at, id: row.id.to_string() };
            Page::of_list(rows, &request, place).map(|row| Ok(TokenView::of(row, &names, now)))
        })
        .await
    }

    /// One token.
    pub async fn token(&self, org: &OrgId, id: &str) -> Result<TokenView> {
        let (org, id) = (org.clone(), id.to_owned());
        self.read(move |tx| {
            let row = wanted(tx, &org, &id)?;
            view(tx, row)
        })
        .await
    }
}
