//! The inside of a nonce. A connector never looks into one; a server seals it instead of storing it.

use crate::seal::{Context, SealKey, Unique};
use crate::sign::random_bytes;
use crate::state::Purpose;
use crate::{Bytes, Seconds, Thumbprint, WireError};

/// How long a nonce is good.
pub const LIFETIME: Seconds = 120;

/// The longest id a nonce is made for: a token's, a code's or a device's.
pub const MAX_ID: usize = 64;

/// What a nonce is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoncePayload {
    /// The one purpose.
    pub purpose: Purpose,
    /// The one key.
    pub thumbprint: Thumbprint,
    /// The token's or the device's id.
    pub id: String,
    /// When it was made.
    pub issued: Seconds,
    /// Until when it is good.
    pub exp: Seconds,
    /// What makes it unique: the value to consume.
    pub unique: Unique,
}

impl NoncePayload {
    /// A new one, good for [`LIFETIME`] from now.
    pub fn new(purpose: Purpose, thumbprint: Thumbprint, id: &str, now: Seconds) -> Result<Self, WireError> {
        if id.is_empty() || id.len() > MAX_ID {
            return Err(WireError::Member("an id has 1 to 64 bytes".into()));
        }
        let unique = Bytes(*random_bytes());
        Ok(Self { purpose, thumbprint, id: id.to_owned(), issued: now, exp: now.saturating_add(LIFETIME), unique })
    }

    /// Seals it: the text that goes into the member `nonce`.
    pub fn seal(&self, key: &SealKey, org: &str, incarnation: &[u8; 16]) -> Result<String, WireError> {
        let purpose = Purpose::ALL.iter().position(|p| *p == self.purpose).expect("ALL has every purpose");
        let purpose = u8::try_from(purpose).expect("a handful of purposes");
        let parts: [&[u8]; 6] = [
            &[purpose],
            self.thumbprint.as_ref(),
            &self.issued.to_be_bytes(),
            &self.exp.to_be_bytes(),
            self.unique.as_ref(),
            self.id.as_bytes(),
        ];
        key.seal(&parts.concat(), &Context { what: "nonce", org, incarnation })
    }

    /// Opens the text of a member `nonce`. Whether it is expired, and made for what it is used for, is [`NoncePayload::good_for`].
    pub fn open(text: &str, key: &SealKey, org: &str, incarnation: &[u8; 16]) -> Result<Self, WireError> {
        let plain = key.open(text, &Context { what: "nonce", org, incarnation })?;
        Self::parse(&plain).ok_or(WireError::NotSealedHere)
    }

    /// Whether it may be consumed for this, now.
    #[must_use]
    pub fn good_for(&self, purpose: Purpose, thumbprint: &Thumbprint, id: &str, now: Seconds) -> bool {
        self.purpose == purpose && self.thumbprint == *thumbprint && self.id == id && now <= self.exp
    }

    fn parse(plain: &[u8]) -> Option<Self> {
        let (purpose, rest) = plain.split_first()?;
        let (thumbprint, rest) = rest.split_first_chunk::<32>()?;
        let (issued, rest) = rest.split_first_chunk::<8>()?;
        let (exp, rest) = rest.split_first_chunk::<8>()?;
        let (unique, id) = rest.split_first_chunk::<16>()?;
        Some(Self {
            purpose: *Purpose::ALL.get(usize::from(*purpose))?,
            thumbprint: Bytes(*thumbprint),
            id: String::from_utf8(id.to_vec()).ok().filter(|id| !id.is_empty())?,
            issued: u64::from_be_bytes(*issued),
            exp: u64::from_be_bytes(*exp),
            unique: Bytes(*unique),
        })
    }
}
