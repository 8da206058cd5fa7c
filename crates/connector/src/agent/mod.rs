//! `sign-in URL`: carries SAML between a service and the issuer, with the caller's rights and no browser
//! (protocol.md, Agent 1 to 5).
//!
//! Owns the way: at most 20 hops, never from https to http, forms only to the issuer's origin and to the destination that the
//! issuer names. Must not know keys: a [`Prover`] signs. The issuer's cookies never reach the jar.

pub mod form;
mod issuer;
pub mod jar;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use url::Url;

use crate::http::{Answer, Ask, Client, origin};
use crate::problem::{Local, Problem, Result};
use form::read_page;
pub use issuer::Prover;
use issuer::{Delivery, Issuer};
use jar::Jar;

/// At most so many requests.
const MAX_HOPS: usize = 20;

/// Largest page, bytes.
const MAX_PAGE: u64 = 8 * 1024 * 1024;

/// What was asked for.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The page wanted.
    pub url: Url,
    /// `--cookie-jar`.
    pub jar: Option<PathBuf>,
    /// `--timeout`, all in all.
    pub timeout: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// The contract of cli.md, complete also after a failure.
    pub answer: Value,
    /// The final page; empty if none was reached.
    pub page: Vec<u8>,
    /// Why it was not reached.
    pub problem: Option<Problem>,
}

struct Hop {
    method: &'static str,
    url: Url,
    status: u16,
    ms: u128,
}

/// What to ask next.
enum Step {
    Get(Url),
    /// To the issuer, with `SAMLRequest`.
    PostRequest(Url, String),
    /// To the service, with the issuer's answer; once.
    Deliver(Delivery),
}

impl Step {
    fn url(&self) -> &Url {
        match self {
            Step::Get(url) | Step::PostRequest(url, _) => url,
            Step::Deliver(delivery) => &delivery.destination,
        }
    }
}

struct Walk<'a> {
    web: &'a Client,
    wanted: Url,
    issuer: Issuer<'a>,
    jar: Jar,
    hops: Vec<Hop>,
    delivered: bool,
    /// Why the issuer gave the service no assertion.
    refused: Option<Problem>,
    service: Option<String>,
    login_name: Option<String>,
    level: Option<u8>,
    final_url: Url,
    status: Option<u16>,
    page: Vec<u8>,
    started: Instant,
    deadline: Instant,
}

/// Walks from the wanted page to the wanted page.
///
/// # Errors
/// Only what concerns the caller's own files; everything that happens on the way is in the [`Outcome`].
pub fn sign_in(wanted: &SignIn, web: &Client, prover: &dyn Prover) -> Result<Outcome> {
    let jar = match &wanted.jar {
        Some(path) => Jar::read(path)?,
        None => Jar::default(),
    };
    let started = Instant::now();
    let mut walk = Walk {
        web,
        wanted: wanted.url.clone(),
        issuer: Issuer::new(prover),
        jar,
        hops: Vec::new(),
        delivered: false,
        refused: None,
        service: None,
        login_name: None,
        level: None,
        final_url: wanted.url.clone(),
        status: None,
        page: Vec::new(),
        started,
        deadline: started + wanted.timeout,
    };
    let stopped = walk.walk(Step::Get(wanted.url.clone())).err();
    // Whatever the service makes of a refusal, a page, an error or the next question: it is the refusal that explains it.
    let problem = walk.refused.take().or(stopped);
    if let Some(path) = &wanted.jar {
        walk.jar.write(path)?;
    }
    Ok(Outcome { answer: walk.answer(problem.is_none()), page: walk.page, problem })
}

