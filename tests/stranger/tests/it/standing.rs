//! What needs a stopped server: restoring a backup, and another master key. And what goes on until it is told to stop.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::programs::{Running, bin, quiet};
use crate::stranger::Cloud;

#[test]
fn a_backup_comes_back_and_gets_another_master_key() {
    let mut cloud = Cloud::start(&[]);
    let listen = cloud.said("url").replace("http://localhost", "127.0.0.1");
    cloud.file("pw", "correct horse battery 9\n");
    cloud.file("wrong", "correct horse battery 8\n");
    let at = cloud.operator(None);
    at.document("org create acme --name Acme");
    at.document("domain add acme.example");
    at.document("user create anna@acme.example");
    at.document("token create --description lab --domain acme.example --no-sealed-copy");
    at.refused("backup b.lk --with-master-key", 2, "LK-CLI-001");
    let taken = at.document("backup b.lk --with-master-key --password-file pw");
    assert_eq!((&taken["file"], &taken["with_master_key"]), (&json!("b.lk"), &json!(true)), "{taken}");
    assert_eq!(cloud.path().join("b.lk").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    at.document("user disable anna@acme.example");
    cloud.file("log.jsonl", &at.text("audit export --format jsonl"));

    at.refused("restore b.lk --data d --password-file pw", 5, "LK-RESTORE-004");
    cloud.stop();
    at.refused("user list", 6, "LK-CLI-002");
    at.refused("restore b.lk --data d --password-file pw", 5, "LK-RESTORE-004");
    let wrong = at.run("restore b.lk --data new --password-file wrong");
    assert!(wrong.exit != 0 && wrong.out.is_empty() && wrong.last().starts_with("error LK-"), "{wrong:#?}");
    at.document("restore b.lk --data new --password-file pw");
    at.document(&format!("restore --confirm --dry-run --replay log.jsonl --data new --listen {listen}"));
    let confirmed = at.document(&format!("restore --confirm --replay log.jsonl --data new --listen {listen}"));
    assert_eq!(confirmed["confirmed"], true, "{confirmed}");
    at.document(&format!("key rewrap --new-master-key-file other.key --data new --listen {listen}"));
    at.refused(&format!("serve --data new --listen {listen}"), 5, "LK-SERVE-006");

    let cloud = cloud.again(&["--data", "new", "--listen", &listen, "--master-key-file", "other.key"]);
    let at = cloud.operator(None).with(&["--data", "new"]);
    assert_eq!(at.document("user show anna@acme.example")["status"], "disabled", "the replay has it");
    assert_eq!(at.list("token list")[0]["state"], "disabled", "what could have been revoked since is off");
    assert_eq!(at.document("audit verify")["ok"], true);
}

#[test]
fn what_is_watched_comes_line_by_line() {
    let cloud = Cloud::start(&[]);
    let at = cloud.operator(None);
    at.document("org create acme --name Acme");
    at.document("domain add acme.example");
    let token = at.document("token create --description x --domain acme.example --no-sealed-copy");
    let token = token["id"].as_str().unwrap();
    for (line, member) in [(format!("token watch {token}"), "uses"), ("audit tail".to_owned(), "action")] {
        let mut command = quiet(bin().join("latchkey"), cloud.path());
        command.args(line.split(' ')).args(["--data", "d", "--json"]).stdout(Stdio::piped());
        let mut watching = Running::start(&mut command);
        let mut first = String::new();
        BufReader::new(watching.0.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let first: Value = serde_json::from_str(&first).unwrap_or_else(|e| panic!("{line}: {e}: {first}"));
        assert!(first.get(member).is_some(), "{line}: {first}");
    }
}
