//! `latchkey token`: device tokens, the credential an installer carries.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{Body, Named, Target, act};
use crate::cli::client::Ask;
use crate::cli::context::{Change, Context, ListArgs, Listing, Query};
use crate::cli::show;
use crate::cli::values::{self, Moment};
use crate::cli::{files, secret, watch};
use crate::code::Code;
use crate::exit::Result;

const LISTING: Listing = Listing {
    columns: &[
        ("ID", "id"),
        ("DESCRIPTION", "description"),
        ("STATE", "state"),
        ("DOMAINS", "domains"),
        ("USES", "uses"),
        ("OF", "max_uses"),
        ("EXPIRES", "expires_at"),
    ],
    empty: "no device token yet; make one: latchkey token create --description T --domain D --no-sealed-copy",
};
const USES: Listing = Listing {
    columns: &[
        ("AT", "at"),
        ("DEVICE", "device_id"),
        ("STATE", "state"),
        ("USER", "login_name"),
        ("HOST", "host"),
        ("ADDRESS", "address"),
    ],
    empty: "this token has not been used yet",
};
const FAILURES: Listing = Listing {
    columns: &[
        ("AT", "at"),
        ("CODE", "code"),
        ("COUNT", "count"),
        ("REASON", "reason"),
        ("FIX", "fix"),
        ("REF", "ref"),
    ],
    empty: "nobody failed with this token",
};

/// A file of text in which somebody found a token; more than this is no script or setting.
const IDENTIFY_MAX: u64 = 512 * 1024;

/// Verbs of `token`.
#[derive(Subcommand, Debug)]
pub(crate) enum Token {
    /// Make a device token; it is shown this once
    #[command(after_help = "Examples:\n  \
        latchkey token create --description \"Intune roll-out\" --domain corp.example --password-file pw --output token\n  \
        latchkey token create --description lab --domain acme.example --no-sealed-copy --max-uses 5 --expires 1d")]
    Create(CreateArgs),
    /// Change limits; what makes a token accept more needs --loosen
    #[command(after_help = "Example:\n  latchkey token set ID --max-uses 5000 --expires 14d --loosen")]
    Set(SetArgs),
    /// Show a token again, from its sealed copy
    Reveal {
        #[command(flatten)]
        named: Named,
        /// File with the password given at its creation (- is stdin)
        #[arg(long, value_name = "F")]
        password_file: Option<String>,
        /// Write the token here (0600) and leave stdout empty
        #[arg(long, value_name = "F")]
        output: Option<PathBuf>,
    },
    /// Make a successor; with --overlap the old one counts for so long beside it
    Rotate(RotateArgs),
    /// Accept it no more, until it is enabled again
    Disable(Target),
    /// Accept it again
    Enable(Target),
    /// End it for ever
    Revoke {
        #[command(flatten)]
        target: Target,
        /// Quarantine the devices it enrolled since then (RFC 3339, or so long ago)
        #[arg(long, value_name = "T", value_parser = values::moment)]
        quarantine_since: Option<Moment>,
    },
    /// Device tokens of the organization
    List {
        /// active, disabled, revoked, expired or exhausted; repeat for more
        #[arg(long, value_name = "S")]
        state: Vec<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// One token: limits, uses, state
    Show(Named),
    /// Who enrolled with it
    Uses {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Who failed with it, why, and what mends it
    Failures {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Follow a roll-out live: enrolled, pending, failing, and why
    #[command(
        after_help = "On a terminal one screen that stays current; into a file or pipe one line (with --json one document) \
        for each change. Ends with Ctrl-C, or after the first with --once."
    )]
    Watch {
        #[command(flatten)]
        named: Named,
        /// Print the present state and end
        #[arg(long)]
        once: bool,
    },
    /// Which token is this string? Reads a file or stdin (-); the check sum and public key are enough
    Identify {
        /// The file, or - for stdin
        file: String,
    },
}

