//! Somebody at a command line, and the contract that every line keeps.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::programs::{Ended, Running, bin, quiet, until};

/// A running server in a folder of its own.
pub(crate) struct Cloud {
    pub(crate) folder: tempfile::TempDir,
    /// What `serve` said when it answered.
    pub(crate) ready: Value,
    server: Option<Running>,
}

impl Cloud {
    /// Starts `latchkey serve` with these flags beside those that a test needs.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let common = ["--data", "d", "--listen", "127.0.0.1:0"];
        Self::serve(tempfile::tempdir().unwrap(), &[&common, flags].concat(), &[])
    }

    /// Ends the server, and starts it in the same folder with these flags.
    pub(crate) fn again(mut self, flags: &[&str]) -> Self {
        self.stop();
        Self::serve(self.folder, flags, &[])
    }

    /// Ends the server.
    pub(crate) fn stop(&mut self) {
        self.server = None;
    }

    /// Starts it in this folder, with these flags alone and this environment.
    pub(crate) fn serve(folder: tempfile::TempDir, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = quiet(bin().join("latchkey"), folder.path());
        command.args(["serve", "--ready-file", "r.json"]).args(flags).envs(environment.iter().copied());
        command.stderr(std::fs::File::create(folder.path().join("serve.log")).unwrap());
        command.stdout(std::process::Stdio::null());
        let mut server = Running::start(&mut command);
        let file = folder.path().join("r.json");
        until("the server", || {
            let log = || std::fs::read_to_string(folder.path().join("serve.log")).unwrap();
            assert!(server.is_alive(), "the server ended: {}", log());
            file.exists()
        });
        let ready = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        Self { folder, ready, server: Some(server) }
    }

    pub(crate) fn said(&self, member: &str) -> String {
        self.ready[member].as_str().unwrap_or_else(|| panic!("no {member} in {}", self.ready)).to_owned()
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a file there.
    pub(crate) fn file(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// The operator, over the socket.
    pub(crate) fn operator(&self, org: Option<&str>) -> Stranger {
        let org = org.map(|org| ("LATCHKEY_ORG".to_owned(), org.to_owned()));
        let environment = [("LATCHKEY_DATA".to_owned(), "d".to_owned())].into_iter().chain(org).collect();
        Stranger { folder: self.path().to_owned(), environment, flags: Vec::new(), typed: RefCell::default() }
    }

    /// An API client, over HTTPS, that proves itself with what is in a file.
    pub(crate) fn client(&self, org: &str, id: &str, what: &str, file: &str) -> Stranger {
        let pairs = [("LATCHKEY_ORG", org), ("LATCHKEY_CLIENT_ID", id), (what, file)];
        let environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let flags = ["--server".to_owned(), self.said("url"), "--ca-file".to_owned(), self.said("ca_file")].to_vec();
        Stranger { folder: self.path().to_owned(), environment, flags, typed: RefCell::default() }
    }

    /// The connector of one device.
    pub(crate) fn connector(&self, line: &str) -> Ended {
        let output = quiet(bin().join("latchkey-connector"), self.path()).args(words(line)).output().unwrap();
        Ended::of(line, output)
    }
}

/// Somebody who types.
pub(crate) struct Stranger {
    folder: PathBuf,
    environment: Vec<(String, String)>,
    flags: Vec<String>,
    typed: RefCell<BTreeSet<String>>,
}

impl Stranger {
    /// The same somebody, reaching the server otherwise.
    pub(crate) fn with(&self, flags: &[&str]) -> Self {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Self { folder: self.folder.clone(), environment: self.environment.clone(), flags, typed: RefCell::default() }
    }

    /// Types a line.
    pub(crate) fn run(&self, line: &str) -> Ended {
        let words = words(line);
        let verb = words.iter().take(2).take_while(|word| !word.starts_with('-')).cloned().collect::<Vec<_>>();
        self.typed.borrow_mut().insert(verb.join(" "));
        let mut command = quiet(bin().join("latchkey"), &self.folder);
        command.args(&words).args(&self.flags).envs(self.environment.iter().cloned());
        // A machine that runs many tests at once is overloaded now and then; then a script comes back later, as it is told.
        for _ in 0..5 {
            let ended = Ended::of(line, command.output().unwrap());
            if ended.exit != 7 || !ended.err.contains("LK-CLOUD-503") {
                return ended;
            }
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        Ended::of(line, command.output().unwrap())
    }

    /// A line that works, and its one document.
    pub(crate) fn document(&self, line: &str) -> Value {
        let ended = self.run(&format!("{line} --json"));
        assert_eq!(ended.exit, 0, "{ended:#?}");
        ended.document()
    }

    /// A line that works and writes its answer into a file.
    pub(crate) fn writes(&self, line: &str, file: &str) -> String {
        for line in [line.to_owned(), format!("{line} --json")] {
            let ended = self.run(&line);
            assert_eq!((ended.exit, ended.out.as_str()), (0, ""), "{ended:#?}");
        }
        std::fs::read_to_string(self.folder.join(file)).unwrap()
    }

    /// A line that a person reads the answer of.
    pub(crate) fn text(&self, line: &str) -> String {
        let ended = self.run(line);
        assert_eq!(ended.exit, 0, "{ended:#?}");
        ended.out
    }

    /// A list, as `--json` prints it.
    pub(crate) fn list(&self, line: &str) -> Vec<Value> {
        let document = self.document(line);
        assert!(document["next"].is_null() || document["next"].is_string(), "{line}: {document}");
        document["items"].as_array().unwrap_or_else(|| panic!("{line}: no items: {document}")).clone()
    }

    /// A line that must not work: the exit, nothing on stdout, the last line of stderr, and the same as a problem document.
    pub(crate) fn refused(&self, line: &str, exit: i32, code: &str) -> Ended {
        let ended = self.run(line);
        assert_eq!((ended.exit, ended.out.as_str()), (exit, ""), "{ended:#?}");
        let last = ended.last();
        assert!(last.starts_with(&format!("error {code}: ")), "{code}: {ended:#?}");
        assert!(last.contains(" fix: ") && last.contains(" ref: "), "{ended:#?}");
        let json = self.run(&format!("{line} --json"));
        assert_eq!((json.exit, json.out.as_str()), (exit, ""), "{json:#?}");
        let problem: Value = serde_json::from_str(json.last()).unwrap_or_else(|e| panic!("{e}: {json:#?}"));
        assert_eq!(problem["code"], code, "{json:#?}");
        for member in ["type", "title", "detail", "fix", "ref", "errors"] {
            assert!(problem.get(member).is_some(), "no {member}: {json:#?}");
        }
        ended
    }

    /// What takes something away: needs `--yes` in a script, can be tried, and then works.
    pub(crate) fn takes_away(&self, line: &str) -> Value {
        self.refused(line, 2, "LK-CLI-001");
        self.tries(line);
        self.document(&format!("{line} --yes"))
    }

    /// A change that is only tried.
    pub(crate) fn tries(&self, line: &str) {
        let would = self.document(&format!("{line} --dry-run"));
        let counts = would["would"].as_object().unwrap_or_else(|| panic!("{line}: {would}"));
        assert!(!counts.is_empty() && counts.values().all(Value::is_u64), "{line}: {would}");
        assert!(would["sample"].is_array(), "{line}: {would}");
    }

    /// What makes something: tried, made, made again (exit 5), made if missing.
    pub(crate) fn makes(&self, line: &str) -> Value {
        self.tries(line);
        let made = self.document(line);
        self.refused(line, 5, "LK-API-007");
        self.document(&format!("{line} --if-missing"));
        made
    }

    /// Every command that was typed.
    pub(crate) fn typed(&self) -> BTreeSet<String> {
        self.typed.borrow().clone()
    }
}

/// The words of a line as a shell would make them; quotes are double ones.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('"').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}
