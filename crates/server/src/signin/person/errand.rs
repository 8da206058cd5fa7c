//! What a person came for and how far the sign-in has come: sealed into the form of the page, not stored.
//!
//! Owns what it holds, its times and its encoding. Must not know pages, nor how anything is proven. Its unique part is consumed by what it grants:
//! one session, one assertion. What opens as an errand opens as no silent transaction, and the other way round.

use latchkey_directory::Timestamp;
use latchkey_directory::credentials::Factor;
use latchkey_wire::seal::{Context, Unique};
use latchkey_wire::{Bytes, Level, Seconds};
use serde::{Deserialize, Serialize};

use crate::portal::visit::Visit;
use crate::signin::seal::SealKeys;
use crate::signin::txn::{Asked, Home, LIFETIME, TxnError, unique};

/// The longest sealed errand, characters: it travels in forms only, and beside what a silent transaction holds it has a name, factors and a
/// passkey's question.
const MAX_SEALED: usize = 8192;

/// What a person came for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Goal {
    /// A page of the organization.
    #[serde(rename = "p")]
    Portal {
        /// Its path, with its query.
        #[serde(rename = "t")]
        to: String,
    },
    /// A service.
    #[serde(rename = "s")]
    Service {
        /// Its id in the directory.
        #[serde(rename = "i")]
        id: String,
        /// Its name, as shown to people.
        #[serde(rename = "m")]
        name: String,
        /// What it asked.
        #[serde(rename = "r")]
        asked: Box<Asked>,
    },
}

/// A sign-in by a person, between two of its pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Errand {
    /// What for.
    #[serde(rename = "g")]
    pub(super) goal: Goal,
    /// What makes it unique.
    #[serde(rename = "u")]
    pub(super) unique: Unique,
    /// Over the value of the browser's binding cookie.
    #[serde(rename = "b")]
    pub(super) cb: Bytes<32>,
    /// The evidence level it takes.
    #[serde(rename = "l")]
    pub(super) level: Level,
    /// When it began.
    #[serde(rename = "i")]
    pub(super) began: Timestamp,
    /// The name that was typed, or that of the session to be confirmed.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// The user whose first factor was right.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<String>,
    /// What was proven, in the order of the steps.
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) factors: Vec<Factor>,
    /// A code was mailed for it, or would have been.
    #[serde(rename = "m", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) mailed: bool,
    /// What is needed to check a passkey's answer.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub(super) question: Option<String>,
    /// The session that is to be confirmed: only its person may.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(super) session: Option<Confirms>,
}

/// A session to be confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Confirms {
    /// Its id.
    #[serde(rename = "i")]
    pub(super) id: String,
    /// Whose it is.
    #[serde(rename = "w")]
    pub(super) user_id: String,
}

/// Why there is no errand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoErrand {
    /// It was one and took too long; where it led to, if that was a page of ours.
    Expired(Option<String>),
    /// It was not made here.
    NotOurs,
}

impl Errand {
    /// Begins one.
    #[must_use]
    pub(super) fn begin(goal: Goal, cb: Bytes<32>, level: Level, now: Timestamp) -> Self {
        Self {
            goal,
            unique: unique(u64::try_from(now.millis()).unwrap_or(0)),
            cb,
            level,
            began: now,
            name: None,
            user_id: None,
            factors: Vec::new(),
            mailed: false,
            question: None,
            session: None,
        }
    }

    /// To confirm this session: by no less than what it takes to change how somebody signs in, if the session is that strong.
    #[must_use]
    pub(super) fn confirming(mut self, visit: &Visit) -> Self {
        let held = Level::try_from(u64::from(visit.session.level)).unwrap_or(Level::Asserted);
        self.level = self.level.max(held.min(Level::MdmSigned));
        self.name = Some(visit.login_name.clone());
        self.session = Some(Confirms { id: visit.session.id.clone(), user_id: visit.user_id.clone() });
        self
    }

    /// Forgets who it is, for somebody else to sign in.
    pub(super) fn forget_person(&mut self) {
        (self.name, self.user_id, self.question) = (None, None, None);
        self.factors.clear();
        self.mailed = false;
    }

    /// What a mailed code is bound to: this sign-in, in this browser.
    #[must_use]
    pub(super) fn sign_in(&self) -> String {
        latchkey_wire::bytes::to_base64url(&self.unique.0)
    }

