//! The codes of findings, for whoever explains them.

/// A code of this crate: what is wrong with an option, and what to do. A program that ends with one has exit status 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OptionCode {
    /// `LK-OPTION-00n`; never reused.
    pub code: &'static str,
    /// What is wrong.
    pub title: &'static str,
    /// What to do; the finding itself names the option and says it more exactly.
    pub fix: &'static str,
}

const fn code(code: &'static str, title: &'static str, fix: &'static str) -> OptionCode {
    OptionCode { code, title, fix }
}

/// All of them, in order. `LK-TOKEN-001`, a placeholder in a token or code, is the protocol's.
pub const CODES: &[OptionCode] = &[
    code(
        "LK-OPTION-001",
        "The value is a placeholder that nobody filled in.",
        "Put the value itself there; a variable of the management system was not replaced.",
    ),
    code(
        "LK-OPTION-002",
        "The value is not one that this option takes.",
        "See the option's row in the reference: latchkey-connector options --reference.",
    ),
    code("LK-OPTION-003", "The option needs another one beside it.", "Give the option that the message names."),
    code("LK-OPTION-004", "There is no such option.", "Use the near name that the message gives, or leave it out."),
    code(
        "LK-OPTION-005",
        "The option does not apply here and is ignored; nothing stops.",
        "Nothing needs to be done; leave it out to be rid of the notice.",
    ),
    code("LK-OPTION-006", "The option is given twice, with two values.", "Leave one of them out."),
    code(
        "LK-OPTION-007",
        "This build of the connector cannot do that.",
        "Leave the option out, or give another value.",
    ),
    code(
        "LK-OPTION-008",
        "The file of options cannot be read as JSON.",
        "Mend the file where the message says; it is one object of names and values.",
    ),
];

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn every_code_that_a_finding_can_have_is_explained_once() {
        let sources = [
            include_str!("check.rs"),
            include_str!("deploy.rs"),
            include_str!("finding.rs"),
            include_str!("value.rs"),
            include_str!("resolve.rs"),
            include_str!("parse/command_line.rs"),
            include_str!("parse/json.rs"),
        ];
        for source in sources {
            for (at, _) in source.match_indices("\"LK-OPTION-") {
                let code = &source[at + 1..at + 14];
                assert_eq!(CODES.iter().filter(|row| row.code == code).count(), 1, "{code}");
            }
        }
    }
}
