//! `latchkey session`: who is signed in where.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Map, Value, json};

use super::Named;
use crate::cli::client::Ask;
use crate::cli::context::{Change, Context, ListArgs, Listing, Query};
use crate::exit::Result;

const LISTING: Listing = Listing {
    columns: &[
        ("ID", "id"),
        ("USER", "login_name"),
        ("DEVICE", "device_id"),
        ("SERVICE", "service"),
        ("LEVEL", "level"),
        ("SINCE", "created_at"),
    ],
    empty: "nobody is signed in",
};

/// Verbs of `session`.
#[derive(Subcommand, Debug)]
pub(crate) enum Session {
    /// Sessions of the organization
    List {
        #[command(flatten)]
        filters: Filters,
        #[command(flatten)]
        list: ListArgs,
    },
    /// One session
    Show(Named),
    /// End sessions: by id, by filters, or all of them
    #[command(
        after_help = "Examples:\n  latchkey session end --user anna@corp.example --yes\n  latchkey session end --everyone --dry-run",
        group = ArgGroup::new("which").args(["x", "user", "device", "service", "everyone"]).required(true).multiple(true)
    )]
    End {
        /// The session
        #[arg(value_name = "ID", conflicts_with_all = ["user", "device", "service", "everyone"])]
        x: Option<String>,
        #[command(flatten)]
        filters: Filters,
        /// All sessions of the organization
        #[arg(long, conflicts_with_all = ["user", "device", "service"])]
        everyone: bool,
        #[command(flatten)]
        change: Change,
    },
}

/// Which sessions.
#[derive(Args, Debug)]
pub(crate) struct Filters {
    /// Of this user; repeat for more
    #[arg(long, value_name = "U")]
    user: Vec<String>,
    /// From this device; repeat for more
    #[arg(long, value_name = "X")]
    device: Vec<String>,
    /// At this service; repeat for more
    #[arg(long, value_name = "N")]
    service: Vec<String>,
}

impl Filters {
    fn lists(&self) -> [(&'static str, &Vec<String>); 3] {
        [("user", &self.user), ("device", &self.device), ("service", &self.service)]
    }
}

impl Session {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        match self {
            Session::List { filters, list } => {
                let mut query = Query::new();
                for (name, values) in filters.lists() {
                    query.extend(values.iter().map(|value| (name, value.clone())));
                }
                context.list(&context.at(&["sessions"])?, &query, list, &LISTING)
            }
            Session::Show(named) => context.answer_with(Ask::get(context.at(&["sessions", &named.x])?)),
            Session::End { x: Some(id), change, .. } => {
                context.delete(&context.at(&["sessions", id])?, *change, &format!("the session {id}"))
            }
            Session::End { x: None, filters, everyone, change } => {
                let what = if *everyone {
                    "end every session of the organization"
                } else {
                    "end every session these filters find"
                };
                context.confirm(*change, what)?;
                let mut filter = Map::new();
                for (name, values) in filters.lists().into_iter().filter(|(_, values)| !values.is_empty()) {
                    filter.insert(name.to_owned(), json!(values));
                }
                // An empty filter must not mean everybody by accident; so everybody has a name.
                if *everyone {
                    filter.insert("everyone".to_owned(), true.into());
                }
                let path = change.path(&context.at(&["sessions", "end"])?);
                context.answer_with(Ask::post(path, &json!({"filter": Value::Object(filter)})))
            }
        }
    }
}
