//! A server that remembers what it was asked and answers what it was told to.

use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use latchkey_directory::Timestamp;
use latchkey_server::backup::archive::{self, KeyFacts, Manifest};
use serde_json::{Value, json};

use crate::program::latchkey;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What to answer.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Told {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Told { status, headers: vec![("content-type", "application/json".to_owned())], body: body.to_string().into() }
    }

    /// A problem document of api.md.
    pub(crate) fn problem(status: u16, code: &str) -> Self {
        Told::json(
            status,
            &json!({"type": "x", "title": "t", "status": status, "code": code, "detail": "what is wrong.",
            "fix": "what to do.", "ref": "abc123", "errors": []}),
        )
    }
}

pub(crate) type Answers = dyn Fn(&Asked) -> Told + Send + Sync;

/// A fake server on a socket in a data directory of its own.
pub(crate) struct Fake {
    dir: tempfile::TempDir,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// Answers everything: one organization, a policy, and for the rest a document that suits every command.
    pub(crate) fn start() -> Self {
        Fake::answering(anything)
    }

    pub(crate) fn answering(answers: impl Fn(&Asked) -> Told + Send + Sync + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let listener = UnixListener::bind(dir.path().join("latchkey.sock")).unwrap();
        let (list, answers) = (asked.clone(), Arc::new(answers));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (list, answers) = (list.clone(), answers.clone());
                std::thread::spawn(move || speak(stream, &list, &*answers));
            }
        });
        Fake { dir, asked }
    }

    /// A path in the data directory, for files of the test.
    pub(crate) fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file of the test.
    pub(crate) fn with(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.file(name), content).unwrap();
        self.file(name)
    }

    /// The program, about this server.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = latchkey(arguments);
        command.env("LATCHKEY_DATA", self.dir.path()).current_dir(self.dir.path());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs with something on stdin.
    pub(crate) fn feed(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What was asked since the last look, without the question which organization there is.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let all: Vec<Asked> = std::mem::take(&mut *self.asked.lock().unwrap());
        all.into_iter().filter(|a| a.target != "/api/v1/organizations?limit=1000").collect()
    }
}

/// Speaks HTTP/1.1 on a stream until the other side has enough.
pub(crate) fn speak(stream: impl Read + Write, list: &Mutex<Vec<Asked>>, answers: &Answers) {
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read(&mut reader) {
        let told = answers(&asked);
        list.lock().unwrap().push(asked);
        let mut head = format!("HTTP/1.1 {} X\r\ncontent-length: {}\r\n", told.status, told.body.len());
        for (name, value) in &told.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let stream = reader.get_mut();
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&told.body)).is_err() {
            return;
        }
        let _ = stream.flush();
    }
}

fn read(reader: &mut impl std::io::BufRead) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(n, _)| n == "content-length").and_then(|(_, v)| v.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, target, headers, body })
}

pub(crate) fn anything(asked: &Asked) -> Told {
    if asked.target.starts_with("/api/v1/organizations?") {
        return Told::json(200, &json!({"items": [{"id": "o1", "slug": "acme", "name": "Acme"}], "next": null}));
    }
    if asked.target == "/api/v1/backup" {
        return Told { status: 200, headers: vec![], body: backup() };
    }
    if asked.target.ends_with("/device-token-policy") {
        let mut told =
            Told::json(200, &json!({"enabled": false, "all_domains": false, "domains": ["old.example"], "jit": true}));
        told.headers.push(("etag", "\"7\"".to_owned()));
        return told;
    }
    Told::json(
        200,
        &json!({"id": "x1", "ok": true, "verification": "verified", "device_token": "lkdt1_secret", "one_time_code": "lkuc1_secret",
            "client_id": "c1", "client_secret": "s3cret", "text": "sheet\n", "accepted": true, "items": [], "next": null}),
    )
}

/// A backup in form.
pub(crate) fn backup() -> Vec<u8> {
    let facts = latchkey_directory::store::StoreFacts { incarnation: [1; 16], schema: 1, engine: String::new() };
    let key = KeyFacts { fingerprint: "0123456789abcdef".into(), included: false };
    let mut manifest = Manifest::new(Timestamp::from_millis(1_000), &facts, "http://x", key);
    let store = [7; 200_000];
    manifest.store = archive::measure(&store[..]).unwrap();
    let mut backup = Vec::new();
    archive::write(&mut backup, &manifest, None, &store[..]).unwrap();
    backup
}
