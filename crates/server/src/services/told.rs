//! What a service would be told about a user, and what its side needs to know of ours.
//!
//! Owns the preview, by the same rules as a sign-in, and the hand-over sheet. Must not know sessions: nothing here signs anybody in.

use jiff::SignedDuration;
use latchkey_directory::orgs::OrganizationView;
use latchkey_directory::records::User;
use latchkey_directory::{Error, OrgId};
use latchkey_saml::authn_context::{self, EvidenceLevel};
use latchkey_saml::handover::{Sheet, Target};
use latchkey_saml::keys::{self, SignatureAlgorithm, Signer};
use latchkey_saml::response::{Reply, ResponseSpec};
use latchkey_wire::Level;
use latchkey_wire::sign::random_bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::problem::{Problem, Result};
use crate::saml::known::Known;
use crate::saml::subject::Unfit;
use crate::saml::{jiff_time, sso_url, subject};

/// What a service would be told about a user.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewAnswer {
    /// Whether the user may use the service at all.
    pub entitled: bool,
    /// The identifier.
    pub name_id: PreviewNameId,
    /// What is released.
    pub attributes: Vec<PreviewAttribute>,
    /// The lowest evidence level that is asked for.
    #[schema(value_type = u8)]
    pub min_evidence: Level,
}

/// An identifier.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewNameId {
    /// `email`, `persistent`, `transient` or `unspecified`.
    pub format: &'static str,
    /// Its value; a transient one is another each time.
    pub value: String,
}

/// An attribute.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewAttribute {
    /// Its name at the service.
    pub name: String,
    /// Its friendly name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub friendly_name: Option<String>,
    /// Its values.
    pub values: Vec<String>,
}

/// The service's record, with its metadata and settings parsed.
pub async fn known(app: &App, org: &OrgId, which: &str) -> Result<Known> {
    let record = app.directory.service_record(org, which).await?;
    let now = jiff_time(app.directory.now());
    Known::of(&app.saml.parsed, record, now).map_err(|e| Problem::of(e.code()).detail(e.to_string()))
}

/// The user as the service would see it, the names of the groups, and whether the user may use the service.
async fn person(app: &App, org: &OrgId, known: &Known, user: &str) -> Result<(User, Vec<String>, bool)> {
    if user.is_empty() {
        return Err(Error::field("/user", "user is missing").into());
    }
    let found = app.directory.user_for_service(org, &known.service.id, user).await;
    found.map_err(|error| match error {
        // What the call names is the user, and there is none: not a wrong value, but nothing to show yet.
        Error::NotFound { noun: "user", .. } => Problem::not_found()
            .detail(format!("there is no user {user}"))
            .fix(format!("latchkey user create {user}, or let a device bring the user up: latchkey policy set --jit")),
        error => error.into(),
    })
}

fn unfit(unfit: Unfit) -> Problem {
    Problem::of(crate::code::Code::saml(unfit.code)).detail(unfit.detail)
}

/// What the service would be told about a user.
pub async fn preview(app: &App, org: &OrgId, which: &str, user: &str) -> Result<PreviewAnswer> {
    let known = known(app, org, which).await?;
    let (user, groups, entitled) = person(app, org, &known, user).await?;
    let facts = app.saml.facts(app, org).await?;
    let entity_id = &known.metadata.entity_id;
    let name_id = subject::name_id(&known.settings, None, &user, &groups, entity_id, &facts.pairwise).map_err(unfit)?;
    let attributes = subject::attributes(&known.settings, &user, &groups).into_iter();
    Ok(PreviewAnswer {
        entitled,
        name_id: PreviewNameId { format: name_id.format.name(), value: name_id.value },
        attributes: attributes
            .map(|a| PreviewAttribute { name: a.name, friendly_name: a.friendly_name, values: a.values })
            .collect(),
        min_evidence: known.service.min_evidence,
    })
}

