//! Mail that the directory wants sent: what it says, and the outbox in which it waits.
//!
//! Owns what a letter holds, whom it goes to, how long it is worth sending, and that a sender that dies loses none. A letter is written in the
//! commit of what it tells about. Must not know words, mail servers or whether one answers: with no mail set up nothing is written at all.

pub mod outbox;
pub mod records;
pub mod sending;
pub mod tell;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

pub use outbox::Outbox;
pub use sending::{ClaimedMail, DueMail, MailState};

use crate::audit::ActorKind;
use crate::time::Timestamp;
use crate::values::{MailKind, MethodChange, OwnerNews};

/// What only the reader of a letter may know: a code, the secret of a link. Cannot be printed; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct LetterSecret(Zeroizing<String>);

impl LetterSecret {
    /// Takes it into custody.
    #[must_use]
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text, for the letter.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LetterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

impl Serialize for LetterSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for LetterSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// What a mail tells. Kept sealed: whoever reads the database reads no code and no link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Letter {
    /// A one-time code to sign in with.
    Code {
        /// Its digits.
        code: LetterSecret,
    },
    /// A link to set a new password.
    Recovery {
        /// What stands at the end of the link.
        secret: LetterSecret,
    },
    /// To a person: your ways to sign in have changed.
    MethodsChanged {
        /// How.
        change: MethodChange,
        /// When.
        at: Timestamp,
        /// Whether the person did it.
        yourself: bool,
    },
    /// To every owner of the organization.
    OwnersTold {
        /// What happened.
        news: OwnerNews,
        /// To whom, by login name.
        about: String,
        /// What kind of actor did it.
        by_kind: ActorKind,
        /// Who, if it was a person.
        by: Option<String>,
        /// When.
        at: Timestamp,
    },
}

impl Letter {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> MailKind {
        match self {
            Self::Code { .. } => MailKind::Code,
            Self::Recovery { .. } => MailKind::Recovery,
            Self::MethodsChanged { .. } => MailKind::MethodsChanged,
            Self::OwnersTold { .. } => MailKind::OwnersTold,
        }
    }
}
