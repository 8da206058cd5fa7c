//! The keys of the cloud and its organizations, opened for their one use.
//!
//! Owns the cache of opened keys: a key found by its id never changes, so it stays; which keys an organization publishes and which one
//! is in use is read again after half a second at most. Must not know what is signed.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use latchkey_directory::keys::{KeyView, open};
use latchkey_directory::records::Key;
use latchkey_directory::values::{KeyState, KeyUse};
use latchkey_directory::{Directory, Error, Intent, OrgId, Timestamp};
use latchkey_saml::keys::Certificate;
use latchkey_saml::{Assertion, Metadata, SignatureAlgorithm, Signer};
use latchkey_wire::{Ed25519Key, Pin, PublicJwk, Sign as _};

use super::App;
use crate::cloud::document::{RootChain, succession};
use crate::enroll::certificate::DeviceCa;

/// How long a list of keys counts, from the start of its read.
const FRESH: Duration = Duration::from_millis(500);

/// The root in use, as last read. It is read again every few seconds ([`Roots::refresh`]), since another node may have changed it.
pub struct Roots {
    directory: Directory,
    current: RwLock<Arc<Root>>,
}

impl Roots {
    /// Reads the cloud's roots.
    pub async fn load(directory: &Directory) -> Result<Self, Error> {
        let current = RwLock::new(Arc::new(Root::load(directory).await?));
        Ok(Self { directory: directory.clone(), current })
    }

    /// The root in use.
    #[must_use]
    pub fn current(&self) -> Arc<Root> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the cloud's roots again.
    pub async fn refresh(&self) -> Result<(), Error> {
        let root = Root::load(&self.directory).await?;
        if root.id != self.current().id {
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(root);
        }
        Ok(())
    }
}

/// The root key with the chain that leads to it.
pub struct Root {
    /// Its id in the store.
    pub id: String,
    /// When it came into use.
    pub since: Timestamp,
    /// Signs the cloud document and its own succession, nothing else.
    pub key: Arc<Ed25519Key>,
    /// The roots, oldest first, with a statement from each to the next.
    pub chain: RootChain,
}

impl Root {
    /// The pin of the current root.
    #[must_use]
    pub fn pin(&self) -> Pin {
        match self.key.public() {
            PublicJwk::Ed25519 { x } => Pin::of(x.as_bytes()),
            PublicJwk::P256 { .. } => unreachable!("an Ed25519 key has an Ed25519 public half"),
        }
    }

    /// Reads the cloud's roots.
    pub async fn load(directory: &Directory) -> Result<Self, Error> {
        let mut keys = directory.published_keys(&OrgId::cloud()).await?;
        keys.retain(|key| key.usage == KeyUse::Root && key.state != KeyState::Upcoming);
        keys.sort_by_key(|key| (key.activated_at, key.created_at));
        let last = keys.last().ok_or_else(|| Error::Internal("the store has no root key".to_owned()))?;
        let key = ed25519(directory, last)?;
        let roots = keys.iter().map(public).collect::<Result<_, _>>()?;
        let succession = keys.iter().skip(1).filter_map(|key| key.succession.clone()).collect();
        let (id, since) = (last.id.clone(), last.activated_at.unwrap_or(last.created_at));
        Ok(Self { id, since, key, chain: RootChain { roots, succession } })
    }
}

impl App {
    /// Brings an upcoming root into use, by the word of the one in use.
    pub async fn succeed_root(&self, intent: &Intent, id: &str) -> Result<KeyView, Error> {
        let old = self.roots.current();
        let rows = self.directory.keys_of(&OrgId::cloud(), KeyUse::Root).await?;
        let next = rows.iter().find(|key| key.id == id).ok_or_else(|| Error::not_found("key", id))?;
        let statement = succession(&self.iss, &old.key, &public(next)?, self.seconds())
            .map_err(|e| Error::Internal(format!("the root does not sign its succession: {e}")))?;
        let view = self.directory.activate_root(intent, id, &old.id, statement).await?;
        if let Err(error) = self.roots.refresh().await {
            tracing::warn!(%error, "the new root could not be read; it is tried again within seconds");
        }
        Ok(view)
    }
}

