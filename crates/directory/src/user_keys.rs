//! The user keys that this process has met, by thumbprint.
//!
//! Owns a memory of what cannot be revoked: which key has a thumbprint, and which device and binding it was made for. Whether the binding
//! still has that key, and in which state it is, is read in the transaction that grants something, always. Must not know states.

use std::sync::Arc;

use latchkey_wire::{PublicJwk, Thumbprint};

use crate::id::OrgId;
use crate::records::Binding;
use crate::store::StoreError;

/// How many are remembered: a few hundred bytes each.
const REMEMBERED: u64 = 20_000;

/// A key and what it was made for. One that gets another key is another entry: a binding's key is exchanged after a quarantine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UserKey {
    pub(crate) key: PublicJwk,
    pub(crate) thumbprint: Thumbprint,
    pub(crate) binding_id: String,
    pub(crate) device_id: String,
}

impl UserKey {
    /// Of a binding as it stands.
    pub(crate) fn of(binding: &Binding) -> Result<Self, StoreError> {
        Ok(Self {
            key: binding.user_key.read()?,
            thumbprint: binding.uk,
            binding_id: binding.id.clone(),
            device_id: binding.device_id.clone(),
        })
    }
}

/// The memory.
#[derive(Clone)]
pub(crate) struct UserKeys(moka::sync::Cache<(OrgId, Thumbprint), Arc<UserKey>>);

impl Default for UserKeys {
    fn default() -> Self {
        Self(moka::sync::Cache::new(REMEMBERED))
    }
}

impl UserKeys {
    /// The key with this thumbprint, if it was met as this binding's.
    pub(crate) fn get(&self, org: &OrgId, thumbprint: Thumbprint, binding_id: &str) -> Option<Arc<UserKey>> {
        self.0.get(&(org.clone(), thumbprint)).filter(|known| known.binding_id == binding_id)
    }

    /// Remembers a key whose signature has just been verified; what was not is not worth a place.
    pub(crate) fn keep(&self, org: &OrgId, key: Arc<UserKey>) {
        self.0.insert((org.clone(), key.thumbprint), key);
    }
}
