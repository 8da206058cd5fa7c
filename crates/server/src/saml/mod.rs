//! SAML single sign-on: requests in, responses out, our metadata.
//!
//! Owns the routes `/o/{org}/saml/…`, what is remembered of services' metadata, and how a person is told to a service. Must not know how
//! somebody proves who they are: that is `signin/`'s, which asks here for the answer.

pub mod answer;
pub mod known;
mod metadata;
mod sso;
pub mod subject;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use latchkey_directory::{Error, OrgId};
use zeroize::Zeroizing;

use crate::app::App;
use crate::net::fetch::{FetchSettings, Fetcher};

pub use metadata::idp_metadata;

/// The largest form with a request: 64 KiB of XML in base64 and percent signs, and RelayState.
const MAX_FORM: usize = 256 * 1024;

/// How many organizations' facts and documents stay in memory.
const REMEMBERED: u64 = 1024;

/// What the SAML part remembers. Nothing in here can be revoked.
pub struct Saml {
    /// Records of services, parsed.
    pub parsed: known::Parsed,
    facts: moka::sync::Cache<OrgId, Arc<OrgFacts>>,
    documents: moka::sync::Cache<metadata::Edition, Arc<Vec<u8>>>,
    fetcher: std::sync::OnceLock<Fetcher>,
}

impl Default for Saml {
    fn default() -> Self {
        Self {
            parsed: known::Parsed::default(),
            facts: moka::sync::Cache::new(REMEMBERED),
            documents: moka::sync::Cache::new(REMEMBERED),
            fetcher: std::sync::OnceLock::new(),
        }
    }
}

/// What never changes about an organization.
pub struct OrgFacts {
    /// The entity id, frozen at creation.
    pub entity_id: String,
    /// The secret of pairwise identifiers.
    pub pairwise: Zeroizing<[u8; 32]>,
}

impl Saml {
    /// Fetches services' metadata. Made when it is first needed, since it reads every CA of the machine.
    pub fn fetcher(&self) -> Result<&Fetcher, Error> {
        if let Some(fetcher) = self.fetcher.get() {
            return Ok(fetcher);
        }
        let fetcher = Fetcher::new(FetchSettings::default()).map_err(|e| Error::Internal(format!("TLS: {e}")))?;
        Ok(self.fetcher.get_or_init(|| fetcher))
    }

    /// The facts of an organization, read now or remembered.
    pub async fn facts(&self, app: &App, org: &OrgId) -> Result<Arc<OrgFacts>, Error> {
        if let Some(facts) = self.facts.get(org) {
            return Ok(facts);
        }
        let entity_id = app.directory.organization(org.as_str()).await?.entity_id;
        let pairwise = app.directory.pairwise_secret(org).await?;
        let facts = Arc::new(OrgFacts { entity_id, pairwise });
        self.facts.insert(org.clone(), Arc::clone(&facts));
        Ok(facts)
    }
}

/// Where requests come, by either binding.
#[must_use]
pub fn sso_url(app: &App, org: &OrgId) -> String {
    format!("{}/o/{org}/{}", app.origin(), latchkey_wire::calls::path::SSO)
}

/// The time as the SAML library counts it.
#[must_use]
pub fn jiff_time(at: latchkey_directory::Timestamp) -> jiff::Timestamp {
    // Only a clock outside the calendar's range gets the other value, and then every validity check fails closed.
    jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(jiff::Timestamp::MAX)
}

/// The routes of this concern.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/o/{org}/saml/metadata", get(metadata::serve))
        .route("/o/{org}/saml/sso", get(sso::redirect).post(sso::post).layer(DefaultBodyLimit::max(MAX_FORM)))
}
