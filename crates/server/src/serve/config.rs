//! What `serve` was told, by whom, and who outranks whom.
//!
//! Owns the keys, each declared once in [`KEYS`]: the flag, the key of a file and the environment variable come from there.
//! Sources in order of rank: flag, `--config FILE`, environment (`LATCHKEY_…`), `DIR/latchkey.toml`: what was typed now beats
//! what was written down before, and what belongs to this start beats what belongs to the data. A list is taken whole from its
//! highest source. Must not know what a value means (`settings.rs`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches};

use crate::code::Own;
use crate::exit::{Failure, Result};
use crate::nearest::nearest;

/// Name of the configuration in the data directory.
pub const CONFIG_FILE: &str = "latchkey.toml";

/// One setting: `cloud_name` in a file, `--cloud-name` on the command line, `LATCHKEY_CLOUD_NAME` in the environment.
#[derive(Debug)]
pub struct Key {
    /// The flag, without `--`.
    pub flag: &'static str,
    /// What its value looks like; empty for a switch.
    pub value: &'static str,
    /// Whether it may be given several times.
    pub list: bool,
    /// One line of help.
    pub help: &'static str,
}

const fn one(flag: &'static str, value: &'static str, help: &'static str) -> Key {
    Key { flag, value, list: false, help }
}

/// Every setting of `serve`.
pub const KEYS: &[Key] = &[
    one("data", "DIR", "Data directory [default: ./latchkey-data]"),
    one("listen", "ADDR:PORT", "Address to listen on; port 0 takes a free one and keeps it [default: 127.0.0.1:8470]"),
    one("cloud-name", "HOST[:PORT]", "The name browsers and connectors use [default on loopback: localhost:PORT]"),
    one("tls", "own|off", "TLS by a certification authority of our own, or none"),
    one("tls-cert", "FILE", "Certificate chain, PEM"),
    one("tls-key", "FILE", "The certificate's private key, PEM"),
    Key {
        flag: "trusted-proxy",
        value: "CIDR",
        list: true,
        help: "Believe forwarded headers from this network (repeatable)",
    },
    one("database", "URL", "PostgreSQL instead of the embedded store"),
    one("master-key-file", "FILE", "Master key [default: DIR.key beside the data directory]"),
    one("dns-server", "ADDR:PORT", "Ask this server for domain verification"),
    one("metrics-listen", "ADDR:PORT", "Serve /metrics here, in plain HTTP"),
    one("mail-server", "HOST[:PORT]", "Send mail by this server [port: 587; 465 with implicit, 25 with off]"),
    one("mail-from", "ADDRESS", "The address that mails come from"),
    one("mail-tls", "starttls|implicit|off", "TLS to the mail server; off only on loopback [default: starttls]"),
    one("mail-user", "NAME", "Name at the mail server, where it asks for one"),
    one("mail-password-file", "FILE", "File with that name's password"),
    one("mail-ca-file", "FILE", "Trust these certification authorities for the mail server as well, PEM"),
    one("ready-file", "FILE", "Write the ready document here when the server answers"),
    one("log-format", "text|json", "Form of the log on stderr [default: text]"),
    one("accept-clock", "", "Go on although the clock looks wrong"),
];

/// What was typed: the flags of `serve` as they stand.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    values: BTreeMap<&'static str, Vec<String>>,
    config: Option<String>,
}

impl Key {
    /// The key's name in a file.
    #[must_use]
    pub fn name(&self) -> String {
        self.flag.replace('-', "_")
    }

    /// The key's environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("LATCHKEY_{}", self.name().to_ascii_uppercase())
    }

    fn argument(&self) -> Arg {
        let argument = Arg::new(self.flag).long(self.flag).help(self.help);
        match (self.value, self.list) {
            ("", _) => argument.action(ArgAction::SetTrue),
            (value, true) => argument.value_name(value).action(ArgAction::Append),
            (value, false) => argument.value_name(value),
        }
    }
}

