//! The command line of `latchkey`: what was typed, to which command it goes, and how that ends.
//!
//! Owns the grammar of cli.md, declared once; help and shell completions come from it. All but `serve` and what works on a
//! stopped server's data are clients of the REST interface. Must not know what a command does.

mod client;
mod context;
mod files;
mod nouns;
pub mod reference;
mod secret;
mod show;
mod system;
mod values;
mod watch;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::backup;
use crate::check;
use crate::exit::{Exit, Failure, Result};
use crate::output::Output;
use crate::serve;
use context::{Context, Globals};
pub(crate) use show::clean;

const AFTER_HELP: &str = "\
From nothing to a first sign-in:
  latchkey serve --data d &
  export LATCHKEY_DATA=d
  latchkey org create acme --name Acme
  latchkey domain add acme.example
  latchkey domain verify acme.example --operator-word \"lab\"
  latchkey token create --description lab --domain acme.example --no-sealed-copy --output token
  latchkey policy set --enabled --domain acme.example --jit
  latchkey service add wiki --metadata sp.xml
  latchkey org idp-metadata --output idp.xml

Exit: 0 done, 1 failed, 2 wrong flag, value or file, 3 no such thing, 4 refused, 5 exists or its state forbids it,
6 not reachable or not trusted, 7 come back later, 8 check or audit verify found a problem.
stdout is the answer, stderr is talk; the last line of stderr names a code: latchkey explain CODE.";

/// Latchkey, a self-hosted identity provider for managed devices
#[derive(Debug, Parser)]
#[command(name = "latchkey", version, propagate_version = false, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::config::Typed),
    /// Organizations: the tenants of this cloud
    #[command(subcommand)]
    Org(nouns::org::Org),
    /// DNS domains whose users may sign in
    #[command(subcommand)]
    Domain(nouns::domain::Domain),
    /// Device tokens: what an installer carries
    #[command(subcommand)]
    Token(nouns::token::Token),
    /// What passes a token to devices: a block for a shell, a script, or a file for a management system
    #[command(
        after_help = "Examples:\n  latchkey deploy --token ID --domain corp.example --for shell --password-file F | ssh laptop sh\n  \
        latchkey deploy --token ID --domain corp.example --for managed-json --placeholder --output managed.json"
    )]
    Deploy(nouns::deploy::Deploy),
    /// Device token policy: which domains accept tokens, and whether users are created
    #[command(subcommand)]
    Policy(nouns::policy::Policy),
    /// How people sign in: passkeys, passwords, one-time codes
    #[command(subcommand)]
    SignInMethod(nouns::sign_in_method::SignInMethod),
    /// How pages look: logo, colour, texts
    #[command(subcommand)]
    Branding(nouns::branding::Branding),
    /// SAML services people sign in to
    #[command(subcommand)]
    Service(nouns::service::Service),
    /// People
    #[command(subcommand)]
    User(nouns::user::User),
    /// Groups of people
    #[command(subcommand)]
    Group(nouns::group::Group),
    /// Who may administer what
    #[command(subcommand)]
    Role(nouns::role::Role),
    /// Enrolled devices
    #[command(subcommand)]
    Device(nouns::device::Device),
    /// Groups of devices
    #[command(subcommand)]
    DeviceGroup(nouns::device_group::DeviceGroup),
    /// What becomes of devices that were not heard of
    #[command(subcommand)]
    CleanupRule(nouns::cleanup_rule::CleanupRule),
    /// Which user is on which device
    #[command(subcommand)]
    Binding(nouns::binding::Binding),
    /// One-time codes that say who a user is
    #[command(subcommand)]
    Code(nouns::code::OneTimeCode),
    /// Who is signed in where
    #[command(subcommand)]
    Session(nouns::session::Session),
    /// What happened, and whether the record of it is whole
    #[command(subcommand)]
    Audit(nouns::audit::Audit),
    /// Sign-ins, refusals, devices and users of the last days
    Statistics(nouns::statistics::Statistics),
    /// Signing keys
    #[command(subcommand)]
    Key(nouns::key::Key),
    /// Mail: whether it is set up, and whether it works
    #[command(subcommand)]
    Mail(nouns::mail::Mail),
    /// Programs that use the API
    #[command(subcommand)]
    ApiClient(nouns::api_client::ApiClient),
    /// What a code or reference means, whose fault it is, and how to mend it
    #[command(after_help = "Examples:\n  latchkey explain LK-ENROLL-020\n  latchkey explain 7k3xq2m5ba")]
    Explain(system::ExplainArgs),
    /// Look whether everything is in order; needs no running server
    #[command(after_help = "Takes the settings of `serve`, from the same places.\nExample:\n  latchkey check --online")]
    Check(check::Args),
    /// Write a backup while the server runs
    Backup(system::BackupArgs),
    /// Restore a backup into an empty directory, and confirm it; the server is stopped
    #[command(after_help = "Takes the settings of `serve`, from the same places.\nExamples:\n  \
        latchkey restore b.lk --data new\n  latchkey restore --confirm --replay audit.jsonl --data new")]
    Restore(backup::RestoreArgs),
    /// Make a link to set up the first administrator, or to let one in again who is locked out
    #[command(
        after_help = "The link opens once, within 15 minutes; those made before for the same purpose count no more.\nExample:\n  \
        latchkey setup-link --user anna@corp.example"
    )]
    SetupLink(system::SetupLinkArgs),
    /// Print a shell's completion script
    #[command(after_help = "Example:\n  latchkey completion bash > /etc/bash_completion.d/latchkey")]
    Completion(system::CompletionArgs),
    /// Print a systemd unit that keeps the server running, with the flags of `serve` that are given
    #[command(
        after_help = "Example:\n  latchkey service-unit --data /srv/latchkey > /etc/systemd/system/latchkey.service"
    )]
    ServiceUnit(serve::config::Typed),
    /// Print the version
    Version,
}

