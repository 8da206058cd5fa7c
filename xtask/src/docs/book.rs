//! Whether the book holds together: every page is in `SUMMARY.md`, every link leads to a file, and every numbered test that a page
//! claims is in the code. Reads only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::problem::Problem;
use crate::workspace::Workspace;

/// What is wrong with the book, a sentence each.
pub(super) fn faults(workspace: &Workspace) -> Result<Vec<String>, Problem> {
    let root = workspace.root();
    let mut pages = files(&root.join("docs"), "md")?;
    pages.sort();
    let mut tests = BTreeSet::new();
    for folder in ["crates", "interop"] {
        for file in files(&root.join(folder), "rs")? {
            tests.extend(numbers(&read(&file)?, "fn ", '_'));
        }
    }
    let summary: BTreeSet<String> = links(&read(&root.join("docs/SUMMARY.md"))?).map(str::to_owned).collect();

    let mut faults = Vec::new();
    for page in pages.iter().chain([&root.join("README.md")]) {
        let text = read(page)?;
        let name = page.strip_prefix(root).unwrap_or(page).display().to_string();
        let in_book = page.strip_prefix(root.join("docs")).ok().map(|path| path.display().to_string());
        if in_book.is_some_and(|path| path != "SUMMARY.md" && !summary.contains(&path)) {
            faults.push(format!("{name} is not in docs/SUMMARY.md"));
        }
        for link in links(&text) {
            let file = page.parent().unwrap_or(root).join(link);
            if !file.exists() {
                faults.push(format!("{name} links to {link}, which does not exist"));
            }
        }
        for number in numbers(&text, "`", '_').difference(&tests) {
            faults.push(format!("{name} claims tests named {number}_…, and there is none"));
        }
    }
    Ok(faults)
}

/// The targets of relative links in Markdown, without what names a place in the page.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.contains(char::is_whitespace))
}

/// Numbers of attacks and requirements (`a09`, `r21`) that stand between `before` and `after`.
fn numbers(text: &str, before: &str, after: char) -> BTreeSet<String> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| rest.split_once(after))
        .map(|(number, _)| number)
        .filter(|number| {
            number.len() == 3
                && number.starts_with(['a', 'r'])
                && number.chars().skip(1).all(|digit| digit.is_ascii_digit())
        })
        .map(str::to_owned)
        .collect()
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Problem> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    Ok(found)
}

fn read(file: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(format!("{} cannot be read: {error}.", path.display()), "Check the checkout with git status.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_numbers_are_found_where_they_stand() {
        let text = "[a](b/c.md#d) [e](https://f) [g](#h) [i](j \"k\") `a09_…` (`r21_x`), a15_ `axx_`";
        assert_eq!(links(text).collect::<Vec<_>>(), ["b/c.md"]);
        assert_eq!(numbers(text, "`", '_').into_iter().collect::<Vec<_>>(), ["a09", "r21"]);
        assert_eq!(numbers("fn a15_bombs() { fn b() }", "fn ", '_').len(), 1);
    }
}
