//! The Connector portal: device tokens, devices, and what passes a token to them.
//!
//! Owns its pages. Must not know the Identity admin's.

mod tokens;

use super::doors::Doors;

pub(super) fn doors(doors: Doors) -> Doors {
    tokens::doors(doors)
}
