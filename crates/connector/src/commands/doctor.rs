//! `doctor`: the same checks as `latchkey check`, from the device's side.

use latchkey_options::{OptionName, Purpose, check_relations};
use latchkey_wire::{Code, Pin};
use serde_json::{Value, json};
use url::Url;

use super::here;
use crate::cli::Place;
use crate::clock::wall;
use crate::cloud;
use crate::device::Link;
use crate::http::Ask;
use crate::machine::Marks;
use crate::output::Output;
use crate::problem::{Local, Problem, Result};
use crate::settings::{Core, device_token};
use crate::state::{Record, State};

/// A build is never newer than the day it runs on.
const BUILT_NOT_BEFORE: u64 = 1_767_225_600; // 2026-01-01

struct Findings(Vec<Value>);

impl Findings {
    fn good(&mut self, name: &str, detail: impl Into<String>) {
        self.0.push(json!({"name": name, "ok": true, "detail": detail.into(), "code": null, "fix": null}));
    }

    fn bad(&mut self, name: &str, problem: &Problem) {
        self.0.push(
            json!({"name": name, "ok": false, "detail": problem.detail, "code": problem.code, "fix": problem.fix}),
        );
    }

    fn check(&mut self, name: &str, result: Result<String>) -> bool {
        match result {
            Ok(detail) => self.good(name, detail),
            Err(problem) => {
                self.bad(name, &problem);
                return false;
            }
        }
        true
    }
}

pub(crate) fn run(place: &Place, url: Option<&Url>, output: Output) -> Result<()> {
    let core = here(place)?;
    let mut findings = Findings(Vec::new());
    findings.check("clock", clock());
    for finding in check_relations(&core.options, Purpose::Show) {
        findings.bad("options", &Problem::options(&[finding]));
    }
    let state = core.store.load();
    let record = match &state {
        Ok(state) => state_checks(core, state, &mut findings),
        Err(problem) => {
            findings.bad("state", problem);
            None
        }
    };
    if let Some(record) = record {
        cloud_checks(core, record, &mut findings);
    }
    if let Some(url) = url {
        findings.check("page", page(core, url));
    }
    let ok = findings.0.iter().all(|f| f["ok"] == true);
    let answer = json!({"ok": ok, "checks": findings.0});
    if ok {
        output.answer(&answer);
        return Ok(());
    }
    let failed: Vec<&str> = findings.0.iter().filter(|f| f["ok"] == false).filter_map(|f| f["name"].as_str()).collect();
    let mut problem =
        Problem::local(Local::Failed, format!("found a problem: {}", failed.join(", ")), "see the checks");
    problem.exit = 8;
    Err(problem.with_answer(answer))
}

fn clock() -> Result<String> {
    if wall() < BUILT_NOT_BEFORE {
        return Err(Problem::of(Code::Conn012).because("it is before this program was built"));
    }
    Ok(crate::clock::rfc3339(wall()))
}

/// A record to test the cloud with: the stored one, or one from the options.
fn state_checks(core: &Core, state: &State, findings: &mut Findings) -> Option<Record> {
    if state.record.is_some() && state.machine.copied_to(&Marks::here()) {
        findings.bad("state", &Problem::of(Code::Conn014));
        return None;
    }
    if let Some(record) = &state.record {
        let keys = core.store.keys().open(&record.dk).map(|_| "readable, keys present".to_owned());
        findings.check("state", keys);
        return Some(record.clone());
    }
    findings.good("state", "not enrolled");
    let token = match device_token(&core.options, core.owner()) {
        Ok(token) => token.map(|t| t.pin),
        Err(problem) => {
            findings.bad("token", &problem);
            return None;
        }
    };
    let pin: Option<Pin> = token.or_else(|| core.options.text(OptionName::CloudKey).and_then(|k| k.parse().ok()));
    let text = |name| core.options.text(name).map(str::to_owned);
    let (Some(pin), Some(cloud_name), Some(domain)) = (pin, text(OptionName::CloudName), text(OptionName::UserDomain))
    else {
        findings.bad(
            "cloud",
            &Problem::local(
                Local::Usage,
                "there is nothing to test the cloud with",
                "give --cloud-name, --user-domain and --cloud-key or --device-token-file",
            ),
        );
        return None;
    };
    let dk = serde_json::from_value(json!("none")).ok()?;
    Some(Record::new(cloud_name, domain, pin, dk))
}

fn cloud_checks(core: &Core, mut record: Record, findings: &mut Findings) {
    let accepted = match cloud::fetch(core, &mut record) {
        Ok(accepted) => accepted,
        Err(problem) => return findings.bad("cloud document", &problem),
    };
    findings.good("cloud document", format!("organization {}, issuer {}", accepted.org(), accepted.iss()));
    let primary = match Link::open(core, &mut record).and_then(|link| {
        let mut url = cloud::primary(link.accepted())?;
        url.set_path("/healthz");
        let answer =
            link.client().send(&Ask { method: "GET", url: &url, headers: Vec::new(), body: None, limit: 65536 })?;
        let seen = link.client().seen();
        Ok((answer.status, url, seen))
    }) {
        Ok(primary) => primary,
        Err(problem) => return findings.bad("connection", &problem),
    };
    let (status, url, seen) = primary;
    let shown = match seen {
        Some(seen) => format!("certificate of {}, issued by {}, key {}", seen.subject, seen.issuer, seen.key_sha256),
        None => "plain http on loopback".to_owned(),
    };
    findings.good("connection", format!("{} answers {status}; {shown}", crate::http::origin(&url)));
}

fn page(core: &Core, url: &Url) -> Result<String> {
    let client = cloud::client(core, None)?;
    let answer = client.send(&Ask { method: "GET", url, headers: Vec::new(), body: None, limit: 8 << 20 })?;
    Ok(format!("{} answers {}", crate::http::origin(url), answer.status))
}
