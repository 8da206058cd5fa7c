//! Sessions at services: who is signed in where.
//!
//! Owns listing and ending them; who is signed out of all services is signed out of the portals too (`access`). Must not know how a session begins: that is the grant.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use utoipa::ToSchema;

use crate::access::end_browser_sessions;
use crate::access::records::BrowserSession;
use crate::audit::NewEvent;
use crate::device::state::{end_sessions, sessions_of, users_of};
use crate::id::{OrgId, ids_from};
use crate::intent::Intent;
use crate::page::{Page, PageRequest};
use crate::query::Filter;
use crate::records::{Service, Session, User};
use crate::scope::Org;
use crate::signin::SESSION_LIFETIME;
use crate::store::Tx;
use crate::time::Timestamp;
use crate::walk::{Place, Stream, Walk};
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

    /// Sessions that stand now and fit, for a change of all of them.
    fn filter<T: Tx + ?Sized>(&self, ours: &mut Org<'_, T>, now: Timestamp) -> Result<Filter> {
        let mut all = vec![Session::ended_at.is_null(), Session::expires_at.at_least(&now)];
        if !self.user.is_empty() {
            all.push(Session::user_id.one_of(&self.users(ours)?));
        }
        if !self.device.is_empty() {
            all.push(sessions_of(ours, &self.device)?);
        }
        if !self.service.is_empty() {
            all.push(Session::service_id.one_of(&self.services(ours)?));
        }
        Ok(Filter::And(all))
    }

    fn users<T: Tx + ?Sized>(&self, ours: &mut Org<'_, T>) -> Result<BTreeSet<String>> {
        let mut ids = BTreeSet::new();
        for which in &self.user {
            for named in [User::login_name.eq(&which.to_lowercase()), User::id.eq(which)] {
                ids.extend(ours.select::<User>(named, Vec::new(), None)?.into_iter().map(|user| user.id));
            }
        }
        Ok(ids)
    }

    fn services<T: Tx + ?Sized>(&self, ours: &mut Org<'_, T>) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for which in &self.service {
            let named = Service::name.eq(which).or(Service::id.eq(which));
            ids.extend(ours.find::<Service>(named)?.into_iter().map(|service| service.id));
        }
        Ok(ids)
    }

    /// Sessions that stand now and fit, for a page. None that stands is older than a session lasts, and ids begin with the time.
    fn walk<T: Tx + ?Sized>(&self, ours: &mut Org<'_, T>, now: Timestamp) -> Result<Walk> {
        let mut rest = vec![Session::ended_at.is_null(), Session::expires_at.at_least(&now)];
        let mut users = if self.user.is_empty() { None } else { Some(self.users(ours)?) };
        if !self.device.is_empty() {
            let of_devices = users_of(ours, &self.device)?;
            users = Some(users.map_or_else(|| of_devices.clone(), |users| &users & &of_devices));
            let devices: Vec<Option<String>> = self.device.iter().cloned().map(Some).collect();
            rest.push(Session::device_id.one_of(&devices));
        }
        if !self.service.is_empty() {
            rest.push(Session::service_id.one_of(&self.services(ours)?));
        }
        let rest = Filter::And(rest);
        let young = Session::id.at_least(&ids_from(now.minus(SESSION_LIFETIME)));
        let streams = match users {
            None => vec![Stream::of(Filter::all())],
            Some(users) => users.iter().map(|user| Stream::of(Session::user_id.eq(user))).collect(),
        };
        let stream = |stream: Stream| stream.within(None, Some(young.clone())).looking_at(&rest);
        Ok(Walk::newest("id", streams.into_iter().map(stream).collect()))
    }
}

/// These sessions as callers see them.
fn views<T: Tx + ?Sized>(ours: &mut Org<'_, T>, rows: &[Session]) -> Result<Vec<SessionView>> {
    let users: BTreeSet<&String> = rows.iter().map(|row| &row.user_id).collect();
    let users: Vec<User> = ours.select(User::id.one_of(users), Vec::new(), None)?;
    let users: HashMap<String, String> = users.into_iter().map(|user| (user.id, user.login_name)).collect();
    let services: BTreeSet<&String> = rows.iter().map(|row| &row.service_id).collect();
    let services: Vec<Service> = ours.select(Service::id.one_of(services), Vec::new(), None)?;
    let services: HashMap<String, String> = services.into_iter().map(|service| (service.id, service.name)).collect();
    let view = |row: &Session| SessionView {
        id: row.id.clone(),
        user_id: row.user_id.clone(),
        login_name: users.get(&row.user_id).cloned().unwrap_or_default(),
        device_id: row.device_id.clone(),
        binding_id: row.binding_id.clone(),
        service: services.get(&row.service_id).unwrap_or(&row.service_id).clone(),
        channel: row.channel.clone(),
        assertion_id: row.assertion_id.clone(),
        level: row.level.number(),
        created_at: row.created_at,
        expires_at: row.expires_at,
        ended_at: row.ended_at,
        ended_reason: row.ended_reason.clone(),
    };
    Ok(rows.iter().map(view).collect())
}

fn view<T: Tx + ?Sized>(ours: &mut Org<'_, T>, row: &Session) -> Result<SessionView> {
    let view = views(ours, std::slice::from_ref(row))?.pop();
    view.ok_or_else(|| Error::Internal("one session has one view".to_owned()))
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
            let walk = filter.walk(&mut ours, now)?;
            let found = walk.page(&mut ours, &request, |row: &Session, _| Place::id(row.id.clone()))?;
            Ok(Page { items: views(&mut ours, &found.items)?, next: found.next, count: found.count })
        })
        .await
    }

    /// One session, ended or not.
    pub async fn session(&self, org: &OrgId, id: &str) -> Result<SessionView> {
        let (org, id) = (org.clone(), id.to_owned());
        self.read(move |tx| {
            let mut ours = Org::of(tx, &org);
            let row = ours.get::<Session>(&id)?.ok_or_else(|| Error::not_found("session", id))?;
            view(&mut ours, &row)
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
            view(&mut ours, &row)
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
