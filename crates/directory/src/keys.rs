//! The keys of the cloud and of its organizations, as the store keeps them.
//!
//! Owns their records and states, and that a private half leaves only opened for its one use. Must not know how to sign: the server makes
//! typed signers of what it gets here.

use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::audit::NewEvent;
use crate::id::{OrgId, new_id};
use crate::intent::Intent;
use crate::master::{MasterKey, SealedAs};
use crate::query::{Direction, Filter};
use crate::records::Key;
use crate::scope::Org;
use crate::store::{StoreError, Tx, WriteTx};
use crate::time::Timestamp;
use crate::value::Blob;
use crate::values::{KeyState, KeyUse};
use crate::{Directory, Error, Result};

/// A key without its private half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyView {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub r#use: KeyUse,
    /// `ed25519`, `rsa-2048` or `p-256`.
    pub algorithm: String,
    /// Where it stands.
    pub state: KeyState,
    /// SHA-256 of the certificate, or of the public key, in hexadecimal with colons; a key without a public half has none.
    pub fingerprint_sha256: Option<String>,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When it came into use.
    #[schema(value_type = Option<String>)]
    pub activated_at: Option<Timestamp>,
    /// When it went out of use.
    #[schema(value_type = Option<String>)]
    pub retired_at: Option<Timestamp>,
}

impl From<&Key> for KeyView {
    fn from(key: &Key) -> Self {
        let hash = latchkey_wire::bytes::sha256(&key.public.0);
        let pairs: Vec<_> = hash.0.iter().map(|byte| format!("{byte:02X}")).collect();
        Self {
            id: key.id.clone(),
            r#use: key.usage,
            algorithm: key.algorithm.clone(),
            state: key.state,
            fingerprint_sha256: (!key.public.0.is_empty()).then(|| pairs.join(":")),
            created_at: key.created_at,
            activated_at: key.activated_at,
            retired_at: key.retired_at,
        }
    }
}

/// A key that was just made, before it is sealed.
pub struct NewKey {
    /// What it is for.
    pub usage: KeyUse,
    /// `ed25519`, `rsa-2048` or `p-256`.
    pub algorithm: &'static str,
    /// The public half: a JWK as JSON (root, challenge, audit) or a certificate in DER (the others).
    pub public: Vec<u8>,
    /// The private half: an Ed25519 seed, or PKCS#8 in DER.
    pub private: Zeroizing<Vec<u8>>,
}

impl NewKey {
    /// An Ed25519 key for this use.
    #[must_use]
    pub fn ed25519(usage: KeyUse) -> Self {
        use latchkey_wire::Sign as _;
        let key = latchkey_wire::Ed25519Key::generate();
        let public = serde_json::to_vec(key.public()).expect("a public key is plain JSON");
        Self { usage, algorithm: "ed25519", public, private: Zeroizing::new(key.seed().to_vec()) }
    }

    /// The record, sealed.
    #[must_use]
    pub fn seal(&self, org: &OrgId, state: KeyState, master: &MasterKey, now: Timestamp) -> Key {
        let id = new_id(now);
        let what = SealedAs { org, id: &id, usage: self.usage.as_str(), algorithm: self.algorithm };
        Key {
            org: org.clone(),
            usage: self.usage,
            algorithm: self.algorithm.to_owned(),
            state,
            public: Blob(self.public.clone()),
            sealed: master.seal(&self.private, &what),
            succession: None,
            created_at: now,
            activated_at: (state == KeyState::Active).then_some(now),
            retired_at: None,
            id,
        }
    }
}

/// The private half of a key, for its one use.
pub fn open(master: &MasterKey, key: &Key) -> Result<Zeroizing<Vec<u8>>> {
    let what = SealedAs { org: &key.org, id: &key.id, usage: key.usage.as_str(), algorithm: &key.algorithm };
    master.open(&key.sealed, &what)
}

/// The keys of an organization (or of the cloud) for one use that are not retired, oldest first.
pub fn published<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, usage: KeyUse) -> std::result::Result<Vec<Key>, StoreError> {
    let filter = Key::usage.eq(&usage).and(Key::state.eq(&KeyState::Retired).negate());
    Org::of(tx, org).find::<Key>(filter)
}

impl Directory {
    /// The keys of an organization, or of the cloud, that are not retired.
    pub async fn published_keys(&self, org: &OrgId) -> Result<Vec<Key>> {
        let org = org.clone();
        self.read(move |tx| Ok(Org::of(tx, &org).find::<Key>(Key::state.eq(&KeyState::Retired).negate())?)).await
    }

    /// Every key of an organization, or of the cloud, for one use, retired ones included, oldest first.
    pub async fn keys_of(&self, org: &OrgId, usage: KeyUse) -> Result<Vec<Key>> {
        let org = org.clone();
        self.read(move |tx| Ok(Org::of(tx, &org).find::<Key>(Key::usage.eq(&usage))?)).await
    }

    /// Every key of an organization, oldest first.
    pub async fn keys(&self, org: &OrgId) -> Result<Vec<KeyView>> {
        let org = org.clone();
        self.read(move |tx| {
            let order = vec![("created_at", Direction::Ascending), ("id", Direction::Ascending)];
            let rows = Org::of(tx, &org).select::<Key>(Filter::all(), order, None)?;
            Ok(rows.iter().map(KeyView::from).collect())
        })
        .await
    }

