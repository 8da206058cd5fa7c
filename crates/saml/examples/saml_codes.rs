//! Prints this crate's codes for `docs/codes.md`.
#![allow(clippy::print_stdout)] // printing is all it does

fn main() {
    println!(
        "\n## SAML\n\nA sign-in that ends with one of these ends on a page of ours, and the service is sent nothing.\n\n\
         | code | what it means and what to do | what the person reads |\n|---|---|---|"
    );
    for entry in latchkey_saml::request::CODES {
        println!("| `{}` | {} | {} |", entry.code, cell(entry.administrator), cell(entry.person));
    }
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
