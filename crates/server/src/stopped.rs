//! Work on the data of a stopped server.
//!
//! Owns that nobody else uses the data directory meanwhile, and that its key and store are opened as `serve` opens them. With PostgreSQL
//! other nodes have directories of their own: whoever stops this one stops them as well. Must not know the work.

use std::sync::Arc;

use latchkey_directory::Directory;
use latchkey_directory::audit::{Actor, ActorKind};
use latchkey_directory::master::MasterKey as Master;
use latchkey_directory::time::SystemClock;
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use crate::app::{failure, open_store};
use crate::code::Own;
use crate::exit::{Failure, Result};
use crate::serve::config::{Said, Typed};
use crate::serve::datadir::{DataDir, STORE_FILE};
use crate::serve::master_key::MasterKey;
use crate::serve::settings::Settings;

/// The data of a stopped server, this process's alone.
pub struct Stopped {
    runtime: Runtime,
    directory: Directory,
    _data: DataDir,
}

/// Who works on a stopped server: the user of this process.
#[must_use]
pub fn operator() -> Actor {
    Actor { kind: ActorKind::Operator, id: format!("uid:{}", rustix::process::geteuid().as_raw()), address: None }
}

/// No core file with keys in it, and what is written is for this user alone.
pub fn private() {
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o077));
}

/// Something to run the store on.
///
/// # Errors
/// The operating system gives none.
pub fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::io("the runtime cannot be started", &error))
}

impl Stopped {
    /// Opens it. The directory is never made.
    ///
    /// # Errors
    /// As `serve`: in use, no such data, wrong key, store not reachable.
    pub fn open(typed: &Typed) -> Result<Self> {
        private();
        let settings = Settings::resolve(&Said::gather(typed, |name| std::env::var_os(name))?)?;
        let there =
            if settings.database.is_some() { settings.data.is_dir() } else { settings.data.join(STORE_FILE).exists() };
        if !there {
            let detail = format!("{} is not the data directory of a server", settings.data.display());
            return Err(Failure::new(Own::Serve002, detail, "name it with --data"));
        }
        let data = DataDir::open(&settings.data)?;
        let key_file = settings.master_key_file.clone().unwrap_or_else(|| data.master_key_file());
        let key = MasterKey::open(&key_file, false)?;
        let runtime = runtime()?;
        let store = runtime.block_on(open_store(&settings, &data.store_file()))?;
        let master = Master::new(Zeroizing::new(*key.expose()));
        let directory = Directory::new(store, Arc::new(SystemClock), Arc::new(master));
        let cloud = runtime.block_on(directory.cloud()).map_err(failure)?;
        cloud.ok_or_else(|| Failure::new(Own::Serve002, "the store holds no cloud yet", "start the server first"))?;
        Ok(Self { runtime, directory, _data: data })
    }

    /// The directory.
    #[must_use]
    pub const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Does the work, and closes the store.
    ///
    /// # Errors
    /// As the work says.
    pub fn run<T, F: Future<Output = Result<T>>>(self, work: impl FnOnce(Directory) -> F) -> Result<T> {
        let Self { runtime, directory, _data } = self;
        runtime.block_on(async {
            let result = work(directory.clone()).await;
            directory.close().await;
            result
        })
    }
}
