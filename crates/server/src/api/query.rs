//! Queries and conditions: paging, filters, `dry_run`, `If-Match`.
//!
//! Owns reading them into types; a parameter that a call does not have is refused, naming the near one. Must not know which filters there are.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::header::IF_MATCH;
use http::request::Parts;
use latchkey_directory::intent::Condition;
use latchkey_directory::page::PageRequest;
use latchkey_wire::Code as Wire;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::fields;
use crate::code::Own;
use crate::problem::{Problem, Result};

/// A parameter that may be repeated: one of these values (OR).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Many<T>(pub Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: FromStr<Err: std::fmt::Display>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect::<std::result::Result<_, _>>().map(Self)
    }
}

/// A parameter that may be given once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once<T>(pub Option<T>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: FromStr<Err: std::fmt::Display>> Deserialize<'de> for Once<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match Many::deserialize(deserializer)?.0 {
            mut values if values.len() <= 1 => Ok(Self(values.pop())),
            _ => Err(D::Error::custom("give it once")),
        }
    }
}

/// No filters. For calls without parameters of their own.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct NoFilter {}

/// The parameters of a list: a page, and filters whose type has [`Many`] and [`Once`] fields, all with a default.
#[derive(Debug)]
pub struct List<F = NoFilter> {
    /// Which page.
    pub page: PageRequest,
    /// Which rows.
    pub filter: F,
}

/// The parameters and conditions of a change.
#[derive(Debug)]
pub struct Changing<F = NoFilter> {
    /// Only say what would happen.
    pub dry_run: bool,
    /// On which versions only.
    pub condition: Condition,
    /// What else the call takes.
    pub filter: F,
}

impl<F> Changing<F> {
    /// Refuses a change that must say which version it is made on, and does not.
    pub fn needs_if_match(&self) -> Result<()> {
        if self.condition == Condition::None { Err(Problem::of(Own::Api012)) } else { Ok(()) }
    }
}

/// The parameters of a call that reads one thing: none, unless `F` has some.
#[derive(Debug)]
pub struct Plain<F = NoFilter>(pub F);

struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn of(parts: &Parts) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Takes the own parameters of a kind of call out; the rest is `F`.
    fn split<F: DeserializeOwned>(self, own: &[&'static str]) -> Result<(Map<String, Value>, F)> {
        let declared = [own, fields::declared::<F>()].concat();
        fields::known("parameter", self.0.iter().map(|(name, _)| name.as_str()), &declared)?;
        let mut ours = Map::new();
        let mut theirs = Map::new();
        for (name, value) in self.0 {
            let members = if own.contains(&name.as_str()) { &mut ours } else { &mut theirs };
            if let Value::Array(values) = members.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
                values.push(Value::String(value));
            }
        }
        Ok((ours, fields::typed(theirs)?))
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Paging {
    limit: Once<u64>,
    after: Once<latchkey_directory::page::Cursor>,
    count: Once<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Dry {
    dry_run: Once<bool>,
}

impl<F: DeserializeOwned, S: Sync> FromRequestParts<S> for List<F> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let (own, filter) = Parameters::of(parts).split(fields::declared::<Paging>())?;
        let paging: Paging = fields::typed(own)?;
        let wrong = |pointer: &str, detail: &str| Err(Problem::of(Wire::Api010).field(pointer, Wire::Api010, detail));
        let limit = paging.limit.0.unwrap_or(50);
        if !(1..=1000).contains(&limit) {
            return wrong("/limit", "limit is from 1 to 1000");
        }
        let count = match paging.count.0.as_deref() {
            None => false,
            Some("estimate") => true,
            Some(_) => return wrong("/count", "count is estimate, or left out"),
        };
        Ok(Self { page: PageRequest { limit, after: paging.after.0, count }, filter })
    }
}

impl<F: DeserializeOwned, S: Sync> FromRequestParts<S> for Changing<F> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let (own, filter) = Parameters::of(parts).split(fields::declared::<Dry>())?;
        let dry: Dry = fields::typed(own)?;
        Ok(Self { dry_run: dry.dry_run.0.unwrap_or(false), condition: condition(parts)?, filter })
    }
}

impl<F: DeserializeOwned, S: Sync> FromRequestParts<S> for Plain<F> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Parameters::of(parts).split(&[]).map(|(_, filter)| Self(filter))
    }
}

/// `If-Match` (RFC 9110 13.1.1). A weak tag never matches.
fn condition(parts: &Parts) -> Result<Condition> {
    let mut tags = Vec::new();
    for value in parts.headers.get_all(IF_MATCH) {
        let text = value.to_str().map_err(|_| Problem::of(Wire::Api001).detail("If-Match is not ASCII"))?;
        tags.extend(text.split(',').map(|tag| tag.trim().to_owned()));
    }
    if tags.is_empty() {
        return Ok(Condition::None);
    }
    if tags.iter().any(|tag| tag == "*") {
        return Ok(Condition::Exists);
    }
    let strong = |tag: &String| tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).map(str::to_owned);
    Ok(Condition::OneOf(tags.iter().filter_map(strong).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_directory::values::UserStatus;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Filters {
        status: Many<UserStatus>,
        q: Once<String>,
    }

    async fn list(query: &str) -> Result<List<Filters>> {
        let (mut parts, ()) = http::Request::get(format!("/x?{query}")).body(()).unwrap().into_parts();
        List::from_request_parts(&mut parts, &()).await
    }

    #[tokio::test]
    async fn filters_repeat_and_paging_has_limits() {
        let read = list("status=active&status=disabled&q=a%20b&limit=7").await.unwrap();
        assert_eq!(read.filter.status.0, [UserStatus::Active, UserStatus::Disabled]);
        assert_eq!(read.filter.q.0.as_deref(), Some("a b"));
        assert_eq!((read.page.limit, read.page.after), (7, None));
        for (query, status) in [
            ("limit=0", 422),
            ("limit=1001", 422),
            ("limit=x", 422),
            ("after=!", 422),
            ("status=gone", 422),
            ("q=a&q=b", 422),
            ("count=all", 422),
            ("statu=active", 400),
            ("dry_run=true", 400),
        ] {
            assert_eq!(list(query).await.unwrap_err().status(), status, "{query}");
        }
    }

    #[tokio::test]
    async fn conditions_are_strong_tags() {
        let of = |value: &str| {
            let (parts, ()) = http::Request::get("/x").header(IF_MATCH, value).body(()).unwrap().into_parts();
            condition(&parts).unwrap()
        };
        assert_eq!(of("\"a\", \"b\""), Condition::OneOf(vec!["a".into(), "b".into()]));
        assert_eq!(of("*"), Condition::Exists);
        assert_eq!(of("W/\"a\""), Condition::OneOf(vec![]));
    }
}
