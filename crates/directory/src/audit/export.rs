//! An exported audit log (JSON lines), read back and checked by itself.
//!
//! Owns that every line is an event as it was exported, and that the events of each chain follow each other without a gap. Must not know
//! what is done with them.

use std::collections::BTreeMap;

use latchkey_wire::Bytes;
use serde_json::{Map, Value as JsonValue};

use super::{DOMAIN, sorted};
use crate::id::OrgId;
use crate::time::Timestamp;

/// One exported event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedEvent {
    /// The organization.
    pub org: OrgId,
    /// The chain.
    pub chain: String,
    /// Its place in the chain.
    pub seq: u64,
    /// The hash of the event before it.
    pub prev_hash: Bytes<32>,
    /// Its own hash.
    pub hash: Bytes<32>,
    /// Its id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// What, `noun.verb`.
    pub action: String,
    /// To what.
    pub target: String,
    /// Whether it was refused.
    pub refused: bool,
    /// Whatever else.
    pub details: Map<String, JsonValue>,
}

impl ExportedEvent {
    /// The event of one line; why it is none otherwise.
    pub fn parse(line: &str) -> Result<Self, &'static str> {
        let mut value: JsonValue = serde_json::from_str(line).map_err(|_| "it is not JSON")?;
        let members = value.as_object_mut().ok_or("it is not a JSON object")?;
        let hash = members.remove("hash").ok_or("it has no hash")?;
        let hash: Bytes<32> = hash.as_str().and_then(|text| text.parse().ok()).ok_or("its hash is none")?;
        let bytes = [DOMAIN, sorted(&value).to_string().as_bytes()].concat();
        if latchkey_wire::bytes::sha256(&bytes) != hash {
            return Err("it was altered after it was exported");
        }
        let text = |name: &str| value.get(name).and_then(JsonValue::as_str);
        let event = (|| {
            Some(Self {
                org: text("org")?.parse().ok()?,
                chain: text("chain")?.to_owned(),
                seq: value.get("seq")?.as_u64()?,
                prev_hash: text("prev_hash")?.parse().ok()?,
                hash,
                id: text("id")?.to_owned(),
                at: text("at")?.parse().ok()?,
                action: text("action")?.to_owned(),
                target: text("target")?.to_owned(),
                refused: text("outcome")? != "ok",
                details: value.get("details").and_then(JsonValue::as_object).cloned().unwrap_or_default(),
            })
        })();
        event.ok_or("it is not an audit event")
    }
}

/// The events of one or more exports, chain by chain, each in order and without a gap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Export {
    /// By organization and chain.
    pub chains: BTreeMap<(OrgId, String), Vec<ExportedEvent>>,
}

impl Export {
    /// Takes in the lines of a file; the reason says which line or chain is not usable.
    pub fn add(&mut self, lines: &str) -> Result<(), String> {
        for (number, line) in (1..).zip(lines.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let event = ExportedEvent::parse(line).map_err(|why| format!("line {number}: {why}"))?;
            self.chains.entry((event.org.clone(), event.chain.clone())).or_default().push(event);
        }
        for ((org, chain), events) in &mut self.chains {
            events.sort_by_key(|event| event.seq);
            events.dedup_by(|a, b| a.hash == b.hash);
            for pair in events.windows(2) {
                if pair[1].seq != pair[0].seq + 1 || pair[1].prev_hash != pair[0].hash {
                    return Err(format!("chain {chain} of {org}: an event is missing after number {}", pair[0].seq));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::log::EventView;
    use super::super::{Actor, Head, NewEvent};
    use super::*;

    fn lines(n: usize) -> Vec<String> {
        let (org, at) = (OrgId::cloud(), Timestamp::from_millis(1_000));
        let mut head = Head::open(at);
        let new = |i| NewEvent::new(&Actor::system(), "device.suspend", format!("d{i}")).with("b", 1).with("a", [1]);
        (0..n).map(|i| serde_json::to_string(&EventView::from(&head.append(&org, at, new(i)))).unwrap()).collect()
    }

    #[test]
    fn an_export_is_read_back_in_any_order_and_twice() {
        let lines = lines(5);
        let mut export = Export::default();
        export.add(&format!("{}\n{}\n\n{}", lines[3], lines[2], lines[4])).unwrap();
        export.add(&lines.join("\n")).unwrap();
        let events: Vec<_> = export.chains.values().flatten().map(|event| event.target.as_str()).collect();
        assert_eq!(events, ["d0", "d1", "d2", "d3", "d4"]);
    }

    #[test]
    fn an_altered_line_and_a_gap_are_refused() {
        let lines = lines(4);
        let altered = lines[1].replace("\"d1\"", "\"d9\"");
        assert!(
            Export::default().add(&format!("{}\n{altered}", lines[0])).unwrap_err().starts_with("line 2: it was alt")
        );
        assert!(Export::default().add(&format!("{}\n{}", lines[0], lines[2])).unwrap_err().contains("missing after"));
        for junk in ["{}", "[1]", "x", r#"{"hash":"AA"}"#] {
            assert!(Export::default().add(junk).unwrap_err().starts_with("line 1: "), "{junk}");
        }
    }
}
