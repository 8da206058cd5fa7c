//! What a row of the table says, and how a spelling finds its row.
//!
//! Owns the shape of a row and the spelling rules; knows no row in particular.

use crate::foreign::{FOREIGN, ForeignSpec};
use crate::table::{OptionName, TABLE};

/// A platform that installs the connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Android and ChromeOS, by managed configuration.
    Android,
    /// iOS and iPadOS, by managed app configuration.
    Ios,
    /// Linux, by package, `/etc/latchkey/managed.json` or command line.
    Linux,
    /// macOS, by managed preferences.
    Macos,
    /// Windows, by MSI, EXE or policy.
    Windows,
}

impl Platform {
    /// All platforms, in the order the reference page shows them.
    pub const ALL: &'static [Platform] =
        &[Platform::Windows, Platform::Macos, Platform::Linux, Platform::Android, Platform::Ios];

    /// The name used in tables, JSON and on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Platform::Android => "android",
            Platform::Ios => "ios",
            Platform::Linux => "linux",
            Platform::Macos => "macos",
            Platform::Windows => "windows",
        }
    }
}

/// The type of an option's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The name of an account of the operating system.
    Account,
    /// At most this many ASCII letters and digits.
    Alphanumeric(usize),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A comma-separated list of these words.
    ChoiceList(&'static [&'static str]),
    /// A DNS domain, lower case, as A-label.
    Domain,
    /// `0` or `1`; `true` and `false` are accepted.
    Flag,
    /// A host name or address with an optional port.
    Host,
    /// The part of a login name before `@`.
    LocalPart,
    /// An absolute or relative path.
    Path,
    /// A path, or the text of a PEM file.
    PathOrPem,
    /// The 26 base32 characters that name a cloud's root key.
    Pin,
    /// A whole number of seconds.
    Seconds,
    /// Free text of at most this many characters.
    Text(usize),
    /// A device token or one-time code; its inner form is checked by `latchkey-wire`.
    Token,
    /// An `http` or `https` address.
    Url,
}

/// A rule that joins an option with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Both may not stand in the same source; from different sources the stronger one counts.
    InsteadOf(OptionName),
    /// At least one of these must be given too.
    NeedsOneOf(&'static [OptionName]),
    /// As [`Relation::NeedsOneOf`], but only when this option has one of these values.
    NeedsWhen(&'static [&'static str], &'static [OptionName]),
    /// Without it nothing can be enrolled.
    RequiredToEnroll,
}

/// One row of the table.
#[derive(Debug)]
pub struct Spec {
    /// Which option this is.
    pub name: OptionName,
    /// The canonical spelling, as in `managed.json`.
    pub spelled: &'static str,
    /// Further spellings, in normal form (see [`normalize`]).
    pub aliases: &'static [&'static str],
    /// The type of its value.
    pub kind: Kind,
    /// What holds when it is absent; empty where there is no default.
    pub default: &'static str,
    /// One sentence for the administrator.
    pub meaning: &'static str,
    /// Where it means something; elsewhere it is reported as not applicable.
    pub platforms: &'static [Platform],
    /// The release that introduced it.
    pub since: &'static str,
    /// Never shown, logged or kept longer than needed.
    pub secret: bool,
    /// Rules with other options.
    pub relations: &'static [Relation],
    /// Why it has no effect yet, where that is so.
    pub not_built: Option<&'static str>,
}

impl Spec {
    /// The flag of the connector's command line: `cloudName` is `--cloud-name`.
    #[must_use]
    pub fn flag(&self) -> String {
        separated(self.spelled, '-', false)
    }

    /// The environment variable: `cloudName` is `LATCHKEY_CONNECTOR_CLOUD_NAME`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("LATCHKEY_CONNECTOR_{}", separated(self.spelled, '_', true))
    }
}

/// What a spelling turned out to be.
#[derive(Clone, Copy, Debug)]
pub enum Recognized {
    /// An option of the reference product that we do not have.
    Foreign(&'static ForeignSpec),
    /// One of ours.
    Ours(&'static Spec),
}

/// The normal form under which spellings are compared: ASCII lower case without `-` and `_`.
///
/// So `CLOUDNAME`, `cloudName`, `cloud-name` and `cloud_name` are one option.
#[must_use]
pub fn normalize(spelling: &str) -> String {
    spelling.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
}

/// Finds the option that a spelling means.
#[must_use]
pub fn recognize(spelling: &str) -> Option<Recognized> {
    let wanted = normalize(spelling);
    let ours = TABLE.iter().find(|spec| normalize(spec.spelled) == wanted || spec.aliases.contains(&wanted.as_str()));
    if let Some(spec) = ours {
        return Some(Recognized::Ours(spec));
    }
    FOREIGN.iter().find(|foreign| foreign.spellings.iter().any(|s| normalize(s) == wanted)).map(Recognized::Foreign)
}

/// The option whose spelling is nearest to a misspelled one, if any is near.
#[must_use]
pub fn suggest(spelling: &str) -> Option<&'static str> {
    let wanted = normalize(spelling);
    TABLE
        .iter()
        .map(|spec| (distance(&wanted, &normalize(spec.spelled)), spec.spelled))
        .filter(|(d, s)| *d <= 3 && *d < s.len() / 2)
        .min()
        .map(|(_, s)| s)
}

fn separated(camel: &str, separator: char, upper: bool) -> String {
    let mut out = String::with_capacity(camel.len() + 4);
    let mut previous_lower = false;
    for c in camel.chars() {
        if c == '-' || c == '_' {
            out.push(separator);
            previous_lower = false;
            continue;
        }
        if c.is_ascii_uppercase() && previous_lower {
            out.push(separator);
        }
        previous_lower = !c.is_ascii_uppercase();
        out.push(if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
    }
    out
}

/// Levenshtein distance; the inputs are option names, so quadratic is fine.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let cost = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
