//! Time without trusting the device's clock (protocol.md, Time).
//!
//! Owns the last signed time and the monotonic time since. The wall clock is used for one thing only: to say when, in files a
//! person reads.

use latchkey_wire::Seconds;
use serde::{Deserialize, Serialize};

/// A signed time and where the monotonic clock stood when it was received.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockMark {
    /// The server's time.
    pub time: Seconds,
    /// Seconds since boot at that moment.
    pub since_boot: u64,
    /// Which boot; another one means that the monotonic clock began anew.
    pub boot: String,
}

/// The monotonic clock, as a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monotonic {
    /// Seconds since boot, time asleep included.
    pub since_boot: u64,
    /// Which boot.
    pub boot: String,
}

impl Monotonic {
    /// This machine's.
    #[must_use]
    pub fn now() -> Self {
        let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Monotonic { since_boot: u64::try_from(since.tv_sec).unwrap_or_default(), boot: boot.trim().to_owned() }
    }
}

impl ClockMark {
    /// Takes the signed time of an answer to our own nonce.
    pub fn learn(&mut self, time: Seconds, monotonic: &Monotonic) {
        *self = ClockMark { time, since_boot: monotonic.since_boot, boot: monotonic.boot.clone() };
    }

    /// The server's time now, as well as we know it: after a reboot at least the last signed time plus the time since boot.
    #[must_use]
    pub fn now(&self, monotonic: &Monotonic) -> Seconds {
        let elapsed = if monotonic.boot == self.boot {
            monotonic.since_boot.saturating_sub(self.since_boot)
        } else {
            monotonic.since_boot
        };
        self.time.saturating_add(elapsed)
    }
}

/// The wall clock, for `iat` and for people.
#[must_use]
pub fn wall() -> Seconds {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// RFC 3339 UTC with milliseconds.
#[must_use]
pub fn rfc3339(seconds: Seconds) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => "9999-12-31T23:59:59.999Z".to_owned(),
    }
}
