//! stdout is the answer, stderr is talk (cli.md).
//!
//! The only module of the program that writes to stdout. Must not know what it prints.
#![allow(clippy::print_stdout)] // this is the output module

use std::io::{IsTerminal as _, Write as _};

use serde_json::Value;

use crate::exit::{Exit, Failure};

/// Where answers and talk go.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// `--json`: exactly one document on stdout.
    pub json: bool,
}

impl Output {
    /// Prints a document in one line.
    pub fn document(&self, value: &Value) {
        self.text(&format!("{value}\n"));
    }

    /// Prints text as it is.
    pub fn text(&self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Prints bytes as they are.
    pub fn bytes(&self, bytes: &[u8]) {
        let mut stdout = std::io::stdout().lock();
        // A closed pipe is the reader's decision.
        let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
    }

    /// Says something to the person, on stderr.
    pub fn say(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Whether a person reads along.
    #[must_use]
    pub fn person_reads(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// Reports a failure as the last line of stderr; its answer, if it has one, goes to stdout first.
    #[must_use]
    pub fn failure(&self, failure: &Failure) -> Exit {
        if let Some(answer) = &failure.answer {
            self.document(answer);
        }
        if self.json {
            self.say(&failure.document().to_string());
        } else {
            for error in &failure.errors {
                self.say(&format!("{}: {} ({})", error.pointer, error.detail, error.code));
            }
            self.say(&failure.line());
        }
        failure.exit
    }
}
