//! Users from a file: checked first, imported after a yes.
//!
//! Owns the two steps. Must not know columns or what a line does.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::users::Imported;
use latchkey_directory::values::Scope;
use latchkey_wire::Code as Wire;

use super::{LIST, hides};
use crate::app::App;
use crate::code::Own;
use crate::portal::doors::{Doors, Needs};
use crate::portal::fields::Fields;
use crate::portal::page::{self, Page};
use crate::portal::visit::Visit;
use crate::problem::{Problem, Result};
use crate::users_csv;

const HERE: &str = "/admin/users/import";
/// Text that is shown again as it was pasted; a longer one is pasted again.
const SHOWN_AGAIN: usize = 40_000;

pub(super) fn doors(doors: Doors) -> Doors {
    let write = Needs::Right(Scope::UsersWrite);
    doors.page(write, HERE, form).action(write, HERE, import)
}

#[derive(Template)]
#[template(path = "identity/users_import.html")]
struct FormPage {
    page: Page,
    text: String,
    cli: String,
    api: String,
}

#[derive(Template)]
#[template(path = "identity/users_checked.html")]
struct CheckedPage {
    page: Page,
    would: Imported,
    kept: String,
    cli: String,
    api: String,
}

fn same(visit: &Visit) -> (String, String) {
    let api = format!("POST /api/v1{}/users/import?dry_run=true\nContent-Type: text/csv", visit.at(""));
    ("latchkey user import people.csv --dry-run\nlatchkey user import people.csv".to_owned(), api)
}

async fn form(visit: Visit) -> Result<Response> {
    Ok(show(&visit, visit.page("import.title"), String::new()))
}

fn show(visit: &Visit, page: Page, text: String) -> Response {
    let (cli, api) = same(visit);
    page::show_as(page.status(), &FormPage { page, text, cli, api })
}

async fn import(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    // The file's lines are told back with names in them.
    if hides(&visit.rights) {
        return Err(Problem::of(Own::Auth002));
    }
    let done = match fields.text("kept") {
        Some(kept) => really(&app, &visit, kept).await,
        None => check(&app, &visit, &fields).await,
    };
    match done {
        Ok(response) => Ok(response),
        Err(problem) => {
            let page = visit.page("import.title").refused(problem)?;
            let text = fields.raw("text").filter(|text| text.len() <= SHOWN_AGAIN).unwrap_or_default();
            Ok(show(&visit, page, text.to_owned()))
        }
    }
}

async fn check(app: &App, visit: &Visit, fields: &Fields) -> Result<Response> {
    let of = |name: &str| fields.raw(name).filter(|text| !text.trim().is_empty());
    let missing = "choose a file, or paste its text";
    let text = of("file").or_else(|| of("text"));
    let text = text.ok_or_else(|| Problem::of(Wire::Api010).detail(missing).field("/file", Wire::Api010, missing))?;
    let lines = users_csv::read(text.as_bytes())?;
    let would = app.directory.import_users(&visit.trial(), &visit.org, lines.clone()).await?;
    let kept = app.imports.keep(&visit.session.id, lines);
    let (cli, api) = same(visit);
    Ok(page::show(&CheckedPage { page: visit.page("import.checked.title"), would, kept, cli, api }))
}

async fn really(app: &App, visit: &Visit, kept: &str) -> Result<Response> {
    let gone = || {
        Problem::of(Own::Api008)
            .detail("The checked file is no longer kept here. Nothing was imported.")
            .fix("Send the file once more; it waits for a quarter of an hour.")
    };
    let lines = app.imports.find(&visit.session.id, kept).ok_or_else(gone)?;
    app.directory.import_users(&visit.intent(), &visit.org, lines.to_vec()).await?;
    app.imports.forget(kept);
    Ok(visit.go_saying(LIST, "users-imported"))
}
