//! `latchkey statistics`: what happened lately, in numbers.

use clap::Args;

use crate::cli::client::Ask;
use crate::cli::context::{Context, with};
use crate::exit::Result;

/// Flags of `statistics`.
#[derive(Args, Debug)]
pub(crate) struct Statistics {
    /// So many days, today included: 1 to 90
    #[arg(long, value_name = "N", default_value_t = 30)]
    days: u64,
}

impl Statistics {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let query = vec![("days", self.days.to_string())];
        context.answer_with(Ask::get(with(&context.at(&["statistics"])?, &query)))
    }
}
