//! The landing page: a tile for each service the person may use, and for each room.
//!
//! Owns the tiles. Must not know how a sign-in to a service goes on.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::records::Service;
use latchkey_directory::values::Scope;

use super::doors::{Doors, Needs};
use super::page::{self, Page};
use super::visit::{Visit, no_cookie};
use crate::app::App;
use crate::problem::Result;
use crate::saml::jiff_time;
use crate::saml::known::Known;

/// From so many tiles on there is a field to search them.
const MANY: usize = 9;

pub(super) fn doors(doors: Doors) -> Doors {
    doors.page(Needs::Person, "/", landing).action(Needs::Person, "/sign-out", sign_out)
}

/// A service on the landing page.
struct Tile {
    name: String,
    /// Where its sign-in begins.
    address: String,
    host: String,
    initials: String,
}

#[derive(Template)]
#[template(path = "landing.html")]
struct Landing {
    page: Page,
    tiles: Vec<Tile>,
    searchable: bool,
    is_administrator: bool,
    /// How many steps of the first run are done, of how many; none where nothing is left of it.
    started: Option<(u64, u64)>,
}

async fn landing(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    let services = app.directory.services_of(&visit.org, &visit.user_id).await?;
    let tiles: Vec<Tile> = services.into_iter().filter_map(|service| tile(&app, &visit, service)).collect();
    let searchable = tiles.len() >= MANY;
    let started = match visit.rights.may(Scope::OrganizationWrite) {
        true => Some(crate::setup::start::progress(&app, &visit).await?).filter(|(done, all)| done < all),
        false => None,
    };
    Ok(page::show(&Landing {
        page: visit.page("landing.title"),
        tiles,
        searchable,
        is_administrator: visit.rights.is_administrator(),
        started: started.map(|(done, all)| (done as u64, all as u64)),
    }))
}

/// A service that cannot be used has no tile: whoever set it up sees why on its page.
fn tile(app: &App, visit: &Visit, service: Service) -> Option<Tile> {
    let known = Known::of(&app.saml.parsed, service, jiff_time(app.directory.now())).ok()?;
    let url = url::Url::parse(&known.metadata.default_consumer()?.location).ok()?;
    let name = known.display_name().to_owned();
    // Where a sign-in may not begin here, it begins at the service: at its front door, whose page asks who comes.
    let address = if known.settings.idp_initiated {
        let service: String = url::form_urlencoded::byte_serialize(known.service.name.as_bytes()).collect();
        visit.at(&format!("/saml/sso?service={service}"))
    } else {
        url.origin().ascii_serialization()
    };
    let initials = name.chars().filter(|c| c.is_alphanumeric()).take(2).flat_map(char::to_uppercase).collect();
    Some(Tile { name, address, host: url.host_str().unwrap_or_default().to_owned(), initials })
}

async fn sign_out(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    app.directory.end_browser_session(&visit.intent(), &visit.org, &visit.session.id, Some(&visit.user_id)).await?;
    let mut response = visit.go_saying("/signin", "signed-out");
    response.headers_mut().append(http::header::SET_COOKIE, no_cookie(&visit.org));
    Ok(response)
}
