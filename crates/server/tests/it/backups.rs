//! Backups of the real server: taken, killed, restored, confirmed; and another master key.

use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;

use rustix::process::Signal;
use serde_json::Value;

use crate::program::{latchkey, run};
use crate::server::{Place, mode};

const PASSWORD: &str = "correct horse 1";

fn names(folder: &Path) -> Vec<String> {
    folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

impl Place {
    /// An organization with a domain and a device token, whose id is answered.
    fn furnish(&self) -> String {
        self.does(&["org", "create", "acme", "--name", "Acme"]);
        self.does(&["domain", "add", "acme.example"]);
        self.does(&["domain", "verify", "acme.example", "--operator-word", "lab"]);
        std::fs::write(self.path("pw"), PASSWORD).unwrap();
        let line = ["token", "create", "--description", "lab", "--domain", "acme.example", "--password-file", "pw"];
        self.does(&line)["id"].as_str().unwrap().to_owned()
    }

    fn token_state(&self, id: &str) -> String {
        self.does(&["token", "show", id])["state"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_backup_with_the_master_key_becomes_a_server_whose_tokens_wait_for_a_person() {
    let (old, new) = (Place::new(), Place::new());
    let server = old.start(&[]);
    let token = old.furnish();
    let file = old.text("b.lk");
    let answer = old.does(&["backup", &file, "--with-master-key", "--password-file", "pw"]);
    assert_eq!((&answer["with_master_key"], mode(&old.path("b.lk"))), (&Value::Bool(true), 0o600));
    assert!(!names(&old.path("d")).iter().any(|name| name.starts_with("backup-")), "{:?}", names(&old.path("d")));
    assert!(server.stop().success());

    // Wrong password: nothing is made that a server would start on, and the next try works.
    std::fs::write(new.path("pw"), "another horse 1").unwrap();
    new.fails(4, "LK-BACKUP-003", &["restore", &file, "--password-file", "pw"]);
    new.fails(2, "--password-file", &["restore", &file]);
    assert!(!new.path("d/latchkey.db").exists() && !new.path("d.key").exists());
    std::fs::write(new.path("pw"), PASSWORD).unwrap();
    let answer = new.does(&["restore", &file, "--password-file", "pw"]);
    assert_eq!((&answer["master_key"]["placed"], mode(&new.path("d.key"))), (&Value::Bool(true), 0o600));
    assert_eq!(answer["out_of_force"]["device_tokens"], 1);
    assert_eq!(std::fs::read(new.path("d.key")).unwrap().len(), std::fs::read(old.path("d.key")).unwrap().len());
    new.fails(5, "LK-RESTORE-004", &["restore", &file, "--password-file", "pw"]);
    new.fails(8, "restore", &["check"]);

    let server = new.start(&[]);
    assert_eq!(new.token_state(&token), "disabled");
    new.fails(5, "LK-SERVE-004", &["restore", "--confirm"]);
    assert_eq!(new.does(&["audit", "verify"])["ok"], true);
    assert!(server.stop().success());

    let tried = new.does(&["restore", "--confirm", "--dry-run"]);
    assert_eq!(tried["confirmed"], false);
    assert_eq!(new.does(&["restore", "--confirm"])["confirmed"], true);
    new.fails(5, "LK-RESTORE-002", &["restore", "--confirm"]);
    new.does(&["check"]);
}

#[test]
fn a_backup_without_the_master_key_needs_the_keys_own_file() {
    let (old, new) = (Place::new(), Place::new());
    let server = old.start(&[]);
    old.furnish();
    let file = old.text("b.lk");
    assert_eq!(old.does(&["backup", &file])["with_master_key"], false);
    assert!(server.stop().success());
    let answer = new.does(&["restore", &file]);
    assert_eq!(answer["master_key"]["missing"], true);
    new.fails(5, "LK-SERVE-006", &["serve", "--listen", "127.0.0.1:0"]);
    std::fs::copy(old.path("d.key"), new.path("d.key")).unwrap();
    let server = new.start(&[]);
    assert_eq!(new.does(&["org", "show", "acme"])["name"], "Acme");
    assert!(server.stop().success());

    // Another key beside the directory is noticed before anything is unpacked.
    let third = Place::new();
    std::fs::write(third.path("d.key"), "00".repeat(32)).unwrap();
    std::fs::set_permissions(third.path("d.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    third.fails(5, "LK-SERVE-006", &["restore", &file]);
    std::fs::remove_file(third.path("d.key")).unwrap();

    // A file that was altered is no backup.
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    third.fails(2, "LK-BACKUP-002", &["restore", &file]);
    assert!(!third.path("d").exists(), "nothing that serve would found a new cloud in");
    // A directory that was there stays, as it was.
    std::fs::create_dir(third.path("d")).unwrap();
    third.fails(2, "LK-BACKUP-002", &["restore", &file]);
    assert_eq!(names(&third.path("d")), Vec::<String>::new());
}

#[test]
fn what_was_taken_away_after_the_backup_is_taken_away_again() {
    let (old, new) = (Place::new(), Place::new());
    let server = old.start(&[]);
    let token = old.furnish();
    for login in ["anna@acme.example", "bert@acme.example", "carl@acme.example"] {
        old.does(&["user", "create", login]);
    }
    let file = old.text("b.lk");
    old.does(&["backup", &file]);
    old.does(&["token", "revoke", &token, "--yes"]);
    old.does(&["user", "disable", "anna@acme.example", "--yes"]);
    old.does(&["user", "disable", "bert@acme.example", "--yes"]);
    old.does(&["user", "enable", "bert@acme.example"]);
    old.does(&["user", "delete", "carl@acme.example", "--yes"]);
    old.does(&["user", "create", "dora@acme.example"]);
    let log = old.text("audit.jsonl");
    old.does(&["audit", "export", "--format", "jsonl", "--output", &log]);
    assert!(server.stop().success());

    std::fs::copy(old.path("d.key"), new.path("d.key")).unwrap();
    new.does(&["restore", &file]);
    let text = std::fs::read_to_string(&log).unwrap();
    let altered = new.text("altered.jsonl");
    std::fs::write(&altered, text.replace("user.disable", "user.enable")).unwrap();
    new.fails(2, "LK-RESTORE-003", &["restore", "--confirm", "--replay", &altered]);
    let short: Vec<&str> = text.lines().filter(|line| !line.contains("token.revoke")).collect();
    std::fs::write(&altered, short.join("\n")).unwrap();
    new.fails(2, "LK-RESTORE-003", &["restore", "--confirm", "--replay", &altered]);

    let answer = new.does(&["restore", "--confirm", "--replay", &log]);
    assert_eq!(answer["applied"]["token.revoke"], 1, "{answer}");
    assert_eq!(answer["applied"]["user.disable"], 2, "{answer}");
    assert_eq!(answer["not_replayed"]["user.create"], 1, "{answer}");
    let server = new.start(&[]);
    let state = |login: &str| new.does(&["user", "show", login])["status"].as_str().unwrap_or_default().to_owned();
    assert_eq!((state("anna@acme.example").as_str(), state("bert@acme.example").as_str()), ("disabled", "active"));
    assert_eq!(new.tries(&["user", "show", "carl@acme.example"]).status.code(), Some(3));
    assert_eq!(new.tries(&["user", "show", "dora@acme.example"]).status.code(), Some(3), "nothing is added");
    assert_eq!(new.token_state(&token), "revoked");
    assert_eq!(new.does(&["audit", "verify"])["ok"], true);
    assert!(server.stop().success());
}

#[test]
fn a_server_killed_under_writes_and_backups_has_everything_it_acknowledged() {
    let place = Place::new();
    let mut acknowledged = vec!["acme.example".to_owned()];
    let server = place.start(&[]);
    place.furnish();
    let mut server = Some(server);
    for round in 0..3 {
        let running = match server.take() {
            Some(server) => server,
            None => place.start(&[]),
        };
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (place, done) = (&place, &done);
                scope.spawn(move || {
                    for number in 0.. {
                        let name = format!("d{round}-{thread}-{number}.example");
                        if !place.tries(&["domain", "add", &name]).status.success() {
                            return;
                        }
                        done.lock().unwrap().push(name);
                    }
                });
            }
            let place = &place;
            let backing = scope.spawn(move || while place.tries(&["backup", "b.lk"]).status.success() {});
            crate::server::until("enough was acknowledged", || done.lock().unwrap().len() > 10);
            running.signal(Signal::KILL);
            backing.join().unwrap();
        });
        drop(running);
        // What says that a server answers was not taken back.
        std::fs::remove_file(place.path("ready.json")).unwrap();
        acknowledged.extend(done.into_inner().unwrap());
    }
    // Left by a kill at the worst moment.
    std::fs::create_dir_all(place.path("d/backup-x.tmp")).unwrap();
    std::fs::write(place.path("d/backup-x.tmp/store.db"), "half").unwrap();
    let server = place.start(&[]);
    let list = place.does(&["domain", "list", "--all"]);
    let there: Vec<&str> = list["items"].as_array().unwrap().iter().filter_map(|d| d["name"].as_str()).collect();
    let lost: Vec<_> = acknowledged.iter().filter(|name| !there.contains(&name.as_str())).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert_eq!(place.does(&["audit", "verify"])["ok"], true);
    assert!(!names(&place.path("d")).iter().any(|name| name.starts_with("backup-")), "{:?}", names(&place.path("d")));
    assert!(server.stop().success());
    place.does(&["check"]);
}

#[test]
fn everything_is_sealed_anew_with_another_master_key() {
    let place = Place::new();
    let server = place.start(&[]);
    let token = place.furnish();
    let new = place.text("new.key");
    let line = ["key", "rewrap", "--new-master-key-file", &new];
    place.fails(5, "LK-SERVE-004", &line);
    assert!(!place.path("new.key").exists());
    assert!(server.stop().success());

    std::fs::write(&new, "11".repeat(32)).unwrap();
    std::fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    place.fails(2, "LK-SERVE-002", &line);
    std::fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(&new, "not a key").unwrap();
    place.fails(2, "LK-SERVE-002", &line);
    let same = place.text("d.key");
    place.fails(5, "LK-API-008", &["key", "rewrap", "--new-master-key-file", &same]);
    std::fs::remove_file(&new).unwrap();

    let answer = place.does(&line);
    assert_eq!((&answer["token_copies"], mode(&place.path("new.key"))), (&Value::from(1), 0o600));
    place.fails(5, "LK-SERVE-006", &["serve", "--listen", "127.0.0.1:0"]);
    let server = place.start(&["--master-key-file", &new]);
    let revealed = place.does(&["token", "reveal", &token, "--password-file", "pw"]);
    assert!(revealed["device_token"].as_str().unwrap().starts_with("lkdt1"), "{revealed}");
    assert_eq!(place.does(&["audit", "verify"])["ok"], true);
    assert!(server.stop().success());
    assert!(run(&["check", "--data", &place.text("d"), "--master-key-file", &new]).status.success());
}

#[test]
fn a_restore_needs_a_file_or_a_confirmation() {
    for line in [&["restore"][..], &["restore", "b", "--confirm"], &["restore", "b", "--replay", "x"]] {
        assert_eq!(latchkey(line).stderr(Stdio::null()).status().unwrap().code(), Some(2), "{line:?}");
    }
}
