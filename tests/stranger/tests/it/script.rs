//! From nothing to a page: the script at the end of the command line's contract, run by a shell as it stands.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::programs::{Ended, PATIENCE, Running, bin, demo_service, end, quiet, repository, until};
use crate::relay::Relay;

/// The only thing that is changed: where the service of the stranger's own is.
fn script(service: &str) -> String {
    let text = std::fs::read_to_string(repository().join("tests/stranger/script.sh")).unwrap();
    assert_eq!(text.matches("127.0.0.1:9000").count(), 1, "the script asks one service");
    text.replace("127.0.0.1:9000", service)
}

#[test]
fn the_script_works_for_somebody_who_has_read_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let relay = Relay::open();
    let origin = format!("http://{}", relay.address);
    let mut service = Running::start(
        demo_service()
            .args(["--listen", "127.0.0.1:0", "--public-url", &origin])
            .args(["--idp-metadata", "idp.xml", "--metadata-out", "sp.xml"])
            .current_dir(folder)
            .stdout(Stdio::piped()),
    );
    until("the service's metadata", || folder.join("sp.xml").exists());
    let said = BufReader::new(service.0.stdout.take().unwrap());
    let waiting = std::thread::spawn(move || {
        let ready = said.lines().next().unwrap().unwrap();
        relay.stand_before(ready.rsplit(' ').next().unwrap().parse().unwrap());
        relay
    });

    let path = std::env::join_paths(
        std::iter::once(bin()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let path = path.unwrap();
    std::fs::write(folder.join("script.sh"), script(origin.trim_start_matches("http://"))).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let output = quiet(program, folder).args(arguments).env("PATH", &path).output().unwrap();
        Ended::of(&format!("{program} {arguments:?}"), output)
    };
    let read = |name: &str| -> Value { serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap() };

    // `-e`: a line that fails ends it.
    let ended = {
        // Files and no pipes: the script leaves the server running.
        let (out, err) = (folder.join("out.txt"), folder.join("err.txt"));
        let mut shell = quiet("sh", folder);
        shell.args(["-e", "script.sh"]).env("PATH", &path).stdout(File::create(&out).unwrap());
        let status = shell.stderr(File::create(&err).unwrap()).status().unwrap();
        let read = |path| std::fs::read_to_string(path).unwrap();
        Ended { line: "script.sh".to_owned(), exit: status.code().unwrap_or(-1), out: read(&out), err: read(&err) }
    };
    let ready = folder.join("r.json");
    let pid = ready.exists().then(|| read("r.json")["pid"].as_u64().unwrap());
    let _server = pid.map(|pid| Stopped(u32::try_from(pid).unwrap()));
    assert_eq!(ended.exit, 0, "{ended:#?}");
    assert!(ended.out.contains("ok"), "{ended:#?}");

    let reached = read("reached.json");
    assert_eq!(reached["reached"], true, "{reached}");
    assert_eq!(reached["service"], "wiki");
    assert_eq!(reached["login_name"], "anna@acme.example");
    assert_eq!(reached["http_status"], 200);
    assert!(reached["hops"].as_array().unwrap().len() >= 3, "{reached}");
    assert!(!reached["hops"].to_string().contains("SAMLRequest=f"), "hops carry no values: {reached}");
    assert!(std::fs::read_to_string(folder.join("page.html")).unwrap().contains("anna@acme.example"));

    // "sign-in is exit 12 from now on"
    let secret = format!("{origin}/secret");
    let again = run("latchkey-connector", &["--state-dir", "s", "sign-in", &secret]);
    assert_eq!(again.exit, 12, "{again:#?}");
    assert!(again.last().starts_with("error LK-"), "{again:#?}");
    let status = run("latchkey-connector", &["--state-dir", "s", "status", "--json"]);
    assert_eq!((status.exit, status.document()["state"].as_str()), (12, Some("removed")), "{status:#?}");
    drop(waiting.join().unwrap());
}

/// The script leaves its server running.
struct Stopped(u32);

impl Drop for Stopped {
    fn drop(&mut self) {
        end(self.0);
        let proc = std::path::PathBuf::from(format!("/proc/{}", self.0));
        let late = std::time::Instant::now() + PATIENCE;
        while proc.exists() && std::time::Instant::now() < late {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
