//! What `serve` was told, and what it means.
//!
//! Owns the keys, each declared once in [`KEYS`]: the flag, the key of a file and the environment variable come from there.
//! Sources in order of rank: flag, `--config FILE`, environment (`LATCHKEY_…`), `DIR/latchkey.toml`. Must not know files of
//! the data directory other than its configuration.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, ArgMatches};

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
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut typed = Self::default();
        typed.update_from_arg_matches(matches)?;
        Ok(typed)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
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
