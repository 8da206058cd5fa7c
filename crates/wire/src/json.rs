//! Strict JSON: the one parser for everything that is signed.
//!
//! Owns what this protocol forbids beyond RFC 8259: duplicate members at any depth, `null`, empty strings and names, numbers other than
//! integers from 0 to 2⁵³−1, nesting deeper than 16. Must not know any message.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::WireError;

/// 2⁵³−1, the largest integer that every JSON library reads alike.
pub(crate) const MAX_INTEGER: u64 = (1 << 53) - 1;

/// How deep arrays and objects may nest; the deepest message needs four.
const MAX_DEPTH: usize = 16;

// serde carries errors as text, so the visitor marks its own with these and `parse` reads them back as variants.
const DUPLICATE: &str = "\u{1}duplicate:";
const NULL: &str = "\u{1}null";
const EMPTY: &str = "\u{1}empty";
const NUMBER: &str = "\u{1}number";

/// Parses one JSON text under the rules above. Trailing white space is allowed, trailing data is not.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, WireError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut deserializer).map_err(|e| understood(&e))?;
    deserializer.end().map_err(|e| understood(&e))?;
    Ok(value)
}

fn understood(error: &serde_json::Error) -> WireError {
    let text = error.to_string();
    let Some(marked) = text.strip_prefix('\u{1}') else {
        return WireError::Json(text);
    };
    // serde_json appends " at line L column C".
    let marked = marked.rsplit_once(" at line ").map_or(marked, |(front, _)| front);
    match marked.split_once(':') {
        Some(("duplicate", name)) => WireError::Duplicate(name.to_owned()),
        _ if marked == "null" => WireError::Null,
        _ if marked == "empty" => WireError::Empty,
        _ => WireError::Number,
    }
}

/// Compares what was parsed with what the typed message says; the first member that the type does not know is the error. This is how
/// unknown members are refused at every depth, and every value has one spelling.
pub(crate) fn same(parsed: &Value, typed: &Value) -> Result<(), WireError> {
    match difference(parsed, typed, "") {
        None => Ok(()),
        Some(path) => Err(WireError::Unknown(path)),
    }
}

fn difference(parsed: &Value, typed: &Value, path: &str) -> Option<String> {
    match (parsed, typed) {
        (Value::Object(a), Value::Object(b)) => a
            .iter()
            .find_map(|(name, value)| {
                let path = format!("{path}/{name}");
                match b.get(name) {
                    None => Some(path),
                    Some(other) => difference(value, other, &path),
                }
            })
            .or_else(|| b.keys().find(|name| !a.contains_key(*name)).map(|name| format!("{path}/{name}"))),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (a, b))| difference(a, b, &format!("{path}/{i}")))
        }
        (a, b) if a == b => None,
        _ => Some(path.to_owned()),
    }
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom("nested too deeply"));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without null, empty strings, duplicates and fractions")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        if value > MAX_INTEGER { Err(E::custom(NUMBER)) } else { Ok(value.into()) }
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Value, E> {
        Err(E::custom(NUMBER))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Value, E> {
        Err(E::custom(NUMBER))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        if value.is_empty() { Err(E::custom(EMPTY)) } else { Ok(Value::String(value)) }
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Err(E::custom(NULL))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if name.is_empty() {
                return Err(A::Error::custom(EMPTY));
            }
            if members.contains_key(&name) {
                return Err(A::Error::custom(format!("{DUPLICATE}{name}")));
            }
            let value = map.next_value_seed(inner)?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Expected = fn(&WireError) -> bool;

    #[test]
    fn what_the_protocol_forbids_is_named() {
        let cases: [(&str, Expected); 12] = [
            (r#"{"a":1,"a":1}"#, |e| *e == WireError::Duplicate("a".into())),
            (r#"{"a":{"b":[{"c":1,"c":2}]}}"#, |e| *e == WireError::Duplicate("c".into())),
            (r#"{"a":1,"\u0061":1}"#, |e| *e == WireError::Duplicate("a".into())),
            (r#"{"a":null}"#, |e| *e == WireError::Null),
            (r#"{"a":""}"#, |e| *e == WireError::Empty),
            (r#"{"":1}"#, |e| *e == WireError::Empty),
            (r#"{"a":-1}"#, |e| *e == WireError::Number),
            (r#"{"a":1.0}"#, |e| *e == WireError::Number),
            (r#"{"a":9007199254740992}"#, |e| *e == WireError::Number),
            (r#"{"a":1e2}"#, |e| *e == WireError::Number),
            (r#"{"a":1} x"#, |e| matches!(e, WireError::Json(_))),
            (r#"{"a":"\ud800"}"#, |e| matches!(e, WireError::Json(_))),
        ];
        for (text, expected) in cases {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(expected(&error), "{text}: {error:?}");
        }
        assert_eq!(parse(br#"{"a":9007199254740991}"#).unwrap()["a"], MAX_INTEGER);
        assert!(parse(&[b"{\"a\":\"".as_slice(), &[0xff], b"\"}"].concat()).is_err());
    }

    #[test]
    fn deep_nesting_is_refused() {
        let nested = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(nested(16).as_bytes()).is_ok());
        assert!(parse(nested(17).as_bytes()).is_err());
        assert!(parse(nested(100_000).as_bytes()).is_err());
    }
}
