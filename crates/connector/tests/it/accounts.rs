//! security.md A20, A32, R15: the service signs for the account that the kernel names, for no other. These tests are root and
//! become somebody else for a moment.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;
use std::sync::{Arc, RwLock};

use latchkey_connector::account::{Accounts, Directory, claim};
use latchkey_connector::files::{Owner, PrivateDir};
use latchkey_connector::service::{Door, listen, work};
use latchkey_connector::sessions::Sessions;
use latchkey_connector::settings::{Core, Inputs, read_options};
use latchkey_connector::state::Store;
use latchkey_options::{Given, Platform, Source, resolve};
use latchkey_wire::ClaimSource;
use serde_json::{Value, json};

use crate::fake_cloud::{Cloud, DOMAIN, ORG};
use crate::fake_service::{How, Service};
use crate::program::Ran;

const NOBODY: &str = "65534";

/// A system service of its own: state, socket, and the program where everybody may start it.
struct System {
    folder: tempfile::TempDir,
    core: Arc<RwLock<Core>>,
    _door: Door,
    program: PathBuf,
}

impl System {
    fn start(cloud: &Cloud, options: &Value) -> Self {
        assert!(rustix::process::geteuid().is_root(), "this test starts programs as another user: run it as root");
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let machine = folder.path().join("machine");
        std::fs::create_dir(&machine).unwrap();
        let mut all = json!({"cloudName": cloud.name(), "userDomain": DOMAIN, "deviceToken": cloud.token_text()});
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        std::fs::write(machine.join("managed.json"), all.to_string()).unwrap();
        let inputs = Inputs { machine_dir: Some(machine), ..Inputs::default() };
        let options = read_options(&inputs, Owner::Root).unwrap();
        let store = Store::new(PrivateDir::open(&folder.path().join("state")).unwrap());
        let core = Arc::new(RwLock::new(Core::new(store, options, Directory::System)));
        work(&core).unwrap();
        let (wake, _woken) = channel();
        let socket = folder.path().join("socket");
        let door = listen(&socket, core.clone(), wake).unwrap();
        let program = folder.path().join("latchkey-connector");
        std::fs::copy(env!("CARGO_BIN_EXE_latchkey-connector"), &program).unwrap();
        System { folder, core, _door: door, program }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Runs the program as another user, with nothing but the socket.
    fn as_nobody(&self, arguments: &[&str]) -> Ran {
        self.as_nobody_who_says(&[], arguments)
    }

    /// The same, with an environment that says something else.
    fn as_nobody_who_says(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Ran {
        Command::new("setpriv")
            .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
            .arg(&self.program)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(environment.iter().copied())
            .env("LATCHKEY_CONNECTOR_SOCKET", self.socket())
            .output()
            .unwrap()
            .into()
    }

    fn state(&self) -> Value {
        let file = self.folder.path().join("state/state.json");
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
    }

    fn change_state(&self, change: impl FnOnce(&mut Value)) {
        let _keep = self.core.read().unwrap();
        let mut state = self.state();
        change(&mut state);
        std::fs::write(self.folder.path().join("state/state.json"), state.to_string()).unwrap();
    }
}

fn service(cloud: &Cloud) -> Service {
    let service = Service::start(format!("{}/o/{ORG}/saml/sso", cloud.origin()), How::Redirect);
    cloud.inner.lock().unwrap().consumer = service.url("/acs");
    service
}

fn anna_is_root() -> Value {
    json!({"userName": "anna", "osAccount": "root", "allowSystemAccounts": 1})
}

#[test]
fn a32_another_local_account_gets_its_own_name_and_never_the_first_ones() {
    let cloud = Cloud::start();
    let system = System::start(&cloud, &anna_is_root());
    let service = service(&cloud);
    assert_eq!(system.state()["record"]["users"][0]["claim"], "anna@acme.example");
    let ran = system.as_nobody(&["sign-in", &service.url("/secret"), "--json"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["login_name"], "nobody@acme.example");
    let inner = cloud.inner.lock().unwrap();
    let anna = &inner.devices[0].bindings[0].0;
    assert_eq!(anna.login_name, "anna@acme.example");
    assert!(inner.proofs.iter().all(|p| p.binding_id != anna.id));
}

#[test]
fn r15_the_account_is_the_kernels_word_whatever_the_caller_says() {
    let cloud = Cloud::start();
    let system = System::start(&cloud, &anna_is_root());
    let service = service(&cloud);
    let lies = [
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("HOME", "/root"),
        ("SUDO_UID", "0"),
        ("SUDO_USER", "root"),
        ("LATCHKEY_CONNECTOR_USER_NAME", "anna"),
        ("LATCHKEY_CONNECTOR_OS_ACCOUNT", "root"),
    ];
    let ran = system.as_nobody_who_says(&lies, &["sign-in", &service.url("/secret"), "--json"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["login_name"], "nobody@acme.example");
    let ran = system.as_nobody_who_says(&lies, &["status", "--json"]);
    let bindings = ran.json()["bindings"].clone();
    assert_eq!(bindings.as_array().unwrap().len(), 1, "{bindings}");
    assert_eq!(bindings[0]["login_name"], "nobody@acme.example");
}

/// A helper that somebody else's set-user-id bit raises or lowers: what counts is whom the kernel lets it act as, not who started it.
#[test]
fn r15_a_set_user_id_helper_is_its_owner_and_not_its_caller() {
    let cloud = Cloud::start();
    let system = System::start(&cloud, &anna_is_root());
    let service = service(&cloud);
    let helper = system.folder.path().join("helper");
    std::fs::copy(&system.program, &helper).unwrap();
    let nobody: u32 = NOBODY.parse().unwrap();
    std::os::unix::fs::chown(&helper, Some(nobody), Some(nobody)).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o4755)).unwrap();
    // Root starts it, who is anna here.
    let run = |arguments: &[&str]| -> Ran {
        let mut command = Command::new(&helper);
        command.args(arguments).env("LATCHKEY_CONNECTOR_SOCKET", system.socket()).output().unwrap().into()
    };
    let ran = run(&["sign-in", &service.url("/secret"), "--json"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["login_name"], "nobody@acme.example");
    let bindings = run(&["status", "--json"]).json()["bindings"].clone();
    assert_eq!(bindings.as_array().unwrap().len(), 1, "{bindings}");
    let inner = cloud.inner.lock().unwrap();
    let anna = &inner.devices[0].bindings[0].0;
    assert!(inner.proofs.iter().all(|p| p.binding_id != anna.id));
}

#[test]
fn a32_a_system_account_is_no_user_unless_it_is_allowed() {
    let cloud = Cloud::start();
    let system = System::start(&cloud, &json!({"ownership": "corporate"}));
    assert_eq!(system.state()["record"]["users"], json!([]), "nobody is signed in, so the device has no user yet");
    let ran = system.as_nobody(&["sign-in", &service(&cloud).url("/secret"), "--json"]);
    assert_eq!((ran.exit, ran.code().as_str()), (4, "LK-CONN-008"), "{}", ran.stderr);
    assert!(cloud.inner.lock().unwrap().proofs.is_empty());
}

#[test]
fn a32_a_changed_home_or_a_reused_uid_makes_the_binding_dead() {
    for (part, value) in [("home", json!("/elsewhere")), ("name", json!("eve")), ("uid", json!(4242))] {
        let cloud = Cloud::start();
        let system = System::start(&cloud, &anna_is_root());
        let service = service(&cloud);
        let ran = system.as_nobody(&["sign-in", &service.url("/secret")]);
        assert_eq!(ran.exit, 0, "{}", ran.stderr);
        let proofs = cloud.inner.lock().unwrap().proofs.len();
        system.change_state(|state| {
            let users = state["record"]["users"].as_array_mut().unwrap();
            let nobody = users.iter_mut().find(|u| u["account"]["name"] == "nobody").unwrap();
            nobody["account"][part] = value.clone();
        });
        let ran = system.as_nobody(&["sign-in", &service.url("/secret"), "--json"]);
        assert_eq!((ran.exit, ran.code().as_str()), (4, "LK-CONN-008"), "{part}: {}", ran.stderr);
        assert_eq!(cloud.inner.lock().unwrap().proofs.len(), proofs, "{part}");
        // Once the administrator ended the dead binding, the account as it is now gets one of its own.
        system.change_state(|state| {
            let users = state["record"]["users"].as_array_mut().unwrap();
            let dead = users.iter_mut().find(|u| u["account"][part] == value).unwrap();
            dead["binding"]["state"] = "ended".into();
        });
        let ran = system.as_nobody(&["sign-in", &service.url("/secret"), "--json"]);
        assert_eq!(ran.exit, 0, "{part}: {}", ran.stderr);
    }
}

#[test]
fn whom_an_administrator_sent_away_is_bound_anew_at_the_next_sign_in() {
    let cloud = Cloud::start();
    let system = System::start(&cloud, &anna_is_root());
    let service = service(&cloud);
    assert_eq!(system.as_nobody(&["sign-in", &service.url("/secret")]).exit, 0);
    let users = system.state()["record"]["users"].as_array().unwrap().len();
    cloud.change(|device| {
        let nobody = device.bindings.iter_mut().find(|(b, _)| b.login_name.starts_with("nobody")).unwrap();
        nobody.0.state = latchkey_wire::BindingState::Ended;
    });
    let ran = system.as_nobody(&["sign-in", &service.url("/secret"), "--json"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["login_name"], "nobody@acme.example");
    assert_eq!(system.state()["record"]["users"].as_array().unwrap().len(), users, "in the place of the old one");
}

#[test]
fn a20_the_socket_answers_status_and_own_proofs_and_nothing_else() {
    let cloud = Cloud::start();
    let system = System::start(&cloud, &anna_is_root());
    let ran = system.as_nobody(&["status", "--json"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["bindings"], json!([]), "others' bindings are nobody's business");
    for command in [&["renew"][..], &["unenroll", "--yes"], &["options"], &["enroll"], &["prepare-image"]] {
        let ran = system.as_nobody(command);
        assert_eq!(ran.exit, 4, "{command:?}: {}", ran.stderr);
    }
    assert_eq!(system.state()["record"]["epoch"]["n"], 0);
    for question in [
        json!({"op": "prove", "account": "root", "challenge": "x", "origin": "y", "cb": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "txn": "z"}),
        json!({"op": "status", "uid": 0}),
        json!({"op": "unenroll"}),
        json!({"op": "sign", "data": "x"}),
    ] {
        let answer = ask(&system.socket(), &format!("{question}\n"));
        assert_eq!(answer["problem"]["code"], "LK-CONN-002", "{question}: {answer}");
    }
    let answer = ask(&system.socket(), &format!("{}\n", "x".repeat(70_000)));
    assert_eq!(answer["problem"]["code"], "LK-CONN-002");
    assert_eq!(ask(&system.socket(), "{\"op\":\"status\"}\n")["ok"], true, "and it still answers");
}

#[test]
fn a20_no_account_takes_the_places_of_the_others() {
    use std::io::Read;
    let cloud = Cloud::start();
    let system = System::start(&cloud, &anna_is_root());
    let service = service(&cloud);
    let connect = || std::os::unix::net::UnixStream::connect(system.socket()).unwrap();
    // An account that says nothing, many times over.
    let held: Vec<_> = (0..70).map(|_| connect()).collect();
    let refused = ask(&system.socket(), "{\"op\":\"status\"}\n");
    assert_eq!(
        (refused["problem"]["code"].as_str(), refused["problem"]["exit"].as_u64()),
        (Some("LK-CONN-020"), Some(7))
    );
    let ran = system.as_nobody(&["sign-in", &service.url("/secret")]);
    assert_eq!(ran.exit, 0, "another account is served: {}", ran.stderr);
    // Nor does it keep its own: who asks nothing is sent away, and a command waits that long.
    let started = std::time::Instant::now();
    assert!(latchkey_connector::service::ask_status(&system.socket()).is_ok());
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
    let mut first = &held[0];
    assert_eq!(first.read(&mut [0; 16]).unwrap(), 0, "closed");
}

#[test]
fn the_password_of_the_proxy_is_for_root_alone() {
    let cloud = Cloud::start();
    let mut options = anna_is_root();
    // The cloud is on loopback: nothing goes through the proxy.
    options["proxyUrl"] = "http://agent:hunter22@proxy.acme.example:3128".into();
    let system = System::start(&cloud, &options);
    assert_eq!(ask(&system.socket(), "{\"op\":\"trust\"}\n")["proxy"], options["proxyUrl"], "root");
    let stranger = Command::new("setpriv")
        .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "/usr/bin/perl", "-MIO::Socket::UNIX", "-e"])
        .arg(r#"$s = IO::Socket::UNIX->new($ARGV[0]) or die $!; print $s "{\"op\":\"trust\"}\n"; $s->flush; print scalar <$s>"#)
        .arg(system.socket())
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&stranger.stdout).unwrap();
    assert_eq!(answer["proxy"], "http://proxy.acme.example:3128/");
}

#[test]
fn a20_nobody_else_can_read_state_or_keys() {
    let cloud = Cloud::start();
    let system = System::start(&cloud, &anna_is_root());
    let state = system.folder.path().join("state").display().to_string();
    let output = Command::new("setpriv")
        .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "ls", &state])
        .output()
        .unwrap();
    assert!(!output.status.success());
}

fn ask(socket: &Path, question: &str) -> Value {
    use std::io::{BufRead, BufReader, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    let _ = stream.write_all(question.as_bytes());
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

#[test]
fn user_name_speaks_for_one_account_and_the_others_get_their_own() {
    let accounts = Accounts::parse(
        "root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\nben:x:1001:1001::/home/ben:/bin/sh\ndaemon:x:2:2::/:/bin/false\n",
    );
    let only = Accounts::parse("root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\n");
    let options = |more: &[(&str, &str)]| {
        let mut given = vec![
            Given::new("userDomain", DOMAIN, Source::MachinePolicy, "managed.json"),
            Given::new("userName", "a.lee", Source::MachinePolicy, "managed.json"),
        ];
        given.extend(more.iter().map(|(n, v)| Given::new(*n, *v, Source::MachinePolicy, "managed.json")));
        resolve(given, Platform::Linux).unwrap()
    };
    let (anna, ben, root) =
        (accounts.by_name("anna").unwrap(), accounts.by_name("ben").unwrap(), accounts.by_name("root").unwrap());
    let name = |account, options: &latchkey_options::Resolved, all, spoken| {
        claim(account, options, all, Directory::System, spoken).map(|c| c.login_name)
    };
    let plain = options(&[]);
    assert_eq!(name(&anna, &plain, &only, None).unwrap(), "a.lee@acme.example");
    // Several could be meant: the first who is logged in is, and not what runs in the background under whatever account.
    let folder = tempfile::tempdir().unwrap();
    let session = |id: &str, text: &str| std::fs::write(folder.path().join(id), text).unwrap();
    session("c1", "UID=1001\nUSER=ben\nSTATE=active\nCLASS=background\nSERVICE=crond\n");
    session("1", "UID=1000\nUSER=anna\nACTIVE=1\nSTATE=online\nREMOTE=1\nTYPE=tty\nCLASS=user\nSERVICE=sshd\n");
    session("2", "UID=1001\nUSER=ben\nSTATE=closing\nCLASS=user\n");
    session("3", "UID=10001\nUSER=bea\nSTATE=active\nCLASS=user\n");
    let pipe = folder.path().join("1.ref");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success(), "logind has one beside each session");
    let here = accounts.clone().with_sessions(Sessions::at(folder.path()));
    assert_eq!(name(&anna, &plain, &here, None).unwrap(), "a.lee@acme.example", "the first to come");
    let background = name(&ben, &plain, &here, None).unwrap_err();
    assert!(background.to_string().contains("ben has no interactive session"), "{background}");
    let nowhere = accounts.clone().with_sessions(Sessions::at(&folder.path().join("none")));
    let unknown = name(&anna, &plain, &nowhere, None).unwrap_err();
    assert!(format!("{unknown:?}").contains("set osAccount"), "{unknown:?}");
    assert_eq!(name(&ben, &options(&[("osAccount", "ben")]), &nowhere, None).unwrap(), "a.lee@acme.example");
    assert_eq!(name(&ben, &plain, &accounts, Some(&anna)).unwrap(), "ben@acme.example", "then fixed");
    let fixed = options(&[("osAccount", "ben")]);
    assert_eq!(name(&ben, &fixed, &accounts, None).unwrap(), "a.lee@acme.example");
    assert_eq!(name(&anna, &fixed, &accounts, None).unwrap(), "anna@acme.example");
    assert!(name(&root, &plain, &accounts, None).is_err());
    assert!(name(&root, &options(&[("allowSystemAccounts", "1")]), &accounts, Some(&anna)).is_ok());
    // A container has no people and no logind: there it is root, where root may be a user, and never a service account.
    let container = Accounts::parse("root:x:0:0::/root:/bin/sh\ndaemon:x:2:2::/:/bin/false\n")
        .with_sessions(Sessions::at(&folder.path().join("none")));
    let (let_in, daemon) = (options(&[("allowSystemAccounts", "1")]), container.by_name("daemon").unwrap());
    assert_eq!(name(&root, &let_in, &container, None).unwrap(), "a.lee@acme.example");
    assert!(name(&root, &plain, &container, None).is_err());
    assert!(name(&daemon, &let_in, &container, None).is_err());
    assert!(name(&root, &let_in, &nowhere, None).is_err(), "people are here whom it could mean");
    let claimed = claim(&ben, &plain, &accounts, Directory::System, Some(&anna)).unwrap();
    assert_eq!(claimed.source, ClaimSource::Account);
}