/// The keys of one organization.
pub struct OrgKeys {
    /// The challenge key in use.
    pub challenge: Arc<Ed25519Key>,
    /// The challenge keys to publish, upcoming and retiring ones included.
    pub challenge_published: Vec<PublicJwk>,
    /// The device CA in use.
    pub device_ca: Arc<DeviceCa>,
    /// The certificates of the device CAs to publish and to recognize, in DER.
    pub device_ca_published: Vec<Vec<u8>>,
    /// The assertion key in use for each algorithm.
    pub assertion_rsa: Arc<Signer<Assertion>>,
    /// The same for ECDSA.
    pub assertion_p256: Arc<Signer<Assertion>>,
    /// The certificates of active and upcoming (and still retiring) assertion keys, those in use first.
    pub assertion_published: Vec<Certificate>,
    /// The metadata key in use.
    pub metadata: Arc<Signer<Metadata>>,
    /// When the set last changed.
    pub changed_at: Timestamp,
}

impl OrgKeys {
    /// The assertion key in use for this algorithm.
    #[must_use]
    pub fn assertion(&self, algorithm: SignatureAlgorithm) -> &Arc<Signer<Assertion>> {
        match algorithm {
            SignatureAlgorithm::RsaSha256 => &self.assertion_rsa,
            SignatureAlgorithm::EcdsaP256 => &self.assertion_p256,
        }
    }
}

#[derive(Clone)]
enum Opened {
    Assertion(Arc<Signer<Assertion>>),
    Ca(Arc<DeviceCa>),
    Ed25519(Arc<Ed25519Key>),
    Metadata(Arc<Signer<Metadata>>),
}

/// Opened keys of all organizations in use.
pub struct KeyCache {
    directory: Directory,
    opened: RwLock<HashMap<String, Opened>>,
    organizations: RwLock<HashMap<OrgId, (Instant, Arc<OrgKeys>)>>,
}

impl KeyCache {
    /// An empty one.
    #[must_use]
    pub fn new(directory: Directory) -> Self {
        Self { directory, opened: RwLock::default(), organizations: RwLock::default() }
    }

    /// The keys of an organization. [`Error::NotFound`] if there is none with this id.
    pub async fn of(&self, org: &OrgId) -> Result<Arc<OrgKeys>, Error> {
        let began = self.directory.clock().monotonic();
        if let Some((read_at, keys)) = self.organizations.read().unwrap_or_else(PoisonError::into_inner).get(org)
            && began.saturating_duration_since(*read_at) < FRESH
        {
            return Ok(Arc::clone(keys));
        }
        let rows = self.directory.published_keys(org).await?;
        if rows.is_empty() || *org == OrgId::cloud() {
            return Err(Error::not_found("organization", org.as_str()));
        }
        let keys = Arc::new(self.assemble(&rows)?);
        self.organizations
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(org.clone(), (began, Arc::clone(&keys)));
        Ok(keys)
    }

    /// Forgets which keys an organization publishes, after this node changed them.
    pub fn forget(&self, org: &OrgId) {
        self.organizations.write().unwrap_or_else(PoisonError::into_inner).remove(org);
    }

