//! What is wrong with an option: one message, the same in the portal, the command line and the connector.

use std::fmt;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Reported, stops nothing.
    Notice,
    /// Stops before anything is sent.
    Error,
}

/// One finding about one option.
///
/// Codes: `LK-TOKEN-001` unfilled placeholder in a token or code · `LK-OPTION-001` the same elsewhere · `002` wrong value ·
/// `003` needs another option · `004` unknown option · `005` not applicable (notice) · `006` given twice · `007` not in this
/// build · `008` the document itself cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable code.
    pub code: &'static str,
    /// Whether it stops.
    pub severity: Severity,
    /// The option, as the administrator spelled it.
    pub option: String,
    /// Where it was given: a file, `command line`, a variable.
    pub place: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub fix: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.option)?;
        if !self.place.is_empty() {
            write!(f, " ({})", self.place)?;
        }
        write!(f, " {}", self.problem)
    }
}
