//! `latchkey audit`: what happened, and whether the record of it is whole.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::Named;
use crate::audit_csv;
use crate::cli::client::Ask;
use crate::cli::context::{Context, ListArgs, Listing, Query, items, with};
use crate::cli::files::{self, NewFile};
use crate::cli::show;
use crate::cli::values::{self, Moment};
use crate::exit::{Exit, Failure, Result};

const LISTING: Listing = Listing {
    columns: &[
        ("AT", "at"),
        ("ACTOR", "actor"),
        ("ACTION", "action"),
        ("TARGET", "target"),
        ("OUTCOME", "outcome"),
        ("REF", "ref"),
    ],
    empty: "nothing happened that these filters let through",
};

/// An exported log that the server compares with its own.
const AGAINST_MAX: u64 = 64 * 1024 * 1024;
/// Between two looks of `audit tail`.
const PAUSE: Duration = Duration::from_secs(1);

/// Verbs of `audit`.
#[derive(Subcommand, Debug)]
pub(crate) enum Audit {
    /// Events, newest first
    #[command(
        after_help = "Actions are NOUN.VERB: token.create, policy.set, device.enroll, user.provision, signin.saml, device.remove …\n\n\
        Example:\n  latchkey audit list --since 1h --action signin.saml --outcome refused"
    )]
    List {
        #[command(flatten)]
        filters: Filters,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Events as they come
    Tail {
        #[command(flatten)]
        filters: Filters,
        /// Begin with so many of the past
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=1000))]
        lines: u16,
    },
    /// All events, newest first, as JSON lines or CSV
    #[command(
        after_help = "Keep such a file elsewhere: latchkey audit verify --against FILE finds a log that was rewritten or cut short since."
    )]
    Export {
        /// One JSON document a line, or a table
        #[arg(long, value_name = "jsonl|csv")]
        format: Option<Format>,
        #[command(flatten)]
        filters: Filters,
        /// Write it here (0600) and leave stdout empty
        #[arg(long, value_name = "F")]
        output: Option<PathBuf>,
    },
    /// Whether we issued an assertion, when, and for which service
    Assertion {
        /// The assertion's ID, as the service shows it
        id: String,
    },
    /// One event
    Show(Named),
    /// Check chains, checkpoints and signatures; exit 8 where something is wrong
    Verify {
        /// Compare with an earlier export (JSON lines)
        #[arg(long, value_name = "FILE")]
        against: Option<String>,
    },
}

/// Form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Jsonl,
    Csv,
}

/// Which events.
#[derive(Args, Debug)]
pub(crate) struct Filters {
    /// Not before: RFC 3339, or so long ago
    #[arg(long, value_name = "T", value_parser = values::moment)]
    since: Option<Moment>,
    /// Not after: RFC 3339, or so long ago
    #[arg(long, value_name = "T", value_parser = values::moment)]
    until: Option<Moment>,
    /// By whom; repeat for more
    #[arg(long, value_name = "A")]
    actor: Vec<String>,
    /// What was done, noun.verb; repeat for more
    #[arg(long, value_name = "noun.verb")]
    action: Vec<String>,
    /// To what: an id or name; repeat for more
    #[arg(long, value_name = "T")]
    target: Vec<String>,
    /// ok or refused
    #[arg(long, value_name = "ok|refused")]
    outcome: Vec<String>,
    /// Under this reference
    #[arg(long = "ref", value_name = "R")]
    reference: Vec<String>,
}

impl Filters {
    fn query(&self, context: &Context) -> Query {
        let mut query = Query::new();
        query.extend(self.since.map(|t| ("since", t.back_from(context.now))));
        query.extend(self.until.map(|t| ("until", t.back_from(context.now))));
        for (name, values) in [
            ("actor", &self.actor),
            ("action", &self.action),
            ("target", &self.target),
            ("outcome", &self.outcome),
            ("ref", &self.reference),
        ] {
            query.extend(values.iter().map(|value| (name, value.clone())));
        }
        query
    }
}

