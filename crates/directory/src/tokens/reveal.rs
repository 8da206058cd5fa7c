//! Showing a token again.
//!
//! Owns the limit of five wrong passwords an hour. An attempt is counted before its password is tried, so that many at once are no way around
//! it; a right one takes its own back.

use std::time::Duration;

use latchkey_wire::TokenId;

use super::wanted;
use crate::audit::NewEvent;
use crate::id::{OrgId, new_id};
use crate::records::RevealFailure;
use crate::scope::Org;
use crate::value::Blob;
use crate::values::TokenState;
use crate::{Directory, Error, Intent, Result};

const WRONG_AN_HOUR: usize = 5;
const HOUR: Duration = Duration::from_secs(3_600);

/// An attempt that was let through.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The token.
    pub id: TokenId,
    /// Its sealed copy.
    pub sealed: Blob,
    /// The attempt's own id.
    count: String,
}

impl Directory {
    /// Lets somebody try a password.
    pub async fn begin_reveal(&self, org: &OrgId, id: &str) -> Result<Attempt> {
        let (org, id) = (org.clone(), id.to_owned());
        self.write(move |tx| {
            let now = tx.now();
            let row = wanted(tx, &org, &id)?;
            if row.state == TokenState::Revoked {
                return Err(Error::state("the device token is revoked", "make a new one: latchkey token create …"));
            }
            let Some(sealed) = row.sealed_seed else {
                return Err(Error::state(
                    "no sealed copy of this token was kept: it can never be shown again",
                    format!("make a successor: latchkey token rotate {id} --overlap 7d --password-file F"),
                ));
            };
            let mut ours = Org::of(tx, &org);
            let of_this = RevealFailure::token_id.eq(&row.id);
            ours.delete::<RevealFailure>(of_this.clone().and(RevealFailure::at.below(&now.minus(HOUR))))?;
            let wrong: Vec<RevealFailure> = ours.find(of_this)?;
            if wrong.len() >= WRONG_AN_HOUR {
                let oldest = wrong.iter().map(|failure| failure.at).min().unwrap_or(now);
                let retry_after = oldest.plus(HOUR).since(now).as_secs().max(1);
                return Err(Error::TooMany { detail: "five wrong passwords within an hour".to_owned(), retry_after });
            }
            let count = new_id(now);
            ours.add(&RevealFailure { org: org.clone(), id: count.clone(), token_id: row.id.clone(), at: now })?;
            Ok(Attempt { id: row.id, sealed, count })
        })
        .await
    }

    /// The password was right: the attempt does not count, and the audit says that the token was shown.
    pub async fn end_reveal(&self, intent: &Intent, org: &OrgId, attempt: Attempt) -> Result<()> {
        let (intent, org) = (intent.clone(), org.clone());
        self.write(move |tx| {
            let mut ours = Org::of(tx, &org);
            ours.delete::<RevealFailure>(RevealFailure::id.eq(&attempt.count))?;
            ours.audit(NewEvent::new(&intent.actor, "token.reveal", attempt.id.to_string()));
            Ok(())
        })
        .await
    }

    /// The password was wrong.
    pub async fn wrong_reveal(&self, intent: &Intent, org: &OrgId, attempt: &Attempt, reference: &str) -> Result<()> {
        let (intent, org, id, reference) = (intent.clone(), org.clone(), attempt.id.clone(), reference.to_owned());
        self.write(move |tx| {
            let event = NewEvent::new(&intent.actor, "token.reveal", id.to_string());
            Org::of(tx, &org).audit(event.refused("LK-AUTH-002", reference.clone()));
            Ok(())
        })
        .await
    }
}
