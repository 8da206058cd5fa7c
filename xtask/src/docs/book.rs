//! Whether the book holds together: every page is in `SUMMARY.md`, every link leads to a file, every numbered test that a page claims
//! is in the code, and so are those of the numbers in [`SHOWN`]. Reads only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::problem::Problem;
use crate::workspace::Workspace;

/// Attacks and requirements of `docs/security/` that are built, so a test must show each of them.
const SHOWN: &[&str] = &[
    "a03", "a05", "a09", "a10", "a11", "a13", "a14", "a15", "a31", "a32", "r01", "r02", "r03", "r05", "r07", "r08",
    "r10", "r11", "r12", "r13", "r14", "r15", "r20", "r21", "r22", "r23", "r25", "r26", "r29",
];

/// What is wrong with the book, a sentence each.
pub(super) fn faults(workspace: &Workspace) -> Result<Vec<String>, Problem> {
    let root = workspace.root();
    let mut pages = files(&root.join("docs"), "md")?;
    pages.sort();
    let mut tests = BTreeSet::new();
    for folder in ["crates", "interop", "tests"] {
        for file in files(&root.join(folder), "rs")? {
            tests.extend(test_numbers(&read(&file)?));
        }
    }
    let summary: BTreeSet<String> = links(&read(&root.join("docs/SUMMARY.md"))?).map(str::to_owned).collect();

    let mut faults: Vec<String> = SHOWN
        .iter()
        .filter(|number| !tests.contains(**number))
        .map(|number| format!("no test is named {number}_…, and docs/security/ says that it is shown"))
        .collect();
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
        for number in claimed_numbers(&text).difference(&tests) {
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

/// The numbers that a page claims tests for: `a09_…`.
fn claimed_numbers(text: &str) -> BTreeSet<String> {
    text.split('`').filter_map(leading_number).map(|(number, _)| number.to_owned()).collect()
}

/// The numbers that tests carry: `fn a08_r08_name()` carries two.
fn test_numbers(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for mut name in code.split("fn ").skip(1) {
        while let Some((number, rest)) = leading_number(name) {
            found.insert(number.to_owned());
            name = rest;
        }
    }
    found
}

/// `a09` or `r21` before an underscore, and what follows that.
fn leading_number(text: &str) -> Option<(&str, &str)> {
    let (number, rest) = text.split_once('_')?;
    let digits = number.strip_prefix(['a', 'r'])?;
    (digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit())).then_some((number, rest))
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
        assert_eq!(claimed_numbers(text).into_iter().collect::<Vec<_>>(), ["a09", "r21"]);
        let code = "fn a08_r08_serials() { fn b() } fn a15_bombs";
        assert_eq!(test_numbers(code).into_iter().collect::<Vec<_>>(), ["a08", "a15", "r08"]);
    }
}
