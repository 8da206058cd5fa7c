//! Prints the table of codes for `docs/codes.md`.
#![allow(clippy::print_stdout)] // printing is all it does

use latchkey_wire::code::OnDevice;
use latchkey_wire::{Code, Retry};

/// Areas in the order of a device's life, with what each is about.
const AREAS: &[(&str, &str)] = &[
    ("TOKEN", "Device tokens and one-time codes, as text"),
    ("CLOUD", "The cloud"),
    ("HOST", "The cloud's name"),
    ("NODE", "A node of the cloud"),
    ("CONN", "What a connector finds out by itself"),
    ("ENROLL", "Enrollment"),
    ("BIND", "Binding a person to a device"),
    ("NONCE", "Nonces"),
    ("PROOF", "Proofs at sign-in"),
    ("RENEW", "Renewal"),
    ("DEVICE", "Devices"),
    ("API", "The interface for administrators"),
];

fn main() {
    println!(
        "\nA connector, after a refusal: *waits*: not again until something changes · *backs off*: again by itself, later · *renews*: \
         renews its certificate and tries once more · *asks anew*: once more with a new nonce or challenge. The exit code is that of a \
         program that ends with the code."
    );
    let mut left: Vec<Code> = Code::ALL.to_vec();
    for (area, title) in AREAS {
        let prefix = format!("LK-{area}-");
        let (of_area, others): (Vec<_>, Vec<_>) = left.into_iter().partition(|code| code.as_str().starts_with(&prefix));
        left = others;
        section(title, &of_area);
    }
    section("Others", &left);
    on_device();
}

fn on_device() {
    println!(
        "\n## The connector's own\n\nFound on the device and told there; none travels.\n\n\
         | code | what is wrong | what to do | exit |\n|---|---|---|---|"
    );
    for code in OnDevice::ALL {
        let exit = match code.exit_status() {
            0 => "– (in `status`)".to_owned(),
            exit => exit.to_string(),
        };
        println!("| `{code}` | {} | {} | {exit} |", cell(code.title()), cell(code.fix()));
    }
}

fn section(title: &str, codes: &[Code]) {
    if codes.is_empty() {
        return;
    }
    println!(
        "\n## {title}\n\n| code | what is wrong | what to do | what the person reads | a connector | exit |\n|---|---|---|---|---|---|"
    );
    for code in codes {
        let next = match code.retry() {
            Retry::Never => "waits",
            Retry::BackOff => "backs off",
            Retry::RenewFirst => "renews",
            Retry::NewNonce => "asks anew",
        };
        println!(
            "| `{code}` | {} | {} | {} | {next} | {} |",
            cell(code.title()),
            cell(code.fix()),
            cell(code.person()),
            code.exit_status()
        );
    }
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
