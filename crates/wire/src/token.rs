//! Device tokens and one-time codes: `lkdt1_{id}_{pin}_{seed}_{crc}` and `lkuc1_…`.
//!
//! Owns the text form and telling a placeholder, a typo, a truncation and a wrong kind apart before anything is sent. The seed is a
//! private key: it cannot be printed, and the text leaves only by [`Credential::expose`]. Must not know limits or states.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::jwk::PublicJwk;
use crate::pin::Pin;
use crate::sign::{Ed25519Key, Sign as _, random_bytes};

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const ID: usize = 10;
const SEED: usize = 52;
const CRC: usize = 7;

/// The bootstrap credential that an installer carries.
pub type DeviceToken = Credential<TokenKind>;

/// A code for a single device or user; proves a user claim at level 3.
pub type OneTimeCode = Credential<CodeKind>;

/// The two kinds of credential.
pub trait Kind: sealed::Sealed {
    /// What the text begins with, version included, without the `_`.
    const PREFIX: &'static str;
    /// What people call it.
    const NAME: &'static str;
}

/// Kind of a [`DeviceToken`].
pub enum TokenKind {}

/// Kind of a [`OneTimeCode`].
pub enum CodeKind {}

impl Kind for TokenKind {
    const PREFIX: &'static str = "lkdt1";
    const NAME: &'static str = "device token";
}

impl Kind for CodeKind {
    const PREFIX: &'static str = "lkuc1";
    const NAME: &'static str = "one-time code";
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::TokenKind {}
    impl Sealed for super::CodeKind {}
}

/// Why a text is not the credential asked for. Found before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nothing in front that any credential begins with, or one of `% { } $ < > [ ]`: a variable that nobody filled in.
    #[error("this is a placeholder, not a credential")]
    Placeholder,
    /// The start of a credential, cut off.
    #[error("this is cut off")]
    Truncated,
    /// The form or the check sum is wrong: a character was changed, lost or doubled.
    #[error("there is a typing error in this")]
    Typo,
    /// Another kind of credential, or a version this program does not know.
    #[error("this is another kind or version of credential")]
    WrongKind,
}

impl TokenError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(self) -> crate::Code {
        match self {
            Self::Placeholder => crate::Code::Token001,
            Self::Typo => crate::Code::Token002,
            Self::Truncated => crate::Code::Token003,
            Self::WrongKind => crate::Code::Token004,
        }
    }
}

/// The public id of a token or a code: 10 characters of lower-case base32.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId([u8; ID]);

impl TokenId {
    fn generate() -> Self {
        let mut id = *random_bytes::<ID>();
        for byte in &mut id {
            *byte = ALPHABET[usize::from(*byte % 32)];
        }
        Self(id)
    }

    /// The ten characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only letters and digits are ever stored")
    }
}

/// Text that is no id of a token or code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id of a token or code is 10 characters, letters a to z and digits 2 to 7")]
pub struct NotATokenId;

impl FromStr for TokenId {
    type Err = NotATokenId;

