//! The sign-in transaction before its proof: sealed, handed out, not stored (protocol.md, silent sign-in).
//!
//! Owns what it holds, its times, its encoding and its limit of 4 KiB. Must not know how a request was verified or what a proof needs
//! beyond it. It becomes a row of the store at the first step that changes something.

use latchkey_saml::request::{Acs, RequestFacts};
use latchkey_saml::response::Reply;
use latchkey_wire::epoch::txn_sha256;
use latchkey_wire::message::Challenge;
use latchkey_wire::seal::{Context, Unique};
use latchkey_wire::{Bytes, Channel, Level, Seconds, WireError};
use serde::{Deserialize, Serialize};

use super::seal::SealKeys;
use crate::code::{Code, Own};

/// How long a transaction is good.
pub const LIFETIME: Seconds = 10 * 60;

/// How long its challenge may be answered.
pub const CHALLENGE_LIFETIME: Seconds = 60;

/// The longest sealed transaction, characters. It travels in forms and JSON only, never in an address.
pub const MAX_SEALED: usize = 4096;

/// What is to be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// A verified request; deserialized only from under our own seal.
    #[serde(rename = "q")]
    Request(RequestFacts),
    /// Nothing: the sign-in began here, where the service is set up for it.
    #[serde(rename = "u")]
    Unsolicited(Unsolicited),
}

/// A sign-in that began here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsolicited {
    /// The service's consumer address, from its metadata.
    #[serde(rename = "a")]
    pub acs: Acs,
    /// What the service gets with the answer.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub relay_state: Option<String>,
}

impl Asked {
    /// The verified request, if there is one.
    #[must_use]
    pub const fn request(&self) -> Option<&RequestFacts> {
        match self {
            Self::Request(facts) => Some(facts),
            Self::Unsolicited(_) => None,
        }
    }

    /// Where the answer goes.
    #[must_use]
    pub const fn acs(&self) -> &Acs {
        match self {
            Self::Request(facts) => &facts.acs,
            Self::Unsolicited(own) => &own.acs,
        }
    }

    /// What the service gets with the answer.
    #[must_use]
    pub fn relay_state(&self) -> Option<&str> {
        match self {
            Self::Request(facts) => facts.relay_state.as_deref(),
            Self::Unsolicited(own) => own.relay_state.as_deref(),
        }
    }

    /// What the response says it answers.
    #[must_use]
    pub const fn reply(&self) -> Reply<'_> {
        match self {
            Self::Request(facts) => Reply::To(facts),
            Self::Unsolicited(own) => Reply::Unsolicited(&own.acs),
        }
    }

    /// Whether no page may be shown.
    #[must_use]
    pub fn is_passive(&self) -> bool {
        self.request().is_some_and(|facts| facts.is_passive)
    }

    /// Whether the person must prove presence anew.
    #[must_use]
    pub fn force_authn(&self) -> bool {
        self.request().is_some_and(|facts| facts.force_authn)
    }
}

/// Everything a challenge says and `finish` needs: `finish` reads it from here and from nowhere else. Member names are short because
/// [`MAX_SEALED`] is. The organization stands in the seal, not in here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transaction {
    /// What is to be answered.
    #[serde(rename = "r")]
    pub request: Asked,
    /// What makes it unique: consumed with the proof. Its text is the challenge's `nonce`.
    #[serde(rename = "u")]
    pub unique: Unique,
    /// The issuer's origin as the browser or agent reached it, `https://host[:port]`.
    #[serde(rename = "o")]
    pub origin: String,
    /// The service's id in the directory.
    #[serde(rename = "s")]
    pub service_id: String,
    /// The service's name as shown to people, and in the challenge.
    #[serde(rename = "m")]
    pub service_name: String,
    /// Over the value of the browser's binding cookie.
    #[serde(rename = "b")]
    pub cb: Bytes<32>,
    /// By which way a proof must come.
    #[serde(rename = "c")]
    pub channel: Channel,
    /// The evidence level wanted.
    #[serde(rename = "l")]
    pub level: Level,
    /// When it was made.
    #[serde(rename = "i")]
    pub issued: Seconds,
    /// Until when its challenge may be answered.
    #[serde(rename = "x")]
    pub challenge_exp: Seconds,
    /// Until when it is good.
    #[serde(rename = "e")]
    pub exp: Seconds,
}

