//! One token: its limits, how its roll-out goes, who used it and who failed.
//!
//! Owns the page. Must not know what is done with the token.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use latchkey_directory::page::PageRequest;
use latchkey_directory::tokens::{Failure, Progress, TokenView, Use};
use latchkey_directory::values::{Module, Scope, TokenState};

use super::super::super::doors::{Doors, Needs};
use super::super::super::fields::{Asked, Paging};
use super::super::super::page::{self, Page};
use super::super::super::text;
use super::super::super::visit::Visit;
use super::LIST;
use super::create::Obstacle;
use crate::app::App;
use crate::problem::Result;

/// So many devices are on a page.
const USES: u64 = 25;

pub(super) fn doors(doors: Doors) -> Doors {
    doors.page(Needs::Right(Scope::TokensRead), "/connector/tokens/{id}", show)
}

#[derive(Template)]
#[template(path = "connector/token.html")]
struct TokenPage {
    page: Page,
    token: TokenView,
    progress: Progress,
    obstacles: Vec<Obstacle>,
    /// Why it was stopped, in words; whether by its brake.
    stopped: Option<String>,
    braked: bool,
    failures: Vec<Failure>,
    uses: Vec<Use>,
    paging: Paging,
    may_write: bool,
    may_see_devices: bool,
    at: String,
    cli: String,
    api: String,
}

impl TokenPage {
    /// How far the roll-out is: so many of so many.
    fn goal(&self) -> u64 {
        self.progress.expect.unwrap_or(self.progress.max_uses).max(1)
    }

    fn so_far(&self) -> String {
        self.page.count_of(&self.progress.enrolled, &self.goal())
    }

    fn is_live(&self) -> bool {
        self.token.state != TokenState::Revoked
    }
}

async fn show(
    visit: Visit,
    State(app): State<Arc<App>>,
    Path((_org, id)): Path<(String, String)>,
    asked: Asked,
) -> Result<Response> {
    let (directory, org) = (&app.directory, &visit.org);
    let token = directory.token(org, &id).await?;
    let progress = directory.token_progress(org, &id).await?;
    let obstacles = directory.token_obstacles(org, &id).await?;
    let failures = directory.token_failures(org, &id, PageRequest::default()).await?;
    let uses = directory.token_uses(org, &id, PageRequest { limit: USES, ..asked.page_request() }).await?;
    let hidden = visit.rights.is_masked(Module::Tokens) || visit.rights.is_masked(Module::Devices);
    let seen = |mut one: Use| {
        if hidden {
            let names = [&mut one.login_name, &mut one.host, &mut one.serial, &mut one.address];
            names.into_iter().flatten().for_each(|name| page::MASK.clone_into(name));
        }
        one
    };
    // The product disables a token only by its brake; what an administrator did is told by its word.
    let (stopped, braked) = match (token.state, token.state_reason.as_deref()) {
        (TokenState::Disabled, Some("administrator")) => {
            (Some(text::t("tokens.one.by_administrator").into_owned()), false)
        }
        (TokenState::Disabled, Some(why)) => (Some(why.to_owned()), true),
        _ => (None, false),
    };
    let at = format!("{LIST}/{}", token.id);
    let path = visit.at(&at);
    Ok(page::show(&TokenPage {
        page: visit.page_of(&token.description),
        obstacles: obstacles.into_iter().map(Obstacle::of).collect(),
        stopped,
        braked,
        failures: failures.items,
        uses: uses.items.into_iter().map(seen).collect(),
        paging: asked.paging(&path, uses.next.as_ref()),
        may_write: visit.rights.may(Scope::TokensWrite),
        may_see_devices: visit.rights.may(Scope::DevicesRead),
        cli: format!(
            "latchkey token show {id}\nlatchkey token watch {id}\nlatchkey token uses {id}\nlatchkey token failures {id}"
        ),
        api: format!(
            "GET /api/v1{0}/device-tokens/{id}\nGET /api/v1{0}/device-tokens/{id}/watch\nGET /api/v1{0}/device-tokens/{id}/uses\nGET /api/v1{0}/device-tokens/{id}/failures",
            visit.at("")
        ),
        at,
        token,
        progress,
    }))
}
