//! Which source wins.
//!
//! Sources, strongest first, as install-options.md: MDM-managed configuration, machine policy, installer values, the
//! connector's command line and its `--config` file, environment. Owns the order, the check of the values that count, and
//! the memory of what they overrode. Knows no file and no platform call.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::finding::{Finding, Severity};
use crate::spec::{Platform, Recognized, Relation, Spec, recognize, suggest};
use crate::table::OptionName;
use crate::value::{OptionValue, check_value, mask};

/// Where a value comes from; the order of the variants is the order of strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The MDM's managed configuration of the app.
    Managed,
    /// Registry policy hive, managed preferences, `/etc/latchkey/managed.json`.
    MachinePolicy,
    /// What the installer was given.
    Installer,
    /// A flag.
    CommandLine,
    /// The file named by `--config`; ranks with flags, and gives way to one.
    ConfigFile,
    /// `LATCHKEY_CONNECTOR_…`.
    Environment,
}

impl Source {
    /// The word used in `latchkey-connector options`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Source::Managed => "managed",
            Source::MachinePolicy => "machine_policy",
            Source::Installer => "installer",
            Source::CommandLine => "command_line",
            Source::ConfigFile => "config_file",
            Source::Environment => "environment",
        }
    }
}

/// A value as a source gave it, not yet looked at.
#[derive(Clone)]
pub struct Given {
    /// The option as it was spelled there.
    pub spelling: String,
    /// The raw value; may be a secret.
    pub value: Zeroizing<String>,
    /// How strong it is.
    pub source: Source,
    /// A file, a variable, `command line`: for the person who has to change it.
    pub place: String,
}

impl Given {
    /// Puts the four together.
    pub fn new(
        spelling: impl Into<String>,
        value: impl Into<String>,
        source: Source,
        place: impl Into<String>,
    ) -> Self {
        Given { spelling: spelling.into(), value: Zeroizing::new(value.into()), source, place: place.into() }
    }
}

/// A value that a stronger one put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overrode {
    /// Its source.
    pub source: Source,
    /// Its place.
    pub place: String,
    /// The value, masked if the option is secret.
    pub masked: String,
}

/// The value that counts.
#[derive(Clone, Debug)]
pub struct Effective {
    /// Checked and in normal form.
    pub value: OptionValue,
    /// Where it comes from.
    pub source: Source,
    /// A file, a variable, `command line`.
    pub place: String,
    /// What it put aside, strongest first.
    pub overrode: Vec<Overrode>,
}

/// Every option that has a value, and what is worth saying about the rest.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    values: BTreeMap<OptionName, Effective>,
    notices: Vec<Finding>,
}

impl Resolved {
    /// The value that counts, with its history.
    #[must_use]
    pub fn effective(&self, name: OptionName) -> Option<&Effective> {
        self.values.get(&name)
    }

    /// The value as text, secret or not.
    #[must_use]
    pub fn text(&self, name: OptionName) -> Option<&str> {
        self.values.get(&name).map(|e| e.value.expose())
    }

    /// A 0/1 option; absent counts as its default.
    #[must_use]
    pub fn flag(&self, name: OptionName) -> bool {
        self.text(name).unwrap_or(name.spec().default) == "1"
    }

    /// Options that have a value, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (OptionName, &Effective)> {
        self.values.iter().map(|(name, effective)| (*name, effective))
    }

    /// Not applicable here, or not built yet.
    #[must_use]
    pub fn notices(&self) -> &[Finding] {
        &self.notices
    }
}

