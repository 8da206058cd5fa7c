//! The task that empties the outbox.
//!
//! Owns its rhythm and how many mails go at once. Several nodes do this at the same time, each with the letters it got hold of. Must not know when a
//! letter is tried again or given up: the directory does.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use latchkey_directory::mail::{ClaimedMail, DueMail};
use latchkey_directory::{Error, Result};

use super::brand::Brand;
use super::{Mailer, letter};
use crate::app::App;

/// Between two looks: a person waits for a code.
const EVERY: Duration = Duration::from_secs(1);
/// So many letters are looked at in one round.
const MOST: u64 = 40;
/// So many connections to the mail server at once.
const AT_ONCE: usize = 4;

/// Runs until the server is told to stop, if there is a mail server.
pub(crate) async fn run(app: Arc<App>) {
    if app.mail.is_none() {
        return;
    }
    let mut stopping = app.stopping.clone();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            // A letter that is on its way stays in the outbox until the mail server has it.
            _ = stopping.changed() => return,
        }
        tokio::select! {
            result = round(&app) => if let Err(error) = result {
                tracing::warn!(%error, "the outbox could not be read; it is tried again");
            },
            _ = stopping.changed() => return,
        }
    }
}

/// Sends what is due.
///
/// # Errors
/// The store cannot be read or written.
pub async fn round(app: &App) -> Result<()> {
    let Some(mailer) = &app.mail else { return Ok(()) };
    let due = app.directory.due_mail(MOST).await?;
    let sent = futures_util::stream::iter(due).map(|due| one(app, mailer, due)).buffer_unordered(AT_ONCE);
    sent.fold(Ok(()), |all: Result<()>, one| async { all.and(one) }).await
}

async fn one(app: &App, mailer: &Mailer, due: DueMail) -> Result<()> {
    let Some(claimed) = app.directory.claim_mail(&due).await? else { return Ok(()) };
    match send(app, mailer, &claimed).await {
        Ok(answer) => {
            tracing::debug!(mail = claimed.id(), kind = %claimed.letter.kind(), answer, "a mail was sent");
            metrics::counter!("latchkey_mails_total", "outcome" => "sent").increment(1);
            app.directory.mail_sent(&claimed).await
        }
        Err(why) => {
            tracing::warn!(mail = claimed.id(), kind = %claimed.letter.kind(), why, "a mail could not be sent");
            metrics::counter!("latchkey_mails_total", "outcome" => "failed").increment(1);
            app.directory.mail_failed(&claimed, &why).await
        }
    }
}

async fn send(app: &App, mailer: &Mailer, claimed: &ClaimedMail) -> std::result::Result<String, String> {
    let brand =
        Brand::of(&app.directory, app.origin(), claimed.org()).await.map_err(|error: Error| error.to_string())?;
    let written = letter::write(&brand, &claimed.letter).map_err(|error| error.to_string())?;
    mailer.send(&brand, &claimed.recipient, claimed.id(), &written).await.map_err(|error| error.to_string())
}
