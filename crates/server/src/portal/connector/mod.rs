//! The Connector portal: device tokens, devices, and what passes a token to them.
//!
//! Owns its pages. Must not know the Identity admin's.

mod confirm;
mod deploy;
mod devices;
mod groups;
mod overview;
mod rules;
mod tokens;

use super::doors::Doors;

pub(super) fn doors(doors: Doors) -> Doors {
    deploy::doors(overview::doors(rules::doors(groups::doors(devices::doors(tokens::doors(doors))))))
}
