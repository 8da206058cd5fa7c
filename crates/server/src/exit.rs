//! How a command of this program ends: exit status, last line of stderr, problem document (cli.md).
//!
//! Owns [`Exit`] and [`Failure`], for `serve` and for every client command. Must not know HTTP beyond the number of a status.

use serde_json::{Value, json};

use crate::code::{Code, Own};

/// The exit status of a command (cli.md, the table of exits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(u8);

impl Exit {
    /// Done.
    pub const DONE: Self = Self(0);
    /// Failed for another reason.
    pub const FAILED: Self = Self(1);
    /// Wrong flag, value, option or file.
    pub const USAGE: Self = Self(2);
    /// No such thing.
    pub const NOT_FOUND: Self = Self(3);
    /// Refused: not signed in, no right, policy, token, proof.
    pub const REFUSED: Self = Self(4);
    /// Exists already, in use, or its state forbids it.
    pub const CONFLICT: Self = Self(5);
    /// Not reachable or not trusted.
    pub const UNREACHABLE: Self = Self(6);
    /// Come back later.
    pub const LATER: Self = Self(7);
    /// `check`, `audit verify` found a problem.
    pub const FOUND: Self = Self(8);

    /// The number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// What an HTTP status means to a script, for a code this version does not know.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::DONE,
            401 | 403 => Self::REFUSED,
            404 | 410 => Self::NOT_FOUND,
            409 | 412 => Self::CONFLICT,
            421 => Self::UNREACHABLE,
            429 | 503 => Self::LATER,
            400..=499 => Self::USAGE,
            _ => Self::FAILED,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

/// One wrong field of a request, or one wrong flag of a command line.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FieldError {
    /// JSON pointer of the field, or the flag's name.
    pub pointer: String,
    /// Stable code.
    pub code: String,
    /// What is wrong with it.
    pub detail: String,
}

impl FieldError {
    /// The field's name in a form: the first part of the pointer.
    #[must_use]
    pub fn field(&self) -> &str {
        self.pointer.trim_start_matches('/').split('/').next().unwrap_or_default()
    }
}

/// A command that did not do what it was asked to: stable code, reason, way out, exit status.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Stable code, `LK-…`.
    pub code: String,
    /// What is wrong.
    pub detail: String,
    /// What to do.
    pub fix: String,
    /// The server's reference, or one of our own (`local-…`).
    pub reference: String,
    /// How the program ends.
    pub exit: Exit,
    /// HTTP status, if a server said it.
    pub status: Option<u16>,
    /// Seconds to wait, if the server said so.
    pub retry_after: Option<u64>,
    /// Every wrong field at once.
    pub errors: Vec<FieldError>,
    /// The answer that stands on stdout beside this failure (exit 8).
    pub answer: Option<Box<Value>>,
}

