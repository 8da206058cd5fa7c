//! The first step: the organization and its domain.
//!
//! Owns the forms. Must not know DNS, nor what a verified domain is good for.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use latchkey_directory::domains::DomainView;
use latchkey_directory::page::PageRequest;
use latchkey_directory::values::DomainState;

use super::person;
use super::reached::Reached;
use super::session::{Under, over};
use crate::app::App;
use crate::portal::fields::Fields;
use crate::portal::page::{self, Page};
use crate::problem::{Problem, Result};
use crate::verified;

#[derive(Template)]
#[template(path = "setup/organization.html")]
struct OrganizationPage {
    page: Page,
    called: String,
    slug: String,
    domain: String,
    reached: Reached,
}

fn show(app: &App, under: &Under, page: Page, fields: &Fields) -> Response {
    let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
    let status = page.status();
    let shown = OrganizationPage {
        page,
        called: text("name"),
        slug: text("slug"),
        domain: text("domain"),
        reached: Reached::of(app, under.way.as_ref()),
    };
    under.passer.bound(page::show_as(status, &shown))
}

/// `GET /setup`: whichever step is next.
pub(super) async fn step(under: Under, State(app): State<Arc<App>>) -> Result<Response> {
    if under.setup.org.is_none() {
        return Ok(show(&app, &under, under.page("setup.organization.title"), &Fields::default()));
    }
    person::form(&app, &under, under.page("setup.person.title"), &Fields::default()).await
}

fn on() -> Response {
    Redirect::to("/setup").into_response()
}

/// A short name from a long one: `Acme & Sons` is `acme-sons`.
fn short(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

/// Makes the organization, and claims its domain.
pub(super) async fn create(under: Under, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    if under.setup.org.is_some() || under.setup.user_id.is_some() {
        return Ok(on());
    }
    let name = fields.text("name").unwrap_or_default().to_owned();
    let slug = fields.text("slug").map_or_else(|| short(&name), str::to_owned);
    let made = match app.create_organization(&under.intent(), slug, name).await {
        Ok(made) => made,
        Err(error) => {
            let page = under.page("setup.organization.title").refused(Problem::from(error))?;
            return Ok(show(&app, &under, page, &fields));
        }
    };
    app.directory.setup_made(&under.setup, &made.id).await?;
    // The organization stands, whatever becomes of the domain: the next page takes another one.
    if let Some(domain) = fields.text("domain")
        && let Err(problem) = verified::add(&app, &under.intent(), &made.id, domain).await
    {
        let setup = latchkey_directory::access::SetupSession { org: Some(made.id), ..under.setup.clone() };
        let under = Under { setup, ..under };
        let page = under.page("setup.person.title").refused(problem)?;
        return person::form(&app, &under, page, &fields).await;
    }
    Ok(on())
}

/// Claims a domain.
pub(super) async fn add_domain(under: Under, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    first_only(&under)?;
    let name = fields.text("domain").unwrap_or_default();
    match verified::add(&app, &under.intent(), &under.org()?, name).await {
        Ok(_) => Ok(on()),
        Err(problem) => refused(&app, &under, problem, &fields).await,
    }
}

/// Looks for the domain's record.
pub(super) async fn verify_domain(under: Under, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    first_only(&under)?;
    let name = fields.text("domain").unwrap_or_default();
    match verified::by_record(&app, &under.intent(), &under.org()?, name).await {
        Ok(_) => Ok(on()),
        Err(problem) => refused(&app, &under, problem, &fields).await,
    }
}

async fn refused(app: &Arc<App>, under: &Under, problem: Problem, fields: &Fields) -> Result<Response> {
    // That a record is not there yet is nothing that a form could mend, but the page to be on is the same.
    let words = problem.words().to_owned();
    let page = match under.page("setup.person.title").refused(problem) {
        Ok(page) => page,
        Err(problem) => {
            under.page("setup.person.title").refused(super::session::wrong("domain", &words)).map_err(|_| problem)?
        }
    };
    person::form(app, under, page, fields).await
}

/// Domains are the first administrator's; who is let in again has the pages for them.
fn first_only(under: &Under) -> Result<()> {
    if under.setup.user_id.is_none() { Ok(()) } else { Err(over()) }
}

/// A domain as the page shows it.
pub(super) struct Domain {
    pub(super) name: String,
    pub(super) state: DomainState,
    pub(super) record_name: String,
    pub(super) record_value: String,
    pub(super) is_open: bool,
    /// The operator's command, for a laboratory.
    pub(super) command: String,
}

impl Domain {
    fn of(view: DomainView, slug: &str) -> Self {
        Self {
            is_open: view.verification == DomainState::Pending,
            state: view.verification,
            record_name: view.record.name,
            record_value: view.record.value,
            command: format!("latchkey domain verify {} --operator-word \"laboratory\" --org {slug}", view.name),
            name: view.name,
        }
    }
}

/// The organization's domains.
pub(super) async fn domains(app: &App, under: &Under, slug: &str) -> Result<Vec<Domain>> {
    let found = app.directory.domains(&under.org()?, PageRequest::default()).await?;
    Ok(found.items.into_iter().map(|view| Domain::of(view, slug)).collect())
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_short_name_is_made_from_the_long_one() {
        for (name, slug) in [("Acme", "acme"), ("Acme & Sons, Ltd.", "acme-sons-ltd"), ("Ærøs", "r-s"), ("", "")] {
            assert_eq!(short(name), slug);
        }
    }
}