/// Why there is no transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TxnError {
    /// It was good, and is not any more.
    #[error("the sign-in transaction has expired")]
    Expired,
    /// It does not open: another server, organization or incarnation, older than a day, or somebody altered it.
    #[error("the sign-in transaction was not made here")]
    NotOurs,
    /// Sealing failed; nobody's fault but ours.
    #[error("the sign-in transaction cannot be sealed: {0}")]
    Own(WireError),
    /// The request says more than a transaction holds: a very long RelayState, mostly. The service is at fault.
    #[error(
        "the request with its RelayState makes a transaction of {found} characters; at most {MAX_SEALED} are allowed"
    )]
    TooLarge {
        /// How long it would be.
        found: usize,
    },
}

impl TxnError {
    /// The stable code. One that is expired and one that was never ours are told alike.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Expired | Self::NotOurs => Code::Shared(latchkey_wire::Code::Proof010),
            Self::Own(_) => Code::Own(Own::Api500),
            Self::TooLarge { .. } => Code::Own(Own::Signin001),
        }
    }
}

/// Where a transaction is at home: a seal opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Home<'a> {
    /// The organization's opaque id.
    pub org: &'a str,
    /// The store's incarnation: after a restore, nothing made before it opens.
    pub incarnation: &'a [u8; 16],
}

/// What a new transaction is made of.
#[derive(Debug, Clone)]
pub struct Begin {
    /// What is to be answered.
    pub request: Asked,
    /// The issuer's origin, `https://host[:port]`.
    pub origin: String,
    /// The service's id.
    pub service_id: String,
    /// The service's name as shown to people.
    pub service_name: String,
    /// Over the value of the browser's binding cookie.
    pub cb: Bytes<32>,
    /// By which way a proof must come.
    pub channel: Channel,
    /// The evidence level wanted.
    pub level: Level,
}

/// 48 bits of time and 80 random ones. They are kept in an index that must refuse a second session, and there neighbours in time share
/// a page: a commit of many sign-ins then writes a few pages of it, not one for each.
pub(super) fn unique(now_ms: u64) -> Unique {
    let mut unique = [0; 16];
    unique[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
    aws_lc_rs::rand::fill(&mut unique[6..]).expect("the operating system's random source works");
    Bytes(unique)
}

impl Transaction {
    /// Begins one, unique, good from now on (Unix time in milliseconds).
    #[must_use]
    pub fn begin(begin: Begin, now_ms: u64) -> Self {
        let Begin { request, origin, service_id, service_name, cb, channel, level } = begin;
        let now = now_ms / 1000;
        Self {
            request,
            unique: unique(now_ms),
            origin,
            service_id,
            service_name,
            cb,
            channel,
            level,
            issued: now,
            challenge_exp: now.saturating_add(CHALLENGE_LIFETIME),
            exp: now.saturating_add(LIFETIME),
        }
    }

    /// Seals it: the text `txn`.
    ///
    /// # Errors
    /// [`TxnError::TooLarge`], to be answered with 400 before any page, or [`TxnError::Own`].
    pub fn seal(&self, keys: &SealKeys, home: Home<'_>) -> Result<String, TxnError> {
        let plain = serde_json::to_vec(self).map_err(|e| TxnError::Own(WireError::Json(e.to_string())))?;
        let sealed = keys.seal(&plain, &context(home), self.issued).map_err(TxnError::Own)?;
        if sealed.len() > MAX_SEALED {
            return Err(TxnError::TooLarge { found: sealed.len() });
        }
        Ok(sealed)
    }

    /// Opens the text `txn` and checks that it is still good. Whether its challenge is, is [`Transaction::challenge_open`]; whether it
    /// was used, the store's word.
    ///
    /// # Errors
    /// [`TxnError::NotOurs`] or [`TxnError::Expired`].
    pub fn open(txn: &str, keys: &SealKeys, home: Home<'_>, now: Seconds) -> Result<Self, TxnError> {
        if txn.len() > MAX_SEALED {
            return Err(TxnError::NotOurs);
        }
        let plain = keys.open(txn, &context(home), now).map_err(|_| TxnError::NotOurs)?;
        // What does not parse under our own seal was made by another version of this program.
        let transaction: Self = serde_json::from_slice(&plain).map_err(|_| TxnError::NotOurs)?;
        if now > transaction.exp { Err(TxnError::Expired) } else { Ok(transaction) }
    }

    /// Whether its challenge may still be answered.
    #[must_use]
    pub const fn challenge_open(&self, now: Seconds) -> bool {
        now <= self.challenge_exp
    }

    /// The text of the challenge's `nonce`, which the proof repeats and tags.
    #[must_use]
    pub fn nonce(&self) -> String {
        self.unique.to_string()
    }

    /// The challenge for this transaction, given the text it was sealed to.
    #[must_use]
    pub fn challenge(&self, txn: &str) -> Challenge {
        Challenge {
            txn_sha256: txn_sha256(txn),
            origin: self.origin.clone(),
            service: self.service_name.clone(),
            cb: self.cb,
            channel: self.channel,
            level: self.level,
            exp: self.challenge_exp,
        }
    }
}

const fn context<'a>(home: Home<'a>) -> Context<'a> {
    Context { what: "txn", org: home.org, incarnation: home.incarnation }
}

