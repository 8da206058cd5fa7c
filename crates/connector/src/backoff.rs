//! When to try again: 5 s, doubling, full jitter, a cap, `Retry-After` obeyed with full jitter on top (protocol.md).
//!
//! Pure: randomness is a parameter.

use std::time::Duration;

use latchkey_wire::{Code, Retry};

const BASE: Duration = Duration::from_secs(5);

/// Longer than this nobody is believed who asks to be left alone: it may be a proxy.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What is being retried decides the cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Somebody waits for it, or it passes by itself: at most 5 minutes.
    Prompt,
    /// Heartbeats, and what only an administrator can lift: at most 30 minutes.
    Patient,
}

impl Path {
    /// The path of a failure that is no heartbeat's, by its code; without one it is the network, or this machine.
    #[must_use]
    pub fn of(code: Option<Code>) -> Self {
        let Some(code) = code else { return Path::Prompt };
        let refused =
            matches!(code.exit_status(), 4 | 11 | 12) && matches!(code.retry(), Retry::BackOff | Retry::Never);
        // An hour passes, and a machine comes back into its network.
        let passes = matches!(code, Code::Bind018 | Code::Enroll017);
        if refused && !passes { Path::Patient } else { Path::Prompt }
    }

    fn cap(self) -> Duration {
        match self {
            Path::Prompt => Duration::from_secs(300),
            Path::Patient => Duration::from_secs(1800),
        }
    }
}

/// A back-off; forgets on success.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait after one more failure. `random` is uniform in 0 … 1.
    pub fn next(&mut self, path: Path, retry_after: Option<Duration>, random: f64) -> Duration {
        let doubled = BASE.saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        let window = doubled.min(path.cap());
        retry_after.unwrap_or_default().min(LONGEST) + window.mul_f64(random.clamp(0.0, 1.0))
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
