//! The audit log: search, one event, a reference explained, export, and whether the chains hold.
//!
//! Owns the search form and how an event is shown. Must not know how events are kept.

mod export;
mod one;

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_directory::Timestamp;
use latchkey_directory::audit::log::{EventFilter, EventView};
use latchkey_directory::audit::verify::Verdict;
use latchkey_directory::values::{Module, Scope};
use serde_json::Value;

use super::super::doors::{Doors, Needs};
use super::super::fields::{Asked, Paging};
use super::super::page::{self, MASK, Page};
use super::super::visit::Visit;
use crate::app::App;
use crate::explained::{self, Explanation};
use crate::problem::{Problem, Result};

/// Where the search is.
const LIST: &str = "/admin/audit";

pub(super) fn doors(doors: Doors) -> Doors {
    let read = Needs::Right(Scope::AuditRead);
    let doors = doors
        .page(read, LIST, list)
        .page(read, "/admin/audit/explain", explain)
        .page(read, "/admin/audit/verify", before_verify)
        .action(read, "/admin/audit/verify", verify);
    one::doors(export::doors(doors))
}

/// An event, for people.
#[derive(Debug, Clone)]
struct Event {
    id: String,
    at: String,
    actor: String,
    actor_kind: String,
    address: String,
    action: String,
    target: String,
    outcome: String,
    code: String,
    reference: String,
}

impl Event {
    fn of(view: &EventView, masked: bool) -> Self {
        let text = |name: &str| view.event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let hidden = |name: &str| if masked && !text(name).is_empty() { MASK.to_owned() } else { text(name) };
        // A program and the product itself are no persons.
        let person = matches!(text("actor_kind").as_str(), "user" | "device");
        Self {
            id: text("id"),
            at: text("at"),
            actor: if person { hidden("actor") } else { text("actor") },
            actor_kind: text("actor_kind"),
            address: hidden("address"),
            action: text("action"),
            target: text("target"),
            outcome: text("outcome"),
            code: text("code"),
            reference: text("ref"),
        }
    }

    /// To the second, UTC.
    fn when(&self) -> String {
        self.at.get(..19).map_or_else(|| self.at.clone(), |at| at.replace('T', " "))
    }
}

/// A moment as a form sends it: a day, a day and a time, or RFC 3339. Without a zone it is UTC.
fn moment(text: &str, end: bool) -> Option<Timestamp> {
    let tail = if end { "T23:59:59.999Z" } else { "T00:00:00Z" };
    let forms = [text.to_owned(), format!("{text}Z"), format!("{text}:00Z"), format!("{text}{tail}")];
    forms.iter().find_map(|form| form.parse().ok())
}

/// What was asked for, and which fields of it mean nothing.
fn filter(asked: &Asked) -> (EventFilter, Option<Problem>) {
    let mut problem = None;
    let mut time = |name: &str, end: bool| {
        let text = asked.text(name)?;
        let found = moment(text, end);
        if found.is_none() {
            let code = latchkey_wire::Code::Api010;
            let so_far = problem.take().unwrap_or_else(|| Problem::of(code).detail("a time cannot be read"));
            let detail = format!("{text:?} is no time: write it like 2026-11-24 or 2026-11-24T20:00");
            problem = Some(so_far.field(format!("/{name}"), code, detail));
        }
        found
    };
    let (since, until) = (time("since", false), time("until", true));
    let outcome = asked.many("outcome").into_iter().filter(|word| matches!(word.as_str(), "ok" | "refused")).collect();
    let filter = EventFilter {
        since,
        until,
        actor: asked.words("actor"),
        action: asked.words("action"),
        target: asked.words("target"),
        outcome,
        reference: asked.words("ref"),
    };
    (filter, problem)
}

#[derive(Template)]
#[template(path = "identity/audit.html")]
struct ListPage {
    page: Page,
    events: Vec<Event>,
    filtered: bool,
    since: String,
    until: String,
    actor: String,
    action: String,
    target: String,
    outcome: String,
    /// The export of what is shown, without and with the format.
    export: String,
    may_export: bool,
    paging: Paging,
    cli: String,
    api: String,
}

