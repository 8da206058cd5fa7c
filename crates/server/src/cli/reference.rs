//! The reference page of the command line, made from the grammar that the program parses with.
//!
//! Owns its form. What a command says about itself stands at its declaration.

use clap::{Arg, Command, CommandFactory as _};

/// The page `docs/commands.md`, in Markdown, without its heading.
#[must_use]
pub fn markdown() -> String {
    let mut program = super::Cli::command();
    program.build();
    let mut page = String::new();
    for command in visible(&program) {
        let name = command.get_name();
        page.push_str(&format!("\n## {name}\n\n{}.\n", about(command)));
        if command.has_subcommands() {
            visible(command).for_each(|verb| entry(&mut page, &format!("{name} {}", verb.get_name()), verb));
        } else {
            details(&mut page, name, command);
        }
    }
    page
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|inner| inner.get_name() != "help" && !inner.is_hide_set())
}

fn entry(page: &mut String, path: &str, command: &Command) {
    page.push_str(&format!("\n### {path}\n\n{}.\n", about(command)));
    details(page, path, command);
}

fn details(page: &mut String, path: &str, command: &Command) {
    let shown = |a: &&Arg| !a.is_global_set() && !a.is_hide_set() && a.get_id() != "help";
    let (places, flags): (Vec<_>, Vec<_>) = command.get_arguments().filter(shown).partition(|a| a.is_positional());
    let names: Vec<String> = places.iter().map(|a| place(a)).collect();
    let options = if flags.is_empty() { "" } else { " [FLAGS]" };
    page.push_str(&format!(
        "\n    latchkey {path}{}{options}\n",
        names.iter().map(|n| format!(" {n}")).collect::<String>()
    ));
    if !(places.is_empty() && flags.is_empty()) {
        page.push_str("\n| | |\n|---|---|\n");
        for argument in places.into_iter().chain(flags) {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let default =
                argument.get_default_values().iter().map(|v| v.to_string_lossy()).collect::<Vec<_>>().join(" ");
            let is_value = argument.get_action().takes_values() && !default.is_empty();
            let default = if is_value { format!(" [{default}]") } else { String::new() };
            let needed = if argument.is_required_set() && !argument.is_positional() { " (required)" } else { "" };
            page.push_str(&format!("| `{}` | {}{default}{needed} |\n", cell(&spelled(argument)), cell(&help)));
        }
    }
    if let Some(after) = command.get_after_help() {
        let mut in_code = false;
        for line in after.to_string().lines() {
            // Examples are indented where they are declared; two more make a block of code of them.
            let is_code = line.starts_with("  ");
            let gap = if is_code != in_code { "\n" } else { "" };
            page.push_str(&if is_code { format!("{gap}\n  {line}") } else { format!("{gap}\n{line}") });
            in_code = is_code;
        }
        page.push('\n');
    }
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

fn value(argument: &Arg) -> String {
    argument
        .get_value_names()
        .map(|names| names.join(" "))
        .unwrap_or_else(|| argument.get_id().to_string().to_uppercase())
}

fn place(argument: &Arg) -> String {
    let many = if argument.get_num_args().is_some_and(|n| n.max_values() > 1) { "…" } else { "" };
    if argument.is_required_set() {
        format!("{}{many}", value(argument))
    } else {
        format!("[{}{many}]", value(argument))
    }
}

fn spelled(argument: &Arg) -> String {
    let Some(long) = argument.get_long() else { return place(argument) };
    if argument.get_action().takes_values() { format!("--{long} {}", value(argument)) } else { format!("--{long}") }
}

/// A bar would end the cell, a line end the row.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_command_and_flag_once() {
        let page = markdown();
        for needed in [
            "\n## explain\n",
            "\n### token create\n",
            "`--jit-group G`",
            "`--expires T` | When it ends: so long from now, or RFC 3339; at most 365 days ahead [14d]",
            "    latchkey device approve [X…] [FLAGS]\n",
            "    latchkey binding approve ID… [FLAGS]\n",
        ] {
            assert_eq!(page.matches(needed).count().min(1), 1, "{needed}\n{page}");
        }
        assert!(!page.contains("`--json`"), "what stands everywhere stands in the heading");
    }
}
