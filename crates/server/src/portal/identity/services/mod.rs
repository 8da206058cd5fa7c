//! Services: the list, one service's page, who may use it, and its end.
//!
//! Owns these pages. Must not know how metadata is read or what a service is told: that is `crate::services`, for portal and REST alike.

mod edit;
mod really;
mod refresh;
mod trial;

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::page::{Cursor, Page as Rows};
use latchkey_directory::services::{Entitled, EntitlementView, NotEntitled, ServiceView};
use latchkey_directory::values::Scope;
use latchkey_directory::{Error, Timestamp};
use latchkey_saml::handover::Target;
use latchkey_saml::metadata::ServiceMetadata;

use super::super::doors::{Doors, Needs};
use super::super::fields::{Asked, Fields, Paging};
use super::super::page::{self, Page};
use super::super::text;
use super::super::visit::Visit;
use crate::app::App;
use crate::problem::Result;
use crate::saml::jiff_time;
use crate::saml::known::Known;
use crate::services;

/// Where the list is.
const LIST: &str = "/admin/services";

/// A certificate with so little left is named as one that ends soon.
const SOON: jiff::SignedDuration = jiff::SignedDuration::from_hours(30 * 24);

pub(super) fn doors(doors: Doors) -> Doors {
    let (read, write) = (Needs::Right(Scope::ServicesRead), Needs::Right(Scope::ServicesWrite));
    let doors = edit::doors(doors)
        .page(read, LIST, list)
        .page(read, "/admin/services/{id}", one)
        .action(write, "/admin/services/{id}/entitle", entitle)
        .action(write, "/admin/services/{id}/disentitle", disentitle)
        .page(write, "/admin/services/{id}/delete", confirm_delete)
        .action(write, "/admin/services/{id}/delete", delete);
    refresh::doors(really::doors(trial::doors(doors)))
}

/// The address of a service's page.
fn place(id: &str) -> String {
    format!("{LIST}/{id}")
}

/// A certificate of a service, as people look at one.
struct Certificate {
    fingerprint: String,
    /// Until when, in words.
    words: String,
    /// How it looks: nothing where there is nothing to do.
    kind: &'static str,
}

fn certificates(metadata: &ServiceMetadata, now: jiff::Timestamp) -> Vec<Certificate> {
    let of = |certificate: &latchkey_saml::keys::Certificate| {
        let until = certificate.not_after();
        let (key, kind) = match until {
            Some(until) if until <= now => ("services.ended", "bad"),
            Some(until) if until.duration_since(now) < SOON => ("services.ends", "warn"),
            _ => ("services.ends", ""),
        };
        let day: String = until.map(|until| until.to_string().chars().take(10).collect()).unwrap_or_default();
        Certificate { fingerprint: certificate.fingerprint_sha256(), words: text::tt(key, &[&day]), kind }
    };
    metadata.signing_keys.iter().map(of).collect()
}

/// Whom an entitlement is for, in words.
fn whom(entitled: &str, masked: bool) -> String {
    match entitled.split_once(':') {
        None => text::t("services.everyone").into_owned(),
        Some(("group", name)) => text::tt("services.of_group", &[name]),
        Some((_, name)) => text::tt("services.of_user", &[if masked { page::MASK } else { name }]),
    }
}

/// A line of the list.
struct Line {
    view: ServiceView,
    whom: Vec<String>,
    certificates: Vec<Certificate>,
    unusable: Option<String>,
}

#[derive(Template)]
#[template(path = "identity/services.html")]
struct ListPage {
    page: Page,
    services: Vec<Line>,
    may_write: bool,
    paging: Paging,
    api: String,
}

async fn list(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let all = app.directory.services(&visit.org).await?;
    let row = |view: &ServiceView| Cursor { at: view.created_at, id: view.id.clone() };
    let found = Rows::of_list(all, &asked.page_request(), row);
    let path = visit.at(LIST);
    let masked = visit.rights.is_masked(latchkey_directory::values::Module::Services);
    let now = jiff_time(app.directory.now());
    let mut services = Vec::with_capacity(found.items.len());
    for view in found.items {
        let record = app.directory.service_record(&visit.org, &view.id).await?;
        let known = Known::of(&app.saml.parsed, record, now);
        services.push(Line {
            whom: view.entitle.iter().map(|entitled| whom(entitled, masked)).collect(),
            certificates: known.as_ref().map(|known| certificates(&known.metadata, now)).unwrap_or_default(),
            unusable: known.err().map(|why| why.to_string()),
            view,
        });
    }
    Ok(page::show(&ListPage {
        page: visit.page("services.title"),
        services,
        may_write: visit.rights.may(Scope::ServicesWrite),
        paging: asked.paging(&path, found.next.as_ref()),
        api: format!("GET /api/v1{}/services", visit.at("")),
    }))
}

/// A line of who may use the service.
struct Entitlement {
    id: String,
    whom: String,
    since: Timestamp,
}

