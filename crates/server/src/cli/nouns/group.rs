//! `latchkey group`: groups of users.

use clap::{Args, Subcommand};

use super::{Body, IfMissing, Named, Target};
use crate::cli::client::Ask;
use crate::cli::context::{Change, Context, ListArgs, Listing, Query};
use crate::exit::{Failure, Result};

const LISTING: Listing = Listing {
    columns: &[("NAME", "name"), ("PROTECTED", "protected"), ("ID", "id")],
    empty: "no group yet; make one: latchkey group create NAME",
};

/// Verbs of `group`.
#[derive(Subcommand, Debug)]
pub(crate) enum Group {
    /// Make a group
    Create {
        /// Its name
        name: String,
        /// Its members are protected users: nothing below evidence level 3 acts for them
        #[arg(long)]
        protected: bool,
        #[command(flatten)]
        if_missing: IfMissing,
        #[command(flatten)]
        change: Change,
    },
    /// Change members and protection
    #[command(after_help = "Example:\n  latchkey group set staff --join anna@corp.example --leave bob@corp.example")]
    Set(SetArgs),
    /// Groups of the organization
    List(ListArgs),
    /// One group
    Show(Named),
    /// Delete a group; its members stay
    Delete(Target),
}

/// Flags of `group set`.
#[derive(Args, Debug)]
pub(crate) struct SetArgs {
    /// The group
    name: String,
    /// Put this user in; repeat for more
    #[arg(long, value_name = "LOGIN")]
    join: Vec<String>,
    /// Take this user out; repeat for more
    #[arg(long, value_name = "LOGIN")]
    leave: Vec<String>,
    /// Its members are protected users
    #[arg(long, overrides_with = "no_protected")]
    protected: bool,
    /// Its members are ordinary users
    #[arg(long, overrides_with = "protected")]
    no_protected: bool,
    #[command(flatten)]
    change: Change,
}

impl Group {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let one = |x: &str| context.at(&["groups", x]);
        match self {
            Group::Create { name, protected, if_missing, change } => {
                let body = Body::default().with("name", name.as_str()).switch("protected", *protected, false).value();
                let existing = if if_missing.if_missing { Some(one(name)?) } else { None };
                let value = context.create(Ask::post(change.path(&context.at(&["groups"])?), &body), existing)?;
                context.answer(&value);
                Ok(())
            }
            Group::Set(args) => set(context, args),
            Group::List(list) => context.list(&context.at(&["groups"])?, &Query::new(), list, &LISTING),
            Group::Show(named) => context.answer_with(Ask::get(one(&named.x)?)),
            Group::Delete(target) => {
                context.delete(&one(&target.x)?, target.change, &format!("the group {}", target.x))
            }
        }
    }
}

/// Each member is a call of its own; a repeated one changes nothing, so after a failure the same command can be given again.
fn set(context: &Context, args: &SetArgs) -> Result<()> {
    let switch = args.protected || args.no_protected;
    if !switch && args.join.is_empty() && args.leave.is_empty() {
        return Err(Failure::usage("there is nothing to change", "give --join, --leave or --[no-]protected"));
    }
    let path = context.at(&["groups", &args.name])?;
    let mut last = None;
    if switch {
        let body = Body::default().switch("protected", args.protected, args.no_protected).value();
        last = Some(context.json(Ask::patch(args.change.path(&path), &body))?);
    }
    for login in &args.join {
        let member = context.at(&["groups", &args.name, "members", login])?;
        last = Some(context.json(Ask::put(args.change.path(&member), &Body::default().value()))?);
    }
    for login in &args.leave {
        let member = context.at(&["groups", &args.name, "members", login])?;
        last = Some(context.json(Ask::delete(args.change.path(&member)))?);
    }
    match last {
        Some(would) if args.change.dry_run => context.answer(&would),
        _ => context.answer_with(Ask::get(path))?,
    }
    Ok(())
}