impl Walk<'_> {
    fn walk(&mut self, first: Step) -> Result<()> {
        let mut step = first;
        loop {
            if self.hops.len() >= MAX_HOPS {
                return Err(stopped(
                    format!("{MAX_HOPS} requests did not reach the page; the last went to {}", bare(step.url())),
                    "look for a redirect loop at the service",
                ));
            }
            if Instant::now() > self.deadline {
                return Err(stopped("the time is up".to_owned(), "give more with --timeout"));
            }
            let to_issuer = self.issuer.is_at(step.url());
            let next = if to_issuer { self.at_issuer(step)? } else { self.at_service(step)? };
            match next {
                Some(next) => step = next,
                None => return Ok(()),
            }
        }
    }

    fn at_issuer(&mut self, step: Step) -> Result<Option<Step>> {
        if self.delivered {
            return Err(Problem::local(
                Local::ServiceRefused,
                "the service did not take our answer and asks again",
                "look at the service's log; `latchkey explain` on the server shows what was sent",
            ));
        }
        let (method, url, body) = match step {
            Step::Get(url) => ("GET", url, None),
            Step::PostRequest(url, body) => ("POST", url, Some(body)),
            Step::Deliver(delivery) => {
                return Err(stopped(
                    format!("the answer's destination is the issuer itself: {}", bare(&delivery.destination)),
                    "correct the service's consumer address",
                ));
            }
        };
        let before = Instant::now();
        let timing = |method, url: &Url, status, since: Instant| Hop {
            method,
            url: url.clone(),
            status,
            ms: since.elapsed().as_millis(),
        };
        let done = self.issuer.ask(method, &url, body.as_deref());
        let status = self.issuer.last_status();
        self.hops.push(timing(method, &url, status, before));
        self.final_url = url;
        self.status = Some(status);
        let finished = done?;
        if let Some(signed) = finished.signed {
            self.service = Some(signed.service);
            if finished.refused.is_none() {
                self.login_name = Some(signed.login_name);
                self.level = Some(signed.level);
            }
        }
        self.refused = finished.refused;
        Ok(Some(match finished.next {
            issuer::Next::Deliver(delivery) => Step::Deliver(delivery),
            issuer::Next::Redirect(url) => Step::Get(url),
        }))
    }

    fn at_service(&mut self, step: Step) -> Result<Option<Step>> {
        let (method, url, body) = match step {
            Step::Get(url) => ("GET", url, None),
            // `PostRequest` is only made for the issuer's origin.
            Step::PostRequest(url, _) => return Err(elsewhere(&url)),
            Step::Deliver(delivery) => {
                self.delivered = true;
                let body = delivery.encode();
                ("POST", delivery.destination, Some(body))
            }
        };
        let answer = self.ask_service(method, &url, body)?;
        self.final_url = url.clone();
        self.status = Some(answer.status);
        if matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
            return self.redirect(&url, method, &answer).map(Some);
        }
        if let Some(step) = self.request_form(&url, &answer)? {
            return Ok(Some(step));
        }
        self.page.clone_from(&answer.body);
        if (200..300).contains(&answer.status) {
            // A page of somebody else, such as another provider's sign-in form, is not the page that was asked for.
            if !self.delivered && url.origin() != self.wanted.origin() {
                return Err(stopped(
                    format!(
                        "the way ends at {}, not at the page's own service, and nobody asked our issuer",
                        bare(&url)
                    ),
                    "the service uses another identity provider; give it this organization's metadata",
                ));
            }
            return Ok(None);
        }
        let title = read_page(&String::from_utf8_lossy(&answer.body)).title;
        Err(Problem::local(
            Local::ServiceRefused,
            format!("{} answers {} {title:?}", bare(&url), answer.status),
            if self.delivered {
                "look at the service's log; `latchkey explain` on the server shows what was sent"
            } else {
                "check the address; the service gave no page before any sign-in"
            },
        ))
    }

    fn ask_service(&mut self, method: &'static str, url: &Url, body: Option<String>) -> Result<Answer> {
        let mut headers = vec![("Accept", "text/html,application/xhtml+xml,*/*;q=0.8".to_owned())];
        let now = crate::clock::wall();
        if let Some(cookies) = self.jar.header(url, now) {
            headers.push(("Cookie", cookies));
        }
        if body.is_some() {
            headers.push(("Content-Type", "application/x-www-form-urlencoded".to_owned()));
        }
        let before = Instant::now();
        let ask = Ask { method, url, headers, body: body.map(String::into_bytes), limit: MAX_PAGE };
        let answer = self.web.send(&ask);
        let status = answer.as_ref().map_or(0, |a| a.status);
        self.hops.push(Hop { method, url: url.clone(), status, ms: before.elapsed().as_millis() });
        self.final_url = url.clone();
        let answer = answer.map_err(|problem| {
            Problem::local(Local::ServiceRefused, format!("the service: {}", problem.detail), problem.fix)
        })?;
        for header in answer.all("set-cookie") {
            self.jar.take(url, header, now);
        }
        Ok(answer)
    }

    fn redirect(&self, from: &Url, method: &str, answer: &Answer) -> Result<Step> {
        let target = answer.header("location").and_then(|l| from.join(l).ok());
        let Some(target) = target.filter(|t| matches!(t.scheme(), "http" | "https")) else {
            return Err(stopped(
                format!("{} redirects to nowhere we go", bare(from)),
                "look at the service's Location header",
            ));
        };
        if method == "POST" && matches!(answer.status, 307 | 308) {
            return Err(stopped(
                format!("{} wants the form to be sent on to {}", bare(from), bare(&target)),
                "an answer goes only to the destination the issuer named; correct the consumer address",
            ));
        }
        if from.scheme() == "https" && target.scheme() == "http" {
            return Err(stopped(
                format!("the way leads from https to http: {}", bare(&target)),
                "let the service use https throughout",
            ));
        }
        let asks = target.query_pairs().any(|(name, _)| name == "SAMLRequest");
        if asks && !self.issuer.is_at(&target) && !self.issuer.is_at_after_all(&target) {
            return Err(self.elsewhere(&target));
        }
        Ok(Step::Get(target))
    }

    /// A request for an issuer that is not ours; without an enrollment no issuer is, and that is the reason to tell.
    fn elsewhere(&self, target: &Url) -> Problem {
        self.issuer.not_enrolled().unwrap_or_else(|| elsewhere(target))
    }

    /// A page that asks the browser to post a `SAMLRequest`.
    fn request_form(&self, url: &Url, answer: &Answer) -> Result<Option<Step>> {
        let is_html = answer.header("content-type").is_none_or(|t| t.contains("html"));
        if !is_html || self.delivered || !contains(&answer.body, b"SAMLRequest") {
            return Ok(None);
        }
        let page = read_page(&String::from_utf8_lossy(&answer.body));
        let Some(form) = page.forms.into_iter().find(|f| f.posts && f.field("SAMLRequest").is_some()) else {
            return Ok(None);
        };
        match form.target(url) {
            Some(target) if self.issuer.is_at(&target) || self.issuer.is_at_after_all(&target) => {
                Ok(Some(Step::PostRequest(target, form.encode())))
            }
            Some(target) => Err(self.elsewhere(&target)),
            None => Err(stopped("the form's action is no address".to_owned(), "correct the service")),
        }
    }

    fn answer(&self, good: bool) -> Value {
        let hops: Vec<Value> = self
            .hops
            .iter()
            .map(|h| {
                json!({"method": h.method, "url": bare(&h.url), "status": h.status,
                    "ms": u64::try_from(h.ms).unwrap_or(u64::MAX)})
            })
            .collect();
        json!({
            "reached": good,
            "session": good && !self.delivered,
            "service": self.service,
            "login_name": self.login_name,
            "level": self.level,
            "final_url": bare(&self.final_url),
            "http_status": self.status,
            "hops": hops,
            "ms": u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

/// An address without query values, user info and fragment.
fn bare(url: &Url) -> String {
    let names: Vec<String> = url.query_pairs().map(|(name, _)| format!("{name}=…")).collect();
    let query = if names.is_empty() { String::new() } else { format!("?{}", names.join("&")) };
    format!("{}{}{query}", origin(url), url.path())
}

fn elsewhere(target: &Url) -> Problem {
    stopped(
        format!("the service sends its request to {}, which is not our issuer", bare(target)),
        "the service uses another identity provider; give it this organization's metadata",
    )
}

fn stopped(detail: String, fix: &str) -> Problem {
    Problem::local(Local::Stopped, detail, fix)
}
