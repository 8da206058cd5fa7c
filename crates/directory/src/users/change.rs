//! Making and changing users.

use std::collections::BTreeMap;

use latchkey_wire::BindingState;

use super::profile::{join, login_name};
use super::{NewUser, UserPatch, UserView, find_user, view};
use crate::access::assignments::forget;
use crate::access::holding::keeping_an_owner;
use crate::access::records::BrowserSession;
use crate::access::{end_browser_sessions, may_change_user};
use crate::audit::NewEvent;
use crate::device::state::{end_sessions, live};
use crate::id::{OrgId, new_id};
use crate::names::LoginName;
use crate::records::{Binding, Membership, OneTimeCode, Session, User};
use crate::scope::Org;
use crate::store::WriteTx;
use crate::time::Timestamp;
use crate::value::Json;
use crate::values::{UserSource, UserStatus};
use crate::{Directory, Error, Intent, Result, credentials};

/// A user who was just made, with nothing known yet.
pub(crate) fn bare(org: &OrgId, name: &LoginName, source: UserSource, now: Timestamp) -> User {
    User {
        org: org.clone(),
        id: new_id(now),
        login_name: name.as_str().to_owned(),
        login_key: name.as_str().to_owned(),
        display_name: None,
        given_name: None,
        family_name: None,
        emails: Json(Vec::new()),
        department: None,
        status: UserStatus::Active,
        protected: false,
        source,
        attributes: Json(BTreeMap::new()),
        taken_at: None,
        created_at: now,
        updated_at: now,
        deleted_at: None,
    }
}

/// The user, if the condition holds and whoever changes it has no fewer rights.
fn wanted(tx: &mut dyn WriteTx, intent: &Intent, org: &OrgId, which: &str) -> Result<User> {
    let row = find_user(tx, org, which)?;
    intent.condition.check("user", &view(tx, row.clone())?)?;
    if row.status == UserStatus::Deleted {
        return Err(Error::state("the user is deleted", "make a new one: latchkey user create LOGIN"));
    }
    may_change_user(tx, intent, org, &row.id)?;
    Ok(row)
}

fn save(tx: &mut dyn WriteTx, row: &mut User, event: NewEvent) -> Result<()> {
    row.updated_at = tx.now();
    let mut ours = Org::of(tx, &row.org);
    ours.replace(row)?;
    ours.audit(event.with("login_name", &row.login_name));
    Ok(())
}

/// Ends the user's sessions at services and in browsers. Answers how many those were.
pub(crate) fn end_all_sessions(tx: &mut dyn WriteTx, user: &User, why: &str) -> Result<u64> {
    let services = end_sessions(tx, &user.org, Session::user_id.eq(&user.id), why)?;
    Ok(services + end_browser_sessions(tx, &user.org, BrowserSession::user_id.eq(&user.id), why)?)
}

impl Directory {
    /// Makes a user.
    pub async fn create_user(&self, intent: &Intent, org: &OrgId, new: NewUser) -> Result<UserView> {
        let (intent, org) = (intent.clone(), org.clone());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let mut wrong = Vec::new();
            let name = login_name(tx, &org, new.login_name.as_deref(), &mut wrong)?;
            let profile = new.profile();
            let groups = profile.group_ids(tx, &org, &mut wrong)?;
            // A wrong name must not hide what else is wrong.
            let any = LoginName::given("a@b.c").map_err(|bad| Error::Internal(bad.to_string()))?;
            let mut row = bare(&org, name.as_ref().unwrap_or(&any), UserSource::Local, now);
            profile.apply(&mut row, &mut wrong);
            if !wrong.is_empty() {
                return Err(Error::Invalid(wrong));
            }
            let mut ours = Org::of(tx, &org);
            if let Some(there) = ours.one::<User>(User::login_key.eq(&row.login_key))? {
                return Err(Error::Exists { noun: "user", which: there.login_name, id: there.id });
            }
            ours.add(&row)?;
            ours.audit(NewEvent::new(&intent.actor, "user.create", row.id.clone()).with("login_name", &row.login_name));
            join(tx, &intent, &row, &groups.unwrap_or_default())?;
            view(tx, row)
        })
        .await
    }

    /// Changes what is known about a user.
    pub async fn change_user(&self, intent: &Intent, org: &OrgId, which: &str, patch: UserPatch) -> Result<UserView> {
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let mut row = wanted(tx, &intent, &org, &which)?;
            let mut wrong = Vec::new();
            patch.apply(&mut row, &mut wrong);
            let groups = patch.group_ids(tx, &org, &mut wrong)?;
            if !wrong.is_empty() {
                return Err(Error::Invalid(wrong));
            }
            if let Some(groups) = groups {
                keeping_an_owner(tx, &org, |tx| join(tx, &intent, &row, &groups))?;
            }
            let event = NewEvent::new(&intent.actor, "user.set", row.id.clone()).with("protected", row.protected);
            save(tx, &mut row, event)?;
            view(tx, row)
        })
        .await
    }

    /// Lets a user sign in no more; sessions end. Answers how many those were.
    pub async fn disable_user(&self, intent: &Intent, org: &OrgId, which: &str) -> Result<(UserView, u64)> {
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let mut row = wanted(tx, &intent, &org, &which)?;
            if row.status == UserStatus::Disabled {
                return Ok((view(tx, row)?, 0));
            }
            row.status = UserStatus::Disabled;
            let event = NewEvent::new(&intent.actor, "user.disable", row.id.clone());
            keeping_an_owner(tx, &org, |tx| save(tx, &mut row, event))?;
            let ended = end_all_sessions(tx, &row, "user disabled")?;
            Ok((view(tx, row)?, ended))
        })
        .await
    }

    /// Lets a disabled user sign in again.
    pub async fn enable_user(&self, intent: &Intent, org: &OrgId, which: &str) -> Result<UserView> {
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let mut row = wanted(tx, &intent, &org, &which)?;
            if row.status == UserStatus::Disabled {
                row.status = UserStatus::Active;
                let event = NewEvent::new(&intent.actor, "user.enable", row.id.clone());
                save(tx, &mut row, event)?;
            }
            view(tx, row)
        })
        .await
    }

    /// Deletes a user: sessions and bindings end, the name stays reserved for a year. Answers how many sessions and bindings those were.
    pub async fn delete_user(&self, intent: &Intent, org: &OrgId, which: &str) -> Result<(UserView, u64, u64)> {
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let mut row = wanted(tx, &intent, &org, &which)?;
            row.status = UserStatus::Deleted;
            row.deleted_at = Some(now);
            row.login_key = row.id.clone();
            let event = NewEvent::new(&intent.actor, "user.delete", row.id.clone());
            keeping_an_owner(tx, &org, |tx| save(tx, &mut row, event))?;
            forget(tx, &org, &row.id)?;
            let sessions = end_all_sessions(tx, &row, "user deleted")?;
            let mut ours = Org::of(tx, &org);
            let over = [
                Binding::state.set(&BindingState::Ended),
                Binding::state_reason.set(&Some("user deleted".to_owned())),
                Binding::ended_at.set(&Some(now)),
            ];
            let bindings = ours.update::<Binding>(live().and(Binding::user_id.eq(&row.id)), &over)?;
            ours.delete::<Membership>(Membership::user_id.eq(&row.id))?;
            ours.delete::<OneTimeCode>(OneTimeCode::user_id.eq(&row.id).and(OneTimeCode::used_at.is_null()))?;
            credentials::forget(tx, &row)?;
            Ok((view(tx, row)?, sessions, bindings))
        })
        .await
    }
}