#[derive(Template)]
#[template(path = "identity/service.html")]
struct OnePage {
    page: Page,
    service: ServiceView,
    /// Where its metadata is not usable any more, why.
    unusable: Option<String>,
    certificates: Vec<Certificate>,
    encryption_keys: usize,
    signs_requests: bool,
    until: Option<String>,
    entitled: Vec<Entitlement>,
    typed: String,
    /// What its side needs, for the software that was asked for.
    sheet: Option<String>,
    targets: Vec<(&'static str, bool)>,
    metadata_url: String,
    attributes: String,
    may_write: bool,
    may_try: bool,
    cli: String,
    api: String,
}

async fn one(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    asked: Asked,
) -> Result<Response> {
    let service = app.directory.service(&visit.org, &id).await?;
    let page = visit.page_of(&service.name);
    show(&app, &visit, page, service, &asked, "").await
}

async fn show(
    app: &Arc<App>,
    visit: &Visit,
    page: Page,
    service: ServiceView,
    asked: &Asked,
    typed: &str,
) -> Result<Response> {
    let target = asked.text("for").and_then(Target::from_name).unwrap_or(Target::Generic);
    let masked = visit.rights.is_masked(latchkey_directory::values::Module::Services);
    let now = jiff_time(app.directory.now());
    let record = app.directory.service_record(&visit.org, &service.id).await?;
    let known = Known::of(&app.saml.parsed, record, now);
    let sheet = match &known {
        Ok(known) => services::handover(app, &visit.organization, known, target).await.ok(),
        Err(_) => None,
    };
    let entitled = app.directory.service_entitlements(&visit.org, &service.id).await?;
    let entitled = entitled.into_iter().map(|line| entitlement(line, masked)).collect();
    let metadata = known.as_ref().ok().map(|known| &known.metadata);
    let status = page.status();
    let answer = OnePage {
        page,
        certificates: metadata.map(|metadata| certificates(metadata, now)).unwrap_or_default(),
        encryption_keys: metadata.map_or(0, |metadata| metadata.encryption_keys.len()),
        signs_requests: metadata.is_some_and(|metadata| metadata.authn_requests_signed),
        until: metadata.and_then(|metadata| metadata.valid_until).map(|until| until.to_string()),
        unusable: known.as_ref().err().map(ToString::to_string),
        entitled,
        typed: typed.to_owned(),
        sheet,
        targets: Target::ALL.into_iter().map(|one| (one.name(), one == target)).collect(),
        metadata_url: format!("/o/{}/saml/metadata", visit.org),
        attributes: edit::attribute_words(&service.attributes),
        may_write: visit.rights.may(Scope::ServicesWrite),
        may_try: visit.rights.may(Scope::UsersRead),
        cli: format!(
            "latchkey service show {0}\nlatchkey service handover {0} --for {1}\nlatchkey service set {0} --entitle group:staff",
            service.name,
            target.name()
        ),
        api: format!(
            "GET /api/v1{0}/services/{1}\nGET /api/v1{0}/services/{1}/handover?for={2}\nPOST /api/v1{0}/services/{1}/entitlements\n{{\"entitle\":\"group:staff\"}}",
            visit.at(""),
            service.name,
            target.name()
        ),
        service,
    };
    Ok(page::show_as(status, &answer))
}

fn entitlement(line: EntitlementView, masked: bool) -> Entitlement {
    let name = line.subject_name.or(line.subject).unwrap_or_default();
    let words = match line.kind {
        latchkey_directory::values::EntitlementKind::Everyone => "everyone".to_owned(),
        kind => format!("{kind}:{name}"),
    };
    Entitlement { id: line.id, whom: whom(&words, masked), since: line.created_at }
}

async fn entitle(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response> {
    let service = app.directory.service(&visit.org, &id).await?;
    let typed = fields.text("who").unwrap_or_default();
    let words = match fields.text("kind") {
        Some("everyone") => "everyone".to_owned(),
        Some(kind) => format!("{kind}:{typed}"),
        None => typed.to_owned(),
    };
    let done = match words.parse::<Entitled>() {
        Ok(whom) => {
            let done = app.directory.add_entitlement(&visit.intent(), &visit.org, &service.id, whom).await;
            done.map_err(|error| match error {
                Error::Invalid(wrong) => {
                    Error::field("/who", wrong.into_iter().map(|one| one.detail).collect::<String>())
                }
                error => error,
            })
        }
        Err(NotEntitled { .. }) => Err(Error::field("/who", text::t("services.who_missing").into_owned())),
    };
    match done {
        Ok(_) => Ok(visit.go_saying(&place(&service.id), "service-saved")),
        Err(error) => {
            let page = visit.page_of(&service.name).refused(error.into())?;
            show(&app, &visit, page, service, &Asked::default(), typed).await
        }
    }
}

async fn disentitle(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response> {
    let which = fields.text("entitlement").unwrap_or_default();
    app.directory.remove_entitlement(&visit.intent(), &visit.org, &id, which).await?;
    Ok(visit.go_saying(&place(&id), "service-saved"))
}

#[derive(Template)]
#[template(path = "identity/service_delete.html")]
struct DeletePage {
    page: Page,
    service: ServiceView,
    sessions: u64,
    cli: String,
    api: String,
}

async fn confirm_delete(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    let (service, sessions) = app.directory.delete_service(&visit.trial(), &visit.org, &id).await?;
    Ok(page::show(&DeletePage {
        page: visit.page("services.delete.title"),
        sessions,
        cli: format!("latchkey service delete {} --yes", service.name),
        api: format!("DELETE /api/v1{}/services/{}", visit.at(""), service.name),
        service,
    }))
}

async fn delete(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    app.directory.delete_service(&visit.intent(), &visit.org, &id).await?;
    Ok(visit.go_saying(LIST, "service-deleted"))
}
