//! Errors as HTTP answers: `application/problem+json` (RFC 9457, api.md), and the status of each code.
//!
//! Owns the one place where a refusal becomes a status. Every refusal has an opaque reference; the full reason goes to the log
//! under it and nowhere else. Must not know what was refused.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::code::{Code, Own};
use crate::exit::{FieldError, reference};

/// Media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What a refusal with nothing better to say asks to wait, seconds.
const DEFAULT_RETRY_AFTER: u64 = 5;

/// The HTTP status of a code: the one place where it is chosen (protocol.md, last line; api.md, Errors).
#[must_use]
pub const fn status(code: Code) -> StatusCode {
    use latchkey_wire::Code as Wire;
    match code {
        Code::Shared(code) => match code {
            // Does not verify.
            Wire::Enroll010 | Wire::Nonce001 => StatusCode::UNAUTHORIZED,
            // Tells nothing.
            Wire::Cloud001 | Wire::Device404 => StatusCode::NOT_FOUND,
            Wire::Host001 => StatusCode::MISDIRECTED_REQUEST,
            Wire::Cloud503 | Wire::Node001 => StatusCode::SERVICE_UNAVAILABLE,
            Wire::Enroll018 | Wire::Bind018 => StatusCode::TOO_MANY_REQUESTS,
            Wire::Api001 | Wire::Api003 => StatusCode::BAD_REQUEST,
            Wire::Api010 | Wire::Token001 | Wire::Token002 | Wire::Token003 | Wire::Token004 => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Wire::Api011 => StatusCode::CONFLICT,
            // Verified, but refused.
            _ => StatusCode::FORBIDDEN,
        },
        Code::Own(code) => match code {
            Own::Api002 => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Own::Signin001 => StatusCode::BAD_REQUEST,
            Own::Signin002 | Own::Signin003 | Own::Signin005 | Own::Signin006 | Own::Signin008 => StatusCode::FORBIDDEN,
            Own::Signin007 => StatusCode::GONE,
            Own::Api004 => StatusCode::NOT_FOUND,
            Own::Api005 => StatusCode::METHOD_NOT_ALLOWED,
            Own::Api006 => StatusCode::PAYLOAD_TOO_LARGE,
            Own::Api007 | Own::Api008 | Own::Api013 | Own::Backup001 | Own::Domain001 | Own::Mail001 => {
                StatusCode::CONFLICT
            }
            // Understood, but what it names is not to be had.
            Own::Signin004
            | Own::Domain003
            | Own::Fetch001
            | Own::Fetch002
            | Own::Fetch004
            | Own::Fetch006
            | Own::Fetch007 => StatusCode::UNPROCESSABLE_ENTITY,
            Own::Domain002 | Own::Fetch003 | Own::Fetch005 | Own::Mail002 => StatusCode::SERVICE_UNAVAILABLE,
            Own::Api009 => StatusCode::PRECONDITION_FAILED,
            Own::Api012 => StatusCode::PRECONDITION_REQUIRED,
            Own::Api014 => StatusCode::TOO_MANY_REQUESTS,
            Own::Auth001 | Own::Auth003 => StatusCode::UNAUTHORIZED,
            Own::Auth002 | Own::Auth004 | Own::Auth005 | Own::Auth006 => StatusCode::FORBIDDEN,
            Own::Serve008 | Own::Serve010 => StatusCode::SERVICE_UNAVAILABLE,
            // Codes of the command line and of the start never travel; if one does, it is our mistake.
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
        // A service's request, or its metadata, is not as it should be.
        Code::Saml(_) => StatusCode::BAD_REQUEST,
        // What a device finds out by itself never travels; if it does, it is our mistake.
        Code::OnDevice(_) | Code::Option(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A refusal on its way to an HTTP answer.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    detail: Option<String>,
    fix: Option<String>,
    reference: String,
    errors: Vec<FieldError>,
    signed: Option<String>,
    retry_after: Option<u64>,
    reason: Option<String>,
    recorded: bool,
}

impl Problem {
    /// A refusal with the words of its code and a new reference.
    #[must_use]
    pub fn of(code: impl Into<Code>) -> Self {
        Self {
            code: code.into(),
            detail: None,
            fix: None,
            reference: reference(),
            errors: Vec::new(),
            signed: None,
            retry_after: None,
            reason: None,
            recorded: false,
        }
    }

    /// Our own failure: the caller learns the reference, the log the reason.
    #[must_use]
    pub fn internal(reason: impl std::fmt::Display) -> Self {
        Self::of(Own::Api500).reason(reason)
    }

    /// No such thing, and no word about what there is.
    #[must_use]
    pub fn not_found() -> Self {
        Self::of(Own::Api004)
    }

    /// What is wrong, for the caller to read.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// What to do, in place of the code's own words.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// The full reason, for the log only.
    #[must_use]
    pub fn reason(mut self, reason: impl std::fmt::Display) -> Self {
        self.reason = Some(reason.to_string());
        self
    }

    /// One more wrong field: its JSON pointer, the code and what is wrong with it.
    #[must_use]
    pub fn field(mut self, pointer: impl Into<String>, code: impl Into<Code>, detail: impl Into<String>) -> Self {
        let code = code.into().as_str().to_owned();
        self.errors.push(FieldError { pointer: pointer.into(), code, detail: detail.into() });
        self
    }

    /// The signed refusal (`lk-refusal+jwt`) for a connector that must act on it.
    #[must_use]
    pub fn signed(mut self, jws: impl Into<String>) -> Self {
        self.signed = Some(jws.into());
        self
    }

    /// Seconds to wait before trying again.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The reference under which the reason was recorded already, in place of a new one.
    #[must_use]
    pub fn with_reference(mut self, reference: impl Into<String>) -> Self {
        self.reference = reference.into();
        self.recorded = true;
        self
    }

    /// Whether the audit log has the reason under this reference.
    #[must_use]
    pub const fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// The full reason, or what the caller reads where there is no other.
    #[must_use]
    pub fn reason_or_words(&self) -> &str {
        self.reason.as_deref().unwrap_or_else(|| self.words())
    }

    /// What is wrong field by field.
    #[must_use]
    pub fn fields(&self) -> &[FieldError] {
        &self.errors
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The reference.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        status(self.code)
    }

    /// What the caller reads: the detail, or the code's own words.
    #[must_use]
    pub fn words(&self) -> &str {
        self.detail.as_deref().unwrap_or_else(|| self.code.title())
    }

    /// What the caller is told to do.
    #[must_use]
    pub fn way_out(&self) -> &str {
        self.fix.as_deref().unwrap_or_else(|| self.code.fix())
    }

    fn waits(&self) -> Option<u64> {
        let must = matches!(self.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        self.retry_after.or(must.then_some(DEFAULT_RETRY_AFTER))
    }

    /// The document of api.md.
    #[must_use]
    pub fn document(&self) -> Value {
        let mut document = json!({
            "type": format!("/docs/errors#{}", self.code),
            "title": self.code.title(),
            "status": self.status().as_u16(),
            "code": self.code.as_str(),
            "detail": self.words(),
            "fix": self.way_out(),
            "ref": self.reference,
            "errors": self.errors,
        });
        if let Value::Object(members) = &mut document {
            if let Some(signed) = &self.signed {
                members.insert("signed".to_owned(), signed.as_str().into());
            }
            if let Some(seconds) = self.waits() {
                members.insert("retry_after".to_owned(), seconds.into());
            }
        }
        document
    }

    fn log(&self) {
        let (code, reference, status) = (self.code.as_str(), self.reference.as_str(), self.status().as_u16());
        let reason = self.reason.as_deref().unwrap_or_else(|| self.words());
        if self.status() == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(code, r#ref = reference, status, reason, "failed");
        } else {
            tracing::info!(code, r#ref = reference, status, reason, "refused");
        }
    }
}

impl IntoResponse for Problem {
    /// Logs the reason and makes the answer. The problem goes along as an extension, so that a page can be made of it for a
    /// browser.
    fn into_response(self) -> Response {
        self.log();
        let mut response = (self.status(), self.document().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.waits() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self.code, Code::Own(Own::Auth001)) {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Handlers may use `?` on whatever is a problem.
pub type Result<T> = std::result::Result<T, Problem>;

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_wire::Code as Wire;

    #[test]
    fn statuses_are_those_of_the_protocol() {
        let of = |code: Wire| status(code.into()).as_u16();
        assert_eq!((of(Wire::Enroll010), of(Wire::Nonce001)), (401, 401));
        assert_eq!((of(Wire::Cloud503), of(Wire::Node001)), (503, 503));
        assert_eq!((of(Wire::Enroll018), of(Wire::Device404), of(Wire::Device410)), (429, 404, 403));
        for code in [Wire::Enroll012, Wire::Enroll020, Wire::Renew022, Wire::Proof022, Wire::Enroll031] {
            assert_eq!(of(code), 403, "{code}");
        }
    }

    #[test]
    fn a_refusal_that_asks_to_wait_says_how_long_in_both_places() {
        let response = Problem::of(Wire::Enroll018).retry_after(17).into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "17");
        assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
        assert_eq!(Problem::of(Wire::Node001).document()["retry_after"], DEFAULT_RETRY_AFTER);
        assert!(Problem::of(Wire::Enroll012).document().get("retry_after").is_none());
    }

    #[test]
    fn the_reason_stays_in_the_log() {
        let problem = Problem::internal("column secret_thing is missing");
        assert!(!problem.document().to_string().contains("secret_thing"));
        assert_eq!(problem.document()["ref"], problem.reference());
    }

    #[test]
    fn every_wrong_field_is_named() {
        let document = Problem::of(Wire::Api010)
            .field("/max_uses", Wire::Api010, "at least 1")
            .field("/expires_at", Wire::Api010, "lies in the past")
            .document();
        assert_eq!(document["errors"][1]["pointer"], "/expires_at");
        assert_eq!(document["status"], 422);
    }
}
