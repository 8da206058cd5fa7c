//! Rules that join options, checked on the values that count.

use crate::finding::{Finding, Severity};
use crate::resolve::Resolved;
use crate::spec::Relation;
use crate::table::OptionName;

/// What the options are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To enroll: what enrollment requires must be there.
    Enroll,
    /// To look at them: only what is given must fit together.
    Show,
}

/// Checks relations between options, and values that this build cannot honour.
#[must_use]
pub fn check_relations(options: &Resolved, purpose: Purpose) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in OptionName::ALL {
        let given = options.effective(*name);
        for relation in name.spec().relations {
            match (relation, given) {
                (Relation::RequiredToEnroll, None) if purpose == Purpose::Enroll => {
                    findings.push(missing(*name));
                }
                (Relation::NeedsOneOf(others), Some(_)) => {
                    findings.extend(needs(options, *name, others));
                }
                (Relation::NeedsWhen(values, others), Some(effective))
                    if values.contains(&effective.value.expose()) =>
                {
                    findings.extend(needs(options, *name, others));
                }
                _ => {}
            }
        }
    }
    // A missing option is named once, however many others wait for it.
    let mut seen = Vec::new();
    findings.retain(|f: &Finding| {
        let fresh = !seen.contains(&f.fix);
        seen.push(f.fix.clone());
        fresh
    });
    findings.extend(not_in_this_build(options));
    findings
}

fn missing(name: OptionName) -> Finding {
    Finding {
        code: "LK-OPTION-003",
        severity: Severity::Error,
        option: name.spelled().to_owned(),
        place: String::new(),
        problem: "is missing".to_owned(),
        fix: give(name),
    }
}

fn needs(options: &Resolved, name: OptionName, others: &[OptionName]) -> Option<Finding> {
    if others.iter().any(|o| options.effective(*o).is_some()) {
        return None;
    }
    let [first, ..] = others else { return None };
    let spelled: Vec<&str> = others.iter().map(|o| o.spelled()).collect();
    Some(Finding {
        code: "LK-OPTION-003",
        severity: Severity::Error,
        option: name.spelled().to_owned(),
        place: options.effective(name).map(|e| e.place.clone()).unwrap_or_default(),
        problem: format!("needs {}", spelled.join(" or ")),
        fix: give(*first),
    })
}

fn give(name: OptionName) -> String {
    format!("give --{} (in a file: {})", name.spec().flag(), name.spelled())
}

fn not_in_this_build(options: &Resolved) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut refuse = |name: OptionName, problem: &str, fix: &str| {
        findings.push(Finding {
            code: "LK-OPTION-007",
            severity: Severity::Error,
            option: name.spelled().to_owned(),
            place: options.effective(name).map(|e| e.place.clone()).unwrap_or_default(),
            problem: problem.to_owned(),
            fix: fix.to_owned(),
        });
    };
    if options.flag(OptionName::EnableFips) {
        refuse(
            OptionName::EnableFips,
            "asks for validated cryptography, which this build does not have",
            "set enableFips to 0",
        );
    }
    if options.text(OptionName::KeyStore) == Some("hardware") {
        refuse(
            OptionName::KeyStore,
            "asks for a hardware key, and this build has no hardware key store",
            "set keyStore to auto or software",
        );
    }
    findings
}
