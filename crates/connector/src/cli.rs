//! The command line (cli.md, "Device").
//!
//! Owns the grammar and where state is. Options of the table are taken out first, in any spelling and position; what is left is
//! for clap.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use latchkey_options::parse::split_arguments;
use latchkey_options::{Given, OptionName, Platform, Recognized, duration, recognize};
use url::Url;

use crate::account::Directory;
use crate::commands;
use crate::files::{Owner, PrivateDir};
use crate::output::Output;
use crate::problem::{Local, Problem, Result};
use crate::service;
use crate::settings::{Core, Inputs, read_options};
use crate::state::Store;

/// Where the system service keeps its state.
pub const SYSTEM_STATE: &str = "/var/lib/latchkey-connector";

#[derive(Parser)]
#[command(name = "latchkey-connector", version, about = "The device agent of Latchkey", disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Do the service's work here, with the state in this directory; no service and no root needed.
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Where machine-wide options are [/etc/latchkey].
    #[arg(long, global = true, value_name = "DIR")]
    machine_dir: Option<PathBuf>,
    /// Options as JSON; ranks with flags.
    #[arg(long, global = true, value_name = "F")]
    config: Option<PathBuf>,
    /// One JSON document on stdout.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Register this device and its user with a device token.
    Enroll(EnrollArgs),
    /// What this device is, and what is wrong with it.
    Status,
    /// Reach a page that asks for sign-in, without a prompt.
    SignIn(SignInArgs),
    /// Renew certificate and epoch now.
    Renew,
    /// Every option: its value, where it comes from, what it overrode.
    Options(OptionsArgs),
    /// Look for what is wrong, on this machine and on the way to the cloud.
    Doctor {
        /// A page to test the way to.
        #[arg(value_parser = web_address)]
        url: Option<Url>,
    },
    /// The system service.
    Run {
        /// One round of work, then end.
        #[arg(long)]
        once: bool,
    },
    /// Tell the cloud that this device leaves, and wipe keys and state.
    Unenroll {
        /// Wipe without telling the cloud.
        #[arg(long)]
        local: bool,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Say what would be wiped.
        #[arg(long)]
        dry_run: bool,
    },
    /// Make this machine ready to be copied: no keys, no state.
    PrepareImage {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Say what would be wiped.
        #[arg(long)]
        dry_run: bool,
    },
    /// The version.
    Version,
}

#[derive(Args)]
pub(crate) struct EnrollArgs {
    /// Keep trying, and wait for approval, for so long.
    #[arg(long, value_parser = duration, value_name = "5m")]
    pub(crate) wait: Option<Duration>,
    /// Only ask what would happen.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Args)]
pub(crate) struct SignInArgs {
    /// The page.
    #[arg(value_parser = web_address)]
    pub(crate) url: Url,
    /// Cookies in and out, Netscape format (curl -b -c).
    #[arg(long, value_name = "F")]
    pub(crate) cookie_jar: Option<PathBuf>,
    /// The page goes here.
    #[arg(long, value_name = "F")]
    pub(crate) output: Option<PathBuf>,
    /// For the whole way.
    #[arg(long, value_parser = duration, default_value = "30s")]
    pub(crate) timeout: Duration,
}

#[derive(Args)]
pub(crate) struct OptionsArgs {
    /// Print the reference page.
    #[arg(long)]
    pub(crate) reference: bool,
    /// Print the JSON schema.
    #[arg(long)]
    pub(crate) schema: bool,
}

/// Where a command does its work.
pub(crate) enum Place {
    /// In this process.
    Here(Box<Core>),
    /// In the system service.
    Service(PathBuf),
}

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    // One provider for everything; a second one in the tree would make rustls refuse to choose.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // Keys and tokens pass through this process: no core dump, no debugger of the same user.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let arguments: Vec<String> = std::env::args().collect();
    let output = Output { json: arguments.iter().any(|a| a == "--json") };
    match run(arguments, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => ExitCode::from(output.problem(&problem)),
    }
}

fn run(arguments: Vec<String>, output: Output) -> Result<()> {
    let split = split_arguments(arguments).map_err(|f| Problem::options(&[f]))?;
    no_secret_values(&split.given)?;
    let cli = match parse(split.rest.clone()) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return Err(usage(&error, &split.rest)),
        Err(help) => {
            output.text(&help.to_string());
            return Ok(());
        }
    };
    let environment = || std::env::vars().filter(|(n, _)| n.starts_with("LATCHKEY_CONNECTOR_"));
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let state_dir = cli.state_dir.or_else(|| variable("LATCHKEY_CONNECTOR_STATE_DIR"));
    let inputs = Inputs {
        flags: split.given,
        config: cli.config.or_else(|| variable("LATCHKEY_CONNECTOR_CONFIG")),
        machine_dir: cli.machine_dir.or_else(|| variable("LATCHKEY_CONNECTOR_MACHINE_DIR")),
        environment: environment().collect(),
    };
    match cli.command {
        Command::Version => return commands::version(output),
        Command::Options(OptionsArgs { reference: true, .. }) => {
            output.text(&latchkey_options::reference::markdown());
            return Ok(());
        }
        Command::Options(OptionsArgs { schema: true, .. }) => {
            output.text(&format!("{:#}\n", latchkey_options::reference::json_schema()));
            return Ok(());
        }
        _ => {}
    }
    let is_service = matches!(cli.command, Command::Run { .. });
    let place = place(state_dir, inputs, is_service)?;
    match cli.command {
        Command::Enroll(args) => commands::enroll::run(&place, &args, output),
        Command::Status => commands::status::run(&place, output),
        Command::SignIn(args) => commands::sign_in::run(&place, &args, output),
        Command::Renew => commands::renew(&place, output),
        Command::Options(_) => commands::options(&place, output),
        Command::Doctor { url } => commands::doctor::run(&place, url.as_ref(), output),
        Command::Run { once } => commands::serve(place, once, output),
        Command::Unenroll { local, yes, dry_run } => commands::unenroll::run(&place, local, yes, dry_run, output),
        Command::PrepareImage { yes, dry_run } => commands::unenroll::prepare_image(&place, yes, dry_run, output),
        Command::Version => Ok(()),
    }
}

