//! How a service is described: the fields of a new or changed one, and where its metadata is taken from.
//!
//! Owns what portal and REST have in common there. Must not know forms or JSON bodies beyond the names of the fields.

use latchkey_directory::patch::Patch;
use latchkey_directory::services::{Described, Entitled, ServiceSettings};
use latchkey_directory::values::{SignAlgorithm, SignWhat};
use latchkey_directory::{Error, FieldProblem};
use latchkey_saml::metadata::{ConsumerService, ServiceMetadata};
use latchkey_wire::Level;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::net::fetch::Reach;
use crate::problem::{Problem, Result};
use crate::saml::jiff_time;
use crate::saml::known::{SamlSettings, by_hand, certificate_setting, http_policy, read_metadata};

/// A service, new or changed: described by `metadata`, by `metadata_url`, or by `entity_id` and `acs`. Absent fields stay, or have their default.
#[derive(Debug, Default, Clone, Deserialize, ToSchema)]
pub struct ServiceFields {
    /// Its name here: letters, digits, `-`, `_`, `.`.
    pub name: Option<String>,
    /// Its SAML metadata.
    pub metadata: Option<String>,
    /// Where its SAML metadata is.
    pub metadata_url: Option<String>,
    /// Its entity id, where there is no metadata.
    pub entity_id: Option<String>,
    /// Its consumer addresses, where there is no metadata.
    pub acs: Option<Vec<String>>,
    /// `email`, `persistent`, `transient` or `unspecified:ATTRIBUTE`.
    pub name_id: Option<String>,
    /// `"basic"`, `"none"`, or a list of rules `{name, friendly_name, format, source}`.
    #[schema(value_type = Object)]
    pub attributes: Option<Value>,
    /// Who may use it: `everyone`, `group:NAME`, `user:LOGIN`; replaces the list.
    pub entitle: Option<Vec<String>>,
    /// The lowest evidence level, 0 to 5.
    #[schema(value_type = u8)]
    pub min_evidence: Option<Level>,
    /// What is signed.
    pub sign: Option<SignWhat>,
    /// With which algorithm.
    pub algorithm: Option<SignAlgorithm>,
    /// Whether a sign-in may begin at `/o/{org}/saml/sso?service=NAME`, without a request of the service.
    pub idp_initiated: Option<bool>,
    /// Whether consumer addresses may be plain http.
    pub allow_http: Option<bool>,
    /// The certificate whose key signs its metadata, PEM or base64: metadata that is given or fetched must then be signed by it, and a
    /// refresh needs no approval; `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub metadata_certificate: Patch<String>,
}

impl ServiceFields {
    pub(super) fn settings(&self, mut settings: ServiceSettings, wrong: &mut Vec<FieldProblem>) -> ServiceSettings {
        let fields = self.clone();
        settings.name_id = fields.name_id.unwrap_or(settings.name_id);
        settings.attributes = fields.attributes.unwrap_or(settings.attributes);
        settings.sign = fields.sign.unwrap_or(settings.sign);
        settings.algorithm = fields.algorithm.unwrap_or(settings.algorithm);
        settings.idp_initiated = fields.idp_initiated.unwrap_or(settings.idp_initiated);
        settings.allow_http = fields.allow_http.unwrap_or(settings.allow_http);
        match fields.metadata_certificate.try_map(|text| certificate_setting(&text)) {
            Ok(patch) => patch.apply(&mut settings.metadata_certificate),
            Err(why) => wrong.push(FieldProblem::invalid("/metadata_certificate", format!("the certificate: {why}"))),
        }
        wrong.extend(SamlSettings::parse(&settings).err().into_iter().flatten());
        settings
    }

