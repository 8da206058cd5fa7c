//! Domains with their DNS record: claimed with a value of their own, verified when it is seen.
//!
//! Owns how the two sides meet, for portal and REST alike. Must not know what a verified domain is good for, nor how DNS is asked.

use latchkey_directory::domains::{DomainProof, DomainView};
use latchkey_directory::{Intent, OrgId};

use crate::app::App;
use crate::net::dns::{Record, record};
use crate::problem::{Problem, Result};

/// Claims a domain. The answer names the DNS record that verifies it.
pub async fn add(app: &App, intent: &Intent, org: &OrgId, name: &str) -> Result<DomainView> {
    let secret = app.directory.master().derive("domain-challenge");
    let of = org.clone();
    let challenge = move |name: &str| record(&secret, of.as_str(), name).value;
    Ok(app.directory.add_domain(intent, org, name, challenge).await?)
}

/// Looks for the record at the zone's own servers, and verifies the domain if it is there.
pub async fn by_record(app: &App, intent: &Intent, org: &OrgId, name: &str) -> Result<DomainView> {
    let domain = app.directory.domain(org, name).await?;
    let wanted = Record { name: domain.record.name, value: domain.record.value };
    let verdict = app.domain_check.check(&domain.name, &wanted).await;
    if let Some((code, detail)) = verdict.complaint(&wanted) {
        return Err(Problem::of(code).detail(detail));
    }
    Ok(app.directory.verify_domain(intent, org, name, DomainProof::Record).await?)
}
