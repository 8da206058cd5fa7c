//! The catalogue of texts.
//!
//! Owns every word that a page shows, by key: `tokens.title` is `title` in `texts/en/tokens.toml`. One folder for each language; English is the
//! one there is. Must not know pages. A key that the catalogue has not is a mistake that a test finds.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

/// The files of the catalogue, each with the first part of its keys.
const FILES: &[(&str, &str)] = &[
    ("account", include_str!("../../texts/en/account.toml")),
    ("audit", include_str!("../../texts/en/audit.toml")),
    ("branding", include_str!("../../texts/en/branding.toml")),
    ("clients", include_str!("../../texts/en/clients.toml")),
    ("common", include_str!("../../texts/en/common.toml")),
    ("deploy", include_str!("../../texts/en/deploy.toml")),
    ("devices", include_str!("../../texts/en/devices.toml")),
    ("domains", include_str!("../../texts/en/domains.toml")),
    ("front", include_str!("../../texts/en/front.toml")),
    ("groups", include_str!("../../texts/en/groups.toml")),
    ("import", include_str!("../../texts/en/import.toml")),
    ("enter", include_str!("../../texts/en/enter.toml")),
    ("dashboard", include_str!("../../texts/en/dashboard.toml")),
    ("keys", include_str!("../../texts/en/keys.toml")),
    ("landing", include_str!("../../texts/en/landing.toml")),
    ("device_groups", include_str!("../../texts/en/device_groups.toml")),
    ("rules", include_str!("../../texts/en/rules.toml")),
    ("methods", include_str!("../../texts/en/methods.toml")),
    ("overview", include_str!("../../texts/en/overview.toml")),
    ("mail", include_str!("../../texts/en/mail.toml")),
    ("policy", include_str!("../../texts/en/policy.toml")),
    ("problem", include_str!("../../texts/en/problem.toml")),
    ("roles", include_str!("../../texts/en/roles.toml")),
    ("settings", include_str!("../../texts/en/settings.toml")),
    ("setup", include_str!("../../texts/en/setup.toml")),
    ("services", include_str!("../../texts/en/services.toml")),
    ("sessions", include_str!("../../texts/en/sessions.toml")),
    ("tokens", include_str!("../../texts/en/tokens.toml")),
    ("users", include_str!("../../texts/en/users.toml")),
];

fn catalogue() -> &'static HashMap<String, String> {
    static TEXTS: OnceLock<HashMap<String, String>> = OnceLock::new();
    TEXTS.get_or_init(|| {
        let mut texts = HashMap::new();
        for (room, file) in FILES {
            let table: toml::Table = file.parse().expect("a test reads every file of the catalogue");
            flatten(room, &table, &mut texts);
        }
        texts
    })
}

fn flatten(prefix: &str, table: &toml::Table, into: &mut HashMap<String, String>) {
    for (key, value) in table {
        let key = format!("{prefix}.{key}");
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, into),
            toml::Value::String(text) => drop(into.insert(key, text.clone())),
            other => drop(into.insert(key, other.to_string())),
        }
    }
}

/// The text under a key, if there is one.
#[must_use]
pub fn find(key: &str) -> Option<&'static str> {
    catalogue().get(key).map(String::as_str)
}

/// The text under a key. One that is missing shows as its key: ugly, and seen.
#[must_use]
pub fn t(key: &str) -> Cow<'static, str> {
    find(key).map_or_else(|| Cow::Owned(format!("[{key}]")), Cow::Borrowed)
}

