//! Looking again, once a day, whether the records of verified domains are still there.
//!
//! Owns the rhythm. What a missing record leads to is the directory's (`domains.rs`); no answer at all leads to nothing. Must not know DNS.

use std::sync::Arc;
use std::time::Duration;

use latchkey_directory::Error;
use latchkey_directory::domains::{DomainView, Recheck};

use super::App;
use crate::net::dns::{Record, Verdict};

/// Between two looks for domains that are due. A server that was just started is not the moment for it.
const ROUND: Duration = Duration::from_secs(3_600);

/// Runs until the server is told to stop.
pub(super) async fn run(app: Arc<App>) {
    let mut stopping = app.stopping.clone();
    loop {
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            // The sender going away is the end as well.
            _ = stopping.changed() => return,
        }
        if let Err(error) = round(&app).await {
            tracing::warn!(%error, "the records of domains were not looked at; it is tried again in an hour");
        }
    }
}

async fn round(app: &App) -> Result<(), Error> {
    for row in app.directory.domains_to_recheck().await? {
        let org = row.org.clone();
        let domain = DomainView::from(row);
        let wanted = Record { name: domain.record.name, value: domain.record.value };
        let verdict = app.domain_check.check(&domain.name, &wanted).await;
        let Some(found) = said(&verdict) else { continue };
        let state = app.directory.note_recheck(&org, &domain.name, found).await?;
        if found == Recheck::Missing {
            tracing::warn!(%org, domain = domain.name, %state, "the record of a verified domain is missing");
        }
    }
    Ok(())
}

/// What a look at the record says. Only an authoritative answer without it is a miss.
fn said(verdict: &Verdict) -> Option<Recheck> {
    match verdict {
        Verdict::Found { .. } => Some(Recheck::Seen),
        Verdict::Missing { .. } => Some(Recheck::Missing),
        Verdict::NoAnswer(_) | Verdict::Unverifiable { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::dns::Silence;

    #[test]
    fn only_an_authoritative_answer_without_the_record_is_a_miss() {
        let server = "192.0.2.1:53".parse().unwrap();
        assert_eq!(said(&Verdict::Found { server }), Some(Recheck::Seen));
        let missing = |name_exists| Verdict::Missing { server, found: Vec::new(), name_exists };
        assert_eq!((said(&missing(true)), said(&missing(false))), (Some(Recheck::Missing), Some(Recheck::Missing)));
        for silence in [Silence::Aliases, Silence::Servers(Vec::new())] {
            assert_eq!(said(&Verdict::NoAnswer(silence)), None);
        }
        assert_eq!(said(&Verdict::Unverifiable { suffix: "test".to_owned() }), None);
    }
}
