//! What every store must do, whatever its engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use latchkey_directory::Bytes;
use latchkey_directory::audit::{Actor, AuditChain, AuditEvent, Head, NewEvent};
use latchkey_directory::master::MasterKey;
use latchkey_directory::query::{Direction, Filter};
use latchkey_directory::records::{ConsumedNonce, Domain, RefusalCount};
use latchkey_directory::store::{Store, StoreError, WriteTx};
use latchkey_directory::time::{SystemClock, Timestamp};
use latchkey_directory::values::DomainState;
use latchkey_directory::{Directory, Org, OrgId, Taken};

/// One case of the suite.
pub(crate) type Case = fn(Arc<dyn Store>) -> BoxFuture<'static, ()>;

/// Declares the cases: a list for stores that run them all in one test, and a macro for those that have a test for each.
macro_rules! cases {
    ($($name:ident)+) => {
        /// Every case by its name.
        pub(crate) const CASES: &[(&str, Case)] = &[$((stringify!($name), |store| $name(store).boxed()),)+];

        /// Makes a test of every case for one store. The factory answers the store and whatever must live as long.
        macro_rules! suite {
            ($factory:expr) => {$(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let (store, _alive) = $factory();
                    $crate::conformance::$name(store).await;
                }
            )+};
        }
        pub(crate) use suite;
    };
}

cases! {
    a_row_comes_back_as_it_was
    a_taken_key_is_told_and_changes_nothing
    an_undone_write_leaves_nothing_and_its_neighbours_stay
    each_write_of_a_batch_reads_what_those_before_it_left
    a_panicking_write_leaves_nothing_and_the_store_goes_on
    one_value_is_consumed_once_however_many_try
    a_counter_is_exact_under_concurrency
    organizations_do_not_see_each_other
    filters_and_order_are_the_same_everywhere
    text_is_found_and_sorted_byte_by_byte
    events_are_committed_with_what_they_report
    chains_hold_under_concurrency
    a_reader_sees_one_state
}

fn directory(store: Arc<dyn Store>) -> Directory {
    let master = MasterKey::new(zeroize::Zeroizing::new([1; 32]));
    Directory::new(store, Arc::new(SystemClock), Arc::new(master))
}

fn org(name: &str) -> OrgId {
    name.parse().unwrap()
}

fn domain(org: &OrgId, name: &str) -> Domain {
    Domain {
        org: org.clone(),
        name: name.to_owned(),
        verification: DomainState::Pending,
        challenge: "c'\"\\ü".to_owned(),
        reason: None,
        verified_at: Some(Timestamp::from_millis(1)),
        last_seen_at: None,
        missing_since: None,
        created_at: Timestamp::from_millis(1_795_000_000_123),
    }
}

fn event(action: &'static str) -> NewEvent {
    NewEvent::new(&Actor::system(), action, "x").with("n", 1)
}

async fn put(directory: &Directory, row: Domain) -> Result<Result<(), Taken>, StoreError> {
    directory.write(move |tx| Org::of(tx, &row.org.clone()).insert(&row)).await
}

async fn all(directory: &Directory, org: &OrgId) -> Vec<Domain> {
    let org = org.clone();
    directory.read::<_, StoreError>(move |tx| Org::of(tx, &org).find(Filter::all())).await.unwrap()
}

pub(crate) async fn a_row_comes_back_as_it_was(store: Arc<dyn Store>) {
    let directory = directory(store);
    let row = domain(&org("a"), "acme.example");
    put(&directory, row.clone()).await.unwrap().unwrap();
    assert_eq!(all(&directory, &row.org).await, std::slice::from_ref(&row));
    let changed = Domain { reason: Some("lab".into()), verified_at: None, ..row.clone() };
    let to = changed.clone();
    directory.write::<_, StoreError>(move |tx| Org::of(tx, &to.org.clone()).replace(&to)).await.unwrap();
    assert_eq!(all(&directory, &row.org).await, [changed]);
}

