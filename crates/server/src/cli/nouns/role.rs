//! `latchkey role`: who may do what.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Body, IfMissing, Named, Target};
use crate::cli::client::Ask;
use crate::cli::context::{Change, Context, ListArgs, Listing, Query};
use crate::exit::{Failure, Result};

const LISTING: Listing = Listing {
    columns: &[
        ("NAME", "name"),
        ("BUILT IN", "built_in"),
        ("ASSIGNMENTS", "assignments"),
        ("DESCRIPTION", "description"),
    ],
    empty: "no role",
};

const HOLDERS: Listing = Listing {
    columns: &[("ROLE", "role"), ("KIND", "kind"), ("NAME", "name"), ("SINCE", "created_at")],
    empty: "nobody; give it: latchkey role give ROLE --user LOGIN",
};

/// Verbs of `role`.
#[derive(Subcommand, Debug)]
pub(crate) enum Role {
    /// Make a role
    #[command(
        after_help = "Modules: organization, domains, tokens, policy, users, groups, devices, codes, services, sessions, keys, api-clients, \
        roles, audit.\nLevels: none; restricted (names, addresses, serial numbers and host names are masked); view; full.\n\nExample:\n  \
        latchkey role create stock --description \"Counts the machines\" --access devices=view --access users=restricted"
    )]
    Create {
        /// Its name
        name: String,
        /// What it is for
        #[arg(long, value_name = "T")]
        description: Option<String>,
        /// How much of a module it opens; repeat for more
        #[arg(long, value_name = "MODULE=LEVEL", required = true)]
        access: Vec<String>,
        #[command(flatten)]
        if_missing: IfMissing,
        #[command(flatten)]
        change: Change,
    },
    /// Change a role that was made here; whoever has it has what it then says
    #[command(after_help = "Example:\n  latchkey role set stock --access users=none")]
    Set {
        /// The role
        #[arg(value_name = "X")]
        x: String,
        /// Its new name
        #[arg(long, value_name = "T")]
        name: Option<String>,
        /// What it is for
        #[arg(long, value_name = "T")]
        description: Option<String>,
        /// How much of a module it opens; repeat for more
        #[arg(long, value_name = "MODULE=LEVEL")]
        access: Vec<String>,
        #[command(flatten)]
        change: Change,
    },
    /// Give a role to a user or a group
    #[command(after_help = "Example:\n  latchkey role give help-desk --user anna@corp.example")]
    Give(Holding),
    /// Take a role from a user or a group
    Take(Holding),
    /// Who has a role
    Holders {
        #[command(flatten)]
        role: Named,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Roles, the built-in ones last; or those of a user or a group
    List {
        /// Those of this user, with those of the user's groups
        #[arg(long, value_name = "LOGIN", conflicts_with = "group")]
        user: Option<String>,
        /// Those of this group
        #[arg(long, value_name = "G")]
        group: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// One role, with what it opens
    Show(Named),
    /// Delete a role that was made here
    Delete {
        #[command(flatten)]
        target: Target,
        /// Take it from everybody who has it
        #[arg(long)]
        from_everybody: bool,
    },
}

/// Flags of `role give` and `role take`.
#[derive(Args, Debug)]
#[group(id = "holder", required = true, multiple = false, args = ["user", "group"])]
pub(crate) struct Holding {
    /// The role
    role: String,
    /// This user
    #[arg(long, value_name = "LOGIN")]
    user: Option<String>,
    /// The members of this group
    #[arg(long, value_name = "G")]
    group: Option<String>,
    #[command(flatten)]
    change: Change,
}

impl Holding {
    fn holder(&self) -> String {
        let group = self.group.as_deref().unwrap_or_default();
        self.user.as_ref().map_or_else(|| format!("group:{group}"), |user| format!("user:{user}"))
    }
}

/// `MODULE=LEVEL`, several times.
fn rights(access: &[String]) -> Result<Option<Value>> {
    let mut rights = Map::new();
    for one in access {
        let (module, level) = one.split_once('=').ok_or_else(|| {
            Failure::usage(format!("{one:?} is not MODULE=LEVEL"), "for instance --access devices=view")
        })?;
        rights.insert(module.trim().to_owned(), level.trim().into());
    }
    Ok((!rights.is_empty()).then_some(Value::Object(rights)))
}

impl Role {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let one = |x: &str| context.at(&["roles", x]);
        match self {
            Role::Create { name, description, access, if_missing, change } => {
                let body = Body::default()
                    .with("name", name.as_str())
                    .maybe("description", description.clone())
                    .maybe("rights", rights(access)?)
                    .value();
                let existing = if if_missing.if_missing { Some(one(name)?) } else { None };
                let value = context.create(Ask::post(change.path(&context.at(&["roles"])?), &body), existing)?;
                context.answer(&value);
                Ok(())
            }
            Role::Set { x, name, description, access, change } => {
                let body = Body::default()
                    .maybe("name", name.clone())
                    .maybe("description", description.clone())
                    .maybe("rights", rights(access)?)
                    .changes()?;
                context.answer_with(Ask::patch(change.path(&one(x)?), &body))
            }
            Role::Give(holding) => {
                let path = context.at(&["roles", &holding.role, "assignments"])?;
                let body = Body::default().with("holder", holding.holder()).value();
                context.answer_with(Ask::post(holding.change.path(&path), &body))
            }
            Role::Take(holding) => {
                let holder = holding.holder();
                let path = context.at(&["roles", &holding.role, "assignments", &holder])?;
                let what = format!("the role {} from {holder}", holding.role);
                context.confirm(holding.change, &format!("take {what}"))?;
                let answer = context.json(Ask::delete(holding.change.path(&path)))?;
                if holding.change.dry_run {
                    context.answer(&answer);
                } else if context.output.json {
                    context.output.document(&json!({"taken": true}));
                } else {
                    context.output.say(&format!("took {what}"));
                }
                Ok(())
            }
            Role::Holders { role, list } => {
                context.list(&context.at(&["roles", &role.x, "assignments"])?, &Query::new(), list, &HOLDERS)
            }
            Role::List { user: Some(user), list, .. } => {
                context.list(&context.at(&["users", user, "roles"])?, &Query::new(), list, &HOLDERS)
            }
            Role::List { group: Some(group), list, .. } => {
                context.list(&context.at(&["groups", group, "roles"])?, &Query::new(), list, &HOLDERS)
            }
            Role::List { list, .. } => context.list(&context.at(&["roles"])?, &Query::new(), list, &LISTING),
            Role::Show(named) => context.answer_with(Ask::get(one(&named.x)?)),
            Role::Delete { target, from_everybody } => {
                let mut path = one(&target.x)?;
                if *from_everybody {
                    path.push_str("?from_everybody=true");
                }
                context.delete(&path, target.change, &format!("the role {}", target.x))
            }
        }
    }
}
