//! Taking letters out of the outbox to send them.
//!
//! Owns that one sender has a letter at a time (several nodes look into the same outbox), when the next try is, and when it is given up. A sender
//! that dies gives no word: after a while the letter is anybody's again. So a letter is never lost, and may in that rare case come twice. Must
//! not know how a mail leaves.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::Letter;
use super::records::MailRow;
use crate::audit::{Actor, NewEvent};
use crate::id::OrgId;
use crate::query::{Direction, Filter, Query};
use crate::scope::{Org, across};
use crate::store::{StoreError, WriteTx};
use crate::table::Record as _;
use crate::time::Timestamp;
use crate::values::MailKind;
use crate::{Directory, Result};

/// How long a sender may keep a letter without a word.
const LEASE: Duration = Duration::from_secs(120);
/// The first wait after a failure; it doubles.
const FIRST: Duration = Duration::from_secs(5);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// The longest reason that is kept, characters: a mail server may say much.
const LONGEST_REASON: usize = 300;

/// A letter whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueMail {
    org: OrgId,
    id: String,
    tries: u64,
}

/// A letter that this sender has now, and nobody else.
#[derive(Debug, Clone)]
pub struct ClaimedMail {
    due: DueMail,
    /// To whom.
    pub recipient: String,
    /// What it says.
    pub letter: Letter,
    /// After this it is of no use.
    pub not_after: Timestamp,
}

impl ClaimedMail {
    /// Whose organization it is of.
    #[must_use]
    pub const fn org(&self) -> &OrgId {
        &self.due.org
    }

    /// The letter's id: the same at each try.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.due.id
    }
}

/// How the outbox stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct MailState {
    /// How many letters wait.
    pub waiting: u64,
    /// When the oldest of them was written.
    #[schema(value_type = Option<String>)]
    pub oldest_at: Option<Timestamp>,
    /// What was in the way of one of them at its last try.
    pub last_error: Option<String>,
}

impl MailState {
    fn of(rows: &[MailRow]) -> Self {
        let latest = rows.iter().filter(|row| row.last_error.is_some()).max_by_key(|row| row.next_try);
        Self {
            waiting: u64::try_from(rows.len()).unwrap_or(u64::MAX),
            oldest_at: rows.iter().map(|row| row.created_at).min(),
            last_error: latest.and_then(|row| row.last_error.clone()),
        }
    }
}

fn wait(tries: u64) -> Duration {
    let doubled = 1_u32.checked_shl(u32::try_from(tries.saturating_sub(1)).unwrap_or(u32::MAX)).unwrap_or(u32::MAX);
    FIRST.saturating_mul(doubled).min(LONGEST)
}

fn this(due: &DueMail) -> Filter {
    MailRow::id.eq(&due.id).and(MailRow::tries.eq(&due.tries))
}

fn give_up(tx: &mut dyn WriteTx, row: &MailRow, why: &str) -> Result<(), StoreError> {
    let mut ours = Org::of(tx, &row.org);
    if ours.delete::<MailRow>(MailRow::id.eq(&row.id))? == 1 {
        let event = NewEvent::new(&Actor::system(), "mail.give-up", row.user_id.clone());
        let event = event.with("kind", row.kind).with("tries", row.tries).with("reason", why);
        ours.audit(event.with("written_at", row.created_at));
    }
    Ok(())
}

impl Directory {
    /// Some letters whose time has come, the longest due first, whatever organization they are of.
    pub async fn due_mail(&self, most: u64) -> Result<Vec<DueMail>> {
        self.read(move |tx| {
            let now = tx.now();
            let query = Query {
                table: MailRow::TABLE,
                filter: MailRow::next_try.below(&now.plus(Duration::from_millis(1))),
                order: vec![(MailRow::next_try.name, Direction::Ascending)],
                limit: Some(most),
            };
            let rows = tx.select(&query)?.into_iter().map(MailRow::from_row);
            let due = |row: MailRow| DueMail { org: row.org, id: row.id, tries: row.tries };
            Ok(rows.map(|row| row.map(due)).collect::<Result<Vec<_>, StoreError>>()?)
        })
        .await
    }

