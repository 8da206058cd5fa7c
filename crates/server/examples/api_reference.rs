//! Prints the calls of the API for `docs/api.md`.
#![allow(clippy::print_stdout)] // printing is all it does

use std::collections::BTreeMap;

use latchkey_server::api::description;
use latchkey_server::api::scope::Right;

fn main() {
    let document = description();
    let mut by_tag: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, item) in &document.paths.paths {
        let operations = [
            ("GET", &item.get),
            ("POST", &item.post),
            ("PUT", &item.put),
            ("PATCH", &item.patch),
            ("DELETE", &item.delete),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            let tag = operation.tags.iter().flatten().next().cloned().unwrap_or_default();
            let summary = operation.summary.as_deref().unwrap_or_default().replace('|', "\\|");
            let short = path.strip_prefix("/api/v1/o/{org}").filter(|short| !short.is_empty()).unwrap_or(path);
            by_tag.entry(tag).or_default().push(format!("| `{method} {short}` | {summary} |"));
        }
    }
    let scopes: Vec<String> = Right::ALL.iter().map(|right| format!("`{right}`")).collect();
    println!("\n## Scopes\n\n{}", scopes.join(" · "));
    for (tag, calls) in by_tag {
        println!("\n## {}\n\n| call | what it does |\n|---|---|\n{}", heading(&tag), calls.join("\n"));
    }
}

fn heading(tag: &str) -> String {
    let words = tag.replace("api", "API").replace("oauth2", "OAuth 2.0").replace('-', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
