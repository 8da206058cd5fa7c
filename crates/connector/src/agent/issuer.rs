//! The issuer's side of a silent sign-in: challenge, proof, answer.
//!
//! Owns the two requests to the issuer, its cookie (in memory only), and the one retry that a lost epoch or an old challenge
//! deserves.

use std::collections::BTreeMap;
use std::rc::Rc;

use latchkey_wire::calls::{AGENT_HEADER, BINDING_COOKIE, ChallengeAnswer, FinishAnswer, ProofRequest, RefusalAnswer};
use latchkey_wire::{Bytes, Code, epoch};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::device::unsigned_problem;
use crate::http::{Answer, Ask, Client, origin};
use crate::problem::{Local, Problem, Result};
use crate::proof::Signed;

const MAX: u64 = 256 * 1024;

/// Whoever holds the keys: this process for a private state directory, else the system service.
pub trait Prover {
    /// Whether an address is one of the cloud's public ones.
    fn is_issuer(&self, url: &Url) -> bool;

    /// A client that trusts the issuer as the document says.
    ///
    /// # Errors
    /// Not enrolled.
    fn client(&self) -> Result<Rc<Client>>;

    /// Checks and signs.
    ///
    /// # Errors
    /// As [`crate::proof::sign`].
    fn prove(&self, challenge: &str, origin: &str, cb: Bytes<32>, txn: &str) -> Result<Signed>;

    /// The server says what only a renewal, or a look at our state, can settle.
    ///
    /// # Errors
    /// As a renewal or heartbeat.
    fn settle(&self, code: Code) -> Result<()>;
}

/// The issuer's answer for the service.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) destination: Url,
    response: String,
    relay_state: Option<String>,
}

impl Delivery {
    pub(super) fn encode(&self) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("SAMLResponse", &self.response);
        if let Some(relay_state) = &self.relay_state {
            form.append_pair("RelayState", relay_state);
        }
        form.finish()
    }
}

pub(super) enum Next {
    Deliver(Delivery),
    Redirect(Url),
}

pub(super) struct Finished {
    pub(super) next: Next,
    pub(super) signed: Option<Signed>,
    /// Why what is delivered holds no assertion: the service is told as well, and nobody is signed in.
    pub(super) refused: Option<Problem>,
}

pub(super) struct Issuer<'a> {
    prover: &'a dyn Prover,
    cookies: BTreeMap<String, String>,
    status: u16,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Challenge(ChallengeAnswer),
    Answer(FinishAnswer),
}

impl<'a> Issuer<'a> {
    pub(super) fn new(prover: &'a dyn Prover) -> Self {
        Issuer { prover, cookies: BTreeMap::new(), status: 0 }
    }

    pub(super) fn is_at(&self, url: &Url) -> bool {
        self.prover.is_issuer(url)
    }

    /// The cloud may have moved: looks at its document again, and then whether this is one of its addresses.
    pub(super) fn is_at_after_all(&self, url: &Url) -> bool {
        self.prover.settle(Code::Conn011).is_ok() && self.is_at(url)
    }

    /// The reason why no address is the issuer's.
    pub(super) fn not_enrolled(&self) -> Option<Problem> {
        self.prover.client().err()
    }

    pub(super) fn last_status(&self) -> u16 {
        self.status
    }

    /// From an AuthnRequest to the answer for the service.
    pub(super) fn ask(&mut self, method: &'static str, url: &Url, form: Option<&str>) -> Result<Finished> {
        let first = self.once(method, url, form);
        let refused = match &first {
            Ok(finished) => finished.refused.as_ref(),
            Err(problem) => Some(problem),
        };
        match refused.and_then(Problem::known) {
            Some(code @ (Code::Proof021 | Code::Proof010 | Code::Nonce001 | Code::Conn010 | Code::Conn011)) => {
                self.prover.settle(code)?;
                self.once(method, url, form)
            }
            // What the server says of our state is learned properly, signed, before we report it; and with what we know then it may
            // go better, or the reason is told better.
            Some(code @ (Code::Proof022 | Code::Device410 | Code::Device404)) if self.prover.settle(code).is_ok() => {
                self.once(method, url, form)
            }
            _ => first,
        }
    }

