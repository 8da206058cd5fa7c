//! What the server does by itself: checkpoints of the audit log, counting what happened, and taking away what has served its time.
//!
//! Owns the rhythm. Must not know how any of it is done. Several nodes may do it at the same time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use latchkey_directory::audit::verify::AuditKeys;
use latchkey_directory::clock::ClockWatch;
use latchkey_directory::values::KeyUse;
use latchkey_directory::{Error, OrgId};
use latchkey_wire::PublicJwk;

use super::{App, ed25519};
use crate::code::Code;
use crate::serve::health::{Check, Unready};

/// Between two checkpoints, if something happened.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);

/// Between two looks at which root is in use: another node may have changed it, and until this one knows it refuses who already follows.
const ROOT_EVERY: Duration = Duration::from_secs(2);

/// Between two rounds of taking away. What is taken away is only what nothing asks for any more.
const TIDY_EVERY: Duration = Duration::from_secs(60);

impl App {
    /// The keys of the audit log, every one that ever signed a checkpoint included.
    pub async fn audit_keys(&self) -> Result<AuditKeys, Error> {
        let rows = self.directory.keys_of(&OrgId::cloud(), KeyUse::Audit).await?;
        let public = |public: &[u8]| serde_json::from_slice::<PublicJwk>(public).ok();
        let all = rows.iter().filter_map(|key| public(&key.public.0)).collect();
        let current = rows
            .iter()
            .filter(|key| key.state == latchkey_directory::values::KeyState::Active)
            .max_by_key(|key| key.activated_at)
            .ok_or_else(|| Error::Internal("no audit key is in use".to_owned()))?;
        Ok(AuditKeys { current: ed25519(&self.directory, current)?, all })
    }

    /// A checkpoint for every organization in which something happened. One that fails is in nobody else's way: the first failure is
    /// answered at the end.
    pub async fn checkpoint_all(&self) -> Result<(), Error> {
        let keys = self.audit_keys().await?;
        let organizations = self.directory.organizations().await?.into_iter().map(|view| view.id);
        let mut outcome = Ok(());
        for org in organizations.chain([OrgId::cloud()]) {
            match self.directory.checkpoint(&org, &keys).await {
                // Out of reach of whoever can write to the store only.
                Ok(Some(body)) => tracing::info!(target: "audit", %org, checkpoint = %body, "checkpoint"),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%org, %error, "no checkpoint could be written");
                    outcome = outcome.and(Err(error));
                }
            }
        }
        outcome
    }
}

impl App {
    /// Takes away what has served its time. Devices only under a clock that can be believed.
    pub async fn tidy(&self, clock: &mut ClockWatch) -> Result<(), Error> {
        metrics::counter!("latchkey_refusals_not_recorded_total").absolute(self.directory.refusals_dropped());
        self.directory.tidy().await?;
        self.directory.count_events().await?;
        if self.directory.clock_is_steady(clock).await? {
            self.directory.clean_up_devices().await?;
        } else {
            tracing::warn!("the clock jumped within the last day: no device is retired or removed for being old");
        }
        Ok(())
    }
}

/// Runs until the server is told to stop.
pub(super) async fn run(app: Arc<App>) {
    let mut stopping = app.stopping.clone();
    let mut checkpoint = tokio::time::interval(CHECKPOINT_EVERY);
    let mut tidy = tokio::time::interval(TIDY_EVERY);
    let mut root = tokio::time::interval(ROOT_EVERY);
    let mut clock = ClockWatch::default();
    loop {
        let result = tokio::select! {
            _ = checkpoint.tick() => app.checkpoint_all().await,
            _ = tidy.tick() => app.tidy(&mut clock).await,
            _ = root.tick() => app.roots.refresh().await,
            // The sender going away is the end as well.
            _ = stopping.changed() => return,
        };
        if let Err(error) = result {
            tracing::warn!(%error, "housekeeping failed; it is tried again");
        }
    }
}

/// Ready only while the store can be written.
pub(super) struct StoreCheck(pub(super) Arc<App>);

#[async_trait]
impl Check for StoreCheck {
    fn name(&self) -> &'static str {
        "store"
    }

    async fn check(&self) -> Result<(), Unready> {
        self.0.directory.ready().await.map_err(|error| {
            let unready = Unready::new(Code::Shared(latchkey_wire::Code::Node001), error.to_string());
            let fix = error.fix().map_or_else(|| unready.fix.clone(), str::to_owned);
            Unready { fix, ..unready }
        })
    }
}
