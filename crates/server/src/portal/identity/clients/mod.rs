//! API clients: the list, one client, and what is done with it.
//!
//! Owns these pages. Must not know how a secret is drawn.

mod create;

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use latchkey_directory::clients::{Ceiling, ClientPatch, ClientView};
use latchkey_directory::values::{ClientState, Scope};
use zeroize::Zeroizing;

use super::super::doors::{Doors, Needs};
use super::super::fields::{Asked, Fields, Paging};
use super::super::page::{self, Page};
use super::super::visit::Visit;
use crate::app::App;
use crate::client_credential::credential;
use crate::problem::{Problem, Result};

/// Where the list is.
const LIST: &str = "/admin/api-clients";

pub(super) fn doors(doors: Doors) -> Doors {
    let (read, write) = (Needs::Right(Scope::ApiClientsRead), Needs::Fresh(Scope::ApiClientsWrite));
    create::doors(doors)
        .page(read, LIST, list)
        .page(read, "/admin/api-clients/{id}", one)
        .action(write, "/admin/api-clients/{id}", change)
        .page(write, "/admin/api-clients/{id}/rotate", confirm_rotate)
        .action(write, "/admin/api-clients/{id}/rotate", rotate)
        .action(write, "/admin/api-clients/{id}/disable", disable)
        .action(write, "/admin/api-clients/{id}/enable", enable)
        .page(write, "/admin/api-clients/{id}/delete", confirm_delete)
        .action(write, "/admin/api-clients/{id}/delete", delete)
}

fn place(id: &str) -> String {
    format!("{LIST}/{id}")
}

/// What the visitor may give away: no more than they may do.
fn ceiling(visit: &Visit) -> Ceiling {
    Ceiling::Only(visit.rights.scopes())
}

/// A scope that can be ticked.
struct Tick {
    scope: Scope,
    on: bool,
    /// Whether the visitor has it to give.
    open: bool,
}

fn ticks(visit: &Visit, chosen: &[String]) -> Vec<Tick> {
    let own = visit.rights.scopes();
    let tick = |scope: &Scope| Tick {
        scope: *scope,
        on: chosen.iter().any(|chosen| chosen == scope.as_str()),
        open: own.contains(scope),
    };
    Scope::ALL.iter().map(tick).collect()
}

#[derive(Template)]
#[template(path = "identity/clients.html")]
struct ListPage {
    page: Page,
    clients: Vec<ClientView>,
    may_write: bool,
    paging: Paging,
    api: String,
}

async fn list(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let found = app.directory.clients(&visit.org, asked.page_request()).await?;
    let path = visit.at(LIST);
    Ok(page::show(&ListPage {
        page: visit.page("clients.title"),
        clients: found.items,
        may_write: visit.rights.may(Scope::ApiClientsWrite),
        paging: asked.paging(&path, found.next.as_ref()),
        api: format!("GET /api/v1{}/api-clients", visit.at("")),
    }))
}

#[derive(Template)]
#[template(path = "identity/client.html")]
struct OnePage {
    page: Page,
    client: ClientView,
    called: String,
    scopes: Vec<Tick>,
    token_url: String,
    may_write: bool,
    cli: String,
    api: String,
}

fn show(app: &App, visit: &Visit, page: Page, client: ClientView, called: String, chosen: &[String]) -> Response {
    let status = page.status();
    let shown = OnePage {
        page,
        called,
        scopes: ticks(visit, chosen),
        token_url: format!("{}{}", app.origin(), visit.at("/oauth2/token")),
        may_write: visit.rights.may(Scope::ApiClientsWrite),
        cli: format!("latchkey api-client show {0}\nlatchkey api-client rotate {0}", client.id),
        api: format!("PATCH /api/v1{}/api-clients/{}\n{{\"scopes\":[\"users:read\"]}}", visit.at(""), client.id),
        client,
    };
    page::show_as(status, &shown)
}

async fn one(visit: Visit, State(app): State<Arc<App>>, Path((_org, id)): Path<(String, String)>) -> Result<Response> {
    let client = app.directory.client(&visit.org, &id).await?;
    let (page, name, chosen) = (visit.page_of(&client.name), client.name.clone(), client.scopes.clone());
    Ok(show(&app, &visit, page, client, name, &chosen))
}

