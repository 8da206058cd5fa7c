//! What an API client proves itself by: a secret, drawn here, or its public key. Portal and REST make it alike.
//!
//! Owns drawing and judging it. Must not know how a secret is shown.

use latchkey_directory::clients::Credential;
use latchkey_wire::Code as Wire;
use latchkey_wire::bytes::{sha256, to_base64url};
use latchkey_wire::sign::random_bytes;
use zeroize::Zeroizing;

use crate::client_key::ClientKey;
use crate::problem::{Problem, Result};

/// What a client's secret begins with, so that scanners of code find one that leaked.
const SECRET_PREFIX: &str = "lkcs1_";

/// Makes a random secret that begins in this way.
#[must_use]
pub fn secret(prefix: &str) -> Zeroizing<String> {
    Zeroizing::new(format!("{prefix}{}", to_base64url(&*random_bytes::<32>())))
}

/// A credential of this key, or of a new secret.
pub fn credential(public_key: Option<&str>) -> Result<(Credential, Option<Zeroizing<String>>)> {
    let Some(pem) = public_key else {
        let secret = secret(SECRET_PREFIX);
        return Ok((Credential::Secret(sha256(secret.as_bytes())), Some(secret)));
    };
    if ClientKey::parse(pem).is_none() {
        let detail = "public_key is a key in PEM form (BEGIN PUBLIC KEY): P-256, Ed25519, or RSA of 2048 bits or more";
        return Err(Problem::of(Wire::Api010).field("/public_key", Wire::Api010, detail));
    }
    Ok((Credential::Key(pem.trim().to_owned()), None))
}