/// The password of `--password-file`, or asked for on the terminal.
pub(crate) fn password(file: Option<&str>, why: &str) -> Result<zeroize::Zeroizing<String>> {
    secret::password(file, false, why)
}

/// Asks a server whether it answers, as anybody may; trusts the certificate authority in this file as well.
pub(crate) fn ask_health(url: &str, ca: Option<&std::path::Path>) -> Result<()> {
    let ca_pem = ca.map(|file| std::fs::read(file).map_err(|e| Failure::io(file.display(), &e))).transpose()?;
    let target = client::Target::Server { base: client::base(url)?, ca_pem };
    client::Client::new(target, None)?.send(None, client::Ask::get("/healthz")).map(drop)
}

/// Parses the command line of this process, runs the command and says how it ended.
#[must_use]
pub fn main() -> Exit {
    match Cli::try_parse() {
        Ok(cli) => {
            let output = Output { json: cli.globals.json };
            match run(cli, output) {
                Ok(()) => Exit::DONE,
                Err(failure) if output.json => output.failure(&failure),
                Err(failure) => output.failure(&with_flags(failure)),
            }
        }
        Err(error) => {
            let output = Output { json: std::env::args_os().any(|argument| argument == "--json") };
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                    output.text(&error.render().to_string());
                    Exit::DONE
                }
                _ => {
                    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
                    output.failure(&not_understood(&error, words))
                }
            }
        }
    }
}

