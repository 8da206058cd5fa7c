//! What went wrong, in the one form both a person and a script can use.
//!
//! Owns the form of the last line of stderr and of the problem document. The codes, with the exit status of each, are
//! `latchkey-wire`'s.

use latchkey_options::Finding;
use latchkey_wire::Code;
use latchkey_wire::code::AnyCode;
use serde_json::{Value, json};

/// A failure with a stable code, a reason, a way out and an exit status (cli.md).
#[derive(Clone, Debug)]
pub struct Problem {
    /// Stable code, `LK-…`.
    pub code: String,
    /// What is wrong.
    pub detail: String,
    /// What to do.
    pub fix: String,
    /// The server's reference, or one of our own.
    pub reference: String,
    /// Exit status, 1 to 14.
    pub exit: u8,
    /// HTTP status, if a server said it.
    pub status: Option<u16>,
    /// Seconds to wait, if the server said so.
    pub retry_after: Option<u64>,
    /// Further findings: every wrong option at once.
    pub errors: Vec<(String, String, String)>,
    /// The answer that stands on stdout beside this problem (exits 8 and 10 to 14).
    pub answer: Option<Box<Value>>,
}

/// Shorthand of the whole crate.
pub type Result<T> = std::result::Result<T, Problem>;

/// Codes that exist only on a device.
pub use latchkey_wire::code::OnDevice as Local;

impl Problem {
    /// A problem with a code of the device's own.
    pub fn local(kind: Local, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Problem {
            code: kind.as_str().to_owned(),
            detail: detail.into(),
            fix: fix.into(),
            reference: own_reference(),
            exit: kind.exit_status(),
            status: None,
            retry_after: None,
            errors: Vec::new(),
            answer: None,
        }
    }

    /// A problem of the protocol's table, with its own words.
    pub fn of(code: Code) -> Self {
        Problem {
            code: code.as_str().to_owned(),
            detail: code.title().trim_end_matches('.').to_owned(),
            fix: code.fix().trim_end_matches('.').to_owned(),
            reference: own_reference(),
            exit: code.exit_status(),
            status: None,
            retry_after: None,
            errors: Vec::new(),
            answer: None,
        }
    }

    /// A refusal by the server, of whose codes we know only those of the protocol's table.
    #[must_use]
    pub fn said(code: &AnyCode) -> Self {
        match code {
            AnyCode::Known(code) => Self::of(*code),
            AnyCode::Other(text) => {
                let problem = Self::local(Local::NotPermitted, "the server refused", "see the server's log");
                Self { code: text.clone(), ..problem }
            }
        }
    }

    /// The same with more to say about what happened.
    #[must_use]
    pub fn because(mut self, detail: impl std::fmt::Display) -> Self {
        self.detail = format!("{}: {detail}", self.detail);
        self
    }

    /// The same with an answer on stdout.
    #[must_use]
    pub fn with_answer(mut self, answer: Value) -> Self {
        self.answer = Some(Box::new(answer));
        self
    }

    /// All findings about options as one problem; the first gives the code.
    pub fn options(findings: &[Finding]) -> Self {
        let mut problem = match findings.first() {
            Some(first) => {
                let mut p = Problem::local(Local::Usage, first.to_string(), first.fix.clone());
                first.code.clone_into(&mut p.code);
                p
            }
            None => Problem::local(Local::Usage, "an option is wrong", "see the errors"),
        };
        problem.errors = findings.iter().map(|f| (f.code.to_owned(), f.to_string(), f.fix.clone())).collect();
        problem
    }

    /// The code of the protocol's table, if it is one.
    #[must_use]
    pub fn known(&self) -> Option<Code> {
        self.code.parse().ok()
    }

    /// The last line of stderr.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "error {}: {}. fix: {}. ref: {}",
            self.code,
            self.detail.trim_end_matches('.'),
            self.fix.trim_end_matches('.'),
            self.reference
        )
    }

    /// The problem document of api.md.
    #[must_use]
    pub fn document(&self) -> Value {
        let mut document = json!({
            "type": format!("/docs/errors#{}", self.code),
            "title": self.detail,
            "code": self.code,
            "detail": self.detail,
            "fix": self.fix,
            "ref": self.reference,
            "errors": self.errors.iter().map(|(code, detail, fix)| json!({"code": code, "detail": detail, "fix": fix})).collect::<Vec<_>>(),
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

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.line())
    }
}

impl std::error::Error for Problem {}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Problem::local(Local::Failed, error.to_string(), "see the message of the operating system")
    }
}

impl From<latchkey_wire::WireError> for Problem {
    fn from(error: latchkey_wire::WireError) -> Self {
        Problem::local(
            Local::BadAnswer,
            format!("a message cannot be used: {error}"),
            "check that connector and server are of matching versions; `latchkey-connector doctor` tests the way to the server",
        )
    }
}

fn own_reference() -> String {
    let mut bytes = [0u8; 5];
    // A reference is only a word to search a log for; without randomness it is still one.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("local-{hex}")
}
