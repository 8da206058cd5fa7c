//! Which address the browser used, beside the one that this cloud has.
//!
//! Owns the comparison that set-up shows, so that a wrong address is seen before passkeys and services remember it. Must not decide anything.

use crate::app::App;
use crate::serve::way::{Trouble, Way};

/// What the pages of set-up say about it: `templates/setup/reached.html`.
pub(super) struct Reached {
    /// The cloud's public address.
    pub(super) origin: String,
    /// Its name.
    pub(super) cloud_name: String,
    /// The name that the browser asked for.
    pub(super) asked: Option<String>,
    /// From where it seems to come, and through which listed proxy.
    pub(super) client: Option<String>,
    pub(super) through: Option<String>,
    /// What an unlisted peer says that the browser asked for.
    pub(super) said: Option<String>,
    pub(super) trouble: Option<Trouble>,
}

impl Reached {
    pub(super) fn of(app: &App, way: Option<&Way>) -> Self {
        Self {
            origin: app.origin().to_owned(),
            cloud_name: app.cloud_name.clone(),
            asked: way.map(|way| way.came_as.clone()),
            client: way.map(|way| way.client.to_string()),
            through: way.and_then(|way| way.through).map(|address| address.to_string()),
            said: way.and_then(|way| way.said.clone()),
            trouble: way.and_then(|way| way.trouble.clone()),
        }
    }
}
