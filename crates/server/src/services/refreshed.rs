//! Reading a service's metadata again from where it came.
//!
//! Owns what is shown of a change before it is approved. Must not know who approves it.

use latchkey_directory::services::{Refreshed, ServiceSettings, ServiceView};
use latchkey_directory::{Bytes, Error, Intent, OrgId, sha256};
use latchkey_saml::keys::Certificate;
use latchkey_saml::metadata::ServiceMetadata;
use serde::Serialize;
use utoipa::ToSchema;

use super::described::{describe, fetch};
use crate::app::App;
use crate::net::fetch::Reach;
use crate::problem::{Problem, Result};
use crate::saml::jiff_time;
use crate::saml::known::read_metadata;

/// What a refresh came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefreshAnswer {
    /// `unchanged`, `pending` (it waits for approval) or `applied`.
    pub refresh: &'static str,
    /// What the fetched metadata says.
    pub found: FoundMetadata,
    /// The service.
    #[serde(flatten)]
    pub service: ServiceView,
}

/// The parts of metadata that decide where answers go and whose requests are believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FoundMetadata {
    /// Entity id.
    pub entity_id: String,
    /// Consumer addresses.
    pub acs: Vec<String>,
    /// SHA-256 fingerprints of the certificates that sign requests.
    pub signing_keys: Vec<String>,
}

impl FoundMetadata {
    /// Of metadata.
    #[must_use]
    pub fn of(metadata: &ServiceMetadata) -> Self {
        let posts = metadata.consumers.iter().filter(|consumer| consumer.is_post());
        Self {
            entity_id: metadata.entity_id.clone(),
            acs: posts.map(|consumer| consumer.location.clone()).collect(),
            signing_keys: metadata.signing_keys.iter().map(Certificate::fingerprint_sha256).collect(),
        }
    }
}

/// Reads metadata again from where it came. A change waits for approval (the SHA-256 of what was looked at, in hexadecimal), unless it is signed
/// under the certificate that is set for it.
pub async fn refresh(
    app: &App,
    reach: Reach,
    intent: &Intent,
    org: &OrgId,
    which: &str,
    approve: Option<&str>,
) -> Result<RefreshAnswer> {
    let approved = approve.map(approved).transpose()?;
    let record = app.directory.service_record(org, which).await?;
    let Some(url) = &record.metadata_url else {
        let fix = "give the new metadata: latchkey service set NAME --metadata FILE|URL";
        return Err(Error::state("the service's metadata did not come from an address", fix).into());
    };
    let settings = ServiceSettings::of(&record)?;
    let text = fetch(app, url, reach).await?;
    let now = jiff_time(app.directory.now());
    let parsed = read_metadata(&text, &settings, now)
        .map_err(|e| Problem::of(crate::code::Code::saml(e.code())).detail(format!("what {url} answers: {e}")))?;
    // A federation's key signs the metadata of many: it vouches for a change of this service, not for another in its place.
    let vouched = settings.metadata_certificate.is_some() && parsed.entity_id == record.entity_id;
    let approved = approved.or_else(|| vouched.then(|| sha256(&text)));
    let found = FoundMetadata::of(&parsed);
    let described = describe(parsed, text, Some(url.clone()));
    let (outcome, service) = app.directory.refresh_service(intent, org, &record.id, described, approved).await?;
    let refresh = match outcome {
        Refreshed::Unchanged => "unchanged",
        Refreshed::Pending(_) => "pending",
        Refreshed::Applied => "applied",
    };
    Ok(RefreshAnswer { refresh, found, service })
}

fn approved(text: &str) -> Result<Bytes<32>> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).unwrap_or_default();
    let bytes = <[u8; 32]>::try_from(bytes.as_slice());
    bytes.map(Bytes).map_err(|_| Error::field("/approve", "approve is a SHA-256 in hexadecimal").into())
}
