//! Coming up, being asked, going down.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use latchkey_directory::audit::{AuditEvent, Checkpoint};
use latchkey_directory::master::MasterKey;
use latchkey_directory::store::StoreError;
use latchkey_directory::time::SystemClock;
use latchkey_directory::{Bytes, Directory, Org, OrgId, across};
use latchkey_store::sqlite::SqliteStore;
use rustix::process::Signal;
use serde_json::Value;

use crate::program::{last_line, latchkey, run};
use crate::server::{Place, body, mode, status};

#[test]
fn it_says_once_when_it_answers_and_takes_that_back_when_it_stops() {
    let place = Place::new();
    std::fs::write(place.path("ready.json"), "").unwrap();
    let server = place.start(&["--json"]);
    let ready = server.ready.clone();
    assert_eq!(ready["event"], "ready");
    assert_eq!(ready["pid"], server.pid());
    assert_eq!(ready["url"], format!("http://{}", ready["cloud_name"].as_str().unwrap()));
    assert!(ready["cloud_name"].as_str().unwrap().starts_with("localhost:"));
    assert_eq!((&ready["ca_file"], &ready["version"]), (&Value::Null, &Value::from(env!("CARGO_PKG_VERSION"))));
    assert_eq!(Path::new(ready["data"].as_str().unwrap()), place.path("d").canonicalize().unwrap());
    let host = format!("Host: {}", ready["cloud_name"].as_str().unwrap());
    assert_eq!(body(&server.get("/healthz", &[&host])), serde_json::json!({"ok": true}));
    assert_eq!(body(&server.get("/readyz", &[&host]))["ready"], true);
    assert_eq!(mode(&place.path("d")), 0o700);
    assert_eq!(mode(&place.path("d.key")), 0o600);
    assert_eq!(mode(&server.socket()), 0o600);

    let socket = server.socket();
    let stdout = server.stop_and_read();
    let mut said: Value = serde_json::from_str(&stdout).expect("exactly one document on stdout");
    // The one-time link is for whoever started the server; the file may be read by others.
    let link = said.as_object_mut().unwrap().remove("setup_url").unwrap();
    assert!(link.as_str().unwrap().starts_with(&format!("{}/setup/", ready["url"].as_str().unwrap())), "{link}");
    assert_eq!(said, ready);
    assert!(!place.path("ready.json").exists() && !socket.exists());
}

#[test]
fn a_browser_finds_a_page_that_says_what_this_is_and_one_that_says_what_codes_mean() {
    let place = Place::new();
    let server = place.start(&[]);
    let name = server.ready["cloud_name"].as_str().unwrap().to_owned();
    let headers = [format!("Host: {name}"), "Accept: text/html".to_owned()];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let home = server.get("/", &headers);
    assert_eq!(status(&home), 200);
    assert!(home.contains(&name) && home.contains("latchkey setup-link"), "{home}");
    // Where the `type` of a problem document leads.
    let codes = server.get("/docs/errors", &headers);
    assert_eq!(status(&codes), 200);
    for code in ["LK-API-010", "LK-ENROLL-020", "LK-OPTION-002", "LK-CONN-018", "LK-SAML-011"] {
        assert!(codes.contains(&format!("id=\"{code}\"")), "{code}");
    }
    let nowhere = server.get("/no/such/page", &headers);
    assert_eq!(status(&nowhere), 404);
    assert!(nowhere.contains("There is no page at this address") && nowhere.contains("LK-API-004"), "{nowhere}");
}

#[test]
fn terminated_and_interrupted_it_ends_well() {
    let place = Place::new();
    for signal in [Signal::TERM, Signal::INT] {
        let server = place.start(&[]);
        server.signal(signal);
        assert_eq!(server.stop().code(), Some(0));
    }
}

#[test]
fn a_free_port_is_taken_once_and_kept() {
    let place = Place::new();
    let first = place.start(&[]);
    let url = first.url("");
    assert!(first.stop().success());
    let second = place.start(&[]);
    assert_eq!(second.url(""), url);
}