/// Limits of a token.
#[derive(Args, Debug)]
pub(crate) struct Limits {
    /// Uses until it is exhausted [1000]
    #[arg(long, value_name = "N")]
    max_uses: Option<u64>,
    /// Enrollments a minute [600]
    #[arg(long, value_name = "N")]
    uses_per_minute: Option<u64>,
    /// Only this platform; repeat for more: windows, macos, linux, ios, android
    #[arg(long, value_name = "P")]
    platform: Vec<String>,
    /// Only from this network; repeat for more
    #[arg(long, value_name = "CIDR")]
    network: Vec<String>,
    /// Least evidence level for the user, 0 to 5 [0]
    #[arg(long, value_name = "0", value_parser = values::level)]
    min_evidence: Option<u8>,
    /// What a new device is [registered]
    #[arg(long, value_name = "registered|pending")]
    initial_state: Option<String>,
    /// What the first device of a known user is [first_device]
    #[arg(long, value_name = "first_device|pending")]
    known_users: Option<String>,
    /// What a new key with a known serial number is [pending]; `allow`: it takes the place of the same user's
    /// device as soon as the claim is proven or approved
    #[arg(long, value_name = "pending|allow")]
    on_known_serial: Option<String>,
    /// What a further device of a user is [pending]
    #[arg(long, value_name = "pending|allow")]
    on_second_device: Option<String>,
    /// Group of users who are created; repeat for more
    #[arg(long, value_name = "G")]
    jit_group: Vec<String>,
    /// Disable the token when this share of 10 minutes is refused or pending (at least 20)
    #[arg(long, value_name = "10%", value_parser = values::percent)]
    brake: Option<u8>,
    /// Devices the roll-out is for, to show progress
    #[arg(long, value_name = "N")]
    expect: Option<u64>,
}

impl Limits {
    fn add(&self, body: Body) -> Body {
        body.maybe("max_uses", self.max_uses)
            .maybe("uses_per_minute", self.uses_per_minute)
            .list("platforms", &self.platform)
            .list("networks", &self.network)
            .maybe("min_evidence", self.min_evidence)
            .maybe("initial_state", self.initial_state.as_deref())
            .maybe("known_users", self.known_users.as_deref())
            .maybe("on_known_serial", self.on_known_serial.as_deref())
            .maybe("on_second_device", self.on_second_device.as_deref())
            .list("jit_groups", &self.jit_group)
            .maybe("brake", self.brake)
            .maybe("expect", self.expect)
    }
}

/// Whether a copy is kept for `token reveal`.
#[derive(Args, Debug)]
pub(crate) struct Copy {
    /// Keep a copy sealed with the password in this file (- is stdin): 12 characters, a letter and a digit at least
    #[arg(long, value_name = "F", conflicts_with = "no_sealed_copy")]
    password_file: Option<String>,
    /// Keep no copy: the token can never be shown again
    #[arg(long)]
    no_sealed_copy: bool,
}

impl Copy {
    fn add(&self, body: Body) -> Result<Body> {
        if self.no_sealed_copy {
            return Ok(body.with("sealed_copy", false));
        }
        let password = secret::password(self.password_file.as_deref(), true, ", and so is --no-sealed-copy")?;
        Ok(body.with("password", password.as_str()))
    }
}

/// Flags of `token create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// What it is for
    #[arg(long, value_name = "T")]
    description: String,
    /// For users of this domain; repeat for more
    #[arg(long, value_name = "D", required = true)]
    domain: Vec<String>,
    #[command(flatten)]
    copy: Copy,
    /// When it ends: so long from now, or RFC 3339; at most 365 days ahead
    #[arg(long, value_name = "T", value_parser = values::moment, default_value = "14d")]
    expires: Moment,
    #[command(flatten)]
    limits: Limits,
    /// Write the token here (0600) and leave stdout empty
    #[arg(long, value_name = "F")]
    output: Option<PathBuf>,
    #[command(flatten)]
    change: Change,
}

/// Flags of `token set`.
#[derive(Args, Debug)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    named: Named,
    /// What it is for
    #[arg(long, value_name = "T")]
    description: Option<String>,
    /// For users of this domain; repeat for more. Replaces the list
    #[arg(long, value_name = "D")]
    domain: Vec<String>,
    /// When it ends: so long from now, or RFC 3339; at most 365 days ahead
    #[arg(long, value_name = "T", value_parser = values::moment)]
    expires: Option<Moment>,
    #[command(flatten)]
    limits: Limits,
    /// Let it accept more than before
    #[arg(long)]
    loosen: bool,
    #[command(flatten)]
    change: Change,
}

