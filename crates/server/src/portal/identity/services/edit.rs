//! Adding a service, and changing how it is answered.
//!
//! Owns the form and how its words become fields. Must not know what makes metadata good.

use std::fmt::Write as _;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::patch::Patch;
use latchkey_directory::services::ServiceView;
use latchkey_directory::values::{Scope, SignAlgorithm, SignWhat};
use serde_json::{Value, json};

use super::super::super::doors::{Doors, Needs};
use super::super::super::fields::Fields;
use super::super::super::page::{self, Page};
use super::super::super::visit::Visit;
use super::place;
use crate::app::App;
use crate::net::fetch::Reach;
use crate::problem::{Problem, Result};
use crate::services::{self, ServiceFields};

pub(super) fn doors(doors: Doors) -> Doors {
    let write = Needs::Right(Scope::ServicesWrite);
    doors
        .page(write, "/admin/services/new", new)
        .action(write, "/admin/services/new", add)
        .page(write, "/admin/services/{id}/settings", settings)
        .action(write, "/admin/services/{id}/settings", change)
}

/// What was typed, or the defaults.
struct Typed {
    name: String,
    metadata: String,
    metadata_url: String,
    entity_id: String,
    acs: String,
    name_id: String,
    name_id_attribute: String,
    attributes: String,
    rules: String,
    sign: String,
    algorithm: String,
    min_evidence: String,
    idp_initiated: bool,
    allow_http: bool,
    certificate: String,
    remove_certificate: bool,
}

impl Default for Typed {
    fn default() -> Self {
        Self {
            name: String::new(),
            metadata: String::new(),
            metadata_url: String::new(),
            entity_id: String::new(),
            acs: String::new(),
            name_id: "email".to_owned(),
            name_id_attribute: String::new(),
            attributes: "basic".to_owned(),
            rules: String::new(),
            sign: "assertion".to_owned(),
            algorithm: "rsa-sha256".to_owned(),
            min_evidence: "0".to_owned(),
            idp_initiated: false,
            allow_http: false,
            certificate: String::new(),
            remove_certificate: false,
        }
    }
}

impl Typed {
    fn of(fields: &Fields) -> Self {
        let text = |name: &str| fields.raw(name).unwrap_or_default().trim().to_owned();
        Self {
            name: text("name"),
            metadata: text("metadata"),
            metadata_url: text("metadata_url"),
            entity_id: text("entity_id"),
            acs: text("acs"),
            name_id: text("name_id"),
            name_id_attribute: text("name_id_attribute"),
            attributes: text("attributes"),
            rules: text("rules"),
            sign: text("sign"),
            algorithm: text("algorithm"),
            min_evidence: text("min_evidence"),
            idp_initiated: fields.is_on("idp_initiated"),
            allow_http: fields.is_on("allow_http"),
            certificate: text("metadata_certificate"),
            remove_certificate: fields.is_on("remove_certificate"),
        }
    }

    fn stored(service: &ServiceView) -> Self {
        let (name_id, attribute) = service.name_id.split_once(':').unwrap_or((&service.name_id, ""));
        let word = service.attributes.as_str();
        Self {
            name: service.name.clone(),
            name_id: name_id.to_owned(),
            name_id_attribute: attribute.to_owned(),
            attributes: word.unwrap_or("rules").to_owned(),
            rules: if word.is_some() { String::new() } else { attribute_words(&service.attributes) },
            sign: service.sign.to_string(),
            algorithm: service.algorithm.to_string(),
            min_evidence: service.min_evidence.to_string(),
            idp_initiated: service.idp_initiated,
            allow_http: service.allow_http,
            ..Self::default()
        }
    }
}

/// The rules of an attribute mapping, one a line: source, name, friendly name, format. The words `basic` and `none` stand for themselves.
pub(super) fn attribute_words(attributes: &Value) -> String {
    let Some(rules) = attributes.as_array() else { return attributes.as_str().unwrap_or_default().to_owned() };
    let mut out = String::new();
    for rule in rules {
        let word = |name: &str| rule[name].as_str().filter(|word| !word.is_empty());
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{} {} {} {}",
            word("source").unwrap_or("-"),
            word("name").unwrap_or("-"),
            word("friendly_name").unwrap_or("-"),
            word("format").unwrap_or("uri")
        );
    }
    out
}