pub(crate) async fn a_taken_key_is_told_and_changes_nothing(store: Arc<dyn Store>) {
    let directory = directory(store);
    let row = domain(&org("a"), "acme.example");
    put(&directory, row.clone()).await.unwrap().unwrap();
    let again = Domain { reason: Some("other".into()), ..row.clone() };
    assert_eq!(put(&directory, again).await.unwrap(), Err(Taken));
    assert_eq!(all(&directory, &row.org).await, [row]);
}

pub(crate) async fn an_undone_write_leaves_nothing_and_its_neighbours_stay(store: Arc<dyn Store>) {
    let directory = directory(store);
    let a = org("a");
    let writes = (0..40).map(|n| {
        let (directory, row) = (directory.clone(), domain(&a, &format!("d{n}.example")));
        async move {
            directory
                .write(move |tx| {
                    let mut ours = Org::of(tx, &row.org);
                    ours.add(&row)?;
                    ours.audit(event("domain.add"));
                    // A statement that leaves a row out must not spoil the transaction either.
                    ours.insert(&row)?.unwrap_err();
                    if n % 2 == 0 { Ok(()) } else { Err(StoreError::Corrupt("on purpose".into())) }
                })
                .await
        }
    });
    let results = futures_util::future::join_all(writes).await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 20);
    let names: Vec<_> = all(&directory, &a).await.into_iter().map(|d| d.name).collect();
    assert_eq!(names.len(), 20);
    assert!(names.contains(&"d38.example".to_owned()) && !names.contains(&"d39.example".to_owned()));
    let events = events_of(&directory, &a).await;
    assert_eq!(events.iter().filter(|e| e.action == "domain.add").count(), 20);
}

/// What a batch reads once for all is read again after a change, and after a change that was taken back.
pub(crate) async fn each_write_of_a_batch_reads_what_those_before_it_left(store: Arc<dyn Store>) {
    let directory = directory(store);
    let a = org("a");
    put(&directory, domain(&a, "d.example")).await.unwrap().unwrap();
    let began = Arc::new(std::sync::Mutex::new(std::collections::BTreeMap::new()));
    let set = |n: u32, keep: bool| {
        let (directory, a, began) = (directory.clone(), a.clone(), Arc::clone(&began));
        async move {
            directory
                .write(move |tx| {
                    if n == 0 {
                        // The others come while this one is under way, so they are one batch.
                        std::thread::sleep(std::time::Duration::from_millis(50));
                    }
                    began.lock().unwrap().insert(n, tx.began());
                    let mut ours = Org::of(tx, &a);
                    let read = |ours: &mut Org<'_, dyn WriteTx>| {
                        Ok::<_, StoreError>(ours.get::<Domain>("d.example")?.unwrap().challenge)
                    };
                    let (before, again) = (read(&mut ours)?, read(&mut ours)?);
                    assert_eq!(before, again);
                    let own = format!("write {n}");
                    ours.update::<Domain>(Domain::name.eq(&"d.example".to_owned()), &[Domain::challenge.set(&own)])?;
                    assert_eq!(read(&mut ours)?, own, "its own change");
                    if keep { Ok((n, before)) } else { Err(StoreError::Corrupt("on purpose".into())) }
                })
                .await
        }
    };
    let results = futures_util::future::join_all((0..12).map(|n| set(n, n % 3 != 1))).await;
    let mut expected = "c'\"\\ü".to_owned();
    for (n, before) in results.into_iter().flatten() {
        assert_eq!(before, expected, "what write {n} read");
        expected = format!("write {n}");
    }
    assert_eq!(all(&directory, &a).await[0].challenge, "write 11");
    let transactions: std::collections::BTreeSet<_> = began.lock().unwrap().values().copied().collect();
    assert!(transactions.len() < 12, "no two writes shared a transaction: this test shows nothing");
}