impl Audit {
    /// Does it.
    ///
    /// # Errors
    /// As the server says; exit 8 where `verify` finds something.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let path = context.at(&["audit-events"])?;
        match self {
            Audit::List { filters, list } => context.list(&path, &filters.query(context), list, &LISTING),
            Audit::Show(named) => context.answer_with(Ask::get(context.at(&["audit-events", &named.x])?)),
            Audit::Tail { filters, lines } => tail(context, &path, &filters.query(context), *lines),
            Audit::Export { format, filters, output } => {
                export(context, &path, &filters.query(context), *format, output.as_ref())
            }
            Audit::Assertion { id } => context.answer_with(Ask::get(context.at(&["assertions", id])?)),
            Audit::Verify { against } => verify(context, against.as_deref()),
        }
    }
}

fn verify(context: &Context, against: Option<&str>) -> Result<()> {
    let path = context.at(&["audit-events", "verify"])?;
    let ask = match against {
        None => Ask::get(path),
        Some(file) => Ask::post_bytes(path, "application/jsonl", files::read(file, AGAINST_MAX)?),
    };
    let verdict = context.json(ask)?;
    if verdict["ok"] == true {
        context.answer(&verdict);
        return Ok(());
    }
    Err(found(verdict, against.unwrap_or("the export")))
}

/// What was found: the log, or only the file it was compared with.
fn found(verdict: Value, file: &str) -> Failure {
    let count = |member: &str| verdict["against"][member].as_u64().unwrap_or(0);
    let bad_chain = verdict["chains"].as_array().into_iter().flatten().any(|chain| !chain["first_bad_seq"].is_null());
    let log_is_bad =
        bad_chain || !verdict["first_bad_checkpoint"].is_null() || count("missing") + count("different") > 0;
    let unusable = count("unusable");
    if log_is_bad || unusable == 0 {
        let failure = Failure::new(
            crate::code::Own::Cli003,
            "the audit log is not what was written",
            "keep the store as it is, and compare it with exports and with the checkpoints in the process log",
        );
        return failure.with_answer(verdict).exit_with(Exit::FOUND);
    }
    if unusable == count("events") {
        // Nothing was compared, so nothing is said about the log.
        return Failure::new(
            crate::code::Own::Cli004,
            format!("{file} is not an audit export: none of its lines is an event as it was exported"),
            "give a file that `latchkey audit export --format jsonl` wrote; without --against the log itself is checked",
        );
    }
    let detail = format!(
        "the audit log is as it was written, but {unusable} of the {} lines of {file} are no events or were altered after the export",
        count("events")
    );
    let fix = "compare with an unaltered copy of the export, and find out who could write to this one";
    Failure::new(crate::code::Own::Cli003, detail, fix).with_answer(verdict).exit_with(Exit::FOUND)
}

fn tail(context: &Context, path: &str, filters: &Query, lines: u16) -> Result<()> {
    let mut seen = None;
    loop {
        let first = seen.is_none();
        let mut new = round(&mut seen, |after| {
            let mut query = filters.clone();
            query.push(("limit", "1000".to_owned()));
            query.extend(after.map(|cursor| ("after", cursor)));
            context.json(Ask::get(with(path, &query)))
        })?;
        if first {
            new.truncate(usize::from(lines));
        }
        for event in new.iter().rev() {
            if context.output.json {
                context.output.document(event);
            } else {
                let cells = LISTING.columns.iter().map(|(_, path)| show::cell(show::at(event, path)));
                context.output.text(&format!("{}\n", cells.collect::<Vec<_>>().join("  ")));
            }
        }
        std::thread::sleep(PAUSE);
    }
}

