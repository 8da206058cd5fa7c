//! Values of flags as cli.md spells them: moments, shares, and durations as the connector spells them too.
//!
//! Owns their syntax and the sentence for a wrong one. Knows no command and takes the present time as a parameter.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
pub(crate) use latchkey_options::duration;

/// A point in time: RFC 3339, or so long before or after now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// RFC 3339.
    At(Timestamp),
    /// A duration from now; in which direction is the flag's business.
    Away(Duration),
}

impl Moment {
    /// The moment as the API takes it, with a duration counted back from `now`.
    pub(crate) fn back_from(self, now: Timestamp) -> String {
        match self {
            Moment::At(at) => rfc3339(at),
            Moment::Away(by) => rfc3339(now.saturating_sub(signed(by)).unwrap_or(Timestamp::MIN)),
        }
    }

    /// The moment as the API takes it, with a duration counted forward from `now`.
    pub(crate) fn ahead_of(self, now: Timestamp) -> String {
        match self {
            Moment::At(at) => rfc3339(at),
            Moment::Away(by) => rfc3339(now.saturating_add(signed(by)).unwrap_or(Timestamp::MAX)),
        }
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// RFC 3339 or a duration.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(length) = duration(text) {
        return Ok(Moment::Away(length));
    }
    let wrong = || format!("{text:?} is not a time; write 2026-11-24T20:30:00Z, or a duration such as 15m, 12h or 14d");
    // A time without an offset would mean another moment on every machine.
    text.parse().map(Moment::At).map_err(|_| wrong())
}

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// `10%` or `10`, from 1 to 100.
pub(crate) fn percent(text: &str) -> Result<u8, String> {
    match text.strip_suffix('%').unwrap_or(text).parse() {
        Ok(share @ 1..=100) => Ok(share),
        _ => Err(format!("{text:?} is not a share; write 1% to 100%")),
    }
}

/// An evidence level, 0 to 5.
pub(crate) fn level(text: &str) -> Result<u8, String> {
    match text.parse() {
        Ok(level @ 0..=5) => Ok(level),
        _ => Err(format!("{text:?} is not an evidence level; levels are 0 to 5")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-24T20:30:00Z".parse().unwrap()
    }

    #[test]
    fn a_moment_is_a_time_or_a_duration_from_now() {
        assert_eq!(moment("1h").unwrap().back_from(now()), "2026-11-24T19:30:00.000Z");
        assert_eq!(moment("1h").unwrap().ahead_of(now()), "2026-11-24T21:30:00.000Z");
        assert_eq!(moment("2026-11-24T21:30:00+01:00").unwrap().back_from(now()), "2026-11-24T20:30:00.000Z");
        assert_eq!(moment("2026-11-24T20:30:00.1239Z").unwrap().ahead_of(now()), "2026-11-24T20:30:00.123Z");
        for wrong in ["", "yesterday", "2026-11-24", "2026-11-24T20:30:00"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_and_levels_have_bounds() {
        assert_eq!(percent("10%"), Ok(10));
        assert_eq!(percent("100"), Ok(100));
        assert!(
            percent("0%").is_err() && percent("101%").is_err() && percent("ten").is_err() && percent("10%%").is_err()
        );
        assert_eq!(level("3"), Ok(3));
        assert!(level("6").is_err() && level("-1").is_err());
    }
}
