//! The command line of `latchkey`: what was typed, to which command it goes, and how that ends.
//!
//! Owns the list of commands. Must not know what a command does.

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::exit::{Exit, Failure, Result};
use crate::output::Output;
use crate::serve;

/// Latchkey, a self-hosted identity provider for managed devices.
#[derive(Debug, Parser)]
#[command(name = "latchkey", version, disable_version_flag = true, propagate_version = false)]
struct Cli {
    /// Exactly one JSON document on stdout.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::config::Typed),
    /// Print the version.
    Version,
}

/// Parses the command line of this process, runs the command and says how it ended.
#[must_use]
pub fn main() -> Exit {
    match Cli::try_parse() {
        Ok(cli) => {
            let output = Output { json: cli.json };
            match run(cli.command, output) {
                Ok(()) => Exit::DONE,
                Err(failure) => output.failure(&failure),
            }
        }
        Err(error) => {
            let output = Output { json: std::env::args_os().any(|argument| argument == "--json") };
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                    output.text(&error.render().to_string());
                    Exit::DONE
                }
                _ => output.failure(&not_understood(&error)),
            }
        }
    }
}

fn run(command: Command, output: Output) -> Result<()> {
    match command {
        Command::Serve(typed) => serve::command(typed, output, crate::app::build),
        Command::Version => {
            let version = env!("CARGO_PKG_VERSION");
            if output.json {
                output.document(&serde_json::json!({ "version": version }));
            } else {
                output.text(&format!("latchkey {version}\n"));
            }
            Ok(())
        }
    }
}

fn not_understood(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let reason = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    Failure::usage(reason, "see `latchkey --help`, or `--help` after the command")
}
