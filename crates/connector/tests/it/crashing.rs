//! A crash at every step of every write: what was acknowledged is never lost, what was begun goes on with the same secrets.

use std::cell::Cell;
use std::io::{Error, ErrorKind};
use std::path::Path;

use latchkey_connector::account::{Account, Claim, Directory};
use latchkey_connector::clock::Monotonic;
use latchkey_connector::enroll::{Request, enroll, prepare};
use latchkey_connector::files::PrivateDir;
use latchkey_connector::renew::renew;
use latchkey_connector::settings::{Core, FoundToken};
use latchkey_connector::state::Store;
use latchkey_options::{Given, OptionName, Platform, Source, resolve};
use latchkey_wire::{ClaimSource, DeviceToken};

use crate::fake_cloud::{Cloud, DOMAIN};

thread_local! {
    /// How many steps still succeed.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

fn step(name: &str) -> std::io::Result<()> {
    LEFT.with(|left| match left.get() {
        Some(0) => Err(Error::new(ErrorKind::Interrupted, format!("crashed at: {name}"))),
        Some(n) => {
            left.set(Some(n - 1));
            Ok(())
        }
        None => Ok(()),
    })
}

fn core(folder: &Path, cloud: &Cloud) -> Core {
    let given = |name: OptionName, value: &str| Given::new(name.spelled(), value, Source::CommandLine, "test");
    let options = resolve(
        vec![given(OptionName::CloudName, &cloud.name()), given(OptionName::UserDomain, DOMAIN)],
        Platform::Linux,
    )
    .unwrap();
    let dir = PrivateDir::open(&folder.join("state")).unwrap().crashing(step);
    Core::new(Store::new(dir), options, Directory::Private)
}

fn try_enroll(core: &Core, cloud: &Cloud) -> Result<(), String> {
    let token = DeviceToken::parse(&cloud.token_text()).unwrap();
    let found = FoundToken { pin: token.pin(), token, option: OptionName::DeviceToken };
    let account = Account { uid: 1000, name: "anna".into(), home: "/home/anna".into() };
    let claim = Claim { login_name: format!("anna@{DOMAIN}"), source: ClaimSource::Option };
    let request = Request { token: &found, code: None, user: Some((account, claim)), dry_run: false };
    let mut state = core.store.load().map_err(|e| e.to_string())?;
    prepare(core, &mut state).map_err(|e| e.to_string())?;
    enroll(core, &mut state, &request).map(drop).map_err(|e| e.problem.to_string())
}

#[test]
fn an_enrollment_that_crashes_anywhere_goes_on_as_the_same_device() {
    for steps in 0.. {
        let (cloud, folder) = (Cloud::start(), tempfile::tempdir().unwrap());
        let core = core(folder.path(), &cloud);
        LEFT.set(Some(steps));
        let outcome = try_enroll(&core, &cloud);
        LEFT.set(None);
        if outcome.is_ok() {
            assert!(steps >= 20, "a write has five steps, and there are at least four writes: {steps}");
            return;
        }
        let sent = cloud.inner.lock().unwrap().enrolls.len();
        try_enroll(&core, &cloud).unwrap();
        let inner = cloud.inner.lock().unwrap();
        assert_eq!((inner.devices.len(), inner.used), (1, 1), "crash after {steps} steps");
        if sent > 0 {
            assert_eq!(inner.enrolls[0].dk_jwk, inner.enrolls.last().unwrap().dk_jwk);
            assert_eq!(inner.enrolls[0].v_0, inner.enrolls.last().unwrap().v_0);
        }
        drop(inner);
        assert!(core.store.load().unwrap().record.unwrap().device.is_some());
    }
}

#[test]
fn a_renewal_that_crashes_anywhere_goes_on_without_a_fork() {
    for steps in 0.. {
        let (cloud, folder) = (Cloud::start(), tempfile::tempdir().unwrap());
        let core = core(folder.path(), &cloud);
        try_enroll(&core, &cloud).unwrap();
        LEFT.set(Some(steps));
        let outcome = renew(&core, &mut core.store.load().unwrap());
        LEFT.set(None);
        let done = outcome.is_ok();
        let mut state = core.store.load().unwrap();
        renew(&core, &mut state).unwrap_or_else(|e| panic!("crash after {steps} steps: {}", e.problem));
        let device = cloud.device();
        assert!(!device.forked, "crash after {steps} steps");
        let record = core.store.load().unwrap().record.unwrap();
        assert_eq!(record.epoch.n, device.cur, "crash after {steps} steps");
        assert_eq!(record.epoch.e.commitment(), device.v_cur);
        if done {
            assert!(steps >= 10, "two writes of five steps: {steps}");
            return;
        }
    }
}

fn in_a_month() -> Monotonic {
    let now = Monotonic::now();
    Monotonic { since_boot: now.since_boot + 31 * 24 * 3600, ..now }
}

#[test]
fn a_software_device_key_is_changed_after_a_month_wherever_it_crashes() {
    for steps in 0.. {
        let (cloud, folder) = (Cloud::start(), tempfile::tempdir().unwrap());
        let mut core = core(folder.path(), &cloud);
        try_enroll(&core, &cloud).unwrap();
        let old = cloud.device().dk;
        core.monotonic = in_a_month;
        cloud.faults(|f| f.ahead = 31 * 24 * 3600);
        LEFT.set(Some(steps));
        let done = renew(&core, &mut core.store.load().unwrap()).is_ok();
        LEFT.set(None);
        if !done {
            let before = cloud.device().dk;
            renew(&core, &mut core.store.load().unwrap())
                .unwrap_or_else(|e| panic!("crash after {steps} steps: {}", e.problem));
            assert!(before == old || before == cloud.device().dk, "one new key, not two");
        }
        assert_ne!(cloud.device().dk, old, "crash after {steps} steps");
        let record = core.store.load().unwrap().record.unwrap();
        assert_eq!(*core.store.keys().open(&record.dk).unwrap().public(), cloud.device().dk);
        assert!(record.dk_next.is_none());
        if done {
            return;
        }
    }
}

#[test]
fn a_file_is_the_old_or_the_new_one_whatever_happens() {
    let folder = tempfile::tempdir().unwrap();
    for steps in 0..6 {
        let dir = PrivateDir::open(&folder.path().join(format!("d{steps}"))).unwrap().crashing(step);
        LEFT.set(None);
        dir.write("f", b"old").unwrap();
        LEFT.set(Some(steps));
        let outcome = dir.write("f", b"new and longer");
        LEFT.set(None);
        let found = dir.read("f").unwrap().unwrap();
        match outcome {
            Ok(()) => assert_eq!(&found[..], b"new and longer"),
            Err(_) => assert!(matches!(&found[..], b"old" | b"new and longer")),
        }
        dir.write("f", b"third").unwrap();
        assert_eq!(&dir.read("f").unwrap().unwrap()[..], b"third");
    }
}
