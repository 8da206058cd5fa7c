//! The application services' common ground: a store, a clock and the master key.
//!
//! Owns how a service reads and writes. Every service is an `impl Directory` in a module of its own. Must not know who calls it: portal,
//! command line and REST come here alike.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::mail::Outbox;
use crate::master::MasterKey;
use crate::refusal::{Denied, Refused, Waiting};
use crate::store::{Store, StoreError, StoreFacts, Tx, Verdict, WriteTx};
use crate::time::{Clock, Timestamp};
use crate::user_keys::UserKeys;

/// A grant older than this when its answer is about to be sent is not given out.
pub const GRANT_LIFETIME: Duration = Duration::from_millis(700);

/// The directory of one cloud.
#[derive(Clone)]
pub struct Directory {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    master: Arc<MasterKey>,
    user_keys: UserKeys,
    refusals: Arc<Waiting>,
    mail: bool,
}

/// What was decided in a commit, together with when its facts were read. The value comes out only while it is fresh.
#[derive(Debug)]
#[must_use]
pub struct Granted<T> {
    value: T,
    read_at: Instant,
}

/// The decision is too old to be given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale;

impl<T> Granted<T> {
    /// The same decision, its value worked on: as old as it was.
    pub fn map<U>(self, work: impl FnOnce(T) -> U) -> Granted<U> {
        Granted { value: work(self.value), read_at: self.read_at }
    }

    /// The value, if it may still be given out.
    pub fn release(self, now: Instant) -> Result<T, Stale> {
        if now.saturating_duration_since(self.read_at) <= GRANT_LIFETIME { Ok(self.value) } else { Err(Stale) }
    }
}

impl<T, D> Granted<Result<T, D>> {
    /// A decision that granted nothing needs no date.
    pub fn transpose(self) -> Result<Granted<T>, D> {
        let read_at = self.read_at;
        self.value.map(|value| Granted { value, read_at })
    }
}

impl Directory {
    /// On this store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, master: Arc<MasterKey>) -> Self {
        Self { store, clock, master, user_keys: UserKeys::default(), refusals: Arc::default(), mail: false }
    }

    /// The same with mail set up: what people are to be told goes into the outbox. Without, nobody is mailed anything.
    #[must_use]
    pub fn with_mail(self) -> Self {
        Self { mail: true, ..self }
    }

    /// The outbox, open or not.
    #[must_use]
    pub fn outbox(&self) -> Outbox {
        Outbox::new(self.mail, Arc::clone(&self.master))
    }

    /// Facts about the store, as it was opened.
    #[must_use]
    pub fn facts(&self) -> &StoreFacts {
        self.store.facts()
    }

    /// Whether this node can write now.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.store.ready().await
    }

    /// A consistent copy of the whole store into a new file. SQLite only; PostgreSQL has its own tools.
    pub async fn copy_to(&self, file: &Path) -> Result<(), StoreError> {
        self.store.copy_to(file).await
    }

    /// Writes what is under way, and ends. Later writes are refused.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The wall clock's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn refusals(&self) -> &Waiting {
        &self.refusals
    }

    /// The master key.
    #[must_use]
    pub fn master(&self) -> &Arc<MasterKey> {
        &self.master
    }

    /// The user keys that this process has met.
    pub(crate) fn user_keys(&self) -> &UserKeys {
        &self.user_keys
    }

    /// Reads, on one consistent state.
    pub async fn read<T, E>(&self, work: impl FnOnce(&mut dyn Tx) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let slot = Slot::default();
        let out = slot.clone();
        self.store.read(Box::new(move |tx| out.put(work(tx)))).await?;
        slot.take()
    }

    /// Writes; what the work answers with `Ok` is durable when this returns, what it answers with `Err` changed nothing. The work may run
    /// more than once.
    pub async fn write<T, E>(&self, work: impl FnMut(&mut dyn WriteTx) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        write_to(&self.store, work).await
    }

    /// Writes, and dates the decision: for what grants something.
    pub async fn grant<T, E>(
        &self,
        mut work: impl FnMut(&mut dyn WriteTx) -> Result<T, E> + Send + 'static,
    ) -> Result<Granted<T>, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write(move |tx| {
            let read_at = tx.began();
            work(tx).map(|value| Granted { value, read_at })
        })
        .await
    }
}

impl Directory {
    /// Decides on something a device or a sign-in asks for: a grant, or a refusal. A [`Denied::Refused`] changed nothing; what a
    /// [`Denied::Kept`] changed is durable when this returns.
    pub async fn decide<T>(
        &self,
        mut work: impl FnMut(&mut dyn WriteTx) -> Result<T, Denied> + Send + 'static,
    ) -> Result<Result<Granted<T>, Refused>, StoreError>
    where
        T: Send + 'static,
    {
        let decided = self
            .write(move |tx| {
                let read_at = tx.began();
                match work(tx) {
                    Ok(value) => Ok(Ok(Granted { value, read_at })),
                    Err(Denied::Kept(refused)) => Ok(Err(refused)),
                    Err(other) => Err(other),
                }
            })
            .await;
        match decided {
            Ok(decided) => Ok(decided),
            Err(Denied::Refused(refused) | Denied::Kept(refused)) => Ok(Err(refused)),
            Err(Denied::Store(error)) => Err(error),
        }
    }
}

/// Writes to a store without a directory around it; see [`Directory::write`].
pub(crate) async fn write_to<T, E>(
    store: &Arc<dyn Store>,
    mut work: impl FnMut(&mut dyn WriteTx) -> Result<T, E> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let slot = Slot::default();
    let out = slot.clone();
    let work = Box::new(move |tx: &mut dyn WriteTx| {
        let result = work(tx);
        let verdict = if result.is_ok() { Verdict::Keep } else { Verdict::Undo };
        out.put(result);
        verdict
    });
    store.write(work).await?;
    slot.take()
}

/// Where a transaction leaves its result for the caller.
struct Slot<T, E>(Arc<Mutex<Option<Result<T, E>>>>);

impl<T, E> Default for Slot<T, E> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T, E> Clone for Slot<T, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T, E: From<StoreError>> Slot<T, E> {
    fn put(&self, result: Result<T, E>) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(result);
    }

    fn take(&self) -> Result<T, E> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take()
            // The work did not run to its end: it panicked, and its changes were taken back.
            .unwrap_or_else(|| Err(StoreError::Corrupt("a transaction's work did not finish".to_owned()).into()))
    }
}

impl From<Stale> for Error {
    fn from(Stale: Stale) -> Self {
        Self::Store(StoreError::Overloaded)
    }
}
