//! Is the server up, and may it be used?
//!
//! Owns `/healthz` (the process answers), `/readyz` (everything it needs is there), the list of checks that others add to, and
//! the check of the clock. Must not know what the checks of others look at.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::listen::Operator;
use crate::code::{Code, Own};

/// Why something is not ready.
#[derive(Debug, Clone)]
pub struct Unready {
    /// Stable code.
    pub code: Code,
    /// What is wrong, for the operator and the log.
    pub detail: String,
    /// What to do.
    pub fix: String,
}

impl Unready {
    /// A reason with the code's own way out.
    #[must_use]
    pub fn new(code: impl Into<Code>, detail: impl Into<String>) -> Self {
        let code = code.into();
        Self { code, detail: detail.into(), fix: code.fix().to_owned() }
    }
}

/// Something that must be in order before the server may be used.
#[async_trait]
pub trait Check: Send + Sync {
    /// Its name in `/readyz`.
    fn name(&self) -> &'static str;

    /// Whether nothing but health is answered while it fails. Such a check runs before each request, so it must be a comparison,
    /// not a question to somebody else.
    fn gates(&self) -> bool {
        false
    }

    /// Whether it is in order now.
    async fn check(&self) -> Result<(), Unready>;
}

/// A check that takes longer has failed: who asks has a time limit too.
const LONGEST_CHECK: Duration = Duration::from_secs(5);

/// All checks of this process.
#[derive(Clone)]
pub struct Checks(Arc<[Arc<dyn Check>]>);

impl Checks {
    /// The list.
    #[must_use]
    pub fn new(checks: Vec<Arc<dyn Check>>) -> Self {
        Self(checks.into())
    }

    /// The first that fails, of those that must hold before each request.
    pub(super) async fn gate(&self) -> Result<(), Unready> {
        for check in self.0.iter().filter(|check| check.gates()) {
            check.check().await?;
        }
        Ok(())
    }

    /// All of them, with their outcome.
    pub(super) async fn all(&self) -> Vec<(&'static str, Result<(), Unready>)> {
        let mut outcomes = Vec::with_capacity(self.0.len());
        for check in self.0.iter() {
            let outcome = tokio::time::timeout(LONGEST_CHECK, check.check()).await;
            let slow = || Unready::new(latchkey_wire::Code::Node001, "the check did not end in time");
            outcomes.push((check.name(), outcome.unwrap_or_else(|_| Err(slow()))));
        }
        outcomes
    }
}

/// `GET /healthz`.
pub(super) async fn healthz() -> Json<Value> {
    Json(json!({ "ok": true }))
}

/// `GET /readyz`. Who is not the operator learns which check fails, and not why.
pub(super) async fn readyz(State(checks): State<Checks>, operator: Option<axum::Extension<Operator>>) -> Response {
    let outcomes = checks.all().await;
    let ready = outcomes.iter().all(|(_, outcome)| outcome.is_ok());
    let items: Vec<Value> = outcomes
        .iter()
        .map(|(name, outcome)| match outcome {
            Ok(()) => json!({ "name": name, "ok": true }),
            Err(unready) if operator.is_some() => json!({
                "name": name, "ok": false, "code": unready.code.as_str(), "detail": unready.detail, "fix": unready.fix,
            }),
            Err(unready) => json!({ "name": name, "ok": false, "code": unready.code.as_str() }),
        })
        .collect();
    let body = Json(json!({ "ready": ready, "checks": items }));
    if ready {
        return body.into_response();
    }
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, body).into_response();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// Unix time at which this program was built, seconds.
pub const BUILT_AT: i64 = match i64::from_str_radix(env!("LATCHKEY_BUILT_AT"), 10) {
    Ok(seconds) => seconds,
    // The build script writes a number.
    Err(_) => 0,
};

/// The clock against a time it cannot be before. What is signed or expires under a wrong clock cannot be taken back.
pub struct ClockCheck {
    not_before: i64,
    what: &'static str,
    accepted: bool,
    now: fn() -> i64,
}

impl ClockCheck {
    /// The clock against the date of the build.
    #[must_use]
    pub fn against_build(accepted: bool) -> Self {
        Self::against(BUILT_AT, "this program was built", accepted, unix_now)
    }

    /// The clock against any time (Unix seconds); `what` happened then.
    #[must_use]
    pub fn against(not_before: i64, what: &'static str, accepted: bool, now: fn() -> i64) -> Self {
        Self { not_before, what, accepted, now }
    }

    /// What is wrong with the clock, accepted or not.
    #[must_use]
    pub fn wrong(&self) -> Option<String> {
        let now = (self.now)();
        let time =
            |seconds| jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string());
        (now < self.not_before)
            .then(|| format!("the clock says {}, and {} at {}", time(now), self.what, time(self.not_before)))
    }
}

#[async_trait]
impl Check for ClockCheck {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn gates(&self) -> bool {
        true
    }

    async fn check(&self) -> Result<(), Unready> {
        match self.wrong() {
            Some(detail) if !self.accepted => Err(Unready::new(Own::Serve010, detail)),
            _ => Ok(()),
        }
    }
}

/// Unix time now, seconds.
#[must_use]
pub fn unix_now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        // A clock before 1970 is one of those that the check refuses.
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn r25_a_clock_before_the_build_closes_the_server_unless_accepted() {
        const { assert!(BUILT_AT > 1_700_000_000, "the build script gives no time") };
        let early = ClockCheck::against(BUILT_AT, "this program was built", false, || BUILT_AT - 1);
        let unready = early.check().await.unwrap_err();
        assert!(early.gates() && unready.fix.contains("--accept-clock"), "{unready:?}");
        assert!(Checks::new(vec![Arc::new(early)]).gate().await.is_err());
        assert!(ClockCheck::against(BUILT_AT, "", true, || 0).check().await.is_ok());
        assert!(ClockCheck::against(BUILT_AT, "", false, || BUILT_AT).check().await.is_ok());
    }
}
