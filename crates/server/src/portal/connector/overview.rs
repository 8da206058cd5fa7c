//! The first page of the Connector portal: how the fleet stands, and what needs a hand next.
//!
//! Owns what is asked for next. Must not know how any of it is done; what the visitor may not see is not asked for.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::device::view::{DeviceFilter, DeviceView};
use latchkey_directory::page::PageRequest;
use latchkey_directory::tokens::Standing;
use latchkey_directory::values::Scope;

use super::super::counts::{self, Number};
use super::super::doors::{Doors, Needs};
use super::super::page::{self, Page};
use super::super::visit::Visit;
use super::devices::{name_of, seen_by};
use crate::app::App;
use crate::problem::Result;

/// So many of the newest devices are shown.
const NEWEST: u64 = 5;

pub(super) fn doors(doors: Doors) -> Doors {
    doors.page(Needs::Right(Scope::DevicesRead), "/connector", show)
}

/// Something to do: the key of its text, and where.
struct Step {
    key: &'static str,
    path: &'static str,
}

#[derive(Template)]
#[template(path = "connector/overview.html")]
struct Overview {
    page: Page,
    numbers: Vec<Number>,
    steps: Vec<Step>,
    /// The tokens that could be used, with what stops each; absent for somebody who may not see tokens.
    tokens: Option<Vec<Token>>,
    newest: Vec<DeviceView>,
    cli: String,
    api: String,
}

struct Token {
    id: String,
    description: String,
    domains: String,
    /// What stops it, in words.
    stopped: Vec<String>,
}

impl From<Standing> for Token {
    fn from(token: Standing) -> Self {
        Self {
            id: token.id,
            description: token.description,
            domains: token.domains.join(", "),
            stopped: token.obstacles.iter().map(|code| code.title().to_owned()).collect(),
        }
    }
}

impl Overview {
    fn name<'a>(&self, device: &'a DeviceView) -> &'a str {
        name_of(device)
    }
}

async fn show(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    let (directory, org, rights) = (&app.directory, &visit.org, &visit.rights);
    let numbers = counts::devices(&app, &visit).await?;
    let tokens: Option<Vec<Token>> = if rights.may(Scope::TokensRead) {
        Some(directory.token_standing(org).await?.into_iter().map(Token::from).collect())
    } else {
        None
    };
    let some = PageRequest { limit: NEWEST, ..PageRequest::default() };
    let newest = directory.devices(org, DeviceFilter::default(), some).await?.items;
    let mut steps = Vec::new();
    let mut step = |needed: bool, right: Scope, key, path| {
        if needed && rights.may(right) {
            steps.push(Step { key, path });
        }
    };
    let accepted = tokens.as_ref().is_some_and(|tokens| tokens.iter().any(|token| token.stopped.is_empty()));
    let any_token = tokens.as_ref().is_some_and(|tokens| !tokens.is_empty());
    step(!any_token, Scope::TokensWrite, "overview.make_token", "/connector/tokens/new");
    step(any_token && !accepted, Scope::PolicyRead, "overview.enable", "/admin/policy");
    step(accepted && newest.is_empty(), Scope::TokensWrite, "overview.deploy", "/connector/deploy");
    let waits = numbers.iter().any(|number| number.what == "common.devices_pending" && number.some);
    step(waits, Scope::DevicesWrite, "overview.approve", "/connector/devices?state=pending");
    let locked = numbers.iter().any(|number| number.what == "common.devices_quarantined" && number.some);
    step(locked, Scope::DevicesWrite, "overview.release", "/connector/devices?state=quarantined");
    Ok(page::show(&Overview {
        page: visit.page("overview.title"),
        numbers,
        steps,
        tokens,
        newest: newest.into_iter().map(|device| seen_by(&visit, device)).collect(),
        cli: "latchkey token list\nlatchkey device list --limit 5".to_owned(),
        api: format!("GET /api/v1{0}/device-tokens\nGET /api/v1{0}/devices?limit=5", visit.at("")),
    }))
}