/// The document the service would get about a user who is proven at this level, for people to read. With a signature it would be a key to the
/// user's account there, so it never has one: it is signed by a key made for the moment, and that signature is cut out.
pub async fn assertion(app: &App, org: &OrgId, which: &str, user: &str, level: Level) -> Result<String> {
    let known = known(app, org, which).await?;
    let (user, groups, _) = person(app, org, &known, user).await?;
    let facts = app.saml.facts(app, org).await?;
    let entity_id = &known.metadata.entity_id;
    let name_id = subject::name_id(&known.settings, None, &user, &groups, entity_id, &facts.pairwise).map_err(unfit)?;
    let attributes = subject::attributes(&known.settings, &user, &groups);
    let acs = known
        .metadata
        .default_acs()
        .ok_or_else(|| Problem::internal("a stored service has a consumer address that takes answers by POST"))?;
    let internal = |error: &dyn std::fmt::Display| Problem::internal(format!("the preview: {error}"));
    let evidence = EvidenceLevel::new(level.number()).ok_or_else(|| internal(&"an evidence level"))?;
    let class = authn_context::decide(None, evidence).ok_or_else(|| internal(&"an authentication context"))?;
    let now = jiff_time(app.directory.now());
    let made = keys::generate(SignatureAlgorithm::EcdsaP256, "preview", now, 1).map_err(|e| internal(&e))?;
    let key = Signer::from_generated(&made).map_err(|e| internal(&e))?;
    let new_id = || latchkey_saml::id_from_random(&random_bytes());
    let (response_id, assertion_id, session) = (new_id(), new_id(), new_id());
    let spec = ResponseSpec {
        response_id: &response_id,
        assertion_id: &assertion_id,
        issuer: &facts.entity_id,
        audience: entity_id,
        reply: Reply::Unsolicited(&acs),
        now,
        lifetime: SignedDuration::from_secs(300),
        name_id: &name_id,
        authn_instant: now,
        session_index: &session,
        session_not_on_or_after: None,
        authn_context_class: class,
        evidence,
        attributes: &attributes,
        sign_response: false,
    };
    let signed = spec.sign(&key).map_err(|e| internal(&e))?;
    let text = std::str::from_utf8(signed.xml()).map_err(|e| internal(&e))?;
    Ok(indented(&unsigned(text)))
}

/// The document without its signatures.
fn unsigned(xml: &str) -> String {
    const BEGIN: &str = "<ds:Signature";
    const END: &str = "</ds:Signature>";
    let mut out = String::with_capacity(xml.len());
    let mut rest = xml;
    while let Some(at) = rest.find(BEGIN) {
        out.push_str(&rest[..at]);
        rest = rest[at..].find(END).map_or("", |end| &rest[at + end + END.len()..]);
    }
    out.push_str(rest);
    out
}

/// One element a line. Our writer escapes `<` everywhere and `>` in texts, so that `><` is always the border of two tags.
#[must_use]
pub fn indented(xml: &str) -> String {
    let mut out = String::with_capacity(xml.len() * 2);
    let mut depth = 0_usize;
    for (at, piece) in xml.split("><").enumerate() {
        let closes = at > 0 && piece.starts_with('/');
        if closes {
            depth = depth.saturating_sub(1);
        }
        if at > 0 {
            out.push_str(">\n");
            out.push_str(&"  ".repeat(depth));
            out.push('<');
        }
        out.push_str(piece);
        // `<a` opens, `<a>text</a` opens and closes, `<a/` is both in one.
        if !closes && !piece.ends_with('/') && !piece.contains("</") {
            depth += 1;
        }
    }
    out
}

/// What to send to whoever runs the service, in the words of its software.
pub async fn handover(app: &App, organization: &OrganizationView, known: &Known, target: Target) -> Result<String> {
    let org = &organization.id;
    let keys = app.keys.of(org).await?;
    let sheet = Sheet {
        entity_id: &organization.entity_id,
        metadata_url: &format!("{}/o/{org}/saml/metadata", app.origin()),
        sso_url: &sso_url(app, org),
        certificate: keys.assertion(known.settings.algorithm).certificate(),
        service: &known.metadata,
        name_id: known.settings.name_id.format(),
        attributes: &known.settings.mapping,
    };
    Ok(sheet.text(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_shown_line_by_line_and_without_its_signature() {
        let xml = "<a x=\"1>2\"><ds:Signature xmlns:ds=\"d\"><b>sig</b></ds:Signature><c><d>t</d><e/></c></a>";
        let text = indented(&unsigned(xml));
        assert_eq!(text, "<a x=\"1>2\">\n  <c>\n    <d>t</d>\n    <e/>\n  </c>\n</a>");
    }
}
