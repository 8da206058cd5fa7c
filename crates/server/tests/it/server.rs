//! A running server, its folder and a way to talk to it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{last_line, latchkey};

/// Longest wait for anything; a machine under load is slow, and a test that waits longer has found a fault.
const LONG: Duration = Duration::from_secs(60);

/// Where a server lives: a data directory and what is beside it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// A server that answers. It is killed when it goes out of scope.
pub(crate) struct Server {
    child: Child,
    /// Its ready document.
    pub(crate) ready: Value,
    log: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Starts a server on this place's data directory `d` with a free port, and waits until it answers.
    pub(crate) fn start(&self, arguments: &[&str]) -> Server {
        self.start_with(arguments, &[])
    }

    pub(crate) fn start_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Server {
        let (data, file, log) = (self.text("d"), self.path("ready.json"), self.path("log"));
        let mut all = vec!["serve", "--data", &data, "--ready-file", file.to_str().unwrap()];
        if !arguments.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        all.extend(arguments);
        let mut child = latchkey(&all)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let ready = loop {
            if let Ok(text) = std::fs::read_to_string(&file)
                && !text.is_empty()
            {
                break serde_json::from_str(&text).unwrap();
            }
            let ended = child.try_wait().unwrap();
            let said = || std::fs::read_to_string(&log).unwrap();
            assert!(ended.is_none() && started.elapsed() < LONG, "the server did not come up: {ended:?}\n{}", said());
            std::thread::sleep(Duration::from_millis(20));
        };
        Server { child, ready, log }
    }

    /// A command on this place's data, which must succeed; its answer.
    pub(crate) fn does(&self, arguments: &[&str]) -> Value {
        let output = self.tries(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", last_line(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// A command on this place's data.
    pub(crate) fn tries(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let data = self.text("d");
        let mut command = latchkey(&[arguments, &["--json", "--data", &data]].concat());
        command.current_dir(self.path(""));
        command
    }

    /// A command that must end so; the last line of stderr.
    pub(crate) fn fails(&self, exit: i32, code: &str, arguments: &[&str]) -> String {
        let output = self.tries(arguments);
        let last = last_line(&output);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {last}");
        assert!(last.contains(code), "{arguments:?}: {last}");
        last
    }
}

impl Server {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.ready["url"].as_str().unwrap())
    }

    /// `127.0.0.1` and the port it listens on, on loopback without a cloud name.
    pub(crate) fn address(&self) -> String {
        let text =
            std::fs::read_to_string(Path::new(self.ready["data"].as_str().unwrap()).join("latchkey.toml")).unwrap();
        text.lines().find_map(|line| line.strip_prefix("listen = \"")).unwrap().trim_end_matches('"').to_owned()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.ready["socket"].as_str().unwrap().into()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// TERM, and how it ended.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.child.wait().unwrap()
    }

    /// TERM, and what it wrote on stdout.
    pub(crate) fn stop_and_read(mut self) -> String {
        self.signal(rustix::process::Signal::TERM);
        self.child.wait().unwrap();
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Sends a request as it stands, in plain HTTP, and reads the whole answer.
    pub(crate) fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        read_all(&mut stream)
    }

    /// `GET` with these header lines.
    pub(crate) fn get(&self, path: &str, headers: &[&str]) -> String {
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        self.raw(&format!("GET {path} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n"))
    }

    /// The same over the operator's socket.
    pub(crate) fn operator_get(&self, path: &str) -> String {
        let mut stream = std::os::unix::net::UnixStream::connect(self.socket()).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        read_all(&mut stream)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_all(stream: &mut impl std::io::Read) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is the end as well.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default()
}

/// The JSON body of an answer.
pub(crate) fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Asks until the answer pleases.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < LONG, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
