//! `latchkey code`: one-time codes that say who a user is (evidence level 3).

use std::path::PathBuf;

use clap::Subcommand;

use super::{Body, Named, Target};
use crate::cli::client::Ask;
use crate::cli::context::{Change, Context, ListArgs, Listing, Query};
use crate::cli::values::{self, Moment};
use crate::exit::Result;

const LISTING: Listing = Listing {
    columns: &[
        ("ID", "id"),
        ("USER", "login_name"),
        ("SERIAL", "serial"),
        ("EXPIRES", "expires_at"),
        ("USED", "used_at"),
    ],
    empty: "no one-time code; make one: latchkey code create --user LOGIN",
};

/// Verbs of `code`.
#[derive(Subcommand, Debug)]
pub(crate) enum OneTimeCode {
    /// Make a one-time code for the option userClaim; it is shown this once
    #[command(after_help = "Example:\n  latchkey code create --user anna@corp.example --output claim\n  \
        latchkey-connector enroll … --user-claim-file claim        on her device")]
    Create {
        /// Login name
        #[arg(long, value_name = "LOGIN")]
        user: String,
        /// Only on the device with this serial number
        #[arg(long, value_name = "S")]
        serial: Option<String>,
        /// When it ends: so long from now, or RFC 3339
        #[arg(long, value_name = "T", value_parser = values::moment, default_value = "72h")]
        expires: Moment,
        /// Write the code here (0600) and leave stdout empty
        #[arg(long, value_name = "F")]
        output: Option<PathBuf>,
        #[command(flatten)]
        change: Change,
    },
    /// One-time codes of the organization
    List(ListArgs),
    /// One code, without its secret
    Show(Named),
    /// Delete a code that was not used
    Delete(Target),
}

impl OneTimeCode {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        match self {
            OneTimeCode::Create { user, serial, expires, output, change } => {
                let body = Body::default()
                    .with("user", user.as_str())
                    .maybe("serial", serial.as_deref())
                    .with("expires_at", expires.ahead_of(context.now))
                    .value();
                let value = context.json(Ask::post(change.path(&context.at(&["one-time-codes"])?), &body))?;
                if change.dry_run {
                    context.answer(&value);
                    return Ok(());
                }
                context.secret_answer(&value, "one_time_code", output.as_deref())
            }
            OneTimeCode::List(list) => context.list(&context.at(&["one-time-codes"])?, &Query::new(), list, &LISTING),
            OneTimeCode::Show(named) => context.answer_with(Ask::get(context.at(&["one-time-codes", &named.x])?)),
            OneTimeCode::Delete(target) => {
                let path = context.at(&["one-time-codes", &target.x])?;
                context.delete(&path, target.change, &format!("the one-time code {}", target.x))
            }
        }
    }
}
