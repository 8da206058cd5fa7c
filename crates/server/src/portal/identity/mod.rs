//! The Identity admin: who people are, which domains are theirs, what device tokens may do, and services, sessions, keys and the audit log.
//!
//! Owns its pages, and how names are hidden from whoever may see them masked only. Must not know the Connector portal's.

mod audit;
mod clients;
mod dashboard;
mod domains;
mod groups;
mod keys;
mod policy;
mod roles;
mod services;
mod sessions;
mod settings;
mod users;

use super::doors::Doors;

pub use users::waiting;

pub(super) fn doors(doors: Doors) -> Doors {
    let doors = dashboard::doors(doors);
    let doors = policy::doors(doors);
    let doors = domains::doors(doors);
    let doors = users::doors(doors);
    let doors = groups::doors(doors);
    let doors = roles::doors(doors);
    let doors = services::doors(doors);
    let doors = sessions::doors(doors);
    let doors = keys::doors(doors);
    let doors = clients::doors(doors);
    let doors = audit::doors(doors);
    settings::doors(doors)
}

/// What stands in place of a name that is not to be seen.
const MASK: &str = "•••";

/// A name, or what stands in its place.
fn masked(name: String, hide: bool) -> String {
    if hide { MASK.to_owned() } else { name }
}

/// The status of a page with a form: another one if the form was not accepted.
fn status_of(page: &super::page::Page) -> http::StatusCode {
    if page.failed.is_some() { http::StatusCode::UNPROCESSABLE_ENTITY } else { http::StatusCode::OK }
}
