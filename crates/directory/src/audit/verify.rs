//! Checkpoints, and checking the whole log against itself, them, and an earlier export.
//!
//! Owns what a checkpoint says and every way in which a log can be found altered: an event that does not follow the one before, a chain
//! that is shorter than its head, a head that a signed checkpoint knows otherwise, an exported event that is gone. Must not know where a
//! checkpoint is sent besides the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use latchkey_wire::{Bytes, Ed25519Key, PublicJwk, Sign as _, Verify as _};
use serde::Serialize;
use serde_json::{Value as JsonValue, json};
use utoipa::ToSchema;

use super::{AuditChain, AuditEvent, Checkpoint, Head, sorted};
use crate::id::OrgId;
use crate::query::{Direction, Filter};
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};
use crate::time::Timestamp;
use crate::{Directory, Error, Result};

/// So many events are read at a time: a log of millions is never in memory, nor does it hold a reader for long.
const AT_ONCE: u64 = 2_000;

/// The verdict on one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChainVerdict {
    /// The chain.
    pub chain: String,
    /// How many events were found in order.
    pub events: u64,
    /// The hash of the last of them.
    pub head_hash: String,
    /// The first event that is missing or altered.
    pub first_bad_seq: Option<u64>,
}

/// The verdict on an earlier export.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct AgainstVerdict {
    /// How many events the export has.
    pub events: u64,
    /// How many of them the log no longer has.
    pub missing: u64,
    /// How many of them the log has otherwise.
    pub different: u64,
    /// How many lines are no event, or were altered after they were exported.
    pub unusable: u64,
    /// Some of the events at fault, as `chain/seq`.
    pub sample: Vec<String>,
}

/// The verdict on a whole log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Verdict {
    /// Nothing was found.
    pub ok: bool,
    /// How many events were checked.
    pub events: u64,
    /// Chain by chain.
    pub chains: Vec<ChainVerdict>,
    /// How many checkpoints were checked.
    pub checkpoints: u64,
    /// The first checkpoint that is missing, altered, or knows a chain otherwise.
    pub first_bad_checkpoint: Option<u64>,
    /// The verdict on the export, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<AgainstVerdict>,
}

/// The key that signs checkpoints, with every one that ever did.
#[derive(Clone)]
pub struct AuditKeys {
    /// Signs.
    pub current: Arc<Ed25519Key>,
    /// Verifies, retired ones included.
    pub all: Vec<PublicJwk>,
}

impl Directory {
    /// Writes a checkpoint if something happened since the last one. Answers its body, to be sent to the process log as well.
    pub async fn checkpoint(&self, org: &OrgId, keys: &AuditKeys) -> Result<Option<String>> {
        let (org, key) = (org.clone(), Arc::clone(&keys.current));
        let incarnation = Bytes(self.facts().incarnation).to_string();
        self.write(move |tx| write_checkpoint(tx, &org, &key, &incarnation)).await
    }

    /// When the newest checkpoint of any organization was made: the clock cannot be before it.
    pub async fn newest_checkpoint(&self) -> Result<Option<Timestamp>> {
        Ok(self.read::<_, StoreError>(|tx| crate::clock::newest_checkpoint(tx)).await?)
    }

    /// Checks an organization's whole log, and an earlier export (JSON lines) against it.
    pub async fn verify_audit(&self, org: &OrgId, keys: &AuditKeys, against: Option<&str>) -> Result<Verdict> {
        let of = org.clone();
        let (heads, checkpoints) = self
            .read::<_, Error>(move |tx| {
                let mut ours = Org::of(tx, &of);
                Ok((ours.find::<AuditChain>(Filter::all())?, ours.find::<Checkpoint>(Filter::all())?))
            })
            .await?;
        let mut stated = Stated::read(&checkpoints, &keys.all);
        let mut exported = against.map(Exported::read);
        let mut chains = Vec::with_capacity(heads.len());
        for head in heads {
            chains.push(self.verify_chain(org, head, &mut stated, exported.as_mut()).await?);
        }
        let first_bad_checkpoint = stated.first_bad();
        let against = exported.map(Exported::verdict);
        let whole = chains.iter().all(|chain| chain.first_bad_seq.is_none());
        let same = against.as_ref().is_none_or(|a| a.missing + a.different + a.unusable == 0);
        Ok(Verdict {
            ok: whole && same && first_bad_checkpoint.is_none(),
            events: chains.iter().map(|chain| chain.events).sum(),
            chains,
            checkpoints: checkpoints.len() as u64,
            first_bad_checkpoint,
            against,
        })
    }

