//! stdout is the answer, stderr is talk (cli.md).
//!
//! The only module that writes to either.
#![allow(clippy::print_stdout)] // this is the output module

use std::io::Write as _;

use serde_json::Value;

use crate::problem::Problem;

/// Where answers and talk go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// `--json`: exactly one document on stdout.
    pub(crate) json: bool,
}

impl Output {
    /// Prints an answer: the document itself, or its members one a line.
    pub(crate) fn answer(&self, value: &Value) {
        let text = if self.json { value.to_string() } else { plain(value) };
        let mut stdout = std::io::stdout().lock();
        // A closed pipe is the reader's decision.
        let _ = writeln!(stdout, "{}", text.trim_end());
    }

    /// Prints text as it is.
    pub(crate) fn text(&self, text: &str) {
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }

    /// Prints bytes as they are: a page.
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        let _ = std::io::stdout().lock().write_all(bytes);
    }

    /// Says something to the person.
    pub(crate) fn say(&self, text: &str) {
        eprintln!("{text}");
    }

    /// Reports a problem, last line of stderr, and gives the exit status.
    #[must_use]
    pub(crate) fn problem(&self, problem: &Problem) -> u8 {
        if let Some(answer) = &problem.answer {
            self.answer(answer);
        }
        if self.json {
            eprintln!("{}", problem.document());
        } else {
            for (code, detail, fix) in problem.errors.iter().skip(1) {
                eprintln!("also {code}: {detail}. fix: {fix}");
            }
            eprintln!("{}", problem.line());
        }
        problem.exit
    }
}

fn plain(value: &Value) -> String {
    let Value::Object(members) = value else {
        return scalar(value);
    };
    let mut text = String::new();
    for (name, value) in members {
        match value {
            Value::Array(items) if items.iter().any(Value::is_object) => {
                text.push_str(&format!("{name}:\n"));
                for item in items {
                    text.push_str(&format!("  - {}\n", inline(item)));
                }
            }
            _ => text.push_str(&format!("{name}: {}\n", inline(value))),
        }
    }
    text
}

fn inline(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let parts: Vec<String> = members.iter().map(|(n, v)| format!("{n} {}", inline(v))).collect();
            parts.join(", ")
        }
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(inline).collect::<Vec<_>>().join(", "),
        other => scalar(other),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