    pub(super) fn entitled(&self, wrong: &mut Vec<FieldProblem>) -> Option<Vec<Entitled>> {
        let words = self.entitle.as_ref()?;
        let one = |(at, text): (usize, &String)| {
            text.parse().map_err(|e: latchkey_directory::services::NotEntitled| {
                wrong.push(FieldProblem::invalid(format!("/entitle/{at}"), e.to_string()));
            })
        };
        Some(words.iter().enumerate().map(one).filter_map(std::result::Result::ok).collect())
    }

    /// Where the description comes from; `None` if the fields say nothing about it.
    pub(super) fn source(&self, wrong: &mut Vec<FieldProblem>) -> Option<Source<'_>> {
        let by_hand = self.entity_id.is_some() || self.acs.is_some();
        let given = [self.metadata.is_some(), self.metadata_url.is_some(), by_hand];
        if given.iter().filter(|given| **given).count() > 1 {
            let detail = "give one of metadata, metadata_url, or entity_id with acs";
            wrong.push(FieldProblem::invalid("/metadata", detail));
            return None;
        }
        if let Some(text) = &self.metadata {
            return Some(Source::Text(text));
        }
        if let Some(url) = &self.metadata_url {
            return Some(Source::Url(url));
        }
        match (&self.entity_id, &self.acs) {
            (Some(entity_id), Some(acs)) => Some(Source::Hand { entity_id, acs }),
            (Some(_), None) => {
                wrong.push(FieldProblem::invalid("/acs", "entity_id needs acs beside it"));
                None
            }
            (None, Some(_)) => {
                wrong.push(FieldProblem::invalid("/entity_id", "acs needs entity_id beside it"));
                None
            }
            (None, None) => None,
        }
    }
}

/// Where a service's description comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'a> {
    Text(&'a str),
    Url(&'a str),
    Hand { entity_id: &'a str, acs: &'a [String] },
}

impl Source<'_> {
    const fn pointer(&self) -> &'static str {
        match self {
            Self::Text(_) => "/metadata",
            Self::Url(_) => "/metadata_url",
            Self::Hand { .. } => "/acs",
        }
    }

    /// Gets the document and reads it.
    pub(super) async fn described(self, app: &App, reach: Reach, settings: &ServiceSettings) -> Result<Described> {
        let refused = |e: &latchkey_saml::metadata::MetadataError| {
            Problem::of(latchkey_wire::Code::Api010).detail(e.to_string()).field(
                self.pointer(),
                crate::code::Code::saml(e.code()),
                e.to_string(),
            )
        };
        let (text, metadata_url) = match self {
            Self::Text(text) => (text.as_bytes().to_vec(), None),
            Self::Url(url) => (fetch(app, url, reach).await?, Some(url.to_owned())),
            Self::Hand { .. } if settings.metadata_certificate.is_some() => {
                let detail = "what is described by hand is not signed; give metadata, or take the certificate away";
                return Err(Error::field("/metadata_certificate", detail).into());
            }
            Self::Hand { entity_id, acs } => {
                let text = by_hand(entity_id, acs, http_policy(settings.allow_http)).map_err(|e| refused(&e))?;
                (text.into_bytes(), None)
            }
        };
        let now = jiff_time(app.directory.now());
        let parsed = read_metadata(&text, settings, now).map_err(|e| refused(&e))?;
        Ok(describe(parsed, text, metadata_url))
    }
}

pub(super) fn describe(parsed: ServiceMetadata, metadata: Vec<u8>, metadata_url: Option<String>) -> Described {
    let acs = parsed.consumers.into_iter().filter(ConsumerService::is_post).map(|c| c.location).collect();
    Described { entity_id: parsed.entity_id, acs, metadata, metadata_url }
}

pub(super) async fn fetch(app: &App, url: &str, reach: Reach) -> Result<Vec<u8>> {
    let fetched =
        app.saml.fetcher()?.fetch(url, reach, "application/samlmetadata+xml, application/xml, text/xml").await;
    fetched.map(|document| document.body).map_err(|e| {
        Problem::of(e.code()).detail(format!("metadata_url: {e}")).field("/metadata_url", e.code(), e.to_string())
    })
}