    async fn verify_chain(
        &self,
        org: &OrgId,
        stored: AuditChain,
        stated: &mut Stated,
        mut exported: Option<&mut Exported>,
    ) -> Result<ChainVerdict> {
        let mut head = Head { chain: stored.chain, seq: 0, hash: Bytes([0; 32]), opened_at: stored.opened_at };
        let mut bad = None;
        'chain: while head.seq < stored.events {
            let (of, chain, from) = (org.clone(), head.chain.clone(), head.seq + 1);
            let events = self
                .read::<_, StoreError>(move |tx| {
                    let filter = AuditEvent::chain.eq(&chain).and(AuditEvent::seq.at_least(&from));
                    let order = vec![("seq", Direction::Ascending)];
                    Org::of(tx, &of).select::<AuditEvent>(filter, order, Some(AT_ONCE))
                })
                .await?;
            if events.is_empty() {
                bad = Some(head.seq + 1);
                break;
            }
            for event in events {
                if event.org != *org || !event.follows(&head) {
                    bad = Some(head.seq + 1);
                    break 'chain;
                }
                (head.seq, head.hash) = (event.seq, event.hash);
                stated.seen(&head);
                if let Some(exported) = exported.as_deref_mut() {
                    exported.seen(&head);
                }
                if head.seq == stored.events {
                    break; // what came since the heads were read is for the next time
                }
            }
        }
        if bad.is_none() && head.hash != stored.head_hash {
            bad = Some(head.seq.max(1));
        }
        Ok(ChainVerdict { chain: head.chain, events: head.seq, head_hash: head.hash.to_string(), first_bad_seq: bad })
    }
}

fn write_checkpoint(tx: &mut dyn WriteTx, org: &OrgId, key: &Ed25519Key, incarnation: &str) -> Result<Option<String>> {
    let now = tx.now();
    let mut ours = Org::of(tx, org);
    let chains: Vec<AuditChain> = ours.find(Filter::all())?;
    let last: Option<Checkpoint> =
        ours.select(Filter::all(), vec![("seq", Direction::Descending)], Some(1))?.into_iter().next();
    let heads: JsonValue = chains
        .iter()
        .map(|c| json!({"chain": c.chain, "events": c.events, "head_hash": c.head_hash.to_string()}))
        .collect();
    let prev = match &last {
        None => Bytes([0; 32]),
        Some(last) => {
            let body: JsonValue = serde_json::from_str(&last.body).unwrap_or_default();
            if body["chains"] == heads {
                return Ok(None);
            }
            latchkey_wire::bytes::sha256(last.body.as_bytes())
        }
    };
    if chains.is_empty() {
        return Ok(None);
    }
    let seq = last.map_or(1, |last| last.seq + 1);
    let body = json!({
        "at": now.to_string(), "chains": heads, "incarnation": incarnation, "org": org.as_str(), "prev": prev.to_string(),
        "seq": seq,
    });
    let body = sorted(&body).to_string();
    let signature = key.sign(body.as_bytes()).map_err(|e| Error::Internal(e.to_string()))?;
    let row = Checkpoint {
        org: org.clone(),
        seq,
        at: now,
        body: body.clone(),
        signature: Bytes(signature),
        key: key.public().thumbprint().to_string(),
    };
    // Another node was first: its checkpoint says the same.
    Ok(ours.insert(&row)?.is_ok().then_some(body))
}

/// What signed checkpoints say, and which of them the log bears out.
struct Stated {
    /// (chain, events) → head hash as stated, and the checkpoints that state it.
    open: BTreeMap<(String, u64), Vec<(String, u64)>>,
    bad: Vec<u64>,
}

