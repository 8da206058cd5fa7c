//! The table of third-party services. The tests that run the services write it, one line a cell, to `services.txt` in the folder that
//! [`FOLDER_VARIABLE`] names; this stage shows it and sees to it that it is there.

use super::Run;
use super::report::Ending;
use crate::output;
use crate::problem::Problem;

/// Names the folder for reports to the tests.
pub(super) const FOLDER_VARIABLE: &str = "LATCHKEY_REPORT_DIR";

/// The tests that write the table have this in their names.
const TESTS: &str = "services_table";

/// Shows the table. It is missing only where no test writes one.
pub(super) fn table(run: &mut Run<'_>) -> Result<(), Problem> {
    let file = run.workspace.report().join("services.txt");
    let cells = std::fs::read_to_string(&file).unwrap_or_default();
    for line in cells.lines() {
        output::say(line);
    }
    if cells.lines().count() > 0 {
        output::say(format_args!("{} cells", cells.lines().count()));
        run.check("services", Ending::Passed);
    } else if run.report.ran(TESTS) {
        output::say(format_args!("the tests named {TESTS} ran and left no {}", file.display()));
        run.check("services", Ending::Failed);
    } else {
        run.skip("services", "no test named services_table ran");
    }
    Ok(())
}
