//! Changing the master key: everything that is sealed, sealed anew.
//!
//! Owns the list of what is sealed. Must not know where master keys are kept.

use std::sync::Arc;

use serde::Serialize;

use crate::audit::{Actor, NewEvent};
use crate::credentials::records::TotpRow;
use crate::credentials::totp;
use crate::id::OrgId;
use crate::mail::outbox;
use crate::mail::records::MailRow;
use crate::master::{MasterKey, SealedAs};
use crate::orgs::CHECK;
use crate::query::Filter;
use crate::records::{Cloud, DeviceToken, Key};
use crate::scope::{Org, across};
use crate::store::{Tx, WriteTx};
use crate::tokens::seal;
use crate::{Directory, Error, Result, keys};

/// What was sealed anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Rewrapped {
    /// Private keys, retired ones included.
    pub keys: u64,
    /// Sealed copies of device tokens.
    pub token_copies: u64,
    /// Secrets of authenticators.
    pub totp_secrets: u64,
    /// Mails that wait to be sent.
    pub mails: u64,
}

impl Directory {
    /// Seals everything with another master key, in one commit. This directory's own key is then of no use any more.
    pub async fn rewrap(&self, actor: &Actor, new: Arc<MasterKey>) -> Result<Rewrapped> {
        let (actor, old) = (actor.clone(), Arc::clone(self.master()));
        self.write(move |tx| {
            let cloud = OrgId::cloud();
            let mut row = Org::of(tx, &cloud)
                .one::<Cloud>(Filter::all())?
                .ok_or_else(|| Error::state("the store holds no cloud yet", "start the server with the new key"))?;
            let mut done = Rewrapped::default();
            for mut key in all::<Key>(tx)? {
                let private = keys::open(&old, &key)?;
                let what =
                    SealedAs { org: &key.org, id: &key.id, usage: key.usage.as_str(), algorithm: &key.algorithm };
                key.sealed = new.seal(&private, &what);
                let org = key.org.clone();
                Org::of(tx, &org).replace(&key)?;
                done.keys += 1;
            }
            for mut token in all::<DeviceToken>(tx)? {
                let Some(sealed) = &token.sealed_seed else { continue };
                token.sealed_seed = Some(seal::rewrap(&old, &new, &token.org, &token.id, sealed)?);
                let org = token.org.clone();
                Org::of(tx, &org).replace(&token)?;
                done.token_copies += 1;
            }
            for mut row in all::<TotpRow>(tx)? {
                row.sealed = totp::rewrap(&old, &new, &row)?;
                let org = row.org.clone();
                Org::of(tx, &org).replace(&row)?;
                done.totp_secrets += 1;
            }
            for mut row in all::<MailRow>(tx)? {
                row.sealed = outbox::rewrap(&old, &new, &row)?;
                let org = row.org.clone();
                Org::of(tx, &org).replace(&row)?;
                done.mails += 1;
            }
            let check = SealedAs { org: &cloud, id: "check", usage: "check", algorithm: "none" };
            row.master_check = new.seal(CHECK, &check);
            let was = std::mem::replace(&mut row.master_id, new.id().to_owned());
            let mut ours = Org::of(tx, &cloud);
            ours.replace(&row)?;
            let event = NewEvent::new(&actor, "key.rewrap", new.id()).with("was", was);
            let event = event.with("keys", done.keys).with("token_copies", done.token_copies);
            ours.audit(event.with("totp_secrets", done.totp_secrets).with("mails", done.mails));
            Ok(done)
        })
        .await
    }
}

fn all<R: crate::table::Record>(tx: &mut dyn WriteTx) -> Result<Vec<R>> {
    let tx: &mut dyn Tx = tx;
    Ok(across::<R, _>(tx, Filter::all())?)
}