/// Flags of `token rotate`.
#[derive(Args, Debug)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    named: Named,
    /// For so long the old one counts beside the new one
    #[arg(long, value_name = "7d", value_parser = values::duration)]
    overlap: Option<Duration>,
    #[command(flatten)]
    copy: Copy,
    /// Write the new token here (0600) and leave stdout empty
    #[arg(long, value_name = "F")]
    output: Option<PathBuf>,
    #[command(flatten)]
    change: Change,
}

impl Token {
    /// Does it.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let one = |x: &str| context.at(&["device-tokens", x]);
        let part = |x: &str, part: &str| context.at(&["device-tokens", x, part]);
        match self {
            Token::Create(args) => create(context, args),
            Token::Set(args) => {
                let body = Body::default()
                    .maybe("description", args.description.as_deref())
                    .list("domains", &args.domain)
                    .maybe("expires_at", args.expires.map(|e| e.ahead_of(context.now)));
                let body = args.limits.add(body).changes()?;
                let mut query = args.change.query();
                if args.loosen {
                    query.push(("loosen", "true".to_owned()));
                }
                context.answer_with(Ask::patch(crate::cli::context::with(&one(&args.named.x)?, &query), &body))
            }
            Token::Reveal { named, password_file, output } => {
                let password = secret::password(password_file.as_deref(), false, "")?;
                let body = Body::default().with("password", password.as_str()).value();
                let value = context.json(Ask::post(part(&named.x, "reveal")?, &body))?;
                answer_secret(context, &value, output.as_ref())
            }
            Token::Rotate(args) => {
                let body = Body::default().maybe("overlap_s", args.overlap.map(|d| d.as_secs()));
                let body = args.copy.add(body)?.value();
                let path = args.change.path(&part(&args.named.x, "rotate")?);
                let value = context.json(Ask::post(path, &body))?;
                answer_once(context, &value, args.output.as_ref(), args.change)
            }
            Token::Disable(target) => act(context, "device-tokens", target, "disable"),
            Token::Enable(target) => act(context, "device-tokens", target, "enable"),
            Token::Revoke { target, quarantine_since } => {
                let more = if quarantine_since.is_some() { ", and quarantine devices it enrolled" } else { "" };
                context.confirm(target.change, &format!("revoke the token {} for ever{more}", target.x))?;
                let since = quarantine_since.map(|t| t.back_from(context.now));
                let body = Body::default().maybe("quarantine_since", since).value();
                context.answer_with(Ask::post(target.change.path(&part(&target.x, "revoke")?), &body))
            }
            Token::List { state, list } => {
                let query: Query = state.iter().map(|s| ("state", s.clone())).collect();
                context.list(&context.at(&["device-tokens"])?, &query, list, &LISTING)
            }
            Token::Show(named) => context.answer_with(Ask::get(one(&named.x)?)),
            Token::Uses { named, list } => context.list(&part(&named.x, "uses")?, &Query::new(), list, &USES),
            Token::Failures { named, list } => {
                context.list(&part(&named.x, "failures")?, &Query::new(), list, &FAILURES)
            }
            Token::Watch { named, once } => watch::run(context, &part(&named.x, "watch")?, *once),
            Token::Identify { file } => {
                let text = files::read_text(file, IDENTIFY_MAX)?;
                let body = Body::default().with("text", text.trim()).value();
                context.answer_with(Ask::post(context.at(&["device-tokens", "identify"])?, &body))
            }
        }
    }
}

fn create(context: &Context, args: &CreateArgs) -> Result<()> {
    let body = Body::default()
        .with("description", args.description.as_str())
        .list("domains", &args.domain)
        .with("expires_at", args.expires.ahead_of(context.now))
        .with("max_uses", args.limits.max_uses.unwrap_or(1000));
    let body = args.copy.add(args.limits.add(body))?.value();
    let ask = Ask::post(args.change.path(&context.at(&["device-tokens"])?), &body);
    let value = context.json(ask)?;
    answer_once(context, &value, args.output.as_ref(), args.change)
}

/// Prints a token that is shown this once.
fn answer_once(context: &Context, value: &Value, output: Option<&PathBuf>, change: Change) -> Result<()> {
    if change.dry_run {
        context.answer(value);
        return Ok(());
    }
    answer_secret(context, value, output)?;
    if !context.output.json && output.is_none() {
        context.output.say("The token is shown this once.");
    }
    Ok(())
}

