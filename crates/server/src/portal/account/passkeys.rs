//! My passkeys: made, named, removed.
//!
//! Owns the seal under which the question waits for the browser's answer: ten minutes, for this session.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::Timestamp;
use latchkey_wire::seal::Context;
use serde::{Deserialize, Serialize};

use super::methods::{HERE, first};
use crate::app::App;
use crate::code::Own;
use crate::portal::doors::{Doors, Needs};
use crate::portal::fields::Fields;
use crate::portal::page::{self, Page};
use crate::portal::visit::Visit;
use crate::problem::{Problem, Result};

const LIFETIME: Duration = Duration::from_secs(600);

pub(super) fn doors(doors: Doors) -> Doors {
    doors
        .page(Needs::FreshPerson, "/account/passkeys/new", new)
        .action(Needs::FreshPerson, "/account/passkeys/new", add)
        .action(Needs::FreshPerson, "/account/passkeys/{id}/name", rename)
        .action(Needs::FreshPerson, "/account/passkeys/{id}/remove", remove)
}

/// A question that waits for its answer.
#[derive(Serialize, Deserialize)]
struct Waiting {
    session: String,
    state: String,
    asked_at: Timestamp,
}

fn context<'a>(app: &'a App, visit: &'a Visit) -> Context<'a> {
    Context { what: "new-passkey", org: visit.org.as_str(), incarnation: &app.incarnation }
}

impl Waiting {
    fn seal(&self, app: &App, visit: &Visit) -> Result<String> {
        let plain = serde_json::to_vec(self).map_err(Problem::internal)?;
        app.seals.seal(&plain, &context(app, visit), self.asked_at.seconds()).map_err(Problem::internal)
    }

    /// Opens it, if it is this session's and not too old.
    fn open(sealed: &str, app: &App, visit: &Visit) -> Option<Self> {
        let now = app.directory.now();
        let plain = app.seals.open(sealed, &context(app, visit), now.seconds()).ok()?;
        let waiting: Self = serde_json::from_slice(&plain).ok()?;
        let good = waiting.session == visit.session.id && now.since(waiting.asked_at) <= LIFETIME;
        good.then_some(waiting)
    }
}

#[derive(Template)]
#[template(path = "account/passkey.html")]
struct NewPage {
    page: Page,
    /// What was typed for a name.
    typed: String,
    options: String,
    waiting: String,
}

impl NewPage {
    async fn of(app: &App, visit: &Visit, page: Page, name: &str) -> Result<Self> {
        let there = app.directory.stored_passkeys(&visit.org, &visit.user_id).await?;
        let shown = visit.display_name.as_deref().unwrap_or(&visit.login_name);
        let question = app.passkeys.ask_new(&visit.user_id, &visit.login_name, shown, &there);
        let question = question.map_err(|why| Problem::of(Own::Api008).detail(why.to_string()))?;
        let asked_at = app.directory.now();
        let waiting = Waiting { session: visit.session.id.clone(), state: question.state, asked_at };
        let waiting = waiting.seal(app, visit)?;
        Ok(Self { page, typed: name.to_owned(), options: question.options, waiting })
    }
}

async fn new(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    if let Some(first) = first(&app, &visit).await? {
        return Ok(first);
    }
    Ok(page::show(&NewPage::of(&app, &visit, visit.page("account.new_passkey"), "").await?))
}

async fn add(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    if let Some(first) = first(&app, &visit).await? {
        return Ok(first);
    }
    let name = fields.text("name").unwrap_or_default();
    let added = async {
        let waiting = Waiting::open(fields.raw("waiting").unwrap_or_default(), &app, &visit);
        let waiting = waiting.ok_or_else(|| Problem::of(Own::Signin004))?;
        let answer = fields.raw("passkey").unwrap_or_default();
        let new = app.passkeys.new_passkey(&waiting.state, answer, name);
        let new = new.map_err(|why| Problem::of(Own::Signin004).reason(why))?;
        app.directory.add_passkey(&visit.intent(), &visit.org, &visit.user_id, new).await.map_err(Problem::from)
    };
    match added.await {
        Ok(_) => Ok(visit.go_saying(HERE, "passkey-added")),
        Err(problem) => {
            let status = problem.status();
            let page = visit.page("account.new_passkey").refused(problem)?;
            Ok(page::show_as(status, &NewPage::of(&app, &visit, page, name).await?))
        }
    }
}

async fn rename(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response> {
    if let Some(first) = first(&app, &visit).await? {
        return Ok(first);
    }
    let name = fields.text("name").unwrap_or_default();
    app.directory.rename_passkey(&visit.intent(), &visit.org, &visit.user_id, &id, name).await?;
    Ok(visit.go_saying(HERE, "saved"))
}

async fn remove(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    if let Some(first) = first(&app, &visit).await? {
        return Ok(first);
    }
    app.directory.remove_passkey(&visit.intent(), &visit.org, &visit.user_id, &id).await?;
    Ok(visit.go_saying(HERE, "removed"))
}
