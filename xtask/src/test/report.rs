//! What `test` leaves behind: one line a test in `target/report/tests.txt`, and the totals. Must not know how anything is run.

use std::path::Path;

use crate::problem::Problem;

/// How a test or a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    Passed,
    Failed,
    /// Not run, for a reason that was said.
    Skipped,
}

impl Ending {
    /// The word in the report.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// The ending that a line of a report names.
    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::Passed, Self::Failed, Self::Skipped].into_iter().find(|ending| ending.as_str() == word)
    }

    /// The ending of something that succeeded or did not.
    pub(super) const fn of(succeeded: bool) -> Self {
        if succeeded { Self::Passed } else { Self::Failed }
    }
}

/// Every test and check of a run.
#[derive(Debug, Default)]
pub(super) struct Report {
    lines: Vec<(Ending, String)>,
}

impl Report {
    /// Notes one ending. Names are one line; that of a test begins with its crate, that of a check with `check::`.
    pub(super) fn add(&mut self, ending: Ending, name: &str) {
        self.lines.push((ending, name.split_whitespace().collect::<Vec<_>>().join(" ")));
    }

    /// How many ended so.
    pub(super) fn count(&self, ending: Ending) -> usize {
        self.lines.iter().filter(|(how, _)| *how == ending).count()
    }

    /// The names of those that ended so.
    pub(super) fn names(&self, ending: Ending) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(move |(how, _)| *how == ending).map(|(_, name)| name.as_str())
    }

    /// The line that ends the run.
    pub(super) fn totals(&self) -> String {
        let [passed, failed, skipped] =
            [Ending::Passed, Ending::Failed, Ending::Skipped].map(|ending| self.count(ending));
        format!("{passed} passed, {failed} failed, {skipped} skipped")
    }

    /// Writes `tests.txt`, by name.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Problem> {
        let mut sorted: Vec<_> = self.lines.iter().map(|(ending, name)| (name, ending)).collect();
        sorted.sort_unstable();
        let text: String = sorted.iter().map(|(name, ending)| format!("{} {name}\n", ending.as_str())).collect();
        let file = folder.join("tests.txt");
        std::fs::write(&file, text).map_err(|error| {
            Problem::new(format!("{} cannot be written: {error}.", file.display()), "Make the target folder writable.")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_a_line_a_test_and_the_totals_agree() {
        let folder = std::env::temp_dir().join(format!("latchkey-xtask-report-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut report = Report::default();
        report.add(Ending::Passed, "b::two\nlines");
        report.add(Ending::Skipped, "check::c");
        report.add(Ending::Failed, "a::one");
        report.write(&folder).unwrap();
        let text = std::fs::read_to_string(folder.join("tests.txt")).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(text, "failed a::one\npassed b::two lines\nskipped check::c\n");
        assert_eq!(report.totals(), "1 passed, 1 failed, 1 skipped");
    }
}