/// Prints a token: the document for a script; for a person what to copy and what is still missing.
fn answer_secret(context: &Context, value: &Value, output: Option<&PathBuf>) -> Result<()> {
    if output.is_some() || context.output.json {
        context.secret_answer(value, "device_token", output.map(PathBuf::as_path))?;
    } else {
        let token = value["device_token"].as_str().unwrap_or_default();
        context.output.text(&lines_to_copy(value, token));
    }
    if context.output.json {
        return Ok(());
    }
    if output.is_some() {
        context.output.say(&lines_to_copy(value, "in the file"));
    }
    // `policy set --domain` replaces the list: the command to type names what is on it already.
    let listed = match lacks(value, "LK-ENROLL-021") {
        true => context.at(&["device-token-policy"]).and_then(|path| context.json(Ask::get(path))).unwrap_or_default(),
        false => Value::Null,
    };
    if let Some(text) = not_accepted(value, &listed["domains"]) {
        context.output.say(&text);
    }
    Ok(())
}

/// What an installer needs.
fn lines_to_copy(value: &Value, token: &str) -> String {
    let mut text = format!("device token   {}\n", show::clean(token));
    for (label, member) in [
        ("user domain ", "domains"),
        ("cloud name  ", "cloud_name"),
        ("cloud key   ", "cloud_key"),
        ("token id    ", "id"),
        ("expires     ", "expires_at"),
        ("uses        ", "max_uses"),
    ] {
        if !value[member].is_null() {
            text.push_str(&format!("{label}   {}\n", show::cell(Some(&value[member]))));
        }
    }
    text
}

fn lacks(value: &Value, code: &str) -> bool {
    reasons(value).any(|reason| reason == code)
}

fn reasons(value: &Value) -> impl Iterator<Item = &str> {
    value["not_accepted_because"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn names(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(show::clean).collect()
}

/// What still keeps the token from being accepted, and the commands that lift it.
fn not_accepted(value: &Value, listed: &Value) -> Option<String> {
    if value["accepted"] != false {
        return None;
    }
    let domains = names(&value["domains"]);
    let mut text = "Not accepted yet:".to_owned();
    let mut policy = String::new();
    let mut others = Vec::new();
    for code in reasons(value) {
        let known = code.parse::<Code>();
        let title = known.as_ref().map_or("a reason this version does not know", |known| known.title());
        text.push_str(&format!("\n  {} ({})", title.trim_end_matches('.'), show::clean(code)));
        match code {
            "LK-ENROLL-020" => policy.push_str(" --enabled"),
            "LK-ENROLL-021" => {
                let mut whole = names(listed);
                whole.extend(domains.iter().filter(|d| !names(listed).contains(d)).cloned());
                whole.iter().for_each(|domain| policy.push_str(&format!(" --domain {domain}")));
            }
            "LK-ENROLL-022" => policy.push_str(" --jit"),
            "LK-CLOUD-001" => others.extend(domains.iter().map(|d| format!("latchkey domain verify {d}"))),
            _ => others.push(format!("latchkey explain {}", show::clean(code))),
        }
    }
    if !policy.is_empty() {
        others.push(format!("latchkey policy set{policy}"));
    }
    for command in others {
        text.push_str(&format!("\n  → {command}"));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_new_token_says_what_still_stops_it_and_what_to_type() {
        let value = json!({"accepted": false, "domains": ["corp.example"],
            "not_accepted_because": ["LK-ENROLL-020", "LK-ENROLL-021", "LK-ENROLL-022", "LK-CLOUD-001"]});
        let text = not_accepted(&value, &json!(["old.example"])).unwrap();
        assert!(text.starts_with("Not accepted yet:\n  The device token policy is off (LK-ENROLL-020)\n"), "{text}");
        let command = "\n  → latchkey policy set --enabled --domain old.example --domain corp.example --jit";
        assert!(text.ends_with(command), "what is on the list stays on it: {text}");
        assert!(text.contains("→ latchkey domain verify corp.example\n"), "{text}");
        assert_eq!(not_accepted(&json!({"accepted": true}), &Value::Null), None);
    }

    #[test]
    fn the_lines_to_copy_name_all_an_installer_needs() {
        let value = json!({"domains": ["a.example", "b.example"], "cloud_name": "id.corp.example", "cloud_key": "k"});
        let text = lines_to_copy(&value, "lkdt1_x");
        for needed in ["lkdt1_x", "a.example, b.example", "id.corp.example", "cloud key      k"] {
            assert!(text.contains(needed), "{text}");
        }
    }
}
