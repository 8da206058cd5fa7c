//! What every concern of the server shares: the directory, the cloud's identity, its keys, and what is sealed.
//!
//! Owns the shared state of handlers and its construction. A concern (`enroll/`, `signin/`, `saml/`, `api/`, …) mounts its own routes and
//! never calls another's handlers; they meet in the directory. Must not know a request.

mod build;
mod keys;
mod organizations;
mod recheck;
mod tasks;

use std::sync::Arc;

use latchkey_directory::{Directory, OrgId, Timestamp};
use latchkey_wire::message::{Common, Version};
use latchkey_wire::{Bytes, Pin, Sign as _, Thumbprint};

use crate::cloud::document::Documents;
use crate::net::dns::DomainCheck;
use crate::serve::health::{Check, ClockCheck, unix_now};
use crate::serve::settings::Settings;
use crate::serve::tls::TlsKeys;
use crate::signin::seal::SealKeys;

pub use build::{assemble, build, open_store};
pub(crate) use build::{failure, store_failure};
pub use keys::{KeyCache, OrgKeys, Root, Roots, ed25519};
pub use organizations::{key_algorithm, new_key};

/// So far the clock may be before the newest audit checkpoint.
const CLOCK_TOLERANCE: std::time::Duration = std::time::Duration::from_secs(5 * 60);

/// The oldest connector that may enroll.
pub const MIN_CONNECTOR: &str = "0.1.0";

/// The shared state of all handlers.
pub struct App {
    /// The domain.
    pub directory: Directory,
    /// What the process was started with.
    pub settings: Arc<Settings>,
    /// The issuer's name, frozen when the cloud was made.
    pub iss: String,
    /// The cloud's public addresses, `scheme://host[:port]`, the primary one first.
    pub public_urls: Vec<String>,
    /// The cloud name that devices are given: `host[:port]`.
    pub cloud_name: String,
    /// The root key in use and the chain that leads to it.
    pub roots: Roots,
    /// The keys of organizations, opened.
    pub keys: KeyCache,
    /// Seals nonces and transactions.
    pub seals: SealKeys,
    /// Makes the tokens of forms.
    pub form_key: crate::portal::csrf::FormKey,
    /// Files of users that wait for a yes.
    pub imports: crate::portal::identity::waiting::Waiting<Vec<latchkey_directory::users::ImportLine>>,
    /// Logos that wait for a yes.
    pub logos: crate::portal::identity::waiting::Waiting<Vec<u8>>,
    /// The store's incarnation, part of every seal.
    pub incarnation: [u8; 16],
    /// Cloud documents, signed and remembered.
    pub documents: Documents,
    /// What failed or asked without proof, by source address.
    pub limits: crate::net::limits::SourceLimits,
    /// What the SAML part remembers.
    pub saml: crate::saml::Saml,
    /// Passkeys of this cloud.
    pub passkeys: crate::signin::passkeys::Passkeys,
    /// The TLS keys that the cloud document lists.
    pub tls_keys: TlsKeys,
    /// Looks for the records of domains.
    pub domain_check: DomainCheck,
    /// How many passwords may be tried at once: each takes a core and 64 MiB for a good part of a second.
    pub password_work: tokio::sync::Semaphore,
    /// Sends mail, where a mail server is set up.
    pub mail: Option<crate::mail::Mailer>,
    /// Becomes true when the server is told to stop: long answers end then.
    pub stopping: tokio::sync::watch::Receiver<bool>,
}

impl App {
    /// The origin of the issuer, the primary public address.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.public_urls[0]
    }

    /// The pin of the root key, as the option `cloudKey` takes it.
    #[must_use]
    pub fn cloud_key(&self) -> String {
        self.pin().to_string()
    }

    /// The root's pin: what a device token carries.
    #[must_use]
    pub fn pin(&self) -> Pin {
        self.roots.current().pin()
    }

    /// The thumbprint of the root in use.
    #[must_use]
    pub fn rk(&self) -> Thumbprint {
        self.roots.current().key.public().thumbprint()
    }

    /// SHA-256 of the TLS keys that count as trusted.
    #[must_use]
    pub fn tls_spki_sha256(&self) -> Vec<Bytes<32>> {
        self.tls_keys.current().into_iter().map(Bytes).collect()
    }

    /// The time in whole seconds, as the protocol counts.
    #[must_use]
    pub fn seconds(&self) -> latchkey_wire::Seconds {
        self.directory.now().seconds()
    }

    /// What every message of the cloud says of itself.
    #[must_use]
    pub fn common(&self, org: &OrgId, nonce: String, iat: latchkey_wire::Seconds) -> Common {
        Common { v: Version, iss: self.iss.clone(), org: org.to_string(), rk: self.rk(), nonce, iat }
    }

    /// The SAML entity id of an organization that is made now: its metadata address.
    #[must_use]
    pub fn entity_id(&self, org: &OrgId) -> String {
        format!("{}/o/{org}/saml/metadata", self.origin())
    }
}

/// What the clock must not be before: the build, and the newest checkpoint with some room for nodes whose clocks differ.
fn clock_checks(accepted: bool, newest_checkpoint: Option<Timestamp>) -> Vec<ClockCheck> {
    let newest = newest_checkpoint.map(|newest| {
        let seconds = newest.minus(CLOCK_TOLERANCE).millis() / 1000;
        ClockCheck::against(seconds, "the audit log has a checkpoint of that time", accepted, unix_now)
    });
    newest.into_iter().chain([ClockCheck::against_build(accepted)]).collect()
}

/// What the shell serves: every concern's routes.
fn serve_app(
    app: Arc<App>,
    clock: Vec<ClockCheck>,
    setup_url: Option<zeroize::Zeroizing<String>>,
) -> crate::serve::App {
    let mut checks: Vec<Arc<dyn Check>> = vec![Arc::new(tasks::StoreCheck(Arc::clone(&app)))];
    checks.extend(clock.into_iter().map(|check| Arc::new(check) as Arc<dyn Check>));
    tokio::spawn(tasks::run(Arc::clone(&app)));
    tokio::spawn(recheck::run(Arc::clone(&app)));
    tokio::spawn(crate::mail::sender::run(Arc::clone(&app)));
    let (public, operator) = crate::api::routes(&app);
    let public = public.merge(crate::home::routes()).merge(crate::cloud::routes()).merge(crate::enroll::routes());
    let public = public.merge(crate::saml::routes()).merge(crate::signin::routes()).merge(crate::portal::routes(&app));
    crate::serve::App {
        cloud_key: app.cloud_key(),
        public: public.with_state(Arc::clone(&app)),
        operator: operator.with_state(Arc::clone(&app)),
        checks,
        setup_url,
        at_stop: Some(Box::pin(async move {
            if let Err(error) = app.checkpoint_all().await {
                tracing::warn!(%error, "no last checkpoint was written");
            }
            app.directory.close().await;
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn r25_a_clock_before_the_newest_checkpoint_closes_the_server_unless_accepted() {
        let now = Timestamp::from_millis(unix_now() * 1000);
        for (ahead, accepted, open) in [(0, false, true), (4, false, true), (6, false, false), (6, true, true)] {
            let newest = now.plus(std::time::Duration::from_secs(ahead * 60));
            let mut good = true;
            for check in clock_checks(accepted, Some(newest)) {
                assert!(check.gates());
                good &= check.check().await.is_ok();
            }
            assert_eq!(good, open, "{ahead} minutes ahead, accepted: {accepted}");
        }
    }
}
