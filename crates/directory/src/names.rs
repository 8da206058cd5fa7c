//! Names of domains and users.
//!
//! Owns what a name may look like and its one normalized form, so that two spellings are never two users, and the list of reserved names.
//! Must not know who has which name.

use std::fmt;

/// A name that cannot be used, with what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(String);

fn bad(text: impl Into<String>) -> BadName {
    BadName(text.into())
}

/// The A-label form of a domain, lower case: `bücher.example` is `xn--bcher-kva.example`. A domain has at least two labels.
pub fn domain_name(text: &str) -> Result<String, BadName> {
    let text = text.trim().trim_end_matches('.');
    if text.is_empty() {
        return Err(bad("a domain is missing"));
    }
    let name = idna::domain_to_ascii_strict(text)
        .map_err(|_| bad(format!("{text:?} is not a domain name, for instance corp.example")))?;
    let label = |label: &str| (1..=63).contains(&label.len());
    if name.len() > 253 || !name.split('.').all(label) || name.split('.').count() < 2 {
        return Err(bad(format!("{text:?} is not a domain name, for instance corp.example")));
    }
    // An address is no name: nobody can have a mailbox or a record there.
    if name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit())) {
        return Err(bad(format!("{text:?} is an address, not a domain name")));
    }
    Ok(name)
}

/// The most bytes a login name has.
pub const MAX_LOGIN: usize = 254;

/// A login name, `local@domain`, in its normalized form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginName {
    text: String,
    at: usize,
}

impl LoginName {
    /// Reads a name that a device claims: the local part is `[a-z0-9][a-z0-9._+'-]{0,63}` after lower-casing ASCII letters. Nothing else is
    /// folded: a look-alike from another script is refused, not translated.
    pub fn claimed(text: &str) -> Result<Self, BadName> {
        let (local, domain) = split(text)?;
        let local = local.to_ascii_lowercase();
        let mut bytes = local.bytes();
        let first = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
        let rest = bytes.all(|b| b.is_ascii_alphanumeric() || b"._+'-".contains(&b));
        if !first || !rest || local.len() > 64 {
            return Err(bad(format!(
                "{text:?} is not a usable login name: before the @ only a to z, 0 to 9 and . _ + ' - are allowed, at most 64, beginning with a letter or digit"
            )));
        }
        Self::of(&local, domain)
    }

    /// Reads a name that an administrator gives: any letters, folded by NFKC and case, no control characters, white space or invisible ones.
    pub fn given(text: &str) -> Result<Self, BadName> {
        use unicode_normalization::UnicodeNormalization as _;
        let (local, domain) = split(text)?;
        let local: String = local.nfkc().flat_map(char::to_lowercase).nfkc().collect();
        let usable = |c: char| c.is_alphanumeric() || "._+'-!#$%&*/=?^`{|}~".contains(c);
        if local.is_empty() || local.len() > 64 || !local.chars().all(usable) {
            return Err(bad(format!(
                "{text:?} is not a usable login name: local@domain, at most 64 bytes before the @"
            )));
        }
        Self::of(&local, domain)
    }

    fn of(local: &str, domain: &str) -> Result<Self, BadName> {
        let text = format!("{local}@{}", domain_name(domain)?);
        if text.len() > MAX_LOGIN {
            return Err(bad(format!("a login name has at most {MAX_LOGIN} bytes")));
        }
        Ok(Self { text, at: local.len() })
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// What stands after the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// Whether just-in-time creation below evidence level 3 refuses it: names that people take for an authority.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        let plain: String = self.local().chars().filter(char::is_ascii_alphanumeric).collect();
        RESERVED_STARTS.iter().any(|start| plain.starts_with(start)) || RESERVED.contains(&plain.as_str())
    }
}

fn split(text: &str) -> Result<(&str, &str), BadName> {
    let text = text.trim();
    match text.split_once('@') {
        Some((local, domain)) if !local.is_empty() && !domain.contains('@') => Ok((local, domain)),
        _ => Err(bad(format!("{text:?} is not a login name: local@domain"))),
    }
}

impl fmt::Display for LoginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for LoginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

const RESERVED_STARTS: &[&str] = &["admin", "administrator", "root", "superuser", "sysadmin"];

/// RFC 2142's mailbox names and what certificate authorities and people trust. Compared without `. _ + ' -`.
const RESERVED: &[&str] = &[
    "abuse",
    "accounting",
    "billing",
    "ceo",
    "cfo",
    "ciso",
    "coo",
    "cto",
    "daemon",
    "everyone",
    "ftp",
    "guest",
    "helpdesk",
    "hostmaster",
    "hr",
    "info",
    "it",
    "itsupport",
    "latchkey",
    "mail",
    "mailerdaemon",
    "marketing",
    "nobody",
    "noc",
    "noreply",
    "operator",
    "owner",
    "payroll",
    "postmaster",
    "sales",
    "security",
    "service",
    "servicedesk",
    "ssladmin",
    "staff",
    "support",
    "system",
    "test",
    "user",
    "usenet",
    "webmaster",
    "www",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_have_one_form() {
        assert_eq!(domain_name(" Acme.EXAMPLE. ").unwrap(), "acme.example");
        assert_eq!(domain_name("Bücher.example").unwrap(), "xn--bcher-kva.example");
        for bad in
            ["", ".", "example", "a..b", "a b.example", "10.0.0.1", "-a.example", "a_b.example", &"a.".repeat(130)]
        {
            assert!(domain_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn claimed_names_are_ascii_and_given_ones_are_folded() {
        assert_eq!(LoginName::claimed("Anna.B@Acme.Example").unwrap().as_str(), "anna.b@acme.example");
        // Cyrillic а, a full-width letter, an invisible joiner, a quoted part.
        for bad in [
            "аnna@acme.example",
            "ａnna@acme.example",
            "an\u{200d}na@acme.example",
            "\"a b\"@acme.example",
            "@acme.example",
            "anna",
            "a@b@acme.example",
            ".anna@acme.example",
            "%USERNAME%@acme.example",
            &format!("{}@acme.example", "a".repeat(65)),
        ] {
            assert!(LoginName::claimed(bad).is_err(), "{bad:?}");
        }
        assert_eq!(LoginName::given("ＡNNA@acme.example").unwrap().as_str(), "anna@acme.example");
        assert!(LoginName::given("an\u{200d}na@acme.example").is_err());
        let name = LoginName::claimed("anna@acme.example").unwrap();
        assert_eq!((name.local(), name.domain()), ("anna", "acme.example"));
    }

    #[test]
    fn reserved_names_are_seen_through_separators() {
        for name in ["admin", "administrator2", "ad.min", "help-desk", "postmaster", "root"] {
            assert!(LoginName::claimed(&format!("{name}@acme.example")).unwrap().is_reserved(), "{name}");
        }
        assert!(!LoginName::claimed("anna@acme.example").unwrap().is_reserved());
    }
}
