//! The service as a process: enrolls when options appear, idles, obeys signals.

use std::process::{Child, Stdio};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use latchkey_connector::account::Directory;
use latchkey_connector::backoff::Path;
use latchkey_connector::files::{Owner, PrivateDir};
use latchkey_connector::service::{ask_status, work};
use latchkey_connector::settings::{Core, Inputs, read_options};
use latchkey_connector::state::Store;
use latchkey_wire::Code;
use rustix::process::{Pid, Signal, kill_process};

use crate::fake_cloud::{Cloud, DOMAIN};
use crate::program::Device;

struct Service {
    child: Child,
    device: Device,
}

impl Service {
    fn start() -> Self {
        let device = Device::new();
        let child = device
            .command()
            .arg("run")
            .env("LATCHKEY_CONNECTOR_SOCKET", device.path("socket"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Service { child, device }
    }

    fn options(&self, cloud: &Cloud) {
        let text = format!(
            r#"{{"cloudName":"{}","userDomain":"{DOMAIN}","userName":"anna","deviceToken":"{}"}}"#,
            cloud.name(),
            cloud.token_text()
        );
        std::fs::write(self.device.machine().join("managed.json"), text).unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the status says this, at most half a minute.
    fn until(&self, good: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let began = Instant::now();
        loop {
            if let Ok((status, _)) = ask_status(&self.device.path("socket"))
                && good(&status)
            {
                return status;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "the service did not get there");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn resident_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_service_enrolls_when_options_appear_and_ends_when_told() {
    let cloud = Cloud::start();
    let mut service = Service::start();
    service.until(|status| status["enrolled"] == false);
    service.options(&cloud);
    service.signal(Signal::HUP);
    let status = service.until(|status| status["state"] == "registered");
    assert_eq!(status["bindings"][0]["login_name"], "anna@acme.example");
    let resident = service.resident_kb();
    // P11 is 15 MB for a release build; the pages of an unoptimized program are some MB more.
    let limit = if cfg!(debug_assertions) { 24 * 1024 } else { 15 * 1024 };
    assert!(resident <= limit, "{resident} kB");
    service.signal(Signal::TERM);
    assert!(service.child.wait().unwrap().success());
    assert!(!service.device.path("socket").exists());
}

#[test]
fn an_idle_service_wakes_for_its_heartbeat_only() {
    let (cloud, device) = (Cloud::start(), Device::new());
    assert_eq!(device.enroll(&cloud).exit, 0);
    let inputs = Inputs { machine_dir: Some(device.machine()), ..Inputs::default() };
    let options = read_options(&inputs, Owner::RootOrMe).unwrap();
    let core = Core::new(Store::new(PrivateDir::open(&device.state()).unwrap()), options, Directory::Private);
    let pause = work(&Arc::new(RwLock::new(core))).unwrap();
    assert!(pause >= Duration::from_secs(1440) && pause <= Duration::from_secs(2160), "30 min ± 20 %: {pause:?}");
}

#[test]
fn a_renewal_is_done_when_it_is_due() {
    let (cloud, device) = (Cloud::start(), Device::new());
    assert_eq!(device.enroll(&cloud).exit, 0);
    let inputs = Inputs { machine_dir: Some(device.machine()), ..Inputs::default() };
    let options = read_options(&inputs, Owner::RootOrMe).unwrap();
    let mut core = Core::new(Store::new(PrivateDir::open(&device.state()).unwrap()), options, Directory::Private);
    core.monotonic = || {
        let now = latchkey_connector::clock::Monotonic::now();
        latchkey_connector::clock::Monotonic { since_boot: now.since_boot + 302_401, ..now }
    };
    work(&RwLock::new(core)).unwrap();
    assert_eq!(cloud.device().cur, 1);
    assert!(cloud.calls().last().unwrap().contains("heartbeats"));
}

#[test]
fn a_round_that_failed_is_tried_again_soon_unless_only_its_heartbeat_did() {
    let (cloud, device) = (Cloud::start(), Device::new());
    let core = || {
        let inputs = Inputs { machine_dir: Some(device.machine()), ..Inputs::default() };
        let options = read_options(&inputs, Owner::RootOrMe).unwrap();
        let mut core = Core::new(Store::new(PrivateDir::open(&device.state()).unwrap()), options, Directory::Private);
        core.inputs = Some(inputs);
        RwLock::new(core)
    };
    let options = serde_json::json!({"cloudName": cloud.name(), "userDomain": DOMAIN, "userName": "anna", "deviceToken": cloud.token_text()});
    std::fs::write(device.machine().join("managed.json"), options.to_string()).unwrap();
    let way = |core: &RwLock<Core>| work(core).unwrap_err().way;
    cloud.faults(|f| f.away = true);
    assert_eq!(way(&core()), Path::Prompt, "nobody answers an enrollment");
    cloud.faults(|f| (f.away, f.refuse) = (false, Some((Code::Enroll020, true))));
    assert_eq!(way(&core()), Path::Patient, "the policy is off");
    cloud.faults(|f| f.refuse = None);
    work(&core()).unwrap();
    cloud.faults(|f| f.away = true);
    assert_eq!(way(&core()), Path::Patient, "a heartbeat");
    let due = core();
    due.write().unwrap().monotonic = || {
        let now = latchkey_connector::clock::Monotonic::now();
        latchkey_connector::clock::Monotonic { since_boot: now.since_boot + 302_401, ..now }
    };
    assert_eq!(way(&due), Path::Prompt, "a renewal");
}
