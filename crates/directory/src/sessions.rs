//! Sessions at services: who is signed in where.
//!
//! Owns listing and ending them; who is signed out of all services is signed out of the portals too (`access`). Must not know how a session begins: that is the grant.

use serde::Serialize;
use utoipa::ToSchema;

use crate::access::end_browser_sessions;
use crate::access::records::BrowserSession;
use crate::audit::NewEvent;
use crate::device::state::{end_sessions, sessions_of};
use crate::id::OrgId;
use crate::intent::Intent;
use crate::page::{Cursor, Page, PageRequest, page};
use crate::query::Filter;
use crate::records::{Service, Session, User};
use crate::scope::Org;
use crate::store::Tx;
use crate::time::Timestamp;
use crate::{Directory, Error, Result};

/// A session, as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// The user's id.
    pub user_id: String,
    /// The user's login name.
    pub login_name: String,
    /// The device.
    pub device_id: Option<String>,
    /// The binding whose key proved it.
    pub binding_id: Option<String>,
    /// The service's name.
    pub service: String,
    /// By which way the proof came.
    pub channel: String,
    /// The assertion that the service got.
    pub assertion_id: String,
    /// The evidence level.
    pub level: u8,
    /// When it began.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
    /// When it was ended.
    #[schema(value_type = Option<String>)]
    pub ended_at: Option<Timestamp>,
    /// Why.
    pub ended_reason: Option<String>,
}

/// Which sessions. Values of one field are OR, fields are AND.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Of these users: ids or login names.
    pub user: Vec<String>,
    /// From these devices.
    pub device: Vec<String>,
    /// At these services: ids or names.
    pub service: Vec<String>,
}

impl SessionFilter {
    /// Whether it lets everything through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.user.is_empty() && self.device.is_empty() && self.service.is_empty()
    }

    /// The browser sessions that fit; none where a device or a service is asked for, since they have neither.
    fn of_browsers<T: Tx + ?Sized>(&self, ours: &mut Org<'_, T>) -> Result<Option<Filter>> {
        if !self.device.is_empty() || !self.service.is_empty() {
            return Ok(None);
        }
        Ok(Some(if self.user.is_empty() { Filter::all() } else { BrowserSession::user_id.one_of(&self.users(ours)?) }))
    }

    /// The ids of the users.
    fn users<T: Tx + ?Sized>(&self, ours: &mut Org<'_, T>) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for which in &self.user {
            let named = User::login_name.eq(&which.to_lowercase()).or(User::id.eq(which));
            ids.extend(ours.find::<User>(named)?.into_iter().map(|user| user.id));
        }
        Ok(ids)
    }

    /// Sessions that stand now and fit.
    fn filter<T: Tx + ?Sized>(&self, ours: &mut Org<'_, T>, now: Timestamp) -> Result<Filter> {
        let mut all = vec![Session::ended_at.is_null(), Session::expires_at.at_least(&now)];
        if !self.user.is_empty() {
            all.push(Session::user_id.one_of(&self.users(ours)?));
        }
        if !self.device.is_empty() {
            all.push(sessions_of(ours, &self.device)?);
        }
        if !self.service.is_empty() {
            let mut ids = Vec::new();
            for which in &self.service {
                let named = Service::name.eq(which).or(Service::id.eq(which));
                ids.extend(ours.find::<Service>(named)?.into_iter().map(|service| service.id));
            }
            all.push(Session::service_id.one_of(&ids));
        }
        Ok(Filter::And(all))
    }
}

fn view<T: Tx + ?Sized>(ours: &mut Org<'_, T>, row: Session) -> Result<SessionView> {
    let login_name = ours.get::<User>(&row.user_id)?.map_or_else(String::new, |user| user.login_name);
    let service = ours.get::<Service>(&row.service_id)?.map_or_else(|| row.service_id.clone(), |service| service.name);
    Ok(SessionView {
        id: row.id,
        user_id: row.user_id,
        login_name,
        device_id: row.device_id,
        binding_id: row.binding_id,
        service,
        channel: row.channel,
        assertion_id: row.assertion_id,
        level: row.level.number(),
        created_at: row.created_at,
        expires_at: row.expires_at,
        ended_at: row.ended_at,
        ended_reason: row.ended_reason,
    })
}

impl Directory {
    /// Sessions that stand, newest first.
    pub async fn sessions(
        &self,
        org: &OrgId,
        filter: SessionFilter,
        request: PageRequest,
    ) -> Result<Page<SessionView>> {
        let org = org.clone();
        self.read(move |tx| {
            let now = tx.now();
            let mut ours = Org::of(tx, &org);
            let filter = filter.filter(&mut ours, now)?;
            let place = |row: &Session| Cursor { at: row.created_at, id: row.id.clone() };
            let found = page(&mut ours, filter, Session::created_at, "id", &request, place)?;
            found.map(|row| view(&mut ours, row))
        })
        .await
    }

    /// One session, ended or not.
    pub async fn session(&self, org: &OrgId, id: &str) -> Result<SessionView> {
        let (org, id) = (org.clone(), id.to_owned());
        self.read(move |tx| {
            let mut ours = Org::of(tx, &org);
            let row = ours.get::<Session>(&id)?.ok_or_else(|| Error::not_found("session", id))?;
            view(&mut ours, row)
        })
        .await
    }

    /// Ends one session. One that is over stays as it is.
    pub async fn end_session(&self, intent: &Intent, org: &OrgId, id: &str) -> Result<SessionView> {
        let (org, id, intent) = (org.clone(), id.to_owned(), intent.clone());
        self.change(intent.dry_run, move |tx| {
            let row = Org::of(tx, &org).get::<Session>(&id)?.ok_or_else(|| Error::not_found("session", id.clone()))?;
            if end_sessions(tx, &org, Session::id.eq(&row.id), "administrator")? == 1 {
                tx.audit(&org, NewEvent::new(&intent.actor, "session.end", id.clone()));
            }
            let mut ours = Org::of(tx, &org);
            let row = ours.get::<Session>(&id)?.ok_or_else(|| Error::not_found("session", id.clone()))?;
            view(&mut ours, row)
        })
        .await
    }

    /// Ends the sessions that fit; an empty filter is all of them, so the caller must have been asked for that by name. Answers how many.
    pub async fn end_sessions(&self, intent: &Intent, org: &OrgId, filter: SessionFilter) -> Result<u64> {
        let (org, intent) = (org.clone(), intent.clone());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let selected = filter.filter(&mut Org::of(tx, &org), now)?;
            let mut ended = end_sessions(tx, &org, selected, "administrator")?;
            if let Some(browsers) = filter.of_browsers(&mut Org::of(tx, &org))? {
                ended += end_browser_sessions(tx, &org, browsers, "administrator")?;
            }
            if ended > 0 {
                let event = NewEvent::new(&intent.actor, "session.end", "*").with("count", ended);
                let event = event.with("user", &filter.user).with("device", &filter.device);
                tx.audit(&org, event.with("service", &filter.service));
            }
            Ok(ended)
        })
        .await
    }
}