    fn assemble(&self, rows: &[Key]) -> Result<OrgKeys, Error> {
        let of = |usage: KeyUse| rows.iter().filter(move |key| key.usage == usage);
        let in_use = |usage: KeyUse, algorithm: &str| {
            of(usage)
                .filter(|key| key.state == KeyState::Active && key.algorithm == algorithm)
                .max_by_key(|key| (key.activated_at, key.created_at))
                .ok_or_else(|| Error::Internal(format!("no {usage} key ({algorithm}) is in use")))
        };
        let Opened::Ed25519(challenge) = self.opened(in_use(KeyUse::Challenge, "ed25519")?)? else {
            return Err(wrong_kind());
        };
        let Opened::Ca(device_ca) = self.opened(in_use(KeyUse::Ca, "p-256")?)? else { return Err(wrong_kind()) };
        let Opened::Assertion(assertion_rsa) = self.opened(in_use(KeyUse::Assertion, "rsa-2048")?)? else {
            return Err(wrong_kind());
        };
        let Opened::Assertion(assertion_p256) = self.opened(in_use(KeyUse::Assertion, "p-256")?)? else {
            return Err(wrong_kind());
        };
        let Opened::Metadata(metadata) = self.opened(in_use(KeyUse::Metadata, "rsa-2048")?)? else {
            return Err(wrong_kind());
        };
        let mut assertion: Vec<&Key> = of(KeyUse::Assertion).collect();
        assertion.sort_by_key(|key| (key.state != KeyState::Active, key.algorithm != "rsa-2048", key.created_at));
        let certificate = |key: &&Key| Certificate::from_der(&key.public.0).map_err(|e| Error::Internal(e.to_string()));
        let times = rows.iter().flat_map(|key| [Some(key.created_at), key.activated_at, key.retired_at]);
        Ok(OrgKeys {
            challenge,
            challenge_published: of(KeyUse::Challenge).map(public).collect::<Result<_, _>>()?,
            device_ca,
            device_ca_published: of(KeyUse::Ca).map(|key| key.public.0.clone()).collect(),
            assertion_rsa,
            assertion_p256,
            assertion_published: assertion.iter().map(certificate).collect::<Result<_, _>>()?,
            metadata,
            changed_at: times.flatten().max().unwrap_or_default(),
        })
    }

    fn opened(&self, key: &Key) -> Result<Opened, Error> {
        if let Some(opened) = self.opened.read().unwrap_or_else(PoisonError::into_inner).get(&key.id) {
            return Ok(opened.clone());
        }
        let opened = open_key(&self.directory, key)?;
        self.opened.write().unwrap_or_else(PoisonError::into_inner).insert(key.id.clone(), opened.clone());
        Ok(opened)
    }
}

fn wrong_kind() -> Error {
    Error::Internal("a key is of another kind than its use".to_owned())
}

fn open_key(directory: &Directory, key: &Key) -> Result<Opened, Error> {
    let algorithm = match key.algorithm.as_str() {
        "p-256" => SignatureAlgorithm::EcdsaP256,
        _ => SignatureAlgorithm::RsaSha256,
    };
    let bad = |e: &dyn std::fmt::Display| Error::Internal(format!("the {} key {}: {e}", key.usage, key.id));
    Ok(match key.usage {
        KeyUse::Root | KeyUse::Challenge | KeyUse::Audit => Opened::Ed25519(ed25519(directory, key)?),
        KeyUse::Assertion => {
            let private = open(directory.master(), key)?;
            let signer = Signer::from_der(algorithm, &private, &key.public.0).map_err(|e| bad(&e))?;
            Opened::Assertion(Arc::new(signer))
        }
        KeyUse::Metadata => {
            let private = open(directory.master(), key)?;
            let signer = Signer::from_der(algorithm, &private, &key.public.0).map_err(|e| bad(&e))?;
            Opened::Metadata(Arc::new(signer))
        }
        KeyUse::Ca => {
            let private = open(directory.master(), key)?;
            Opened::Ca(Arc::new(DeviceCa::open(&private, &key.public.0).map_err(|e| bad(&e))?))
        }
        // It signs nothing; the directory hands it out under its own name.
        KeyUse::Pairwise => return Err(wrong_kind()),
    })
}

/// Opens an Ed25519 key of the cloud or an organization: root, challenge, audit.
pub fn ed25519(directory: &Directory, key: &Key) -> Result<Arc<Ed25519Key>, Error> {
    let seed = open(directory.master(), key)?;
    let seed: &[u8; 32] = seed.as_slice().try_into().map_err(|_| wrong_kind())?;
    let opened = Ed25519Key::from_seed(seed);
    if *opened.public() != public(key)? {
        return Err(Error::Internal(format!("the {} key {} is not the one it says", key.usage, key.id)));
    }
    Ok(Arc::new(opened))
}

fn public(key: &Key) -> Result<PublicJwk, Error> {
    serde_json::from_slice(&key.public.0).map_err(|e| Error::Internal(format!("the {} key {}: {e}", key.usage, key.id)))
}
