//! Prints the reference page that the table generates, for `docs/options.md`.
#![allow(clippy::print_stdout)] // printing is all it does

fn main() {
    print!("{}", latchkey_options::reference::markdown());
}
