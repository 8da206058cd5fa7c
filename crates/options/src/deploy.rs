//! What an administrator passes to devices: for a chosen token, domain and cloud, the text to paste or the file to put in place.
//!
//! **Owns** which targets there are, how each is written, and the check that what was written reads back to the same options and keeps the rules of
//! the table. **Must not know** where the token comes from, or who asks.
//!
//! A token never stands on a command line: it is written to a file that only its owner can read, or into managed configuration. Where there is no
//! token at hand the artifact carries [`PLACEHOLDER`], which the connector refuses as an unfilled one.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::check::{Purpose, check_relations};
use crate::finding::{Finding, Severity};
use crate::parse::{parse_json, split_arguments};
use crate::resolve::{Given, Resolved, Source, resolve};
use crate::spec::Platform;
use crate::table::OptionName;

/// What stands for the token where it has to be put in later.
pub const PLACEHOLDER: &str = "@@DEVICE_TOKEN@@";

/// Ends the token in the text of a shell. No token has it: it has an underscore at its beginning.
const END: &str = "_LATCHKEY_TOKEN";

/// For what an artifact is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A block for a shell of the person whose device it is: no root, no service.
    Shell,
    /// A script for root on Linux: managed configuration, then the service.
    Linux,
    /// `managed.json` by itself, for whatever puts files in place.
    ManagedJson,
}

impl Target {
    /// All there are.
    pub const ALL: &'static [Self] = &[Self::Shell, Self::Linux, Self::ManagedJson];

    /// As it is named in flags, addresses and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Linux => "linux",
            Self::ManagedJson => "managed-json",
        }
    }

    /// What the file is called.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Shell => "latchkey-enroll.sh",
            Self::Linux => "latchkey-setup.sh",
            Self::ManagedJson => "managed.json",
        }
    }

    /// What it is.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Shell | Self::Linux => "application/x-sh",
            Self::ManagedJson => "application/json",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A target that has no generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTarget;

impl fmt::Display for NoTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Target::ALL.iter().map(|target| target.name()).collect();
        write!(f, "choose one of {}; those of the other platforms come with the installers", names.join(", "))
    }
}

impl FromStr for Target {
    type Err = NoTarget;

    fn from_str(text: &str) -> Result<Self, NoTarget> {
        Self::ALL.iter().find(|target| target.name() == text).copied().ok_or(NoTarget)
    }
}

/// What the devices are to be told.
#[derive(Clone)]
pub struct Deployment {
    /// Which deployment.
    pub cloud_name: String,
    /// Whose people.
    pub user_domain: String,
    /// The token; without one the artifact carries [`PLACEHOLDER`].
    pub device_token: Option<Zeroizing<String>>,
}

impl Deployment {
    /// The options, as they are written everywhere.
    fn options(&self) -> [(OptionName, &str); 3] {
        let token = self.device_token.as_ref().map_or(PLACEHOLDER, |token| token.as_str());
        [
            (OptionName::CloudName, self.cloud_name.as_str()),
            (OptionName::UserDomain, self.user_domain.as_str()),
            (OptionName::DeviceToken, token),
        ]
    }
}

/// Writes the artifact, and reads it back: what does not say the same, or breaks a rule, is never handed out.
///
/// # Errors
/// Every option that breaks a rule, with what to write instead.
pub fn write(target: Target, deployment: &Deployment) -> Result<Zeroizing<String>, Vec<Finding>> {
    let wanted = rules(given(deployment, deployment.options()))?;
    let checked = Deployment {
        cloud_name: wanted.text(OptionName::CloudName).unwrap_or_default().to_owned(),
        user_domain: wanted.text(OptionName::UserDomain).unwrap_or_default().to_owned(),
        device_token: deployment.device_token.clone(),
    };
    let text = match target {
        Target::Shell => shell(&checked),
        Target::Linux => linux(&checked),
        Target::ManagedJson => managed_json(&checked),
    };
    let written = read_back(target, &text)?;
    let same = checked.options().iter().all(|(name, value)| {
        written.iter().any(|given| given.spelling == name.spelled() && given.value.as_str() == *value)
    });
    if !same || written.len() != checked.options().len() {
        return Err(vec![Finding {
            code: "LK-OPTION-008",
            severity: Severity::Error,
            option: target.name().to_owned(),
            place: target.file_name().to_owned(),
            problem: "does not read back to what was written".to_owned(),
            fix: "report this: the values cannot be written for this target".to_owned(),
        }]);
    }
    let values = written.iter().map(|given| (given.spelling.as_str(), given.value.as_str()));
    let read: Vec<Given> = values.map(|(name, value)| filled(&checked, name, value)).collect();
    rules(read)?;
    Ok(text)
}

fn given<'v>(deployment: &Deployment, options: impl IntoIterator<Item = (OptionName, &'v str)>) -> Vec<Given> {
    options.into_iter().map(|(name, value)| filled(deployment, name.spelled(), value)).collect()
}

