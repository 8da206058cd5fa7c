//! A PostgreSQL server of a test's own. Also part of the server's tests, by path.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A PostgreSQL server in a temporary folder, reached by its socket only.
pub(crate) struct PrivatePostgres {
    folder: tempfile::TempDir,
    bin: PathBuf,
}

impl PrivatePostgres {
    /// Makes one and starts it.
    pub(crate) fn start() -> Self {
        let bin = newest_bin();
        let folder = tempfile::Builder::new().prefix("lk-pg").tempdir_in("/tmp").unwrap();
        if rustix::process::geteuid().is_root() {
            assert!(Command::new("chown").arg("postgres").arg(folder.path()).status().unwrap().success());
        }
        let server = Self { folder, bin };
        // Not C: most databases have a locale that knows more letters than ASCII, and what is found must not depend on it.
        let locale = ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync"];
        server.run("initdb", &[&["-D", "DATA", "-A", "trust", "-U", "postgres"], locale.as_slice()].concat());
        server.up();
        server
    }

    /// Starts it again.
    pub(crate) fn up(&self) {
        // Tests of behaviour, not of crashes: there is no need to wait for the disk.
        self.run("pg_ctl", &["-s", "-w", "-D", "DATA", "-l", "LOG", "-o", "OPTIONS", "start"]);
    }

    /// Stops it at once, as if it had crashed.
    pub(crate) fn down(&self) {
        self.run("pg_ctl", &["-s", "-D", "DATA", "-m", "immediate", "stop"]);
    }

    /// The address of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.folder.path().display())
    }

    /// Runs a statement in a database.
    pub(crate) fn sql(&self, database: &str, statement: &str) {
        let mut command = Command::new(self.bin.join("psql"));
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", statement, "-h"]);
        assert!(command.arg(self.folder.path()).status().unwrap().success(), "{statement}");
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let folder = self.folder.path().display().to_string();
        let options = format!("-c listen_addresses='' -k {folder} -c fsync=off");
        let mut command = if rustix::process::geteuid().is_root() {
            // The server refuses to run as root.
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(self.bin.join(program));
            command
        } else {
            Command::new(self.bin.join(program))
        };
        for argument in arguments {
            match *argument {
                "DATA" => command.arg(format!("{folder}/data")),
                "LOG" => command.arg(format!("{folder}/log")),
                "OPTIONS" => command.arg(&options),
                other => command.arg(other),
            };
        }
        let output = command.current_dir("/tmp").stdout(std::process::Stdio::null()).status().unwrap();
        assert!(output.success(), "{program} failed; see {folder}/log");
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        // A test that stopped it left nothing to stop.
        if self.folder.path().join("data/postmaster.pid").exists() {
            self.down();
        }
    }
}

fn newest_bin() -> PathBuf {
    let mut versions: Vec<_> = Path::new("/usr/lib/postgresql")
        .read_dir()
        .expect("PostgreSQL is needed: apt-get install postgresql")
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop().expect("PostgreSQL's server programs are needed: apt-get install postgresql")
}
