//! Who administers: rights, roles, who has them, and the browser sessions and set-up links by which administrators come in.
//!
//! **Owns** the access levels by module, the built-in roles, custom roles and their assignment, the rules that nobody gives away more than
//! they have and that an organization keeps an owner, the rows of browser sessions and set-up links and when each counts.
//!
//! **Must not know** how a person proved who they are (`credentials`), cookies' attributes, or pages.

pub(crate) mod assignments;
mod builtin;
mod guard;
pub(crate) mod holding;
mod known;
pub mod records;
mod rights;
mod roles;
mod secret;
mod sessions;
mod setup;

pub use assignments::{AssignmentView, Holder, NotAHolder};
pub use builtin::{BUILT_IN, BuiltInRole, OWNER};
pub use guard::{may_change_user, may_join};
pub use holding::{Held, has_role, held_by};
pub use known::{KnownPerson, LEAST_LEVEL};
pub use rights::{MayGive, Rights};
pub use roles::{NewRole, RolePatch, RoleView};
pub use secret::SessionSecret;
pub(crate) use sessions::end_browser_sessions;
pub use sessions::{
    ABSOLUTE_LIFETIME, BrowserSessionView, IDLE_LIFETIME, NewBrowserSession, NotBegun, StepUp, begin_browser_session,
    step_up,
};
pub use setup::{SETUP_LINK_LIFETIME, SETUP_SESSION_LIFETIME, SetupLinkMade, SetupSession, finish_setup};
