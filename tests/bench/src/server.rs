//! The server under measurement: started and set up through its own command line, as an administrator would.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Result, cpu};

pub(crate) const DOMAIN: &str = "bench.example";

/// A running server. Ends it when dropped.
pub(crate) struct Server {
    program: PathBuf,
    data: PathBuf,
    folder: PathBuf,
    child: Child,
    pub(crate) url: String,
    pub(crate) token: String,
}

impl Server {
    pub(crate) fn start(program: &Path, folder: &Path) -> Result<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        let (data, folder) = (folder.join("data"), folder.to_owned());
        let child = spawn(program, &folder)?;
        let mut server =
            Self { program: program.to_owned(), data, folder, child, url: String::new(), token: String::new() };
        server.wait()?;
        server.set_up()?;
        Ok(server)
    }

    /// Stops, works on the store's file, and starts again.
    pub(crate) fn while_stopped<T>(&mut self, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.child.wait()?;
        let done = work(&self.data.join("latchkey.db"))?;
        self.child = spawn(&self.program, &self.folder)?;
        self.wait()?;
        Ok(done)
    }

    /// Waits until it answers.
    fn wait(&mut self) -> Result<()> {
        let ready = self.folder.join("ready.json");
        let begin = Instant::now();
        while !ready.exists() {
            if self.child.try_wait()?.is_some() || begin.elapsed() > Duration::from_secs(60) {
                let log = self.folder.join("server.log");
                return Err(format!("the server did not start; see {}", log.display()).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let ready: Value = serde_json::from_str(&std::fs::read_to_string(ready)?)?;
        self.url = ready["url"].as_str().ok_or("the ready file names no url")?.to_owned();
        Ok(())
    }

    fn set_up(&mut self) -> Result<()> {
        let token = self.folder.join("token");
        let token_file = token.display().to_string();
        self.operator(&["org", "create", "bench", "--name", "Bench"])?;
        self.operator(&["domain", "add", DOMAIN])?;
        self.operator(&["domain", "verify", DOMAIN, "--operator-word", "benchmark"])?;
        self.operator(&[
            "token",
            "create",
            "--description",
            "bench",
            "--domain",
            DOMAIN,
            "--no-sealed-copy",
            "--output",
            &token_file,
        ])?;
        self.operator(&["policy", "set", "--enabled", "--domain", DOMAIN, "--jit"])?;
        self.operator(&[
            "service",
            "add",
            "bench",
            "--entity-id",
            crate::client::SERVICE,
            "--acs",
            crate::client::ACS,
        ])?;
        std::fs::read_to_string(token)?.trim().clone_into(&mut self.token);
        Ok(())
    }

    /// A command on its own data; what it answered.
    pub(crate) fn operator(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.program).args(arguments).env("LATCHKEY_DATA", &self.data).output()?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        Err(format!("latchkey {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)).into())
    }

    pub(crate) fn cpu(&self) -> Result<cpu::Spent> {
        cpu::Spent::of(self.child.id())
    }

    /// What the figures were measured on.
    #[expect(clippy::unused_self, reason = "the machine is the server's")]
    pub(crate) fn cpu_model(&self) -> String {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
        let cores = info.lines().filter(|line| line.starts_with("processor")).count();
        format!("{}, {cores} cores", model.map_or("unknown processor", |(_, model)| model))
    }
}

fn spawn(program: &Path, folder: &Path) -> Result<Child> {
    Ok(Command::new(program)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .arg("--data")
        .arg(folder.join("data"))
        .arg("--ready-file")
        .arg(folder.join("ready.json"))
        // As in production: nothing is logged for a sign-in but what went wrong.
        .env("LATCHKEY_LOG", "warn")
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.join("server.log"))?)
        .spawn()?)
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is a benchmark's server with a benchmark's data.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
