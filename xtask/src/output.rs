//! What the commands say. Owns standard output; must not know what any command does.
#![allow(clippy::print_stdout)] // the one place that writes there

use std::time::Duration;

/// One line of talk.
pub(crate) fn say(line: impl std::fmt::Display) {
    println!("{line}");
}

/// The heading of a step of a longer command.
pub(crate) fn heading(number: usize, of: usize, title: &str) {
    println!("\n=== {number}/{of} {title}");
}

/// Seconds as a person reads them.
pub(crate) fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    if whole < 60 { format!("{:.1} s", time.as_secs_f64()) } else { format!("{} min {:02} s", whole / 60, whole % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        assert_eq!(seconds(Duration::from_millis(1_240)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }
}
