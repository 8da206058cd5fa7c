//! CPU time: of another process from the kernel's books, of our own thread from its clock.

use std::time::Duration;

use crate::Result;

/// CPU time that a server had spent at one moment, or between two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// The whole process.
    pub(crate) process: Duration,
    /// The thread that writes to the store.
    pub(crate) writer: Duration,
}

impl Spent {
    /// Reads the books of a process. Nanoseconds where the kernel keeps them (`schedstat`).
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let mut spent = Self { process: Duration::ZERO, writer: Duration::ZERO };
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?.path();
            let books = std::fs::read_to_string(task.join("schedstat"))?;
            let nanos: u64 = books.split_whitespace().next().ok_or("an empty schedstat")?.parse()?;
            let time = Duration::from_nanos(nanos);
            spent.process += time;
            if std::fs::read_to_string(task.join("comm"))?.trim() == "store-writer" {
                spent.writer += time;
            }
        }
        Ok(spent)
    }

    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            process: self.process.saturating_sub(earlier.process),
            writer: self.writer.saturating_sub(earlier.writer),
        }
    }
}

/// CPU time of the calling thread.
pub(crate) fn of_thread() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
