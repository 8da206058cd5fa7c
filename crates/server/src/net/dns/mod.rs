//! Whether a domain carries the record that its organization was told to set (lifecycle.md, domains).
//!
//! Owns the record, asking for it at the zone's own servers, and telling apart what the answers mean. Must not know organizations,
//! what a verified domain is good for, nor when it is asked again.

mod delegation;
mod exchange;

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use crate::code::Own;
pub use delegation::{Delegation, NoServers, SystemDelegation};
pub use exchange::NoAnswer;
use exchange::Patience;

/// The label in front of the domain.
pub const LABEL: &str = "_latchkey-challenge";

/// What the record's value begins with.
pub const PREFIX: &str = "latchkey-domain-verification=";

/// So many aliases are followed.
const MAX_ALIASES: usize = 4;

/// So many texts of so many bytes are reported of what was found instead.
const MAX_REPORTED: usize = 10;
const MAX_TEXT: usize = 300;

/// Names under which nothing can be shown to the public (RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 9476, ICANN's reserved ones),
/// and the documentation's own domains.
const UNVERIFIABLE: [&str; 22] = [
    "alt",
    "arpa",
    "corp",
    "example",
    "example.com",
    "example.net",
    "example.org",
    "home",
    "home.arpa",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "mail",
    "onion",
    "private",
    "test",
    "workgroup",
    "wpad",
];

/// The record that shows whose a domain is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name, `_latchkey-challenge.DOMAIN`.
    pub name: String,
    /// Its value; the type is TXT.
    pub value: String,
}

/// The record for this organization and domain. It follows from a secret of this cloud, so that nobody else's record, and no record for
/// another organization or domain, is ever good here.
#[must_use]
pub fn record(secret: &[u8; 32], org: &str, domain: &str) -> Record {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mut context = hmac::Context::with_key(&key);
    for part in ["latchkey-domain-v1", org, domain] {
        // Lengths stand in front, so that no two pairs give the same bytes.
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    // 160 bits, 32 characters that survive every form field.
    let text = BASE32_NOPAD.encode(&context.sign().as_ref()[..20]).to_ascii_lowercase();
    Record { name: format!("{LABEL}.{domain}"), value: format!("{PREFIX}{text}") }
}

/// What was learned about a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The record is there.
    Found {
        /// Who said so.
        server: SocketAddr,
    },
    /// A server in charge of the zone says that the record is not there: a miss.
    Missing {
        /// Who said so.
        server: SocketAddr,
        /// The texts that are there instead, the first few, cut to a few hundred bytes and freed of control characters.
        found: Vec<String>,
        /// Whether there is anything at that name.
        name_exists: bool,
    },
    /// Nobody in charge of the zone answered. Says nothing about the record: not a miss.
    NoAnswer(Silence),
    /// A name that cannot be verified by anyone. Nothing was asked.
    Unverifiable {
        /// The part of the name that makes it so.
        suffix: String,
    },
}

impl Verdict {
    /// What is wrong and in which words, for an administrator; `None` for a record that was found.
    #[must_use]
    pub fn complaint(&self, record: &Record) -> Option<(Own, String)> {
        match self {
            Self::Found { .. } => None,
            Self::Missing { server, found, .. } => {
                let found = match found.as_slice() {
                    [] => "nothing".to_owned(),
                    found => found.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", "),
                };
                Some((Own::Domain001, format!("at {} the server {server} has {found}", record.name)))
            }
            Self::NoAnswer(silence) => Some((Own::Domain002, silence.to_string())),
            Self::Unverifiable { suffix } => {
                Some((Own::Domain003, format!("nobody can verify a name under {suffix} by DNS")))
            }
        }
    }
}

/// Why nobody in charge answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// It is not known whom to ask.
    #[error("{0}")]
    NoServers(#[from] NoServers),
    /// All were asked.
    #[error("no server of the zone gave an answer that counts: {}", list(.0))]
    Servers(Vec<(SocketAddr, NoAnswer)>),
    /// An alias leads to an alias, and so on.
    #[error("more than {MAX_ALIASES} aliases (CNAME), one after the other")]
    Aliases,
}

fn list(servers: &[(SocketAddr, NoAnswer)]) -> String {
    servers.iter().map(|(server, why)| format!("{server}: {why}")).collect::<Vec<_>>().join("; ")
}

/// Asks for records.
pub struct DomainCheck {
    whom: Whom,
    patience: Patience,
}

enum Whom {
    /// The servers of the zone.
    Zone(Arc<dyn Delegation>),
    /// This one, whatever it is: the operator's word (`--dns-server`).
    Server(SocketAddr),
}

impl DomainCheck {
    /// With `--dns-server`, that server alone is asked for every name, may recurse, and its word counts as the zone's own. Without, the
    /// zone's own servers are found through the system's resolver.
    #[must_use]
    pub fn new(dns_server: Option<SocketAddr>) -> Self {
        let whom = dns_server.map_or_else(|| Whom::Zone(Arc::new(SystemDelegation)), Whom::Server);
        Self { whom, patience: Patience::default() }
    }

