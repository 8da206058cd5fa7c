//! The cloud's document: fetched without trust, believed by signature (protocol.md, Trust in the cloud).
//!
//! Owns the fetch, the acceptance by pin or stored root, and the client that trusts what the document lists.

use latchkey_wire::cloud::{Accepted, Anchor, Known, follow_roots};
use latchkey_wire::message::WellKnown;
use latchkey_wire::{Code, Pin, PublicJwk, WireError};
use url::Url;

use crate::http::{Answer, Ask, Client, ClientSettings, Trust, is_loopback, origin};
use crate::problem::{Local, Problem, Result};
use crate::settings::Core;
use crate::state::{CloudTrust, Record};

/// Seconds between two fetches of a document that is known.
const REFETCH_EVERY: u64 = 60;

/// Longest document with its chain of roots, bytes.
const MAX: u64 = 256 * 1024;

/// Fetches the document and keeps it in the record (not yet saved). Says whether it is the first.
///
/// # Errors
/// `LK-CLOUD-001 … 003`, `LK-CONN-010 … 013`, or the server's own refusal.
pub fn fetch(core: &Core, record: &mut Record) -> Result<Accepted> {
    let client =
        Client::new(&ClientSettings { trust: Trust::AnyForSignedDocument, proxy: proxy(core), timeout: core.timeout })?;
    let answer = ask_candidates(&client, record)?;
    let well_known = parse(&answer, &client)?;
    let anchor = match &record.cloud {
        Some(cloud) => Anchor::Root(cloud.root.clone()),
        None => Anchor::Pin(record.pin),
    };
    let known = record.cloud.as_ref().map(|c| Known { org: c.org.clone(), iss: c.iss.clone(), serial: c.serial });
    let accepted = follow_roots(&anchor, &well_known)
        .and_then(|followed| followed.accept(&record.domain, known.as_ref()))
        .map_err(|e| distrust(&e, &anchor, &well_known, &client))?;
    record.cloud = Some(CloudTrust {
        root: accepted.root().clone(),
        org: accepted.org().to_owned(),
        iss: accepted.iss().to_owned(),
        serial: accepted.known().serial,
        answer: well_known,
        fresh: record.cloud.as_ref().is_some_and(|c| c.fresh),
        refetched: record.cloud.as_ref().and_then(|c| c.refetched.clone()),
    });
    Ok(accepted)
}

/// Fetches a document that is known already anew; `None` if that was done less than a minute ago, so that whoever shows us
/// unknown keys cannot make us ask all the time. The record is changed, not saved.
///
/// # Errors
/// As [`fetch`].
pub fn refetch(core: &Core, record: &mut Record) -> Result<Option<Accepted>> {
    let now = (core.monotonic)();
    if let Some(cloud) = &mut record.cloud {
        let recent = cloud
            .refetched
            .as_ref()
            .is_some_and(|at| at.boot == now.boot && now.since_boot.saturating_sub(at.since_boot) < REFETCH_EVERY);
        if recent {
            return Ok(None);
        }
        let mut mark = crate::clock::ClockMark::default();
        mark.learn(0, &now);
        cloud.refetched = Some(mark);
    }
    fetch(core, record).map(Some)
}

/// A client that trusts the operating system, `caFile` and the keys of the document.
///
/// # Errors
/// `caFile` or the proxy cannot be used.
pub fn client(core: &Core, accepted: Option<&Accepted>) -> Result<Client> {
    let keys = accepted.map(|a| a.document().tls_spki_sha256.iter().map(|k| k.0).collect()).unwrap_or_default();
    Client::new(&ClientSettings {
        trust: Trust::Listed { extra_pem: core.extra_pem()?, keys },
        proxy: proxy(core),
        timeout: core.timeout,
    })
}

/// The primary address, as a base for calls.
///
/// # Errors
/// The document's first address is no address.
pub fn primary(accepted: &Accepted) -> Result<Url> {
    let text = accepted.document().public_urls.first().map(String::as_str).unwrap_or_default();
    Url::parse(text).map_err(|e| {
        Problem::local(
            Local::BadAnswer,
            format!("the cloud document names an address that is none ({e})"),
            "correct public_urls on the server",
        )
    })
}

