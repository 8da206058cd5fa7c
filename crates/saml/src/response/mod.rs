//! Responses: written in canonical form into one buffer and signed there. No DOM, no templates of text.
//!
//! Must not know who the user is: identifiers, attributes and levels come in as values that are already decided.

mod error;
pub(crate) mod signing;
mod spec;

pub use error::ErrorResponse;
pub use spec::{EVIDENCE_ATTRIBUTE, LIFETIME_LIMIT, Reply, ResponseSpec};

/// A finished document and where it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed {
    xml: Vec<u8>,
    destination: String,
}

impl std::fmt::Debug for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It is a bearer credential: not for logs.
        f.debug_struct("Signed").field("destination", &self.destination).finish_non_exhaustive()
    }
}

impl Signed {
    /// The document's bytes, UTF-8.
    pub fn xml(&self) -> &[u8] {
        &self.xml
    }

    /// The consumer address.
    pub fn destination(&self) -> &str {
        &self.destination
    }
}
