//! `latchkey cleanup-rule`: what becomes of devices that were not heard of.

use clap::{Args, Subcommand};

use super::{Body, Named, Target};
use crate::cli::client::Ask;
use crate::cli::context::{Change, Context, ListArgs, Listing, Query};
use crate::exit::Result;

const LISTING: Listing = Listing {
    columns: &[
        ("ID", "id"),
        ("DOES", "action"),
        ("AFTER DAYS", "silent_days"),
        ("GROUP", "device_group"),
        ("PLATFORMS", "platforms"),
        ("ON", "enabled"),
        ("DESCRIPTION", "description"),
    ],
    empty: "no clean-up rule; unused devices retire as `latchkey org set --retire-after` says. Make one: latchkey cleanup-rule create --action remove --silent-days 180",
};

/// Verbs of `cleanup-rule`.
#[derive(Subcommand, Debug)]
pub(crate) enum CleanupRule {
    /// Make a rule; `--disabled` and `preview` show first what it would touch
    #[command(after_help = "Rules touch a twentieth of the devices a day at most.\nExample:\n  \
        latchkey cleanup-rule create --action remove --silent-days 180 --device-group kiosks --disabled")]
    Create(Said),
    /// Change a rule; what is not named stays
    Set {
        /// The rule
        id: String,
        #[command(flatten)]
        said: Said,
    },
    /// What a rule would touch now
    Preview(Named),
    /// Clean-up rules
    List(ListArgs),
    /// One clean-up rule
    Show(Named),
    /// Delete a rule; what it did stays done
    Delete(Target),
}

/// What a rule says.
#[derive(Args, Debug)]
pub(crate) struct Said {
    /// retire (may come back with an approval), suspend or remove (for ever)
    #[arg(long, value_name = "A")]
    action: Option<String>,
    /// Devices not heard of for so many days: 30 to 180
    #[arg(long, value_name = "N")]
    silent_days: Option<u64>,
    /// Only devices of this group; empty: all
    #[arg(long, value_name = "G")]
    device_group: Option<String>,
    /// Only this kind of device: windows, macos, linux, ios, android; repeat for more. Replaces the list; empty: all
    #[arg(long, value_name = "P")]
    platform: Vec<String>,
    /// What it is for
    #[arg(long, value_name = "T")]
    description: Option<String>,
    /// It is applied
    #[arg(long, overrides_with = "disabled")]
    enabled: bool,
    /// It is not applied
    #[arg(long, overrides_with = "enabled")]
    disabled: bool,
    #[command(flatten)]
    change: Change,
}

impl Said {
    fn body(&self) -> Body {
        Body::default()
            .maybe("action", self.action.clone())
            .maybe("silent_days", self.silent_days)
            .maybe("device_group", self.device_group.clone())
            .list("platforms", &self.platform)
            .maybe("description", self.description.clone())
            .switch("enabled", self.enabled, self.disabled)
    }
}

impl CleanupRule {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let one = |x: &str| context.at(&["cleanup-rules", x]);
        match self {
            CleanupRule::Create(said) => {
                let path = said.change.path(&context.at(&["cleanup-rules"])?);
                let value = context.create(Ask::post(path, &said.body().value()), None)?;
                context.answer(&value);
                Ok(())
            }
            CleanupRule::Set { id, said } => {
                context.answer_with(Ask::patch(said.change.path(&one(id)?), &said.body().changes()?))
            }
            CleanupRule::Preview(named) => {
                context.answer_with(Ask::get(context.at(&["cleanup-rules", &named.x, "preview"])?))
            }
            CleanupRule::List(list) => context.list(&context.at(&["cleanup-rules"])?, &Query::new(), list, &LISTING),
            CleanupRule::Show(named) => context.answer_with(Ask::get(one(&named.x)?)),
            CleanupRule::Delete(target) => {
                context.delete(&one(&target.x)?, target.change, &format!("the clean-up rule {}", target.x))
            }
        }
    }
}
