//! The table of third-party services. The tests of `tests/services` write it, one line a cell, to `target/report/services.txt`, which
//! was removed before they ran; here it is shown, and has to be there.

use super::Run;
use super::report::Ending;
use crate::output;

/// Shows the table, which must be there.
pub(super) fn table(run: &mut Run<'_>) {
    let file = run.workspace.report().join("services.txt");
    let cells = std::fs::read_to_string(&file).unwrap_or_default();
    for line in cells.lines() {
        output::say(line);
    }
    let count = cells.lines().count();
    if count == 0 {
        output::say(format_args!("the tests of tests/services left no {}", file.display()));
    } else {
        output::say(format_args!("{count} cells"));
    }
    run.check("services", Ending::of(count > 0));
}
