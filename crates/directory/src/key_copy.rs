//! A copy of the master key for a backup, sealed with a password.
//!
//! Owns its form: Argon2id (64 MiB, t = 3, p = 1) makes a key of the password, AES-256-GCM under it seals the 32 bytes. Takes a good part
//! of a second and 64 MiB. Must not know the file it goes into.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use latchkey_wire::sign::random_bytes;
use zeroize::Zeroizing;

use crate::master::MasterKey;
use crate::{Error, Result};

const VERSION: u8 = 1;
const SALT: usize = 16;
const NONCE: usize = 12;

fn key(password: &str, salt: &[u8; SALT]) -> Result<RandomizedNonceKey> {
    let internal = |e: &dyn std::fmt::Display| Error::Internal(format!("Argon2id: {e}"));
    let params = Params::new(64 * 1024, 3, 1, Some(32)).map_err(|e| internal(&e))?;
    let mut bytes = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut *bytes)
        .map_err(|e| internal(&e))?;
    RandomizedNonceKey::new(&AES_256_GCM, &*bytes).map_err(|e| internal(&e))
}

fn bound_to(fingerprint: &str) -> Vec<u8> {
    format!("latchkey-master-copy-v1 {fingerprint}").into_bytes()
}

/// Seals a copy.
pub fn seal(master: &MasterKey, password: &str) -> Result<Vec<u8>> {
    let salt = random_bytes::<SALT>();
    let mut text = Zeroizing::new(master.secret().to_vec());
    // Room for the tag, so that the plain key is not left behind where the vector was.
    text.reserve_exact(16);
    let nonce = key(password, &salt)?
        .seal_in_place_append_tag(Aad::from(bound_to(master.id())), &mut *text)
        .map_err(|e| Error::Internal(format!("sealing: {e}")))?;
    Ok([&[VERSION], salt.as_slice(), nonce.as_ref().as_slice(), &text].concat())
}

/// Opens the copy of the key with this fingerprint. `None`: it is not this password, or no such copy.
pub fn open(sealed: &[u8], password: &str, fingerprint: &str) -> Result<Option<Zeroizing<[u8; 32]>>> {
    let Some(([VERSION], rest)) = sealed.split_first_chunk::<1>() else { return Ok(None) };
    let Some((salt, rest)) = rest.split_first_chunk::<SALT>() else { return Ok(None) };
    let Some((nonce, text)) = rest.split_first_chunk::<NONCE>() else { return Ok(None) };
    let mut text = Zeroizing::new(text.to_vec());
    let Ok(opened) =
        key(password, salt)?.open_in_place(Nonce::from(nonce), Aad::from(bound_to(fingerprint)), &mut text)
    else {
        return Ok(None);
    };
    let secret = <[u8; 32]>::try_from(&*opened).map(Zeroizing::new).ok();
    Ok(secret.filter(|secret| MasterKey::new(secret.clone()).id() == fingerprint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_opens_with_its_password_as_that_key_only() {
        let master = MasterKey::new(Zeroizing::new([7; 32]));
        let sealed = seal(&master, "correct horse").unwrap();
        assert_eq!(open(&sealed, "correct horse", master.id()).unwrap().as_deref(), Some(&[7; 32]));
        assert_eq!(open(&sealed, "correct horsf", master.id()).unwrap(), None);
        assert_eq!(open(&sealed, "correct horse", "0123456789abcdef").unwrap(), None);
        for cut in [0, 1, 20, sealed.len() - 1] {
            assert_eq!(open(&sealed[..cut], "correct horse", master.id()).unwrap(), None);
        }
        assert!(!sealed.windows(32).any(|bytes| bytes == [7; 32]));
    }
}
