//! The root-signed cloud document and the answer around it (protocol.md, trust in the cloud).
//!
//! Owns building, signing and remembering it. Must not know the store: everything it says is handed in.

use std::sync::Arc;

use latchkey_wire::message::{Document, Message, RootCommon, Succession, Version, WellKnown};
use latchkey_wire::verify::sign_statement;
use latchkey_wire::{Binary, Bytes, Ed25519Key, Milliseconds, PublicJwk, Seconds, Sign as _, Thumbprint, WireError};

/// Milliseconds of a day.
const DAY: Milliseconds = 24 * 60 * 60 * 1000;

/// So many answers are remembered; one per domain in use, and those of before a change until they fall out.
const REMEMBERED: u64 = 4096;

/// What a document says, for one domain of one organization.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Facts {
    /// The cloud's issuer name, fixed at creation.
    pub iss: String,
    /// The organization's opaque id.
    pub org: String,
    /// The domain as it was asked for.
    pub domain: String,
    /// The cloud's public addresses, the primary one first; at least one.
    pub public_urls: Vec<String>,
    /// The organization's challenge keys, those that will sign soon included.
    pub challenge_keys: Vec<PublicJwk>,
    /// The organization's device CAs in DER.
    pub device_ca: Vec<Binary>,
    /// SHA-256 of the SubjectPublicKeyInfo of each TLS key of the cloud.
    pub tls_spki_sha256: Vec<Bytes<32>>,
    /// The oldest connector that may enroll, `major.minor.patch`.
    pub min_connector: String,
    /// When this was issued: [`serial`] of the time of the last change and now.
    pub serial: Milliseconds,
}

/// The cloud's roots, oldest first, and a statement from each to the next. Kept and served for ever.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RootChain {
    /// The public keys; the last one signs.
    pub roots: Vec<PublicJwk>,
    /// Made by [`succession`]; one fewer than roots.
    pub succession: Vec<String>,
}

impl RootChain {
    /// The chain of a cloud that never changed its root.
    #[must_use]
    pub fn of(root: &Ed25519Key) -> Self {
        Self { roots: vec![root.public().clone()], succession: Vec::new() }
    }
}

/// The issue time to put into a document: when its content changed last, or the beginning of today (UTC), whichever is later.
///
/// It must be the same on every node and never go back, or connectors that ask two nodes in turn take one of the answers for old. So it
/// is counted from the store's times and the date, not from the moment at which a node happened to sign.
#[must_use]
pub fn serial(changed: Milliseconds, now: Milliseconds) -> Milliseconds {
    changed.max(now - now % DAY)
}

/// The statement by which a root names the next one.
///
/// # Errors
/// [`WireError`] if the old key does not sign.
pub fn succession(iss: &str, old: &Ed25519Key, next: &PublicJwk, now: Seconds) -> Result<String, WireError> {
    let common = RootCommon { v: Version, iss: iss.to_owned(), org: None, rk: old.public().thumbprint(), iat: now };
    sign_statement(&Message { common, body: Succession { next: next.clone() } }, old)
}

/// An answer of `GET /.well-known/latchkey`.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it is.
    pub well_known: WellKnown,
    /// The same as JSON, to be sent as it is.
    pub json: String,
}

