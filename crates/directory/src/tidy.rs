//! Taking away what has served its time: nonces past their end, answers kept for repeated requests, expired access tokens, counts of
//! refusals that nobody asks for any more.
//!
//! Owns how long each is kept. Must not know when it is called. Audit events, sessions and tombstones are not touched here.

use std::time::Duration;

use crate::credentials::attempts::{FORGOTTEN_AFTER, KNOWN_FOR};
use crate::credentials::records::{KnownBrowser, MailCodeRow, RecoveryLinkRow, SignInFailure};
use crate::query::Filter;
use crate::records::{AccessToken, ConsumedNonce, IdempotentAnswer, RefusalCount, RevealFailure};
use crate::store::{StoreError, WriteTx};
use crate::table::Record;
use crate::time::Timestamp;
use crate::{Directory, Result};

/// A nonce is remembered this much longer than it is good, for nodes whose clocks differ.
const MARGIN: Duration = Duration::from_secs(600);

/// References are explained for so long.
const REFUSALS: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Wrong passwords count for an hour.
const REVEALS: Duration = Duration::from_secs(2 * 3_600);

impl Directory {
    /// One round, over all organizations.
    pub async fn tidy(&self) -> Result<()> {
        self.write::<_, StoreError>(|tx| {
            let now = tx.now();
            before::<ConsumedNonce>(tx, ConsumedNonce::exp.name, now.minus(MARGIN))?;
            before::<IdempotentAnswer>(tx, IdempotentAnswer::expires_at.name, now)?;
            before::<AccessToken>(tx, AccessToken::expires_at.name, now.minus(MARGIN))?;
            before::<RefusalCount>(tx, RefusalCount::at.name, now.minus(REFUSALS))?;
            before::<RevealFailure>(tx, RevealFailure::at.name, now.minus(REVEALS))?;
            before::<SignInFailure>(tx, SignInFailure::last_at.name, now.minus(FORGOTTEN_AFTER))?;
            before::<MailCodeRow>(tx, MailCodeRow::expires_at.name, now)?;
            before::<RecoveryLinkRow>(tx, RecoveryLinkRow::expires_at.name, now)?;
            before::<KnownBrowser>(tx, KnownBrowser::last_used_at.name, now.minus(KNOWN_FOR))
        })
        .await?;
        Ok(())
    }
}

fn before<R: Record>(
    tx: &mut dyn WriteTx,
    column: &'static str,
    end: Timestamp,
) -> std::result::Result<(), StoreError> {
    use crate::value::Columnar as _;
    tx.delete(R::TABLE, &Filter::Lt(column, end.to_value())).map(drop)
}
