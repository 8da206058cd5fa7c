//! What an application service answers when it does not do what it was asked.
//!
//! Owns the reasons, in words for the administrator. Must not know HTTP: the server chooses the status in one place.

use latchkey_wire::Code;

use crate::store::StoreError;

/// One wrong field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// JSON pointer to the field.
    pub pointer: String,
    /// A stable code.
    pub code: Code,
    /// What is wrong with it and what would be right.
    pub detail: String,
}

impl FieldProblem {
    /// A value that is not valid.
    #[must_use]
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code: Code::Api010, detail: detail.into() }
    }
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller has no right to it.
    #[error("{detail}")]
    Denied {
        /// What is missing.
        detail: String,
        /// What to do.
        fix: String,
    },
    /// It exists already.
    #[error("{noun} {which} exists already")]
    Exists {
        /// What kind of thing.
        noun: &'static str,
        /// Which one: its name.
        which: String,
        /// Its id.
        id: String,
    },
    /// Wrong values, all of them.
    #[error("{}", .0.iter().map(|p| p.detail.as_str()).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldProblem>),
    /// There is no such thing in this organization.
    #[error("there is no {noun} {which}")]
    NotFound {
        /// What kind of thing.
        noun: &'static str,
        /// Which one was asked for.
        which: String,
    },
    /// It was changed by somebody else in the meantime (`If-Match`).
    #[error("the {noun} was changed in the meantime")]
    Changed {
        /// What kind of thing.
        noun: &'static str,
    },
    /// Refused by a rule that has a code of its own.
    #[error("{detail}")]
    Refused {
        /// The code, which has a title and a fix.
        code: Code,
        /// What exactly.
        detail: String,
    },
    /// The state of the thing, or of another, forbids it.
    #[error("{detail}")]
    State {
        /// What stands in the way.
        detail: String,
        /// What to do.
        fix: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too often.
    #[error("{detail}")]
    TooMany {
        /// What was too often.
        detail: String,
        /// Seconds to wait.
        retry_after: u64,
    },
    /// A fault of this program.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// There is no such thing.
    #[must_use]
    pub fn not_found(noun: &'static str, which: impl Into<String>) -> Self {
        Self::NotFound { noun, which: which.into() }
    }

    /// One wrong field.
    #[must_use]
    pub fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldProblem::invalid(pointer, detail)])
    }

    /// The state forbids it.
    #[must_use]
    pub fn state(detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::State { detail: detail.into(), fix: fix.into() }
    }
}

/// The answer of an application service.
pub type Result<T, E = Error> = std::result::Result<T, E>;
