//! Prints this crate's codes for `docs/codes.md`.
#![allow(clippy::print_stdout)] // printing is all it does

fn main() {
    println!(
        "\n## Install options\n\nFound on the device, before anything is sent; the message names the option. Exit 2.\n\n\
         | code | what is wrong | what to do |\n|---|---|---|"
    );
    for row in latchkey_options::CODES {
        println!("| `{}` | {} | {} |", row.code, cell(row.title), cell(row.fix));
    }
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