    fn once(&mut self, method: &'static str, url: &Url, form: Option<&str>) -> Result<Finished> {
        let body = form.map(|f| ("application/x-www-form-urlencoded", f.as_bytes().to_vec()));
        let answer = self.send(method, url, body)?;
        if let Some(target) = redirect(url, &answer) {
            return Ok(Finished { next: Next::Redirect(target), signed: None, refused: None });
        }
        match understand(url, &answer)? {
            // Without a proof nobody is signed in, whatever is delivered.
            Said::Answer(answer) => {
                let unasked =
                    || Problem::of(Code::Proof014).because("the service was told that no silent sign-in is possible");
                let refused = Some(answer.refused.as_ref().map_or_else(unasked, refusal));
                Ok(Finished { next: Next::Deliver(delivery(answer)?), signed: None, refused })
            }
            Said::Challenge(ChallengeAnswer { txn, challenge }) => {
                let cookie = self.cookies.get(BINDING_COOKIE).cloned().ok_or_else(|| Problem::of(Code::Proof011))?;
                let cb = epoch::cookie_binding(&cookie);
                let signed = self.prover.prove(&challenge, &origin(url), cb, &txn)?;
                self.finish(url, &txn, signed)
            }
        }
    }

    fn finish(&mut self, sso: &Url, txn: &str, signed: Signed) -> Result<Finished> {
        // `…/o/{org}/saml/sso` → `…/o/{org}/signin/finish`, on the same origin.
        let mut url = sso.clone();
        let base = sso.path().split("/saml/").next().unwrap_or_default().to_owned();
        url.set_path(&format!("{base}/signin/finish"));
        url.set_query(None);
        let body = json!(ProofRequest { txn: txn.to_owned(), proof: signed.proof.clone() }).to_string().into_bytes();
        let answer = self.send("POST", &url, Some(("application/json", body)))?;
        match understand(&url, &answer)? {
            Said::Answer(answer) => {
                let refused = answer.refused.as_ref().map(refusal);
                Ok(Finished { next: Next::Deliver(delivery(answer)?), signed: Some(signed), refused })
            }
            Said::Challenge(_) => Err(Problem::of(Code::Proof010)),
        }
    }

    fn send(&mut self, method: &'static str, url: &Url, body: Option<(&str, Vec<u8>)>) -> Result<Answer> {
        let mut headers = vec![(AGENT_HEADER.0, AGENT_HEADER.1.to_owned()), ("Accept", "application/json".to_owned())];
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
            headers.push(("Cookie", pairs.join("; ")));
        }
        let body = body.map(|(content_type, bytes)| {
            headers.push(("Content-Type", content_type.to_owned()));
            headers.push(("Origin", origin(url)));
            bytes
        });
        let answer = self.prover.client()?.send(&Ask { method, url, headers, body, limit: MAX })?;
        self.status = answer.status;
        for header in answer.all("set-cookie") {
            if let Some((name, value)) = header.split(';').next().and_then(|c| c.split_once('=')) {
                self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
        Ok(answer)
    }
}

fn redirect(from: &Url, answer: &Answer) -> Option<Url> {
    let is_redirect = matches!(answer.status, 302 | 303 | 307 | 308);
    answer.header("location").filter(|_| is_redirect).and_then(|l| from.join(l).ok()).filter(|target| {
        // Only to ourselves: the issuer has no reason to send an agent anywhere else.
        target.origin() == from.origin()
    })
}

fn understand(url: &Url, answer: &Answer) -> Result<Said> {
    if answer.status != 200 {
        return Err(unsigned_problem(answer));
    }
    serde_json::from_slice(&answer.body).map_err(|_| {
        Problem::local(
            Local::BadAnswer,
            format!("{} does not answer as an issuer does", origin(url)),
            "check that the server is a Latchkey of a matching version",
        )
    })
}

/// Why the issuer tells the service that there is no assertion.
fn refusal(said: &RefusalAnswer) -> Problem {
    let mut problem = Problem::said(&said.code);
    problem.detail.clone_from(&said.detail);
    problem.fix.clone_from(&said.fix);
    problem.reference.clone_from(&said.reference);
    problem
}

fn delivery(answer: FinishAnswer) -> Result<Delivery> {
    let target = Url::parse(&answer.destination).ok().filter(|u| matches!(u.scheme(), "http" | "https"));
    let Some(destination) = target else {
        return Err(Problem::local(
            Local::BadAnswer,
            "the issuer names a destination that is no address",
            "correct the service's metadata",
        ));
    };
    Ok(Delivery { destination, response: answer.saml_response, relay_state: answer.relay_state })
}
