//! Identifiers.
//!
//! Owns the organization's opaque id and how other ids are made. Must not know what they name.

use std::fmt;
use std::str::FromStr;
use std::sync::{LazyLock, Mutex};

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::value::columnar_text;

/// An organization's opaque id. Stands in every path of the protocol and in every row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrgId(String);

impl OrgId {
    /// A new one.
    #[must_use]
    pub fn generate(now: Timestamp) -> Self {
        Self(new_id(now))
    }

    /// What belongs to the whole cloud and to no organization: root and audit keys, the cloud's own audit chain.
    #[must_use]
    pub fn cloud() -> Self {
        Self("cloud".to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to 64 letters, digits, - and _")]
pub struct NotAnId;

impl FromStr for OrgId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let fits =
            (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if fits { Ok(Self(text.to_owned())) } else { Err(NotAnId) }
    }
}

columnar_text!(OrgId);

/// Counts within a millisecond, so that ids of one process sort in the order in which they were made.
static ORDER: LazyLock<Mutex<uuid::ContextV7>> = LazyLock::new(Mutex::default);

/// A new id: a UUID version 7, so that ids sort by the time they were made.
#[must_use]
pub fn new_id(now: Timestamp) -> String {
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    let seconds = millis / 1000;
    let nanos = u32::try_from(millis % 1000 * 1_000_000).expect("less than a second");
    uuid::Uuid::new_v7(uuid::Timestamp::from_unix(&*ORDER, seconds, nanos)).to_string()
}

/// What every id made at that time or later is not below: ids begin with the milliseconds of their time. A clock that was set back does
/// not make an id of an earlier time, only of a later one.
#[must_use]
pub(crate) fn ids_from(at: Timestamp) -> String {
    let millis = u64::try_from(at.millis()).unwrap_or(0).min((1 << 48) - 1);
    format!("{:08x}-{:04x}", millis >> 16, millis & 0xffff)
}

/// A reference that a person can read aloud: 10 characters, no vowels that make words, as every refusal carries one.
#[must_use]
pub fn new_reference() -> String {
    const ALPHABET: &[u8; 32] = b"0123456789bcdfghjkmnpqrstvwxyz-_";
    let random = latchkey_wire::sign::random_bytes::<10>();
    // 30 of the 32 symbols are letters and digits; the last two are folded onto the first two.
    let symbols = random.iter().map(|byte| ALPHABET[usize::from(byte % 30)]);
    symbols.map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_moment_sort_in_the_order_in_which_they_were_made() {
        let ids: Vec<_> = (0..1000).map(|_| new_id(Timestamp::from_millis(1_795_000_000_000))).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn an_id_is_not_below_what_begins_with_its_time() {
        let at = Timestamp::from_millis(1_795_000_000_123);
        let id = new_id(at);
        assert!(id >= ids_from(at) && id.starts_with(&ids_from(at)), "{id}");
        assert!(id < ids_from(Timestamp::from_millis(at.millis() + 1)));
        assert_eq!(ids_from(Timestamp::default()), "00000000-0000");
    }
}
