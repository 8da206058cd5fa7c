//! Domains: claimed, verified by a DNS record, given up.
//!
//! Owns the pages. Must not know how DNS is asked.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::domains::DomainView;
use latchkey_directory::values::{DomainState, Scope};

use crate::app::App;
use crate::portal::doors::{Doors, Needs};
use crate::portal::error::obstacle;
use crate::portal::fields::{Asked, Fields, Paging};
use crate::portal::page::{self, Page};
use crate::portal::visit::Visit;
use crate::problem::Result;
use crate::verified;

const LIST: &str = "/admin/domains";

pub(super) fn doors(doors: Doors) -> Doors {
    let (read, write) = (Needs::Right(Scope::DomainsRead), Needs::Right(Scope::DomainsWrite));
    doors
        .page(read, LIST, list)
        .page(write, "/admin/domains/new", form)
        .action(write, "/admin/domains/new", add)
        .page(read, "/admin/domains/{name}", show)
        .action(write, "/admin/domains/{name}/verify", look)
        .page(write, "/admin/domains/{name}/remove", confirm)
        .action(write, "/admin/domains/{name}/remove", remove)
}

#[derive(Template)]
#[template(path = "identity/domains.html")]
struct ListPage {
    page: Page,
    domains: Vec<DomainView>,
    may_write: bool,
    paging: Paging,
    api: String,
}

async fn list(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let found = app.directory.domains(&visit.org, asked.page_request()).await?;
    let path = visit.at(LIST);
    Ok(page::show(&ListPage {
        page: visit.page("domains.title"),
        domains: found.items,
        may_write: visit.rights.may(Scope::DomainsWrite),
        paging: asked.paging(&path, found.next.as_ref()),
        api: format!("GET /api/v1{}/domains", visit.at("")),
    }))
}

#[derive(Template)]
#[template(path = "identity/domain_new.html")]
struct FormPage {
    page: Page,
    typed: String,
    cli: String,
    api: String,
}

async fn form(visit: Visit) -> Result<Response> {
    Ok(show_form(&visit, visit.page("domains.new.title"), String::new()))
}

fn show_form(visit: &Visit, page: Page, typed: String) -> Response {
    let status = page.status();
    let cli = "latchkey domain add corp.example".to_owned();
    let api = format!("POST /api/v1{}/domains\n{{\"name\":\"corp.example\"}}", visit.at(""));
    page::show_as(status, &FormPage { page, typed, cli, api })
}

async fn add(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let name = fields.text("name").unwrap_or_default().to_owned();
    match verified::add(&app, &visit.intent(), &visit.org, &name).await {
        Ok(domain) => Ok(visit.go_saying(&format!("{LIST}/{}", domain.name), "domain-added")),
        Err(problem) => Ok(show_form(&visit, visit.page("domains.new.title").refused(problem)?, name)),
    }
}

#[derive(Template)]
#[template(path = "identity/domain.html")]
struct DomainPage {
    page: Page,
    domain: DomainView,
    /// The part of the name that keeps everybody from verifying it.
    unverifiable: Option<String>,
    may_write: bool,
    word: String,
    cli: String,
    api: String,
}

async fn show(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, name)): Path<(String, String)>,
) -> Result<Response> {
    let domain = app.directory.domain(&visit.org, &name).await?;
    Ok(show_one(&app, &visit, visit.page_of(&domain.name), domain))
}

fn show_one(app: &App, visit: &Visit, page: Page, domain: DomainView) -> Response {
    let status = page.status();
    let (name, base) = (&domain.name, visit.at(""));
    let one = DomainPage {
        unverifiable: app.domain_check.cannot_verify(name),
        may_write: visit.rights.may(Scope::DomainsWrite),
        word: format!("latchkey domain verify {name} --operator-word \"lab, ticket 42\""),
        cli: format!("latchkey domain verify {name} --wait 10m"),
        api: format!("POST /api/v1{base}/domains/{name}/verify\n{{}}"),
        page,
        domain,
    };
    page::show_as(status, &one)
}

impl DomainPage {
    fn is(&self, state: &str) -> bool {
        self.domain.verification.as_str() == state
    }

    /// Whether a look at DNS can still tell something.
    fn looks(&self) -> bool {
        self.may_write && self.unverifiable.is_none() && self.domain.verification != DomainState::OperatorWord
    }
}

async fn look(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, name)): Path<(String, String)>,
) -> Result<Response> {
    match verified::by_record(&app, &visit.intent(), &visit.org, &name).await {
        Ok(domain) => Ok(visit.go_saying(&format!("{LIST}/{}", domain.name), "domain-verified")),
        Err(problem) => {
            // Whoever waits for DNS wants to read what was found beside the record, whatever the kind of answer.
            let domain = app.directory.domain(&visit.org, &name).await?;
            let page = visit.page_of(&domain.name).failing(problem)?;
            Ok(show_one(&app, &visit, page, domain))
        }
    }
}

#[derive(Template)]
#[template(path = "identity/domain_remove.html")]
struct RemovePage {
    page: Page,
    name: String,
    /// What stands in the way, and what to do.
    obstacle: Option<(String, String)>,
    cli: String,
    api: String,
}

async fn confirm(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, name)): Path<(String, String)>,
) -> Result<Response> {
    let domain = app.directory.domain(&visit.org, &name).await?;
    let obstacle = obstacle(app.directory.remove_domain(&visit.trial(), &visit.org, &domain.name).await)?;
    Ok(page::show(&RemovePage {
        page: visit.page("domains.remove.title"),
        obstacle,
        cli: format!("latchkey domain remove {}", domain.name),
        api: format!("DELETE /api/v1{}/domains/{}", visit.at(""), domain.name),
        name: domain.name,
    }))
}

async fn remove(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, name)): Path<(String, String)>,
) -> Result<Response> {
    app.directory.remove_domain(&visit.intent(), &visit.org, &name).await?;
    Ok(visit.go_saying(LIST, "domain-removed"))
}
