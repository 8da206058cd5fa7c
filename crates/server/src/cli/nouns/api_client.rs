//! `latchkey api-client`: programs that use the API.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::Value;

use super::{Body, IfMissing, Named, Target, act};
use crate::cli::client::Ask;
use crate::cli::context::{Change, Context, ListArgs, Listing, Query};
use crate::cli::files;
use crate::exit::Result;

const LISTING: Listing = Listing {
    columns: &[("NAME", "name"), ("CLIENT ID", "client_id"), ("STATE", "state"), ("SCOPES", "scopes")],
    empty: "no API client; make one: latchkey api-client create NAME --scope devices:read",
};

/// Verbs of `api-client`.
#[derive(Subcommand, Debug)]
pub(crate) enum ApiClient {
    /// Make an API client; its secret is shown this once
    #[command(
        after_help = "Scopes are NOUN:read and NOUN:write for organization, domains, tokens, policy, users, groups, devices, codes, \
        services, sessions, keys, api-clients, roles; and audit:read.\n\nExample:\n  \
        latchkey api-client create inventory --scope devices:read --secret-output secret\n  \
        export LATCHKEY_CLIENT_ID=… LATCHKEY_CLIENT_SECRET_FILE=secret LATCHKEY_ORG=acme\n  \
        latchkey --server https://id.corp.example device list"
    )]
    Create {
        /// Its name
        name: String,
        /// What it may do; repeat for more
        #[arg(long, value_name = "S", required = true)]
        scope: Vec<String>,
        /// Its public key (PEM): it proves itself by signature and gets no secret
        #[arg(long, value_name = "F")]
        public_key: Option<String>,
        /// Write the secret here (0600); the answer is then without it
        #[arg(long, value_name = "F")]
        secret_output: Option<PathBuf>,
        #[command(flatten)]
        if_missing: IfMissing,
        #[command(flatten)]
        change: Change,
    },
    /// Make a new secret; the old one counts no more
    Rotate {
        #[command(flatten)]
        target: Target,
        /// Its new public key (PEM), in place of a new secret
        #[arg(long, value_name = "F")]
        public_key: Option<String>,
        /// Write the secret here (0600); the answer is then without it
        #[arg(long, value_name = "F")]
        secret_output: Option<PathBuf>,
    },
    /// Give it no access, until it is enabled again
    Disable(Target),
    /// Give it access again
    Enable(Target),
    /// API clients of the organization
    List(ListArgs),
    /// One API client
    Show(Named),
    /// Delete an API client
    Delete(Target),
}

impl ApiClient {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let one = |x: &str| context.at(&["api-clients", x]);
        match self {
            ApiClient::Create { name, scope, public_key, secret_output, if_missing, change } => {
                let key = public_key.as_deref().map(|file| files::read_text(file, 64 * 1024)).transpose()?;
                let body = Body::default()
                    .with("name", name.as_str())
                    .with("scopes", scope.clone())
                    .maybe("public_key", key)
                    .value();
                let existing = if if_missing.if_missing { Some(one(name)?) } else { None };
                let value = context.create(Ask::post(change.path(&context.at(&["api-clients"])?), &body), existing)?;
                answer(context, value, secret_output.as_ref())
            }
            ApiClient::Rotate { target, public_key, secret_output } => {
                let path = target.change.path(&context.at(&["api-clients", &target.x, "rotate"])?);
                let key = public_key.as_deref().map(|file| files::read_text(file, 64 * 1024)).transpose()?;
                let value = context.json(Ask::post(path, &Body::default().maybe("public_key", key).value()))?;
                answer(context, value, secret_output.as_ref())
            }
            ApiClient::Disable(target) => act(context, "api-clients", target, "disable"),
            ApiClient::Enable(target) => act(context, "api-clients", target, "enable"),
            ApiClient::List(list) => context.list(&context.at(&["api-clients"])?, &Query::new(), list, &LISTING),
            ApiClient::Show(named) => context.answer_with(Ask::get(one(&named.x)?)),
            ApiClient::Delete(target) => {
                context.delete(&one(&target.x)?, target.change, &format!("the API client {}", target.x))
            }
        }
    }
}

/// A client with a public key has no secret to write away.
fn answer(context: &Context, mut value: Value, secret_output: Option<&PathBuf>) -> Result<()> {
    if let Some(path) = secret_output
        && let Some(secret) = value.as_object_mut().and_then(|members| members.remove("client_secret"))
    {
        files::write(path, secret.as_str().unwrap_or_default().as_bytes())?;
        context.output.say(&format!("the secret is in {} (0600)", path.display()));
    }
    context.answer(&value);
    Ok(())
}