    fn from_str(text: &str) -> Result<Self, NotATokenId> {
        let id: [u8; ID] = text.as_bytes().try_into().map_err(|_| NotATokenId)?;
        if id.iter().all(|byte| ALPHABET.contains(byte)) { Ok(Self(id)) } else { Err(NotATokenId) }
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for TokenId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for TokenId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A device token or a one-time code. Has no `Debug` and no `Display`; wiped when dropped.
pub struct Credential<K: Kind> {
    id: TokenId,
    pin: Pin,
    seed: Zeroizing<[u8; 32]>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Kind> Credential<K> {
    /// The length of the text.
    pub const LENGTH: usize = 5 + 1 + ID + 1 + Pin::LENGTH + 1 + SEED + 1 + CRC;

    /// A new one, for the cloud whose root has this pin.
    #[must_use]
    pub fn generate(pin: Pin) -> Self {
        Self { id: TokenId::generate(), pin, seed: random_bytes(), kind: PhantomData }
    }

    /// One from its parts: test vectors, and a seed that was kept sealed.
    #[must_use]
    pub fn from_parts(id: TokenId, pin: Pin, seed: &[u8; 32]) -> Self {
        Self { id, pin, seed: Zeroizing::new(*seed), kind: PhantomData }
    }

    /// Reads the text; case and surrounding white space are ignored.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = Zeroizing::new(text.trim().to_ascii_lowercase());
        if text.is_empty() || text.contains(['%', '{', '}', '$', '<', '>', '[', ']']) {
            return Err(TokenError::Placeholder);
        }
        let parts: Vec<&str> = text.split('_').collect();
        front::<K>(&text, &parts)?;
        whole(&parts)?;
        let [_, id, pin, seed, crc] = parts.as_slice() else {
            return Err(TokenError::Typo);
        };
        let covered = &text[..text.len() - CRC - 1];
        if decode::<4>(crc)?.as_slice() != crc32fast::hash(covered.as_bytes()).to_be_bytes() {
            return Err(TokenError::Typo);
        }
        Ok(Self {
            id: id.parse().map_err(|_| TokenError::Typo)?,
            pin: Pin::from_bytes(*decode::<16>(pin)?),
            seed: decode::<32>(seed)?,
            kind: PhantomData,
        })
    }

    /// The public id, by which the server finds its record.
    #[must_use]
    pub fn id(&self) -> &TokenId {
        &self.id
    }

    /// Which cloud this is for.
    #[must_use]
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// The key that signs for this credential.
    #[must_use]
    pub fn signing_key(&self) -> Ed25519Key {
        Ed25519Key::from_seed(&self.seed)
    }

    /// What the server keeps to verify with.
    #[must_use]
    pub fn public_key(&self) -> PublicJwk {
        self.signing_key().public().clone()
    }

    /// The `kid` of its signatures: `lkdt1_{id}` or `lkuc1_{id}`.
    #[must_use]
    pub fn kid(&self) -> String {
        format!("{}_{}", K::PREFIX, self.id)
    }

    /// The text, with the secret in it. The only way to it; wiped when dropped.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        // Made with its final capacity, so that no shorter copy of the secret is left behind by growing.
        let mut text = Zeroizing::new(String::with_capacity(Self::LENGTH));
        for part in [K::PREFIX, "_", self.id.as_str(), "_", &encode(self.pin.as_bytes()), "_", &encode(&*self.seed)] {
            text.push_str(part);
        }
        let crc = crc32fast::hash(text.as_bytes()).to_be_bytes();
        text.push('_');
        text.push_str(&encode(&crc));
        text
    }

    /// What may be shown: kind, version and id.
    #[must_use]
    pub fn masked(&self) -> String {
        format!("{}_{}_****", K::PREFIX, self.id)
    }
}

/// Looks at what stands in front: kind and version, or nothing that a credential begins with.
fn front<K: Kind>(text: &str, parts: &[&str]) -> Result<(), TokenError> {
    if parts[0] == K::PREFIX {
        return Ok(());
    }
    if K::PREFIX.starts_with(parts[0]) && parts.len() == 1 {
        return Err(TokenError::Truncated);
    }
    let kind = parts[0].trim_end_matches(|c: char| c.is_ascii_digit());
    let has_version = kind.len() < parts[0].len();
    if has_version && matches!(kind, "lkdt" | "lkuc") {
        return Err(TokenError::WrongKind);
    }
    // Whoever has all five parts at about their length has a credential, with a slip in its first letters.
    if parts.len() == 5 && text.len().abs_diff(Credential::<K>::LENGTH) <= 2 {
        return Err(TokenError::Typo);
    }
    Err(TokenError::Placeholder)
}

/// Checks the lengths of the parts: complete ones and then a shorter last one is a truncation, anything else wrong a typo.
fn whole(parts: &[&str]) -> Result<(), TokenError> {
    let lengths = [5, ID, Pin::LENGTH, SEED, CRC];
    let (last, complete) = parts.split_last().expect("splitting a text gives at least one part");
    if parts.len() > lengths.len() || complete.iter().zip(lengths).any(|(part, length)| part.len() != length) {
        return Err(TokenError::Typo);
    }
    let wanted = lengths[parts.len() - 1];
    match last.len() {
        n if n > wanted => Err(TokenError::Typo),
        n if n < wanted || parts.len() < lengths.len() => Err(TokenError::Truncated),
        _ => Ok(()),
    }
}

fn encode(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(BASE32_NOPAD.encode(bytes));
    text.make_ascii_lowercase();
    text
}

fn decode<const N: usize>(text: &str) -> Result<Zeroizing<[u8; N]>, TokenError> {
    let upper = Zeroizing::new(text.to_ascii_uppercase());
    let bytes = Zeroizing::new(BASE32_NOPAD.decode(upper.as_bytes()).map_err(|_| TokenError::Typo)?);
    let mut out = Zeroizing::new([0; N]);
    if bytes.len() != N {
        return Err(TokenError::Typo);
    }
    out.copy_from_slice(&bytes);
    Ok(out)
}