/// Shorthand for commands.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure with the words of its code.
    #[must_use]
    pub fn of(code: impl Into<Code>) -> Self {
        let code = code.into();
        Self {
            code: code.as_str().to_owned(),
            detail: code.title().to_owned(),
            fix: code.fix().to_owned(),
            reference: format!("local-{}", reference()),
            exit: Exit(code.exit_status()),
            status: None,
            retry_after: None,
            errors: Vec::new(),
            answer: None,
        }
    }

    /// A failure with words of its own: what is wrong, and the exact thing to do.
    #[must_use]
    pub fn new(code: impl Into<Code>, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { detail: detail.into(), fix: fix.into(), ..Self::of(code) }
    }

    /// A wrong flag or value (exit 2).
    #[must_use]
    pub fn usage(detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Own::Cli001, detail, fix)
    }

    /// A failure of the operating system at something this program needed; `what` names it.
    #[must_use]
    pub fn io(what: impl std::fmt::Display, error: &std::io::Error) -> Self {
        Self::new(Own::Serve001, format!("{what}: {error}"), Own::Serve001.fix())
    }

    /// The failure that a server's problem document tells of (api.md). `None` if it is not one.
    #[must_use]
    pub fn of_document(status: u16, document: &Value) -> Option<Self> {
        let text = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
        let code = text("code")?;
        let known = code.parse::<Code>().ok();
        Some(Self {
            detail: text("detail").or_else(|| text("title")).unwrap_or_default(),
            fix: text("fix").unwrap_or_else(|| known.map(|c| c.fix().to_owned()).unwrap_or_default()),
            reference: text("ref").unwrap_or_else(|| format!("local-{}", reference())),
            exit: known.map_or(Exit::of_status(status), |c| Exit(c.exit_status())),
            code,
            status: Some(status),
            retry_after: document.get("retry_after").and_then(Value::as_u64),
            errors: document
                .get("errors")
                .and_then(|errors| serde_json::from_value(errors.clone()).ok())
                .unwrap_or_default(),
            answer: None,
        })
    }

    /// The same with an answer on stdout.
    #[must_use]
    pub fn with_answer(mut self, answer: Value) -> Self {
        self.answer = Some(Box::new(answer));
        self
    }

    /// The same with another exit status, where the contract has one for the case and not for the code.
    #[must_use]
    pub const fn exit_with(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// The last line of stderr.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "error {}: {}. fix: {}. ref: {}",
            self.code,
            one_line(&self.detail),
            one_line(&self.fix),
            self.reference
        )
    }

    /// The problem document of api.md, as `--json` prints it.
    #[must_use]
    pub fn document(&self) -> Value {
        let title = self.code.parse::<Code>().map_or(self.detail.as_str(), |code| code.title());
        let mut document = json!({
            "type": format!("/docs/errors#{}", self.code),
            "title": title,
            "code": self.code,
            "detail": self.detail,
            "fix": self.fix,
            "ref": self.reference,
            "errors": self.errors,
        });
        if let Value::Object(members) = &mut document {
            if let Some(status) = self.status {
                members.insert("status".to_owned(), status.into());
            }
            if let Some(seconds) = self.retry_after {
                members.insert("retry_after".to_owned(), seconds.into());
            }
        }
        document
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.line())
    }
}

impl std::error::Error for Failure {}

/// A reference to search a log for: ten random characters that tell nothing.
#[must_use]
pub fn reference() -> String {
    let mut bytes = [0u8; 6];
    // A reference is only a word to search a log for; without randomness it is still one.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    data_encoding::BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()
}

/// A sentence as part of the last line: no line breaks, no full stop of its own.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_has_code_reason_fix_and_reference() {
        let failure = Failure::new(Own::Serve005, "port 80\n is taken.", "use another.");
        assert_eq!(
            failure.line(),
            format!("error LK-SERVE-005: port 80 is taken. fix: use another. ref: {}", failure.reference)
        );
        assert_eq!(failure.exit, Exit::CONFLICT);
        assert_eq!(failure.document()["title"], Own::Serve005.title());
    }

    #[test]
    fn a_servers_problem_keeps_its_code_reference_and_exit() {
        let document = json!({"code": "LK-API-010", "detail": "two fields are wrong", "fix": "mend them", "ref": "abc",
            "errors": [{"pointer": "/max_uses", "code": "LK-API-010", "detail": "at most 1000000"}]});
        let failure = Failure::of_document(422, &document).unwrap();
        assert_eq!((failure.exit, failure.reference.as_str(), failure.errors.len()), (Exit::USAGE, "abc", 1));
        assert_eq!(failure.status, Some(422));
    }

    #[test]
    fn a_code_of_a_newer_server_ends_by_its_status() {
        for (status, exit) in [(401, 4), (403, 4), (404, 3), (409, 5), (412, 5), (422, 2), (429, 7), (503, 7), (500, 1)]
        {
            let failure = Failure::of_document(status, &json!({"code": "LK-NEW-001"})).unwrap();
            assert_eq!(failure.exit.number(), exit, "{status}");
        }
        assert!(Failure::of_document(502, &json!({"message": "bad gateway"})).is_none());
    }
}
