//! `GET /.well-known/latchkey?domain=D`: public, signed, and without a word about domains that were not asked for.

use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use latchkey_directory::OrgId;
use latchkey_directory::audit::{Actor, ActorKind};
use latchkey_directory::names::domain_name;
use latchkey_directory::refusal::Remembered;
use latchkey_wire::{Binary, Code};

use super::document::Facts;
use crate::app::{App, MIN_CONNECTOR};
use crate::problem::{Problem, Result};
use crate::serve::host::ClientAddr;

/// The longest text that can be a domain, with the dot at its end.
const MAX_DOMAIN: usize = 254;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    domain: String,
}

pub(super) async fn well_known(
    State(app): State<Arc<App>>,
    Extension(ClientAddr(client)): Extension<ClientAddr>,
    asked: std::result::Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Result<Response> {
    app.limits.unauthenticated(client)?;
    let Query(Asked { domain }) =
        asked.map_err(|_| Problem::of(Code::Api001).detail("ask with ?domain=, the user domain of the device"))?;
    let Some(name) = Some(&domain).filter(|text| text.len() <= MAX_DOMAIN).and_then(|text| domain_name(text).ok())
    else {
        return Err(not_here(&app, client, "what was asked for is no domain name".to_owned()).await);
    };
    let Some(org) = app.directory.domain_owner(&name).await.map_err(crate::enroll::unavailable)? else {
        return Err(not_here(&app, client, format!("no organization has verified the domain {name}")).await);
    };
    let keys = app.keys.of(&org).await.map_err(crate::enroll::unavailable)?;
    let root = app.roots.current();
    let facts = Facts {
        iss: app.iss.clone(),
        org: org.to_string(),
        // As it was asked: the connector compares it with its own setting.
        domain,
        public_urls: app.public_urls.clone(),
        challenge_keys: keys.challenge_published.clone(),
        device_ca: keys.device_ca_published.iter().cloned().map(Binary).collect(),
        tls_spki_sha256: app.tls_spki_sha256(),
        min_connector: MIN_CONNECTOR.to_owned(),
        serial: super::serial(&keys, &root, app.directory.now()),
    };
    let answer = app.documents.answer(&root.key, &root.chain, facts).map_err(Problem::internal)?;
    let mut response = answer.json.clone().into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// The refusal of a device whose domain nobody has, remembered for the operator: it is what a mistyped userDomain looks like. No
/// organization is told; the whole cloud's record takes one for each network and minute.
async fn not_here(app: &App, client: std::net::IpAddr, detail: String) -> Problem {
    let address = Some(client.to_canonical().to_string());
    let remembered = Remembered {
        actor: Actor { kind: ActorKind::Device, id: String::new(), address },
        action: "device.ask",
        code: Code::Cloud001.to_string(),
        subject: String::new(),
        address: Some(client),
        detail: detail.clone(),
        proven: false,
    };
    let reference = app.directory.remember_refusal(&OrgId::cloud(), remembered).await;
    Problem::of(Code::Cloud001).reason(detail).with_reference(reference)
}
