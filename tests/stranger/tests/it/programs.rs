//! Where programs are, children that end with the test, and a running server.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a program may take to start.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// `target/debug`, or of another profile: where this program and those under test are built.
fn profile_folder() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    me.parent().and_then(Path::parent).expect("a test runs from target/PROFILE/deps").to_owned()
}

/// The repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this crate is in tests/stranger").to_owned()
}

/// The folder of `latchkey` and `latchkey-connector`.
pub(crate) fn bin() -> PathBuf {
    let folder = profile_folder();
    for program in ["latchkey", "latchkey-connector"] {
        assert!(folder.join(program).is_file(), "{program} is not built: cargo build --workspace --bins");
    }
    folder
}

/// The service that others wrote.
pub(crate) fn demo_service() -> Command {
    let target = profile_folder().parent().expect("a profile's folder is in target").join("demo-service");
    let program = target.join("debug/demo-service");
    assert!(
        program.is_file(),
        "demo-service is not built: cargo build --manifest-path interop/demo-service/Cargo.toml --target-dir {}",
        target.display()
    );
    Command::new(program)
}

/// A child that is asked to end when dropped.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap_or_else(|e| panic!("{command:?}: {e}")))
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_alive() {
            end(self.0.id());
        }
        let patience = Instant::now() + Duration::from_secs(12);
        while self.is_alive() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks a process to end.
pub(crate) fn end(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A command that knows nothing of whoever runs the tests.
pub(crate) fn quiet(program: impl AsRef<std::ffi::OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LATCHKEY_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What was typed; for the report.
    #[allow(dead_code, reason = "read by Debug")]
    pub(crate) line: String,
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn of(line: &str, output: Output) -> Self {
        Self {
            line: line.to_owned(),
            exit: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The one document on stdout.
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("not exactly one JSON document: {e}: {self:#?}"))
    }

    /// The last line of stderr.
    pub(crate) fn last(&self) -> &str {
        self.err.lines().last().unwrap_or_default()
    }
}
