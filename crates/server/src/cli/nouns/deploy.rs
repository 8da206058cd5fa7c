//! `latchkey deploy`: what passes a token to devices.

use std::path::PathBuf;

use clap::Args;

use super::Body;
use crate::cli::client::Ask;
use crate::cli::context::Context;
use crate::cli::secret;
use crate::exit::Result;

/// Flags of `deploy`.
#[derive(Args, Debug)]
pub(crate) struct Deploy {
    /// The device token, by its id
    #[arg(long, value_name = "ID")]
    token: String,
    /// The user domain: one that the token covers
    #[arg(long, value_name = "D")]
    domain: String,
    /// For what: shell (a block to paste on the device), linux (a script for root), managed-json (the file alone)
    #[arg(long = "for", value_name = "TARGET")]
    target: String,
    #[command(flatten)]
    from: Where,
    /// Write it here (0600) and leave stdout empty
    #[arg(long, value_name = "F")]
    output: Option<PathBuf>,
}

/// Where the token comes from.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Where {
    /// From its sealed copy, with the password in this file (- is stdin)
    #[arg(long, value_name = "F")]
    password_file: Option<String>,
    /// From this file (- is stdin); it is checked, and not kept
    #[arg(long, value_name = "F")]
    device_token_file: Option<String>,
    /// @@DEVICE_TOKEN@@ in its place, to be filled in later
    #[arg(long)]
    placeholder: bool,
}

impl Deploy {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let body = Body::default().with("target", self.target.as_str()).with("domain", self.domain.as_str());
        let body = if let Some(file) = &self.from.password_file {
            body.with("password", secret::password(Some(file), false, "")?.as_str())
        } else if let Some(file) = &self.from.device_token_file {
            body.with("device_token", secret::read("--device-token-file", file)?.as_str())
        } else {
            body.with("placeholder", true)
        };
        let path = context.at(&["device-tokens", &self.token, "artifacts"])?;
        let value = context.json(Ask::post(path, &body.value()))?;
        if context.output.json || self.output.is_some() {
            context.secret_answer(&value, "content", self.output.as_deref())?;
        } else {
            // As it stands: a shell reads it, and a person pastes it.
            context.output.text(value["content"].as_str().unwrap_or_default());
        }
        if !context.output.json {
            context.output.say("Take the token out of this setting again after the roll-out.");
        }
        Ok(())
    }
}
