//! What the table needs of an identity provider.

use std::path::Path;

use crate::cells::{Kind, Setup};

/// What a visit to a service ended with.
#[derive(Debug)]
pub(crate) struct Visit {
    /// The last page's HTTP status.
    pub(crate) status: u16,
    pub(crate) page: String,
}

/// An identity provider together with what carries its user to a service.
pub(crate) trait Cloud {
    /// Makes a service known.
    fn add(&mut self, kind: Kind, setup: Setup, metadata: &Path);

    /// The identity provider's metadata.
    fn metadata(&self) -> String;

    /// The hand-over sheet for the service that was added last, for software of that name.
    fn sheet(&self, target: &str) -> String;

    /// Signs the user in at the service's protected page, as a new browser.
    fn sign_in(&mut self, url: &str) -> Visit;
}