    /// One key.
    pub async fn key(&self, org: &OrgId, id: &str) -> Result<KeyView> {
        let (org, id) = (org.clone(), id.to_owned());
        self.read(move |tx| wanted(tx, &org, &id).map(|key| KeyView::from(&key))).await
    }

    /// Adds a key that is published but not used yet.
    pub async fn add_key(&self, intent: &Intent, org: &OrgId, new: NewKey) -> Result<KeyView> {
        let row = new.seal(org, KeyState::Upcoming, self.master(), self.now());
        let intent = intent.clone();
        self.change(intent.dry_run, move |tx| {
            let mut ours = Org::of(tx, &row.org);
            ours.add(&row)?;
            ours.audit(
                NewEvent::new(&intent.actor, "key.add", row.id.clone())
                    .with("use", row.usage.as_str())
                    .with("algorithm", &row.algorithm),
            );
            Ok(KeyView::from(&row))
        })
        .await
    }

    /// Brings an upcoming key into use; the one used until now stays published as *retiring*.
    pub async fn activate_key(&self, intent: &Intent, org: &OrgId, id: &str) -> Result<KeyView> {
        let (intent, org, id) = (intent.clone(), org.clone(), id.to_owned());
        self.change(intent.dry_run, move |tx| {
            let key = wanted(tx, &org, &id)?;
            if key.usage == KeyUse::Root {
                return Err(Error::Internal("a root comes into use by the word of the one before it".to_owned()));
            }
            activate(tx, &intent, key)
        })
        .await
    }

    /// Brings an upcoming root into use. `by` is the root in use and `succession` its statement that names the new one: without it no
    /// device that knows the old root would follow. The old one goes on being published for ever.
    pub async fn activate_root(&self, intent: &Intent, id: &str, by: &str, succession: String) -> Result<KeyView> {
        let (intent, id, by) = (intent.clone(), id.to_owned(), by.to_owned());
        self.change(intent.dry_run, move |tx| {
            let cloud = OrgId::cloud();
            let mut key = wanted(tx, &cloud, &id)?;
            if key.usage != KeyUse::Root {
                return Err(Error::Internal("only a root succeeds a root".to_owned()));
            }
            if key.state == KeyState::Upcoming {
                if wanted(tx, &cloud, &by)?.state != KeyState::Active {
                    return Err(Error::state(
                        "another root came into use meanwhile",
                        "try again: latchkey key activate ID",
                    ));
                }
                key.succession = Some(succession.clone());
            }
            activate(tx, &intent, key)
        })
        .await
    }

    /// Takes a key out of publication. The one in use cannot be retired before another is.
    pub async fn retire_key(&self, intent: &Intent, org: &OrgId, id: &str) -> Result<KeyView> {
        let (intent, org, id) = (intent.clone(), org.clone(), id.to_owned());
        self.change(intent.dry_run, move |tx| {
            let mut key = wanted(tx, &org, &id)?;
            intent.condition.check("key", &KeyView::from(&key))?;
            match key.state {
                KeyState::Retired => return Ok(KeyView::from(&key)),
                KeyState::Active => {
                    return Err(Error::state(
                        "the key is in use",
                        "add and activate another one first: latchkey key add, latchkey key activate",
                    ));
                }
                KeyState::Retiring if key.usage == KeyUse::Root => {
                    return Err(Error::state(
                        "a former root is published for ever: a device that slept follows from it to the one in use",
                        "leave it; it signs nothing any more",
                    ));
                }
                KeyState::Upcoming | KeyState::Retiring => {}
            }
            key.state = KeyState::Retired;
            key.retired_at = Some(tx.now());
            changed(tx, &intent, "key.retire", &key)
        })
        .await
    }
}

fn wanted<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, id: &str) -> Result<Key> {
    Org::of(tx, org).get::<Key>(id)?.ok_or_else(|| Error::not_found("key", id))
}

/// Brings a key into use in place of the one used until now, which stays published.
fn activate(tx: &mut dyn WriteTx, intent: &Intent, mut key: Key) -> Result<KeyView> {
    intent.condition.check("key", &KeyView::from(&key))?;
    match key.state {
        KeyState::Active => return Ok(KeyView::from(&key)),
        KeyState::Retired => {
            return Err(Error::state("the key was retired", "add a new one: latchkey key add --use …"));
        }
        KeyState::Retiring if key.usage == KeyUse::Root => {
            return Err(Error::state("the root was succeeded already", "add a new one: latchkey key add --use root"));
        }
        KeyState::Upcoming | KeyState::Retiring => {}
    }
    let same = Key::usage.eq(&key.usage).and(Key::algorithm.eq(&key.algorithm));
    let active = same.and(Key::state.eq(&KeyState::Active));
    Org::of(tx, &key.org.clone()).update::<Key>(active, &[Key::state.set(&KeyState::Retiring)])?;
    key.state = KeyState::Active;
    key.activated_at = Some(tx.now());
    changed(tx, intent, "key.activate", &key)
}

fn changed(tx: &mut dyn WriteTx, intent: &Intent, action: &'static str, key: &Key) -> Result<KeyView> {
    let mut ours = Org::of(tx, &key.org);
    ours.replace(key)?;
    ours.audit(NewEvent::new(&intent.actor, action, key.id.clone()).with("use", key.usage.as_str()));
    Ok(KeyView::from(key))
}
