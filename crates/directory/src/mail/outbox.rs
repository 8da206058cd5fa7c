//! The outbox: writing a letter in the commit of what it tells about.
//!
//! Owns the seal and to which of a user's addresses a letter goes. Must not know how it is sent.

use std::sync::Arc;
use std::time::Duration;

use super::Letter;
use super::records::MailRow;
use crate::id::{OrgId, new_id};
use crate::master::{MasterKey, SealedAs};
use crate::records::User;
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};
use crate::value::Blob;
use crate::{Error, Result};

/// Where letters are put; closed while no mail is set up, and then nothing is written.
#[derive(Clone)]
pub struct Outbox {
    open: bool,
    master: Arc<MasterKey>,
}

const fn as_what<'a>(org: &'a OrgId, id: &'a str) -> SealedAs<'a> {
    SealedAs { org, id, usage: "mail", algorithm: "none" }
}

/// The address that a user is mailed at: the first one, which services get as well.
#[must_use]
pub fn address_of(user: &User) -> Option<&str> {
    user.emails.0.first().map(String::as_str)
}

impl Outbox {
    pub(crate) fn new(open: bool, master: Arc<MasterKey>) -> Self {
        Self { open, master }
    }

    /// Whether mail is set up.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// Puts a letter to a user into the outbox, for so long. Answers whether it was: mail may not be set up, or the user may have no address.
    pub(crate) fn put(
        &self,
        tx: &mut dyn WriteTx,
        user: &User,
        letter: &Letter,
        lifetime: Duration,
    ) -> Result<bool, StoreError> {
        let (true, Some(address)) = (self.open, address_of(user)) else { return Ok(false) };
        let now = tx.now();
        let id = new_id(now);
        let row = MailRow {
            org: user.org.clone(),
            user_id: user.id.clone(),
            recipient: address.to_owned(),
            kind: letter.kind(),
            sealed: self.seal(letter, &user.org, &id)?,
            id,
            created_at: now,
            not_after: now.plus(lifetime),
            tries: 0,
            next_try: now,
            last_error: None,
        };
        Org::of(tx, &user.org).add(&row)?;
        Ok(true)
    }

    /// Seals a letter. It is also done for nobody, so that it takes as long.
    pub(crate) fn seal(&self, letter: &Letter, org: &OrgId, id: &str) -> Result<Blob, StoreError> {
        let text = serde_json::to_vec(letter).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(self.master.seal(&zeroize::Zeroizing::new(text), &as_what(org, id)))
    }

    pub(super) fn read(&self, row: &MailRow) -> Result<Letter> {
        let plain = self.master.open(&row.sealed, &as_what(&row.org, &row.id))?;
        serde_json::from_slice(&plain).map_err(|error| Error::Internal(format!("the mail {}: {error}", row.id)))
    }
}

/// Seals a letter anew with another master key.
pub(crate) fn rewrap(old: &MasterKey, new: &MasterKey, row: &MailRow) -> Result<Blob> {
    let what = as_what(&row.org, &row.id);
    Ok(new.seal(&old.open(&row.sealed, &what)?, &what))
}