pub(crate) async fn a_panicking_write_leaves_nothing_and_the_store_goes_on(store: Arc<dyn Store>) {
    let directory = directory(store);
    let a = org("a");
    let row = domain(&a, "acme.example");
    let inner = row.clone();
    let result = directory
        .write::<(), StoreError>(move |tx| {
            Org::of(tx, &inner.org).add(&inner)?;
            panic!("a fault in the work, on purpose")
        })
        .await;
    assert!(matches!(result, Err(StoreError::Corrupt(_))));
    assert_eq!(all(&directory, &a).await, []);
    put(&directory, row).await.unwrap().unwrap();
}

pub(crate) async fn one_value_is_consumed_once_however_many_try(store: Arc<dyn Store>) {
    let directory = directory(store);
    let row = ConsumedNonce { org: org("a"), value: Bytes([9; 16]), exp: Timestamp::from_millis(5) };
    let tries = (0..50).map(|_| {
        let (directory, row) = (directory.clone(), row.clone());
        async move { directory.write::<_, StoreError>(move |tx| Org::of(tx, &row.org).insert(&row)).await.unwrap() }
    });
    let results = futures_util::future::join_all(tries).await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
}

pub(crate) async fn a_counter_is_exact_under_concurrency(store: Arc<dyn Store>) {
    count_to_the_limit(&[directory(store)]).await;
}

pub(crate) async fn two_nodes_share_a_counter(first: Arc<dyn Store>, second: Arc<dyn Store>) {
    count_to_the_limit(&[directory(first), directory(second)]).await;
}

/// Sixty try to use what is good for 25, over all these nodes.
async fn count_to_the_limit(nodes: &[Directory]) {
    let a = org("a");
    let row = RefusalCount {
        org: a.clone(),
        code: "c".into(),
        subject: String::new(),
        network: "n".into(),
        minute: 1,
        count: 0,
        reference: "r".into(),
        detail: String::new(),
        proven: true,
        at: Timestamp::from_millis(1),
    };
    nodes[0].write::<_, StoreError>(move |tx| Org::of(tx, &row.org).add(&row)).await.unwrap();
    let done = Arc::new(AtomicU32::new(0));
    let tries = (0..60).map(|n: usize| {
        let (directory, a, done) = (nodes[n % nodes.len()].clone(), a.clone(), Arc::clone(&done));
        async move {
            loop {
                let a = a.clone();
                // Read, decide, write: exact only if nobody comes between.
                let result = directory
                    .write(move |tx| {
                        let mut ours = Org::of(tx, &a);
                        let row: RefusalCount = ours.one(Filter::all())?.unwrap();
                        if row.count == 25 {
                            return Err(StoreError::Corrupt("used up".into()));
                        }
                        ours.increase::<RefusalCount>(Filter::all(), RefusalCount::count, 1)
                    })
                    .await;
                match result {
                    Ok(_) => {
                        done.fetch_add(1, Ordering::SeqCst);
                        break;
                    }
                    // Too many others at once; whoever asked is told to come back, and does.
                    Err(StoreError::Contended) => {}
                    Err(_) => break,
                }
            }
        }
    });
    futures_util::future::join_all(tries).await;
    assert_eq!(done.load(Ordering::SeqCst), 25);
    let row = nodes[0].read::<_, StoreError>(move |tx| Org::of(tx, &a).one::<RefusalCount>(Filter::all())).await;
    assert_eq!(row.unwrap().unwrap().count, 25);
}

pub(crate) async fn organizations_do_not_see_each_other(store: Arc<dyn Store>) {
    let directory = directory(store);
    let (a, b) = (org("a"), org("b"));
    put(&directory, domain(&a, "acme.example")).await.unwrap().unwrap();
    assert_eq!(all(&directory, &b).await, []);
    put(&directory, domain(&b, "acme.example")).await.unwrap().unwrap();
    let deleted = {
        let b = b.clone();
        directory.write::<_, StoreError>(move |tx| Org::of(tx, &b).delete::<Domain>(Filter::all())).await.unwrap()
    };
    assert_eq!(deleted, 1);
    assert_eq!(all(&directory, &a).await.len(), 1);
    // A row of another organization cannot be written through a handle.
    let foreign = domain(&a, "other.example");
    let result = directory.write::<_, StoreError>(move |tx| Org::of(tx, &b).insert(&foreign)).await;
    assert!(matches!(result, Err(StoreError::Corrupt(_))));
}

