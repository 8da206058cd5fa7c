//! The Identity admin: who people are, which domains are theirs, what device tokens may do, and services, sessions, keys and the audit log.
//!
//! Owns its pages, and how names are hidden from whoever may see them masked only. Must not know the Connector portal's.

mod audit;
mod branding;
mod clients;
mod dashboard;
mod domains;
mod groups;
mod keys;
mod methods;
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
    let doors = methods::doors(doors);
    let doors = sessions::doors(doors);
    let doors = keys::doors(doors);
    let doors = clients::doors(doors);
    let doors = audit::doors(doors);
    let doors = branding::doors(doors);
    settings::doors(doors)
}
