//! Which fields a request has.
//!
//! Owns asking serde for the names that a struct declares, and telling every unknown name and every value of the wrong type at once where
//! serde alone stops at the first. Must not know the request.

use latchkey_wire::Code as Wire;
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use crate::nearest::nearest;
use crate::problem::{Problem, Result};

type NoValue = serde::de::value::Error;

/// Reads nothing; learns the field names a struct asks for.
#[derive(Default)]
struct Probe(&'static [&'static str]);

impl<'de> Deserializer<'de> for &mut Probe {
    type Error = NoValue;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> std::result::Result<V::Value, NoValue> {
        Err(serde::de::Error::custom("only the names of fields are asked"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> std::result::Result<V::Value, NoValue> {
        self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

/// The fields that `T` declares.
pub(super) fn declared<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut probe = Probe::default();
    // The error is expected: nothing is there to be read.
    let _ = T::deserialize(&mut probe);
    probe.0
}

/// Refuses names that are not among the known ones, all of them, each with the near one.
pub(super) fn known<'a>(kind: &str, names: impl Iterator<Item = &'a str>, known: &[&'static str]) -> Result<()> {
    let mut problem: Option<Problem> = None;
    for name in names.filter(|name| !known.contains(name)) {
        let detail = match nearest(name, known.iter().copied()) {
            Some(near) => format!("there is no {kind} {name}; is it {near}?"),
            None if known.is_empty() => format!("there is no {kind} {name}; this call takes none"),
            None => format!("there is no {kind} {name}; there are {}", known.join(", ")),
        };
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        let so_far = problem.take().unwrap_or_else(|| Problem::of(Wire::Api003).detail(detail.clone()));
        problem = Some(so_far.field(pointer, Wire::Api003, detail));
    }
    problem.map_or(Ok(()), Err)
}

/// Makes a `T` of these members. Every field of `T` may be absent: what is required is the service's to say, together with what else is wrong.
pub(super) fn typed<T: DeserializeOwned>(members: Map<String, Value>) -> Result<T> {
    let mut problem: Option<Problem> = None;
    for (name, value) in &members {
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        if let Err(error) = T::deserialize(Value::Object(alone)) {
            let so_far = problem.take().unwrap_or_else(|| Problem::of(Wire::Api010));
            problem = Some(so_far.field(format!("/{name}"), Wire::Api010, error.to_string()));
        }
    }
    if let Some(problem) = problem {
        return Err(problem);
    }
    T::deserialize(Value::Object(members)).map_err(|error| Problem::of(Wire::Api010).detail(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        max_uses: Option<u64>,
        domains: Option<Vec<String>>,
    }

    fn members(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn every_unknown_name_is_told_with_the_near_one() {
        assert_eq!(declared::<Sample>(), ["max_uses", "domains"]);
        let error = known("field", ["max_use", "xyzzy", "domains"].into_iter(), declared::<Sample>()).unwrap_err();
        let document = error.document();
        assert_eq!(document["status"], 400);
        assert_eq!(document["code"], "LK-API-003");
        assert_eq!(document["errors"].as_array().unwrap().len(), 2);
        assert!(document["errors"][0]["detail"].as_str().unwrap().ends_with("is it max_uses?"));
    }

    #[test]
    fn every_wrong_type_is_told() {
        let error = typed::<Sample>(members(&json!({"max_uses": "many", "domains": 3}))).unwrap_err();
        assert_eq!(error.document()["status"], 422);
        assert_eq!(error.document()["errors"].as_array().unwrap().len(), 2);
        let sample: Sample = typed(members(&json!({"max_uses": 3}))).unwrap();
        assert_eq!((sample.max_uses, sample.domains), (Some(3), None));
    }
}
