//! Prints the server's own codes for `docs/codes.md`.
#![allow(clippy::print_stdout)] // printing is all it does

use latchkey_server::code::Own;

fn main() {
    println!(
        "\n## The server and its command line\n\nThese never reach a device.\n\n\
         | code | what is wrong | what to do | exit |\n|---|---|---|---|"
    );
    for code in Own::ALL {
        println!("| `{code}` | {} | {} | {} |", cell(code.title()), cell(code.fix()), code.exit_status());
    }
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