/// Whether an address belongs to the cloud: its origin is one of the document's.
#[must_use]
pub fn is_ours(accepted: &Accepted, url: &Url) -> bool {
    accepted
        .document()
        .public_urls
        .iter()
        .filter_map(|text| Url::parse(text).ok())
        .any(|ours| ours.origin() == url.origin() && ours.origin().is_tuple())
}

fn proxy(core: &Core) -> Option<String> {
    core.options.text(latchkey_options::OptionName::ProxyUrl).map(str::to_owned)
}

/// On loopback both plain HTTP and TLS are in use, and the name does not say which; the question is public, so both are tried.
fn ask_candidates(client: &Client, record: &Record) -> Result<Answer> {
    let mut candidates = Vec::new();
    let named = Url::parse(&format!("https://{}/", record.cloud_name));
    if let Ok(url) = named {
        if is_loopback(&url) {
            candidates.extend(Url::parse(&format!("http://{}/", record.cloud_name)));
        }
        candidates.push(url);
    }
    // Addresses the cloud itself gave, last: the name in the options is the administrator's word.
    if let Ok(accepted) = record.accepted() {
        candidates.extend(accepted.document().public_urls.iter().filter_map(|u| Url::parse(u).ok()));
    }
    let mut first_failure = None;
    for mut url in candidates {
        url.set_path("/.well-known/latchkey");
        url.query_pairs_mut().append_pair("domain", &record.domain);
        let ask = Ask { method: "GET", url: &url, headers: Vec::new(), body: None, limit: MAX };
        match client.send(&ask) {
            // A TLS port answers plain HTTP with an error of its own; the other candidate tells.
            Ok(answer) if answer.status == 400 && url.scheme() == "http" && !is_problem(&answer) => {
                first_failure.get_or_insert_with(|| not_a_cloud(&answer, &url));
            }
            Ok(answer) => return Ok(answer),
            Err(problem) => {
                first_failure.get_or_insert(problem);
            }
        }
    }
    Err(first_failure.unwrap_or_else(|| Problem::of(Code::Conn010)))
}

fn is_problem(answer: &Answer) -> bool {
    answer.header("content-type").is_some_and(|t| t.starts_with("application/problem+json"))
}

fn not_a_cloud(answer: &Answer, url: &Url) -> Problem {
    Problem::local(
        Local::BadAnswer,
        format!("{} answers {} and no cloud document", origin(url), answer.status),
        "check cloudName; a captive portal or proxy may answer in its place",
    )
}

fn parse(answer: &Answer, client: &Client) -> Result<WellKnown> {
    if answer.status != 200 {
        return Err(crate::device::unsigned_problem(answer));
    }
    serde_json::from_slice(&answer.body).map_err(|_| {
        let mut problem = Problem::local(
            Local::BadAnswer,
            "the answer is not a cloud document",
            "check cloudName; a captive portal or proxy may answer in its place",
        );
        if let Some(seen) = client.seen() {
            problem.detail.push_str(&format!(" (certificate of {}, issued by {})", seen.subject, seen.issuer));
        }
        problem
    })
}

/// Whose fault it is that a document is not believed.
fn distrust(error: &WireError, anchor: &Anchor, answer: &WellKnown, client: &Client) -> Problem {
    let mut problem = match error {
        // The code's own words say it already; what helps is which keys they are.
        WireError::DocumentTooOld => Problem::of(Code::Cloud003),
        WireError::RootNotPinned => {
            let mut problem = Problem::of(Code::Cloud002);
            let ours = match anchor {
                Anchor::Pin(pin) => Some(*pin),
                Anchor::Root(root) => pin_of(root),
            };
            if let (Some(ours), Some(theirs)) = (ours, answer.roots.last().and_then(pin_of)) {
                problem.detail.push_str(&format!("; this device has the pin {ours}, the server's key is {theirs}"));
            }
            problem
        }
        _ => Problem::of(Code::Cloud002).because(error),
    };
    if let Some(seen) = client.seen() {
        problem
            .detail
            .push_str(&format!("; the server showed a certificate of {}, issued by {}", seen.subject, seen.issuer));
    }
    problem
}

fn pin_of(root: &PublicJwk) -> Option<Pin> {
    match root {
        PublicJwk::Ed25519 { x } => Some(Pin::of(x.as_bytes())),
        PublicJwk::P256 { .. } => None,
    }
}
