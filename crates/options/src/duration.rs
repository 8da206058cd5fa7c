//! Durations as both programs' flags spell them (cli.md).
//!
//! Owns the syntax, the sentence for a wrong one, and the longest.

use std::time::Duration;

/// Beyond this no calendar of ours reaches, and arithmetic on times would overflow.
const LONGEST: u64 = 100 * 366 * 86400;

/// `90s 15m 12h 14d`, up to a hundred years.
///
/// # Errors
/// The sentence to show.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration; write 90s, 15m, 12h or 14d");
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..at].parse().map_err(|_| wrong())?;
    let unit = match &text[at..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return Err(wrong()),
    };
    match number.checked_mul(unit) {
        Some(seconds) if seconds <= LONGEST => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("{text:?} is longer than a hundred years")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_number_and_one_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("12h"), Ok(Duration::from_secs(43_200)));
        assert_eq!(duration("14d"), Ok(Duration::from_secs(1_209_600)));
        for wrong in ["", "5", "m", "5 m", "5M", "1h30m", "-5m", "5w", "99999999999999999999d", "40000d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_duration_can_be_added_to_any_time() {
        let longest = duration("36600d").unwrap();
        assert!(std::time::Instant::now().checked_add(longest).is_some());
        for wrong in [format!("{}d", u64::MAX), format!("{}s", u64::MAX), "36601d".to_owned()] {
            assert_eq!(duration(&wrong), Err(format!("{wrong:?} is longer than a hundred years")));
        }
    }
}
