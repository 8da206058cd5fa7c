//! Reading the audit log: pages of events, references, and the register of assertions.
//!
//! Owns what callers see of an event. Must not know how the log is checked (`verify`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value as JsonValue;
use utoipa::ToSchema;

use super::AuditEvent;
use crate::id::{OrgId, ids_from};
use crate::page::{Page, PageRequest};
use crate::query::Filter;
use crate::records::{RefusalCount, Service, Session};
use crate::scope::Org;
use crate::store::Tx;
use crate::table::Col;
use crate::time::Timestamp;
use crate::walk::{Place, Stream, Walk};
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

/// Nearly all events there are. They have one index, by time; the indexes by actor, action and target leave them out.
const SIGN_IN: &str = "signin.saml";

/// A clock that was set back makes ids of a later time than its events': so much later is looked for.
const SET_BACK: Duration = Duration::from_secs(600);

impl EventFilter {
    /// A page: each index that serves, and the sign-ins that fit as far as they are looked through.
    fn page<T: Tx + ?Sized>(&self, org: &mut Org<'_, T>, request: &PageRequest) -> Result<Page<AuditEvent>> {
        let streams = self.streams();
        Walk::newest(AuditEvent::id.name, streams).page(org, request, |row: &AuditEvent, _| Place::id(row.id.clone()))
    }

    fn streams(&self) -> Vec<Stream> {
        let fields =
            [(AuditEvent::target, &self.target), (AuditEvent::actor, &self.actor), (AuditEvent::action, &self.action)];
        let refused = !self.outcome.is_empty() && self.outcome.iter().all(|outcome| outcome == "refused");
        let among = |field: Option<Col<String>>| self.rest(field.map(|field| field.name), refused);
        // Ids begin with the time.
        let begin = self.until.map(|until| AuditEvent::id.below(&ids_from(until.plus(SET_BACK))));
        let end = self.since.map(|since| AuditEvent::id.at_least(&ids_from(since)));
        let stream =
            |filter: Filter, rest: &Filter| Stream::of(filter).within(begin.clone(), end.clone()).looking_at(rest);
        if !self.reference.is_empty() {
            let references: BTreeSet<&String> = self.reference.iter().collect();
            let rest = self.rest(None, false);
            return references.into_iter().map(|r| stream(AuditEvent::reference.is(r), &rest)).collect();
        }
        if refused {
            return vec![stream(Filter::Fixed(AuditEvent::outcome.name, true, "refused"), &among(None))];
        }
        let Some((field, values)) = fields.into_iter().find(|(_, values)| !values.is_empty()) else {
            return vec![stream(Filter::all(), &among(None))];
        };
        let values: BTreeSet<&String> = values.iter().collect();
        let rest = among(Some(field));
        let others = Filter::Fixed(AuditEvent::action.name, false, SIGN_IN);
        let mut streams = Vec::new();
        for value in values.iter().filter(|value| field.name != AuditEvent::action.name || value.as_str() != SIGN_IN) {
            streams.push(stream(field.eq(value).and(others.clone()), &rest));
        }
        if self.action.is_empty() || self.action.iter().any(|action| action == SIGN_IN) {
            let sign_ins = AuditEvent::action.eq(&SIGN_IN.to_owned()).and(self.rest(None, false));
            streams.push(stream(Filter::all(), &sign_ins));
        }
        streams
    }

    /// What is looked at event by event, but for what the index answers.
    fn rest(&self, answered: Option<&'static str>, refused: bool) -> Filter {
        let mut all = Vec::new();
        all.extend(self.since.map(|since| AuditEvent::at.at_least(&since)));
        all.extend(self.until.map(|until| AuditEvent::at.below(&until.plus(Duration::from_millis(1)))));
        for (column, list) in [
            (AuditEvent::actor, &self.actor),
            (AuditEvent::action, &self.action),
            (AuditEvent::target, &self.target),
            (AuditEvent::outcome, &self.outcome),
        ] {
            let by_index = answered == Some(column.name) || (refused && column.name == AuditEvent::outcome.name);
            if !list.is_empty() && !by_index {
                all.push(column.one_of(list));
            }
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
            let found = filter.page(&mut Org::of(tx, &org), &request)?;
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