impl clap::Args for Typed {
    fn augment_args(command: clap::Command) -> clap::Command {
        let config =
            Arg::new("config").long("config").value_name("FILE").help("A file of these keys, TOML; ranks below flags");
        command.args(KEYS.iter().map(Key::argument)).arg(config)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Typed {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let mut typed = Self::default();
        typed.update_from_arg_matches(matches)?;
        Ok(typed)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        for key in KEYS {
            if key.value.is_empty() {
                if matches.get_flag(key.flag) {
                    self.values.insert(key.flag, vec!["true".to_owned()]);
                }
            } else if let Some(values) = matches.get_many::<String>(key.flag) {
                self.values.insert(key.flag, values.cloned().collect());
            }
        }
        self.config = matches.get_one::<String>("config").cloned();
        Ok(())
    }
}

impl Typed {
    /// The flags that repeat what was typed, for a unit file: each one argument, in the order of [`KEYS`].
    #[must_use]
    pub fn repeat(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        for key in KEYS {
            for value in self.values.get(key.flag).into_iter().flatten() {
                arguments.push(format!("--{}", key.flag));
                if !key.value.is_empty() {
                    arguments.push(value.clone());
                }
            }
        }
        if let Some(file) = &self.config {
            arguments.extend(["--config".to_owned(), file.clone()]);
        }
        arguments
    }

    /// A flag's value, as typed.
    #[must_use]
    pub fn value(&self, flag: &str) -> Option<&str> {
        self.values.get(flag).and_then(|values| values.first()).map(String::as_str)
    }
}

/// Who said something. The order is the rank: the last one wins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// `DIR/latchkey.toml`.
    Directory(PathBuf),
    /// An environment variable.
    Environment,
    /// The file of `--config`.
    File(PathBuf),
    /// The command line.
    Flag,
}

impl Source {
    /// How somebody finds the place to mend.
    #[must_use]
    pub fn names(&self, key: &Key) -> String {
        match self {
            Self::Directory(file) | Self::File(file) => format!("{} in {}", key.name(), file.display()),
            Self::Environment => key.variable(),
            Self::Flag => format!("--{}", key.flag),
        }
    }

    /// Position in the order of ranks.
    #[must_use]
    pub const fn rank(&self) -> u8 {
        match self {
            Self::Directory(_) => 0,
            Self::Environment => 1,
            Self::File(_) => 2,
            Self::Flag => 3,
        }
    }
}

/// A value and who gave it.
#[derive(Debug, Clone)]
pub struct Given {
    /// The values; one unless the key is a list.
    pub values: Vec<String>,
    /// Who gave them.
    pub source: Source,
}

/// Everything that was said, the highest source of each key.
#[derive(Debug, Clone, Default)]
pub struct Said {
    given: BTreeMap<&'static str, Given>,
    /// What `DIR/latchkey.toml` says of `listen`, whoever outranks it: there the free port of the first start is kept.
    pub kept_listen: Option<String>,
    /// The data directory.
    pub data: PathBuf,
}

impl Said {
    /// Reads all sources. `environment` looks up one variable.
    pub fn gather(typed: &Typed, environment: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let mut said = Self::default();
        let file = match &typed.config {
            Some(name) => Some(read(Path::new(name), true)?.ok_or_else(|| {
                Failure::new(Own::Serve002, format!("there is no file {name}"), "name an existing file with --config")
            })?),
            None => None,
        };
        let mut from_environment = BTreeMap::new();
        for key in KEYS {
            let Some(value) = environment(&key.variable()).filter(|value| !value.is_empty()) else { continue };
            let value = value.into_string().map_err(|_| {
                Failure::new(Own::Serve002, format!("{} is not UTF-8", key.variable()), "write it in UTF-8")
            })?;
            from_environment.insert(key.flag, split(key, &value));
        }

        said.data = typed
            .value("data")
            .map(str::to_owned)
            .or_else(|| file.as_ref().and_then(|file| file.get("data")).and_then(|values| values.first().cloned()))
            .or_else(|| from_environment.get("data").and_then(|values| values.first().cloned()))
            .unwrap_or_else(|| "latchkey-data".to_owned())
            .into();
        let directory_file = said.data.join(CONFIG_FILE);
        if let Some(values) = read(&directory_file, false)? {
            said.kept_listen = values.get("listen").and_then(|values| values.first().cloned());
            said.take(values, &Source::Directory(directory_file));
        }
        said.take(from_environment, &Source::Environment);
        if let (Some(values), Some(name)) = (file, &typed.config) {
            said.take(values, &Source::File(name.into()));
        }
        said.take(typed.values.clone(), &Source::Flag);
        Ok(said)
    }

