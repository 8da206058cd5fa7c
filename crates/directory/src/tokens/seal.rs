//! The sealed copy of a token's seed.
//!
//! Owns its form: Argon2id (64 MiB, t = 3, p = 1) makes a key of the password, AES-256-GCM under it seals the seed, and the master key seals
//! the result. So neither a stolen store with its master key nor the password alone opens it. Must not know who asks. Both calls take a good
//! part of a second of one core and 64 MiB: for a thread that may block, and few at a time.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use latchkey_wire::TokenId;
use latchkey_wire::sign::random_bytes;
use zeroize::Zeroizing;

use super::Password;
use crate::id::OrgId;
use crate::master::{MasterKey, SealedAs};
use crate::value::Blob;
use crate::{Error, Result};

const VERSION: u8 = 1;
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;
const SALT: usize = 16;
const NONCE: usize = 12;

fn as_what<'a>(org: &'a OrgId, id: &'a str) -> SealedAs<'a> {
    SealedAs { org, id, usage: "device-token-copy", algorithm: "argon2id+aes-256-gcm" }
}

fn key(password: &Password, salt: &[u8; SALT]) -> Result<RandomizedNonceKey> {
    let internal = |e: &dyn std::fmt::Display| Error::Internal(format!("Argon2id: {e}"));
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).map_err(|e| internal(&e))?;
    let mut bytes = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.expose().as_bytes(), salt, &mut *bytes)
        .map_err(|e| internal(&e))?;
    RandomizedNonceKey::new(&AES_256_GCM, &*bytes).map_err(|e| internal(&e))
}

fn bound_to(org: &OrgId, id: &TokenId) -> Vec<u8> {
    format!("latchkey-token-copy-v1 {org} {id}").into_bytes()
}

/// Seals a copy of a seed.
pub fn seal(master: &MasterKey, org: &OrgId, id: &TokenId, seed: &[u8; 32], password: &Password) -> Result<Blob> {
    let salt = random_bytes::<SALT>();
    let mut text = seed.to_vec();
    let nonce = key(password, &salt)?
        .seal_in_place_append_tag(Aad::from(bound_to(org, id)), &mut text)
        .map_err(|e| Error::Internal(format!("sealing: {e}")))?;
    let inner = Zeroizing::new([&[VERSION], salt.as_slice(), nonce.as_ref().as_slice(), &text].concat());
    Ok(master.seal(&inner, &as_what(org, id.as_str())))
}

/// Opens a copy. `None`: it is not this password.
pub fn open(
    master: &MasterKey,
    org: &OrgId,
    id: &TokenId,
    sealed: &Blob,
    password: &Password,
) -> Result<Option<Zeroizing<[u8; 32]>>> {
    let inner = master.open(sealed, &as_what(org, id.as_str()))?;
    let broken = || Error::Internal(format!("the sealed copy of the device token {id} has another form"));
    let ([VERSION], rest) = inner.split_first_chunk::<1>().ok_or_else(broken)? else { return Err(broken()) };
    let (salt, rest) = rest.split_first_chunk::<SALT>().ok_or_else(broken)?;
    let (nonce, text) = rest.split_first_chunk::<NONCE>().ok_or_else(broken)?;
    let mut text = Zeroizing::new(text.to_vec());
    let Ok(seed) = key(password, salt)?.open_in_place(Nonce::from(nonce), Aad::from(bound_to(org, id)), &mut text)
    else {
        return Ok(None);
    };
    let seed: &[u8; 32] = (&*seed).try_into().map_err(|_| broken())?;
    Ok(Some(Zeroizing::new(*seed)))
}

/// Takes a copy from one master key to another. The password's seal stays as it is.
pub(crate) fn rewrap(old: &MasterKey, new: &MasterKey, org: &OrgId, id: &TokenId, sealed: &Blob) -> Result<Blob> {
    let what = as_what(org, id.as_str());
    Ok(new.seal(&old.open(sealed, &what)?, &what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_opens_with_its_password_as_that_token_only() {
        let master = MasterKey::new(Zeroizing::new([7; 32]));
        let org: OrgId = "a".parse().unwrap();
        let (id, other): (TokenId, TokenId) = ("aaaaaaaaaa".parse().unwrap(), "bbbbbbbbbb".parse().unwrap());
        let password = Password::new("correct horse 1".into());
        let sealed = seal(&master, &org, &id, &[9; 32], &password).unwrap();
        assert_eq!(open(&master, &org, &id, &sealed, &password).unwrap().as_deref(), Some(&[9; 32]));
        assert_eq!(open(&master, &org, &id, &sealed, &Password::new("correct horse 2".into())).unwrap(), None);
        assert!(open(&master, &org, &other, &sealed, &password).is_err());
        assert!(open(&MasterKey::new(Zeroizing::new([8; 32])), &org, &id, &sealed, &password).is_err());
        assert!(!sealed.0.windows(32).any(|bytes| bytes == [9; 32]));
    }
}