/// Signs and assembles the answer.
///
/// # Errors
/// [`WireError`] where the facts make no document, or the chain does not end at this root.
pub fn sign(root: &Ed25519Key, chain: &RootChain, facts: &Facts) -> Result<Answer, WireError> {
    if chain.roots.last() != Some(root.public()) || chain.succession.len() + 1 != chain.roots.len() {
        return Err(WireError::RootSuccession);
    }
    if facts.public_urls.is_empty() || facts.challenge_keys.is_empty() {
        return Err(WireError::Member("a cloud document needs a public address and a challenge key".into()));
    }
    let common = RootCommon {
        v: Version,
        iss: facts.iss.clone(),
        org: Some(facts.org.clone()),
        rk: root.public().thumbprint(),
        iat: facts.serial / 1000,
    };
    let body = Document {
        domain: facts.domain.clone(),
        public_urls: facts.public_urls.clone(),
        challenge_keys: facts.challenge_keys.clone(),
        device_ca: facts.device_ca.clone(),
        tls_spki_sha256: facts.tls_spki_sha256.clone(),
        versions: vec![latchkey_wire::VERSION.into()],
        min_connector: facts.min_connector.clone(),
        serial: facts.serial,
    };
    let well_known = WellKnown {
        document: sign_statement(&Message { common, body }, root)?,
        roots: chain.roots.clone(),
        succession: chain.succession.clone(),
    };
    let json = serde_json::to_string(&well_known).map_err(|e| WireError::Json(e.to_string()))?;
    Ok(Answer { well_known, json })
}

/// Remembers answers, so that a fleet that starts in the morning costs one signature and not twenty thousand.
///
/// An answer follows from its facts alone (Ed25519 draws no randomness), so a remembered one is never stale: other facts are another
/// entry. Old ones fall out by number.
pub struct Documents {
    answers: moka::sync::Cache<Arc<Key>, Arc<Answer>>,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    root: Thumbprint,
    chain: RootChain,
    facts: Facts,
}

impl Default for Documents {
    fn default() -> Self {
        Self { answers: moka::sync::Cache::new(REMEMBERED) }
    }
}

impl Documents {
    /// The answer for these facts, signed now or remembered.
    ///
    /// # Errors
    /// As [`sign`]; a failure is not remembered.
    pub fn answer(&self, root: &Ed25519Key, chain: &RootChain, facts: Facts) -> Result<Arc<Answer>, WireError> {
        let key = Arc::new(Key { root: root.public().thumbprint(), chain: chain.clone(), facts });
        let signing = key.clone();
        self.answers
            .try_get_with(key, || sign(root, &signing.chain, &signing.facts).map(Arc::new))
            .map_err(|error| (*error).clone())
    }
}

#[cfg(test)]
mod tests {
    use latchkey_wire::Pin;
    use latchkey_wire::cloud::{Anchor, follow_roots};
    use proptest::prelude::*;

    use super::*;

    const NOW: Milliseconds = 1_764_000_123_456;

    fn facts() -> Facts {
        Facts {
            iss: "https://id.acme.example".into(),
            org: "0199c0de-0000-7000-8000-000000000001".into(),
            domain: "acme.example".into(),
            public_urls: vec!["https://id.acme.example".into(), "https://old.acme.example:8443".into()],
            challenge_keys: vec![Ed25519Key::from_seed(&[2; 32]).public().clone()],
            device_ca: vec![Binary(vec![0x30, 0x00])],
            tls_spki_sha256: vec![Bytes([9; 32])],
            min_connector: "0.1.0".into(),
            serial: serial(NOW - 5, NOW),
        }
    }

    #[test]
    fn a_connector_with_the_pin_accepts_it_and_reads_all_of_it() {
        let root = Ed25519Key::generate();
        let said = facts();
        let answer = sign(&root, &RootChain::of(&root), &said).unwrap();
        let received: WellKnown = serde_json::from_str(&answer.json).unwrap();
        assert_eq!(received, answer.well_known);
        let anchor = Anchor::Pin(Pin::of(&root.public_bytes()));
        let accepted = follow_roots(&anchor, &received).unwrap().accept("acme.example", None).unwrap();
        assert_eq!((accepted.org(), accepted.iss()), (said.org.as_str(), said.iss.as_str()));
        let read = accepted.document();
        assert_eq!(read.public_urls, said.public_urls);
        assert_eq!(read.challenge_keys, said.challenge_keys);
        assert_eq!(read.device_ca, said.device_ca);
        assert_eq!(read.tls_spki_sha256, said.tls_spki_sha256);
        assert_eq!((read.min_connector.as_str(), read.serial), ("0.1.0", NOW - 5));
        assert!(accepted.fresh_by(NOW / 1000).is_ok());
        let impostor = Anchor::Pin(Pin::of(&Ed25519Key::generate().public_bytes()));
        assert!(matches!(follow_roots(&impostor, &received), Err(WireError::RootNotPinned)));
    }

