//! The programs that stay up: cloud and service. Owns starting them, waiting until they answer, and that none of them outlives the
//! demonstration, whichever way it ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::output::say;
use crate::problem::Problem;

/// How long a program may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a program may take to end by itself.
const FAREWELL: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Running {
    children: BTreeMap<&'static str, (Child, PathBuf)>,
}

/// The programs that stay up. Ends them when dropped.
pub(super) struct Children(Arc<Mutex<Running>>);

impl Children {
    pub(super) fn new() -> Result<Self, Problem> {
        let running = Arc::new(Mutex::new(Running::default()));
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
            .map_err(|e| Problem::new(format!("Signals cannot be caught: {e}."), "Run the same command again."))?;
        let ours = Arc::clone(&running);
        std::thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                lock(&ours).end();
                std::process::exit(128 + signal);
            }
        });
        Ok(Self(running))
    }

    /// Starts a program; its output goes to files in `folder`.
    pub(super) fn start(
        &self,
        name: &'static str,
        program: &Path,
        arguments: &[&str],
        folder: &Path,
    ) -> Result<(), Problem> {
        let problem = |error: std::io::Error| {
            Problem::new(format!("{name} does not start: {error}."), "Run the same command again.")
        };
        let out = folder.join(format!("{name}.out"));
        let log = folder.join(format!("{name}.log"));
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(File::create(&out).map_err(problem)?)
            .stderr(File::create(&log).map_err(problem)?)
            .spawn()
            .map_err(problem)?;
        lock(&self.0).children.insert(name, (child, log));
        Ok(())
    }

    /// The text of a file that the program writes once it is ready.
    pub(super) fn wait_for(&self, name: &'static str, file: &Path) -> Result<String, Problem> {
        self.until(name, || std::fs::read_to_string(file).ok().filter(|text| !text.is_empty()))
    }

    /// The first line that the program prints.
    pub(super) fn first_line(&self, name: &'static str) -> Result<String, Problem> {
        let out = match lock(&self.0).children.get(name) {
            Some((_, log)) => log.with_extension("out"),
            None => return Err(ended(name, Path::new(""))),
        };
        self.until(name, || {
            let text = std::fs::read_to_string(&out).ok()?;
            text.split_once('\n').map(|(line, _)| line.to_owned())
        })
    }

    fn until<T>(&self, name: &'static str, mut look: impl FnMut() -> Option<T>) -> Result<T, Problem> {
        let begin = Instant::now();
        loop {
            if let Some(found) = look() {
                return Ok(found);
            }
            let log = {
                let mut running = lock(&self.0);
                let Some((child, log)) = running.children.get_mut(name) else { return Err(ended(name, Path::new(""))) };
                if child.try_wait().is_ok_and(|status| status.is_none()) && begin.elapsed() < PATIENCE {
                    None
                } else {
                    Some(log.clone())
                }
            };
            if let Some(log) = log {
                return Err(ended(name, &log));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The process ids by name.
    pub(super) fn pids(&self) -> BTreeMap<&'static str, u32> {
        lock(&self.0).children.iter().map(|(name, (child, _))| (*name, child.id())).collect()
    }

    /// Waits until one of the programs ends, or for a signal.
    pub(super) fn stay(self) -> Result<(), Problem> {
        loop {
            for (name, (child, log)) in &mut lock(&self.0).children {
                if child.try_wait().is_ok_and(|status| status.is_some()) {
                    return Err(ended(name, log));
                }
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        lock(&self.0).end();
    }
}

impl Running {
    fn end(&mut self) {
        for (child, _) in self.children.values() {
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                // One that has ended already needs no signal.
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        let begin = Instant::now();
        for (name, (child, _)) in &mut self.children {
            while child.try_wait().is_ok_and(|status| status.is_none()) {
                if begin.elapsed() > FAREWELL {
                    say(format!("{name} did not end by itself and is stopped."));
                    // It is waited for either way.
                    let _ = child.kill();
                    let _ = child.wait();
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        self.children.clear();
    }
}

fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a program said last, in its own words.
fn ended(name: &str, log: &Path) -> Problem {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Problem::new(format!("{name} is not up: {last}"), format!("Its whole output is in {}.", log.display()))
}
