//! The writer: one per process, which commits many requests together and continues the audit chains.
//!
//! Owns batching, the isolation of one request's failure from its neighbours, and the heads of this process's audit chains. Must not
//! know an engine: it drives one through [`Engine`]. What one request sees of the batch it is in is `batch.rs`'s.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use latchkey_directory::audit::{Actor, AuditChain, AuditEvent, Checkpoint, Head, NewEvent};
use latchkey_directory::query::{Direction, Filter, Query};
use latchkey_directory::records::ConsumedNonce;
use latchkey_directory::store::{StoreError, Verdict, WriteWork};
use latchkey_directory::table::{Record as _, Row, Table};
use latchkey_directory::time::{Clock, Timestamp};
use latchkey_directory::value::{Columnar as _, Value};
use latchkey_directory::{Bytes, OrgId, across, random_bytes};

use crate::batch::{Batch, Reader};

/// How many requests share a commit at most.
const BATCH: usize = 256;

/// How long a batch gathers while there is company. A commit costs the same for one as for ten, so under load this is most of what a
/// write costs; a request that comes alone does not wait.
const GATHER: Duration = Duration::from_millis(2);

/// How many may wait. Beyond that a node is overloaded and says so, while it still answers quickly.
const QUEUE: usize = 4096;

/// How often a request that others were in the way of is tried alone.
const TRIES: u32 = 8;