/// The same back. A line that is too short keeps its place, so that what is wrong is said about it.
fn rules(text: &str) -> Value {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let rule = |line: &str| {
        let mut words = line.split_whitespace();
        let (source, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut rule = json!({"source": source, "name": name});
        if let Some(friendly) = words.next().filter(|word| *word != "-") {
            rule["friendly_name"] = friendly.into();
        }
        if let Some(format) = words.next() {
            rule["format"] = format.into();
        }
        rule
    };
    lines.map(rule).collect()
}

/// Reads the form. What cannot be read is a wrong field like what the service finds.
fn read(fields: &Fields) -> std::result::Result<ServiceFields, Problem> {
    let text = |name: &str| fields.text(name).map(str::to_owned);
    let mut problem: Option<Problem> = None;
    let mut wrong = |pointer: &str, detail: String| {
        let code = latchkey_wire::Code::Api010;
        let so_far =
            problem.take().unwrap_or_else(|| Problem::of(code).detail("the form has values that cannot be read"));
        problem = Some(so_far.field(pointer, code, detail));
    };
    let min_evidence = fields.parsed("min_evidence").unwrap_or_else(|why| {
        wrong("/min_evidence", why);
        None
    });
    let sign: Option<SignWhat> = fields.parsed("sign").unwrap_or_else(|why| {
        wrong("/sign", why);
        None
    });
    let algorithm: Option<SignAlgorithm> = fields.parsed("algorithm").unwrap_or_else(|why| {
        wrong("/algorithm", why);
        None
    });
    let name_id = match fields.text("name_id") {
        Some("unspecified") => Some(format!("unspecified:{}", fields.text("name_id_attribute").unwrap_or_default())),
        other => other.map(str::to_owned),
    };
    let attributes = match fields.text("attributes") {
        Some("rules") => Some(rules(fields.raw("rules").unwrap_or_default())),
        other => other.map(Value::from),
    };
    let acs = Some(fields.words("acs")).filter(|list| !list.is_empty());
    let metadata_certificate = match fields.text("metadata_certificate") {
        Some(pem) => Patch::Set(pem.to_owned()),
        None if fields.is_on("remove_certificate") => Patch::Clear,
        None => Patch::Keep,
    };
    let read = ServiceFields {
        name: text("name"),
        // A file that was chosen is what is meant, whatever stands in the field beside it.
        metadata: text("metadata_file").or_else(|| text("metadata")),
        metadata_url: text("metadata_url"),
        entity_id: text("entity_id"),
        acs,
        name_id,
        attributes,
        entitle: None,
        min_evidence,
        sign,
        algorithm,
        idp_initiated: Some(fields.is_on("idp_initiated")),
        allow_http: Some(fields.is_on("allow_http")),
        metadata_certificate,
    };
    problem.map_or(Ok(read), Err)
}

#[derive(Template)]
#[template(path = "identity/service_form.html")]
struct FormPage {
    page: Page,
    /// The service that is changed; none is a new one.
    service: Option<ServiceView>,
    typed: Typed,
    everyone: bool,
    metadata_url: String,
    entity_id: String,
    cli: String,
    api: String,
}

fn show(visit: &Visit, page: Page, service: Option<ServiceView>, typed: Typed, everyone: bool) -> Response {
    let status = page.status();
    let base = visit.at("");
    let (cli, api) = match &service {
        None => (
            "latchkey service add wiki --metadata sp.xml --entitle everyone".to_owned(),
            format!("POST /api/v1{base}/services\n{{\"name\":\"wiki\",\"metadata\":\"<EntityDescriptor …>\"}}"),
        ),
        Some(service) => (
            format!("latchkey service set {} --name-id persistent --min-evidence 2", service.name),
            format!("PATCH /api/v1{base}/services/{}\n{{\"name_id\":\"persistent\",\"min_evidence\":2}}", service.name),
        ),
    };
    page::show_as(
        status,
        &FormPage {
            page,
            service,
            typed,
            everyone,
            metadata_url: format!("/o/{}/saml/metadata", visit.org),
            entity_id: visit.organization.entity_id.clone(),
            cli,
            api,
        },
    )
}

async fn new(visit: Visit) -> Result<Response> {
    Ok(show(&visit, visit.page("services.new.title"), None, Typed::default(), true))
}

async fn add(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let everyone = fields.text("entitle") != Some("nobody");
    let made = match read(&fields) {
        Ok(mut new) => {
            new.entitle = (!everyone).then(Vec::new);
            services::add(&app, Reach::Public, &visit.intent(), &visit.org, &new).await
        }
        Err(problem) => Err(problem),
    };
    match made {
        Ok(service) => Ok(visit.go_saying(&place(&service.id), "service-saved")),
        Err(problem) => {
            let page = visit.page("services.new.title").refused(problem)?;
            Ok(show(&visit, page, None, Typed::of(&fields), everyone))
        }
    }
}

async fn settings(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    let service = app.directory.service(&visit.org, &id).await?;
    let typed = Typed::stored(&service);
    Ok(show(&visit, visit.page("services.settings.title"), Some(service), typed, true))
}

async fn change(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response> {
    let service = app.directory.service(&visit.org, &id).await?;
    let changed = match read(&fields) {
        Ok(change) => services::change(&app, Reach::Public, &visit.intent(), &visit.org, &service.id, &change).await,
        Err(problem) => Err(problem),
    };
    match changed {
        Ok(service) => Ok(visit.go_saying(&place(&service.id), "service-saved")),
        Err(problem) => {
            let page = visit.page("services.settings.title").refused(problem)?;
            Ok(show(&visit, page, Some(service), Typed::of(&fields), true))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_as_lines_and_read_back() {
        let stored = json!([
            {"source": "mail", "name": "urn:oid:0.9", "friendly_name": "mail", "format": "uri"},
            {"source": "uid", "name": "login", "format": "basic"},
        ]);
        assert_eq!(attribute_words(&stored), "mail urn:oid:0.9 mail uri\nuid login - basic\n");
        assert_eq!(rules(&attribute_words(&stored)), stored);
        assert_eq!(attribute_words(&json!("basic")), "basic");
        assert_eq!(rules("mail"), json!([{"source": "mail", "name": ""}]));
    }
}