    #[test]
    fn r20_a_device_that_slept_through_two_changes_of_the_root_follows() {
        let roots: Vec<_> = (0..3u8).map(|n| Ed25519Key::from_seed(&[n; 32])).collect();
        let chain = RootChain {
            roots: roots.iter().map(|root| root.public().clone()).collect(),
            succession: roots
                .windows(2)
                .map(|pair| succession(&facts().iss, &pair[0], pair[1].public(), NOW / 1000).unwrap())
                .collect(),
        };
        let answer = sign(&roots[2], &chain, &facts()).unwrap();
        for root in &roots {
            let anchor = Anchor::Pin(Pin::of(&root.public_bytes()));
            let followed = follow_roots(&anchor, &answer.well_known).unwrap();
            assert_eq!(followed.accept("acme.example", None).unwrap().root(), roots[2].public());
        }
    }

    #[test]
    fn a_chain_that_no_connector_would_follow_is_not_signed() {
        let (root, other) = (Ed25519Key::generate(), Ed25519Key::generate());
        let broken = Err(WireError::RootSuccession);
        assert_eq!(sign(&root, &RootChain::of(&other), &facts()), broken);
        let gap = RootChain { roots: vec![other.public().clone(), root.public().clone()], succession: vec![] };
        assert_eq!(sign(&root, &gap, &facts()), broken);
        let homeless = Facts { public_urls: vec![], ..facts() };
        assert!(matches!(sign(&root, &RootChain::of(&root), &homeless), Err(WireError::Member(_))));
        let mute = Facts { challenge_keys: vec![], ..facts() };
        assert!(matches!(sign(&root, &RootChain::of(&root), &mute), Err(WireError::Member(_))));
    }

    #[test]
    fn two_nodes_give_the_same_answer_and_a_change_gives_another() {
        let root = Ed25519Key::generate();
        let chain = RootChain::of(&root);
        let (one, other) = (Documents::default(), Documents::default());
        let first = one.answer(&root, &chain, facts()).unwrap();
        assert!(Arc::ptr_eq(&first, &one.answer(&root, &chain, facts()).unwrap()));
        assert_eq!(first, other.answer(&root, &chain, facts()).unwrap());
        for changed in [
            Facts { domain: "acme.test".into(), ..facts() },
            Facts { org: "other".into(), ..facts() },
            Facts { serial: NOW, ..facts() },
            Facts { tls_spki_sha256: vec![], ..facts() },
        ] {
            assert_ne!(one.answer(&root, &chain, changed.clone()).unwrap(), first, "{changed:?}");
        }
        let new_root = Ed25519Key::generate();
        assert_ne!(one.answer(&new_root, &RootChain::of(&new_root), facts()).unwrap(), first);
    }

    #[test]
    fn a_failure_is_not_remembered() {
        let root = Ed25519Key::generate();
        let documents = Documents::default();
        let homeless = Facts { public_urls: vec![], ..facts() };
        assert!(documents.answer(&root, &RootChain::of(&root), homeless).is_err());
        assert!(documents.answer(&root, &RootChain::of(&root), facts()).is_ok());
    }

    proptest! {
        #[test]
        fn the_serial_never_goes_back(changed in 0u64..1 << 50, now in 0u64..1 << 50, later in 0u64..1 << 40) {
            prop_assert!(serial(changed, now) <= serial(changed, now + later));
            prop_assert!(serial(changed, now) >= changed);
            prop_assert!(serial(0, now) + DAY > now);
        }
    }
}