pub(crate) async fn text_is_found_and_sorted_byte_by_byte(store: Arc<dyn Store>) {
    let directory = directory(store);
    let a = org("a");
    for name in ["b", "B", "a-b", "ab", "Émile Zola", "émile", "Z"] {
        put(&directory, domain(&a, name)).await.unwrap().unwrap();
    }
    let ask = |filter: Filter| {
        let (directory, a) = (directory.clone(), a.clone());
        async move {
            let order = vec![("name", Direction::Ascending)];
            let rows = directory.read::<_, StoreError>(move |tx| Org::of(tx, &a).select::<Domain>(filter, order, None));
            rows.await.unwrap().into_iter().map(|d| d.name).collect::<Vec<_>>()
        }
    };
    assert_eq!(ask(Filter::all()).await, ["B", "Z", "a-b", "ab", "b", "Émile Zola", "émile"]);
    assert_eq!(ask(Filter::Contains(vec!["name"], "Émile".into())).await, ["Émile Zola"]);
    assert_eq!(ask(Filter::Contains(vec!["name"], "zOLA".into())).await, ["Émile Zola"]);
    assert_eq!(ask(Domain::name.below(&"a".to_owned())).await, ["B", "Z"]);
    assert_eq!(ask(Domain::name.at_least(&"b".to_owned())).await, ["b", "Émile Zola", "émile"]);
}

pub(crate) async fn filters_and_order_are_the_same_everywhere(store: Arc<dyn Store>) {
    let directory = directory(store);
    let a = org("a");
    for (name, reason, at) in
        [("alpha.example", None, 3), ("Beta.example", Some("100%"), 2), ("b_c.example", Some("x"), 1)]
    {
        let row =
            Domain { reason: reason.map(str::to_owned), created_at: Timestamp::from_millis(at), ..domain(&a, name) };
        put(&directory, row).await.unwrap().unwrap();
    }
    let ask = |filter: Filter| {
        let (directory, a) = (directory.clone(), a.clone());
        async move {
            let order = vec![("created_at", Direction::Ascending)];
            let rows = directory.read::<_, StoreError>(move |tx| Org::of(tx, &a).select::<Domain>(filter, order, None));
            rows.await.unwrap().into_iter().map(|d| d.name).collect::<Vec<_>>()
        }
    };
    assert_eq!(ask(Filter::all()).await, ["b_c.example", "Beta.example", "alpha.example"]);
    assert_eq!(ask(Domain::reason.is_null()).await, ["alpha.example"]);
    assert_eq!(ask(Domain::reason.is_null().negate()).await.len(), 2);
    assert_eq!(ask(Filter::Contains(vec!["name", "reason"], "BETA".into())).await, ["Beta.example"]);
    assert_eq!(ask(Filter::Contains(vec!["name"], "_".into())).await, ["b_c.example"]);
    assert_eq!(ask(Filter::Contains(vec!["reason"], "%".into())).await, ["Beta.example"]);
    let ends = |text: &str| ask(Filter::EndsWith("name", text.to_owned()));
    assert_eq!(ends("C.EXAMPLE").await, ["b_c.example"]);
    assert_eq!(ends("_c.example").await, ["b_c.example"]);
    assert_eq!(ends("beta").await, [""; 0]);
    assert_eq!(ends("%").await, [""; 0]);
    assert_eq!(ask(Domain::created_at.below(&Timestamp::from_millis(2))).await, ["b_c.example"]);
    assert_eq!(ask(Domain::created_at.at_least(&Timestamp::from_millis(2))).await.len(), 2);
    assert_eq!(ask(Domain::name.one_of([&"b_c.example".to_owned()])).await, ["b_c.example"]);
    assert_eq!(ask(Domain::name.one_of([])).await, [""; 0]);
    assert_eq!(ask(Filter::Or(vec![])).await, [""; 0]);
    let either = Domain::name.eq(&"alpha.example".into()).or(Domain::reason.is(&"x".into()));
    assert_eq!(ask(either).await, ["b_c.example", "alpha.example"]);
}

