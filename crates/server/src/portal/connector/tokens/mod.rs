//! Device tokens: the list, and what is done with one.
//!
//! Owns the list. Must not know how a secret is made or opened.

mod act;
mod create;
mod limits;
mod one;
mod secret;

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::tokens::TokenView;
use latchkey_directory::values::Scope;

use super::super::doors::{Doors, Needs};
use super::super::fields::{Asked, Paging};
use super::super::page::{self, Page};
use super::super::visit::Visit;
use crate::app::App;
use crate::problem::Result;

pub(super) use create::Obstacle;
pub(super) use secret::wrong_password;

/// Where the list is.
const LIST: &str = "/connector/tokens";

pub(super) fn doors(doors: Doors) -> Doors {
    let doors = doors.page(Needs::Right(Scope::TokensRead), LIST, list);
    let doors = one::doors(create::doors(doors));
    secret::doors(limits::doors(act::doors(doors)))
}

#[derive(Template)]
#[template(path = "connector/tokens.html")]
struct ListPage {
    page: Page,
    tokens: Vec<TokenView>,
    filtered: bool,
    chosen: Vec<String>,
    may_write: bool,
    paging: Paging,
}

/// The states that can be asked for, as they are written.
const STATES: [&str; 5] = ["active", "disabled", "expired", "exhausted", "revoked"];

async fn list(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let found = app.directory.tokens(&visit.org, asked.all_of("state"), asked.page_request()).await?;
    let path = visit.at(LIST);
    let chosen = asked.many("state");
    Ok(page::show(&ListPage {
        page: visit.page("tokens.title"),
        tokens: found.items,
        filtered: !chosen.is_empty(),
        chosen,
        may_write: visit.rights.may(Scope::TokensWrite),
        paging: asked.paging(&path, found.next.as_ref()),
    }))
}

impl ListPage {
    fn states() -> impl Iterator<Item = &'static str> {
        STATES.into_iter()
    }

    fn api(&self) -> String {
        format!("GET /api/v1{}/device-tokens", self.page.base)
    }

    fn is_chosen(&self, state: &str) -> bool {
        self.chosen.iter().any(|chosen| chosen == state)
    }
}
