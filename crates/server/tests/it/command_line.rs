//! What every command does alike.

use crate::program::{last_line, run};

#[test]
fn version_is_one_line_or_one_document() {
    assert!(run(&["version"]).stdout.starts_with(b"latchkey "));
    let document: serde_json::Value = serde_json::from_slice(&run(&["version", "--json"]).stdout).unwrap();
    assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_wrong_flag_is_exit_2_with_a_code_on_the_last_line_and_nothing_on_stdout() {
    let output = run(&["serve", "--no-such-flag"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(last_line(&output).starts_with("error LK-CLI-001: unexpected argument '--no-such-flag' found"));
    let output = run(&["--json", "serve", "--no-such-flag"]);
    let document: serde_json::Value = serde_json::from_str(&last_line(&output)).unwrap();
    assert_eq!(document["code"], "LK-CLI-001");
}
