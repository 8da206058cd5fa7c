//! Our own metadata, signed by the metadata key.
//!
//! Owns when a new edition is signed: when keys or the name changed, and once a day. Must not know who asks.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use latchkey_directory::{Bytes, Error, OrgId, Timestamp};
use latchkey_saml::metadata::{IdpMetadata, Published};

use super::{jiff_time, sso_url};
use crate::app::{App, OrgKeys};
use crate::problem::{Problem, Result};
use crate::signin::refuse;

const DAY: u64 = 24 * 60 * 60;

/// So many days an edition is good. Services refresh far more often; a cloud that is down for a week breaks none of them.
const VALID_DAYS: u64 = 14;

/// For so many seconds a service may keep an edition: what a roll-over has to wait for.
const CACHE_SECONDS: u32 = 60 * 60;

/// What an edition follows from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Edition {
    org: OrgId,
    name: String,
    origin: String,
    /// Over the certificates of every key in it.
    keys: Bytes<32>,
    day: u64,
}

/// The current edition of an organization's metadata.
pub async fn idp_metadata(app: &App, org: &OrgId) -> std::result::Result<Arc<Vec<u8>>, Error> {
    let keys = app.keys.of(org).await?;
    let organization = app.directory.organization(org.as_str()).await?;
    let day = app.seconds() / DAY;
    let edition = Edition {
        org: org.clone(),
        name: organization.name.clone(),
        origin: app.origin().to_owned(),
        keys: published_hash(&keys),
        day,
    };
    if let Some(document) = app.saml.documents.get(&edition) {
        return Ok(document);
    }
    let sso = sso_url(app, org);
    let published: Vec<_> = keys.assertion_published.iter().map(|certificate| Published { certificate }).collect();
    let document = IdpMetadata {
        id: &latchkey_saml::id_from_random(&latchkey_wire::sign::random_bytes()),
        entity_id: &organization.entity_id,
        sso_redirect: &sso,
        sso_post: &sso,
        assertion_keys: &published,
        display_names: &[("en", organization.name.as_str())],
        logo: None,
        want_authn_requests_signed: false,
        valid_until: jiff_time(Timestamp::from_seconds((day + VALID_DAYS) * DAY)),
        cache_seconds: CACHE_SECONDS,
    };
    let document = document.sign(&keys.metadata).map_err(|e| Error::Internal(format!("the metadata: {e}")))?;
    let document = Arc::new(document);
    app.saml.documents.insert(edition, Arc::clone(&document));
    Ok(document)
}

fn published_hash(keys: &OrgKeys) -> Bytes<32> {
    let mut all = keys.metadata.certificate().der().to_vec();
    keys.assertion_published.iter().for_each(|certificate| all.extend_from_slice(certificate.der()));
    latchkey_directory::sha256(&all)
}

/// `GET /o/{org}/saml/metadata`.
pub(super) async fn serve(State(app): State<Arc<App>>, Path(org): Path<String>) -> Result<Response> {
    let org: OrgId = org.parse().map_err(|_| Problem::not_found())?;
    let document = idp_metadata(&app, &org).await.map_err(refuse::of_error)?;
    let headers = [(CONTENT_TYPE, "application/samlmetadata+xml"), (CACHE_CONTROL, "max-age=300")];
    Ok((headers, document.as_ref().clone()).into_response())
}
