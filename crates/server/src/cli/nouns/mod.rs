//! The nouns of the command line, one module each: their verbs, flags, help and the call each makes.
//!
//! A verb builds a request from its flags and prints what comes back; rules about values are the server's, so that command
//! line, API and pages agree.

pub(crate) mod api_client;
pub(crate) mod audit;
pub(crate) mod binding;
pub(crate) mod branding;
pub(crate) mod cleanup_rule;
pub(crate) mod code;
pub(crate) mod deploy;
pub(crate) mod device;
pub(crate) mod device_group;
pub(crate) mod domain;
pub(crate) mod group;
pub(crate) mod key;
pub(crate) mod mail;
pub(crate) mod org;
pub(crate) mod policy;
pub(crate) mod role;
pub(crate) mod service;
pub(crate) mod session;
pub(crate) mod sign_in_method;
pub(crate) mod statistics;
pub(crate) mod token;
pub(crate) mod user;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value};

use super::client::Ask;
use super::context::{Change, Context};
use super::files;
use crate::exit::{Failure, Result};

/// A name or id, and the flags of what takes something away.
#[derive(Args, Debug)]
pub(crate) struct Target {
    /// Its id or name
    #[arg(value_name = "X")]
    pub(crate) x: String,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// Fetches CSV and writes it into a file, or as the answer.
///
/// # Errors
/// As the server says, or where the file cannot be written.
pub(crate) fn save_csv(context: &Context, path: String, output: Option<&Path>) -> Result<()> {
    let answer = context.send(Ask::get(path))?;
    match output {
        Some(file) => files::write(file, &answer.body)?,
        None if context.output.json => {
            let csv = String::from_utf8_lossy(&answer.body);
            context.output.document(&serde_json::json!({"csv": csv}));
        }
        None => context.output.bytes(&answer.body),
    }
    Ok(())
}

/// A name or id.
#[derive(Args, Debug)]
pub(crate) struct Named {
    /// Its id or name
    #[arg(value_name = "X")]
    pub(crate) x: String,
}

/// `--output`.
#[derive(Args, Debug)]
pub(crate) struct ToFile {
    /// Write it here (0600) and leave stdout empty
    #[arg(long, value_name = "F")]
    pub(crate) output: Option<PathBuf>,
}

/// `--if-missing`.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct IfMissing {
    /// Where it exists already, answer the existing one, untouched
    #[arg(long)]
    pub(crate) if_missing: bool,
}

/// A document that is built from the flags that were given.
#[derive(Debug, Default)]
pub(crate) struct Body(Map<String, Value>);

impl Body {
    /// Takes the member if the flag was given.
    pub(crate) fn maybe<T: Into<Value>>(mut self, name: &str, value: Option<T>) -> Self {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Takes the member.
    pub(crate) fn with(self, name: &str, value: impl Into<Value>) -> Self {
        self.maybe(name, Some(value))
    }

    /// Takes the list if the flag was given at least once; given once and empty, it empties the list.
    pub(crate) fn list(self, name: &str, values: &[String]) -> Self {
        match values {
            [] => self,
            [only] if only.is_empty() => self.with(name, Value::Array(Vec::new())),
            values => self.with(name, values.to_vec()),
        }
    }

    /// Takes the text if the flag was given; an empty one takes the value away.
    pub(crate) fn text(self, name: &str, value: Option<&String>) -> Self {
        self.maybe(name, value.map(|text| if text.is_empty() { Value::Null } else { Value::from(text.as_str()) }))
    }

    /// Takes a switch and its opposite.
    pub(crate) fn switch(self, name: &str, on: bool, off: bool) -> Self {
        self.maybe(name, (on || off).then_some(on))
    }

    /// The document.
    pub(crate) fn value(self) -> Value {
        Value::Object(self.0)
    }

    /// The document, which must say something.
    ///
    /// # Errors
    /// No flag was given.
    pub(crate) fn changes(self) -> Result<Value> {
        if self.0.is_empty() {
            return Err(Failure::usage("there is nothing to change", "give at least one flag; --help lists them"));
        }
        Ok(self.value())
    }
}

/// `POST …/X/verb` for a verb without further flags.
pub(crate) fn act(context: &Context, noun: &str, target: &Target, verb: &str) -> Result<()> {
    let path = context.at(&[noun, &target.x, verb])?;
    context.answer_with(super::client::Ask::post(target.change.path(&path), &Body::default().value()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_body_has_what_was_given_and_an_empty_value_takes_away() {
        let body = Body::default()
            .list("a", &[])
            .list("b", &[String::new()])
            .list("c", &["x".to_owned(), "y".to_owned()])
            .text("d", Some(&String::new()))
            .text("e", None)
            .switch("f", false, false)
            .switch("g", false, true)
            .maybe("h", Some(3));
        assert_eq!(body.value(), json!({"b": [], "c": ["x", "y"], "d": null, "g": false, "h": 3}));
        assert!(Body::default().changes().is_err());
    }
}
