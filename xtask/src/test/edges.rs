//! Which crate may know which, and that each uses what it declares.
//!
//! Owns the table of permitted edges (the design's "Crates, bottom up"): an edge that is not in it is a decision, not a fix. Reads the
//! manifests through cargo, and the sources as text. Must not know what the crates do.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::Run;
use super::report::Ending;
use crate::output;
use crate::problem::Problem;
use crate::process::Program;

/// Our crates that each of ours may use; one that is not named may use none.
const PERMITTED: &[(&str, &[&str])] = &[
    ("latchkey-connector", &["latchkey-wire", "latchkey-options"]),
    ("latchkey-directory", &["latchkey-wire"]),
    ("latchkey-store", &["latchkey-directory"]),
    ("latchkey", &["latchkey-wire", "latchkey-options", "latchkey-saml", "latchkey-directory", "latchkey-store"]),
    ("latchkey-bench", &["latchkey-wire", "latchkey-saml"]),
];

/// The same for tests alone. The rules of the directory are tested on a real store; the cycle exists only between test binaries.
const IN_TESTS: &[(&str, &[&str])] = &[
    ("latchkey-directory", &["latchkey-store"]),
    ("latchkey-store", &["latchkey-wire"]),
    ("latchkey-services-tests", &["latchkey-saml"]),
];

/// Where a package's Rust files are.
const FOLDERS: [&str; 4] = ["src", "tests", "examples", "benches"];

/// Looks at every package of the workspace.
pub(super) fn stage(run: &mut Run<'_>) -> Result<(), Problem> {
    let said = Program::new(run.workspace, "cargo")
        .args(["metadata", "--locked", "--no-deps", "--format-version", "1"])
        .ask()
        .map_err(|said| Problem::new(format!("cargo metadata failed: {said}"), "See what it says above."))?;
    let packages = packages(&said)
        .ok_or_else(|| Problem::new("cargo metadata is not what it used to be.".to_owned(), "Read it in xtask."))?;
    let mut faults = forbidden(&packages);
    for package in &packages {
        faults.extend(unused(package, &words(&package.folder)?));
    }
    for fault in &faults {
        output::say(fault);
    }
    run.check("edges", Ending::of(faults.is_empty()));
    Ok(())
}

/// A package and what it declares.
struct Package {
    name: String,
    folder: std::path::PathBuf,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    /// The package.
    name: String,
    /// What it is called in the code.
    word: String,
    /// For tests alone.
    dev: bool,
}

fn packages(metadata: &str) -> Option<Vec<Package>> {
    let metadata: Value = serde_json::from_str(metadata).ok()?;
    let dependency = |value: &Value| {
        let name = value["name"].as_str()?.to_owned();
        let word = value["rename"].as_str().unwrap_or(&name).replace('-', "_");
        Some(Dependency { name, word, dev: value["kind"] == "dev" })
    };
    let package = |value: &Value| {
        let dependencies = value["dependencies"].as_array()?.iter().map(dependency).collect::<Option<_>>()?;
        let folder = Path::new(value["manifest_path"].as_str()?).parent()?.to_owned();
        Some(Package { name: value["name"].as_str()?.to_owned(), folder, dependencies })
    };
    metadata["packages"].as_array()?.iter().map(package).collect()
}

/// Edges between our crates that are in no table.
fn forbidden(packages: &[Package]) -> Vec<String> {
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let listed = |table: &[(&str, &[&str])], from: &str, to: &str| {
        table.iter().any(|(name, may)| *name == from && may.contains(&to))
    };
    let mut faults = Vec::new();
    for package in packages {
        for Dependency { name, dev, .. } in &package.dependencies {
            let permitted = listed(PERMITTED, &package.name, name) || *dev && listed(IN_TESTS, &package.name, name);
            if ours.contains(name.as_str()) && !permitted {
                faults.push(format!("{} must not know {name} (xtask/src/test/edges.rs)", package.name));
            }
        }
    }
    faults
}

/// What is declared and is no word of the sources.
fn unused(package: &Package, words: &BTreeSet<String>) -> Vec<String> {
    let missing = package.dependencies.iter().filter(|dependency| !words.contains(&dependency.word));
    missing.map(|dependency| format!("{} declares {} and does not use it", package.name, dependency.name)).collect()
}

/// Every word in a package's Rust files.
fn words(folder: &Path) -> Result<BTreeSet<String>, Problem> {
    let mut words = BTreeSet::new();
    let build = folder.join("build.rs");
    let mut files = if build.exists() { vec![build] } else { Vec::new() };
    for name in FOLDERS {
        let folder = folder.join(name);
        if folder.exists() {
            files.extend(crate::docs::files(&folder, "rs")?);
        }
    }
    for file in files {
        let text = crate::docs::read(&file)?;
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        words.extend(text.split(|c| !is_word(c)).filter(|word| !word.is_empty()).map(str::to_owned));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"{"packages": [
        {"name": "latchkey-wire", "manifest_path": "/w/wire/Cargo.toml", "dependencies": []},
        {"name": "latchkey-store", "manifest_path": "/w/store/Cargo.toml", "dependencies": [
            {"name": "latchkey-wire", "kind": "dev", "rename": null}, {"name": "tokio", "kind": null, "rename": "rt"},
            {"name": "aws-lc-rs", "kind": null, "rename": null}]},
        {"name": "latchkey-saml", "manifest_path": "/w/saml/Cargo.toml", "dependencies": [
            {"name": "latchkey-wire", "kind": null, "rename": null}]}
    ]}"#;

    #[test]
    fn an_edge_that_is_in_no_table_is_a_fault() {
        let packages = packages(METADATA).unwrap();
        assert_eq!(forbidden(&packages), ["latchkey-saml must not know latchkey-wire (xtask/src/test/edges.rs)"]);
    }

    #[test]
    fn what_is_declared_must_be_a_word_of_the_code() {
        let packages = packages(METADATA).unwrap();
        let words = ["aws_lc_rs", "latchkey_wire", "tokio"].map(str::to_owned).into();
        assert_eq!(unused(&packages[1], &words), ["latchkey-store declares tokio and does not use it"]);
    }
}
