//! `latchkey mail`: whether mail is set up, and whether it works.

use clap::Subcommand;

use super::Body;
use crate::cli::client::Ask;
use crate::cli::context::Context;
use crate::exit::Result;

/// Verbs of `mail`.
#[derive(Subcommand, Debug)]
pub(crate) enum Mail {
    /// The mail server, and what waits to be sent
    Show,
    /// Send a mail now, and say what the mail server says
    #[command(after_help = "Example:\n  latchkey mail test anna@corp.example")]
    Test {
        /// Where to
        address: String,
    },
}

impl Mail {
    /// Does it.
    ///
    /// # Errors
    /// As the server says; only the operator is let in.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let ask = match self {
            Mail::Show => Ask::get("/api/v1/mail"),
            Mail::Test { address } => {
                Ask::post("/api/v1/mail/test", &Body::default().with("to", address.as_str()).value())
            }
        };
        context.answer(&context.client()?.send(None, ask)?.json()?);
        Ok(())
    }
}
