//! `latchkey binding`: which user is on which device.

use clap::Subcommand;
use serde_json::json;

use super::{Named, Target, act};
use crate::cli::client::Ask;
use crate::cli::context::{Change, Context, ListArgs, Listing, Query};
use crate::exit::Result;

const LISTING: Listing = Listing {
    columns: &[
        ("ID", "id"),
        ("USER", "login_name"),
        ("DEVICE", "device_id"),
        ("ACCOUNT", "os_account"),
        ("LEVEL", "level"),
        ("STATE", "state"),
    ],
    empty: "no binding here; one is made when a person's device enrolls",
};

/// Verbs of `binding`.
#[derive(Subcommand, Debug)]
pub(crate) enum Binding {
    /// Bindings of the organization
    List {
        /// On this device; repeat for more
        #[arg(long, value_name = "X")]
        device: Vec<String>,
        /// Of this user; repeat for more
        #[arg(long, value_name = "U")]
        user: Vec<String>,
        /// pending, active or ended; repeat for more
        #[arg(long, value_name = "S")]
        state: Vec<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// One binding
    Show(Named),
    /// Let pending bindings sign in
    Approve {
        /// Bindings by id
        #[arg(value_name = "ID", required = true)]
        x: Vec<String>,
        #[command(flatten)]
        change: Change,
    },
    /// End a binding
    #[command(alias = "delete")]
    Remove(Target),
}

impl Binding {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        match self {
            Binding::List { device, user, state, list } => {
                let mut query = Query::new();
                query.extend(device.iter().map(|v| ("device", v.clone())));
                query.extend(user.iter().map(|v| ("user", v.clone())));
                query.extend(state.iter().map(|v| ("state", v.clone())));
                context.list(&context.at(&["bindings"])?, &query, list, &LISTING)
            }
            Binding::Show(named) => context.answer_with(Ask::get(context.at(&["bindings", &named.x])?)),
            Binding::Approve { x, change } => {
                let mut answers = Vec::new();
                for id in x {
                    let path = change.path(&context.at(&["bindings", id, "approve"])?);
                    answers.push(context.json(Ask::post(path, &json!({})))?);
                }
                match answers.as_slice() {
                    [only] => context.answer(only),
                    _ if context.output.json => context.answer(&json!({"items": answers, "next": null})),
                    all => all.iter().for_each(|answer| context.answer(answer)),
                }
                Ok(())
            }
            Binding::Remove(target) => {
                context.confirm(target.change, &format!("end the binding {}", target.x))?;
                act(context, "bindings", target, "remove")
            }
        }
    }
}