impl Stated {
    fn read(checkpoints: &[Checkpoint], keys: &[PublicJwk]) -> Self {
        let mut stated = Self { open: BTreeMap::new(), bad: Vec::new() };
        let mut prev = Bytes([0; 32]);
        for (expected, checkpoint) in (1..).zip(checkpoints) {
            let key = keys.iter().find(|key| key.thumbprint().to_string() == checkpoint.key);
            let signed = key.is_some_and(|key| key.verify(checkpoint.body.as_bytes(), &checkpoint.signature.0).is_ok());
            let body: JsonValue = serde_json::from_str(&checkpoint.body).unwrap_or_default();
            let fits = checkpoint.seq == expected
                && body["seq"] == expected
                && body["org"] == checkpoint.org.as_str()
                && body["prev"] == prev.to_string();
            if !signed || !fits {
                stated.bad.push(expected);
            }
            prev = latchkey_wire::bytes::sha256(checkpoint.body.as_bytes());
            for head in body["chains"].as_array().into_iter().flatten() {
                let (Some(chain), Some(events)) = (head["chain"].as_str(), head["events"].as_u64()) else { continue };
                let hash = head["head_hash"].as_str().unwrap_or_default().to_owned();
                stated.open.entry((chain.to_owned(), events)).or_default().push((hash, checkpoint.seq));
            }
        }
        stated
    }

    fn seen(&mut self, head: &Head) {
        if self.open.is_empty() {
            return;
        }
        let key = (head.chain.clone(), head.seq);
        if let Some(statements) = self.open.remove(&key) {
            let hash = head.hash.to_string();
            self.bad.extend(statements.iter().filter(|(stated, _)| *stated != hash).map(|(_, seq)| *seq));
        }
    }

    /// What no event bore out is of a log that was cut short.
    fn first_bad(self) -> Option<u64> {
        let unmet = self.open.into_values().flatten().map(|(_, seq)| seq);
        self.bad.into_iter().chain(unmet).min()
    }
}

/// An earlier export, event by event.
struct Exported {
    open: BTreeMap<(String, u64), String>,
    verdict: AgainstVerdict,
}

impl Exported {
    const SAMPLE: usize = 20;

    fn read(lines: &str) -> Self {
        let mut exported = Self { open: BTreeMap::new(), verdict: AgainstVerdict::default() };
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            exported.verdict.events += 1;
            match Self::event(line) {
                Some((key, hash)) => {
                    exported.open.insert(key, hash);
                }
                None => exported.verdict.unusable += 1,
            }
        }
        exported
    }

    /// The event's place and hash, if the line is as it was exported.
    fn event(line: &str) -> Option<((String, u64), String)> {
        let mut value: JsonValue = serde_json::from_str(line).ok()?;
        let members = value.as_object_mut()?;
        let hash = members.remove("hash")?.as_str()?.to_owned();
        let place = (members.get("chain")?.as_str()?.to_owned(), members.get("seq")?.as_u64()?);
        let bytes = [super::DOMAIN, sorted(&value).to_string().as_bytes()].concat();
        (latchkey_wire::bytes::sha256(&bytes).to_string() == hash).then_some((place, hash))
    }

    fn seen(&mut self, head: &Head) {
        if let Some(hash) = self.open.remove(&(head.chain.clone(), head.seq))
            && hash != head.hash.to_string()
        {
            self.verdict.different += 1;
            self.sample(&head.chain, head.seq);
        }
    }

    fn sample(&mut self, chain: &str, seq: u64) {
        if self.verdict.sample.len() < Self::SAMPLE {
            self.verdict.sample.push(format!("{chain}/{seq}"));
        }
    }

    fn verdict(mut self) -> AgainstVerdict {
        let open = std::mem::take(&mut self.open);
        self.verdict.missing = open.len() as u64;
        for (chain, seq) in open.keys().take(Self::SAMPLE) {
            self.sample(chain, *seq);
        }
        self.verdict
    }
}
