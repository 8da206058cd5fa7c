//! Trust in a cloud: from the pinned root to an accepted document.
//!
//! Owns the chain of root keys and the rules by which a connector takes a cloud document. Must not know where the answer came from.

use crate::message::{Document, Message, Succession, WellKnown};
use crate::pin::Pin;
use crate::verify::{Verified, verify_statement};
use crate::{Milliseconds, PublicJwk, Seconds, WireError};

/// A first document may be this old by the nonce's time.
pub const FIRST_DOCUMENT_MAX_AGE: Seconds = 30 * 24 * 60 * 60;

/// What a connector trusts before it asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anchor {
    /// The pin of its token, or the option `cloudKey`.
    Pin(Pin),
    /// The root key it stored last.
    Root(PublicJwk),
}

impl Anchor {
    fn names(&self, root: &PublicJwk) -> bool {
        match (self, root) {
            (Self::Pin(pin), PublicJwk::Ed25519 { x }) => *pin == Pin::of(x.as_bytes()),
            (Self::Root(stored), root) => stored == root,
            (Self::Pin(_), PublicJwk::P256 { .. }) => false,
        }
    }
}

/// A cloud document that hangs on the anchor by verified signatures. What it says still has to be accepted.
#[derive(Debug)]
pub struct Followed {
    /// The root that signed the document: the one to store.
    root: PublicJwk,
    document: Verified<Document>,
}

/// What a connector remembers of the document it accepted last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The organization for this domain.
    pub org: String,
    /// The issuer's name.
    pub iss: String,
    /// The newest serial seen.
    pub serial: Milliseconds,
}

/// Starts at the root the anchor names, follows the succession to the last root, and verifies the document with it.
pub fn follow_roots(anchor: &Anchor, answer: &WellKnown) -> Result<Followed, WireError> {
    let WellKnown { document, roots, succession } = answer;
    let start = roots.iter().position(|root| anchor.names(root)).ok_or(WireError::RootNotPinned)?;
    if succession.len() + 1 != roots.len() {
        return Err(WireError::RootSuccession);
    }
    let mut issuer: Option<String> = None;
    for (at, statement) in succession.iter().enumerate().skip(start) {
        let (old, new) = (&roots[at], &roots[at + 1]);
        let step: Verified<Succession> = verify_statement(statement, std::slice::from_ref(old))?;
        let common = step.common();
        let same_cloud = issuer.as_ref().is_none_or(|iss| *iss == common.iss);
        if step.body().next != *new || common.rk != old.thumbprint() || !same_cloud {
            return Err(WireError::RootSuccession);
        }
        issuer = Some(common.iss.clone());
    }
    let root = roots.last().ok_or(WireError::RootNotPinned)?.clone();
    let document: Verified<Document> = verify_statement(document, std::slice::from_ref(&root))?;
    if document.common().rk != root.thumbprint() {
        return Err(WireError::NotOurs { member: "rk" });
    }
    if issuer.is_some_and(|iss| iss != document.common().iss) {
        return Err(WireError::RootSuccession);
    }
    Ok(Followed { root, document })
}

impl Followed {
    /// Takes the document for this domain. With a `known` one, organization and issuer must be the same and the serial must not go
    /// back. Without, the caller also has to call [`Accepted::fresh_by`] as soon as it has a nonce.
    pub fn accept(self, domain: &str, known: Option<&Known>) -> Result<Accepted, WireError> {
        let Self { root, document } = self;
        let (common, body) = (document.common(), document.body());
        let org = common.org.clone().ok_or_else(|| WireError::Member("the cloud document names no org".into()))?;
        if body.domain != domain {
            return Err(WireError::NotOurs { member: "domain" });
        }
        if body.public_urls.is_empty() {
            return Err(WireError::Member("the cloud document has no public_urls".into()));
        }
        if let Some(known) = known {
            if known.org != org {
                return Err(WireError::NotOurs { member: "org" });
            }
            if known.iss != common.iss {
                return Err(WireError::NotOurs { member: "iss" });
            }
            if body.serial < known.serial {
                return Err(WireError::DocumentTooOld);
            }
        }
        Ok(Accepted { root, org, document: document.into_message() })
    }
}

/// A document that a connector goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    root: PublicJwk,
    org: String,
    document: Message<Document>,
}

impl Accepted {
    /// The root to store; from now on the anchor.
    #[must_use]
    pub fn root(&self) -> &PublicJwk {
        &self.root
    }

    /// The organization's opaque id.
    #[must_use]
    pub fn org(&self) -> &str {
        &self.org
    }

    /// The issuer's name.
    #[must_use]
    pub fn iss(&self) -> &str {
        &self.document.common.iss
    }

    /// What the document says.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document.body
    }

    /// What to remember of it.
    #[must_use]
    pub fn known(&self) -> Known {
        Known { org: self.org.clone(), iss: self.iss().to_owned(), serial: self.document.body.serial }
    }

    /// For a first document: refuses one that is older than 30 days by the time of a nonce signed with one of its challenge keys.
    pub fn fresh_by(&self, nonce_time: Seconds) -> Result<(), WireError> {
        let issued = self.document.body.serial / 1000;
        if nonce_time.saturating_sub(issued) > FIRST_DOCUMENT_MAX_AGE { Err(WireError::DocumentTooOld) } else { Ok(()) }
    }
}
