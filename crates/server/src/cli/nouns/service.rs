//! `latchkey service`: the SAML service providers people sign in to.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{Body, IfMissing, Named, Target};
use crate::cli::client::Ask;
use crate::cli::context::{Change, Context, ListArgs, Listing, Query, with};
use crate::cli::{files, values};
use crate::code::{Code, Own};
use crate::exit::{Exit, Failure, Result};

const LISTING: Listing = Listing {
    columns: &[("NAME", "name"), ("ENTITY ID", "entity_id"), ("MIN EVIDENCE", "min_evidence"), ("ID", "id")],
    empty: "no service yet; add one: latchkey service add NAME --metadata sp.xml",
};

/// The most that a service's metadata may be, as for metadata that the server fetches; the server says the same.
const METADATA_MAX: u64 = 1024 * 1024;

/// Far more than a certificate has.
const CERTIFICATE_MAX: u64 = 64 * 1024;

/// Verbs of `service`.
#[derive(Subcommand, Debug)]
pub(crate) enum Service {
    /// Add a service: by its metadata, or by entity id and consumer addresses
    #[command(after_help = "Examples:\n  latchkey service add wiki --metadata sp.xml\n  \
        latchkey service add wiki --metadata https://wiki.corp.example/saml/metadata --entitle group:staff\n  \
        latchkey service add wiki --entity-id https://wiki.corp.example --acs https://wiki.corp.example/acs\n\n\
        Its side needs our metadata: latchkey org idp-metadata, or a sheet for its software: latchkey service handover NAME --for mellon")]
    Add(AddArgs),
    /// Change a service; what is not named stays
    Set(SetArgs),
    /// Read metadata again from where it came
    #[command(
        after_help = "A change waits until it is approved by its hash, which the answer names, unless it is signed under --metadata-certificate.\n\n\
        Examples:\n  latchkey service refresh wiki\n  latchkey service refresh wiki --approve 5f1c…"
    )]
    Refresh {
        #[command(flatten)]
        target: Target,
        /// The metadata_pending_sha256 of the change that was looked at: it takes the place of the old metadata
        #[arg(long, value_name = "SHA256")]
        approve: Option<String>,
    },
    /// What the service would be told about a user
    Preview {
        #[command(flatten)]
        named: Named,
        /// Login name
        #[arg(long, value_name = "U")]
        user: String,
    },
    /// What to send to whoever runs the service, in the words of its software
    #[command(after_help = "Example:\n  latchkey service handover wiki --for mellon --output handover.txt")]
    Handover {
        #[command(flatten)]
        named: Named,
        /// generic, mellon, node-saml, python3-saml, shibboleth or simplesamlphp
        #[arg(long = "for", value_name = "SOFTWARE", default_value = "generic")]
        software: String,
        /// Write it here (0600) and leave stdout empty
        #[arg(long, value_name = "F")]
        output: Option<PathBuf>,
    },
    /// Services of the organization
    List(ListArgs),
    /// One service
    Show(Named),
    /// Delete a service; its sessions end
    Delete(Target),
}

/// Where a service is described.
#[derive(Args, Debug)]
pub(crate) struct Description {
    /// Its SAML metadata: a file, an address, or - for stdin
    #[arg(long, value_name = "FILE|URL|-", conflicts_with_all = ["entity_id", "acs"])]
    metadata: Option<String>,
    /// Its entity id, where there is no metadata
    #[arg(long, value_name = "ID")]
    entity_id: Option<String>,
    /// Its assertion consumer service; repeat for more
    #[arg(long, value_name = "URL")]
    acs: Vec<String>,
}

impl Description {
    fn add(&self, body: Body) -> Result<Body> {
        let body = body.maybe("entity_id", self.entity_id.as_deref()).list("acs", &self.acs);
        match self.metadata.as_deref() {
            None => Ok(body),
            Some(url) if url.starts_with("https://") || url.starts_with("http://") => {
                Ok(body.with("metadata_url", url))
            }
            Some(file) => Ok(body.with("metadata", metadata(file)?)),
        }
    }
}

/// How a service is served.
#[derive(Args, Debug)]
pub(crate) struct Settings {
    /// How users are named to it: email, persistent, transient or unspecified:ATTR [email]
    #[arg(long, value_name = "email|persistent|transient|unspecified:ATTR")]
    name_id: Option<String>,
    /// What it is told about them: basic, none, or a file of rules in JSON [basic]
    #[arg(long, value_name = "basic|none|FILE")]
    attributes: Option<String>,
    /// Who may use it: everyone, group:G or user:U; repeat for more [everyone]
    #[arg(long, value_name = "everyone|group:G|user:U")]
    entitle: Vec<String>,
    /// Least evidence level, 0 to 5 [0]
    #[arg(long, value_name = "0", value_parser = values::level)]
    min_evidence: Option<u8>,
    /// What is signed: the assertion, or both assertion and response [assertion]
    #[arg(long, value_name = "assertion|both")]
    sign: Option<String>,
    /// With which algorithm [rsa-sha256]
    #[arg(long, value_name = "rsa-sha256|ecdsa-p256")]
    algorithm: Option<String>,
    /// Let a sign-in begin on our side, without a request of the service
    #[arg(long, overrides_with = "no_idp_initiated")]
    idp_initiated: bool,
    /// Every sign-in begins with a request of the service
    #[arg(long, overrides_with = "idp_initiated")]
    no_idp_initiated: bool,
    /// Take consumer addresses that are plain http
    #[arg(long, overrides_with = "no_allow_http")]
    allow_http: bool,
    /// Take https addresses only
    #[arg(long, overrides_with = "allow_http")]
    no_allow_http: bool,
    /// The certificate, PEM, whose key must sign its metadata; "" takes it away [none]
    #[arg(long, value_name = "FILE")]
    metadata_certificate: Option<String>,
}