/// A connection that writes.
pub(crate) trait Engine: Send + 'static {
    fn begin(&mut self) -> Result<(), StoreError>;
    fn savepoint(&mut self) -> Result<(), StoreError>;
    /// Keeps what happened since the savepoint.
    fn keep(&mut self) -> Result<(), StoreError>;
    /// Takes back what happened since the savepoint.
    fn undo(&mut self) -> Result<(), StoreError>;
    fn commit(&mut self) -> Result<(), StoreError>;
    fn rollback(&mut self);
    /// The error, if any, after which this transaction cannot be committed.
    fn broken(&mut self) -> Option<StoreError>;

    fn select(&mut self, query: &Query) -> Result<Vec<Row>, StoreError>;
    fn place(&mut self, query: &Query, skip: u64, columns: &[&str]) -> Result<Option<Vec<Value>>, StoreError>;
    fn count(&mut self, table: &'static Table, filter: &Filter) -> Result<u64, StoreError>;
    fn insert(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<u64, StoreError>;
    fn update(
        &mut self,
        table: &'static Table,
        filter: &Filter,
        set: &[(&'static str, Value)],
    ) -> Result<u64, StoreError>;
    fn add(&mut self, table: &'static Table, filter: &Filter, column: &str, by: i64) -> Result<u64, StoreError>;
    fn delete(&mut self, table: &'static Table, filter: &Filter) -> Result<u64, StoreError>;
}

type Answer = tokio::sync::oneshot::Sender<Result<(), StoreError>>;

struct Job {
    work: WriteWork,
    answer: Answer,
}

/// The way to the writer.
pub(crate) struct Handle {
    queue: std::sync::Mutex<Option<SyncSender<Job>>>,
    thread: std::sync::Mutex<Option<std::thread::JoinHandle<()>>>,
    /// The last write that was tried found the store out of reach or full.
    failing: Arc<AtomicBool>,
}

impl Handle {
    /// Starts the writer's thread.
    pub(crate) fn start<E: Engine>(engine: E, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        let failing = Arc::new(AtomicBool::new(false));
        let writer = Writer { engine, clock, heads: HashMap::new(), failing: Arc::clone(&failing) };
        let thread =
            std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || writer.run(&receiver))?;
        Ok(Self { queue: std::sync::Mutex::new(Some(sender)), thread: std::sync::Mutex::new(Some(thread)), failing })
    }

    /// Whether writes succeed. Only after one failed is another one tried: asking must not cost a commit while all is well, and reading
    /// says nothing of a full disk.
    pub(crate) async fn ready(&self) -> Result<(), StoreError> {
        if !self.failing.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.write(Box::new(|tx| {
            // A row that has served its time already: it goes with its like.
            let (org, value) = (OrgId::cloud(), Bytes(*random_bytes::<16>()));
            let row = ConsumedNonce { org, value, exp: Timestamp::default() };
            // An engine that could not do it fails the commit.
            let _ = tx.insert(ConsumedNonce::TABLE, vec![row.to_row()]);
            Verdict::Keep
        }))
        .await
    }

    pub(crate) async fn write(&self, work: WriteWork) -> Result<(), StoreError> {
        let (answer, result) = tokio::sync::oneshot::channel();
        let ended = || StoreError::Unreachable("the store is closed".to_owned());
        {
            let queue = self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            queue.as_ref().ok_or_else(ended)?.try_send(Job { work, answer }).map_err(|e| match e {
                TrySendError::Full(_) => StoreError::Overloaded,
                TrySendError::Disconnected(_) => ended(),
            })?;
        }
        // The writer drops an answer only when it ended while the request was under way.
        result.await.unwrap_or_else(|_| Err(StoreError::Unknown("the writer ended".to_owned())))
    }

    /// Lets the writer finish what waits, then ends it.
    pub(crate) async fn close(&self) {
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the writer was answered as an error to whoever waited.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// How the work of one job is kept from that of its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Isolation {
    /// Not at all: none of them may take back a change.
    None,
    /// Each begins at a savepoint.
    Savepoints,
}

/// What became of a batch.
enum Attempt {
    /// It is committed, or had nothing to commit.
    Done,
    /// One of its jobs takes back a change: nothing happened yet, and each needs a savepoint.
    MustIsolate,
}

/// What the jobs of a batch left in the transaction.
enum Filled {
    /// Changes, with these events.
    Keep(Vec<(OrgId, NewEvent)>),
    /// Nothing to keep.
    Nothing,
    /// See [`Attempt::MustIsolate`].
    MustIsolate,
}

struct Writer<E> {
    engine: E,
    clock: Arc<dyn Clock>,
    /// Where this process's chains stand, as committed.
    heads: HashMap<OrgId, Head>,
    /// See [`Handle`].
    failing: Arc<AtomicBool>,
}

impl<E: Engine> Writer<E> {
    fn run(mut self, queue: &Receiver<Job>) {
        let mut company = false;
        while let Ok(first) = queue.recv() {
            // Asleep, not waiting for each: whoever comes meanwhile need not wake this thread.
            if company {
                std::thread::sleep(GATHER);
            }
            let mut batch = vec![first];
            while batch.len() < BATCH
                && let Ok(job) = queue.try_recv()
            {
                batch.push(job);
            }
            company = batch.len() > 1;
            self.commit_all(batch);
        }
    }

    fn commit_all(&mut self, mut batch: Vec<Job>) {
        match self.attempt(&mut batch) {
            Ok(()) => answer(batch, &Ok(())),
            // It may have happened: nothing is repeated.
            Err(error @ StoreError::Unknown(_)) => answer(batch, &Err(error)),
            Err(error) if batch.len() == 1 && error != StoreError::Contended => answer(batch, &Err(error)),
            // Each alone, so that one request's failure is not its neighbours'.
            Err(_) => {
                for job in batch {
                    let mut alone = vec![job];
                    let result = self.alone(&mut alone);
                    answer(alone, &result);
                }
            }
        }
    }

    fn alone(&mut self, job: &mut [Job]) -> Result<(), StoreError> {
        for _ in 1..TRIES {
            match self.attempt(job) {
                Err(StoreError::Contended) => {}
                result => return result,
            }
        }
        self.attempt(job)
    }

    fn attempt(&mut self, batch: &mut [Job]) -> Result<(), StoreError> {
        let result = self.commit(batch);
        if let Err(StoreError::NoSpace(_) | StoreError::Unreachable(_) | StoreError::Unknown(_)) = result {
            self.failing.store(true, Ordering::Relaxed);
        }
        result
    }

    fn commit(&mut self, batch: &mut [Job]) -> Result<(), StoreError> {
        // Nearly every refusal comes before anything was changed, so nearly no batch has anything to take back.
        match self.attempt_with(batch, Isolation::None)? {
            Attempt::Done => Ok(()),
            Attempt::MustIsolate => self.attempt_with(batch, Isolation::Savepoints).map(drop),
        }
    }

    fn attempt_with(&mut self, batch: &mut [Job], isolation: Isolation) -> Result<Attempt, StoreError> {
        let began = self.clock.monotonic();
        let now = self.clock.now();
        self.engine.begin()?;
        let mut heads = HashMap::new();
        let result = self.fill(batch, began, now, isolation).and_then(|filled| {
            if let Filled::Keep(events) = filled {
                heads = self.chain(events, now)?;
                self.engine.commit()?;
                return Ok(Filled::Keep(Vec::new()));
            }
            Ok(filled)
        });
        match result {
            Ok(Filled::Keep(_)) => {
                self.failing.store(false, Ordering::Relaxed);
                self.heads.extend(heads);
                Ok(Attempt::Done)
            }
            Ok(Filled::Nothing) => {
                self.engine.rollback();
                Ok(Attempt::Done)
            }
            Ok(Filled::MustIsolate) => {
                self.engine.rollback();
                Ok(Attempt::MustIsolate)
            }
            Err(error) => {
                self.engine.rollback();
                self.forget_doubtful_heads(&error);
                Err(error)
            }
        }
    }

    /// Runs the work of every job.
    fn fill(
        &mut self,
        batch: &mut [Job],
        began: Instant,
        now: Timestamp,
        isolation: Isolation,
    ) -> Result<Filled, StoreError> {
        let alone = batch.len() == 1;
        let mut shared = Batch::new(&mut self.engine, began, now);
        let mut keep_any = false;
        for job in batch {
            if isolation == Isolation::Savepoints {
                shared.engine().savepoint()?;
            }
            let mut tx = shared.transaction();
            // A panic is a fault of that work alone; its changes are taken back.
            let verdict = catch_unwind(AssertUnwindSafe(|| (job.work)(&mut tx))).unwrap_or(Verdict::Undo);
            let changed = tx.changed();
            let mark = tx.events_before();
            if let Some(error) = shared.engine().broken() {
                return Err(error);
            }
            match (verdict, isolation) {
                (Verdict::Keep, Isolation::Savepoints) => shared.engine().keep()?,
                (Verdict::Keep, Isolation::None) => {}
                (Verdict::Undo, Isolation::Savepoints) => {
                    shared.forget(mark);
                    shared.engine().undo()?;
                }
                (Verdict::Undo, Isolation::None) if changed && !alone => return Ok(Filled::MustIsolate),
                (Verdict::Undo, Isolation::None) => shared.forget(mark),
            }
            keep_any |= verdict == Verdict::Keep;
        }
        Ok(if keep_any { Filled::Keep(shared.into_events()) } else { Filled::Nothing })
    }

    /// Gives the events their places and writes them with the new heads, which count once the commit succeeds.
    fn chain(&mut self, events: Vec<(OrgId, NewEvent)>, now: Timestamp) -> Result<HashMap<OrgId, Head>, StoreError> {
        let mut heads: HashMap<OrgId, Head> = HashMap::new();
        let mut rows = Vec::with_capacity(events.len());
        for (org, event) in events {
            if !heads.contains_key(&org) {
                let head = match self.heads.get(&org) {
                    Some(head) => head.clone(),
                    None => self.open_chain(&org, now, &mut rows)?,
                };
                heads.insert(org.clone(), head);
            }
            let head = heads.get_mut(&org).expect("it was inserted above");
            rows.push(head.append(&org, now, event).to_row());
        }
        if rows.is_empty() {
            return Ok(heads);
        }
        let expected = rows.len() as u64;
        if self.engine.insert(AuditEvent::TABLE, rows)? != expected {
            return Err(StoreError::Corrupt("another process wrote into this process's audit chain".to_owned()));
        }
        for (org, head) in &heads {
            self.write_head(org, head)?;
        }
        Ok(heads)
    }

    fn write_head(&mut self, org: &OrgId, head: &Head) -> Result<(), StoreError> {
        let row = head.row(org);
        if self.heads.contains_key(org) {
            let set = [AuditChain::events.set(&row.events), AuditChain::head_hash.set(&row.head_hash)];
            let filter = Filter::Eq("org", org.to_value()).and(AuditChain::chain.eq(&row.chain));
            if self.engine.update(AuditChain::TABLE, &filter, &set)? == 1 {
                return Ok(());
            }
        } else if self.engine.insert(AuditChain::TABLE, vec![row.to_row()])? == 1 {
            return Ok(());
        }
        Err(StoreError::Corrupt("the audit chain's head is not where this process left it".to_owned()))
    }

    /// A chain begins with an event that names the last checkpoint.
    fn open_chain(&mut self, org: &OrgId, now: Timestamp, rows: &mut Vec<Row>) -> Result<Head, StoreError> {
        let query = Query {
            table: Checkpoint::TABLE,
            filter: Filter::Eq("org", org.to_value()),
            order: vec![("seq", Direction::Descending)],
            limit: Some(1),
        };
        let last = self.engine.select(&query)?.into_iter().next().map(Checkpoint::from_row).transpose()?;
        let mut head = Head::open(now);
        let mut event = NewEvent::new(&Actor::system(), "audit.open", head.chain.clone());
        if let Some(last) = last {
            let hash = latchkey_directory::sha256(last.body.as_bytes());
            event = event.with("checkpoint", last.seq).with("checkpoint_sha256", hash.to_string());
        }
        rows.push(head.append(org, now, event).to_row());
        Ok(head)
    }

    /// After a failed commit a chain goes on only if its head is where it was; else a new one is opened.
    fn forget_doubtful_heads(&mut self, error: &StoreError) {
        if matches!(error, StoreError::Contended) {
            return; // known not to have happened
        }
        let engine = &mut self.engine;
        let mut reader = Reader(engine);
        let stored: HashMap<(OrgId, String), AuditChain> = across::<AuditChain, _>(&mut reader, Filter::all())
            .unwrap_or_default()
            .into_iter()
            .map(|row| ((row.org.clone(), row.chain.clone()), row))
            .collect();
        self.heads.retain(|org, head| {
            stored
                .get(&(org.clone(), head.chain.clone()))
                .is_some_and(|row| row.events == head.seq && row.head_hash == head.hash)
        });
    }
}

fn answer(jobs: Vec<Job>, result: &Result<(), StoreError>) {
    for job in jobs {
        // Whoever asked may have gone away; the commit stands all the same.
        let _ = job.answer.send(result.clone());
    }
}

#[cfg(test)]
mod tests {
    use latchkey_directory::time::SystemClock;

    use super::*;

    /// A disk that is full for as long as it is told to be, and how often somebody tried to write to it.
    #[derive(Clone, Default)]
    struct Disk {
        full: Arc<AtomicBool>,
        tries: Arc<std::sync::atomic::AtomicUsize>,
    }

    impl Disk {
        fn change(&self) -> Result<u64, StoreError> {
            let full = self.full.load(Ordering::SeqCst);
            if full { Err(StoreError::NoSpace("database or disk is full".to_owned())) } else { Ok(1) }
        }
    }

    impl Engine for Disk {
        fn begin(&mut self) -> Result<(), StoreError> {
            self.tries.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
        fn savepoint(&mut self) -> Result<(), StoreError> {
            Ok(())
        }
        fn keep(&mut self) -> Result<(), StoreError> {
            Ok(())
        }
        fn undo(&mut self) -> Result<(), StoreError> {
            Ok(())
        }
        fn commit(&mut self) -> Result<(), StoreError> {
            self.change().map(drop)
        }
        fn rollback(&mut self) {}
        fn broken(&mut self) -> Option<StoreError> {
            None
        }
        fn select(&mut self, _: &Query) -> Result<Vec<Row>, StoreError> {
            Ok(Vec::new())
        }
        fn place(&mut self, _: &Query, _: u64, _: &[&str]) -> Result<Option<Vec<Value>>, StoreError> {
            Ok(None)
        }
        fn count(&mut self, _: &'static Table, _: &Filter) -> Result<u64, StoreError> {
            Ok(0)
        }
        fn insert(&mut self, _: &'static Table, _: Vec<Row>) -> Result<u64, StoreError> {
            self.change()
        }
        fn update(&mut self, _: &'static Table, _: &Filter, _: &[(&'static str, Value)]) -> Result<u64, StoreError> {
            self.change()
        }
        fn add(&mut self, _: &'static Table, _: &Filter, _: &str, _: i64) -> Result<u64, StoreError> {
            self.change()
        }
        fn delete(&mut self, _: &'static Table, _: &Filter) -> Result<u64, StoreError> {
            self.change()
        }
    }

    #[tokio::test]
    async fn a_store_that_could_not_write_is_not_ready_until_it_can() {
        let disk = Disk::default();
        let writer = Handle::start(disk.clone(), Arc::new(SystemClock)).unwrap();
        let write = || writer.write(Box::new(|_| Verdict::Keep));
        write().await.unwrap();
        writer.ready().await.unwrap();
        assert_eq!(disk.tries.load(Ordering::SeqCst), 1, "nothing is written to learn that all is well");

        disk.full.store(true, Ordering::SeqCst);
        assert!(matches!(write().await, Err(StoreError::NoSpace(_))));
        for _ in 0..2 {
            assert!(matches!(writer.ready().await, Err(StoreError::NoSpace(_))));
        }
        disk.full.store(false, Ordering::SeqCst);
        writer.ready().await.unwrap();
        let tried = disk.tries.load(Ordering::SeqCst);
        writer.ready().await.unwrap();
        assert_eq!(disk.tries.load(Ordering::SeqCst), tried);
        writer.close().await;
    }
}