fn run(cli: Cli, output: Output) -> Result<()> {
    let context = Context::new(cli.globals, output);
    match cli.command {
        Command::Serve(typed) => serve::command(&typed, output, crate::app::build),
        Command::Org(verb) => verb.run(&context),
        Command::Domain(verb) => verb.run(&context),
        Command::Token(verb) => verb.run(&context),
        Command::Deploy(args) => args.run(&context),
        Command::Policy(verb) => verb.run(&context),
        Command::SignInMethod(verb) => verb.run(&context),
        Command::Branding(verb) => verb.run(&context),
        Command::Service(verb) => verb.run(&context),
        Command::User(verb) => verb.run(&context),
        Command::Group(verb) => verb.run(&context),
        Command::Role(verb) => verb.run(&context),
        Command::Device(verb) => verb.run(&context),
        Command::DeviceGroup(verb) => verb.run(&context),
        Command::CleanupRule(verb) => verb.run(&context),
        Command::Binding(verb) => verb.run(&context),
        Command::Code(verb) => verb.run(&context),
        Command::Session(verb) => verb.run(&context),
        Command::Audit(verb) => verb.run(&context),
        Command::Statistics(args) => args.run(&context),
        Command::Key(verb) => verb.run(&context),
        Command::Mail(verb) => verb.run(&context),
        Command::ApiClient(verb) => verb.run(&context),
        Command::Explain(args) => system::explain(&context, &args),
        Command::Check(args) => check::command(&args, output),
        Command::Backup(args) => system::backup(&context, &args),
        Command::Restore(args) => backup::command(&args, output),
        Command::SetupLink(args) => system::setup_link(&context, &args),
        Command::Completion(args) => {
            system::completion(output, &args);
            Ok(())
        }
        Command::ServiceUnit(typed) => serve::unit::command(&typed, output),
        Command::Version => {
            system::version(output);
            Ok(())
        }
    }
}

/// A server names wrong fields; a person typed flags. `/max_uses` is `--max-uses` to her.
fn with_flags(mut failure: Failure) -> Failure {
    if failure.errors.is_empty() || failure.status.is_none() {
        return failure;
    }
    for error in &mut failure.errors {
        let field = error.pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
        let flag = match field {
            "emails" | "domains" | "platforms" | "networks" | "groups" | "jit_groups" | "scopes" => {
                field.trim_end_matches('s').to_owned()
            }
            other => other.trim_end_matches("_at").trim_end_matches("_s").to_owned(),
        };
        // A line of a file that was imported.
        if field.parse::<u64>().is_ok() {
            let line = format!("line {field}");
            if let Some(detail) = error.detail.strip_prefix(&format!("{line}: ")) {
                error.detail = detail.to_owned();
            }
            error.pointer = line;
            continue;
        }
        error.pointer = match field {
            "login_name" => "LOGIN".to_owned(),
            "slug" => "SLUG".to_owned(),
            "name" => "the name".to_owned(),
            // One flag for a file and an address; a secret never stands on a command line.
            "metadata_url" => "--metadata".to_owned(),
            "password" => "--password-file".to_owned(),
            "device_token" => "--device-token-file".to_owned(),
            "target" => "--for".to_owned(),
            "rights" => "--access".to_owned(),
            "holder" => "--user or --group".to_owned(),
            _ => format!("--{}", flag.replace('_', "-")),
        };
    }
    if failure.fix.starts_with("See the `errors`") {
        let mut flags: Vec<&str> = failure.errors.iter().map(|error| error.pointer.as_str()).collect();
        flags.dedup();
        let only_looser = failure.errors.iter().all(|error| error.detail.contains("--loosen"));
        failure.fix = if only_looser {
            "give --loosen if that is intended".to_owned()
        } else {
            format!("mend {}", flags.join(", "))
        };
    }
    failure
}

/// What clap did not understand, in one sentence, and the help that lists what there is.
fn not_understood(error: &clap::Error, words: impl IntoIterator<Item = String>) -> Failure {
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n");
    let first = paragraphs.next().unwrap_or_default().trim_start_matches("error: ");
    let reason = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            "the command is not complete".to_owned()
        }
        // "the following required arguments were not provided:" and one a line.
        ErrorKind::MissingRequiredArgument => match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::Strings(missing)) => format!("{} is missing", missing.join(", ")),
            _ => first.to_owned(),
        },
        _ => first.to_owned(),
    };
    let tip = paragraphs.find_map(|p| p.trim().strip_prefix("tip: ")).map(|tip| format!("{tip}; ")).unwrap_or_default();
    Failure::usage(reason, format!("{tip}`{} --help` shows what there is", command_in(words)))
}

