//! `latchkey org`: organizations, the tenants of a cloud.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Body, IfMissing, Named, Target, ToFile};
use crate::cli::client::{Ask, segment};
use crate::cli::context::{Change, Context, ListArgs, Listing, Query, with};
use crate::cli::{files, values};
use crate::code::Own;
use crate::exit::{Failure, Result};

const LISTING: Listing = Listing {
    columns: &[("SLUG", "slug"), ("NAME", "name"), ("ID", "id")],
    empty: "no organization yet; make one: latchkey org create SLUG --name \"Its name\"",
};

/// Verbs of `org`.
#[derive(Subcommand, Debug)]
pub(crate) enum Org {
    /// Make an organization
    #[command(after_help = "Example:\n  latchkey org create acme --name \"Acme Ltd\"")]
    Create {
        /// Its short name in addresses, for ever: letters, digits and hyphens
        slug: String,
        /// Its name for people
        #[arg(long, value_name = "T")]
        name: String,
        #[command(flatten)]
        if_missing: IfMissing,
        #[command(flatten)]
        change: Change,
    },
    /// Change name and limits
    #[command(after_help = "Example:\n  latchkey org set acme --certificate-lifetime 3d --devices-per-user 4")]
    Set(SetArgs),
    /// Organizations of this cloud
    List(ListArgs),
    /// One organization; without a name, the one that commands are about
    Show {
        /// Its id or slug
        #[arg(value_name = "SLUG")]
        x: Option<String>,
    },
    /// Delete an organization with everything in it
    Delete(Target),
    /// The identity provider's SAML metadata, for services that want a file
    #[command(after_help = "Example:\n  latchkey org idp-metadata --output idp.xml")]
    IdpMetadata(ToFile),
}

/// Flags of `org set`.
#[derive(Args, Debug)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    named: Named,
    /// Its name for people
    #[arg(long, value_name = "T")]
    name: Option<String>,
    /// How long a device certificate counts [7d]
    #[arg(long, value_name = "7d", value_parser = values::duration)]
    certificate_lifetime: Option<Duration>,
    /// Registered devices a user may have [16]
    #[arg(long, value_name = "16")]
    devices_per_user: Option<u32>,
    /// How long after its certificate expired a device may still renew by itself [30d]
    #[arg(long, value_name = "30d", value_parser = values::duration)]
    asleep_limit: Option<Duration>,
    /// Device tokens the organization may have [16]
    #[arg(long, value_name = "16")]
    max_tokens: Option<u32>,
    /// A device unused for so long is retired [90d]
    #[arg(long, value_name = "90d", value_parser = values::duration)]
    retire_after: Option<Duration>,
    #[command(flatten)]
    change: Change,
}

impl Org {
    /// Does it.
    ///
    /// # Errors
    /// As the server says; list, create and delete are the operator's.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let client = context.client()?;
        match self {
            Org::Create { slug, name, if_missing, change } => {
                operator_only(context)?;
                let ask = Ask::post(change.path("/api/v1/organizations"), &json!({"slug": slug, "name": name}));
                let made = client.send(None, ask).and_then(|answer| answer.json());
                let value = match made {
                    Err(failure) if if_missing.if_missing && failure.status == Some(409) => {
                        client.send(None, Ask::get(one(context, slug)?)).map_err(|_| failure)?.json()?
                    }
                    made => made?,
                };
                context.answer(&value);
                Ok(())
            }
            Org::Set(args) => {
                let seconds = |d: Option<Duration>| d.map(|d| d.as_secs());
                let body = Body::default()
                    .maybe("name", args.name.as_deref())
                    .maybe("certificate_lifetime_s", seconds(args.certificate_lifetime))
                    .maybe("devices_per_user", args.devices_per_user)
                    .maybe("asleep_limit_s", seconds(args.asleep_limit))
                    .maybe("max_tokens", args.max_tokens)
                    .maybe("retire_after_s", seconds(args.retire_after))
                    .changes()?;
                let path = args.change.path(&one(context, &args.named.x)?);
                context.answer(&client.send(Some(&args.named.x), Ask::patch(path, &body))?.json()?);
                Ok(())
            }
            Org::List(list) => {
                operator_only(context)?;
                let fetch = |query: &Query| client.send(None, Ask::get(with("/api/v1/organizations", query)))?.json();
                context.list_from(&Vec::new(), list, &LISTING, &fetch)
            }
            Org::Show { x } => {
                let x = match x {
                    Some(x) => x,
                    None => context.org()?,
                };
                context.answer(&client.send(Some(x), Ask::get(one(context, x)?))?.json()?);
                Ok(())
            }
            Org::Delete(target) => {
                operator_only(context)?;
                let path = one(context, &target.x)?;
                let what = format!("the organization {} with all its users, devices and services", target.x);
                // It stands above organizations: none needs to be named beside it.
                let send = |ask| client.send(None, ask)?.json();
                context.delete_by(&path, target.change, &what, &send)
            }
            Org::IdpMetadata(to) => {
                let answer = context.send(Ask::get(context.at(&["idp-metadata"])?))?;
                match &to.output {
                    Some(path) => files::write(path, &answer.body)?,
                    None if context.output.json => {
                        context.output.document(&json!({"metadata": String::from_utf8_lossy(&answer.body)}));
                    }
                    None => context.output.bytes(&answer.body),
                }
                Ok(())
            }
        }
    }
}

/// The operator sees organizations side by side, an API client only its own.
fn one(context: &Context, x: &str) -> Result<String> {
    let base = if context.client()?.is_operator() { "/api/v1/organizations" } else { "/api/v1/o" };
    Ok(format!("{base}/{}", segment(x)?))
}

fn operator_only(context: &Context) -> Result<()> {
    if context.client()?.is_operator() { Ok(()) } else { Err(Failure::of(Own::Auth004)) }
}
