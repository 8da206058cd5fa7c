//! The audit log: who did what to whom, in chains that cannot be rewritten unnoticed.
//!
//! Owns the event, its canonical form, its hash, and how a chain continues. A chain belongs to one writer process; only that writer
//! appends, in the commit of what the event reports. Must not know how events are stored.

pub mod export;
pub mod log;
pub mod verify;

use std::collections::BTreeMap;
use std::fmt;

use latchkey_wire::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value as JsonValue;

use crate::id::{OrgId, new_id};
use crate::table::record;
use crate::time::Timestamp;
use crate::value::Json;

const DOMAIN: &[u8] = b"latchkey-audit-v1";

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// What kind of somebody.
    pub kind: ActorKind,
    /// Which one: a name or an id.
    pub id: String,
    /// From which address, where one is known.
    pub address: Option<String>,
}

impl Actor {
    /// The product itself: clean-up, the brake of a token.
    #[must_use]
    pub fn system() -> Self {
        Self { kind: ActorKind::System, id: "latchkey".to_owned(), address: None }
    }
}

/// The kinds of actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A program with an API client's secret or key.
    ApiClient,
    /// A device, or who claims to be one.
    Device,
    /// Root or the server's own user, over the Unix socket.
    Operator,
    /// The product itself.
    System,
    /// A person.
    User,
}

impl fmt::Display for ActorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ApiClient => "api_client",
            Self::Device => "device",
            Self::Operator => "operator",
            Self::System => "system",
            Self::User => "user",
        })
    }
}

/// An event before the writer gives it its place in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Who.
    pub actor: Actor,
    /// What, `noun.verb`.
    pub action: &'static str,
    /// To what: its id.
    pub target: String,
    /// Whether it was refused, with the code and the reference that was given out.
    pub refusal: Option<(String, String)>,
    /// Whatever else is worth keeping. No secrets.
    pub details: BTreeMap<&'static str, JsonValue>,
}

impl NewEvent {
    /// An event that succeeded.
    #[must_use]
    pub fn new(actor: &Actor, action: &'static str, target: impl Into<String>) -> Self {
        Self { actor: actor.clone(), action, target: target.into(), refusal: None, details: BTreeMap::new() }
    }

    /// It was refused.
    #[must_use]
    pub fn refused(mut self, code: impl Into<String>, reference: impl Into<String>) -> Self {
        self.refusal = Some((code.into(), reference.into()));
        self
    }

    /// With this detail.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).expect("details are plain values");
        self.details.insert(name, value);
        self
    }
}

record! {
    /// An event in its chain.
    pub struct AuditEvent in "audit_event" key ["org", "chain", "seq"] {
        /// The chain: one writer process's.
        pub chain: String,
        /// Its place in the chain, from 1.
        pub seq: u64,
        /// The event's own id; sorts by time.
        pub id: String,
        /// The hash of the event before it; zeros for the first.
        pub prev_hash: Bytes<32>,
        /// Its own hash.
        pub hash: Bytes<32>,
        /// When.
        pub at: Timestamp,
        /// What kind of somebody acted.
        pub actor_kind: String,
        /// Who.
        pub actor: String,
        /// From which address.
        pub address: Option<String>,
        /// What, `noun.verb`.
        pub action: String,
        /// To what.
        pub target: String,
        /// `ok` or `refused`.
        pub outcome: String,
        /// The refusal's code.
        pub code: Option<String>,
        /// The reference that was given out with the refusal.
        pub reference: Option<String>,
        /// Whatever else.
        pub details: Json<BTreeMap<String, JsonValue>>,
    }
}

record! {
    /// A chain and its head, written with every commit that appends to it.
    pub struct AuditChain in "audit_chain" key ["org", "chain"] {
        /// The chain.
        pub chain: String,
        /// How many events it has.
        pub events: u64,
        /// The hash of the last.
        pub head_hash: Bytes<32>,
        /// When it began.
        pub opened_at: Timestamp,
    }
}

record! {
    /// A signed statement of all chains' heads.
    pub struct Checkpoint in "checkpoint" key ["org", "seq"] {
        /// Its number, from 1.
        pub seq: u64,
        /// When.
        pub at: Timestamp,
        /// The statement: canonical JSON, as it was signed.
        pub body: String,
        /// The audit key's Ed25519 signature over the body's bytes.
        pub signature: Bytes<64>,
        /// The thumbprint of the audit key.
        pub key: String,
    }
}

/// Where a chain stands: what the next event continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The chain.
    pub chain: String,
    /// The last event's number; 0 when there is none yet.
    pub seq: u64,
    /// The last event's hash.
    pub hash: Bytes<32>,
    /// When the chain began.
    pub opened_at: Timestamp,
}

