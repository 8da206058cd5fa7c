//! Passkeys.
//!
//! Owns which passkeys a person has. A passkey is a text of whoever checks its signatures, found by the hash of its credential id. Must not
//! know WebAuthn.

use latchkey_wire::Bytes;
use latchkey_wire::bytes::sha256;
use serde::Serialize;
use utoipa::ToSchema;

use super::records::PasskeyRow;
use super::{changing, name, removed, taken};
use crate::audit::NewEvent;
use crate::id::{OrgId, new_id};
use crate::query::Filter;
use crate::records::User;
use crate::scope::Org;
use crate::time::Timestamp;
use crate::users::find_user;
use crate::values::{MethodChange, SignInMethod};
use crate::{Directory, Error, Intent, Result};

/// How many one person has at most.
const MOST: usize = 20;

/// A passkey, as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PasskeyView {
    /// Its id.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When it was last used.
    #[schema(value_type = Option<String>)]
    pub last_used_at: Option<Timestamp>,
}

impl From<PasskeyRow> for PasskeyView {
    fn from(row: PasskeyRow) -> Self {
        Self { id: row.id, name: row.name, created_at: row.created_at, last_used_at: row.last_used_at }
    }
}

/// A passkey that an authenticator just made.
#[derive(Debug, Clone)]
pub struct NewPasskey {
    /// What its owner calls it.
    pub name: String,
    /// The authenticator's id of it.
    pub credential_id: Vec<u8>,
    /// What is needed to check its signatures.
    pub passkey: String,
}

/// A passkey as it is kept, for whoever checks a signature.
#[derive(Debug, Clone)]
pub struct StoredPasskey {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub user_id: String,
    /// What is needed to check its signatures.
    pub passkey: String,
}

impl From<PasskeyRow> for StoredPasskey {
    fn from(row: PasskeyRow) -> Self {
        Self { id: row.id, user_id: row.user_id, passkey: row.passkey }
    }
}

fn of_user(user: &User) -> Filter {
    PasskeyRow::user_id.eq(&user.id)
}

impl Directory {
    /// The user's passkeys as they are kept: an authenticator is asked not to make a second one.
    pub async fn stored_passkeys(&self, org: &OrgId, user: &str) -> Result<Vec<StoredPasskey>> {
        let (org, user) = (org.clone(), user.to_owned());
        self.read(move |tx| {
            let user = find_user(tx, &org, &user)?;
            let rows = Org::of(tx, &org).find::<PasskeyRow>(of_user(&user))?;
            Ok(rows.into_iter().map(Into::into).collect())
        })
        .await
    }

    /// The passkey with this credential id, whoever's it is.
    pub async fn passkey_of(&self, org: &OrgId, credential_id: &[u8]) -> Result<Option<StoredPasskey>> {
        let (org, hash) = (org.clone(), sha256(credential_id));
        self.read(move |tx| {
            let row = Org::of(tx, &org).one::<PasskeyRow>(PasskeyRow::credential_sha256.eq(&hash))?;
            Ok(row.map(Into::into))
        })
        .await
    }

    /// Adds a passkey to a user.
    pub async fn add_passkey(&self, intent: &Intent, org: &OrgId, user: &str, new: NewPasskey) -> Result<PasskeyView> {
        let (intent, org, user) = (intent.clone(), org.clone(), user.to_owned());
        let called = name(&new.name)?;
        let credential_sha256: Bytes<32> = sha256(&new.credential_id);
        let mail = self.outbox();
        self.change(intent.dry_run, move |tx| {
            let user = taken(tx, &intent, &org, &user)?;
            let now = tx.now();
            let mut ours = Org::of(tx, &org);
            if ours.find::<PasskeyRow>(of_user(&user))?.len() >= MOST {
                return Err(Error::state(format!("{MOST} passkeys are there already"), "remove one of them first"));
            }
            let row = PasskeyRow {
                org: org.clone(),
                id: new_id(now),
                user_id: user.id.clone(),
                credential_sha256,
                name: called.clone(),
                passkey: new.passkey.clone(),
                created_at: now,
                last_used_at: None,
            };
            if ours.insert(&row)?.is_err() {
                return Err(Error::state("this passkey was added before", "use it, or add another one"));
            }
            let event = NewEvent::new(&intent.actor, "credential.add", user.id.clone());
            ours.audit(event.with("kind", SignInMethod::Passkey).with("id", &row.id).with("name", &row.name));
            mail.person(tx, &user, MethodChange::PasskeyAdded, &intent.actor)?;
            Ok(row.into())
        })
        .await
    }

    /// Gives a passkey another name.
    pub async fn rename_passkey(
        &self,
        intent: &Intent,
        org: &OrgId,
        user: &str,
        id: &str,
        called: &str,
    ) -> Result<PasskeyView> {
        let (intent, org, user, id) = (intent.clone(), org.clone(), user.to_owned(), id.to_owned());
        let called = name(called)?;
        self.change(intent.dry_run, move |tx| {
            let user = changing(tx, &intent, &org, &user)?;
            let mut ours = Org::of(tx, &org);
            let row = ours.one::<PasskeyRow>(PasskeyRow::id.eq(&id).and(of_user(&user)))?;
            let mut row = row.ok_or_else(|| Error::not_found("passkey", id.clone()))?;
            row.name.clone_from(&called);
            ours.replace(&row)?;
            Ok(row.into())
        })
        .await
    }

    /// Takes a passkey away.
    pub async fn remove_passkey(&self, intent: &Intent, org: &OrgId, user: &str, id: &str) -> Result<()> {
        let (intent, org, user, id) = (intent.clone(), org.clone(), user.to_owned(), id.to_owned());
        let mail = self.outbox();
        self.change(intent.dry_run, move |tx| {
            let user = changing(tx, &intent, &org, &user)?;
            let gone = Org::of(tx, &org).delete::<PasskeyRow>(PasskeyRow::id.eq(&id).and(of_user(&user)))?;
            if gone == 0 {
                return Err(Error::not_found("passkey", id.clone()));
            }
            removed(tx, &intent, &mail, &user, (SignInMethod::Passkey, gone), std::slice::from_ref(&id))?;
            Ok(())
        })
        .await
    }

    /// Notes that a passkey was used, with what its authenticator counts now.
    pub async fn note_passkey(&self, org: &OrgId, id: &str, passkey: Option<String>) -> Result<()> {
        let (org, id) = (org.clone(), id.to_owned());
        self.write(move |tx| {
            let mut set = vec![PasskeyRow::last_used_at.set(&Some(tx.now()))];
            set.extend(passkey.as_ref().map(|passkey| PasskeyRow::passkey.set(passkey)));
            Org::of(tx, &org).update::<PasskeyRow>(PasskeyRow::id.eq(&id), &set)?;
            Ok(())
        })
        .await
    }
}
