//! A value, checked against its type.
//!
//! Owns normalization (lower case, A-labels, `true` → `1`) and the messages for a wrong value. A value that may be secret
//! cannot be printed and is wiped on drop.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::placeholder::{Strictness, find_placeholder};
use crate::spec::{Kind, Spec};

/// A checked value in its normal form.
#[derive(Clone)]
pub struct OptionValue {
    text: Zeroizing<String>,
    secret: bool,
}

impl OptionValue {
    /// The value itself, secret or not.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What may be shown: a token shows its kind and id, any other secret nothing.
    #[must_use]
    pub fn masked(&self) -> String {
        mask(&self.text, self.secret)
    }
}

impl fmt::Debug for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.masked())
    }
}

/// Masks a raw value of an option.
pub(crate) fn mask(text: &str, secret: bool) -> String {
    if !secret {
        return text.to_owned();
    }
    let mut parts = text.trim().splitn(3, '_');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(kind @ ("lkdt1" | "lkuc1")), Some(id), Some(_)) if id.len() <= 16 => {
            format!("{kind}_{id}_…")
        }
        _ => "…".to_owned(),
    }
}

/// What is wrong with a value, and what to write instead. Completes "OPTION …".
pub(crate) struct Wrong {
    pub(crate) code: &'static str,
    pub(crate) problem: String,
    pub(crate) fix: String,
}

fn wrong(problem: impl Into<String>, fix: impl Into<String>) -> Wrong {
    Wrong { code: "LK-OPTION-002", problem: problem.into(), fix: fix.into() }
}

/// Checks one value against one row of the table.
pub(crate) fn check_value(spec: &Spec, raw: &str) -> Result<OptionValue, Wrong> {
    let trimmed = raw.trim();
    let strictness = match spec.kind {
        Kind::Account | Kind::Domain | Kind::LocalPart | Kind::Pin | Kind::Token => Strictness::Identity,
        _ => Strictness::Shape,
    };
    if let Some(problem) = find_placeholder(trimmed, strictness) {
        return Err(Wrong {
            code: if spec.kind == Kind::Token { "LK-TOKEN-001" } else { "LK-OPTION-001" },
            problem: format!("is {problem}"),
            fix: format!(
                "let the deployment tool fill it, or write the value itself; leave {} out if there is none",
                spec.spelled
            ),
        });
    }
    if spec.kind != Kind::PathOrPem && trimmed.chars().any(char::is_control) {
        return Err(wrong("contains a control character", "write it on one line"));
    }
    let text = normalized(spec, trimmed)?;
    Ok(OptionValue { text: Zeroizing::new(text), secret: spec.secret })
}

fn normalized(spec: &Spec, value: &str) -> Result<String, Wrong> {
    match spec.kind {
        Kind::Account => account(value),
        Kind::Alphanumeric(max) => {
            if value.len() <= max && value.chars().all(|c| c.is_ascii_alphanumeric()) {
                Ok(value.to_owned())
            } else {
                Err(wrong(format!("is not 1 to {max} letters and digits"), "for example: corporate"))
            }
        }
        Kind::Choice(words) => one_of(words, value),
        Kind::ChoiceList(words) => {
            let mut chosen = Vec::new();
            for word in value.split(',') {
                chosen.push(one_of(words, word.trim())?);
            }
            Ok(chosen.join(","))
        }
        Kind::Domain => domain(value),
        Kind::Flag => match value.to_ascii_lowercase().as_str() {
            "0" | "false" | "no" => Ok("0".to_owned()),
            "1" | "true" | "yes" => Ok("1".to_owned()),
            _ => Err(wrong(format!("is {value:?}"), "write 0 or 1")),
        },
        Kind::Host => host(value),
        Kind::LocalPart => local_part(value),
        Kind::Path | Kind::PathOrPem => Ok(value.to_owned()),
        Kind::Pin => pin(value),
        Kind::Seconds => match value.parse::<u32>() {
            Ok(seconds) => Ok(seconds.to_string()),
            Err(_) => Err(wrong(format!("is {value:?}"), "write a whole number of seconds, for example 300")),
        },
        Kind::Text(max) => {
            if value.chars().count() <= max {
                Ok(value.to_owned())
            } else {
                Err(wrong(format!("is longer than {max} characters"), "shorten it"))
            }
        }
        Kind::Token => Ok(value.to_owned()),
        Kind::Url => match url::Url::parse(value) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(value.to_owned()),
            _ => Err(wrong(
                format!("is not an http or https address: {value:?}"),
                "for example: http://proxy.corp.example:3128",
            )),
        },
    }
}

fn one_of(words: &[&str], value: &str) -> Result<String, Wrong> {
    match words.iter().find(|word| word.eq_ignore_ascii_case(value)) {
        Some(word) => Ok((*word).to_owned()),
        None => Err(wrong(format!("is {value:?}"), format!("write one of {}", words.join(", ")))),
    }
}

