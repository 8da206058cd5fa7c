//! What a service refuses, as a problem document.
//!
//! Owns the one place where a [`latchkey_directory::Error`] becomes a code of api.md. Must not know the call.

use latchkey_directory::Error;
use latchkey_directory::store::StoreError;
use latchkey_wire::Code as Wire;

use crate::code::Own;
use crate::problem::Problem;

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let words = error.to_string();
        match error {
            Error::Denied { detail, fix } => Self::of(Own::Auth002).detail(detail).fix(fix),
            Error::Exists { id, .. } => Self::of(Own::Api007).detail(format!("{words}; its id is {id}")),
            Error::Invalid(fields) => {
                fields.into_iter().fold(Self::of(Wire::Api010).detail(words), |problem, field| {
                    problem.field(field.pointer, field.code, field.detail)
                })
            }
            Error::NotFound { .. } => Self::not_found().detail(words),
            Error::Changed { .. } => Self::of(Own::Api009).detail(words),
            Error::Refused { code, detail } => Self::of(code).detail(detail),
            Error::State { detail, fix } => Self::of(Own::Api008).detail(detail).fix(fix),
            Error::TooMany { detail, retry_after } => Self::of(Own::Api014).detail(detail).retry_after(retry_after),
            Error::Store(error) => Self::of_store(&error),
            Error::Internal(reason) => Self::internal(reason),
            // The list of a crate beside us may grow; what we do not know is our own fault.
            _ => Self::internal(words),
        }
    }
}

impl Problem {
    /// What the store failed at, whoever asked.
    #[must_use]
    pub fn of_store(error: &StoreError) -> Self {
        match error {
            StoreError::Overloaded | StoreError::Contended => Self::of(Wire::Cloud503).reason(error),
            StoreError::Unreachable(_) | StoreError::Unknown(_) | StoreError::NoSpace(_) => {
                let problem = Self::of(Wire::Node001).reason(error);
                match error.fix() {
                    Some(fix) => problem.fix(fix),
                    None => problem,
                }
            }
            StoreError::Corrupt(_) | StoreError::Newer { .. } => Self::internal(error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::of_store(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_not_called_a_lost_connection() {
        let full = Problem::from(StoreError::NoSpace("database or disk is full".to_owned())).document();
        assert_eq!(full["code"], "LK-NODE-001");
        assert!(full["fix"].as_str().unwrap().starts_with("Free space on the disk"), "{full}");
        let gone = Problem::from(StoreError::Unreachable("connection refused".to_owned())).document();
        assert!(gone["fix"].as_str().unwrap().contains("connection"), "{gone}");
    }
}
