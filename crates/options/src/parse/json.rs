//! Options as a JSON object: `managed.json`, `--config`.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::finding::{Finding, Severity};
use crate::resolve::{Given, Source};

/// Longest document we read, bytes.
const MAX: usize = 64 * 1024;

/// Reads a flat JSON object of options.
///
/// Values may be strings, numbers, booleans or (for lists) arrays of strings. A member that stands twice, `null` and nested
/// objects are refused; unknown members are left for [`resolve`](crate::resolve) to name.
///
/// # Errors
/// `LK-OPTION-008` with the line and what was expected there.
pub fn parse_json(text: &str, source: Source, place: &str) -> Result<Vec<Given>, Finding> {
    let unreadable = |problem: String| Finding {
        code: "LK-OPTION-008",
        severity: Severity::Error,
        option: place.to_owned(),
        place: String::new(),
        problem,
        fix: "write one JSON object, for example {\"cloudName\": \"id.corp.example\"}".to_owned(),
    };
    if text.len() > MAX {
        return Err(unreadable("is longer than 64 KiB".to_owned()));
    }
    let members: Members = serde_json::from_str(text).map_err(|e| unreadable(format!("cannot be read: {e}")))?;
    Ok(members.0.into_iter().map(|(name, value)| Given::new(name, value, source, place)).collect())
}

struct Members(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of options")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members: Vec<(String, String)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom(format!("{name:?} stands twice")));
            }
            let Scalar(value) = map.next_value()?;
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a whole number, true, false or a list of strings")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar(if value { "1" } else { "0" }.to_owned()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar, A::Error> {
        let mut words: Vec<String> = Vec::new();
        while let Some(word) = list.next_element::<String>()? {
            words.push(word);
        }
        Ok(Scalar(words.join(",")))
    }
}
