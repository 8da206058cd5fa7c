//! Authentication contexts: how an evidence level is stated, and what a service's `RequestedAuthnContext` asks for
//! (core 3.3.2.2.1). Must not know how a level was reached.

use serde::{Deserialize, Serialize};

/// Password over a protected channel: what many libraries ask for without being told to.
pub const PASSWORD_PROTECTED_TRANSPORT: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";

/// Classes that every sign-in of ours satisfies, and that are then stated instead of the level.
///
/// A device key and a user key, each signing over a fresh challenge on a protected channel, resist everything that a
/// password on a protected channel does. Services ask for these classes by default of their library, so refusing them
/// would refuse the service; the true evidence level always stands in the attribute beside it. Classes that claim a
/// particular means (smart card, Kerberos, time token) are never stated.
const COMPATIBLE: [&str; 4] = [
    "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified",
    PASSWORD_PROTECTED_TRANSPORT,
    "urn:oasis:names:tc:SAML:2.0:ac:classes:Password",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:InternetProtocolPassword",
];

const LEVELS: [&str; 6] = [
    "urn:latchkey:ac:evidence:0",
    "urn:latchkey:ac:evidence:1",
    "urn:latchkey:ac:evidence:2",
    "urn:latchkey:ac:evidence:3",
    "urn:latchkey:ac:evidence:4",
    "urn:latchkey:ac:evidence:5",
];

/// How well the user on this device is proven, 0 to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EvidenceLevel(u8);

impl EvidenceLevel {
    /// `None` above 5.
    pub fn new(level: u8) -> Option<Self> {
        (usize::from(level) < LEVELS.len()).then_some(Self(level))
    }

    /// The number.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The class reference that states it.
    pub fn class(self) -> &'static str {
        LEVELS[usize::from(self.0)]
    }
}

/// How the contexts of a request are to be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// Stronger than every one named.
    Better,
    /// One of those named; the default.
    #[default]
    Exact,
    /// As strong as possible, not stronger than one of those named.
    Maximum,
    /// At least as strong as one of those named.
    Minimum,
}

/// What a service asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedAuthnContext {
    /// How to compare.
    #[serde(rename = "c", default)]
    pub comparison: Comparison,
    /// Class references in the service's order of preference. Empty if only declarations were named, which nothing meets.
    #[serde(rename = "r")]
    pub classes: Vec<String>,
}

/// The strength of a class, on our scale; `None` for those we never state.
fn strength(class: &str) -> Option<u8> {
    if COMPATIBLE.contains(&class) {
        return Some(0);
    }
    (0..=5_u8).find(|level| LEVELS[usize::from(*level)] == class)
}

/// The class to state for a sign-in at `level`, or `None` if the request cannot be met (answer `NoAuthnContext`).
///
/// * nothing asked: the level's own class
/// * *exact*: the first class named that is the level's own, or is compatible with every sign-in
/// * *minimum*: the level is at least that of one class named; *maximum*: at most; *better*: above every one
///   (classes we do not know cannot be compared and never satisfy)
///
/// With *minimum* and *maximum* a compatible class that was named is stated as it was named, since services compare text.
pub fn decide(requested: Option<&RequestedAuthnContext>, level: EvidenceLevel) -> Option<&str> {
    let Some(requested) = requested else { return Some(level.class()) };
    let named = || requested.classes.iter().map(String::as_str);
    let compatible = || named().find(|c| COMPATIBLE.contains(c));
    match requested.comparison {
        Comparison::Exact => named().find(|c| *c == level.class() || COMPATIBLE.contains(c)),
        Comparison::Minimum => {
            named().filter_map(strength).min().filter(|least| level.0 >= *least)?;
            Some(compatible().unwrap_or(level.class()))
        }
        Comparison::Maximum => {
            if let Some(class) = compatible() {
                return Some(class);
            }
            named().filter_map(strength).max().filter(|most| level.0 <= *most)?;
            Some(level.class())
        }
        Comparison::Better => {
            let mut known = Vec::with_capacity(requested.classes.len());
            for class in named() {
                known.push(strength(class)?);
            }
            known.into_iter().max().filter(|most| level.0 > *most)?;
            Some(level.class())
        }
    }
}

/// Whether any level at all meets the request: if none does, nobody needs to be asked to prove anything.
pub fn lowest_level_that_meets(requested: Option<&RequestedAuthnContext>) -> Option<EvidenceLevel> {
    (0..=5).filter_map(EvidenceLevel::new).find(|level| decide(requested, *level).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(comparison: Comparison, classes: &[&str]) -> RequestedAuthnContext {
        RequestedAuthnContext { comparison, classes: classes.iter().map(|c| (*c).to_owned()).collect() }
    }

    fn met(comparison: Comparison, classes: &[&str]) -> Vec<u8> {
        let requested = ask(comparison, classes);
        (0..=5).filter(|l| decide(Some(&requested), EvidenceLevel(*l)).is_some()).collect()
    }

    #[test]
    fn each_comparison_means_what_core_says() {
        let two = LEVELS[2];
        assert_eq!(met(Comparison::Exact, &[two]), [2]);
        assert_eq!(met(Comparison::Minimum, &[two]), [2, 3, 4, 5]);
        assert_eq!(met(Comparison::Maximum, &[two]), [0, 1, 2]);
        assert_eq!(met(Comparison::Better, &[two]), [3, 4, 5]);
        assert_eq!(met(Comparison::Better, &[LEVELS[5]]), [0_u8; 0]);
        assert_eq!(met(Comparison::Minimum, &[LEVELS[4], two]), [2, 3, 4, 5], "one of those named is enough");
        assert_eq!(met(Comparison::Better, &[LEVELS[1], LEVELS[3]]), [4, 5], "better than every one");
    }

    #[test]
    fn a_password_class_is_stated_as_it_was_asked_for() {
        for comparison in [Comparison::Exact, Comparison::Minimum, Comparison::Maximum] {
            let requested = ask(comparison, &[PASSWORD_PROTECTED_TRANSPORT]);
            assert_eq!(decide(Some(&requested), EvidenceLevel(3)), Some(PASSWORD_PROTECTED_TRANSPORT));
        }
        assert_eq!(met(Comparison::Better, &[PASSWORD_PROTECTED_TRANSPORT]), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn an_unknown_class_is_never_claimed() {
        let smartcard = "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI";
        for comparison in [Comparison::Exact, Comparison::Minimum, Comparison::Maximum, Comparison::Better] {
            assert_eq!(met(comparison, &[smartcard]), [0_u8; 0]);
            assert_eq!(lowest_level_that_meets(Some(&ask(comparison, &[smartcard]))), None);
        }
        assert_eq!(met(Comparison::Exact, &[]), [0_u8; 0]);
    }
}
