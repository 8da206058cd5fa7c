//! `latchkey domain`: the DNS domains whose users may sign in.

use std::time::{Duration, Instant};

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Body, IfMissing, Named, Target};
use crate::cli::client::Ask;
use crate::cli::context::{Change, Context, ListArgs, Listing};
use crate::cli::{show, values};
use crate::exit::{Exit, Failure, Result};

const LISTING: Listing = Listing {
    columns: &[
        ("NAME", "name"),
        ("VERIFICATION", "verification"),
        ("VERIFIED", "verified_at"),
        ("LAST SEEN", "last_seen_at"),
    ],
    empty: "no domain yet; add one: latchkey domain add NAME",
};

/// Names that no public DNS can hold (RFC 2606, RFC 6762, RFC 9476 and ICANN's `internal`).
const NEVER_PUBLIC: [&str; 9] =
    ["test", "example", "invalid", "localhost", "local", "internal", "alt", "lan", "home.arpa"];

/// Between two looks at the zone.
const PAUSE: Duration = Duration::from_secs(5);

/// Verbs of `domain`.
#[derive(Subcommand, Debug)]
pub(crate) enum Domain {
    /// Add a domain; the answer names the DNS record that verifies it
    #[command(after_help = "Example:\n  latchkey domain add corp.example")]
    Add {
        /// The domain, as after the @ of login names
        name: String,
        #[command(flatten)]
        if_missing: IfMissing,
        #[command(flatten)]
        change: Change,
    },
    /// Look for the record in the zone's own name servers, or take the operator's word
    #[command(after_help = "Examples:\n  latchkey domain verify corp.example --wait 10m\n  \
        latchkey domain verify acme.example --operator-word \"lab, ticket 42\"")]
    Verify {
        /// The domain
        name: String,
        /// Keep looking for so long
        #[arg(long, value_name = "10m", value_parser = values::duration)]
        wait: Option<Duration>,
        /// Without DNS, for this reason; on the server only, and shown as such for ever
        #[arg(long, value_name = "REASON", conflicts_with = "wait")]
        operator_word: Option<String>,
        #[command(flatten)]
        change: Change,
    },
    /// Domains of the organization
    List(ListArgs),
    /// One domain, with its DNS record
    Show(Named),
    /// Remove a domain
    #[command(alias = "delete")]
    Remove(Target),
}

impl Domain {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        match self {
            Domain::Add { name, if_missing, change } => {
                let existing = if if_missing.if_missing { Some(context.at(&["domains", name])?) } else { None };
                let ask = Ask::post(change.path(&context.at(&["domains"])?), &json!({"name": name}));
                let value = context.create(ask, existing)?;
                context.answer(&value);
                if !context.output.json && !change.dry_run {
                    next_step(context, name, &value);
                }
                Ok(())
            }
            Domain::Verify { name, wait, operator_word, change } => {
                let body = Body::default().maybe("operator_word", operator_word.as_deref()).value();
                let path = change.path(&context.at(&["domains", name, "verify"])?);
                let value = verify(context, name, &path, &body, *wait)?;
                context.answer(&value);
                Ok(())
            }
            Domain::List(list) => context.list(&context.at(&["domains"])?, &Vec::new(), list, &LISTING),
            Domain::Show(named) => context.answer_with(Ask::get(context.at(&["domains", &named.x])?)),
            Domain::Remove(target) => {
                let path = context.at(&["domains", &target.x])?;
                context.delete(&path, target.change, &format!("the domain {}", target.x))
            }
        }
    }
}

/// Asks until the record is there or the time is over.
fn verify(context: &Context, name: &str, path: &str, body: &Value, wait: Option<Duration>) -> Result<Value> {
    let begin = Instant::now();
    loop {
        // "Not there yet" comes as a refusal or as a domain that is still pending.
        let failure = match context.json(Ask::post(path, body)) {
            Ok(value) if value["verification"] != "pending" => return Ok(value),
            Ok(value) => not_there(name, &value),
            Err(failure) => failure,
        };
        let may_come = failure.exit == Exit::CONFLICT || failure.exit == Exit::LATER;
        let left = wait.unwrap_or_default().saturating_sub(begin.elapsed());
        if !may_come || left.is_zero() {
            return Err(failure);
        }
        context.output.say(&format!("{}; looking again, for {} more", show::clean(&failure.detail), rounded(left)));
        let pause = failure.retry_after.map_or(PAUSE, Duration::from_secs);
        std::thread::sleep(pause.min(left));
    }
}

fn not_there(name: &str, value: &Value) -> Failure {
    let found = match value["found"].as_array() {
        Some(found) if !found.is_empty() => {
            format!("found {}", found.iter().map(|f| show::cell(Some(f))).collect::<Vec<_>>().join(", "))
        }
        _ => "found nothing".to_owned(),
    };
    let record = &value["record"];
    let fix = match (record["name"].as_str(), record["value"].as_str()) {
        (Some(at), Some(text)) => {
            format!("set the TXT record {at} to \"{text}\", then latchkey domain verify {name} --wait 10m")
        }
        _ => format!("latchkey domain show {name} names the record to set; then verify with --wait 10m"),
    };
    Failure::new(crate::code::Own::Api008, format!("the record of {name} is not there yet: {found}"), fix)
}

fn rounded(left: Duration) -> String {
    let seconds = left.as_secs();
    if seconds >= 120 { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

fn next_step(context: &Context, name: &str, value: &Value) {
    if value["verification"] != "pending" {
        return;
    }
    let public = !NEVER_PUBLIC.iter().any(|end| name == *end || name.ends_with(&format!(".{end}")));
    if !public {
        context.output.say(&format!(
            "Nobody can verify {name} by DNS: such names are never public. In a laboratory, on the server itself:\n  \
             latchkey domain verify {name} --operator-word \"lab\""
        ));
        return;
    }
    if let (Some(at), Some(kind), Some(text)) =
        (value["record"]["name"].as_str(), value["record"]["type"].as_str(), value["record"]["value"].as_str())
    {
        context.output.say(&format!(
            "\nTo show that {name} is yours, set this record where its DNS is kept:\n\n  {} {} \"{}\"\n\nthen:\n  \
             latchkey domain verify {name} --wait 10m",
            show::clean(at),
            show::clean(kind),
            show::clean(text)
        ));
    }
}
