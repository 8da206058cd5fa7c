//! Pages of a list with filters: together they are the whole, each row once, in one order, however long a page is.

use std::collections::BTreeSet;
use std::sync::Arc;

use latchkey_directory::device::view::{DeviceFilter, DeviceView};
use latchkey_directory::master::MasterKey;
use latchkey_directory::page::{Page, PageRequest};
use latchkey_directory::store::Store;
use latchkey_directory::time::{Clock as _, SystemClock, Timestamp};
use latchkey_directory::users::{UserFilter, UserView};
use latchkey_directory::values::{UserSource, UserStatus};
use latchkey_directory::{Directory, OrgId, Result};
use latchkey_store::sqlite::SqliteStore;
use latchkey_wire::{DeviceState, Level, Platform};

use crate::lists::{fill, fill_sqlite};

const COUNT: i64 = 500;

/// The ids on all pages of this length, in their order.
async fn pages<T, F: Future<Output = Result<Page<T>>>>(
    limit: u64,
    page: impl Fn(PageRequest) -> F,
    id: impl Fn(&T) -> String,
) -> Vec<String> {
    let mut all = Vec::new();
    let mut request = PageRequest { limit, after: None, count: false };
    loop {
        let found = page(request.clone()).await.unwrap();
        assert!(found.items.len() as u64 <= limit);
        all.extend(found.items.iter().map(&id));
        match found.next {
            Some(next) => request.after = Some(next),
            None => return all,
        }
    }
}

struct Filled {
    directory: Directory,
    org: OrgId,
    now: Timestamp,
    _folder: tempfile::TempDir,
}

impl Filled {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.db");
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&file, Arc::new(SystemClock)).unwrap());
        let (org, now): (OrgId, _) = ("acme".parse().unwrap(), SystemClock.now());
        let text = fill((include_str!("../million.sql"), COUNT), &org, now);
        rusqlite::Connection::open(&file).unwrap().execute_batch(&fill_sqlite(&text)).unwrap();
        let master = MasterKey::new(zeroize::Zeroizing::new([1; 32]));
        Self { directory: Directory::new(store, Arc::new(SystemClock), Arc::new(master)), org, now, _folder: folder }
    }

    /// Whatever the length of a page, the same users in the same order: those that fit.
    async fn users(&self, name: &str, filter: UserFilter, fits: impl Fn(&UserView) -> bool) {
        let any = UserFilter { status: UserStatus::ALL.to_vec(), ..Default::default() };
        let every = PageRequest { limit: 1000, ..PageRequest::default() };
        let all = self.directory.users(&self.org, any, every.clone()).await.unwrap();
        let wanted: BTreeSet<String> = all.items.into_iter().filter(fits).map(|user| user.id).collect();
        let ask = |request| self.directory.users(&self.org, filter.clone(), request);
        let whole = pages(1000, ask, |user| user.id.clone()).await;
        assert_eq!(whole.iter().cloned().collect::<BTreeSet<_>>(), wanted, "{name}");
        assert_eq!(whole.len(), wanted.len(), "{name}: somebody is there twice");
        for limit in [3, 50] {
            assert_eq!(pages(limit, ask, |user| user.id.clone()).await, whole, "{name}, {limit} a page");
        }
        let count = ask(PageRequest { count: true, ..every }).await.unwrap().count;
        assert!(wanted.is_empty() || count >= Some(wanted.len() as u64), "{name}: {count:?}");
        assert!(!wanted.is_empty(), "{name}: nobody fits, which tests nothing");
    }

    async fn devices(&self, name: &str, filter: DeviceFilter, fits: impl Fn(&DeviceView) -> bool) {
        let every = PageRequest { limit: 1000, ..PageRequest::default() };
        let all = self.directory.devices(&self.org, DeviceFilter::default(), every).await.unwrap();
        let wanted: BTreeSet<String> = all.items.into_iter().filter(fits).map(|device| device.id).collect();
        let ask = |request| self.directory.devices(&self.org, filter.clone(), request);
        let whole = pages(1000, ask, |device| device.id.clone()).await;
        assert_eq!(whole.iter().cloned().collect::<BTreeSet<_>>(), wanted, "{name}");
        assert_eq!(whole.len(), wanted.len(), "{name}: a device is there twice");
        for limit in [3, 50] {
            assert_eq!(pages(limit, ask, |device| device.id.clone()).await, whole, "{name}, {limit} a page");
        }
        assert!(!wanted.is_empty(), "{name}: nothing fits, which tests nothing");
    }
}

fn begins(text: &Option<String>, with: &str) -> bool {
    text.as_ref().is_some_and(|text| text.to_lowercase().starts_with(with))
}

fn named(user: &UserView, text: &str) -> bool {
    let names = [&user.display_name, &user.given_name, &user.family_name];
    user.login_name.starts_with(text) || names.iter().any(|name| begins(name, text))
}

