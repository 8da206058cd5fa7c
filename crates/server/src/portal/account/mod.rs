//! The room in which people look after themselves: profile, ways to sign in, devices, sessions.
//!
//! Owns its pages. Everybody who is signed in may enter, and sees and changes only what is theirs: the person is always the session's, never one
//! that a form names. What touches how somebody signs in needs a fresh confirmation. Must not know how anything is kept.

mod devices;
mod methods;
mod passkeys;
mod profile;
mod sessions;
mod totp;

use super::doors::Doors;

pub(super) fn doors(doors: Doors) -> Doors {
    let doors = profile::doors(doors);
    let doors = methods::doors(doors);
    let doors = passkeys::doors(doors);
    let doors = totp::doors(doors);
    sessions::doors(devices::doors(doors))
}