/// The text under a key with its places `{0}`, `{1}` … filled.
#[must_use]
pub fn tt(key: &str, values: &[&str]) -> String {
    let text = t(key);
    let mut out = String::with_capacity(text.len() + 32);
    let mut rest = &*text;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let place = after.split_once('}').and_then(|(number, tail)| Some((number.parse::<usize>().ok()?, tail)));
        match place.and_then(|(number, tail)| Some((values.get(number)?, tail))) {
            Some((value, tail)) => {
                out.push_str(value);
                rest = tail;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    /// Keys that are put together at run time begin with one of these.
    const COMPUTED: &[&str] = &[
        "account.method.",
        "methods.about.",
        "rules.does.",
        "rules.means.",
        "methods.name.",
        "common.state.",
        "common.platform.",
        "common.level.",
        "common.room.",
        "common.said.",
        "deploy.from.",
        "deploy.kind.",
        "deploy.kind.hint.",
        "deploy.steps.one.",
        "deploy.steps.system.",
        "deploy.steps.two.",
        "deploy.system.",
        "devices.actor.",
        "devices.ask.",
        "devices.beware.",
        "devices.binding.",
        "devices.field.",
        "devices.fix.",
        "devices.kept.",
        "devices.level.",
        "devices.means.",
        "devices.reason.",
        "devices.source.",
        "domains.means.",
        "mail.change.",
        "mail.news.",
        "mail.news_subject.",
        "problem.status.",
        "roles.level.",
        "roles.of.",
        "roles.short.",
        "setup.steps.",
        "tokens.revoke.since.",
        "users.from.",
        "audit.fault.",
        "audit.kind.",
        "clients.by.",
        "dashboard.days.",
        "keys.new.",
        "keys.states.",
        "keys.uses.",
        "services.name_ids.",
        "services.signs.",
        "services.target.",
        "sessions.channel.",
    ];

    fn files(folder: &Path, ending: &str, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, ending, into);
            } else if path.extension().is_some_and(|found| found == ending) {
                into.push(path);
            }
        }
    }

    /// What stands between quotes in the templates and in the sources, and looks like a key of the catalogue.
    fn named() -> BTreeSet<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut all = Vec::new();
        files(&root.join("templates"), "html", &mut all);
        files(&root.join("src"), "rs", &mut all);
        let rooms: Vec<&str> = FILES.iter().map(|(room, _)| *room).collect();
        let is_key = |word: &str| {
            let key = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
            word.split_once('.')
                .is_some_and(|(room, rest)| rooms.contains(&room) && !rest.is_empty() && !rest.ends_with('.'))
                && word.chars().all(key)
        };
        let mut found = BTreeSet::new();
        for path in all {
            // This file names keys that there are not.
            if path.ends_with("portal/text.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            found.extend(text.split('"').filter(|word| is_key(word)).map(str::to_owned));
        }
        found
    }

    #[test]
    fn every_file_of_the_folder_is_in_the_catalogue() {
        let mut there = Vec::new();
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("texts/en"), "toml", &mut there);
        let mut names: Vec<_> = there.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
        names.sort_unstable();
        let mut listed: Vec<_> = FILES.iter().map(|(name, _)| *name).collect();
        listed.sort_unstable();
        assert_eq!(names, listed);
    }

    #[test]
    fn every_text_that_is_named_is_there_and_none_is_there_for_nothing() {
        let named = named();
        // The first part of a key that is put together, or the name of a file.
        // What was done is called alike, and a host.
        let others = ["policy.set", "mail.give-up", "mail.example.com"];
        let file = |key: &str| [".html", ".csv"].iter().any(|ending| key.ends_with(ending)) || others.contains(&key);
        let part = |key: &str| COMPUTED.iter().any(|prefix| format!("{key}.").starts_with(prefix)) || file(key);
        let missing: Vec<_> = named.iter().filter(|key| find(key).is_none() && !part(key)).collect();
        assert!(missing.is_empty(), "not in the catalogue: {missing:#?}");
        let idle: Vec<_> = catalogue()
            .keys()
            .filter(|key| !named.contains(*key) && !COMPUTED.iter().any(|prefix| key.starts_with(prefix)))
            .collect();
        assert!(idle.is_empty(), "in the catalogue, and nobody shows them: {idle:#?}");
    }

    #[test]
    fn places_are_filled_and_a_value_is_not_read_again() {
        assert_eq!(t("no.such"), "[no.such]");
        let key = "common.of";
        assert_eq!(tt(key, &["{1}", "5"]), t(key).replace("{1}", "5").replace("{0}", "{1}"));
    }
}
