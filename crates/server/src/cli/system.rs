//! Commands that are about no noun: `explain`, `backup`, `completion`, `version`.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;

use super::client::Ask;
use super::context::{Change, Context};
use super::files::NewFile;
use super::nouns::Body;
use super::secret;
use crate::backup::archive::Manifest;
use crate::code::{Code, Own};
use crate::exit::{Exit, Failure, Result};
use crate::output::Output;

/// So much of a backup holds its manifest.
const BEGINNING: usize = 64 * 1024;

/// `explain CODE|REF`.
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// A code (LK-…), or the reference that a refusal showed
    #[arg(value_name = "CODE|REF")]
    what: String,
}

/// `backup FILE`.
#[derive(Args, Debug)]
pub(crate) struct BackupArgs {
    /// The file to write (0600)
    file: PathBuf,
    /// Put the master key into it, sealed with a password; without it, keep the key elsewhere
    #[arg(long)]
    with_master_key: bool,
    /// File with that password (- is stdin)
    #[arg(long, value_name = "F", requires = "with_master_key")]
    password_file: Option<String>,
}

/// `setup-link`.
#[derive(Args, Debug)]
pub(crate) struct SetupLinkArgs {
    /// The administrator who is locked out; without, the link is for the first administrator
    #[arg(long, value_name = "LOGIN")]
    user: Option<String>,
    #[command(flatten)]
    change: Change,
}

/// Makes a set-up link.
///
/// # Errors
/// As the server says; only the operator is let in.
pub(crate) fn setup_link(context: &Context, args: &SetupLinkArgs) -> Result<()> {
    let body = Body::default().maybe("organization", context.named_org()).maybe("user", args.user.clone()).value();
    let ask = Ask::post(args.change.path("/api/v1/setup-links"), &body);
    let value = context.client()?.send(None, ask)?.json()?;
    match value["url"].as_str() {
        Some(url) if !context.output.json => context.output.text(&format!("{url}\n")),
        _ => context.answer(&value),
    }
    Ok(())
}

/// `completion SHELL`.
#[derive(Args, Debug)]
pub(crate) struct CompletionArgs {
    /// bash, elvish, fish, powershell or zsh
    shell: Shell,
}

/// What a code means, or what happened under a reference.
///
/// # Errors
/// Nobody knows the code or reference.
pub(crate) fn explain(context: &Context, args: &ExplainArgs) -> Result<()> {
    // Known here already, so nobody needs to be asked.
    if let Some((detail, fix)) = crate::explained::nowhere(&args.what) {
        return Err(Failure::new(Own::Api004, detail, fix));
    }
    let known = args.what.to_ascii_uppercase().parse::<Code>().ok();
    let asked = explained(context, &args.what);
    let value = match (asked, known) {
        (Ok(value), _) => value,
        // A code means the same with and without a server; a reference is in the server's log only.
        (Err(_), Some(code)) => crate::explained::code(code),
        (Err(failure), None) => return Err(failure),
    };
    context.answer(&value);
    Ok(())
}

/// What the server knows. A reference does not say whose it is, and whoever reads it out seldom does: the operator's every organization is asked.
fn explained(context: &Context, what: &str) -> Result<serde_json::Value> {
    let mut last = None;
    for org in context.orgs()? {
        let path = Context::below(&org, &["explain", what])?;
        match context.client()?.send(Some(&org), Ask::get(path)).and_then(|answer| answer.json()) {
            Err(failure) if failure.exit == Exit::NOT_FOUND => last = Some(failure),
            told => return told,
        }
    }
    Err(last.unwrap_or_else(|| Failure::of(Own::Api004)))
}

/// Writes a backup of the running server.
///
/// # Errors
/// Not the operator, or the file cannot be written.
pub(crate) fn backup(context: &Context, args: &BackupArgs) -> Result<()> {
    let client = context.client()?;
    if !client.is_operator() {
        return Err(Failure::of(Own::Auth004));
    }
    let mut body = Body::default().with("with_master_key", args.with_master_key);
    if args.with_master_key {
        let password = secret::password(args.password_file.as_deref(), true, "")?;
        body = body.with("password", password.as_str());
    }
    let mut file = NewFile::begin(&args.file)?;
    let mut length = 0_u64;
    let mut beginning = Vec::new();
    client.stream(None, Ask::post("/api/v1/backup", &body.value()), None, &mut |chunk| {
        length += u64::try_from(chunk.len()).unwrap_or(0);
        file.write(chunk)?;
        if beginning.len() < BEGINNING {
            beginning.extend_from_slice(chunk);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let Some(manifest) = Manifest::at_the_beginning(&beginning) else {
        return Err(Failure::new(Own::Cli005, "the server sent something that is no backup", Own::Cli005.fix()));
    };
    file.finish()?;
    let shown = args.file.display().to_string();
    if context.output.json {
        context.output.document(&json!({
            "file": shown, "bytes": length, "with_master_key": manifest.master_key.included,
            "master_key": manifest.master_key.fingerprint, "taken_at": manifest.taken_at,
        }));
        return Ok(());
    }
    context.output.say(&format!("{shown}: {length} bytes, as of {}", manifest.taken_at));
    let fingerprint = &manifest.master_key.fingerprint;
    context.output.say(&if manifest.master_key.included {
        format!("the master key {fingerprint} is in it, sealed with the password")
    } else {
        format!(
            "the master key {fingerprint} is not in it: keep its file somewhere else, nothing opens the backup without it"
        )
    });
    Ok(())
}

/// Prints the completion script of a shell.
pub(crate) fn completion(output: Output, args: &CompletionArgs) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "latchkey", &mut script);
    output.bytes(&script);
}

/// Prints the version.
pub(crate) fn version(output: Output) {
    let version = env!("CARGO_PKG_VERSION");
    if output.json {
        output.document(&json!({"version": version}));
    } else {
        output.text(&format!("latchkey {version}\n"));
    }
}
