//! Sealing: AES-256-GCM under a key the caller has, for what a server hands out instead of storing it.
//!
//! Owns the sealed form: base64url of `1 ‖ nonce (12) ‖ ciphertext ‖ tag (16)`. Must not know which key is of which day.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};

use crate::bytes::{from_base64url, to_base64url};
use crate::{Bytes, WireError};

const VERSION: u8 = 1;
const NONCE: usize = 12;
const TAG: usize = 16;

/// Whose seal it is: the associated data. A seal opens only under the same organization and store incarnation.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// What is sealed, so that a nonce never opens as a transaction: `nonce`, `txn`.
    pub what: &'a str,
    /// The organization's opaque id.
    pub org: &'a str,
    /// The store's incarnation.
    pub incarnation: &'a [u8; 16],
}

impl Context<'_> {
    fn associated_data(&self) -> Vec<u8> {
        // Lengths stand in front, so that no two contexts give the same bytes.
        let mut data = b"latchkey-seal-v1".to_vec();
        for part in [self.what.as_bytes(), self.org.as_bytes(), self.incarnation] {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part);
        }
        data
    }
}

/// A sealing key.
pub struct SealKey(RandomizedNonceKey);

impl SealKey {
    /// The key with these bytes, for instance derived from a master key and a date.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(RandomizedNonceKey::new(&AES_256_GCM, key).expect("32 bytes are an AES-256 key"))
    }

    /// Seals under a random nonce.
    pub fn seal(&self, plain: &[u8], context: &Context<'_>) -> Result<String, WireError> {
        let mut text = plain.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(context.associated_data()), &mut text)
            .map_err(|_| WireError::OwnKey("AES-256-GCM".into()))?;
        Ok(to_base64url(&[&[VERSION], nonce.as_ref().as_slice(), &text].concat()))
    }

    /// Opens what [`SealKey::seal`] made with the same key and context.
    pub fn open(&self, sealed: &str, context: &Context<'_>) -> Result<Vec<u8>, WireError> {
        let bytes = from_base64url(sealed).map_err(|_| WireError::NotSealedHere)?;
        let Some(([VERSION], rest)) = bytes.split_first_chunk::<1>() else {
            return Err(WireError::NotSealedHere);
        };
        let Some((nonce, text)) = rest.split_first_chunk::<NONCE>() else {
            return Err(WireError::NotSealedHere);
        };
        if text.len() < TAG {
            return Err(WireError::NotSealedHere);
        }
        let mut text = text.to_vec();
        let plain = self
            .0
            .open_in_place(Nonce::from(nonce), Aad::from(context.associated_data()), &mut text)
            .map_err(|_| WireError::NotSealedHere)?;
        Ok(plain.to_vec())
    }
}

/// What makes a sealed value unique in the store of consumed ones.
pub type Unique = Bytes<16>;
