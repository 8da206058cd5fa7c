//! Documents as people read them: aligned columns, aligned members.
//!
//! Owns the form of text on a terminal. Knows no resource. What comes from the server may have been chosen by a device or a
//! person elsewhere, so no control character of it reaches the terminal.

use serde_json::Value;

/// A column: its head and the member it shows; a `.` goes into a member of a member.
pub(crate) type Column = (&'static str, &'static str);

/// What a person looks for first; the rest follows by name.
const FIRST: [&str; 12] = [
    "name",
    "slug",
    "login_name",
    "display_name",
    "code",
    "title",
    "description",
    "host",
    "state",
    "status",
    "verification",
    "id",
];

/// Rows as a table.
pub(crate) fn table(columns: &[Column], rows: &[Value]) -> String {
    let head = columns.iter().map(|(head, _)| (*head).to_owned()).collect();
    let mut lines: Vec<Vec<String>> = vec![head];
    lines.extend(rows.iter().map(|row| columns.iter().map(|(_, path)| cell(at(row, path))).collect()));
    let mut widths = vec![0; columns.len()];
    for line in &lines {
        for (width, text) in widths.iter_mut().zip(line) {
            *width = (*width).max(text.chars().count());
        }
    }
    let mut out = String::new();
    for line in &lines {
        let mut text = String::new();
        for (width, value) in widths.iter().zip(line) {
            text.push_str(value);
            text.push_str(&" ".repeat(width - value.chars().count() + 2));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

/// One document, a member a line.
pub(crate) fn document(value: &Value) -> String {
    let Value::Object(members) = value else {
        return if value.is_null() { String::new() } else { format!("{}\n", cell(Some(value))) };
    };
    let width = members.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|(name, _)| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
    for (name, value) in members {
        let name = clean(name);
        match value {
            Value::Array(items) if items.iter().any(Value::is_object) => {
                out.push_str(&format!("{name}\n"));
                // A sample tells which; whoever wants all of each asks for it by name.
                let brief = name == "sample";
                for item in items {
                    let shown = if brief { FIRST.iter().find_map(|name| item.get(name)).unwrap_or(item) } else { item };
                    out.push_str(&format!("  - {}\n", cell(Some(shown))));
                }
            }
            // Metadata and other text of many lines stands for itself.
            Value::String(text) if text.contains('\n') => {
                out.push_str(&format!("{name}\n"));
                for line in text.lines() {
                    out.push_str(&format!("  {}\n", clean(line)));
                }
            }
            _ => out.push_str(&format!("{name:width$}  {}\n", cell(Some(value)))),
        }
    }
    out
}

/// What a dry run found: counts, and a sample by name.
pub(crate) fn dry_run(value: &Value) -> String {
    let mut out = "Nothing was changed. This would have:\n".to_owned();
    for (what, count) in value["would"].as_object().into_iter().flatten() {
        out.push_str(&format!("  {} {}\n", clean(what), cell(Some(count))));
    }
    for one in value["sample"].as_array().into_iter().flatten() {
        let name = FIRST.iter().find_map(|name| one.get(name)).unwrap_or(one);
        out.push_str(&format!("  - {}\n", cell(Some(name))));
    }
    out
}

/// A value in one line.
pub(crate) fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "-".to_owned(),
        Some(Value::String(text)) => clean(text),
        Some(Value::Array(items)) if items.is_empty() => "-".to_owned(),
        Some(Value::Array(items)) => items.iter().map(|item| cell(Some(item))).collect::<Vec<_>>().join(", "),
        Some(Value::Object(members)) => {
            let parts: Vec<_> = members.iter().map(|(n, v)| format!("{} {}", clean(n), cell(Some(v)))).collect();
            parts.join(", ")
        }
        Some(number) => number.to_string(),
    }
}

/// The member a path names.
pub(crate) fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, name| value.get(name))
}

/// The text with everything that a terminal would act on taken out.
pub(crate) fn clean(text: &str) -> String {
    let is_plain = |c: char| {
        !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_plain(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_aligned_and_lines_have_no_blank_end() {
        let rows = [json!({"name": "acme.example", "user": {"n": 1}}), json!({"name": "b", "user": null})];
        assert_eq!(
            table(&[("NAME", "name"), ("N", "user.n")], &rows),
            "NAME          N\nacme.example  1\nb             -\n"
        );
    }

    #[test]
    fn members_are_aligned() {
        let value = json!({"id": "1", "domains": ["a", "b"], "open": false, "events": [{"code": "x", "n": 2}]});
        let text = document(&value);
        assert!(text.contains("domains  a, b\n"), "{text}");
        assert!(text.contains("open     no\n"), "{text}");
        assert!(text.contains("events\n  - code x, n 2\n"), "{text}");
    }

    #[test]
    fn what_a_person_looks_for_comes_first() {
        assert_eq!(document(&json!({"a": 1, "id": 2, "name": "x"})), "name  x\nid    2\na     1\n");
        let would = json!({"would": {"removed": 2}, "sample": [{"id": "1", "host": "pc"}, "two"]});
        assert_eq!(dry_run(&would), "Nothing was changed. This would have:\n  removed 2\n  - pc\n  - two\n");
    }

    #[test]
    fn a_devices_name_does_not_steer_the_terminal() {
        assert_eq!(cell(Some(&json!("a\u{1b}[2Jb\u{202e}c\td"))), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
    }
}
