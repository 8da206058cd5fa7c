//! The first run: from a set-up link to an organization with an administrator, and the list of what comes next (first-hour.md).
//!
//! Owns the pages below `/setup`, the cookie of a set-up under way, and the page `/o/{org}/start`. Everything that was done stays done, so it can be
//! left and gone on with. Must not know how credentials are checked later, nor the rules of any step: they are the directory's.

pub mod link;
mod organization;
mod person;
mod reached;
mod session;
pub(crate) mod start;
#[cfg(test)]
mod tests;

use crate::portal::doors::{Doors, Needs};

/// The doors of the first run.
pub(crate) fn doors(doors: Doors) -> Doors {
    doors
        .cloud_page("/setup/{token}", session::open)
        .cloud_page("/setup", organization::step)
        .cloud_action("/setup/organization", organization::create)
        .cloud_action("/setup/domain", organization::add_domain)
        .cloud_action("/setup/verify", organization::verify_domain)
        .cloud_action("/setup/administrator", person::begin)
        .cloud_action("/setup/code", person::confirm_code)
        .cloud_action("/setup/passkey", person::confirm_passkey)
        .page(Needs::Person, "/start", start::list)
}
