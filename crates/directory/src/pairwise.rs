//! The secret from which persistent identifiers for services are computed.
//!
//! Owns that it is drawn once per organization and never changes: every persistent NameID hangs on it. So it is not derived from the master
//! key, which can be exchanged, but sealed like a key. Must not know how an identifier is computed.

use zeroize::Zeroizing;

use crate::id::OrgId;
use crate::keys;
use crate::master::SealedAs;
use crate::records::Key;
use crate::scope::Org;
use crate::store::{Tx, WriteTx};
use crate::value::Blob;
use crate::values::{KeyState, KeyUse};
use crate::{Directory, Error, Result};

/// The id of its row; fixed, so that two nodes cannot draw two.
const ID: &str = "pairwise";

impl Directory {
    /// The organization's secret, drawn now if this is the first time it is asked for.
    pub async fn pairwise_secret(&self, org: &OrgId) -> Result<Zeroizing<[u8; 32]>> {
        let wanted = org.clone();
        let stored = self.read::<_, Error>(move |tx| Ok(find(tx, &wanted)?)).await?;
        let key = match stored {
            Some(key) => key,
            None => self.draw(org).await?,
        };
        let secret = keys::open(self.master(), &key)?;
        let secret = <[u8; 32]>::try_from(secret.as_slice());
        secret.map(Zeroizing::new).map_err(|_| Error::Internal("the pairwise secret has not 32 bytes".to_owned()))
    }

    async fn draw(&self, org: &OrgId) -> Result<Key> {
        let now = self.now();
        let what = SealedAs { org, id: ID, usage: KeyUse::Pairwise.as_str(), algorithm: "hmac-sha256" };
        let key = Key {
            org: org.clone(),
            id: ID.to_owned(),
            usage: KeyUse::Pairwise,
            algorithm: what.algorithm.to_owned(),
            state: KeyState::Active,
            public: Blob::default(),
            sealed: self.master().seal(&*latchkey_wire::sign::random_bytes::<32>(), &what),
            succession: None,
            created_at: now,
            activated_at: Some(now),
            retired_at: None,
        };
        self.write(move |tx: &mut dyn WriteTx| {
            if Org::of(tx, &key.org).insert(&key)?.is_ok() {
                return Ok(key.clone());
            }
            // Another node was first; its secret is the one.
            find(tx, &key.org)?.ok_or_else(|| Error::Internal("the pairwise secret is taken and not there".to_owned()))
        })
        .await
    }
}

fn find<T: Tx + ?Sized>(tx: &mut T, org: &OrgId) -> std::result::Result<Option<Key>, crate::store::StoreError> {
    Org::of(tx, org).get::<Key>(ID)
}
