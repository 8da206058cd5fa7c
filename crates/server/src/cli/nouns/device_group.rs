//! `latchkey device-group`: groups of devices.

use clap::{Args, Subcommand};

use super::{Body, IfMissing, Named, Target};
use crate::cli::client::Ask;
use crate::cli::context::{Change, Context, ListArgs, Listing, Query};
use crate::exit::{Failure, Result};

const LISTING: Listing = Listing {
    columns: &[("NAME", "name"), ("DEVICES", "devices"), ("USERS EACH", "users_per_device"), ("ID", "id")],
    empty: "no device group yet; make one: latchkey device-group create NAME",
};

/// Verbs of `device-group`.
#[derive(Subcommand, Debug)]
pub(crate) enum DeviceGroup {
    /// Make a group of devices
    #[command(after_help = "Example:\n  latchkey device-group create kiosks --users-per-device 10")]
    Create {
        /// Its name
        name: String,
        #[command(flatten)]
        facts: Facts,
        #[command(flatten)]
        if_missing: IfMissing,
        #[command(flatten)]
        change: Change,
    },
    /// Change it, and which devices are in it
    #[command(after_help = "Examples:\n  latchkey device-group set kiosks --join ID --leave ID\n  \
        latchkey device-group set kiosks --users-per-device 5\nMany devices at once: the page Devices, or POST …/members with a filter.")]
    Set(SetArgs),
    /// Groups of devices
    List(ListArgs),
    /// One group of devices
    Show(Named),
    /// Delete a group of devices; the devices stay
    Delete(Target),
}

/// What is said about a group.
#[derive(Args, Debug)]
pub(crate) struct Facts {
    /// What it is for
    #[arg(long, value_name = "T")]
    description: Option<String>,
    /// So many people may use a device of it by their word alone (evidence levels 0 and 1): 1 to 50
    #[arg(long, value_name = "N")]
    users_per_device: Option<u64>,
}

impl Facts {
    fn add(&self, body: Body) -> Body {
        // An empty description is one, not none.
        body.maybe("description", self.description.clone()).maybe("users_per_device", self.users_per_device)
    }
}

/// Flags of `device-group set`.
#[derive(Args, Debug)]
pub(crate) struct SetArgs {
    /// The group
    name: String,
    /// Its new name
    #[arg(long, value_name = "T")]
    rename: Option<String>,
    #[command(flatten)]
    facts: Facts,
    /// Put this device in; repeat for more
    #[arg(long, value_name = "X")]
    join: Vec<String>,
    /// Take this device out; repeat for more
    #[arg(long, value_name = "X")]
    leave: Vec<String>,
    #[command(flatten)]
    change: Change,
}

impl DeviceGroup {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let one = |x: &str| context.at(&["device-groups", x]);
        match self {
            DeviceGroup::Create { name, facts, if_missing, change } => {
                let body = facts.add(Body::default().with("name", name.as_str())).value();
                let existing = if if_missing.if_missing { Some(one(name)?) } else { None };
                let path = change.path(&context.at(&["device-groups"])?);
                let value = context.create(Ask::post(path, &body), existing)?;
                context.answer(&value);
                Ok(())
            }
            DeviceGroup::Set(args) => set(context, args),
            DeviceGroup::List(list) => context.list(&context.at(&["device-groups"])?, &Query::new(), list, &LISTING),
            DeviceGroup::Show(named) => context.answer_with(Ask::get(one(&named.x)?)),
            DeviceGroup::Delete(target) => {
                context.delete(&one(&target.x)?, target.change, &format!("the device group {}", target.x))
            }
        }
    }
}

/// Each member is a call of its own; a repeated one changes nothing, so after a failure the same command can be given again.
fn set(context: &Context, args: &SetArgs) -> Result<()> {
    let body = args.facts.add(Body::default().maybe("name", args.rename.clone()));
    let facts = body.value();
    let says = facts.as_object().is_some_and(|members| !members.is_empty());
    if !says && args.join.is_empty() && args.leave.is_empty() {
        let fix = "give --join, --leave, --rename, --description or --users-per-device";
        return Err(Failure::usage("there is nothing to change", fix));
    }
    let mut last = None;
    for device in &args.join {
        let member = context.at(&["device-groups", &args.name, "members", device])?;
        last = Some(context.json(Ask::put(args.change.path(&member), &Body::default().value()))?);
    }
    for device in &args.leave {
        let member = context.at(&["device-groups", &args.name, "members", device])?;
        last = Some(context.json(Ask::delete(args.change.path(&member)))?);
    }
    let path = context.at(&["device-groups", &args.name])?;
    if says {
        last = Some(context.json(Ask::patch(args.change.path(&path), &facts))?);
    }
    match last {
        // After a renaming the old name is nobody's: what the last call answered is the group.
        Some(answer) if args.change.dry_run || says => context.answer(&answer),
        _ => context.answer_with(Ask::get(path))?,
    }
    Ok(())
}