fn host(value: &str) -> Result<String, Wrong> {
    let example = "write only the host name, with a port where needed: id.corp.example or id.corp.example:8443";
    if value.contains("://") || value.contains(['/', '?', '#', '@', ' ', '%']) {
        return Err(wrong(format!("is {value:?}, an address or a path"), example));
    }
    non_ascii(value)?;
    let parsed = url::Url::parse(&format!("https://{value}/"))
        .map_err(|e| wrong(format!("is not a host name ({e}): {value:?}"), example))?;
    let lower = value.to_ascii_lowercase();
    let name = parsed.host_str().unwrap_or_default();
    // The URL parser maps some spellings of addresses (0x7f.1) to others; we keep only what it left alone.
    let (written, _) = split_port(&lower);
    let port_is_empty = lower.ends_with(':');
    if name.is_empty() || written != name || port_is_empty {
        return Err(wrong(format!("is not a host name: {value:?}"), example));
    }
    Ok(lower)
}

fn split_port(value: &str) -> (&str, Option<&str>) {
    match value.rfind(':') {
        Some(at) if !value[at..].contains(']') => (&value[..at], Some(&value[at + 1..])),
        _ => (value, None),
    }
}

fn domain(value: &str) -> Result<String, Wrong> {
    let example = "write only the part after the @, for example corp.example";
    if let Some((_, after)) = value.rsplit_once('@') {
        return Err(wrong(format!("is a login name, not a domain: {value:?}"), format!("write {after:?}")));
    }
    non_ascii(value)?;
    let lower = value.trim_end_matches('.').to_ascii_lowercase();
    let labels_fit = lower.len() <= 253
        && lower.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        });
    if !labels_fit {
        return Err(wrong(format!("is not a domain: {value:?}"), example));
    }
    match url::Host::parse(&lower) {
        Ok(url::Host::Domain(name)) if name == lower => Ok(lower),
        _ => Err(wrong(format!("is not a domain: {value:?}"), example)),
    }
}

/// Names outside ASCII must be written as A-labels, so that nobody has to see the difference between two letters.
fn non_ascii(value: &str) -> Result<(), Wrong> {
    let Some(strange) = value.chars().find(|c| !c.is_ascii()) else {
        return Ok(());
    };
    let fix = match url::Host::parse(value) {
        Ok(url::Host::Domain(ascii)) if ascii.contains("xn--") => {
            format!("if that is really meant, write {ascii}")
        }
        _ => "type the name again by hand".to_owned(),
    };
    Err(wrong(format!("contains U+{:04X}, which is not an ASCII character", u32::from(strange)), fix))
}

fn account(value: &str) -> Result<String, Wrong> {
    let fits = value.len() <= 255 && !value.contains(['/', ':', ' ', ',']) && value.nfkc().eq(value.chars());
    if fits {
        Ok(value.to_owned())
    } else {
        Err(wrong(format!("is not the name of an account: {value:?}"), "write it as `id -un` prints it"))
    }
}

fn local_part(value: &str) -> Result<String, Wrong> {
    let example = "write only the part before the @, for example anna.lee";
    if let Some((before, _)) = value.split_once('@') {
        return Err(wrong(
            format!("is {value:?}, a whole login name"),
            format!("write {before:?}; the domain goes into userDomain"),
        ));
    }
    // Lower case first: a few capitals have small letters of another script or form.
    let lower = value.to_lowercase();
    let value = lower.as_str();
    if value.chars().count() > 255 {
        return Err(wrong("is longer than 255 characters", example));
    }
    if let Some(strange) = value.chars().find(|c| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '+' | '\'' | '-'))) {
        return Err(wrong(format!("contains U+{:04X}, which a login name cannot have", u32::from(strange)), example));
    }
    if !value.starts_with(char::is_alphanumeric) {
        return Err(wrong("does not begin with a letter or digit", example));
    }
    if !value.nfkc().eq(value.chars()) {
        return Err(wrong(
            "is written with compatibility characters (full-width, mathematical or ligature forms)",
            "type it again with plain letters",
        ));
    }
    if mixes_scripts(value) {
        return Err(wrong(
            "mixes letters of different alphabets, as look-alike names do",
            "type it again with the letters of one alphabet",
        ));
    }
    Ok(lower)
}

/// True when Latin letters stand beside letters of another alphabet. Latin ends, roughly, with U+024F.
fn mixes_scripts(value: &str) -> bool {
    let latin = |c: char| c.is_alphabetic() && u32::from(c) <= 0x24F;
    let other = |c: char| c.is_alphabetic() && u32::from(c) > 0x24F && !(0x1E00..=0x1EFF).contains(&u32::from(c));
    value.chars().any(latin) && value.chars().any(other)
}

fn pin(value: &str) -> Result<String, Wrong> {
    let lower = value.to_ascii_lowercase();
    let fits = lower.len() == 26 && lower.chars().all(|c| c.is_ascii_lowercase() || ('2'..='7').contains(&c));
    if fits {
        Ok(lower)
    } else {
        Err(wrong(
            "is not a cloud key",
            "copy the 26 characters that `latchkey token create` or the server's start line printed as cloud_key",
        ))
    }
}
