//! Looking whether what the store holds can be used: for `latchkey check`, and after a restore.
//!
//! Owns which sealed values must open and the quick look at the audit chains' ends (`audit` has the slow one, event by event). Changes
//! nothing. Must not know how the store was opened.

use crate::audit::{AuditChain, AuditEvent};
use crate::query::Filter;
use crate::records::Key;
use crate::scope::{Org, across};
use crate::store::Tx;
use crate::time::Timestamp;
use crate::values::KeyState;
use crate::{Directory, Error, Result, keys};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// How many private keys open with the master key.
    pub keys: u64,
    /// Those that do not: use and id.
    pub sealed_keys: Vec<String>,
    /// How many audit chains end as they should.
    pub chains: u64,
    /// Those that do not, and how.
    pub broken_chains: Vec<String>,
    /// When the newest audit event was written.
    pub newest_event: Option<Timestamp>,
}

impl Directory {
    /// Looks at every key and the end of every audit chain.
    pub async fn inspect(&self) -> Result<Inspection> {
        let master = std::sync::Arc::clone(self.master());
        self.read::<_, Error>(move |tx| {
            let mut found = Inspection::default();
            for key in across::<Key, _>(tx, Key::state.eq(&KeyState::Retired).negate())? {
                match keys::open(&master, &key) {
                    Ok(_) => found.keys += 1,
                    Err(_) => found.sealed_keys.push(format!("{} {}", key.usage, key.id)),
                }
            }
            for chain in across::<AuditChain, _>(tx, Filter::all())? {
                let last: Option<AuditEvent> = Org::of(tx, &chain.org)
                    .one(AuditEvent::chain.eq(&chain.chain).and(AuditEvent::seq.eq(&chain.events)))?;
                found.newest_event = found.newest_event.max(last.as_ref().map(|last| last.at));
                match end_of(tx, &chain, last)? {
                    None => found.chains += 1,
                    Some(wrong) => found.broken_chains.push(format!("chain {} of {}: {wrong}", chain.chain, chain.org)),
                }
            }
            Ok(found)
        })
        .await
    }
}

/// What is wrong with the end of a chain.
fn end_of<T: Tx + ?Sized>(tx: &mut T, chain: &AuditChain, last: Option<AuditEvent>) -> Result<Option<String>> {
    let of_it = AuditEvent::chain.eq(&chain.chain);
    let mut ours = Org::of(tx, &chain.org);
    let there = ours.count::<AuditEvent>(of_it)?;
    if there != chain.events {
        return Ok(Some(format!("{there} events where its head says {}", chain.events)));
    }
    let fits = last.is_some_and(|last| last.hash == chain.head_hash && last.computed_hash() == last.hash);
    Ok((!fits).then(|| format!("event {} is not the one its head names", chain.events)))
}