    /// Until when it is good.
    #[must_use]
    pub(super) fn exp(&self) -> Timestamp {
        self.began.plus(std::time::Duration::from_secs(LIFETIME))
    }

    /// What the service asked, if a service asked.
    #[must_use]
    pub(super) fn asked(&self) -> Option<&Asked> {
        match &self.goal {
            Goal::Service { asked, .. } => Some(asked),
            Goal::Portal { .. } => None,
        }
    }

    /// Seals it: the text `txn`.
    ///
    /// # Errors
    /// [`TxnError::TooLarge`] or [`TxnError::Own`].
    pub(super) fn seal(&self, keys: &SealKeys, home: Home<'_>, now: Seconds) -> Result<String, TxnError> {
        let plain = serde_json::to_vec(self)
            .map_err(|error| TxnError::Own(latchkey_wire::WireError::Json(error.to_string())))?;
        let sealed = keys.seal(&plain, &context(home), now).map_err(TxnError::Own)?;
        if sealed.len() > MAX_SEALED {
            return Err(TxnError::TooLarge { found: sealed.len() });
        }
        Ok(sealed)
    }

    /// Opens the text `txn`, if it is still good. Whether it was used is the store's word.
    pub(super) fn open(txn: &str, keys: &SealKeys, home: Home<'_>, now: Timestamp) -> Result<Self, NoErrand> {
        if txn.len() > MAX_SEALED {
            return Err(NoErrand::NotOurs);
        }
        let plain = keys.open(txn, &context(home), now.seconds()).map_err(|_| NoErrand::NotOurs)?;
        let errand: Self = serde_json::from_slice(&plain).map_err(|_| NoErrand::NotOurs)?;
        if now <= errand.exp() {
            return Ok(errand);
        }
        Err(NoErrand::Expired(match errand.goal {
            Goal::Portal { to } => Some(to),
            Goal::Service { .. } => None,
        }))
    }
}

const fn context<'a>(home: Home<'a>) -> Context<'a> {
    Context { what: "errand", org: home.org, incarnation: home.incarnation }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use latchkey_wire::epoch::cookie_binding;
    use zeroize::Zeroizing;

    use super::*;
    use crate::signin::txn::Transaction;

    const HOME: Home<'_> = Home { org: "0199c0de", incarnation: &[3; 16] };

    fn now() -> Timestamp {
        Timestamp::from_seconds(1_795_000_000)
    }

    fn keys() -> SealKeys {
        SealKeys::new(Zeroizing::new([7; 32]))
    }

    fn errand() -> Errand {
        let goal = Goal::Portal { to: "/o/acme/connector?x=1".into() };
        let mut errand = Errand::begin(goal, cookie_binding("cookie"), Level::KnownUser, now());
        errand.name = Some("anna@acme.example".into());
        errand.factors = vec![Factor::Password { set_at: now() }];
        errand
    }

    #[test]
    fn it_is_read_back_at_home_within_ten_minutes_and_nowhere_else() {
        let errand = errand();
        let txn = errand.seal(&keys(), HOME, now().seconds()).unwrap();
        let open = |home, at: Timestamp| Errand::open(&txn, &keys(), home, at);
        assert_eq!(open(HOME, now().plus(Duration::from_secs(600))), Ok(errand));
        let late = open(HOME, now().plus(Duration::from_secs(601)));
        assert_eq!(late, Err(NoErrand::Expired(Some("/o/acme/connector?x=1".into()))));
        let abroad = [Home { org: "0199c0df", ..HOME }, Home { incarnation: &[4; 16], ..HOME }];
        for home in abroad {
            assert_eq!(open(home, now()), Err(NoErrand::NotOurs));
        }
        let other = SealKeys::new(Zeroizing::new([8; 32]));
        assert_eq!(Errand::open(&txn, &other, HOME, now()), Err(NoErrand::NotOurs));
        assert!(Transaction::open(&txn, &keys(), HOME, now().seconds()).is_err(), "it is no silent transaction");
    }

    #[test]
    fn nobody_is_left_of_a_person_who_is_not_the_one() {
        let mut errand = errand();
        (errand.user_id, errand.question) = (Some("u".into()), Some("{}".into()));
        errand.forget_person();
        assert_eq!(errand.name.or(errand.user_id).or(errand.question), None);
        assert!(errand.factors.is_empty());
    }
}
