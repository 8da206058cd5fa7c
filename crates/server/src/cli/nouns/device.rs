//! `latchkey device`: enrolled devices.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Body, Named, save_csv};
use crate::cli::client::Ask;
use crate::cli::context::{Change, Context, ListArgs, Listing, Query, with};
use crate::cli::values::{self, Moment};
use crate::exit::{Failure, Result};

const LISTING: Listing = Listing {
    columns: &[
        ("ID", "id"),
        ("STATE", "state"),
        ("HOST", "host"),
        ("PLATFORM", "platform"),
        ("SERIAL", "serial"),
        ("USERS", "users"),
        ("LAST SEEN", "last_seen_at"),
    ],
    empty: "no device here; devices come by enrollment: latchkey token create, then latchkey-connector enroll on the device",
};

const FILTERS: &str =
    "Either ids, or filters: a repeated filter is OR, different filters are AND.\n--dry-run counts first.";

/// Verbs of `device`.
#[derive(Subcommand, Debug)]
pub(crate) enum Device {
    /// Devices of the organization
    List {
        #[command(flatten)]
        filters: Filters,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Devices as CSV, all or those that filters find
    Export {
        #[command(flatten)]
        filters: Filters,
        /// Write it here (0600) and leave stdout empty
        #[arg(long, value_name = "F")]
        output: Option<PathBuf>,
    },
    /// One device
    Show(Named),
    /// Let pending or sleeping devices in
    #[command(after_help = FILTERS)]
    Approve(Several),
    /// Let devices do nothing until they are resumed
    #[command(after_help = FILTERS)]
    Suspend(Several),
    /// Let suspended devices work again
    #[command(after_help = FILTERS)]
    Resume(Several),
    /// Lock devices that may have been copied; they have to enroll anew
    #[command(after_help = FILTERS)]
    Quarantine(Several),
    /// Let quarantined devices enroll anew
    #[command(after_help = FILTERS)]
    Release(Several),
    /// Remove devices: at their next contact, or at once with --force
    #[command(after_help = "Examples:\n  latchkey device remove ID --force --yes\n  \
        latchkey device remove --last-seen-before 180d --dry-run")]
    Remove {
        #[command(flatten)]
        several: Several,
        /// At once, without waiting for the device to be told
        #[arg(long)]
        force: bool,
    },
}

/// Which devices.
#[derive(Args, Debug, Default)]
pub(crate) struct Filters {
    /// In this state: pending, registered, suspended, quarantined, removal_pending, removed, unregistered, retired
    #[arg(long, value_name = "S")]
    state: Vec<String>,
    /// Of this user
    #[arg(long, value_name = "U")]
    user: Vec<String>,
    /// Enrolled with this token
    #[arg(long, value_name = "ID")]
    token: Vec<String>,
    /// windows, macos, linux, ios or android
    #[arg(long, value_name = "P")]
    platform: Vec<String>,
    /// With this serial number; capitals and small letters are alike
    #[arg(long, value_name = "S")]
    serial: Vec<String>,
    /// In this device group
    #[arg(long, value_name = "G")]
    group: Vec<String>,
    /// With a user of this evidence level
    #[arg(long, value_name = "N", value_parser = values::level)]
    level: Vec<u8>,
    /// Not seen since then: RFC 3339, or so long ago; longest silent first
    #[arg(long, value_name = "T", value_parser = values::moment)]
    last_seen_before: Option<Moment>,
    /// Beginning of the host name, serial number, id or user's login name; capitals and small letters are alike
    #[arg(long, value_name = "T")]
    query: Option<String>,
}

impl Filters {
    fn query(&self, context: &Context) -> Query {
        let mut query = Query::new();
        for (name, values) in self.lists() {
            query.extend(values.iter().map(|value| (name, value.clone())));
        }
        query.extend(self.level.iter().map(|level| ("level", level.to_string())));
        query.extend(self.last_seen_before.map(|t| ("last_seen_before", t.back_from(context.now))));
        query.extend(self.query.iter().map(|text| ("q", text.clone())));
        query
    }

    fn document(&self, context: &Context) -> Map<String, Value> {
        let mut document = Map::new();
        for (name, values) in self.lists().into_iter().filter(|(_, values)| !values.is_empty()) {
            document.insert(name.to_owned(), json!(values));
        }
        if !self.level.is_empty() {
            document.insert("level".to_owned(), json!(self.level));
        }
        if let Some(before) = self.last_seen_before {
            document.insert("last_seen_before".to_owned(), before.back_from(context.now).into());
        }
        if let Some(text) = &self.query {
            document.insert("q".to_owned(), text.as_str().into());
        }
        document
    }

