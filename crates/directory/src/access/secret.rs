//! The secret in a cookie or link.
//!
//! Owns its form: 32 random bytes in base64url. Must not know cookies' attributes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_wire::Bytes;
use latchkey_wire::bytes::sha256;
use latchkey_wire::sign::random_bytes;
use zeroize::Zeroizing;

/// A session's id and secret, or a link's secret: what a browser must show. Cannot be printed; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionSecret(Zeroizing<String>);

impl SessionSecret {
    /// A new one, and the hash of its secret. With an id, what is shown is `{id}.{secret}`.
    pub(super) fn generate(id: Option<&str>) -> (Self, Bytes<32>) {
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(*random_bytes::<32>()));
        let hash = sha256(secret.as_bytes());
        let text = match id {
            Some(id) => Zeroizing::new(format!("{id}.{}", &*secret)),
            None => secret,
        };
        (Self(text), hash)
    }

    /// The text: the value of a cookie, or the end of a link.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What a cookie says: a session's id and the hash of the secret.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) id: String,
    pub(super) hash: Bytes<32>,
}

impl Shown {
    /// Reads a cookie; nothing if it is none of ours.
    pub(super) fn parse(cookie: &str) -> Option<Self> {
        let (id, secret) = cookie.split_once('.')?;
        let fits = id.len() <= 64 && secret.len() == 43;
        fits.then(|| Self { id: id.to_owned(), hash: sha256(secret.as_bytes()) })
    }
}
