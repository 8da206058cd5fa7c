//! `latchkey token watch`: a roll-out, live.
//!
//! Owns the reading of server-sent events and their form on a terminal. What is counted is the server's business.

use std::io::{IsTerminal as _, stdout};
use std::ops::ControlFlow;
use std::time::Duration;

use serde_json::Value;

use super::client::Ask;
use super::context::Context;
use super::show;
use crate::exit::Result;

/// One event may be so long; a server that sends more is not ours.
const MAX_EVENT: usize = 1024 * 1024;

/// A stream that ended is asked for again after so long.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows the stream at `path` until the person or the server ends it. An access token's end ends a stream, but not the watching.
///
/// # Errors
/// As the server or the connection says.
pub(crate) fn run(context: &Context, path: &str, once: bool) -> Result<()> {
    let client = context.client()?;
    let mut last = None;
    loop {
        let mut events = Events::default();
        client.stream(Some(context.org()?), Ask::get(path), None, &mut |chunk| {
            for event in events.take(chunk) {
                // A stream begins with what stands; that was shown already where it is not the first.
                if last.as_ref() != Some(&event) {
                    put(context, &event, once);
                    last = Some(event);
                }
                if once {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if once || !client.renews_access() {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
}

fn put(context: &Context, event: &Value, once: bool) {
    if context.output.json {
        context.output.document(event);
    } else if once {
        context.output.text(&page(event));
    } else if stdout().is_terminal() {
        // Home, clear to the end: one screen that stays current.
        context.output.text(&format!("\u{1b}[H\u{1b}[J{}", page(event)));
    } else {
        context.output.text(&format!("{}\n", line(event)));
    }
}

/// Pieces of a stream put together into events (WHATWG HTML, "Server-sent events": `data` fields up to an empty line).
#[derive(Default)]
struct Events {
    rest: Vec<u8>,
    data: String,
}

impl Events {
    fn take(&mut self, chunk: &[u8]) -> Vec<Value> {
        self.rest.extend_from_slice(chunk);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                events.extend(serde_json::from_str(&std::mem::take(&mut self.data)).ok());
            } else if let Some(data) = line.strip_prefix("data:") {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
        }
        if self.rest.len() + self.data.len() > MAX_EVENT {
            self.rest.clear();
            self.data.clear();
        }
        events
    }
}

/// The roll-out as one screen.
fn page(event: &Value) -> String {
    let mut rest = event.clone();
    let failures = rest.as_object_mut().and_then(|members| members.remove("failures")).unwrap_or_default();
    let mut text = String::new();
    if let Some(bar) = progress(event) {
        text.push_str(&bar);
    }
    text.push_str(&show::document(&rest));
    if let Some(failures) = failures.as_array().filter(|f| !f.is_empty()) {
        text.push('\n');
        let columns = [("COUNT", "count"), ("CODE", "code"), ("REASON", "reason"), ("FIX", "fix"), ("REF", "ref")];
        text.push_str(&show::table(&columns, failures));
    }
    text
}

fn progress(event: &Value) -> Option<String> {
    let expected = event["expect"].as_u64().filter(|n| *n > 0)?;
    let enrolled = event["enrolled"].as_u64()?;
    let share = enrolled.saturating_mul(100) / expected;
    let filled = usize::try_from(share.min(100) * 4 / 10).unwrap_or(0);
    Some(format!("[{}{}] {enrolled} of {expected}, {share} %\n\n", "#".repeat(filled), "-".repeat(40 - filled)))
}

/// The roll-out as one line of a log.
fn line(event: &Value) -> String {
    let Value::Object(members) = event else { return show::cell(Some(event)) };
    let parts: Vec<String> = members
        .iter()
        .filter(|(name, _)| *name != "failures")
        .map(|(name, value)| format!("{name}={}", show::cell(Some(value))))
        .collect();
    let mut text = parts.join(" ");
    for failure in event["failures"].as_array().into_iter().flatten() {
        text.push_str(&format!(" {}×{}", show::cell(failure.get("count")), show::cell(failure.get("code"))));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_come_in_any_pieces() {
        let stream =
            b": hello\n\nevent: state\ndata: {\"enrolled\":1,\r\ndata: \"pending\":2}\n\ndata: {\"enrolled\":2}\n\nda";
        for size in 1..stream.len() {
            let mut events = Events::default();
            let all: Vec<Value> = stream.chunks(size).flat_map(|chunk| events.take(chunk)).collect();
            assert_eq!(all, [json!({"enrolled": 1, "pending": 2}), json!({"enrolled": 2})], "{size}");
        }
    }

    #[test]
    fn an_endless_event_is_dropped() {
        let mut events = Events::default();
        for _ in 0..40 {
            assert!(events.take(&[b'x'; 65_536]).is_empty());
        }
        assert!(events.rest.len() <= MAX_EVENT);
    }

    #[test]
    fn a_screen_shows_progress_and_failures_with_their_fix() {
        let event = json!({"enrolled": 50, "expect": 200, "pending": 1, "failures": [{"count": 3, "code": "LK-ENROLL-022", "reason": "r", "fix": "latchkey policy set --jit", "ref": "x"}]});
        let text = page(&event);
        assert!(text.starts_with("[##########------------------------------] 50 of 200, 25 %\n"), "{text}");
        assert!(text.contains("3      LK-ENROLL-022  r       latchkey policy set --jit  x"), "{text}");
        assert_eq!(line(&event), "enrolled=50 expect=200 pending=1 3×LK-ENROLL-022");
    }
}
