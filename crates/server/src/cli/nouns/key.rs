//! `latchkey key`: the signing keys of the organization.

use clap::Subcommand;

use super::{Body, Named, Target, act};
use crate::cli::client::Ask;
use crate::cli::context::{Change, Context, ListArgs, Listing, Query};
use crate::exit::Result;

const LISTING: Listing = Listing {
    columns: &[("ID", "id"), ("USE", "use"), ("ALGORITHM", "algorithm"), ("STATE", "state"), ("SINCE", "created_at")],
    empty: "no key here",
};

/// Verbs of `key`.
#[derive(Subcommand, Debug)]
pub(crate) enum Key {
    /// Keys and their states
    List(ListArgs),
    /// One key, without its private part
    Show(Named),
    /// Make an upcoming key; others learn it before it is used
    #[command(after_help = "Example:\n  latchkey key add --use assertion --algorithm rsa-sha256\n  \
        latchkey key activate ID        when every service has read the new metadata\n\n\
        A new root (operator only) is followed by every device: the old one signs for it. Tokens made before stay good.")]
    Add {
        /// assertion, metadata, challenge, ca, or root (the whole cloud's)
        #[arg(long = "use", value_name = "assertion|metadata|challenge|ca|root")]
        purpose: String,
        /// Algorithm, where the use allows several
        #[arg(long, value_name = "A")]
        algorithm: Option<String>,
        #[command(flatten)]
        change: Change,
    },
    /// Sign with an upcoming key from now on
    Activate(Target),
    /// Trust a key no more
    Retire(Target),
    /// Seal everything with another master key; the server is stopped
    #[command(after_help = "Example:\n  latchkey key rewrap --new-master-key-file /etc/latchkey/new.key --data d")]
    Rewrap(Rewrap),
}

/// `key rewrap`, with the flags of `serve`.
#[derive(clap::Args, Debug)]
pub(crate) struct Rewrap {
    /// The new master key; made if the file is missing
    #[arg(long, value_name = "F")]
    new_master_key_file: std::path::PathBuf,
    #[command(flatten)]
    typed: crate::serve::config::Typed,
}

impl Key {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        match self {
            Key::List(list) => context.list(&context.at(&["keys"])?, &Query::new(), list, &LISTING),
            Key::Show(named) => context.answer_with(Ask::get(context.at(&["keys", &named.x])?)),
            Key::Add { purpose, algorithm, change } => {
                let body =
                    Body::default().with("use", purpose.as_str()).maybe("algorithm", algorithm.as_deref()).value();
                context.answer_with(Ask::post(change.path(&context.at(&["keys"])?), &body))
            }
            Key::Activate(target) => act(context, "keys", target, "activate"),
            Key::Rewrap(args) => crate::rewrap::command(&args.new_master_key_file, &args.typed, context.output),
            Key::Retire(target) => {
                context
                    .confirm(target.change, &format!("retire the key {}: what it signed counts no more", target.x))?;
                act(context, "keys", target, "retire")
            }
        }
    }
}
