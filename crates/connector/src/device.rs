//! One conversation with the device interface: a nonce, a signed request, a signed answer.
//!
//! Owns verification of nonces, results and refusals, the learning of time, and the rule that an unsigned error changes
//! nothing but the time of the next attempt (protocol.md, Refusals).

use latchkey_wire::cloud::Accepted;
use latchkey_wire::code::AnyCode;
use latchkey_wire::message::{Common, DeviceResult, NonceMessage, Refusal, Version};
use latchkey_wire::state::Purpose;
use latchkey_wire::verify::{verify_refusal, verify_result, verify_statement};
use latchkey_wire::{Code, Sent, Thumbprint, WireError};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::cloud;
use crate::http::{Answer, Ask, Client};
use crate::problem::{Local, Problem, Result};
use crate::settings::Core;
use crate::state::Record;

/// Longest answer of the device interface, bytes.
const MAX: u64 = 128 * 1024;

/// An answer that is no result.
#[derive(Debug)]
pub struct Refused {
    /// For the caller and the person.
    pub problem: Problem,
    /// Present only if the cloud signed it for this very request; only then may it change state.
    pub signed: Option<Refusal>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Refused { problem, signed: None }
    }
}

/// A connection to the cloud that a record names.
pub struct Link {
    accepted: Accepted,
    client: Client,
    base: Url,
}

impl Link {
    /// Opens a link, fetching the document if there is none yet.
    ///
    /// # Errors
    /// As [`cloud::fetch`].
    pub fn open(core: &Core, record: &mut Record) -> Result<Self> {
        let accepted = if record.cloud.is_none() { cloud::fetch(core, record)? } else { record.accepted()? };
        Self::with(core, accepted)
    }

    fn with(core: &Core, accepted: Accepted) -> Result<Self> {
        let client = cloud::client(core, Some(&accepted))?;
        let base = cloud::primary(&accepted)?;
        Ok(Link { accepted, client, base })
    }

    /// Fetches the document anew, unless that was just done; the record is changed, not saved. Says whether there is news.
    ///
    /// # Errors
    /// As [`cloud::fetch`].
    pub fn refresh(&mut self, core: &Core, record: &mut Record) -> Result<bool> {
        let Some(accepted) = cloud::refetch(core, record)? else {
            return Ok(false);
        };
        *self = Self::with(core, accepted)?;
        Ok(true)
    }

    /// The document.
    #[must_use]
    pub fn accepted(&self) -> &Accepted {
        &self.accepted
    }

    /// The primary address as the document writes it.
    #[must_use]
    pub fn cloud_address(&self) -> &str {
        self.accepted.document().public_urls.first().map(String::as_str).unwrap_or_default()
    }

    /// The members all messages share.
    #[must_use]
    pub fn common(&self, nonce: String) -> Common {
        Common {
            v: Version,
            iss: self.accepted.iss().to_owned(),
            org: self.accepted.org().to_owned(),
            rk: self.accepted.root().thumbprint(),
            nonce,
            iat: crate::clock::wall(),
        }
    }

    /// Asks for a nonce, verifies it, learns the time, and follows a newer document.
    ///
    /// # Errors
    /// The server's refusal, or a nonce that is not from this cloud.
    pub fn nonce(
        &mut self,
        core: &Core,
        record: &mut Record,
        purpose: Purpose,
        thumbprint: Thumbprint,
        id: &str,
    ) -> Result<String> {
        let body = json!({"purpose": purpose, "thumbprint": thumbprint, "id": id});
        let mut refetched = false;
        loop {
            let answer = self.post("nonces", "application/json", body.to_string().into_bytes());
            let answer = match answer.and_then(|a| if a.status == 200 { Ok(a) } else { Err(unsigned_problem(&a)) }) {
                Ok(answer) => answer,
                // Addresses and TLS keys roll too, and somebody else may answer at an old address; where to go and whom to
                // trust there, the root-signed document says. Once.
                Err(problem) if problem.exit == 6 && !refetched => {
                    refetched = true;
                    if matches!(self.refresh(core, record), Ok(true)) {
                        continue;
                    }
                    return Err(problem);
                }
                Err(problem) => return Err(problem),
            };
            let text = member(&answer, "nonce")?;
            let verified = verify_statement::<NonceMessage>(&text, &self.accepted.document().challenge_keys);
            let nonce = match verified {
                Ok(nonce) => nonce,
                // The cloud's keys roll; the document says to which. Once.
                Err(e @ WireError::UnknownKey) if !refetched => {
                    refetched = true;
                    if !self.refresh(core, record)? {
                        return Err(impostor(&e));
                    }
                    continue;
                }
                Err(e) => return Err(impostor(&e)),
            };
            let (common, said) = (nonce.common(), nonce.body());
            let ours = common.iss == self.accepted.iss()
                && common.org == self.accepted.org()
                && said.purpose == purpose
                && said.thumbprint == thumbprint;
            if !ours {
                return Err(impostor(&WireError::NotOurs { member: "nonce" }));
            }
            if let Some(cloud) = record.cloud.as_mut().filter(|c| !c.fresh) {
                self.accepted.fresh_by(said.time).map_err(|e| Problem::of(Code::Cloud003).because(e))?;
                cloud.fresh = true;
            }
            record.clock.learn(said.time, &(core.monotonic)());
            record.last_contact_at = Some(said.time);
            if said.serial > self.accepted.known().serial && !refetched {
                // News about the cloud; if it cannot be had now, what we know still holds.
                let _ = self.refresh(core, record);
            }
            return Ok(common.nonce.clone());
        }
    }

