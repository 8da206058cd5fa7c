//! The way in for somebody who knows only the cloud's name.
//!
//! Owns `/signin`: from a work address to the organization's own page. Must not know how a sign-in goes on. An address is looked at for its
//! domain only, so what is answered says nothing about people.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use latchkey_wire::Code as Wire;

use super::doors::{Doors, Needs};
use super::fields::Fields;
use super::page::{self, Page};
use super::visit::Passer;
use crate::app::App;
use crate::problem::{Problem, Result};

pub(super) fn doors(doors: Doors) -> Doors {
    doors.cloud_page("/signin", front).cloud_action("/signin", find).page(Needs::Nobody, "", landing)
}

#[derive(Template)]
#[template(path = "front.html")]
struct Front {
    page: Page,
    typed: String,
    /// Whether there is an organization at all.
    set_up: bool,
    cloud_name: String,
}

/// `/o/acme` without its slash.
async fn landing(passer: Passer) -> Response {
    let slug = passer.organization.map(|organization| organization.slug).unwrap_or_default();
    Redirect::to(&format!("/o/{slug}/")).into_response()
}

/// A cloud of one organization asks nothing.
async fn front(passer: Passer, State(app): State<Arc<App>>) -> Result<Response> {
    let all = app.directory.organizations().await?;
    if let [only] = all.as_slice() {
        return Ok(Redirect::to(&format!("/o/{}/", only.slug)).into_response());
    }
    let page = passer.page("front.title");
    Ok(show(&app, &passer, StatusCode::OK, page, String::new(), !all.is_empty()))
}

fn show(app: &App, passer: &Passer, status: StatusCode, page: Page, typed: String, set_up: bool) -> Response {
    let cloud_name = app.cloud_name.clone();
    passer.bound(page::show_as(status, &Front { page, typed, set_up, cloud_name }))
}

async fn find(passer: Passer, State(app): State<Arc<App>>, fields: Fields) -> Result<Response> {
    if let Some(address) = passer.address {
        app.limits.unauthenticated(address)?;
    }
    let typed = fields.text("login").unwrap_or_default().to_owned();
    let domain = typed.rsplit_once('@').map(|(_, domain)| domain.trim_end_matches('.').to_ascii_lowercase());
    let owner = match &domain {
        Some(domain) => app.directory.domain_owner(domain).await?,
        None => None,
    };
    if let Some(owner) = owner {
        let organization = app.directory.organization(owner.as_str()).await?;
        return Ok(Redirect::to(&format!("/o/{}/", organization.slug)).into_response());
    }
    let problem = Problem::of(Wire::Api010).field("/login", Wire::Api010, super::text::t("front.unknown"));
    let page = passer.page("front.title").refused(problem)?;
    Ok(show(&app, &passer, StatusCode::UNPROCESSABLE_ENTITY, page, typed, true))
}
