//! The portals: pages for people, from the landing page to the two rooms of administrators (portals.md).
//!
//! Owns what every page has in common: who visits and with which rights ([`visit`]), the list of doors and the guard before each ([`doors`]),
//! forms and their token ([`fields`], [`csrf`]), the frame, the texts and the looks ([`page`], [`text`], [`assets`]). Must not know the store: a
//! page calls the same application services as the REST API.
//!
//! # How a page is written
//!
//! A room has a file of its own with `pub(super) fn doors(doors: Doors) -> Doors`, which is called in [`routes`]. Each of its routes is a
//! door: `doors.page(Needs::…, "/path/below/the/organization", handler)` shows something, `doors.action(…)` changes something. What stands
//! in `Needs` is checked before the handler runs; a door that changes something also checks the form's token and that the request comes from
//! our own pages. A handler takes
//!
//! * [`Visit`](visit::Visit): who, where, with which rights; `visit.intent()` for services, `visit.page(key)` for the frame;
//! * `State(app): State<Arc<App>>`, `Path((_org, id))`, and [`Query`](axum::extract::Query) structs whose fields are all optional;
//! * [`Fields`](fields::Fields) behind an action: what the form sent.
//!
//! It answers `Result<Response>`: [`page::show`] with a template whose first field is `page: Page`, or after a change
//! [`visit.go`](visit::Visit::go) to the page that shows it. A form that was refused comes back as it was typed, with
//! [`Page::wrong`](page::Page) filled from the problem. Texts come from the catalogue in `texts/en`, by `page.t("room.key")`.
//! Rooms of the side navigation are a table in [`rooms`].

mod account;
pub mod assets;
mod connector;
mod counts;
pub mod csrf;
pub mod doors;
pub mod error;
pub mod fields;
mod front;
pub mod identity;
mod landing;
pub mod look;
pub mod page;
pub mod rooms;
pub mod text;
pub mod visit;

use std::sync::Arc;

use axum::Router;

use self::doors::{Door, Doors};
use crate::app::App;

/// The routes of this concern.
pub fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    all(app).into_router().merge(assets::routes())
}

/// Every door there is: the list that the tests of all doors go through.
#[must_use]
pub fn list(app: &Arc<App>) -> Vec<Door> {
    all(app).into_list()
}

fn all(app: &Arc<App>) -> Doors {
    let doors = Doors::new(app);
    let doors = front::doors(doors);
    let doors = account::doors(landing::doors(doors));
    let doors = connector::doors(doors);
    let doors = identity::doors(doors);
    let doors = crate::setup::doors(doors);
    let doors = crate::signin::recover::doors(doors);
    crate::signin::person::doors(doors)
}

#[cfg(test)]
pub(crate) mod tests;
