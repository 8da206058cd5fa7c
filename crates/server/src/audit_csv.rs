//! The audit log as CSV, for spreadsheets.
//!
//! Owns the columns, and that no cell is a formula. Must not know where the events come from.

use serde_json::Value;

/// Columns of CSV: every member an event may have.
const CSV: [&str; 16] = [
    "at",
    "actor_kind",
    "actor",
    "address",
    "action",
    "target",
    "outcome",
    "code",
    "ref",
    "details",
    "id",
    "org",
    "chain",
    "seq",
    "prev_hash",
    "hash",
];

/// The first line: the names of the columns.
#[must_use]
pub(crate) fn head() -> Vec<u8> {
    row(CSV.iter().map(|name| (*name).to_owned()))
}

/// One event; `member` finds what it has under a name.
pub(crate) fn line<'v>(member: impl Fn(&str) -> Option<&'v Value>) -> Vec<u8> {
    row(CSV.iter().map(|name| cell(member(name))))
}

fn row(cells: impl Iterator<Item = String>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing into memory does not fail.
    let _ = writer.write_record(cells);
    writer.into_inner().unwrap_or_default()
}

/// A cell that a spreadsheet takes for a formula would be run by whoever opens the file.
fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cell_is_never_a_formula() {
        assert_eq!(cell(Some(&json!("=HYPERLINK(\"x\")"))), "'=HYPERLINK(\"x\")");
        assert_eq!(cell(Some(&json!("anna@acme.example"))), "anna@acme.example");
        assert_eq!(cell(Some(&json!({"a": 1}))), "{\"a\":1}");
        assert_eq!(row(["a,b".to_owned(), "c".to_owned()].into_iter()), b"\"a,b\",c\n");
    }
}