/// A value as it is checked: the placeholder is what somebody will fill in, so it is no value yet.
fn filled(deployment: &Deployment, name: &str, value: &str) -> Given {
    let stands_for_a_token = name == OptionName::DeviceToken.spelled() && deployment.device_token.is_none();
    let value = if stands_for_a_token && value == PLACEHOLDER { "to-be-filled-in" } else { value };
    Given::new(name, value, Source::MachinePolicy, "this deployment")
}

fn rules(given: Vec<Given>) -> Result<Resolved, Vec<Finding>> {
    let resolved = resolve(given, Platform::Linux)?;
    let broken: Vec<Finding> = check_relations(&resolved, Purpose::Enroll)
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    if broken.is_empty() { Ok(resolved) } else { Err(broken) }
}

fn managed_json(deployment: &Deployment) -> Zeroizing<String> {
    let members: serde_json::Map<String, serde_json::Value> =
        deployment.options().iter().map(|(name, value)| (name.spelled().to_owned(), (*value).into())).collect();
    Zeroizing::new(format!("{:#}\n", serde_json::Value::Object(members)))
}

/// The token goes through a file in a directory of its own: a command line is seen by everybody on the machine.
fn shell(deployment: &Deployment) -> Zeroizing<String> {
    let [(_, cloud), (_, domain), (_, token)] = deployment.options();
    Zeroizing::new(format!(
        "(\n  set -eu\n  umask 077\n  dir=$(mktemp -d)\n  trap 'rm -rf \"$dir\"' EXIT\n  cat > \"$dir/token\" <<'{END}'\n{token}\n{END}\n  \
         latchkey-connector enroll --cloud-name {} --user-domain {} --device-token-file \"$dir/token\"\n)\n",
        quoted(cloud),
        quoted(domain),
    ))
}

/// Managed configuration belongs to root and only root reads it; the service looks at it when it is told.
fn linux(deployment: &Deployment) -> Zeroizing<String> {
    let managed = managed_json(deployment);
    Zeroizing::new(format!(
        "#!/bin/sh\n# Run as root, after the latchkey-connector package is installed.\nset -eu\numask 077\nmkdir -p -m 0755 /etc/latchkey\n\
         cat > /etc/latchkey/managed.json.new <<'{END}'\n{}{END}\nmv /etc/latchkey/managed.json.new /etc/latchkey/managed.json\n\
         systemctl enable latchkey-connector\nsystemctl reload-or-restart latchkey-connector\n",
        managed.as_str()
    ))
}

/// A word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The options that an artifact says, in the order of the table.
fn read_back(target: Target, text: &str) -> Result<Vec<Given>, Vec<Finding>> {
    let place = target.file_name();
    let (mut given, document) = match target {
        Target::ManagedJson => (Vec::new(), text),
        Target::Linux => (Vec::new(), heredoc(text)),
        Target::Shell => {
            let line =
                text.lines().find(|line| line.trim_start().starts_with("latchkey-connector ")).unwrap_or_default();
            let mut given = split_arguments(words(line)).map_err(|finding| vec![finding])?.given;
            for one in &mut given {
                // The file is the one that was written just before.
                if one.spelling == OptionName::DeviceTokenFile.spec().flag() {
                    *one = Given::new("deviceToken", heredoc(text).trim_end(), Source::CommandLine, place);
                }
                if let Some(crate::spec::Recognized::Ours(spec)) = crate::spec::recognize(&one.spelling) {
                    one.spelling = spec.spelled.to_owned();
                }
            }
            (given, "")
        }
    };
    if !document.is_empty() {
        given = parse_json(document, Source::MachinePolicy, place).map_err(|finding| vec![finding])?;
    }
    Ok(given)
}

/// What stands between the marks of a shell's document.
fn heredoc(text: &str) -> &str {
    let begin = format!("<<'{END}'\n");
    let Some((_, rest)) = text.split_once(begin.as_str()) else { return "" };
    rest.split_once(&format!("\n{END}\n")).map_or("", |(document, _)| document)
}

/// The words of a line of a shell that has none but plain and quoted ones.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut within) = (Vec::new(), String::new(), None);
    let mut letters = line.trim().chars();
    while let Some(letter) = letters.next() {
        match (letter, within) {
            ('\'' | '"', None) => within = Some(letter),
            (quote, Some(open)) if quote == open => within = None,
            ('\\', None) => word.extend(letters.next()),
            (' ', None) => words.push(std::mem::take(&mut word)),
            _ => word.push(letter),
        }
    }
    words.push(word);
    words
}

/// How the options are spelled where an administrator types them in: the value of `deviceToken` is left to them.
#[must_use]
pub fn to_type_in(platform: Platform, deployment: &Deployment) -> Vec<(&'static str, String)> {
    let spelled = |name: OptionName| match (platform, name) {
        (Platform::Windows, OptionName::CloudName) => "CLOUDNAME",
        (Platform::Windows, OptionName::UserDomain) => "USERDOMAIN",
        (Platform::Windows, OptionName::DeviceToken) => "DEVICETOKEN",
        _ => name.spelled(),
    };
    deployment.options().iter().map(|(name, value)| (spelled(*name), (*value).to_owned())).collect()
}
