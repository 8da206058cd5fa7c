//! Recognizes MDM variables that nobody filled in.
//!
//! A placeholder that reaches the connector would enroll a device for a user called `{{partialupn}}`, or burn a token's
//! counters for a token called `@@DEVICE_TOKEN@@`; so it is refused before anything is sent (security.md R29).

/// How hard to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Identity: none of `% { } $ < > [ ]` can occur in an honest value.
    Identity,
    /// Paths, passwords, addresses: those characters may be honest; only what is shaped like a variable is refused.
    Shape,
}

const MARKS: &[char] = &['%', '{', '}', '$', '<', '>', '[', ']'];

/// The placeholder in a value, as a phrase that completes "is …", or `None` for a value that somebody filled in.
#[must_use]
pub fn find_placeholder(value: &str, strictness: Strictness) -> Option<String> {
    let value = value.trim();
    if value.is_empty() {
        return Some("empty: the variable that should fill it had no value".to_owned());
    }
    if value.starts_with('@') && !value.starts_with("@@") {
        return Some(format!(
            "{value:?} with nothing in front of the @: the variable that should fill it had no value"
        ));
    }
    if let Some(shape) = shaped_like_a_variable(value) {
        return Some(format!("an unfilled placeholder, {shape:?}"));
    }
    if strictness == Strictness::Identity
        && let Some(mark) = value.chars().find(|c| MARKS.contains(c))
    {
        return Some(format!("an unfilled placeholder (it contains {mark:?})"));
    }
    None
}

fn shaped_like_a_variable(value: &str) -> Option<&str> {
    let pairs = [("{{", "}}"), ("${", "}"), ("$(", ")"), ("@@", "@@"), ("<%", "%>")];
    for (open, close) in pairs {
        if let Some(shape) = between(value, open, close) {
            return Some(shape);
        }
    }
    if let Some(shape) = between(value, "%", "%").filter(|s| is_word(&s[1..s.len() - 1])) {
        return Some(shape);
    }
    // Whole values only: an IPv6 literal in an address has brackets, a password may have a dollar sign.
    let whole = |open: &str, close: &str| value.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    for (open, close) in [("{", "}"), ("<", ">"), ("[", "]")] {
        if whole(open, close).is_some_and(|inner| !inner.contains(':')) {
            return Some(value);
        }
    }
    match value.strip_prefix('$') {
        Some(rest) if is_word(rest) => Some(value),
        _ => None,
    }
}

fn between<'v>(value: &'v str, open: &str, close: &str) -> Option<&'v str> {
    let start = value.find(open)?;
    let inner = start + open.len();
    let end = value[inner..].find(close)? + inner;
    (end > inner).then(|| &value[start..end + close.len()])
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ' '))
}