#[test]
fn a_port_of_another_program_is_exit_5() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place::new();
    let output = run(&["serve", "--data", &place.text("d"), "--listen", &taken.local_addr().unwrap().to_string()]);
    assert_eq!(output.status.code(), Some(5));
    assert!(
        last_line(&output).contains(&format!("port {}", taken.local_addr().unwrap().port())),
        "{}",
        last_line(&output)
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn a_directory_in_use_is_exit_5_and_names_the_process() {
    let place = Place::new();
    let server = place.start(&[]);
    let output = run(&[
        "serve",
        "--data",
        &place.text("d"),
        "--ready-file",
        &place.text("ready.json"),
        "--listen",
        "127.0.0.1:0",
    ]);
    assert_eq!(output.status.code(), Some(5));
    assert!(last_line(&output).starts_with("error LK-SERVE-004"));
    assert!(last_line(&output).contains(&format!("process {}", server.pid())), "{}", last_line(&output));
    assert!(place.path("ready.json").exists(), "the running server's file was taken away");
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let place = Place::new();
    std::fs::create_dir(place.path("d")).unwrap();
    std::fs::set_permissions(place.path("d"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(place.path("d/thesis.odt"), "years of work").unwrap();
    let output = run(&["serve", "--data", &place.text("d"), "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(last_line(&output).contains("thesis.odt"), "{}", last_line(&output));
    assert_eq!(std::fs::read_dir(place.path("d")).unwrap().count(), 1);
    assert_eq!(mode(&place.path("d")), 0o755);
    assert!(!place.path("d.key").exists());
}

#[test]
fn an_unknown_key_is_exit_2_and_names_the_near_one() {
    let place = Place::new();
    std::fs::create_dir(place.path("d")).unwrap();
    std::fs::write(place.path("d/latchkey.toml"), "cloudname = \"id.corp.example\"\n").unwrap();
    let output = run(&["serve", "--data", &place.text("d")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        last_line(&output).contains("unknown key cloudname. fix: did you mean cloud_name?"),
        "{}",
        last_line(&output)
    );
}

#[test]
fn a25_without_its_master_key_or_with_one_that_others_read_it_does_not_start() {
    let place = Place::new();
    assert!(place.start(&[]).stop().success());
    let serve = || run(&["serve", "--data", &place.text("d"), "--listen", "127.0.0.1:0"]);
    std::fs::set_permissions(place.path("d.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = serve();
    assert_eq!(output.status.code(), Some(2));
    assert!(last_line(&output).contains("can be read by others. fix: chmod 600"), "{}", last_line(&output));

    std::fs::remove_file(place.path("d.key")).unwrap();
    if !place.path("d/latchkey.db").exists() {
        std::fs::write(place.path("d/latchkey.db"), "").unwrap();
    }
    let output = serve();
    assert_eq!(output.status.code(), Some(5));
    assert!(last_line(&output).starts_with("error LK-SERVE-006"), "{}", last_line(&output));
    assert!(!place.path("d.key").exists());
}

#[test]
fn a25_plain_http_on_the_network_is_exit_2() {
    let place = Place::new();
    let arguments = [
        "serve",
        "--data",
        &place.text("d"),
        "--listen",
        "0.0.0.0:0",
        "--cloud-name",
        "id.corp.example",
        "--tls",
        "off",
    ];
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(last_line(&output).contains("--trusted-proxy"), "{}", last_line(&output));
    assert!(!place.path("d").exists());
}

#[test]
fn what_is_not_there_is_a_problem_document_or_a_page() {
    let place = Place::new();
    let server = place.start(&[]);
    let host = format!("Host: {}", server.ready["cloud_name"].as_str().unwrap());
    let answer = server.get("/no/such/path", &[&host]);
    assert_eq!(status(&answer), 404);
    assert!(answer.contains("content-type: application/problem+json\r\n") && answer.contains("request-id: "));
    assert_eq!(body(&answer)["code"], "LK-API-004");
    assert_eq!(body(&server.get("/api/v1/x", &[&host, "Accept: text/html"]))["status"], 404);
    let answer = server.get("/no/such/path", &[&host, "Accept: text/html,*/*"]);
    assert_eq!(status(&answer), 404);
    assert!(
        answer.contains("content-type: text/html") && answer.contains("content-security-policy: default-src 'none'")
    );
    assert_eq!(status(&server.get("/metrics", &[&host])), 404, "measurements are not for the public");
}

#[test]
fn a_head_without_end_is_refused() {
    let place = Place::new();
    let server = place.start(&[]);
    let host = format!("Host: {}", server.ready["cloud_name"].as_str().unwrap());
    let long = format!("X: {}", "a".repeat(64 * 1024));
    assert_eq!(status(&server.get("/healthz", &[&host, &long])), 431);
    let many: Vec<String> = (0..200).map(|n| format!("X{n}: a")).collect();
    let lines: Vec<&str> = std::iter::once(host.as_str()).chain(many.iter().map(String::as_str)).collect();
    assert_eq!(status(&server.get("/healthz", &lines)), 431);
}

#[test]
fn a20_a_stranger_at_the_operators_socket_is_refused_by_what_the_kernel_says() {
    assert!(rustix::process::geteuid().is_root(), "this test starts a program as another user: run it as root");
    let place = Place::new();
    let server = place.start(&[]);
    assert_eq!(body(&server.operator_get("/readyz"))["ready"], true);
    // The file modes keep strangers away already; open them, so that only the kernel's word is left.
    let program = place.path("latchkey");
    std::fs::copy(env!("CARGO_BIN_EXE_latchkey"), &program).unwrap();
    for (path, mode) in [(place.path("."), 0o755), (place.path("d"), 0o755), (server.socket(), 0o666)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut command = std::process::Command::new(program);
    command.args(["org", "list", "--data", &place.text("d")]).env_clear().current_dir("/").uid(65_534).gid(65_534);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", last_line(&output));
    assert!(last_line(&output).starts_with("error LK-AUTH-004"), "{}", last_line(&output));
}

#[test]
fn measurements_have_a_listener_of_their_own() {
    let place = Place::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = place.start(&["--metrics-listen", &port.to_string()]);
    let host = format!("Host: {}", server.ready["cloud_name"].as_str().unwrap());
    server.get("/healthz", &[&host]);
    let page = ureq::get(format!("http://{port}/metrics")).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(page.contains("latchkey_http_requests_total{method=\"GET\",status=\"200\"}"), "{page}");
}

#[test]
fn a27_the_log_at_its_loudest_has_no_key_and_no_query() {
    let place = Place::new();
    let server = place.start_with(&["--log-format", "json"], &[("LATCHKEY_LOG", "trace")]);
    let host = format!("Host: {}", server.ready["cloud_name"].as_str().unwrap());
    assert_eq!(status(&server.get("/x?token=lkdt1_secret_of_a_query", &[&host])), 404);
    assert_eq!(status(&server.operator_get("/x?token=lkdt1_secret_of_a_query")), 404);
    let log = server.log();
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
    let key = std::fs::read_to_string(place.path("d.key")).unwrap();
    let ours: Vec<&str> = log.lines().filter(|line| !line.contains("hyper") && !line.contains("h2")).collect();
    assert!(!ours.is_empty());
    assert!(!log.contains(key.trim()));
    for line in ours {
        assert!(!line.contains("lkdt1_secret_of_a_query"), "{line}");
    }
}

#[test]
fn over_ssh_it_says_how_to_come_here_from_elsewhere() {
    let place = Place::new();
    let server = place.start_with(&[], &[("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")]);
    let port = server.address().rsplit_once(':').unwrap().1.to_owned();
    crate::server::until("the hint", || server.log().contains(&format!("ssh -L {port}:localhost:{port}")));
    assert!(!server.log().contains("to keep it running"), "nobody reads along");
}

#[test]
fn the_unit_file_repeats_the_flags_and_names_files_in_full() {
    let place = Place::new();
    let output = latchkey(&[
        "service-unit",
        "--data",
        "d",
        "--listen",
        "0.0.0.0:443",
        "--cloud-name",
        "id.corp.example",
        "--config",
        "c.toml",
    ])
    .current_dir(place.path("."))
    .output()
    .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("/d is not there yet") && said.contains("by hand as user"), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    let folder = place.path(".").canonicalize().unwrap();
    let folder = folder.display();
    assert!(
        text.contains(&format!(
            " serve --data {folder}/d --listen 0.0.0.0:443 --cloud-name id.corp.example --config {folder}/c.toml\n"
        )),
        "{text}"
    );
}

/// The store of a stopped server.
fn directory(place: &Place) -> Directory {
    let clock = Arc::new(SystemClock);
    let store = SqliteStore::open(&place.path("d/latchkey.db"), clock.clone()).unwrap();
    Directory::new(Arc::new(store), clock, Arc::new(MasterKey::new(zeroize::Zeroizing::new([0; 32]))))
}

#[test]
fn a_wrong_clock_that_was_let_through_stands_in_the_audit_log() {
    let place = Place::new();
    assert!(place.start(&["--accept-clock"]).stop().success());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let accepted = || {
        let directory = directory(&place);
        let events = directory
            .read::<_, StoreError>(|tx| across::<AuditEvent, _>(tx, AuditEvent::action.eq(&"clock.accept".to_owned())));
        runtime.block_on(events).unwrap()
    };
    assert!(accepted().is_empty(), "the clock was right");

    let directory = directory(&place);
    let org = OrgId::cloud();
    let at = directory.now().plus(Duration::from_secs(3_600));
    let (body, signature) = ("{}".to_owned(), Bytes([0; 64]));
    let ahead = Checkpoint { org: org.clone(), seq: 1_000, at, body, signature, key: String::new() };
    let add = directory.write::<_, StoreError>(move |tx| Org::of(tx, &org).add(&ahead));
    runtime.block_on(add).unwrap();
    drop(directory);
    assert!(place.start(&["--accept-clock"]).stop().success());
    let events = accepted();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].actor_kind.as_str(), events[0].outcome.as_str()), ("operator", "ok"));
    assert!(events[0].details["detail"].as_str().unwrap().contains("has a checkpoint of that time"), "{events:?}");
}