    /// Finds the servers of a zone in another way.
    #[must_use]
    pub fn with_delegation(delegation: Arc<dyn Delegation>) -> Self {
        Self { whom: Whom::Zone(delegation), patience: Patience::default() }
    }

    /// The part of the name that makes it one nobody can verify, if there is one. Nothing is asked.
    #[must_use]
    pub fn cannot_verify(&self, domain: &str) -> Option<String> {
        // The operator's own server may well serve an inner name.
        match self.whom {
            Whom::Zone(_) => unverifiable(domain),
            Whom::Server(_) => None,
        }
    }

    /// Whether the domain has the record now. `domain` is in lower case, as A-labels.
    pub async fn check(&self, domain: &str, record: &Record) -> Verdict {
        if let Some(suffix) = self.cannot_verify(domain) {
            return Verdict::Unverifiable { suffix };
        }
        let Some(mut name) = full_name(&record.name) else {
            return Verdict::Unverifiable { suffix: domain.to_owned() };
        };
        for _ in 0..=MAX_ALIASES {
            match self.ask_all(&name, &record.value).await {
                Ok(Step::Verdict(verdict)) => return verdict,
                Ok(Step::Alias(target)) => name = target,
                Err(silence) => return Verdict::NoAnswer(silence),
            }
        }
        Verdict::NoAnswer(Silence::Aliases)
    }

    /// Asks every server at once; the first that has the record decides. A server that has not been told of a change yet says no like
    /// any other, so a yes outweighs it.
    async fn ask_all(&self, name: &Name, value: &str) -> Result<Step, Silence> {
        let (servers, recurse) = match &self.whom {
            Whom::Server(server) => (vec![*server], true),
            Whom::Zone(delegation) => (delegation.servers_of(name).await?, false),
        };
        let patience = self.patience;
        let ask =
            |server| async move { (server, exchange::ask(server, name, RecordType::TXT, recurse, patience).await) };
        let mut answers: FuturesUnordered<_> = servers.into_iter().map(ask).collect();
        let (mut no, mut silent) = (None, Vec::new());
        while let Some((server, answer)) = answers.next().await {
            match answer.and_then(|answer| read(&answer, name, !recurse)) {
                Ok(Reading::Texts(texts)) if texts.iter().any(|text| text == value) => {
                    return Ok(Step::Verdict(Verdict::Found { server }));
                }
                Ok(Reading::Texts(found)) => {
                    let found = found.iter().take(MAX_REPORTED).map(|text| shown(text)).collect();
                    no = Some(Step::Verdict(Verdict::Missing { server, found, name_exists: true }));
                }
                Ok(Reading::Alias(target)) => no = Some(Step::Alias(target)),
                Ok(Reading::Nothing { name_exists }) if no.is_none() => {
                    no = Some(Step::Verdict(Verdict::Missing { server, found: Vec::new(), name_exists }));
                }
                Ok(Reading::Nothing { .. }) => {}
                Err(why) => silent.push((server, why)),
            }
        }
        no.ok_or(Silence::Servers(silent))
    }
}

enum Step {
    Verdict(Verdict),
    Alias(Name),
}

enum Reading {
    /// The texts at the name, each record's strings put together.
    Texts(Vec<String>),
    /// The name is an alias, and where it leads is not in the answer.
    Alias(Name),
    /// No text there.
    Nothing { name_exists: bool },
}

/// What an answer says about the name.
fn read(answer: &Message, name: &Name, from_the_zone: bool) -> Result<Reading, NoAnswer> {
    let code = answer.metadata.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Err(NoAnswer::Refused(code));
    }
    // One that is not in charge and does not find out for us either only points elsewhere.
    let found_out = !from_the_zone && answer.metadata.recursion_available;
    if !answer.metadata.authoritative && !found_out {
        return Err(NoAnswer::Lame);
    }
    let (mut at, mut is_alias) = (name, false);
    // An answer has at most so many aliases as records; the bound ends a circle.
    for _ in 0..=MAX_ALIASES {
        let next = answer.answers.iter().filter(|record| record.name == *at).find_map(|record| match &record.data {
            RData::CNAME(target) => Some(&target.0),
            _ => None,
        });
        let Some(next) = next else { break };
        (at, is_alias) = (next, true);
    }
    let texts: Vec<String> = answer
        .answers
        .iter()
        .filter(|record| record.name == *at)
        .filter_map(|record| match &record.data {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).trim().to_owned()),
            _ => None,
        })
        .collect();
    Ok(match texts {
        texts if !texts.is_empty() => Reading::Texts(texts),
        _ if is_alias => Reading::Alias(at.clone()),
        _ => Reading::Nothing { name_exists: code == ResponseCode::NoError },
    })
}

/// Somebody else's text, for a person to read.
fn shown(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    match clean.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean,
    }
}

/// The longest part of the name that makes it unverifiable.
fn unverifiable(domain: &str) -> Option<String> {
    if !domain.contains('.') {
        return Some(domain.to_owned());
    }
    UNVERIFIABLE
        .iter()
        .filter(|suffix| domain.strip_suffix(**suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
        .max_by_key(|suffix| suffix.len())
        .map(|suffix| (*suffix).to_owned())
}

fn full_name(name: &str) -> Option<Name> {
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    Some(name)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