    fn take(&mut self, values: BTreeMap<&'static str, Vec<String>>, source: &Source) {
        for (flag, values) in values {
            self.given.insert(flag, Given { values, source: source.clone() });
        }
    }

    /// What was said about a key.
    #[must_use]
    pub fn about(&self, flag: &str) -> Option<&Given> {
        self.given.get(flag)
    }

    /// The key's only value.
    #[must_use]
    pub fn one(&self, flag: &str) -> Option<&str> {
        self.about(flag).and_then(|given| given.values.first()).map(String::as_str)
    }

    /// The complaint that the value of a key is wrong, naming the place to mend.
    #[must_use]
    pub fn wrong(&self, flag: &str, detail: impl std::fmt::Display, fix: impl Into<String>) -> Failure {
        let place = match (KEYS.iter().find(|key| key.flag == flag), self.about(flag)) {
            (Some(key), Some(given)) => given.source.names(key),
            _ => format!("--{flag}"),
        };
        Failure::new(Own::Serve002, format!("{place}: {detail}"), fix)
    }
}

fn split(key: &Key, value: &str) -> Vec<String> {
    if key.list {
        value.split([',', ' ']).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    } else {
        vec![value.to_owned()]
    }
}

/// Reads a file of keys. `None` if there is none. The data directory's own file cannot say where the data directory is.
fn read(file: &Path, may_name_data: bool) -> Result<Option<BTreeMap<&'static str, Vec<String>>>> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let detail = format!("{} cannot be read: {error}", file.display());
            return Err(Failure::new(Own::Serve002, detail, "make it readable for the user the server runs as"));
        }
    };
    let wrong = |detail: String, fix: String| Failure::new(Own::Serve002, format!("{}: {detail}", file.display()), fix);
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        wrong(error.to_string(), "write `key = \"value\"` lines, as TOML has them".to_owned())
    })?;
    let names: Vec<String> = KEYS.iter().map(Key::name).collect();
    let mut values = BTreeMap::new();
    for (name, value) in table {
        let Some(key) = KEYS.iter().find(|key| key.name() == name) else {
            let fix = match nearest(&name, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known keys: {}", names.join(", ")),
            };
            return Err(wrong(format!("unknown key {name}"), fix));
        };
        if key.flag == "data" && !may_name_data {
            return Err(wrong(
                "the key data has no meaning in the data directory's own file".to_owned(),
                "name the directory with --data or LATCHKEY_DATA".to_owned(),
            ));
        }
        let read = texts(key, &value).ok_or_else(|| {
            let form = if key.value.is_empty() { "true or false" } else { "a text in quotes" };
            wrong(format!("{name} has a value of the wrong type"), format!("write {form}"))
        })?;
        if !read.is_empty() {
            values.insert(key.flag, read);
        }
    }
    Ok(Some(values))
}

