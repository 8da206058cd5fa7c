//! Reading the audit log: pages of events, references, and the register of assertions.
//!
//! Owns what callers see of an event. Must not know how the log is checked (`verify`).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as JsonValue;
use utoipa::ToSchema;

use super::AuditEvent;
use crate::id::OrgId;
use crate::page::{Cursor, Page, PageRequest, page};
use crate::query::Filter;
use crate::records::{RefusalCount, Service, Session};
use crate::scope::Org;
use crate::time::Timestamp;
use crate::{Directory, Error, Result};

/// An event, as callers see it and as it is exported: with it anyone can compute its hash again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EventView {
    /// What was hashed.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub event: BTreeMap<&'static str, JsonValue>,
    /// The event's hash, base64url.
    pub hash: String,
}

impl From<&AuditEvent> for EventView {
    fn from(event: &AuditEvent) -> Self {
        Self { event: event.canonical(), hash: event.hash.to_string() }
    }
}

/// Which events. A repeated value is OR, different ones are AND.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
    /// By whom.
    pub actor: Vec<String>,
    /// What was done.
    pub action: Vec<String>,
    /// To what.
    pub target: Vec<String>,
    /// `ok` or `refused`.
    pub outcome: Vec<String>,
    /// Under this reference.
    pub reference: Vec<String>,
}

impl EventFilter {
    fn filter(self) -> Filter {
        let mut all = Vec::new();
        all.extend(self.since.map(|since| AuditEvent::at.at_least(&since)));
        all.extend(self.until.map(|until| AuditEvent::at.below(&until.plus(std::time::Duration::from_millis(1)))));
        let lists = [
            (AuditEvent::actor, self.actor),
            (AuditEvent::action, self.action),
            (AuditEvent::target, self.target),
            (AuditEvent::outcome, self.outcome),
        ];
        all.extend(lists.into_iter().filter(|(_, list)| !list.is_empty()).map(|(column, list)| column.one_of(&list)));
        if !self.reference.is_empty() {
            let references: Vec<_> = self.reference.into_iter().map(Some).collect();
            all.push(AuditEvent::reference.one_of(&references));
        }
        Filter::And(all)
    }
}

/// Whether we issued an assertion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AssertionView {
    /// Whether it is ours.
    pub issued: bool,
    /// When.
    #[schema(value_type = Option<String>)]
    pub at: Option<Timestamp>,
    /// For which service.
    pub service: Option<String>,
}

/// What is known under a reference that a refusal gave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: String,
    /// When the first of its kind came.
    pub at: Timestamp,
    /// What was tried, where an event says so.
    pub action: Option<String>,
    /// What it is about: a token, device or service.
    pub subject: String,
    /// The full reason.
    pub detail: String,
    /// How many times within its minute.
    pub count: u64,
    /// From which network.
    pub network: String,
}

impl Directory {
    /// A page of events, newest first.
    pub async fn audit_events(
        &self,
        org: &OrgId,
        filter: EventFilter,
        request: PageRequest,
    ) -> Result<Page<EventView>> {
        let org = org.clone();
        self.read(move |tx| {
            let place = |event: &AuditEvent| Cursor { at: event.at, id: event.id.clone() };
            let found =
                page(&mut Org::of(tx, &org), filter.filter(), AuditEvent::at, AuditEvent::id.name, &request, place)?;
            found.map(|event| Ok(EventView::from(&event)))
        })
        .await
    }

    /// One event by its id.
    pub async fn audit_event(&self, org: &OrgId, id: &str) -> Result<EventView> {
        let (org, id) = (org.clone(), id.to_owned());
        self.read(move |tx| {
            let event: Option<AuditEvent> = Org::of(tx, &org).one(AuditEvent::id.eq(&id))?;
            event.as_ref().map(EventView::from).ok_or_else(|| Error::not_found("event", id))
        })
        .await
    }

    /// Whether this organization issued an assertion with this id.
    pub async fn assertion(&self, org: &OrgId, id: &str) -> Result<AssertionView> {
        let (org, id) = (org.clone(), id.to_owned());
        self.read(move |tx| {
            let mut ours = Org::of(tx, &org);
            let Some(session) = ours.one::<Session>(Session::assertion_id.eq(&id))? else {
                return Ok(AssertionView { issued: false, at: None, service: None });
            };
            let service = ours.get::<Service>(&session.service_id)?.map_or(session.service_id, |service| service.name);
            Ok(AssertionView { issued: true, at: Some(session.created_at), service: Some(service) })
        })
        .await
    }

    /// What is known under a reference.
    pub async fn refusal_under(&self, org: &OrgId, reference: &str) -> Result<Refusal> {
        let (org, reference) = (org.clone(), reference.to_owned());
        self.read(move |tx| {
            let mut ours = Org::of(tx, &org);
            let counts: Vec<RefusalCount> = ours.find(RefusalCount::reference.eq(&reference))?;
            let events: Vec<AuditEvent> = ours.find(AuditEvent::reference.is(&reference))?;
            let event = events.into_iter().next();
            if let Some(row) = counts.into_iter().next() {
                return Ok(Refusal {
                    code: row.code,
                    at: row.at,
                    action: event.map(|event| event.action),
                    subject: row.subject,
                    detail: row.detail,
                    count: row.count,
                    network: row.network,
                });
            }
            let event = event.ok_or_else(|| Error::not_found("reference", reference))?;
            let detail = event.details.get("detail").and_then(JsonValue::as_str).unwrap_or_default().to_owned();
            Ok(Refusal {
                code: event.code.unwrap_or_default(),
                at: event.at,
                action: Some(event.action),
                subject: event.target,
                detail,
                count: 1,
                network: event.address.unwrap_or_default(),
            })
        })
        .await
    }
}
