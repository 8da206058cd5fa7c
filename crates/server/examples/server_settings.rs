//! Prints the settings of `latchkey serve` for `docs/settings.md`.
#![allow(clippy::print_stdout)] // printing is all it does

use latchkey_server::serve::config::KEYS;

fn main() {
    println!("\n| flag | key of a file | variable | what it does |\n|---|---|---|---|");
    for key in KEYS {
        let value = if key.value.is_empty() { String::new() } else { format!(" {}", key.value) };
        let flag = format!("--{}{value}", key.flag).replace('|', "\\|");
        println!("| `{flag}` | `{}` | `{}` | {} |", key.name(), key.variable(), key.help.replace('|', "\\|"));
    }
}