impl Head {
    /// A new chain.
    #[must_use]
    pub fn open(now: Timestamp) -> Self {
        Self { chain: new_id(now), seq: 0, hash: Bytes([0; 32]), opened_at: now }
    }

    /// Gives an event its place and moves on.
    #[must_use]
    pub fn append(&mut self, org: &OrgId, at: Timestamp, event: NewEvent) -> AuditEvent {
        let NewEvent { actor, action, target, refusal, details } = event;
        let (code, reference) = refusal.unzip();
        let mut event = AuditEvent {
            org: org.clone(),
            chain: self.chain.clone(),
            seq: self.seq + 1,
            id: new_id(at),
            prev_hash: self.hash,
            hash: Bytes([0; 32]),
            at,
            actor_kind: actor.kind.to_string(),
            actor: actor.id,
            address: actor.address,
            action: action.to_owned(),
            target,
            outcome: if code.is_some() { "refused" } else { "ok" }.to_owned(),
            code,
            reference,
            details: Json(details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        };
        event.hash = event.computed_hash();
        self.seq = event.seq;
        self.hash = event.hash;
        event
    }

    /// The row that keeps this head.
    #[must_use]
    pub fn row(&self, org: &OrgId) -> AuditChain {
        AuditChain {
            org: org.clone(),
            chain: self.chain.clone(),
            events: self.seq,
            head_hash: self.hash,
            opened_at: self.opened_at,
        }
    }
}

impl AuditEvent {
    /// What is hashed and exported: one JSON object without its hash, members sorted by name, no white space.
    #[must_use]
    pub fn canonical(&self) -> BTreeMap<&'static str, JsonValue> {
        let mut members = BTreeMap::from([
            ("org", JsonValue::from(self.org.as_str())),
            ("chain", self.chain.as_str().into()),
            ("seq", self.seq.into()),
            ("id", self.id.as_str().into()),
            ("prev_hash", self.prev_hash.to_string().into()),
            ("at", self.at.to_string().into()),
            ("actor_kind", self.actor_kind.as_str().into()),
            ("actor", self.actor.as_str().into()),
            ("action", self.action.as_str().into()),
            ("target", self.target.as_str().into()),
            ("outcome", self.outcome.as_str().into()),
        ]);
        for (name, value) in [("address", &self.address), ("code", &self.code), ("ref", &self.reference)] {
            if let Some(value) = value {
                members.insert(name, value.as_str().into());
            }
        }
        if !self.details.is_empty() {
            members.insert("details", self.details.iter().map(|(n, v)| (n.clone(), sorted(v))).collect());
        }
        members
    }

    /// `SHA-256("latchkey-audit-v1" ‖ canonical event)`.
    #[must_use]
    pub fn computed_hash(&self) -> Bytes<32> {
        let mut bytes = DOMAIN.to_vec();
        serde_json::to_writer(&mut bytes, &self.canonical()).expect("writing JSON into memory cannot fail");
        latchkey_wire::bytes::sha256(&bytes)
    }

    /// Whether the event follows this head and was not altered.
    #[must_use]
    pub fn follows(&self, head: &Head) -> bool {
        self.chain == head.chain
            && self.seq == head.seq + 1
            && self.prev_hash == head.hash
            && self.hash == self.computed_hash()
    }
}

/// The value with the members of every object sorted by name, whatever order the JSON library keeps.
fn sorted(value: &JsonValue) -> JsonValue {
    match value {
        JsonValue::Object(members) => {
            let members: BTreeMap<_, _> = members.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            members.into_iter().collect()
        }
        JsonValue::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: &'static str) -> NewEvent {
        NewEvent::new(&Actor::system(), action, "t").with("n", 1)
    }

    #[test]
    fn a_chain_holds_and_an_altered_event_breaks_it() {
        let (org, at) = (OrgId::cloud(), Timestamp::from_millis(1_000));
        let mut head = Head::open(at);
        let start = head.clone();
        let first = head.append(&org, at, event("token.create"));
        let second = head.append(&org, at, event("token.revoke").refused("LK-X", "ref"));
        assert!(first.follows(&start));
        let after_first = Head { chain: first.chain.clone(), seq: 1, hash: first.hash, opened_at: at };
        assert!(second.follows(&after_first));
        for altered in [
            AuditEvent { target: "u".into(), ..second.clone() },
            AuditEvent { outcome: "ok".into(), ..second.clone() },
            AuditEvent { org: "other".parse().unwrap(), ..second.clone() },
            AuditEvent { seq: 3, ..second.clone() },
            AuditEvent { details: Json(BTreeMap::new()), ..second.clone() },
        ] {
            assert!(!altered.follows(&after_first));
        }
    }
}
