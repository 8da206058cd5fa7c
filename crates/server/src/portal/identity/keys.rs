//! Signing keys: which there are, and rolling one over.
//!
//! Owns the pages, and what a step of a roll-over means to others. Must not know private halves: nothing here has one.

use std::borrow::Cow;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::Error;
use latchkey_directory::keys::KeyView;
use latchkey_directory::values::{KeyState, KeyUse, Scope};
use latchkey_saml::keys::Certificate;

use super::super::doors::{Doors, Needs};
use super::super::fields::Fields;
use super::super::page::{self, Page};
use super::super::visit::Visit;
use crate::app::{App, key_algorithm};
use crate::problem::{Problem, Result};

/// Where the list is.
const LIST: &str = "/admin/keys";

/// What a new key can be for: its use and, where there is a choice, its algorithm.
const KINDS: [&str; 5] = ["assertion:rsa-sha256", "assertion:ecdsa-p256", "metadata", "challenge", "ca"];

pub(super) fn doors(doors: Doors) -> Doors {
    let write = Needs::Fresh(Scope::KeysWrite);
    doors
        .page(Needs::Right(Scope::KeysRead), LIST, list)
        .page(write, "/admin/keys/new", form)
        .action(write, "/admin/keys/new", add)
        .page(write, "/admin/keys/{id}/activate", confirm_activate)
        .action(write, "/admin/keys/{id}/activate", activate)
        .page(write, "/admin/keys/{id}/retire", confirm_retire)
        .action(write, "/admin/keys/{id}/retire", retire)
}

/// A key of the list.
struct Line {
    view: KeyView,
    usage: KeyUse,
    /// The end of its certificate, where it has one.
    until: Option<String>,
    may_activate: bool,
    may_retire: bool,
}

#[derive(Template)]
#[template(path = "identity/keys.html")]
struct ListPage {
    page: Page,
    keys: Vec<Line>,
    may_write: bool,
    metadata_url: String,
    api: String,
}

async fn list(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    let mut all = app.directory.keys(&visit.org).await?;
    all.sort_by(|a, b| {
        (a.r#use, state_order(a.state), b.created_at).cmp(&(b.r#use, state_order(b.state), a.created_at))
    });
    let rows = app.directory.published_keys(&visit.org).await?;
    let until = |id: &str| {
        let row = rows.iter().find(|row| row.id == id && matches!(row.usage, KeyUse::Assertion | KeyUse::Metadata))?;
        let until = Certificate::from_der(&row.public.0).ok()?.not_after()?;
        Some(until.to_string().chars().take(10).collect())
    };
    let keys = all.into_iter().map(|view| {
        let exchanged = !matches!(view.r#use, KeyUse::Pairwise | KeyUse::Audit | KeyUse::Root);
        Line {
            usage: view.r#use,
            until: until(&view.id),
            may_activate: exchanged && matches!(view.state, KeyState::Upcoming | KeyState::Retiring),
            may_retire: exchanged && matches!(view.state, KeyState::Upcoming | KeyState::Retiring),
            view,
        }
    });
    Ok(page::show(&ListPage {
        page: visit.page("keys.title"),
        keys: keys.collect(),
        may_write: visit.rights.may(Scope::KeysWrite),
        metadata_url: format!("/o/{}/saml/metadata", visit.org),
        api: format!("GET /api/v1{}/keys", visit.at("")),
    }))
}

const fn state_order(state: KeyState) -> u8 {
    match state {
        KeyState::Active => 0,
        KeyState::Upcoming => 1,
        KeyState::Retiring => 2,
        KeyState::Retired => 3,
    }
}

#[derive(Template)]
#[template(path = "identity/key_new.html")]
struct FormPage {
    page: Page,
    kinds: [&'static str; 5],
    chosen: String,
    api: String,
}

impl FormPage {
    /// The part of the catalogue's keys that is a kind's own.
    fn key(kind: &str) -> &'static str {
        match kind {
            "assertion:rsa-sha256" => "keys.new.assertion_rsa",
            "assertion:ecdsa-p256" => "keys.new.assertion_p256",
            "metadata" => "keys.new.metadata",
            "challenge" => "keys.new.challenge",
            _ => "keys.new.ca",
        }
    }

    fn words(&self, kind: &str) -> Cow<'static, str> {
        self.page.t(Self::key(kind))
    }

    fn hint(&self, kind: &str) -> Cow<'static, str> {
        self.page.t(&format!("{}_hint", Self::key(kind)))
    }
}

