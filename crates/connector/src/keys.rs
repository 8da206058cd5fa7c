//! Where private keys live.
//!
//! Owns the trait behind which a TPM, a Secure Enclave or CNG can stand, and the software store: P-256 in PKCS#8, files of
//! mode 0600 in the state directory. Must not know what is signed.

use latchkey_wire::{P256Key, Protection, PublicJwk, Sign, WireError};
use serde::{Deserialize, Serialize};

use crate::files::PrivateDir;
use crate::problem::{Local, Problem, Result};

/// The name under which a store keeps a key. Says nothing about the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRef(String);

/// What a key is for; part of its name, so that a folder listing can be read.
#[derive(Clone, Copy, Debug)]
pub enum Use {
    /// A device key.
    Device,
    /// A user key.
    User,
}

/// A place that makes and keeps keys. Hardware stores implement this; their keys never leave them.
pub trait KeyStore: Send + Sync {
    /// Makes a key and stores it durably before returning.
    ///
    /// # Errors
    /// The store cannot be written.
    fn create(&self, purpose: Use) -> Result<KeyRef>;

    /// Opens a key for signing.
    ///
    /// # Errors
    /// The key is gone or unreadable.
    fn open(&self, key: &KeyRef) -> Result<Box<dyn Sign>>;

    /// Destroys a key; it need not be there.
    ///
    /// # Errors
    /// The store refuses.
    fn destroy(&self, key: &KeyRef) -> Result<()>;

    /// What the server is told about how keys are kept.
    fn protection(&self) -> Protection;
}

/// Keys in files.
#[derive(Clone, Debug)]
pub struct SoftwareKeys {
    dir: PrivateDir,
}

impl SoftwareKeys {
    /// Keys in this directory.
    #[must_use]
    pub fn new(dir: PrivateDir) -> Self {
        SoftwareKeys { dir }
    }
}

impl KeyStore for SoftwareKeys {
    fn create(&self, purpose: Use) -> Result<KeyRef> {
        let key = P256Key::generate();
        let prefix = match purpose {
            Use::Device => "dk",
            Use::User => "uk",
        };
        let name = format!("{prefix}-{}.p8", key.public().thumbprint());
        let pkcs8 = key.to_pkcs8()?;
        self.dir.write(&name, &pkcs8)?;
        Ok(KeyRef(name))
    }

    fn open(&self, key: &KeyRef) -> Result<Box<dyn Sign>> {
        let Some(bytes) = self.dir.read(&key.0)? else {
            return Err(Problem::local(
                Local::BadState,
                format!("the key file {} is gone", key.0),
                "enroll anew: latchkey-connector unenroll --local, then enroll",
            ));
        };
        Ok(Box::new(P256Key::from_pkcs8(&bytes)?))
    }

    fn destroy(&self, key: &KeyRef) -> Result<()> {
        self.dir.remove(&key.0)
    }

    fn protection(&self) -> Protection {
        Protection::Software
    }
}

/// Borrows a boxed signer as the trait the wire wants.
pub struct Signer<'k>(pub &'k dyn Sign);

impl Sign for Signer<'_> {
    fn public(&self) -> &PublicJwk {
        self.0.public()
    }

    fn sign(&self, message: &[u8]) -> std::result::Result<[u8; 64], WireError> {
        self.0.sign(message)
    }
}
