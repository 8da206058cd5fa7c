//! Prints the reference of commands for `docs/commands.md`.
#![allow(clippy::print_stdout)] // printing is all it does

fn main() {
    print!("{}", latchkey_server::cli::reference::markdown());
}
