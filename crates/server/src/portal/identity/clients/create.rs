//! Making an API client.
//!
//! Owns the form. Must not know what a scope opens.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::clients::NewClient;
use latchkey_directory::values::Scope;

use super::super::super::doors::{Doors, Needs};
use super::super::super::fields::Fields;
use super::super::super::page::{self, Page};
use super::super::super::visit::Visit;
use super::{Tick, ceiling, made, ticks};
use crate::app::App;
use crate::client_credential::credential;
use crate::problem::{Problem, Result};

pub(super) fn doors(doors: Doors) -> Doors {
    let write = Needs::Fresh(Scope::ApiClientsWrite);
    doors.page(write, "/admin/api-clients/new", form).action(write, "/admin/api-clients/new", create)
}

#[derive(Template)]
#[template(path = "identity/client_new.html")]
struct FormPage {
    page: Page,
    called: String,
    public_key: String,
    scopes: Vec<Tick>,
    api: String,
}

fn show(visit: &Visit, page: Page, fields: &Fields) -> Response {
    let status = page.status();
    let form = FormPage {
        page,
        called: fields.text("name").unwrap_or_default().to_owned(),
        public_key: fields.text("public_key").unwrap_or_default().to_owned(),
        scopes: ticks(visit, &fields.many("scopes")),
        api: format!(
            "POST /api/v1{}/api-clients\n{{\"name\":\"inventory\",\"scopes\":[\"devices:read\"]}}",
            visit.at("")
        ),
    };
    page::show_as(status, &form)
}

async fn form(visit: Visit) -> Result<Response> {
    Ok(show(&visit, visit.page("clients.new.title"), &Fields::default()))
}

async fn create(visit: Visit, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    let key = fields.text("public_key").map(str::to_owned);
    let new = NewClient {
        name: Some(fields.text("name").unwrap_or_default().to_owned()),
        scopes: Some(fields.many("scopes")),
        public_key: key.clone(),
    };
    let done = match credential(key.as_deref()) {
        Ok((credential, secret)) => {
            let created =
                app.directory.create_client(&visit.intent(), &visit.org, new, credential, ceiling(&visit)).await;
            created.map(|client| (client, secret)).map_err(Problem::from)
        }
        Err(problem) => Err(problem),
    };
    match done {
        Ok((client, secret)) => Ok(made(&app, &visit, "clients.made.title", client, secret.as_ref())),
        Err(problem) => Ok(show(&visit, visit.page("clients.new.title").refused(problem)?, &fields)),
    }
}