async fn change(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response> {
    let client = app.directory.client(&visit.org, &id).await?;
    let (name, chosen) = (fields.text("name").unwrap_or_default().to_owned(), fields.many("scopes"));
    let patch = ClientPatch { name: Some(name.clone()), scopes: Some(chosen.clone()) };
    match app.directory.change_client(&visit.intent(), &visit.org, &client.id, patch, ceiling(&visit)).await {
        Ok(client) => Ok(visit.go_saying(&place(&client.id), "client-saved")),
        Err(error) => {
            let page = visit.page_of(&client.name).refused(error.into())?;
            Ok(show(&app, &visit, page, client, name, &chosen))
        }
    }
}

#[derive(Template)]
#[template(path = "identity/client_confirm.html")]
struct ConfirmPage {
    page: Page,
    client: ClientView,
    /// `rotate` or `delete`.
    action: &'static str,
    cli: String,
    api: String,
}

fn confirm(visit: &Visit, page: Page, client: ClientView, action: &'static str) -> Response {
    let call = match action {
        "delete" => format!("DELETE /api/v1{}/api-clients/{}", visit.at(""), client.id),
        _ => format!("POST /api/v1{}/api-clients/{}/{action}", visit.at(""), client.id),
    };
    let status = page.status();
    let cli = format!("latchkey api-client {action} {}", client.id);
    page::show_as(status, &ConfirmPage { page, client, action, cli, api: call })
}

async fn confirm_rotate(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    let client = app.directory.client(&visit.org, &id).await?;
    Ok(confirm(&visit, visit.page("clients.rotate.title"), client, "rotate"))
}

async fn rotate(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response> {
    let client = app.directory.client(&visit.org, &id).await?;
    let done = match credential(fields.text("public_key")) {
        Ok((credential, secret)) => {
            let intent = visit.intent();
            let rotated =
                app.directory.rotate_client(&intent, &visit.org, &client.id, credential, ceiling(&visit)).await;
            rotated.map(|client| (client, secret)).map_err(Problem::from)
        }
        Err(problem) => Err(problem),
    };
    match done {
        Ok((client, secret)) => Ok(made(&app, &visit, "clients.made.rotated", client, secret.as_ref())),
        Err(problem) => Ok(confirm(&visit, visit.page("clients.rotate.title").refused(problem)?, client, "rotate")),
    }
}

#[derive(Template)]
#[template(path = "identity/client_made.html")]
struct MadePage<'a> {
    page: Page,
    client: ClientView,
    secret: Option<&'a str>,
    token_url: String,
    server: String,
}

/// The page with the secret. It is an answer to a form, never an address: it cannot be opened again, and nothing keeps it.
fn made(app: &App, visit: &Visit, title: &str, client: ClientView, secret: Option<&Zeroizing<String>>) -> Response {
    page::show(&MadePage {
        page: visit.page(title),
        client,
        secret: secret.map(|secret| secret.as_str()),
        token_url: format!("{}{}", app.origin(), visit.at("/oauth2/token")),
        server: app.origin().to_owned(),
    })
}

async fn set(visit: &Visit, app: &Arc<App>, id: &str, state: ClientState, said: &str) -> Result<Response> {
    let client = app.directory.set_client_state(&visit.intent(), &visit.org, id, state, ceiling(visit)).await?;
    Ok(visit.go_saying(&place(&client.id), said))
}

async fn disable(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    set(&visit, &app, &id, ClientState::Disabled, "client-disabled").await
}

async fn enable(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    set(&visit, &app, &id, ClientState::Active, "client-enabled").await
}

async fn confirm_delete(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    let client = app.directory.delete_client(&visit.trial(), &visit.org, &id, ceiling(&visit)).await?;
    Ok(confirm(&visit, visit.page("clients.delete.title"), client, "delete"))
}

async fn delete(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
) -> Result<Response> {
    app.directory.delete_client(&visit.intent(), &visit.org, &id, ceiling(&visit)).await?;
    Ok(visit.go_saying(LIST, "client-deleted"))
}
