//! Options among the arguments of the connector: `--cloud-name X`, `--cloudName=X`, `--CLOUDNAME X`.

use crate::finding::{Finding, Severity};
use crate::resolve::{Given, Source};
use crate::spec::recognize;

/// Arguments, sorted into options and the rest.
#[derive(Default)]
pub struct SplitArguments {
    /// What the table knows.
    pub given: Vec<Given>,
    /// Everything else, in order, for the program's own parser.
    pub rest: Vec<String>,
}

/// Takes the options of the table out of a command line, in any spelling and at any position, up to a lone `--`.
///
/// # Errors
/// An option without a value.
pub fn split_arguments<I>(arguments: I) -> Result<SplitArguments, Finding>
where
    I: IntoIterator<Item = String>,
{
    let mut split = SplitArguments::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            split.rest.push(argument);
            split.rest.extend(arguments);
            break;
        }
        let Some(flag) = argument.strip_prefix("--") else {
            split.rest.push(argument);
            continue;
        };
        let (name, attached) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        if recognize(name).is_none() {
            split.rest.push(argument);
            continue;
        }
        let Some(value) = attached.or_else(|| arguments.next()) else {
            return Err(Finding {
                code: "LK-OPTION-002",
                severity: Severity::Error,
                option: format!("--{name}"),
                place: "command line".to_owned(),
                problem: "has no value".to_owned(),
                fix: format!("write --{name} VALUE"),
            });
        };
        split.given.push(Given::new(name, value, Source::CommandLine, "command line"));
    }
    Ok(split)
}
