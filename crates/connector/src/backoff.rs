//! When to try again: 5 s, doubling, full jitter, a cap, `Retry-After` obeyed with full jitter on top (protocol.md).
//!
//! Pure: randomness is a parameter.

use std::time::Duration;

const BASE: Duration = Duration::from_secs(5);

/// What is being retried decides the cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Somebody waits for it: at most 5 minutes.
    SignIn,
    /// Heartbeats, and what only an administrator can lift: at most 30 minutes.
    Patient,
}

impl Path {
    fn cap(self) -> Duration {
        match self {
            Path::SignIn => Duration::from_secs(300),
            Path::Patient => Duration::from_secs(1800),
        }
    }
}

/// The back-off of one path; forgets on success.
#[derive(Clone, Debug)]
pub struct Backoff {
    path: Path,
    failures: u32,
}

impl Backoff {
    /// No failure yet.
    #[must_use]
    pub fn new(path: Path) -> Self {
        Backoff { path, failures: 0 }
    }

    /// How long to wait after one more failure. `random` is uniform in 0 … 1.
    pub fn next(&mut self, retry_after: Option<Duration>, random: f64) -> Duration {
        let doubled = BASE.saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        let window = doubled.min(self.path.cap());
        retry_after.unwrap_or_default() + window.mul_f64(random.clamp(0.0, 1.0))
    }

    /// It worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A uniform number in 0 … 1 from the operating system.
#[must_use]
pub fn random_unit() -> f64 {
    let mut bytes = [0u8; 4];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return 1.0;
    }
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}