    /// Takes a letter to send it. Nothing if another sender was faster, or its time is over: then it is given up.
    pub async fn claim_mail(&self, due: &DueMail) -> Result<Option<ClaimedMail>> {
        let (due, outbox) = (due.clone(), self.outbox());
        self.write(move |tx| {
            let now = tx.now();
            let Some(mut row) = Org::of(tx, &due.org).one::<MailRow>(this(&due))?.filter(|row| row.next_try <= now)
            else {
                return Ok(None);
            };
            if row.not_after < now {
                let why = row.last_error.clone().unwrap_or_else(|| "its time was over".to_owned());
                give_up(tx, &row, &why)?;
                return Ok(None);
            }
            let letter = match outbox.read(&row) {
                Ok(letter) => letter,
                Err(error) => {
                    give_up(tx, &row, &error.to_string())?;
                    return Ok(None);
                }
            };
            (row.tries, row.next_try) = (row.tries + 1, now.plus(LEASE));
            Org::of(tx, &due.org).replace(&row)?;
            let due = DueMail { tries: row.tries, ..due.clone() };
            Ok(Some(ClaimedMail { due, recipient: row.recipient, letter, not_after: row.not_after }))
        })
        .await
    }

    /// The mail server has the letter.
    pub async fn mail_sent(&self, claimed: &ClaimedMail) -> Result<()> {
        let due = claimed.due.clone();
        self.write::<_, crate::Error>(move |tx| Ok(Org::of(tx, &due.org).delete::<MailRow>(this(&due)).map(drop)?))
            .await
    }

    /// It could not be sent: another try later, or none if its time is over by then.
    pub async fn mail_failed(&self, claimed: &ClaimedMail, why: &str) -> Result<()> {
        let due = claimed.due.clone();
        let why: String = why.chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect();
        self.write::<_, crate::Error>(move |tx| {
            let Some(mut row) = Org::of(tx, &due.org).one::<MailRow>(this(&due))? else { return Ok(()) };
            row.next_try = tx.now().plus(wait(row.tries));
            if row.not_after < row.next_try {
                give_up(tx, &row, &why)?;
                return Ok(());
            }
            row.last_error = Some(why.clone());
            Ok(Org::of(tx, &due.org).replace(&row)?)
        })
        .await
    }

    /// How the outbox of an organization stands, or that of the whole cloud.
    pub async fn mail_state(&self, org: Option<&OrgId>) -> Result<MailState> {
        let org = org.cloned();
        self.read(move |tx| {
            let rows = match &org {
                Some(org) => Org::of(tx, org).find::<MailRow>(Filter::all())?,
                None => across::<MailRow, _>(tx, Filter::all())?,
            };
            Ok(MailState::of(&rows))
        })
        .await
    }
}

/// What a user who is deleted would have been told is not sent any more; nor are codes and links that were asked for before.
pub(crate) fn forget<T: WriteTx + ?Sized>(tx: &mut T, org: &OrgId, user_id: &str) -> Result<(), StoreError> {
    Org::of(tx, org).delete::<MailRow>(MailRow::user_id.eq(&user_id.to_owned())).map(drop)
}

/// The same for letters of one kind that a newer one makes worthless.
pub(crate) fn replaced(tx: &mut dyn WriteTx, org: &OrgId, user_id: &str, kind: MailKind) -> Result<(), StoreError> {
    let these = MailRow::user_id.eq(&user_id.to_owned()).and(MailRow::kind.eq(&kind));
    Org::of(tx, org).delete::<MailRow>(these).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_and_has_an_end() {
        assert_eq!([1, 2, 3, 8].map(|tries| wait(tries).as_secs()), [5, 10, 20, 640]);
        assert_eq!([9, 40, u64::MAX].map(|tries| wait(tries).as_secs()), [900, 900, 900]);
    }
}