fn show(visit: &Visit, page: Page, chosen: String) -> Response {
    let status = page.status();
    let api = format!("POST /api/v1{}/keys\n{{\"use\":\"assertion\",\"algorithm\":\"rsa-sha256\"}}", visit.at(""));
    page::show_as(status, &FormPage { page, kinds: KINDS, chosen, api })
}

async fn form(visit: Visit) -> Result<Response> {
    Ok(show(&visit, visit.page("keys.new.title"), KINDS[0].to_owned()))
}

async fn add(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let kind = fields.text("kind").unwrap_or_default().to_owned();
    let made = match read(&kind) {
        Ok((usage, algorithm)) => app.add_key(&visit.intent(), &visit.organization, usage, algorithm).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(_) => Ok(visit.go_saying(LIST, "key-added")),
        Err(error) => {
            let page = visit.page("keys.new.title").refused(error.into())?;
            Ok(show(&visit, page, kind))
        }
    }
}

fn read(kind: &str) -> latchkey_directory::Result<(KeyUse, &'static str)> {
    if !KINDS.contains(&kind) {
        return Err(Error::field("/kind", format!("{kind:?} is none of the kinds of keys")));
    }
    let (usage, algorithm) = kind.split_once(':').map_or((kind, None), |(usage, named)| (usage, Some(named)));
    let usage: KeyUse = usage.parse().map_err(|_| Error::field("/kind", "this is no use of a key"))?;
    Ok((usage, key_algorithm(usage, algorithm)?))
}

#[derive(Template)]
#[template(path = "identity/key_confirm.html")]
struct ConfirmPage {
    page: Page,
    key: KeyView,
    usage: KeyUse,
    /// `activate` or `retire`.
    action: &'static str,
    /// How many services have to follow.
    services: usize,
    cli: String,
    api: String,
}

async fn confirm(visit: &Visit, app: &Arc<App>, id: &str, action: &'static str) -> Result<Response> {
    let key = app.directory.key(&visit.org, id).await?;
    // What cannot be done is said before somebody confirms it.
    match action {
        "activate" => app.directory.activate_key(&visit.trial(), &visit.org, id).await?,
        _ => app.directory.retire_key(&visit.trial(), &visit.org, id).await?,
    };
    let services = if key.r#use == KeyUse::Assertion { app.directory.services(&visit.org).await?.len() } else { 0 };
    Ok(page::show(&ConfirmPage {
        page: visit.page(if action == "activate" { "keys.activate.title" } else { "keys.retire.title" }),
        action,
        usage: key.r#use,
        services,
        cli: format!("latchkey key {action} {}", key.id),
        api: format!("POST /api/v1{}/keys/{}/{action}", visit.at(""), key.id),
        key,
    }))
}

async fn confirm_activate(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    confirm(&visit, &app, &id, "activate").await
}

async fn confirm_retire(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    confirm(&visit, &app, &id, "retire").await
}

async fn activate(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    app.directory.activate_key(&visit.intent(), &visit.org, &id).await.map_err(Problem::from)?;
    app.keys.forget(&visit.org);
    Ok(visit.go_saying(LIST, "key-activated"))
}

async fn retire(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    app.directory.retire_key(&visit.intent(), &visit.org, &id).await.map_err(Problem::from)?;
    app.keys.forget(&visit.org);
    Ok(visit.go_saying(LIST, "key-retired"))
}