impl Settings {
    fn add(&self, body: Body) -> Result<Body> {
        let attributes = match self.attributes.as_deref() {
            None => None,
            Some(word @ ("basic" | "none")) => Some(Value::from(word)),
            Some(file) => Some(rules(file)?),
        };
        let certificate = match self.metadata_certificate.as_deref() {
            None | Some("") => self.metadata_certificate.clone(),
            Some(file) => Some(files::read_text(file, CERTIFICATE_MAX)?),
        };
        Ok(body
            .maybe("name_id", self.name_id.as_deref())
            .maybe("attributes", attributes)
            .list("entitle", &self.entitle)
            .maybe("min_evidence", self.min_evidence)
            .maybe("sign", self.sign.as_deref())
            .maybe("algorithm", self.algorithm.as_deref())
            .switch("idp_initiated", self.idp_initiated, self.no_idp_initiated)
            .switch("allow_http", self.allow_http, self.no_allow_http)
            .text("metadata_certificate", certificate.as_ref()))
    }
}

/// The text of a file of metadata. One that is too long is refused here, by the server's own code: sending it would be in vain.
fn metadata(file: &str) -> Result<String> {
    let bytes = files::read_some(file, METADATA_MAX + 1)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > METADATA_MAX {
        return Err(Failure::new(
            Code::saml("LK-SAML-030"),
            format!("{file} is larger than 1 MiB"),
            "of a federation's list, give the one EntityDescriptor that is meant",
        )
        .exit_with(Exit::USAGE));
    }
    files::text(file, bytes)
}

fn rules(file: &str) -> Result<Value> {
    let text = files::read_text(file, METADATA_MAX)?;
    serde_json::from_str(&text).map_err(|e| {
        Failure::new(
            Own::Cli004,
            format!("--attributes {file} is not JSON: {e}"),
            "give basic, none, or a file of rules in JSON",
        )
    })
}

/// Flags of `service add`.
#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// Its name here: letters, digits and hyphens
    name: String,
    #[command(flatten)]
    description: Description,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    if_missing: IfMissing,
    #[command(flatten)]
    change: Change,
}

/// Flags of `service set`.
#[derive(Args, Debug)]
pub(crate) struct SetArgs {
    /// The service
    #[arg(value_name = "NAME")]
    x: String,
    #[command(flatten)]
    description: Description,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    change: Change,
}

impl Service {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let one = |x: &str| context.at(&["services", x]);
        match self {
            Service::Add(args) => {
                let described = &args.description;
                if described.metadata.is_none() && (described.entity_id.is_none() || described.acs.is_empty()) {
                    return Err(Failure::usage(
                        "--metadata is missing",
                        "give --metadata FILE|URL|-, or both --entity-id ID and --acs URL",
                    ));
                }
                let body = described.add(Body::default().with("name", args.name.as_str()))?;
                let body = args.settings.add(body)?.value();
                let existing = if args.if_missing.if_missing { Some(one(&args.name)?) } else { None };
                let path = args.change.path(&context.at(&["services"])?);
                let value = context.create(Ask::post(path, &body), existing)?;
                context.answer(&value);
                if !context.output.json && !args.change.dry_run {
                    context.output.say(&format!(
                        "Its side needs our metadata: latchkey org idp-metadata --output idp.xml, or for its software: \
                         latchkey service handover {} --for mellon|shibboleth|simplesamlphp|generic",
                        args.name
                    ));
                }
                Ok(())
            }
            Service::Set(args) => {
                let body = args.settings.add(args.description.add(Body::default())?)?.changes()?;
                context.answer_with(Ask::patch(args.change.path(&one(&args.x)?), &body))
            }
            Service::Refresh { target, approve } => {
                let path = target.change.path(&context.at(&["services", &target.x, "refresh"])?);
                let body = Body::default().maybe("approve", approve.as_deref()).value();
                let value = context.json(Ask::post(path, &body))?;
                context.answer(&value);
                if let (false, Some("pending"), Some(seen)) =
                    (context.output.json, value["refresh"].as_str(), value["metadata_pending_sha256"].as_str())
                {
                    context.output.say(&format!(
                        "It waits. If what was found is right: latchkey service refresh {} --approve {seen}",
                        target.x
                    ));
                }
                Ok(())
            }
            Service::Preview { named, user } => {
                let body = Body::default().with("user", user.as_str()).value();
                context.answer_with(Ask::post(context.at(&["services", &named.x, "preview"])?, &body))
            }
            Service::Handover { named, software, output } => {
                let path = with(&context.at(&["services", &named.x, "handover"])?, &vec![("for", software.clone())]);
                let value = context.json(Ask::get(path))?;
                let text = value["text"].as_str().unwrap_or_default();
                match output {
                    Some(file) => files::write(file, text.as_bytes())?,
                    None if context.output.json => context.output.document(&value),
                    None => context.output.text(text),
                }
                Ok(())
            }
            Service::List(list) => context.list(&context.at(&["services"])?, &Query::new(), list, &LISTING),
            Service::Show(named) => context.answer_with(Ask::get(one(&named.x)?)),
            Service::Delete(target) => {
                context.delete(&one(&target.x)?, target.change, &format!("the service {}", target.x))
            }
        }
    }
}