    fn lists(&self) -> [(&'static str, &Vec<String>); 6] {
        [
            ("state", &self.state),
            ("user", &self.user),
            ("token", &self.token),
            ("platform", &self.platform),
            ("serial", &self.serial),
            ("group", &self.group),
        ]
    }
}

/// Named devices, or all that filters find.
#[derive(Args, Debug)]
pub(crate) struct Several {
    /// Devices by id
    #[arg(value_name = "X")]
    x: Vec<String>,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    change: Change,
}

impl Device {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        match self {
            Device::List { filters, list } => {
                context.list(&context.at(&["devices"])?, &filters.query(context), list, &LISTING)
            }
            Device::Export { filters, output } => {
                let path = with(&context.at(&["devices", "export"])?, &filters.query(context));
                save_csv(context, path, output.as_deref())
            }
            Device::Show(named) => context.answer_with(Ask::get(context.at(&["devices", &named.x])?)),
            Device::Approve(several) => act(context, several, "approve", false),
            Device::Suspend(several) => act(context, several, "suspend", false),
            Device::Resume(several) => act(context, several, "resume", false),
            Device::Quarantine(several) => act(context, several, "quarantine", false),
            Device::Release(several) => act(context, several, "release", false),
            Device::Remove { several, force } => act(context, several, "remove", *force),
        }
    }
}

fn act(context: &Context, several: &Several, action: &str, force: bool) -> Result<()> {
    let filter = several.filters.document(context);
    let change = several.change;
    let body = Body::default().switch("force", force, false);
    match (several.x.is_empty(), filter.is_empty()) {
        (true, true) => Err(Failure::usage(
            format!("which devices to {action} is missing"),
            "name ids, or give filters such as --user U or --state S",
        )),
        (false, false) => {
            Err(Failure::usage("ids and filters together could mean two things", "give ids, or filters, not both"))
        }
        (true, false) => {
            // Whoever filters does not see what is hit; even what can be undone is then asked about.
            context.confirm(change, &format!("{action} every device these filters find"))?;
            let path = change.path(&context.at(&["devices", "bulk"])?);
            let body = body.with("filter", Value::Object(filter)).with("action", action).value();
            context.answer_with(Ask::post(path, &body))
        }
        (false, true) => {
            if action == "remove" {
                context.confirm(change, &format!("remove {}", several.x.join(", ")))?;
            }
            named(context, several, action, &body.value())
        }
    }
}

/// One call for each; the first refusal ends the command, saying what was done before it.
fn named(context: &Context, several: &Several, action: &str, body: &Value) -> Result<()> {
    let mut answers = Vec::new();
    for x in &several.x {
        let path = several.change.path(&context.at(&["devices", x, action])?);
        match context.json(Ask::post(path, body)) {
            Ok(answer) => answers.push(answer),
            Err(failure) => {
                if !answers.is_empty() {
                    context.output.say(&format!("{action}: done for {}", several.x[..answers.len()].join(", ")));
                }
                return Err(failure);
            }
        }
    }
    match (answers.as_mut_slice(), several.change.dry_run) {
        ([only], _) => context.answer(only),
        (all, true) => context.answer(&summed(all)),
        (_, false) if context.output.json => context.answer(&json!({"items": answers, "next": null})),
        (all, false) => {
            for answer in all {
                context.answer(answer);
            }
        }
    }
    Ok(())
}

/// Several dry runs as one.
fn summed(answers: &[Value]) -> Value {
    let mut would = Map::new();
    let mut sample = Vec::new();
    for answer in answers {
        for (name, value) in answer["would"].as_object().into_iter().flatten() {
            let so_far = would.get(name).and_then(Value::as_u64).unwrap_or(0);
            match value.as_u64() {
                Some(count) => would.insert(name.clone(), (so_far + count).into()),
                None => would.insert(name.clone(), value.clone()),
            };
        }
        sample.extend(answer["sample"].as_array().into_iter().flatten().cloned());
    }
    json!({"would": would, "sample": sample})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dry_runs_of_several_devices_are_one_answer() {
        let one = json!({"would": {"devices": 1, "sessions": 2}, "sample": ["a"]});
        let two = json!({"would": {"devices": 1}, "sample": ["b"]});
        assert_eq!(summed(&[one, two]), json!({"would": {"devices": 2, "sessions": 2}, "sample": ["a", "b"]}));
    }
}
