//! Which facts about a person a service gets, and by what names. Must not know where facts come from: the caller hands
//! over a plain map; only what is mapped is released.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::names as n;

/// The facts of a person by source name, each with its values.
pub type Facts = BTreeMap<String, Vec<String>>;

/// `NameFormat` of an attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NameFormat {
    /// A simple name.
    Basic,
    /// Not said.
    Unspecified,
    /// A URI, such as `urn:oid:…` (X.500/LDAP attribute profile).
    #[default]
    Uri,
}

impl NameFormat {
    /// The URI of core 8.2.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Basic => n::ATTRNAME_BASIC,
            Self::Unspecified => n::ATTRNAME_UNSPECIFIED,
            Self::Uri => n::ATTRNAME_URI,
        }
    }
}

/// One line of a mapping.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The attribute's name at the service.
    pub name: String,
    /// `FriendlyName`.
    #[serde(default)]
    pub friendly_name: Option<String>,
    /// `NameFormat`.
    #[serde(default)]
    pub format: NameFormat,
    /// The fact it is filled from.
    pub source: String,
}

/// What a service gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    rules: Vec<Rule>,
}

/// A mapping was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// Not the JSON that is wanted.
    #[error("the mapping must be basic, none, or a JSON list of {{name, friendly_name, format, source}}: {0}")]
    Json(String),
    /// A name is empty, too long, or holds characters that XML cannot carry.
    #[error("the attribute name {0:?} cannot be written")]
    Name(String),
    /// Two rules give the same attribute, or one takes a name of our own.
    #[error("the attribute {0:?} is mapped twice, or is one that every assertion has")]
    Twice(String),
}

/// An attribute with its values, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasedAttribute {
    /// Name at the service.
    pub name: String,
    /// `FriendlyName`.
    pub friendly_name: Option<String>,
    /// `NameFormat`.
    pub format: NameFormat,
    /// At least one value.
    pub values: Vec<String>,
}

impl Mapping {
    /// The preset `basic`: `mail`, `displayName`, `givenName`, `sn`, by the names of the X.500/LDAP attribute profile.
    pub fn basic() -> Self {
        let rule = |oid: &str, name: &str| Rule {
            name: format!("urn:oid:{oid}"),
            friendly_name: Some(name.to_owned()),
            format: NameFormat::Uri,
            source: name.to_owned(),
        };
        Self {
            rules: vec![
                rule("0.9.2342.19200300.100.1.3", "mail"),
                rule("2.16.840.1.113730.3.1.241", "displayName"),
                rule("2.5.4.42", "givenName"),
                rule("2.5.4.4", "sn"),
            ],
        }
    }

    /// Nothing but the NameID.
    pub fn none() -> Self {
        Self::default()
    }

    /// From the words `basic` and `none`, or a JSON list of rules.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        match text.trim() {
            "basic" => return Ok(Self::basic()),
            "none" => return Ok(Self::none()),
            _ => {}
        }
        let rules: Vec<Rule> = serde_json::from_str(text).map_err(|e| MappingError::Json(e.to_string()))?;
        Self::from_rules(rules)
    }

    /// From rules. A name twice is refused, whatever its format, since services read attributes by name; so is the name
    /// under which we state the evidence level.
    pub fn from_rules(rules: Vec<Rule>) -> Result<Self, MappingError> {
        for (at, rule) in rules.iter().enumerate() {
            let names = [Some(rule.name.as_str()), rule.friendly_name.as_deref(), Some(rule.source.as_str())];
            for name in names.into_iter().flatten() {
                let carried = name.chars().all(|c| crate::xml::write::is_xml_char(c) && !c.is_control());
                if name.is_empty() || name.len() > 512 || !carried {
                    return Err(MappingError::Name(name.to_owned()));
                }
            }
            if rules[..at].iter().any(|r| r.name == rule.name) || rule.name == crate::response::EVIDENCE_ATTRIBUTE {
                return Err(MappingError::Twice(rule.name.clone()));
            }
        }
        Ok(Self { rules })
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What this person's facts come to. A fact that is missing or empty gives no attribute.
    pub fn release(&self, facts: &Facts) -> Vec<ReleasedAttribute> {
        self.rules
            .iter()
            .filter_map(|rule| {
                let values: Vec<String> = facts.get(&rule.source)?.iter().filter(|v| !v.is_empty()).cloned().collect();
                (!values.is_empty()).then(|| ReleasedAttribute {
                    name: rule.name.clone(),
                    friendly_name: rule.friendly_name.clone(),
                    format: rule.format,
                    values,
                })
            })
            .collect()
    }
}