/// Applies the order of sources and checks the values that count.
///
/// # Errors
/// Every finding that stops, at once: unknown options, values given twice in one source, placeholders, wrong values.
/// A value that was overridden is not checked.
pub fn resolve(given: Vec<Given>, platform: Platform) -> Result<Resolved, Vec<Finding>> {
    let mut errors = Vec::new();
    let mut notices = Vec::new();
    let mut candidates: BTreeMap<OptionName, Vec<Given>> = BTreeMap::new();

    for one in given {
        match recognize(&one.spelling) {
            Some(Recognized::Ours(spec)) => candidates.entry(spec.name).or_default().push(one),
            Some(Recognized::Foreign(foreign)) => {
                notices.push(not_applicable(&one.spelling, &one.place, foreign.reason));
            }
            None => errors.push(unknown(&one)),
        }
    }

    put_aside_alternatives(&mut candidates, &mut errors);

    let mut values = BTreeMap::new();
    for (name, mut all) in candidates {
        let spec = name.spec();
        all.sort_by_key(|g| g.source);
        if let Some(finding) = given_twice(&all) {
            errors.push(finding);
            continue;
        }
        let rest = all.split_off(1);
        let Some(best) = all.pop() else { continue };
        if !spec.platforms.contains(&platform) {
            let reason = format!("it means nothing on {}", platform.name());
            notices.push(not_applicable(&best.spelling, &best.place, &reason));
            continue;
        }
        if let Some(reason) = spec.not_built {
            notices.push(not_applicable(&best.spelling, &best.place, reason));
        }
        match check_value(spec, &best.value) {
            Ok(value) => {
                values.insert(name, effective(spec, value, best, rest));
            }
            Err(wrong) => errors.push(Finding {
                code: wrong.code,
                severity: Severity::Error,
                option: best.spelling,
                place: best.place,
                problem: wrong.problem,
                fix: wrong.fix,
            }),
        }
    }

    if errors.is_empty() { Ok(Resolved { values, notices }) } else { Err(errors) }
}

fn effective(spec: &Spec, value: OptionValue, best: Given, rest: Vec<Given>) -> Effective {
    let overrode = rest
        .into_iter()
        .map(|g| Overrode { masked: mask(&g.value, spec.secret), source: g.source, place: g.place })
        .collect();
    Effective { value, source: best.source, place: best.place, overrode }
}

/// `deviceToken` and `deviceTokenFile` fill one slot: the stronger source decides which of them counts.
fn put_aside_alternatives(candidates: &mut BTreeMap<OptionName, Vec<Given>>, errors: &mut Vec<Finding>) {
    for name in OptionName::ALL {
        for relation in name.spec().relations {
            let Relation::InsteadOf(other) = relation else {
                continue;
            };
            let best = |n: &OptionName| candidates.get(n).and_then(|all| all.iter().map(|g| g.source).min());
            match (best(name), best(other)) {
                (Some(a), Some(b)) if a == b => {
                    errors.push(Finding {
                        code: "LK-OPTION-006",
                        severity: Severity::Error,
                        option: name.spelled().to_owned(),
                        place: a.name().to_owned(),
                        problem: format!("and {} are both given", other.spelled()),
                        fix: "keep one of them".to_owned(),
                    });
                    candidates.remove(name);
                    candidates.remove(other);
                }
                (Some(a), Some(b)) => {
                    candidates.remove(if a < b { other } else { name });
                }
                _ => {}
            }
        }
    }
}

fn given_twice(sorted: &[Given]) -> Option<Finding> {
    let [first, second, ..] = sorted else {
        return None;
    };
    if first.source != second.source || first.value == second.value {
        return None;
    }
    Some(Finding {
        code: "LK-OPTION-006",
        severity: Severity::Error,
        option: first.spelling.clone(),
        place: first.place.clone(),
        problem: format!("is given twice with different values (also as {})", second.spelling),
        fix: "keep one of them".to_owned(),
    })
}

fn unknown(given: &Given) -> Finding {
    Finding {
        code: "LK-OPTION-004",
        severity: Severity::Error,
        option: given.spelling.clone(),
        place: given.place.clone(),
        problem: "is not an option".to_owned(),
        fix: match suggest(&given.spelling) {
            Some(near) => format!("did you mean {near}?"),
            None => "see `latchkey-connector --help` for all options".to_owned(),
        },
    }
}

fn not_applicable(spelling: &str, place: &str, reason: &str) -> Finding {
    Finding {
        code: "LK-OPTION-005",
        severity: Severity::Notice,
        option: spelling.to_owned(),
        place: place.to_owned(),
        problem: format!("is not applicable: {reason}"),
        fix: "nothing to do; it is ignored".to_owned(),
    }
}
