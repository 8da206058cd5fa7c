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

/// The numbers that tests carry: `fn a08_r08_name()` carries two. A function that nothing marks as a test shows nothing.
fn test_numbers(code: &str) -> BTreeSet<String> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = BTreeSet::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((_, mut name)) = line.split_once("fn ") else { continue };
        if leading_number(name).is_none() || !is_test(&lines[..at], line) {
            continue;
        }
        while let Some((number, rest)) = leading_number(name) {
            found.insert(number.to_owned());
            name = rest;
        }
    }
    found
}

/// What makes a function a test.
const MARKS: [&str; 3] = ["#[test]", "#[tokio::test", "proptest!"];

/// Whether a function's own line, or what stands directly above it, marks it as a test.
fn is_test(above: &[&str], line: &str) -> bool {
    let marked = |line: &str| MARKS.iter().any(|mark| line.contains(mark));
    let others = |line: &&&str| line.trim().is_empty() || line.trim_end().ends_with(['}', ';']);
    marked(line) || above.iter().rev().take_while(|line| !others(line)).any(|line| marked(line))
}

/// `a09` or `r21` before an underscore, and what follows that.
fn leading_number(text: &str) -> Option<(&str, &str)> {
    let (number, rest) = text.split_once('_')?;
    let digits = number.strip_prefix(['a', 'r'])?;
    (digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit())).then_some((number, rest))
}

/// The files with this extension in a folder and below it.
pub(crate) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Problem> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target" && name != "node_modules") {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    Ok(found)
}

/// A file's text.
pub(crate) fn read(file: &Path) -> Result<String, Problem> {
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
        let code = "#[test]\nfn a08_r08_serials() {\n}\n\n#[tokio::test(flavor = \"multi_thread\")]\n// why\nasync fn a15_bombs() {\n}\n\n\
            proptest! {\n    /// What.\n    fn a16_shapes(x in 0..3) {}\n}\n";
        assert_eq!(test_numbers(code).into_iter().collect::<Vec<_>>(), ["a08", "a15", "a16", "r08"]);
    }

    #[test]
    fn a_function_that_is_no_test_shows_nothing() {
        for code in
            ["fn r01_helper() {}", "#[test]\nfn name() {\n}\nfn r01_helper() {\n}", "#[test]\n\nfn r01_far() {}"]
        {
            assert!(test_numbers(code).is_empty(), "{code}");
        }
    }
}