/// The command that was typed, as far as it is one: an error about a value does not say whose it was.
fn command_in(words: impl IntoIterator<Item = String>) -> String {
    let program = Cli::command();
    let mut path = program.get_name().to_owned();
    let mut at = &program;
    for word in words.into_iter().skip(1) {
        if let Some(inner) = at.find_subcommand(&word) {
            at = inner;
            path = format!("{path} {}", inner.get_name());
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &[&str]) -> Failure {
        let words = std::iter::once("latchkey").chain(line.iter().copied());
        let error = Cli::try_parse_from(words.clone()).unwrap_err();
        not_understood(&error, words.map(str::to_owned))
    }

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_flag_has_help() {
        fn look(command: &clap::Command, path: &str, missing: &mut Vec<String>) {
            let path = format!("{path} {}", command.get_name());
            if command.get_about().is_none() {
                missing.push(path.clone());
            }
            for argument in command.get_arguments().filter(|a| a.get_help().is_none()) {
                missing.push(format!("{path} {}", argument.get_id()));
            }
            for inner in command.get_subcommands() {
                look(inner, &path, missing);
            }
        }
        let mut missing = Vec::new();
        look(&Cli::command(), "", &mut missing);
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn a_wrong_field_is_told_as_the_flag_that_was_typed() {
        let document = serde_json::json!({"code": "LK-API-010", "detail": "x", "fix": "See the `errors` of the answer.", "errors": [
            {"pointer": "/max_uses", "code": "LK-API-010", "detail": "d"}, {"pointer": "/domains/0", "code": "LK-API-010", "detail": "d"},
            {"pointer": "/expires_at", "code": "LK-API-010", "detail": "d"}, {"pointer": "/retire_after_s", "code": "LK-API-010", "detail": "d"}]});
        let failure = with_flags(Failure::of_document(422, &document).unwrap());
        assert_eq!(failure.fix, "mend --max-uses, --domain, --expires, --retire-after");
        let document = serde_json::json!({"code": "LK-API-010", "fix": "See the `errors` of the answer", "errors": [
            {"pointer": "/metadata_url", "code": "LK-API-010", "detail": "d"}, {"pointer": "/password", "code": "LK-API-010", "detail": "d"}]});
        assert_eq!(with_flags(Failure::of_document(422, &document).unwrap()).fix, "mend --metadata, --password-file");
        let document = serde_json::json!({"code": "LK-API-010", "fix": "See the `errors` of the answer", "errors": [
            {"pointer": "/3/login_name", "code": "LK-API-010", "detail": "line 3: d"}, {"pointer": "/3/groups/0", "code": "LK-API-010", "detail": "line 3: e"}]});
        let failure = with_flags(Failure::of_document(422, &document).unwrap());
        assert_eq!((failure.fix.as_str(), failure.errors[0].detail.as_str()), ("mend line 3", "d"));
    }

    #[test]
    fn a_missing_flag_is_named() {
        let failure = told(&["token", "create", "--description", "x"]);
        assert!(failure.detail.contains("--domain"), "{failure}");
        assert!(failure.fix.contains("`latchkey token create --help`"), "{failure}");
        assert_eq!(failure.exit, Exit::USAGE);
        // A wrong value leads to the help of its own command too.
        let failure = told(&["token", "--json", "create", "--expires", "5x"]);
        assert!(failure.detail.contains("5x") && failure.fix.contains("`latchkey token create --help`"), "{failure}");
        assert!(told(&["tokn"]).fix.contains("`latchkey --help`"));
    }

    #[test]
    fn a_misspelled_flag_names_the_near_one() {
        let failure = told(&["device", "list", "--stat", "pending"]);
        assert!(failure.line().contains("--state"), "{failure}");
    }

    #[test]
    fn global_flags_stand_anywhere() {
        for line in [
            "latchkey --json --org acme domain list",
            "latchkey domain --json list --org acme",
            "latchkey domain list --org acme --json",
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert!(cli.globals.json && cli.globals.org.as_deref() == Some("acme"), "{line}");
        }
    }
}
