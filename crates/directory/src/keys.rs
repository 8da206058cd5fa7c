//! The keys of the cloud and of its organizations, as the store keeps them.
//!
//! Owns their records and states, and that a private half leaves only opened for its one use. Must not know how to sign: the server makes
//! typed signers of what it gets here.

use zeroize::Zeroizing;

use crate::audit::{Actor, NewEvent};
use crate::id::{OrgId, new_id};
use crate::master::{MasterKey, SealedAs};
use crate::records::Key;
use crate::scope::Org;
use crate::store::{StoreError, Tx, WriteTx};
use crate::time::Timestamp;
use crate::value::Blob;
use crate::values::{KeyState, KeyUse};
use crate::{Directory, Error, Result};

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

    /// Adds a key that is published but not used yet.
    pub async fn add_key(&self, actor: &Actor, org: &OrgId, new: NewKey) -> Result<Key> {
        let key = new.seal(org, KeyState::Upcoming, self.master(), self.now());
        let (actor, row) = (actor.clone(), key.clone());
        self.write::<_, Error>(move |tx| {
            let mut ours = Org::of(tx, &row.org);
            ours.add(&row)?;
            ours.audit(
                NewEvent::new(&actor, "key.add", row.id.clone())
                    .with("use", row.usage.as_str())
                    .with("algorithm", &row.algorithm),
            );
            Ok(())
        })
        .await?;
        Ok(key)
    }

    /// Brings an upcoming key into use; the one used until now stays published as *retiring*.
    pub async fn activate_key(&self, actor: &Actor, org: &OrgId, id: &str) -> Result<Key> {
        let (actor, org, id) = (actor.clone(), org.clone(), id.to_owned());
        self.write(move |tx| {
            let now = tx.now();
            let mut key = wanted(tx, &org, &id)?;
            if key.state == KeyState::Active {
                return Ok(key);
            }
            if !matches!(key.state, KeyState::Upcoming | KeyState::Retiring) {
                return Err(Error::state(
                    format!("the key is {}", key.state),
                    "add a new one: latchkey key add --use …",
                ));
            }
            let same =
                Key::usage.eq(&key.usage).and(Key::algorithm.eq(&key.algorithm)).and(Key::state.eq(&KeyState::Active));
            Org::of(tx, &org).update::<Key>(same, &[Key::state.set(&KeyState::Retiring)])?;
            key.state = KeyState::Active;
            key.activated_at = Some(now);
            changed(tx, &actor, "key.activate", &key)?;
            Ok(key)
        })
        .await
    }

    /// Takes a key out of publication. The one in use cannot be retired before another is.
    pub async fn retire_key(&self, actor: &Actor, org: &OrgId, id: &str) -> Result<Key> {
        let (actor, org, id) = (actor.clone(), org.clone(), id.to_owned());
        self.write(move |tx| {
            let mut key = wanted(tx, &org, &id)?;
            match key.state {
                KeyState::Retired => return Ok(key),
                KeyState::Active => {
                    return Err(Error::state(
                        "the key is in use",
                        "add and activate another one first: latchkey key add, latchkey key activate",
                    ));
                }
                KeyState::Upcoming | KeyState::Retiring => {}
            }
            key.state = KeyState::Retired;
            key.retired_at = Some(tx.now());
            changed(tx, &actor, "key.retire", &key)?;
            Ok(key)
        })
        .await
    }
}

fn wanted(tx: &mut dyn WriteTx, org: &OrgId, id: &str) -> Result<Key> {
    Org::of(tx, org).get::<Key>(id)?.ok_or_else(|| Error::not_found("key", id))
}

fn changed(tx: &mut dyn WriteTx, actor: &Actor, action: &'static str, key: &Key) -> Result<()> {
    let mut ours = Org::of(tx, &key.org);
    ours.replace(key)?;
    ours.audit(NewEvent::new(actor, action, key.id.clone()).with("use", key.usage.as_str()));
    Ok(())
}
