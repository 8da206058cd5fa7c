//! The audit log as a file: JSON lines, which `latchkey audit verify --against` reads, or CSV.
//!
//! Owns the stream: a page of events is in memory at a time, however long the log is. Must not know who reads it.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use futures_util::stream::try_unfold;
use latchkey_directory::OrgId;
use latchkey_directory::audit::log::{EventFilter, EventView};
use latchkey_directory::page::{Cursor, PageRequest};
use latchkey_directory::values::{Module, Scope};

use super::super::super::doors::{Doors, Needs};
use super::super::super::fields::Asked;
use super::super::super::page;
use super::super::super::visit::Visit;
use super::filter;
use crate::app::App;
use crate::audit_csv;
use crate::code::Own;
use crate::problem::{Problem, Result};

/// So many events are read at a time.
const AT_ONCE: u64 = 1_000;

pub(super) fn doors(doors: Doors) -> Doors {
    doors.page(Needs::Right(Scope::AuditRead), "/admin/audit/export", export)
}

/// Where the export stands.
struct Standing {
    app: Arc<App>,
    org: OrgId,
    filter: EventFilter,
    csv: bool,
    next: Next,
}

enum Next {
    Head,
    After(Option<Cursor>),
    End,
}

async fn export(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    if visit.rights.is_masked(Module::Audit) {
        return Err(Problem::of(Own::Auth002)
            .detail("Your role sees the audit log with names and addresses hidden; a file of it would be of no use.")
            .fix("Ask an administrator of your organization for a role that sees the audit log whole."));
    }
    let (filter, wrong) = filter(&asked);
    if let Some(problem) = wrong {
        return Err(problem);
    }
    let csv = asked.text("format") == Some("csv");
    let next = if csv { Next::Head } else { Next::After(None) };
    let (name, kind) =
        if csv { ("audit.csv", "text/csv; charset=utf-8") } else { ("audit.jsonl", "application/jsonl") };
    let standing = Standing { app, org: visit.org.clone(), filter, csv, next };
    let stream = try_unfold(standing, |mut standing| async move {
        Ok::<_, io::Error>(standing.more().await?.map(|bytes| (bytes, standing)))
    });
    Ok(page::download(name, kind, Body::from_stream(stream)))
}

impl Standing {
    async fn more(&mut self) -> io::Result<Option<Bytes>> {
        let after = match std::mem::replace(&mut self.next, Next::End) {
            Next::Head => {
                self.next = Next::After(None);
                return Ok(Some(audit_csv::head().into()));
            }
            Next::After(after) => after,
            Next::End => return Ok(None),
        };
        let request = PageRequest { limit: AT_ONCE, after, ..PageRequest::default() };
        // A file that breaks off is seen to be broken; one that ends early would not be.
        let found = self.app.directory.audit_events(&self.org, self.filter.clone(), request).await;
        let found = found.map_err(io::Error::other)?;
        if let Some(next) = found.next {
            self.next = Next::After(Some(next));
        }
        let mut bytes = Vec::with_capacity(found.items.len() * 512);
        for event in &found.items {
            self.write(event, &mut bytes)?;
        }
        Ok(Some(bytes.into()))
    }

    fn write(&self, event: &EventView, bytes: &mut Vec<u8>) -> io::Result<()> {
        if !self.csv {
            serde_json::to_writer(&mut *bytes, event)?;
            bytes.push(b'\n');
            return Ok(());
        }
        let hash = serde_json::Value::from(event.hash.as_str());
        let member = |name: &str| if name == "hash" { Some(&hash) } else { event.event.get(name) };
        bytes.extend(audit_csv::line(member));
        Ok(())
    }
}
