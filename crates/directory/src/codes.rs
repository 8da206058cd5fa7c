//! One-time codes: who a user is, said by an administrator (evidence level 3).
//!
//! Owns making, listing and deleting them. The code is answered once; what stays is its public key. Must not know how a code is used: that
//! is enrollment and binding.

use std::time::Duration;

use latchkey_wire::{OneTimeCode as Secret, Pin};
use serde::Serialize;
use utoipa::ToSchema;

use crate::audit::NewEvent;
use crate::id::OrgId;
use crate::intent::Intent;
use crate::page::{Cursor, Page, PageRequest, page};
use crate::query::Filter;
use crate::records::{OneTimeCode, User};
use crate::scope::Org;
use crate::store::Tx;
use crate::time::Timestamp;
use crate::value::Json;
use crate::values::UserStatus;
use crate::{Directory, Error, FieldProblem, Result};

/// A code is for a hand-over, not for keeping.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3_600);

/// A one-time code without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CodeView {
    /// The id inside the code.
    pub id: String,
    /// How it looks with its secret left out.
    pub masked: String,
    /// The user it proves.
    pub user_id: String,
    /// That user's login name.
    pub login_name: String,
    /// The only machine it is for.
    pub serial: Option<String>,
    /// When it ends.
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
    /// When it was used.
    #[schema(value_type = Option<String>)]
    pub used_at: Option<Timestamp>,
    /// The device it was used for.
    pub used_by: Option<String>,
    /// Who made it.
    pub creator: String,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
}

/// What a new code is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewCode {
    /// The user: id or login name.
    pub user: String,
    /// The only machine it is for.
    pub serial: Option<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A code that was just made.
pub struct MadeCode {
    /// What stays.
    pub view: CodeView,
    /// The code itself, this once.
    pub code: Secret,
}

fn view<T: Tx + ?Sized>(ours: &mut Org<'_, T>, row: OneTimeCode) -> Result<CodeView> {
    let login_name = ours.get::<User>(&row.user_id)?.map_or_else(String::new, |user| user.login_name);
    Ok(CodeView {
        masked: format!("lkuc1_{}_****", row.id),
        id: row.id.to_string(),
        user_id: row.user_id,
        login_name,
        serial: row.serial,
        expires_at: row.expires_at,
        used_at: row.used_at,
        used_by: row.used_by,
        creator: row.creator,
        created_at: row.created_at,
    })
}

fn find<T: Tx + ?Sized>(ours: &mut Org<'_, T>, id: &str) -> Result<OneTimeCode> {
    ours.get::<OneTimeCode>(id)?.ok_or_else(|| Error::not_found("one-time code", id))
}

impl Directory {
    /// Makes a code for a user of this organization.
    pub async fn create_code(&self, intent: &Intent, org: &OrgId, pin: Pin, new: NewCode) -> Result<MadeCode> {
        let now = self.now();
        let mut wrong = Vec::new();
        if new.user.trim().is_empty() {
            wrong.push(FieldProblem::invalid("/user", "say for whom: a login name"));
        }
        if new.serial.as_ref().is_some_and(|s| s.trim().is_empty() || s.len() > 128 || s.chars().any(char::is_control))
        {
            wrong.push(FieldProblem::invalid("/serial", "a serial number has 1 to 128 characters"));
        }
        match new.expires_at {
            None => {
                wrong.push(FieldProblem::invalid("/expires_at", "say when it ends, for instance 72 hours from now"));
            }
            Some(at) if at <= now => wrong.push(FieldProblem::invalid("/expires_at", "this lies in the past")),
            Some(at) if at.since(now) > LONGEST => {
                wrong.push(FieldProblem::invalid("/expires_at", "a code lasts at most 30 days"));
            }
            Some(_) => {}
        }
        let (true, Some(expires_at)) = (wrong.is_empty(), new.expires_at) else { return Err(Error::Invalid(wrong)) };
        let code = Secret::generate(pin);
        let row = OneTimeCode {
            org: org.clone(),
            id: code.id().clone(),
            public_key: Json(code.public_key()),
            user_id: String::new(),
            serial: new.serial.map(|serial| serial.trim().to_owned()),
            expires_at,
            used_at: None,
            used_by: None,
            creator: intent.actor.id.clone(),
            created_at: now,
        };
        let (actor, user) = (intent.actor.clone(), new.user.trim().to_owned());
        let made = self
            .change(intent.dry_run, move |tx| {
                let mut ours = Org::of(tx, &row.org);
                let named = User::login_name.eq(&user.to_lowercase()).or(User::id.eq(&user));
                let open = named.and(User::status.eq(&UserStatus::Deleted).negate());
                let user: User = ours.one(open)?.ok_or_else(|| Error::not_found("user", user.clone()))?;
                if user.status != UserStatus::Active {
                    return Err(Error::state(
                        format!("{} is {}", user.login_name, user.status),
                        format!("latchkey user enable {}", user.login_name),
                    ));
                }
                let row = OneTimeCode { user_id: user.id.clone(), ..row.clone() };
                ours.add(&row)?;
                ours.audit(NewEvent::new(&actor, "code.create", row.id.to_string()).with("user", &user.id));
                view(&mut ours, row)
            })
            .await?;
        Ok(MadeCode { view: made, code })
    }

    /// Codes, newest first.
    pub async fn codes(&self, org: &OrgId, request: PageRequest) -> Result<Page<CodeView>> {
        let org = org.clone();
        self.read(move |tx| {
            let mut ours = Org::of(tx, &org);
            let place = |row: &OneTimeCode| Cursor { at: row.created_at, id: row.id.to_string() };
            let found = page(&mut ours, Filter::all(), OneTimeCode::created_at, "id", &request, place)?;
            found.map(|row| view(&mut ours, row))
        })
        .await
    }

    /// One code.
    pub async fn code(&self, org: &OrgId, id: &str) -> Result<CodeView> {
        let (org, id) = (org.clone(), id.to_owned());
        self.read(move |tx| {
            let mut ours = Org::of(tx, &org);
            let row = find(&mut ours, &id)?;
            view(&mut ours, row)
        })
        .await
    }

    /// Deletes a code that was not used; a used one stays as evidence.
    pub async fn delete_code(&self, intent: &Intent, org: &OrgId, id: &str) -> Result<CodeView> {
        let (org, id, intent) = (org.clone(), id.to_owned(), intent.clone());
        self.change(intent.dry_run, move |tx| {
            let mut ours = Org::of(tx, &org);
            let row = find(&mut ours, &id)?;
            if row.used_at.is_some() {
                return Err(Error::state("the code was used", "it proves nothing any more; it stays as evidence"));
            }
            let seen = view(&mut ours, row.clone())?;
            intent.condition.check("one-time code", &seen)?;
            ours.delete::<OneTimeCode>(OneTimeCode::id.eq(&row.id))?;
            ours.audit(NewEvent::new(&intent.actor, "code.delete", id.clone()));
            Ok(seen)
        })
        .await
    }
}