async fn list(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let (mut filter, wrong) = filter(&asked);
    if visit.rights.is_masked(Module::Audit) {
        // Whoever may not read names must not find out by asking for them.
        filter.actor.clear();
        filter.target.clear();
    }
    let mut page = visit.page("audit.title");
    let found = match wrong {
        Some(problem) => {
            page = page.refused(problem)?;
            None
        }
        None => Some(app.directory.audit_events(&visit.org, filter, asked.page_request()).await?),
    };
    let masked = visit.rights.is_masked(Module::Audit);
    let (path, text) = (visit.at(LIST), |name: &str| asked.text(name).unwrap_or_default().to_owned());
    let query = asked.with_after("", None);
    let joint = if query.is_empty() { '?' } else { '&' };
    let status = page.status();
    let (items, next) = found.map(|found| (found.items, found.next)).unwrap_or_default();
    Ok(page::show_as(
        status,
        &ListPage {
            page,
            events: items.iter().map(|view| Event::of(view, masked)).collect(),
            filtered: ["since", "until", "actor", "action", "target", "outcome", "ref"]
                .iter()
                .any(|name| asked.text(name).is_some()),
            since: text("since"),
            until: text("until"),
            actor: text("actor"),
            action: text("action"),
            target: text("target"),
            outcome: text("outcome"),
            export: format!("{}{query}{joint}", visit.at("/admin/audit/export")),
            may_export: !masked,
            paging: asked.paging(&path, next.as_ref()),
            cli: "latchkey audit list --since 7d --outcome refused".to_owned(),
            api: format!("GET /api/v1{}/audit-events?outcome=refused", visit.at("")),
        },
    ))
}

#[derive(Template)]
#[template(path = "identity/audit_explain.html")]
struct ExplainPage {
    page: Page,
    what: String,
    found: Option<Explanation>,
    cli: String,
    api: String,
}

async fn explain(visit: Visit, State(app): State<Arc<App>>, asked: Asked) -> Result<Response> {
    let what = asked.text("what").unwrap_or_default().to_owned();
    let mut page = visit.page("audit.explain.title");
    let mut found = None;
    if !what.is_empty() {
        match explained::explain(&app, &visit.org, None, &what).await {
            Ok(explanation) => found = Some(explanation),
            // Nothing under it is an answer to the question, not a page that is missing.
            Err(problem) if problem.status() == http::StatusCode::NOT_FOUND => {
                let again = Problem::of(latchkey_wire::Code::Api010).detail(problem.words()).fix(problem.way_out());
                page = page.refused(again)?;
            }
            Err(problem) => return Err(problem),
        }
    }
    if visit.rights.is_masked(Module::Audit)
        && let Some(found) = &mut found
    {
        for value in [&mut found.subject, &mut found.detail, &mut found.network].into_iter().flatten() {
            MASK.clone_into(value);
        }
    }
    let shown = if what.is_empty() { "CODE|REF" } else { &what };
    let (cli, api) = (format!("latchkey explain {shown}"), format!("GET /api/v1{}/explain/{shown}", visit.at("")));
    Ok(page::show(&ExplainPage { page, found, cli, api, what }))
}

#[derive(Template)]
#[template(path = "identity/audit_verify.html")]
struct VerifyPage {
    page: Page,
    verdict: Option<Verdict>,
    api: String,
}

fn verify_page(visit: &Visit, verdict: Option<Verdict>) -> Response {
    let api = format!("GET /api/v1{}/audit-events/verify", visit.at(""));
    page::show(&VerifyPage { page: visit.page("audit.verify.title"), verdict, api })
}

async fn before_verify(visit: Visit) -> Result<Response> {
    Ok(verify_page(&visit, None))
}

/// Reads the whole log, so it is done when somebody asks for it by a button.
async fn verify(visit: Visit, State(app): State<Arc<App>>) -> Result<Response> {
    let keys = app.audit_keys().await?;
    let verdict = app.directory.verify_audit(&visit.org, &keys, None).await?;
    Ok(verify_page(&visit, Some(verdict)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_people_write_it() {
        let at = |text: &str| text.parse::<Timestamp>().ok();
        assert_eq!(moment("2026-11-24", false), at("2026-11-24T00:00:00Z"));
        assert_eq!(moment("2026-11-24", true), at("2026-11-24T23:59:59.999Z"));
        assert_eq!(moment("2026-11-24T20:00", false), at("2026-11-24T20:00:00Z"));
        assert_eq!(moment("2026-11-24T20:00:05+01:00", true), at("2026-11-24T19:00:05Z"));
        assert_eq!(moment("yesterday", false), None);
    }
}