#[cfg(test)]
mod tests {
    use latchkey_wire::epoch::cookie_binding;
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;

    const NOW: Seconds = 1_764_000_123;
    const NOW_MS: u64 = NOW * 1000 + 999;
    const HOME: Home<'_> = Home { org: "0199c0de", incarnation: &[3; 16] };

    fn keys() -> SealKeys {
        SealKeys::new(Zeroizing::new([7; 32]))
    }

    /// Facts can be made only from a verified request or out of a seal; the test takes the second way.
    fn facts(relay_state: Option<&str>) -> Asked {
        let mut facts = serde_json::json!({
            "i": "_9c1f", "e": "https://wiki.acme.example/saml", "a": "https://wiki.acme.example/acs", "g": true,
            "f": true, "c": {"c": "minimum", "r": ["urn:oasis:names:tc:SAML:2.0:ac:classes:Password"]},
        });
        if let Some(relay_state) = relay_state {
            facts["r"] = relay_state.into();
        }
        Asked::Request(serde_json::from_value(facts).unwrap())
    }

    fn begin(relay_state: Option<&str>) -> Begin {
        Begin {
            request: facts(relay_state),
            origin: "https://id.acme.example".into(),
            service_id: "0199c0de-0000-7000-8000-0000000000bb".into(),
            service_name: "Wiki & more".into(),
            cb: cookie_binding("cookie"),
            channel: Channel::Agent,
            level: Level::MdmSigned,
        }
    }

    #[test]
    fn finish_reads_back_what_the_challenge_said() {
        let begun = Transaction::begin(begin(Some("https://wiki.acme.example/Page?x=1")), NOW_MS);
        let txn = begun.seal(&keys(), HOME).unwrap();
        let opened = Transaction::open(&txn, &keys(), HOME, NOW + 59).unwrap();
        assert_eq!(opened, begun);
        let challenge = opened.challenge(&txn);
        assert_eq!((challenge.txn_sha256, challenge.exp), (txn_sha256(&txn), NOW + 60));
        assert_eq!((challenge.service.as_str(), challenge.cb), ("Wiki & more", cookie_binding("cookie")));
        assert_eq!(opened.nonce().parse::<Unique>().unwrap(), begun.unique);
    }