/// A TOML value as the texts a flag would have; a switch that is off says nothing.
fn texts(key: &Key, value: &toml::Value) -> Option<Vec<String>> {
    match value {
        toml::Value::Boolean(on) if key.value.is_empty() => {
            Some(if *on { vec!["true".to_owned()] } else { Vec::new() })
        }
        toml::Value::String(text) if !key.value.is_empty() => Some(split(key, text)),
        toml::Value::Array(items) if key.list => {
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches as _;

    fn typed(arguments: &[&str]) -> Typed {
        let command = <Typed as clap::Args>::augment_args(clap::Command::new("serve").no_binary_name(true));
        Typed::from_arg_matches(&command.try_get_matches_from(arguments).unwrap()).unwrap()
    }

    fn gather(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Said> {
        Said::gather(&typed(arguments), |name| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn a_flag_beats_the_file_beats_the_environment_beats_the_directory() {
        let scratch = tempfile::tempdir().unwrap();
        let data = scratch.path().join("d");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join(CONFIG_FILE), "listen = \"1.1.1.1:1\"\nlog_format = \"json\"\n").unwrap();
        let file = scratch.path().join("f.toml");
        std::fs::write(&file, "listen = \"3.3.3.3:3\"\ntrusted_proxy = [\"10.0.0.0/8\"]\n").unwrap();
        let (data, file) = (data.to_str().unwrap(), file.to_str().unwrap());
        let environment = [("LATCHKEY_LISTEN", "2.2.2.2:2"), ("LATCHKEY_TRUSTED_PROXY", "1.0.0.0/8, 2.0.0.0/8")];

        let said = gather(&["--data", data, "--config", file, "--listen", "4.4.4.4:4"], &environment).unwrap();
        assert_eq!(said.one("listen"), Some("4.4.4.4:4"));
        assert_eq!(said.about("trusted-proxy").unwrap().values, ["10.0.0.0/8"]);
        assert_eq!(said.kept_listen.as_deref(), Some("1.1.1.1:1"));
        assert_eq!(gather(&["--data", data, "--config", file], &environment).unwrap().one("listen"), Some("3.3.3.3:3"));
        let said = gather(&["--data", data], &environment).unwrap();
        assert_eq!((said.one("listen"), said.one("log-format")), (Some("2.2.2.2:2"), Some("json")));
        assert_eq!(said.about("trusted-proxy").unwrap().values.len(), 2);
        assert_eq!(gather(&["--data", data], &[]).unwrap().one("listen"), Some("1.1.1.1:1"));
    }

    #[test]
    fn the_data_directory_is_found_by_flag_then_file_then_environment() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("f.toml");
        std::fs::write(&file, "data = \"b\"").unwrap();
        let file = file.to_str().unwrap();
        let environment = [("LATCHKEY_DATA", "c")];
        assert_eq!(gather(&["--data", "a", "--config", file], &environment).unwrap().data, Path::new("a"));
        assert_eq!(gather(&["--config", file], &environment).unwrap().data, Path::new("b"));
        assert_eq!(gather(&[], &environment).unwrap().data, Path::new("c"));
        assert_eq!(gather(&[], &[]).unwrap().data, Path::new("latchkey-data"));
    }

    #[test]
    fn an_unknown_key_and_a_wrong_type_name_the_file_and_the_way_out() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("f.toml");
        for (text, detail, fix) in [
            ("trusted_proxies = []", "unknown key trusted_proxies", "did you mean trusted_proxy?"),
            ("listen = 8470", "listen has a value of the wrong type", "write a text in quotes"),
            ("accept_clock = \"yes\"", "accept_clock has a value of the wrong type", "write true or false"),
        ] {
            std::fs::write(&file, text).unwrap();
            let failure = gather(&["--config", file.to_str().unwrap()], &[]).unwrap_err();
            assert_eq!((failure.exit.number(), failure.fix.as_str()), (2, fix));
            assert!(failure.detail.contains(detail) && failure.detail.contains("f.toml"), "{}", failure.detail);
        }
    }

    #[test]
    fn every_key_is_flag_variable_and_name() {
        for key in KEYS {
            assert_eq!(key.variable(), format!("LATCHKEY_{}", key.flag.replace('-', "_").to_uppercase()));
            assert!(!key.help.is_empty());
        }
        let typed = typed(&["--trusted-proxy", "a", "--accept-clock", "--trusted-proxy", "b", "--config", "c"]);
        assert_eq!(typed.repeat(), ["--trusted-proxy", "a", "--trusted-proxy", "b", "--accept-clock", "--config", "c"]);
    }
}