    /// Posts a signed request and verifies the answer.
    ///
    /// # Errors
    /// [`Refused`], signed or not.
    pub fn call(
        &mut self,
        core: &Core,
        record: &mut Record,
        path: &str,
        sent: &Sent,
    ) -> std::result::Result<DeviceResult, Refused> {
        let answer = self.post(path, "application/jose+json", sent.body.clone())?;
        if !matches!(answer.status, 200 | 201) {
            return Err(self.refused(core, record, &answer, sent));
        }
        let text = member(&answer, "result")?;
        let mut result = verify_result(&text, sent, &self.accepted.document().challenge_keys);
        if matches!(result, Err(WireError::UnknownKey)) && self.refresh(core, record)? {
            result = verify_result(&text, sent, &self.accepted.document().challenge_keys);
        }
        let result = result.map_err(|e| impostor(&e))?.into_message().body;
        record.clock.learn(result.time, &(core.monotonic)());
        record.last_contact_at = Some(result.time);
        Ok(result)
    }

    fn refused(&self, core: &Core, record: &mut Record, answer: &Answer, sent: &Sent) -> Refused {
        let problem = unsigned_problem(answer);
        let document: ProblemDocument = serde_json::from_slice(&answer.body).unwrap_or_default();
        let signed = document
            .signed
            .and_then(|text| verify_refusal(&text, sent, &self.accepted.document().challenge_keys).ok())
            .map(|verified| verified.into_message().body);
        if let Some(refusal) = &signed {
            record.clock.learn(refusal.time, &(core.monotonic)());
            record.last_contact_at = Some(refusal.time);
        }
        Refused { problem, signed }
    }

    fn post(&self, path: &str, content_type: &str, body: Vec<u8>) -> Result<Answer> {
        let mut url = self.base.clone();
        url.set_path(&format!("/o/{}/device/v1/{path}", self.accepted.org()));
        self.client.send(&Ask {
            method: "POST",
            url: &url,
            headers: vec![("Content-Type", content_type.to_owned())],
            body: Some(body),
            limit: MAX,
        })
    }

    /// The client, for the issuer's own pages.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }
}

#[derive(Default, Deserialize)]
struct ProblemDocument {
    code: Option<AnyCode>,
    detail: Option<String>,
    title: Option<String>,
    fix: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    retry_after: Option<u64>,
    signed: Option<String>,
}

/// What an error answer says. Nothing of it is proven.
#[must_use]
pub fn unsigned_problem(answer: &Answer) -> Problem {
    let document: ProblemDocument = serde_json::from_slice(&answer.body).unwrap_or_default();
    let retry_after = document.retry_after.or_else(|| answer.header("retry-after").and_then(|v| v.trim().parse().ok()));
    let mut problem = match &document.code {
        Some(code) => Problem::said(code),
        None if matches!(answer.status, 429 | 502 | 503 | 504) => Problem::of(Code::Cloud503),
        None => Problem::local(
            Local::BadAnswer,
            format!("the server answers {} without a reason; a proxy may have answered in its place", answer.status),
            "check cloudName and proxies; `latchkey-connector doctor` tests the way",
        ),
    };
    if let Some(detail) = document.detail.or(document.title) {
        problem.detail = detail;
    }
    if let Some(fix) = document.fix {
        problem.fix = fix;
    }
    if let Some(reference) = document.reference {
        problem.reference = reference;
    }
    problem.status = Some(answer.status);
    problem.retry_after = retry_after;
    problem
}

fn member(answer: &Answer, name: &str) -> Result<String> {
    let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    value.get(name).and_then(|v| v.as_str()).map(str::to_owned).ok_or_else(|| {
        Problem::local(
            Local::BadAnswer,
            format!("the server's answer has no {name}"),
            "check that connector and server are of matching versions",
        )
    })
}

/// Something answered that is not the cloud we trust.
fn impostor(error: &WireError) -> Problem {
    Problem::of(Code::Cloud002).because(format!("the answer is not signed by this cloud ({error})"))
}
