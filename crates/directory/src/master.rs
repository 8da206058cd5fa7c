//! The master key, which opens everything that is sealed in the store.
//!
//! Owns sealing with associated data, so that a sealed private key opens only as what it was sealed as, and the derivation of other
//! secrets. Must not know where the key is kept: it lives outside the data directory and is handed in.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::id::OrgId;
use crate::value::Blob;

const VERSION: u8 = 1;

/// The master key. Cannot be printed; wiped when dropped.
pub struct MasterKey {
    secret: Zeroizing<[u8; 32]>,
    id: String,
}

/// What a sealed value is: the associated data.
#[derive(Debug, Clone, Copy)]
pub struct SealedAs<'a> {
    /// Whose.
    pub org: &'a OrgId,
    /// The id of the row it stands in.
    pub id: &'a str,
    /// What it is for.
    pub usage: &'a str,
    /// Of which algorithm.
    pub algorithm: &'a str,
}

impl SealedAs<'_> {
    fn associated_data(&self, master: &str) -> Vec<u8> {
        // Lengths stand in front, so that no two contexts give the same bytes.
        let mut data = b"latchkey-sealed-v1".to_vec();
        for part in [self.org.as_str(), self.id, self.usage, self.algorithm, master] {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data
    }
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        32
    }
}

impl MasterKey {
    /// From its 32 bytes.
    #[must_use]
    pub fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        let hash = latchkey_wire::bytes::sha256(&[b"latchkey-master-id-v1", secret.as_slice()].concat());
        let id = data_encoding::HEXLOWER.encode(&hash.0[..8]);
        Self { secret, id }
    }

    /// Its fingerprint: 16 hexadecimal digits, safe to show.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A secret for one purpose. Different purposes give unrelated secrets.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut out = Zeroizing::new([0; 32]);
        Salt::new(HKDF_SHA256, b"latchkey-derive-v1")
            .extract(&*self.secret)
            .expand(&[purpose.as_bytes()], Length)
            .and_then(|okm| okm.fill(&mut *out))
            .expect("32 bytes are within HKDF's limit");
        out
    }

    /// The bytes, for a sealed copy.
    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// Seals a secret.
    #[must_use]
    pub fn seal(&self, plain: &[u8], what: &SealedAs<'_>) -> Blob {
        let key = self.key();
        let mut text = plain.to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(what.associated_data(&self.id)), &mut text)
            .expect("sealing a short text cannot fail");
        Blob([&[VERSION], nonce.as_ref().as_slice(), &text].concat())
    }

    /// Opens what was sealed with this key as exactly this.
    pub fn open(&self, sealed: &Blob, what: &SealedAs<'_>) -> Result<Zeroizing<Vec<u8>>, Error> {
        let refused = || Error::Internal(format!("the sealed {} {} does not open", what.usage, what.id));
        let ([VERSION], rest) = sealed.0.split_first_chunk::<1>().ok_or_else(refused)? else {
            return Err(refused());
        };
        let (nonce, text) = rest.split_first_chunk::<12>().ok_or_else(refused)?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self
            .key()
            .open_in_place(Nonce::from(nonce), Aad::from(what.associated_data(&self.id)), &mut text)
            .map_err(|_| refused())?
            .len();
        text.truncate(length);
        Ok(text)
    }

    fn key(&self) -> RandomizedNonceKey {
        RandomizedNonceKey::new(&AES_256_GCM, &*self.derive("seal")).expect("32 bytes are an AES-256 key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_as_what_it_was_sealed_as() {
        let master = MasterKey::new(Zeroizing::new([7; 32]));
        let org = OrgId::cloud();
        let what = SealedAs { org: &org, id: "k1", usage: "root", algorithm: "ed25519" };
        let sealed = master.seal(b"secret", &what);
        assert_eq!(master.open(&sealed, &what).unwrap().as_slice(), b"secret");
        let other = "other".parse().unwrap();
        for wrong in [
            SealedAs { org: &other, ..what },
            SealedAs { id: "k2", ..what },
            SealedAs { usage: "audit", ..what },
            SealedAs { algorithm: "p-256", ..what },
        ] {
            assert!(master.open(&sealed, &wrong).is_err());
        }
        assert!(MasterKey::new(Zeroizing::new([8; 32])).open(&sealed, &what).is_err());
        for cut in [0, 1, 12, sealed.0.len() - 1] {
            assert!(master.open(&Blob(sealed.0[..cut].to_vec()), &what).is_err());
        }
        assert_ne!(master.derive("a"), master.derive("b"));
    }
}