/// A command line is public on its machine. The device token is let through, because fleets are deployed that way today.
fn no_secret_values(given: &[Given]) -> Result<()> {
    for one in given {
        let Some(Recognized::Ours(spec)) = recognize(&one.spelling) else {
            continue;
        };
        if spec.secret && spec.name != OptionName::DeviceToken {
            return Err(Problem::local(
                Local::Usage,
                format!("--{} would show a secret on the command line", spec.flag()),
                format!("give --{}-file FILE, or write {} into a file of options", spec.flag(), spec.spelled),
            ));
        }
    }
    Ok(())
}

fn parse(arguments: Vec<String>) -> std::result::Result<Cli, clap::Error> {
    use clap::FromArgMatches as _;
    let options = format!(
        "Options of the table (also --camelCase; see docs/options.md):\n{}",
        latchkey_options::reference::help(Platform::Linux)
    );
    let mut command =
        Cli::command().mut_subcommand("enroll", |enroll| enroll.after_help(options.clone())).after_help(options);
    let matches = command.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches(&matches).map_err(|e| e.format(&mut command))
}

/// What clap did not understand, in one sentence, and where the right words stand.
fn usage(error: &clap::Error, words: &[String]) -> Problem {
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n");
    let first = paragraphs.next().unwrap_or_default().trim_start_matches("error: ");
    let first = first.split_whitespace().collect::<Vec<_>>().join(" ");
    let invalid = error.get(ContextKind::InvalidArg);
    let reason = match (error.kind(), invalid) {
        (ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand, _) => {
            "a command is missing: enroll, status, sign-in URL, …".to_owned()
        }
        // "the following required arguments were not provided:" and one a line.
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) => {
            format!("{} is missing", missing.join(", "))
        }
        _ => first,
    };
    let tip = paragraphs.find_map(|p| p.trim().strip_prefix("tip: ")).map(str::to_owned);
    // clap knows its own flags; those of the table of options were taken out before it looked.
    let tip = tip.or_else(|| match (error.kind(), invalid) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(flag))) => {
            latchkey_options::suggest(flag.trim_start_matches('-')).and_then(|near| match recognize(near) {
                Some(Recognized::Ours(spec)) => Some(format!("a similar option exists: '--{}'", spec.flag())),
                _ => None,
            })
        }
        _ => None,
    });
    let tip = tip.map(|tip| format!("{tip}; ")).unwrap_or_default();
    // An error about a value does not say whose it was; what was typed does.
    let program = Cli::command();
    let command = words.iter().skip(1).find_map(|word| program.find_subcommand(word)).map(clap::Command::get_name);
    let command = command.map(|name| format!(" {name}")).unwrap_or_default();
    Problem::local(Local::Usage, reason, format!("{tip}`latchkey-connector{command} --help` shows what there is"))
}

/// A page's address: what a browser could open.
fn web_address(text: &str) -> std::result::Result<Url, String> {
    let wrong = || format!("{text:?} is no http or https address; give one such as https://wiki.example/");
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(wrong)
}

fn place(state_dir: Option<PathBuf>, inputs: Inputs, is_service: bool) -> Result<Place> {
    let core = |dir: &Path, directory: Directory, inputs: Inputs| -> Result<Place> {
        let owner = if directory == Directory::System { Owner::Root } else { Owner::RootOrMe };
        let options = read_options(&inputs, owner)?;
        let store = Store::new(PrivateDir::open(dir)?);
        let mut core = Core::new(store, options, directory);
        core.inputs = Some(inputs);
        Ok(Place::Here(Box::new(core)))
    };
    if let Some(dir) = state_dir {
        return core(&dir, Directory::Private, inputs);
    }
    let is_root = rustix::process::geteuid().is_root();
    if is_service {
        return core(Path::new(SYSTEM_STATE), Directory::System, inputs);
    }
    // Root works on the service's state itself, under its lock; everybody else asks.
    if is_root {
        return core(Path::new(SYSTEM_STATE), Directory::System, inputs);
    }
    let socket = service::socket_path();
    if service::is_there(&socket) {
        return Ok(Place::Service(socket));
    }
    let home = || std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".local/state"));
    let base = std::env::var_os("XDG_STATE_HOME").filter(|v| !v.is_empty()).map(PathBuf::from).or_else(home);
    match base {
        Some(base) => core(&base.join("latchkey-connector"), Directory::Private, inputs),
        None => {
            Err(Problem::local(Local::Usage, "there is no home directory to keep state in", "give --state-dir DIR"))
        }
    }
}