/// One look: the events that are new, newest first. The newest page is enough, unless more came in than it holds: then it goes back page
/// by page until it meets one that is known.
fn round(
    seen: &mut Option<HashSet<String>>,
    mut page_after: impl FnMut(Option<String>) -> Result<Value>,
) -> Result<Vec<Value>> {
    let (mut new, mut now) = (Vec::new(), HashSet::new());
    let mut after = None;
    loop {
        let page = page_after(after.take())?;
        let known = |event: &&Value| seen.as_ref().is_some_and(|seen| seen.contains(id(event)));
        let fresh: Vec<Value> = items(&page).iter().filter(|event| !known(event)).cloned().collect();
        let met_known = fresh.len() < items(&page).len();
        now.extend(items(&page).iter().map(|event| id(event).to_owned()));
        new.extend(fresh);
        match page["next"].as_str() {
            Some(cursor) if !met_known && seen.is_some() => after = Some(cursor.to_owned()),
            _ => break,
        }
    }
    // What the pages of this look held is all that the next one can meet.
    *seen = Some(now);
    Ok(new)
}

fn id(event: &Value) -> &str {
    event["id"].as_str().unwrap_or_default()
}

fn export(
    context: &Context,
    path: &str,
    filters: &Query,
    format: Option<Format>,
    output: Option<&PathBuf>,
) -> Result<()> {
    // With --json, stdout is one document unless a format was asked for by name or it goes into a file.
    if context.output.json && format.is_none() && output.is_none() {
        let mut all = Vec::new();
        pages(context, path, filters, &mut |page| {
            all.extend_from_slice(page);
            Ok(())
        })?;
        context.output.document(&json!({"items": all, "next": null}));
        return Ok(());
    }
    // What goes to stdout is kept until it is whole: a failure halfway leaves stdout empty. A log too large for that belongs into --output.
    let mut buffer = Vec::new();
    let mut file = output.map(|path| NewFile::begin(path)).transpose()?;
    let format = format.unwrap_or(Format::Jsonl);
    let mut put = |bytes: &[u8]| match &mut file {
        Some(file) => file.write(bytes),
        None => {
            buffer.extend_from_slice(bytes);
            Ok(())
        }
    };
    if format == Format::Csv {
        put(&audit_csv::head())?;
    }
    pages(context, path, filters, &mut |page| {
        for event in page {
            match format {
                Format::Jsonl => put(format!("{event}\n").as_bytes())?,
                Format::Csv => put(&audit_csv::line(|name| event.get(name)))?,
            }
        }
        Ok(())
    })?;
    match file {
        Some(file) => file.finish()?,
        None => context.output.bytes(&buffer),
    }
    Ok(())
}

fn pages(context: &Context, path: &str, filters: &Query, each: &mut dyn FnMut(&[Value]) -> Result<()>) -> Result<()> {
    let mut after: Option<String> = None;
    loop {
        let mut query = filters.clone();
        query.push(("limit", "1000".to_owned()));
        query.extend(after.take().map(|cursor| ("after", cursor)));
        let page = context.json(Ask::get(with(path, &query)))?;
        each(items(&page))?;
        match page["next"].as_str() {
            Some(cursor) => after = Some(cursor.to_owned()),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_followed_log_has_each_event_once_however_many_come() {
        let mut log: Vec<String> = Vec::new();
        let mut seen = None;
        let mut printed = Vec::new();
        let mut look = |log: &[String]| {
            let new = round(&mut seen, |after| {
                let end = after.map_or(log.len(), |cursor| cursor.parse().unwrap());
                let from = end.saturating_sub(1_000);
                let items: Vec<_> = log[from..end].iter().rev().map(|id| json!({ "id": id })).collect();
                Ok(json!({"items": items, "next": (from > 0).then(|| from.to_string())}))
            });
            printed.extend(new.unwrap().iter().rev().map(|event| id(event).to_owned()));
        };
        look(&log);
        for burst in [3, 12_000, 1, 0, 1_500, 1, 1] {
            let from = log.len();
            log.extend((from..from + burst).map(|n| n.to_string()));
            look(&log);
        }
        assert_eq!(printed, log);
    }
}
