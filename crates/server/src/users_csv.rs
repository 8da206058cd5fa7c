//! Users as CSV.
//!
//! Owns the columns and the two directions. A cell that a spreadsheet would take for a formula gets an apostrophe in front when written, and
//! loses it when read. Portal and REST come here alike. Must not know what a line may do.

use csv::StringRecord;
use latchkey_directory::patch::Patch;
use latchkey_directory::users::{ImportLine, UserPatch, UserView};
use latchkey_wire::Code as Wire;

use crate::export::FORMULA;
use crate::nearest::nearest;
use crate::problem::{Problem, Result};

pub(crate) const COLUMNS: [&str; 7] =
    ["login_name", "display_name", "given_name", "family_name", "emails", "department", "groups"];

/// So many broken lines are told.
const MOST_TOLD: usize = 100;

/// Reads a file. Its first line names the columns.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<ImportLine>> {
    // Spreadsheets put a mark in front.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|error| broken(&error))?.clone();
    known(&header)?;
    let mut lines = Vec::new();
    let mut problem: Option<Problem> = None;
    let mut told = 0;
    for record in reader.records() {
        let record = record.map_err(|error| broken(&error))?;
        let line = record.position().map_or(0, |position| line_of(bytes, position));
        if record.iter().all(str::is_empty) {
            continue;
        }
        if record.len() != header.len() {
            let detail =
                format!("line {line}: {} cells where the first line names {} columns", record.len(), header.len());
            let so_far = problem.take().unwrap_or_else(|| Problem::of(Wire::Api010).detail(detail.clone()));
            problem = Some(so_far.field(format!("/{line}"), Wire::Api010, detail));
            told += 1;
            if told >= MOST_TOLD {
                break;
            }
            continue;
        }
        lines.push(of_record(line, &header, &record));
    }
    problem.map_or(Ok(lines), Err)
}

/// The line on which a record begins. The reader counts empty lines in front as a part of it.
fn line_of(bytes: &[u8], position: &csv::Position) -> u64 {
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let empty = bytes.get(start..).unwrap_or_default().iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + empty.filter(|byte| **byte == b'\n').count() as u64
}

fn broken(error: &csv::Error) -> Problem {
    Problem::of(Wire::Api001)
        .detail(format!("this is not CSV: {error}"))
        .fix("Send UTF-8 with commas; the first line names the columns.")
}

fn known(header: &StringRecord) -> Result<()> {
    let mut problem: Option<Problem> = None;
    for name in header.iter().filter(|name| !COLUMNS.contains(name)) {
        let detail = match nearest(name, COLUMNS) {
            Some(near) => format!("there is no column {name}; is it {near}?"),
            None => format!("there is no column {name}; there are {}", COLUMNS.join(", ")),
        };
        let so_far = problem.take().unwrap_or_else(|| Problem::of(Wire::Api003).detail(detail.clone()));
        problem = Some(so_far.field(format!("/1/{name}"), Wire::Api003, detail));
    }
    if problem.is_none() && !header.iter().any(|name| name == "login_name") {
        let detail = "the first line has no column login_name";
        problem = Some(Problem::of(Wire::Api010).detail(detail).field("/1/login_name", Wire::Api010, detail));
    }
    problem.map_or(Ok(()), Err)
}

fn of_record(line: u64, header: &StringRecord, record: &StringRecord) -> ImportLine {
    let mut found = ImportLine { line, login_name: String::new(), profile: UserPatch::default() };
    let profile = &mut found.profile;
    for (name, cell) in header.iter().zip(record) {
        let cell = plain(cell);
        let text = || if cell.is_empty() { Patch::Clear } else { Patch::Set(cell.to_owned()) };
        let list = || cell.split(';').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
        match name {
            "login_name" => found.login_name = cell.to_owned(),
            "display_name" => profile.display_name = text(),
            "given_name" => profile.given_name = text(),
            "family_name" => profile.family_name = text(),
            "emails" => profile.emails = Some(list()),
            "department" => profile.department = text(),
            "groups" => profile.groups = Some(list()),
            _ => {}
        }
    }
    found
}

fn plain(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| rest.starts_with(FORMULA)).unwrap_or(cell)
}

/// A user's line.
pub(crate) fn line(user: &UserView) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    vec![
        user.login_name.clone(),
        text(&user.display_name),
        text(&user.given_name),
        text(&user.family_name),
        user.emails.join(";"),
        text(&user.department),
        user.groups.join(";"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::inert;

    #[test]
    fn columns_are_known_and_every_broken_line_is_told() {
        let error = read(b"login_nam,departement\n").unwrap_err().document();
        assert_eq!((error["status"].as_u64(), error["errors"].as_array().unwrap().len()), (Some(400), 2));
        let error = read(b"login_name,department\na@b.example\n\nc@b.example,x,y\n").unwrap_err().document();
        assert_eq!(error["errors"][0]["pointer"], "/2");
        assert_eq!(error["errors"][1]["pointer"], "/4");
        assert_eq!(read(b"department\nx\n").unwrap_err().status(), 422);
    }

    #[test]
    fn cells_are_lists_and_empty_ones_take_away() {
        let lines =
            read(b"\xef\xbb\xbflogin_name,emails,display_name\na@b.example,x@b.example; y@b.example,\n").unwrap();
        assert_eq!(lines[0].line, 2);
        assert_eq!(lines[0].profile.emails.as_deref(), Some(&["x@b.example".to_owned(), "y@b.example".to_owned()][..]));
        assert_eq!(lines[0].profile.display_name, Patch::Clear);
        assert_eq!(lines[0].profile.department, Patch::Keep);
    }

    #[test]
    fn no_cell_is_a_formula_and_what_was_written_reads_back() {
        for text in ["=1+1", "+1", "-1", "@x", "plain", "'quoted"] {
            let written = inert(text);
            assert!(!written.starts_with(FORMULA), "{written}");
            assert_eq!(plain(&written), text);
        }
    }
}
