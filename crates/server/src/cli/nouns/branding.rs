//! `latchkey branding`: how an organization looks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};

use super::Body;
use crate::cli::client::Ask;
use crate::cli::context::{Change, Context};
use crate::cli::files;
use crate::exit::Result;

/// More than the server takes: it says by how much a file is too large.
const MOST: u64 = 512 * 1024;

/// Verbs of `branding`.
#[derive(Subcommand, Debug)]
pub(crate) enum Branding {
    /// How it looks
    Show,
    /// Change it; what is not named stays
    #[command(after_help = "Examples:\n  latchkey branding set --accent #1d4ed8 --logo logo.png\n  \
        latchkey branding set --sign-in-title \"Welcome to Acme\" --support-contact \"help@acme.example\"\n  \
        latchkey branding set --accent \"\"        the colour of the product again")]
    Set(SetArgs),
    /// Everything as the product has it again
    Reset {
        #[command(flatten)]
        change: Change,
    },
}

/// Flags of `branding set`.
#[derive(Args, Debug)]
pub(crate) struct SetArgs {
    /// The one accent colour; refused, with the nearest that does, where text in it cannot be read
    #[arg(long, value_name = "#RRGGBB")]
    accent: Option<String>,
    /// The heading of the sign-in page
    #[arg(long, value_name = "T")]
    sign_in_title: Option<String>,
    /// A line below it
    #[arg(long, value_name = "T")]
    sign_in_help: Option<String>,
    /// Whom to ask, on sign-in pages and refusals
    #[arg(long, value_name = "T")]
    support_contact: Option<String>,
    /// From whom mails come
    #[arg(long, value_name = "T")]
    sender_name: Option<String>,
    /// The logo: PNG, JPEG or WebP, at most 70 KB and 2000 pixels a side
    #[arg(long, value_name = "FILE", conflicts_with = "no_logo")]
    logo: Option<String>,
    /// No logo: the organization's name
    #[arg(long)]
    no_logo: bool,
    #[command(flatten)]
    change: Change,
}

impl Branding {
    /// Does it.
    ///
    /// # Errors
    /// As the server says, or where the logo cannot be read.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let path = context.at(&["branding"])?;
        match self {
            Branding::Show => context.answer_with(Ask::get(path)),
            Branding::Set(args) => {
                let logo = match &args.logo {
                    Some(file) => Some(STANDARD.encode(files::read(file, MOST)?)),
                    None => args.no_logo.then(String::new),
                };
                let body = Body::default()
                    .text("accent", args.accent.as_ref())
                    .text("sign_in_title", args.sign_in_title.as_ref())
                    .text("sign_in_help", args.sign_in_help.as_ref())
                    .text("support_contact", args.support_contact.as_ref())
                    .text("sender_name", args.sender_name.as_ref())
                    .text("logo", logo.as_ref())
                    .changes()?;
                context.answer_with(Ask::patch(args.change.path(&path), &body))
            }
            Branding::Reset { change } => context.delete(&path, *change, "logo, colour and texts of the organization"),
        }
    }
}