#[tokio::test]
async fn pages_of_users_are_together_all_who_fit() {
    let filled = Filled::new().await;
    let all = UserFilter::default;
    let there = |user: &UserView| user.status != UserStatus::Deleted;
    filled.users("all", all(), there).await;
    let off = UserFilter { status: vec![UserStatus::Disabled, UserStatus::Deleted], ..all() };
    filled.users("by status", off, |user| user.status != UserStatus::Active).await;
    let import = UserFilter { source: vec![UserSource::Import], ..all() };
    filled.users("by source", import, |user| there(user) && user.source == UserSource::Import).await;
    let names = ["Department 3".to_owned(), "Department 9".to_owned()];
    let department = UserFilter { department: names.to_vec(), ..all() };
    let in_department = |user: &UserView| user.department.as_ref().is_some_and(|name| names.contains(name));
    filled.users("by department", department.clone(), |user| there(user) && in_department(user)).await;
    let grouped = UserFilter { group: vec!["small".into(), "group-large".into()], ..department };
    let member = |user: &UserView| there(user) && !user.groups.is_empty();
    filled.users("by group and department", grouped, |user| member(user) && in_department(user)).await;
    filled.users("by group", UserFilter { group: vec!["large".into()], ..all() }, member).await;
    for text in ["user1", "PERSON 5", "given", "Family2", "p"] {
        let filter = UserFilter { text: Some(text.into()), ..all() };
        filled.users(text, filter.clone(), |user| there(user) && named(user, &text.to_lowercase())).await;
        let filter = UserFilter { group: vec!["large".into()], ..filter };
        filled.users(text, filter, |user| member(user) && named(user, &text.to_lowercase())).await;
    }
}

#[tokio::test]
async fn pages_of_devices_are_together_all_that_fit() {
    let filled = Filled::new().await;
    let all = DeviceFilter::default;
    filled.devices("all", all(), |_| true).await;
    let states = vec![DeviceState::Pending, DeviceState::Registered];
    let two = DeviceFilter { state: states.clone(), ..all() };
    filled.devices("by state", two.clone(), |device| states.contains(&device.state)).await;
    let windows = DeviceFilter { platform: vec![Platform::Windows], ..two };
    let fits = |device: &DeviceView| states.contains(&device.state) && device.platform == Platform::Windows;
    filled.devices("by state and platform", windows.clone(), fits).await;
    let level = vec![Level::try_from(2).unwrap(), Level::try_from(4).unwrap()];
    let of_level = |device: &DeviceView| device.level.is_some_and(|found| level.contains(&found));
    let leveled = DeviceFilter { level: level.clone(), ..all() };
    // A binding that waits has a level too, which the view does not tell.
    let waits = |device: &DeviceView| {
        device.level.is_none()
            && device.host.as_deref().is_some_and(|host| {
                host.trim_start_matches("host-")
                    .parse::<i64>()
                    .is_ok_and(|i| i % 400 == 7 && level.contains(&Level::try_from(1 + i.unsigned_abs() % 3).unwrap()))
            })
    };
    filled.devices("by level", leveled.clone(), |device| of_level(device) || waits(device)).await;
    let both = DeviceFilter { level: level.clone(), ..windows };
    filled.devices("by level and more", both, |device| fits(device) && (of_level(device) || waits(device))).await;
    let before = Some(Timestamp::from_millis(filled.now.millis() + 86_400_000));
    let old = DeviceFilter { last_seen_before: before, ..all() };
    filled.devices("by last contact", old, |device| Some(device.last_seen_at) < before).await;
    let token = DeviceFilter { token: vec!["aaaaaaaaac".into(), "aaaaaaaaad".into()], ..all() };
    let of_token = |device: &DeviceView| device.token_id.as_ref().is_some_and(|id| id.ends_with(['c', 'd']));
    filled.devices("by token", token, of_token).await;
    let user = DeviceFilter { user: vec!["user5@fill.example".into(), "user77@fill.example".into()], ..all() };
    filled
        .devices("by user", user, |device| {
            device.users.iter().any(|u| u == "user5@fill.example" || u == "user77@fill.example")
        })
        .await;
    for text in ["host-1", "sn2", "user3", "HOST-"] {
        let small = text.to_lowercase();
        let found = |device: &DeviceView| {
            begins(&device.host, &small)
                || begins(&device.serial, &small)
                || device.users.iter().any(|u| u.starts_with(&small))
        };
        let filter = DeviceFilter { q: Some(text.into()), ..all() };
        filled.devices(text, filter.clone(), found).await;
        let filter = DeviceFilter { level: level.clone(), ..filter };
        filled.devices(text, filter, |device| found(device) && (of_level(device) || waits(device))).await;
    }
    let some = filled.directory.devices(&filled.org, all(), PageRequest::default()).await.unwrap();
    let id = some.items[3].id[..13].to_owned();
    let by_id = DeviceFilter { q: Some(id.to_uppercase()), ..all() };
    filled.devices("by the beginning of an id", by_id, |device| device.id.starts_with(&id)).await;
}
