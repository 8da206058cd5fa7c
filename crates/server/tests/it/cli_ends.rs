//! How commands end: exits, what is on stdout and stderr, files, and what a script must say yes to.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::cli_fake::{Fake, Told, anything, backup};
use crate::program::{last_line, run};

fn document(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn each_refusal_has_its_exit_and_leaves_stdout_empty() {
    for (status, code, exit) in [
        (400, "LK-API-001", 2),
        (422, "LK-API-010", 2),
        (404, "LK-API-004", 3),
        (401, "LK-AUTH-001", 4),
        (403, "LK-AUTH-002", 4),
        (409, "LK-API-007", 5),
        (412, "LK-API-009", 5),
        (429, "LK-API-014", 7),
        (503, "LK-NODE-001", 7),
        (500, "LK-API-500", 1),
        (403, "LK-NEW-999", 4),
    ] {
        let fake = Fake::answering(move |_| Told::problem(status, code));
        let output = fake.run(&["--org", "acme", "user", "show", "u"]);
        assert_eq!(output.status.code(), Some(exit), "{code}");
        assert!(output.stdout.is_empty());
        assert_eq!(last_line(&output), format!("error {code}: what is wrong. fix: what to do. ref: abc123"));
        let output = fake.run(&["--org", "acme", "user", "show", "u", "--json"]);
        assert_eq!(output.status.code(), Some(exit), "{code}");
        assert_eq!(document(&output.stderr)["ref"], "abc123");
    }
}

#[test]
fn come_back_later_says_when() {
    let fake = Fake::answering(|_| {
        let mut told = Told::problem(429, "LK-API-014");
        told.headers.push(("retry-after", "17".to_owned()));
        told
    });
    let output = fake.run(&["--org", "acme", "domain", "list", "--json"]);
    assert_eq!(document(&output.stderr)["retry_after"], 17);
}

#[test]
fn no_server_is_exit_6_and_says_how_to_start_one() {
    let output = run(&["--data", "/nonexistent", "org", "list"]);
    assert_eq!(output.status.code(), Some(6));
    assert!(last_line(&output).contains("latchkey serve"), "{}", last_line(&output));
}

#[test]
fn an_answer_that_is_not_ours_is_exit_6() {
    let fake = Fake::answering(|_| Told { status: 200, headers: vec![], body: b"<html>hello</html>".to_vec() });
    assert_eq!(fake.run(&["--org", "acme", "domain", "list"]).status.code(), Some(6));
    let fake = Fake::answering(|_| Told { status: 421, headers: vec![], body: b"elsewhere".to_vec() });
    assert_eq!(fake.run(&["--org", "acme", "domain", "list"]).status.code(), Some(6));
}

#[test]
fn the_organization_is_found_named_or_asked_for() {
    let with = |slugs: Value| {
        Fake::answering(move |asked| {
            if asked.target.starts_with("/api/v1/organizations") {
                let items: Vec<_> = slugs.as_array().unwrap().iter().map(|s| json!({"slug": s})).collect();
                return Told::json(200, &json!({"items": items, "next": null}));
            }
            anything(asked)
        })
    };
    let several = with(json!(["acme", "bits"]));
    let output = several.run(&["domain", "list"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(last_line(&output).contains("--org is missing, and there are several organizations: acme, bits"));
    assert!(several.command(&["domain", "list"]).env("LATCHKEY_ORG", "bits").status().unwrap().success());
    assert_eq!(several.asked()[0].target, "/api/v1/o/bits/domains?limit=50");
    let none = with(json!([]));
    let output = none.run(&["domain", "list"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(last_line(&output).contains("latchkey org create"));
}

#[test]
fn what_takes_something_away_needs_yes_in_a_script() {
    let fake = Fake::start();
    for line in [
        "org delete acme",
        "domain remove a.example",
        "token revoke t1",
        "service delete wiki",
        "user delete u",
        "group delete g",
        "device remove d1",
        "device suspend --state registered",
        "binding remove b1",
        "code delete c1",
        "session end s1",
        "session end --everyone",
        "key retire k1",
        "api-client delete n",
    ] {
        let output = fake.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(last_line(&output).contains("--yes is missing"), "{line}: {}", last_line(&output));
        assert!(fake.asked().is_empty(), "{line}");
    }
}

#[test]
fn output_goes_to_a_private_file_and_stdout_stays_empty() {
    let fake = Fake::start();
    for json in [&[][..], &["--json"]] {
        let line =
            ["token", "create", "--description", "x", "--domain", "a.example", "--no-sealed-copy", "--output", "token"];
        let output = fake.run(&[&line[..], json].concat());
        assert!(output.status.success() && output.stdout.is_empty());
        assert!(!String::from_utf8_lossy(&output.stderr).contains("lkdt1_secret"));
        assert_eq!(std::fs::read_to_string(fake.file("token")).unwrap(), "lkdt1_secret");
        assert_eq!(std::fs::metadata(fake.file("token")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    for (line, secret) in [
        ("code create --user u --output secret", "lkuc1_secret"),
        ("service handover wiki --for generic --output secret", "sheet\n"),
    ] {
        let output = fake.run(&line.split(' ').collect::<Vec<_>>());
        assert!(output.status.success() && output.stdout.is_empty(), "{line}");
        assert_eq!(std::fs::read_to_string(fake.file("secret")).unwrap(), secret, "{line}");
    }
}

#[test]
fn a_clients_secret_goes_into_its_file_and_its_id_to_stdout() {
    let fake = Fake::start();
    let line = "api-client create n --scope devices:read --secret-output secret --json";
    let output = fake.run(&line.split(' ').collect::<Vec<_>>());
    let answer = document(&output.stdout);
    assert_eq!((&answer["client_id"], &answer["client_secret"]), (&json!("c1"), &Value::Null));
    assert_eq!(std::fs::read_to_string(fake.file("secret")).unwrap(), "s3cret");
    assert_eq!(std::fs::metadata(fake.file("secret")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_password_comes_from_a_file_or_the_flag_is_named() {
    let fake = Fake::start();
    let output = fake.run(&["token", "create", "--description", "x", "--domain", "a.example"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(last_line(&output).contains("--password-file is missing, and so is --no-sealed-copy"));
    let line = ["token", "reveal", "t1", "--password-file", "-"];
    assert!(fake.feed(&line, "from stdin 1\n").status.success());
    assert_eq!(fake.asked()[0].json(), json!({"password": "from stdin 1"}));
}

#[test]
fn all_walks_the_pages_and_a_list_is_one_document() {
    let fake = Fake::answering(|asked| match asked.target.as_str() {
        t if t.ends_with("?limit=1000") => Told::json(200, &json!({"items": [{"id": 1}], "next": "c 1"})),
        t if t.ends_with("&after=c+1") => Told::json(200, &json!({"items": [{"id": 2}], "next": null})),
        _ => Told::json(200, &json!({"items": [{"id": 1}], "next": "c1"})),
    });
    let output = fake.run(&["--org", "acme", "device", "list", "--all", "--json"]);
    assert_eq!(document(&output.stdout), json!({"items": [{"id": 1}, {"id": 2}], "next": null}));
    let output = fake.run(&["--org", "acme", "device", "list", "--json"]);
    assert_eq!(document(&output.stdout), json!({"items": [{"id": 1}], "next": "c1"}));
    let output = fake.run(&["--org", "acme", "device", "list", "--limit", "1001"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_empty_list_says_what_to_do_and_prints_nothing() {
    let fake = Fake::start();
    for (line, needed) in
        [("token list", "latchkey token create"), ("domain list", "latchkey domain add"), ("user list", "--jit")]
    {
        let output = fake.run(&line.split(' ').collect::<Vec<_>>());
        assert!(output.status.success() && output.stdout.is_empty());
        assert!(String::from_utf8_lossy(&output.stderr).contains(needed), "{line}");
    }
}

#[test]
fn if_missing_answers_the_existing_one_and_without_it_that_is_exit_5() {
    let fake = Fake::answering(|asked| match asked.method.as_str() {
        "POST" => Told::problem(409, "LK-API-007"),
        _ if asked.target.starts_with("/api/v1/organizations?") => anything(asked),
        _ => Told::json(200, &json!({"name": "old"})),
    });
    for line in [
        "domain add a.example",
        "org create acme --name Acme",
        "user create u@a.example",
        "group create g",
        "service add wiki --entity-id x --acs https://a.example",
        "api-client create n --scope devices:read",
    ] {
        let mut arguments: Vec<_> = line.split(' ').collect();
        assert_eq!(fake.run(&arguments).status.code(), Some(5), "{line}");
        arguments.extend(["--if-missing", "--json"]);
        let output = fake.run(&arguments);
        assert!(output.status.success(), "{line}");
        assert_eq!(document(&output.stdout), json!({"name": "old"}), "{line}");
    }
}

#[test]
fn a_bad_audit_log_is_exit_8_with_the_answer_on_stdout() {
    let fake = Fake::answering(|asked| match asked.target.ends_with("/verify") {
        true => Told::json(200, &json!({"ok": false, "events": 3, "chains": []})),
        false => anything(asked),
    });
    let output = fake.run(&["audit", "verify", "--json"]);
    assert_eq!(output.status.code(), Some(8));
    assert_eq!(document(&output.stdout)["events"], 3);
    assert_eq!(document(last_line(&output).as_bytes())["code"], "LK-CLI-003");
}

#[test]
fn metadata_has_one_limit_and_one_code() {
    let fake = Fake::start();
    let file = fake.with("sp.xml", vec![b' '; 1024 * 1024 + 1]);
    let output = fake.run(&["service", "add", "wiki", "--metadata", &file]);
    assert_eq!(output.status.code(), Some(2));
    assert!(last_line(&output).contains("LK-SAML-030"), "{}", last_line(&output));
    let file = fake.with("sp.xml", vec![b'"'; 1024 * 1024]);
    assert!(fake.run(&["service", "add", "wiki", "--metadata", &file]).status.success());
}

#[test]
fn a_file_that_is_no_export_is_no_alarm_about_the_log() {
    let verdict = |events: u64, unusable: u64, missing: u64| {
        let fake = Fake::answering(move |asked| match asked.target.ends_with("/verify") {
            true => Told::json(
                200,
                &json!({"ok": false, "events": 3, "chains": [{"chain": "c", "first_bad_seq": null}], "first_bad_checkpoint": null,
                    "against": {"events": events, "missing": missing, "different": 0, "unusable": unusable, "sample": []}}),
            ),
            false => anything(asked),
        });
        let file = fake.with("log.jsonl", "x\n");
        let output = fake.run(&["audit", "verify", "--against", &file]);
        (output.status.code().unwrap(), last_line(&output))
    };
    let (exit, line) = verdict(1, 1, 0);
    assert!(exit == 2 && line.contains("log.jsonl is not an audit export"), "{line}");
    let (exit, line) = verdict(3, 1, 0);
    assert!(exit == 8 && line.contains("as it was written, but 1 of the 3 lines"), "{line}");
    let (exit, line) = verdict(3, 1, 1);
    assert!(exit == 8 && line.contains("is not what was written"), "{line}");
}

#[test]
fn a_domain_is_asked_for_until_its_record_is_there() {
    let tries = std::sync::atomic::AtomicU32::new(0);
    let fake = Fake::answering(move |asked| {
        if !asked.target.ends_with("/verify") {
            return anything(asked);
        }
        match tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => {
                let mut told = Told::problem(409, "LK-API-008");
                told.body = json!({"code": "LK-API-008", "detail": "not there yet: found A, B", "fix": "wait", "ref": "r", "retry_after": 0}).to_string().into();
                told
            }
            _ => Told::json(200, &json!({"name": "a.example", "verification": "verified"})),
        }
    });
    let output = fake.run(&["domain", "verify", "a.example", "--wait", "10m"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("not there yet: found A, B; looking again"));
    assert_eq!(fake.asked().len(), 2);
}

#[test]
fn a_policy_changed_in_between_is_read_again() {
    let tries = std::sync::atomic::AtomicU32::new(0);
    let fake = Fake::answering(move |asked| {
        if asked.method == "PUT" && tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            return Told::problem(412, "LK-API-009");
        }
        anything(asked)
    });
    assert!(fake.run(&["policy", "set", "--enabled"]).status.success());
    let methods: Vec<_> = fake.asked().iter().map(|a| a.method.clone()).collect();
    assert_eq!(methods, ["GET", "PUT", "GET", "PUT"]);
}

#[test]
fn a_roll_out_is_followed_as_events_come() {
    let events =
        "data: {\"enrolled\":1}\n\ndata: {\"enrolled\":2,\"failures\":[{\"count\":3,\"code\":\"LK-ENROLL-022\"}]}\n\n";
    let fake = Fake::answering(move |asked| match asked.target.ends_with("/watch") {
        true => {
            Told { status: 200, headers: vec![("content-type", "text/event-stream".to_owned())], body: events.into() }
        }
        false => anything(asked),
    });
    let output = fake.run(&["token", "watch", "t1"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "enrolled=1\nenrolled=2 3×LK-ENROLL-022\n");
    let output = fake.run(&["token", "watch", "t1", "--once", "--json"]);
    assert_eq!(document(&output.stdout), json!({"enrolled": 1}));
}

#[test]
fn a_code_is_explained_without_a_server() {
    let output = run(&["--data", "/nonexistent", "explain", "LK-ENROLL-020", "--json"]);
    assert!(output.status.success());
    assert_eq!(document(&output.stdout)["code"], "LK-ENROLL-020");
    assert_eq!(run(&["--data", "/nonexistent", "explain", "abcdefg"]).status.code(), Some(6));
    for code in ["LK-OPTION-002", "LK-CONN-018", "LK-HOST-001", "LK-SAML-011"] {
        let output = run(&["--data", "/nonexistent", "explain", code, "--json"]);
        assert_eq!(document(&output.stdout)["code"], code);
    }
    // What no server could know is said at once, with where to look.
    for (what, words) in [("local-abcdef", "the program that printed it"), ("LK-FUTURE-001", "no code of this version")]
    {
        let output = run(&["--data", "/nonexistent", "explain", what]);
        assert_eq!(output.status.code(), Some(3), "{what}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(words), "{what}");
    }
}

#[test]
fn a_backup_appears_whole_or_not_at_all() {
    let backup = backup();
    let (length, body) = (backup.len(), backup.clone());
    let fake = Fake::answering(move |_| Told { status: 200, headers: vec![], body: body.clone() });
    let output = fake.run(&["backup", "b.lk", "--json"]);
    let answer = document(&output.stdout);
    assert_eq!((&answer["bytes"], &answer["master_key"]), (&length.into(), &"0123456789abcdef".into()));
    assert_eq!(std::fs::read(fake.file("b.lk")).unwrap(), backup);
    assert_eq!(std::fs::metadata(fake.file("b.lk")).unwrap().permissions().mode() & 0o777, 0o600);
    for wrong in [Told::problem(503, "LK-NODE-001"), Told { status: 200, headers: vec![], body: vec![7; 9_000] }] {
        let exit = if wrong.status == 200 { 6 } else { 7 };
        let fake = Fake::answering(move |_| wrong.clone());
        assert_eq!(fake.run(&["backup", "b.lk"]).status.code(), Some(exit));
        assert!(!std::path::Path::new(&fake.file("b.lk")).exists());
    }
}

#[test]
fn completions_and_help_need_no_server() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completion", shell]);
        assert!(String::from_utf8_lossy(&output.stdout).contains("idp-metadata"), "{shell}");
    }
    let output = run(&["help", "token", "create"]);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("--no-sealed-copy"));
    assert!(String::from_utf8_lossy(&run(&["service-unit"]).stdout).contains("ExecStart="));
    assert_eq!(run(&[]).status.code(), Some(2));
}