    #[test]
    fn r13_a_challenge_ends_after_sixty_seconds_and_a_transaction_after_ten_minutes() {
        let txn = Transaction::begin(begin(None), NOW_MS).seal(&keys(), HOME).unwrap();
        let at = |now| Transaction::open(&txn, &keys(), HOME, now);
        assert!(at(NOW + 60).unwrap().challenge_open(NOW + 60));
        assert!(!at(NOW + 61).unwrap().challenge_open(NOW + 61));
        assert!(at(NOW + 600).is_ok());
        assert_eq!(at(NOW + 601), Err(TxnError::Expired));
        assert_eq!(at(NOW + 3 * 86_400), Err(TxnError::NotOurs));
    }

    #[test]
    fn a05_it_opens_at_home_only() {
        let txn = Transaction::begin(begin(None), NOW_MS).seal(&keys(), HOME).unwrap();
        let abroad = [Home { org: "0199c0df", ..HOME }, Home { incarnation: &[4; 16], ..HOME }];
        for home in abroad {
            assert_eq!(Transaction::open(&txn, &keys(), home, NOW), Err(TxnError::NotOurs));
        }
        let other = SealKeys::new(Zeroizing::new([8; 32]));
        assert_eq!(Transaction::open(&txn, &other, HOME, NOW), Err(TxnError::NotOurs));
        let nonce = Context { what: "nonce", org: HOME.org, incarnation: HOME.incarnation };
        assert!(keys().open(&txn, &nonce, NOW).is_err());
    }

    #[test]
    fn two_transactions_of_the_same_request_are_two() {
        let [one, other] = [0, 1].map(|_| Transaction::begin(begin(None), NOW_MS));
        assert_ne!(one.unique, other.unique);
    }

    #[test]
    fn a_long_relay_state_fits_and_one_of_quotes_and_two_long_addresses_does_not() {
        let fits = Transaction::begin(begin(Some(&"x".repeat(2048))), NOW_MS).seal(&keys(), HOME).unwrap();
        assert!(fits.len() <= MAX_SEALED, "{}", fits.len());
        let quotes = Transaction::begin(begin(Some(&"\"".repeat(2048))), NOW_MS).seal(&keys(), HOME);
        assert!(matches!(quotes, Err(TxnError::TooLarge { found }) if found > MAX_SEALED));
    }

    #[test]
    fn what_another_version_sealed_is_not_ours() {
        let context = context(HOME);
        for plain in ["{}", "null", "{\"v\":2}", ""] {
            let txn = keys().seal(plain.as_bytes(), &context, NOW).unwrap();
            assert_eq!(Transaction::open(&txn, &keys(), HOME, NOW), Err(TxnError::NotOurs));
        }
        assert_eq!(Transaction::open(&"x".repeat(MAX_SEALED + 1), &keys(), HOME, NOW), Err(TxnError::NotOurs));
    }

    proptest! {
        #[test]
        fn whatever_it_holds_comes_back(
            relay in "\\PC{0,200}", name in "\\PC{1,80}", origin in "https://[a-z]{1,30}(:[0-9]{1,5})?",
            level in 0usize..6, channel in 0..Channel::ALL.len(), now in 0u64..1 << 40,
        ) {
            let begun = Transaction::begin(
                Begin {
                    service_name: name,
                    origin,
                    level: Level::ALL[level],
                    channel: Channel::ALL[channel],
                    ..begin(Some(&relay))
                },
                now * 1000,
            );
            let txn = begun.seal(&keys(), HOME).unwrap();
            prop_assert!(txn.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
            prop_assert_eq!(Transaction::open(&txn, &keys(), HOME, now).unwrap(), begun);
        }

        #[test]
        fn no_altered_character_opens(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_-]") {
            let txn = Transaction::begin(begin(None), NOW_MS).seal(&keys(), HOME).unwrap();
            let at = at.index(txn.len());
            prop_assume!(txn[at..=at] != to);
            let altered = format!("{}{to}{}", &txn[..at], &txn[at + 1..]);
            prop_assert_eq!(Transaction::open(&altered, &keys(), HOME, NOW), Err(TxnError::NotOurs));
        }

        #[test]
        fn rubbish_does_not_open(rubbish in "\\PC{0,5000}") {
            prop_assert_eq!(Transaction::open(&rubbish, &keys(), HOME, NOW), Err(TxnError::NotOurs));
        }
    }
}
