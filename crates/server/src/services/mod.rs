//! Services as administrators handle them: added, changed, refreshed, tried out, handed over. Portal and REST come here alike.
//!
//! Owns what stands between their fields and the directory: getting and reading metadata, and what a service would be told. Must not know how
//! an answer looks.

mod described;
mod refreshed;
mod told;

use latchkey_directory::services::{Entitled, NewService, ServiceChange, ServiceSettings, ServiceView};
use latchkey_directory::{Error, FieldProblem, Intent, OrgId};
use latchkey_saml::metadata::ServiceMetadata;

pub use described::ServiceFields;
pub use refreshed::{FoundMetadata, RefreshAnswer, refresh};
pub use told::{PreviewAnswer, PreviewAttribute, PreviewNameId, assertion, handover, indented, known, preview};

use crate::app::App;
use crate::net::fetch::Reach;
use crate::problem::{Problem, Result};
use crate::saml::jiff_time;
use crate::saml::known::http_policy;

/// Adds a service. Entitled is everyone, unless said otherwise.
pub async fn add(app: &App, reach: Reach, intent: &Intent, org: &OrgId, fields: &ServiceFields) -> Result<ServiceView> {
    let mut wrong = Vec::new();
    let settings = fields.settings(ServiceSettings::default(), &mut wrong);
    let entitle = fields.entitled(&mut wrong).unwrap_or_else(|| vec![Entitled::Everyone]);
    let source = fields.source(&mut wrong);
    if source.is_none() && wrong.is_empty() {
        let detail = "metadata, metadata_url, or entity_id with acs is missing";
        wrong.push(FieldProblem::invalid("/metadata", detail));
    }
    if fields.name.is_none() {
        wrong.push(FieldProblem::invalid("/name", "name is missing"));
    }
    invalid(wrong)?;
    let (Some(source), Some(name)) = (source, fields.name.clone()) else {
        return Err(Problem::internal("what was found complete is not"));
    };
    let described = source.described(app, reach, &settings).await?;
    let min_evidence = fields.min_evidence.unwrap_or_default();
    let new = NewService { name, described, settings, min_evidence, entitle };
    Ok(app.directory.create_service(intent, org, new).await?)
}

/// Changes a service. New metadata takes the place of the old at once.
pub async fn change(
    app: &App,
    reach: Reach,
    intent: &Intent,
    org: &OrgId,
    which: &str,
    fields: &ServiceFields,
) -> Result<ServiceView> {
    let record = app.directory.service_record(org, which).await?;
    let before = ServiceSettings::of(&record)?;
    let mut wrong = Vec::new();
    let settings = fields.settings(before.clone(), &mut wrong);
    let entitle = fields.entitled(&mut wrong);
    let source = fields.source(&mut wrong);
    invalid(wrong)?;
    let described = match source {
        Some(source) => Some(source.described(app, reach, &settings).await?),
        None => None,
    };
    if described.is_none() && before.allow_http && !settings.allow_http {
        // What is stored must be good under the new switch too, or every sign-in would fail.
        let now = jiff_time(app.directory.now());
        ServiceMetadata::parse(&record.metadata.0, now, http_policy(false))
            .map_err(|e| Error::field("/allow_http", format!("the stored metadata: {e}")))?;
    }
    let change = ServiceChange {
        name: fields.name.clone(),
        described,
        settings: (settings != before).then_some(settings),
        min_evidence: fields.min_evidence,
        entitle,
    };
    Ok(app.directory.change_service(intent, org, &record.id, change).await?)
}

fn invalid(wrong: Vec<FieldProblem>) -> Result<()> {
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong).into()) }
}