async fn events_of(directory: &Directory, org: &OrgId) -> Vec<AuditEvent> {
    let org = org.clone();
    directory.read::<_, StoreError>(move |tx| Org::of(tx, &org).find(Filter::all())).await.unwrap()
}

pub(crate) async fn events_are_committed_with_what_they_report(store: Arc<dyn Store>) {
    let directory = directory(store);
    let a = org("a");
    let row = domain(&a, "acme.example");
    directory
        .write::<_, StoreError>(move |tx| {
            let mut ours = Org::of(tx, &row.org);
            ours.add(&row)?;
            ours.audit(event("domain.add"));
            Ok(())
        })
        .await
        .unwrap();
    let events = events_of(&directory, &a).await;
    let actions: Vec<_> = events.iter().map(|e| e.action.as_str()).collect();
    assert_eq!(actions, ["audit.open", "domain.add"]);
}

pub(crate) async fn chains_hold_under_concurrency(store: Arc<dyn Store>) {
    let directory = directory(store);
    let orgs = [org("a"), org("b")];
    let writes = (0..100).map(|n: usize| {
        let (directory, org) = (directory.clone(), orgs[n % 2].clone());
        async move {
            directory
                .write::<_, StoreError>(move |tx| {
                    tx.audit(&org, event("test.one"));
                    tx.audit(&org, event("test.two"));
                    if n.is_multiple_of(10) { Err(StoreError::Corrupt("on purpose".into())) } else { Ok(()) }
                })
                .await
                .is_ok()
        }
    });
    let kept = futures_util::future::join_all(writes).await.into_iter().filter(|kept| *kept).count();
    assert_eq!(kept, 90);
    for org in orgs {
        let events = events_of(&directory, &org).await;
        let mut head = Head { seq: 0, ..Head::open(Timestamp::default()) };
        head.chain.clone_from(&events[0].chain);
        for event in &events {
            assert!(event.follows(&head), "{event:?}");
            head.seq = event.seq;
            head.hash = event.hash;
        }
        let chain = {
            let org = org.clone();
            directory.read::<_, StoreError>(move |tx| Org::of(tx, &org).one::<AuditChain>(Filter::all())).await
        };
        let chain = chain.unwrap().unwrap();
        assert_eq!((chain.events, chain.head_hash), (head.seq, head.hash));
    }
}

pub(crate) async fn a_reader_sees_one_state(store: Arc<dyn Store>) {
    let directory = directory(store);
    let a = org("a");
    let writing = {
        let (directory, a) = (directory.clone(), a.clone());
        tokio::spawn(async move {
            for n in 0..50 {
                let rows = [domain(&a, &format!("x{n}.example")), domain(&a, &format!("y{n}.example"))];
                directory
                    .write::<_, StoreError>(move |tx| {
                        let mut ours = Org::of(tx, &rows[0].org);
                        rows.iter().try_for_each(|row| ours.add(row))
                    })
                    .await
                    .unwrap();
            }
        })
    };
    while !writing.is_finished() {
        let a = a.clone();
        let (first, second) = directory
            .read::<_, StoreError>(move |tx| {
                let mut ours = Org::of(tx, &a);
                let first = ours.count::<Domain>(Filter::all())?;
                std::thread::yield_now();
                Ok((first, ours.count::<Domain>(Filter::all())?))
            })
            .await
            .unwrap();
        assert_eq!(first, second);
        assert_eq!(first % 2, 0, "both rows of one commit or none");
    }
    writing.await.unwrap();
}
