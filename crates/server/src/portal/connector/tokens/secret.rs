//! What shows a token's secret again, or makes its successor.
//!
//! Owns the two forms. Must not know how a secret is opened or drawn.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::tokens::{Password, RotateOrder, TokenView};
use latchkey_directory::values::Scope;
use latchkey_wire::Code as Wire;

use super::super::super::doors::{Doors, Needs};
use super::super::super::fields::Fields;
use super::super::super::page::{self, Page};
use super::super::super::visit::Visit;
use super::LIST;
use super::create::secret_page;
use crate::app::App;
use crate::problem::{Problem, Result};
use crate::shown::{self, Outcome};

const ROTATE: &str = "/connector/tokens/{id}/rotate";
const REVEAL: &str = "/connector/tokens/{id}/reveal";
const DAY: u64 = 86_400;

pub(super) fn doors(doors: Doors) -> Doors {
    let needs = Needs::Fresh(Scope::TokensWrite);
    let doors = doors.page(needs, ROTATE, ask_rotate).action(needs, ROTATE, rotate);
    doors.page(needs, REVEAL, ask_reveal).action(needs, REVEAL, reveal)
}

#[derive(Template)]
#[template(path = "connector/token_rotate.html")]
struct RotatePage {
    page: Page,
    token: TokenView,
    overlap: String,
    no_copy: bool,
    at: String,
    cli: String,
    api: String,
}

#[derive(Template)]
#[template(path = "connector/token_reveal.html")]
struct RevealPage {
    page: Page,
    token: TokenView,
    at: String,
    cli: String,
    api: String,
}

fn show_rotate(visit: &Visit, page: Page, token: TokenView, overlap: &str, no_copy: bool) -> Response {
    let id = &token.id;
    let shown = RotatePage {
        at: format!("{LIST}/{id}"),
        overlap: overlap.to_owned(),
        no_copy,
        cli: format!("latchkey token rotate {id} --overlap 7d --password-file password.txt"),
        api: format!(
            "POST /api/v1{}/device-tokens/{id}/rotate\n{{\"overlap_s\":604800,\"password\":\"…\"}}",
            visit.at("")
        ),
        page,
        token,
    };
    page::show_as(shown.page.status(), &shown)
}

async fn ask_rotate(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    let token = app.directory.token(&visit.org, &id).await?;
    Ok(show_rotate(&visit, visit.page("tokens.rotate.title"), token, "7", false))
}

/// Reads the form. What cannot be read is a wrong field like what the service finds.
fn order(fields: &Fields) -> Result<RotateOrder> {
    let keeps = fields.text("copy") != Some("none");
    let wrong = |field: &str, detail: &str| {
        let problem = Problem::of(Wire::Api010).detail("the form has values that cannot be read");
        problem.field(format!("/{field}"), Wire::Api010, detail)
    };
    let days = fields.parsed::<u64>("overlap").map_err(|_| wrong("overlap", "the number of days is a whole number"))?;
    let password = fields.raw("password").unwrap_or_default();
    if keeps && password != fields.raw("password_again").unwrap_or_default() {
        return Err(wrong("password_again", "the two passwords are not the same"));
    }
    Ok(RotateOrder {
        overlap_s: days.filter(|days| *days > 0).map(|days| days.saturating_mul(DAY)),
        password: keeps.then(|| Password::new(password.to_owned())),
        sealed_copy: Some(keeps),
    })
}

async fn rotate(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response> {
    let made = match order(&fields) {
        Ok(order) => shown::rotate(&app, &visit.intent(), &visit.org, &id, order).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok(Outcome::Done(shown)) => Ok(secret_page(&app, &visit, "tokens.made.title", &shown)),
        Ok(Outcome::Would(_)) => Ok(visit.go(LIST)),
        Err(problem) => {
            let page = visit.page("tokens.rotate.title").refused(mended(problem))?;
            let token = app.directory.token(&visit.org, &id).await?;
            let overlap = fields.text("overlap").unwrap_or_default();
            Ok(show_rotate(&visit, page, token, overlap, fields.text("copy") == Some("none")))
        }
    }
}

/// The service names the overlap by its seconds, the form by its days.
fn mended(problem: Problem) -> Problem {
    let Some(detail) = problem.fields().iter().find(|field| field.pointer == "/overlap_s").map(|f| f.detail.clone())
    else {
        return problem;
    };
    problem.field("/overlap", Wire::Api010, detail)
}

fn show_reveal(visit: &Visit, page: Page, token: TokenView) -> Response {
    let id = &token.id;
    let shown = RevealPage {
        at: format!("{LIST}/{id}"),
        cli: format!("latchkey token reveal {id} --password-file password.txt"),
        api: format!("POST /api/v1{}/device-tokens/{id}/reveal\n{{\"password\":\"…\"}}", visit.at("")),
        page,
        token,
    };
    page::show_as(shown.page.status(), &shown)
}

async fn ask_reveal(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    let token = app.directory.token(&visit.org, &id).await?;
    Ok(show_reveal(&visit, visit.page("tokens.reveal.title"), token))
}

async fn reveal(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response> {
    let password = fields.raw("password").filter(|text| !text.is_empty()).map(|text| Password::new(text.to_owned()));
    match shown::reveal(&app, &visit.intent(), &visit.org, &id, password).await {
        Ok(shown) => Ok(secret_page(&app, &visit, "tokens.reveal.shown", &shown)),
        Err(problem) => {
            let page = visit.page("tokens.reveal.title").refused(wrong_password(problem))?;
            let token = app.directory.token(&visit.org, &id).await?;
            Ok(show_reveal(&visit, page, token))
        }
    }
}

/// A wrong password is a field of the form to the person at it; it stays recorded under its reference.
pub(in super::super) fn wrong_password(problem: Problem) -> Problem {
    if problem.code() != crate::code::Own::Auth002.into() {
        return problem;
    }
    let reference = problem.reference().to_owned();
    let detail = "this is not the password of the token's sealed copy; five attempts an hour";
    let told = Problem::of(Wire::Api010).detail(detail).field("/password", Wire::Api010, detail);
    told.with_reference(reference)
}
