//! What passes a token to devices: it is typed, pasted and put in place as the page says, and a real connector takes it.

use std::process::Stdio;

use serde_json::Value;

use crate::programs::{Ended, bin, quiet};
use crate::stranger::{Cloud, Stranger};

/// Pastes a block into a shell of somebody called petra, with a state directory of its own.
fn paste(cloud: &Cloud, block: &str) -> Ended {
    let mut shell = quiet("sh", cloud.path());
    let path = std::env::join_paths(
        std::iter::once(bin()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    shell.env("PATH", path.unwrap()).env("LATCHKEY_CONNECTOR_STATE_DIR", cloud.path().join("s-petra"));
    shell.env("LATCHKEY_CONNECTOR_USER_NAME", "petra").arg("-c").arg(block).stdin(Stdio::null());
    Ended::of("the pasted block", shell.output().unwrap())
}

/// Every line about it. The policy accepts tokens of acme.example, and the files `pw` and `wrong` have passwords.
pub(crate) fn deploy(cloud: &Cloud, at: &Stranger) {
    let made = at.document("token create --description deploy --domain acme.example --password-file pw");
    let (token, secret) = (made["id"].as_str().unwrap(), made["device_token"].as_str().unwrap());
    cloud.file("deployed", secret);
    let line = |target: &str, more: &str| format!("deploy --token {token} --domain acme.example --for {target} {more}");

    at.refused(&line("shell", ""), 2, "LK-CLI-001");
    at.refused(&line("shell", "--placeholder --password-file pw"), 2, "LK-CLI-001");
    at.refused(&line("msi", "--placeholder"), 2, "LK-API-010");
    at.refused(&line("shell", "--password-file wrong"), 4, "LK-AUTH-002");
    at.refused(&line("shell", "--device-token-file pw"), 2, "LK-API-010");
    at.refused(&format!("deploy --token {token} --domain none.example --for shell --placeholder"), 2, "LK-API-010");

    let managed: Value = serde_json::from_str(&at.text(&line("managed-json", "--device-token-file deployed"))).unwrap();
    assert_eq!(managed["deviceToken"], secret);
    assert_eq!(managed["cloudName"], cloud.said("cloud_name"));
    let script = at.writes(&line("linux", "--password-file pw --output setup.sh"), "setup.sh");
    assert!(script.contains(secret) && script.contains("umask 077"), "{script}");

    let empty = at.text(&line("shell", "--placeholder"));
    let refused = paste(cloud, &empty);
    assert_eq!(refused.exit, 2, "a placeholder is no token: {refused:#?}");
    assert!(refused.last().contains("LK-TOKEN-001"), "{refused:#?}");

    let block = at.text(&line("shell", "--password-file pw"));
    let ended = paste(cloud, &block);
    assert_eq!(ended.exit, 0, "{ended:#?}");
    let uses = at.list(&format!("token uses {token}"));
    assert_eq!(uses.len(), 1, "{uses:?}");
    assert_eq!(uses[0]["login_name"], "petra@acme.example");
}
