//! The table: its rows and columns, what each cell must say, and the report that is printed and kept.
//! Must not know how a cell is run.

use std::fmt::Write as _;
use std::path::PathBuf;

/// A service provider that somebody else wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    DemoService,
    Mellon,
    Python3Saml,
    Shibboleth,
    SimpleSamlPhp,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DemoService => "demo-service",
            Self::Mellon => "mellon",
            Self::Python3Saml => "python3-saml",
            Self::Shibboleth => "shibboleth",
            Self::SimpleSamlPhp => "simplesamlphp",
        }
    }
}

/// How a service is set up; the words are those of its command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) binding: &'static str,
    pub(crate) requests: &'static str,
    pub(crate) name_id: &'static str,
}

impl Setup {
    /// Every combination with one binding.
    pub(crate) fn all(binding: &'static str) -> Vec<Self> {
        let mut all = Vec::new();
        for requests in ["signed", "unsigned"] {
            for name_id in ["email", "persistent", "transient", "unspecified"] {
                all.push(Self { binding, requests, name_id });
            }
        }
        all
    }
}

/// What the service is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// An honest answer.
    Good,
    /// An honest answer for another service's name.
    WrongAudience,
    /// The good answer, changed on its way.
    Altered,
    /// The good answer, a second time.
    Replayed,
    /// An honest answer of an hour ago.
    Expired,
}

impl Case {
    fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::WrongAudience => "wrong audience",
            Self::Altered => "altered",
            Self::Replayed => "replayed",
            Self::Expired => "expired",
        }
    }
}

/// What a cell must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Accepted,
    /// Refused, and the service's own words contain this.
    Refused(&'static str),
}

/// What each service says to each case.
pub(crate) fn expected(kind: Kind, case: Case) -> Expected {
    use Expected::{Accepted, Refused};
    match (kind, case) {
        (_, Case::Good) => Accepted,
        (Kind::DemoService, Case::WrongAudience) => Refused("audience"),
        (Kind::DemoService, Case::Altered) => Refused("signature verification failed"),
        (Kind::DemoService, Case::Replayed) => Refused("replayed SAML message or assertion"),
        (Kind::DemoService, Case::Expired) => Refused("time window"),
        (Kind::Mellon, Case::WrongAudience) => Refused("Invalid Audience in Conditions"),
        (Kind::Mellon, Case::Altered) => Refused("Failed to verify signature"),
        (Kind::Mellon, Case::Replayed) => Refused("has already been used"),
        (Kind::Mellon, Case::Expired) => Refused("NotOnOrAfter"),
        (Kind::Python3Saml, Case::WrongAudience) => Refused("is not a valid audience for this Response"),
        (Kind::Python3Saml, Case::Altered) => Refused("Signature validation failed"),
        (Kind::Python3Saml, Case::Replayed) => Refused("the assertion was seen before"),
        (Kind::Python3Saml, Case::Expired) => Refused("expired"),
        (Kind::Shibboleth, Case::WrongAudience) => Refused("unacceptable AudienceRestriction"),
        (Kind::Shibboleth, Case::Altered) => Refused("unable to verify message signature"),
        // Its two checks say "replay detected" or "Rejecting replayed message ID"; which of them comes first is not always the same.
        (Kind::Shibboleth, Case::Replayed) => Refused("replay"),
        (Kind::Shibboleth, Case::Expired) => Refused("expired message"),
        (Kind::SimpleSamlPhp, Case::WrongAudience) => Refused("is not a valid audience for the assertion"),
        (Kind::SimpleSamlPhp, Case::Altered) => Refused("validation failed"),
        (Kind::SimpleSamlPhp, Case::Replayed) => Refused("duplicate assertion"),
        (Kind::SimpleSamlPhp, Case::Expired) => Refused("an assertion that has expired"),
    }
}

/// What a cell came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    /// With the service's own words.
    Refused(String),
}

impl Outcome {
    pub(crate) fn fits(&self, expected: Expected) -> bool {
        match (self, expected) {
            (Self::Accepted, Expected::Accepted) => true,
            (Self::Refused(words), Expected::Refused(part)) => words.contains(part),
            _ => false,
        }
    }
}

/// The cells of one service and binding, in the order they ran.
pub(crate) struct Table {
    part: PathBuf,
    kind: Kind,
    lines: String,
    wrong: Vec<String>,
}

impl Table {
    /// A new table; an earlier run's is removed, so that a report never shows what did not run.
    pub(crate) fn new(kind: Kind, binding: &str) -> Self {
        let part = part(kind, binding);
        let _ = std::fs::remove_file(&part);
        Self { part, kind, lines: String::new(), wrong: Vec::new() }
    }

    pub(crate) fn record(&mut self, setup: Setup, case: Case, outcome: &Outcome) {
        let Setup { binding, requests, name_id } = setup;
        let said = match outcome {
            Outcome::Accepted => "accepted".to_owned(),
            Outcome::Refused(words) => format!("refused by the service with \"{words}\""),
        };
        let line = format!("{} {binding} {requests} {name_id} {}: {said}", self.kind.name(), case.name());
        let expected = expected(self.kind, case);
        if !outcome.fits(expected) {
            self.wrong.push(format!("{line}\n    expected: {expected:?}"));
        }
        writeln!(self.lines, "{line}").unwrap();
    }

    /// Prints the table, keeps it for the report, and fails if a cell was wrong.
    pub(crate) fn finish(self) {
        print!("{}", self.lines);
        let folder = report_folder();
        std::fs::create_dir_all(&folder).unwrap();
        // The whole report is made anew by each test, one at a time; whichever comes last has them all.
        let lock = std::fs::File::create(folder.join("services.lock")).unwrap();
        lock.lock().unwrap();
        std::fs::write(&self.part, &self.lines).unwrap();
        let mut whole = String::new();
        for kind in [Kind::DemoService, Kind::Mellon, Kind::Python3Saml, Kind::Shibboleth, Kind::SimpleSamlPhp] {
            for binding in ["redirect", "post"] {
                whole.push_str(&std::fs::read_to_string(part(kind, binding)).unwrap_or_default());
            }
        }
        let new = self.part.with_extension("new");
        std::fs::write(&new, whole).unwrap();
        std::fs::rename(new, folder.join("services.txt")).unwrap();
        assert!(self.wrong.is_empty(), "{} cells are not as expected:\n{}", self.wrong.len(), self.wrong.join("\n"));
    }
}

/// `target/report` beside the profile's folder that this program runs from.
fn report_folder() -> PathBuf {
    crate::programs::profile_folder().parent().expect("a profile's folder is in target").join("report")
}

fn part(kind: Kind, binding: &str) -> PathBuf {
    report_folder().join(format!("services-{}-{binding}.txt", kind.name()))
}
