//! Browser sessions: how they begin, are strengthened, listed and ended.
//!
//! Owns the row. A session begins in the commit of the sign-in that proved the person, and each proof gives it a new secret, so that a secret
//! somebody knew before is worth nothing after (no session fixation). Must not know who may see what (`known`) nor how the proof was made.

use std::time::Duration;

use latchkey_wire::{Bytes, Level};
use serde::Serialize;
use utoipa::ToSchema;

use super::records::BrowserSession;
use super::secret::SessionSecret;
use crate::audit::{Actor, ActorKind, NewEvent};
use crate::device::user::take;
use crate::id::{OrgId, new_id};
use crate::page::{Cursor, Page, PageRequest, page};
use crate::query::Filter;
use crate::records::{ConsumedNonce, User};
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};
use crate::time::Timestamp;
use crate::value::{Columnar as _, Json};
use crate::values::UserStatus;
use crate::{Directory, Error, Intent, Result};

/// A session that was not used for so long is over.
pub const IDLE_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// A session lasts no longer than this, however busy it is.
pub const ABSOLUTE_LIFETIME: Duration = Duration::from_secs(8 * 3_600);

/// The longest name of a browser that is kept.
const LONGEST_AGENT: usize = 300;

/// A browser session, as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BrowserSessionView {
    /// Random.
    pub id: String,
    /// The person.
    pub user_id: String,
    /// How the person signed in.
    pub methods: Vec<String>,
    /// The evidence level of that.
    pub level: u8,
    /// From which address it began.
    pub address: Option<String>,
    /// What the browser called itself then.
    pub agent: Option<String>,
    /// When it began.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When the person last proved who they are.
    #[schema(value_type = String)]
    pub authenticated_at: Timestamp,
    /// When it was last used, to a minute.
    #[schema(value_type = String)]
    pub seen_at: Timestamp,
    /// When it ends, however busy it is.
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
    /// When it was ended.
    #[schema(value_type = Option<String>)]
    pub ended_at: Option<Timestamp>,
    /// Why.
    pub ended_reason: Option<String>,
}

impl From<BrowserSession> for BrowserSessionView {
    fn from(row: BrowserSession) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            methods: row.methods.0,
            level: row.level.number(),
            address: row.address,
            agent: row.agent,
            created_at: row.created_at,
            authenticated_at: row.authenticated_at,
            seen_at: row.seen_at,
            expires_at: row.expires_at,
            ended_at: row.ended_at,
            ended_reason: row.ended_reason,
        }
    }
}

impl BrowserSession {
    /// Whether it counts now.
    pub(crate) fn stands(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.expires_at && now < self.seen_at.plus(IDLE_LIFETIME)
    }
}

/// A session to be begun.
#[derive(Debug, Clone)]
pub struct NewBrowserSession {
    /// The person.
    pub user_id: String,
    /// How the person signed in, in the order of the steps.
    pub methods: Vec<String>,
    /// The evidence level of that.
    pub level: Level,
    /// The nonce of the sign-in, which gives one session.
    pub nonce: Bytes<16>,
    /// From which address.
    pub address: Option<String>,
    /// What the browser calls itself.
    pub agent: Option<String>,
}

/// A new proof in a session that stands.
#[derive(Debug, Clone)]
pub struct StepUp {
    /// The session.
    pub session_id: String,
    /// The person who proved who they are: must be the session's.
    pub user_id: String,
    /// How.
    pub methods: Vec<String>,
    /// The evidence level of that.
    pub level: Level,
    /// The nonce of the proof, which counts once, and until when it must be remembered.
    pub nonce: (Bytes<16>, Timestamp),
    /// From which address.
    pub address: Option<String>,
}

/// Why a session does not begin, or is not strengthened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotBegun {
    /// The sign-in gave a session already.
    NonceUsed,
    /// The person may not sign in (any more).
    NotActive,
    /// The session to be strengthened does not stand, or is another person's.
    NoSession,
}

fn event(action: &'static str, session: &BrowserSession, address: Option<&String>, user: &User) -> NewEvent {
    let actor = Actor { kind: ActorKind::User, id: user.id.clone(), address: address.cloned() };
    let event = NewEvent::new(&actor, action, session.id.clone()).with("channel", "browser");
    let event = event.with("user", &user.id).with("login_name", &user.login_name);
    event.with("methods", &session.methods.0).with("level", session.level.number())
}

fn active(tx: &mut dyn WriteTx, org: &OrgId, user_id: &str) -> Result<Option<User>, StoreError> {
    let user: Option<User> = Org::of(tx, org).get(user_id)?;
    Ok(user.filter(|user| user.status == UserStatus::Active))
}

/// Begins a session, in the commit of the sign-in that proved the person; the person is *taken* from then on.
pub fn begin_browser_session(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    new: &NewBrowserSession,
) -> Result<Result<SessionSecret, NotBegun>, StoreError> {
    let now = tx.now();
    let Some(user) = active(tx, org, &new.user_id)? else { return Ok(Err(NotBegun::NotActive)) };
    let id = new_id(now);
    let (secret, hash) = SessionSecret::generate(Some(&id));
    let row = BrowserSession {
        org: org.clone(),
        id,
        secret_sha256: hash,
        previous_sha256: None,
        previous_until: None,
        unseen: Json(Vec::new()),
        user_id: user.id.clone(),
        methods: Json(new.methods.clone()),
        level: new.level,
        proof_level: new.level,
        nonce: new.nonce,
        address: new.address.clone(),
        agent: new.agent.as_ref().map(|agent| agent.chars().filter(|c| !c.is_control()).take(LONGEST_AGENT).collect()),
        created_at: now,
        authenticated_at: now,
        seen_at: now,
        rotated_at: now,
        expires_at: now.plus(ABSOLUTE_LIFETIME),
        ended_at: None,
        ended_reason: None,
    };
    let mut ours = Org::of(tx, org);
    if ours.insert(&row)?.is_err() {
        return Ok(Err(NotBegun::NonceUsed));
    }
    ours.audit(event("session.begin", &row, new.address.as_ref(), &user));
    take(tx, &user)?;
    Ok(Ok(secret))
}

/// Records a new proof of the person in a session that stands. Answers the session's new secret; those before count no more.
pub fn step_up(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    proof: &StepUp,
) -> Result<Result<SessionSecret, NotBegun>, StoreError> {
    let now = tx.now();
    let Some(user) = active(tx, org, &proof.user_id)? else { return Ok(Err(NotBegun::NotActive)) };
    let mut ours = Org::of(tx, org);
    let row: Option<BrowserSession> = ours.get(&proof.session_id)?;
    let Some(mut row) = row.filter(|row| row.stands(now) && row.user_id == user.id) else {
        return Ok(Err(NotBegun::NoSession));
    };
    let (value, exp) = proof.nonce;
    if ours.insert(&ConsumedNonce { org: org.clone(), value, exp })?.is_err() {
        return Ok(Err(NotBegun::NonceUsed));
    }
    let (secret, hash) = SessionSecret::generate(Some(&row.id));
    (row.secret_sha256, row.previous_sha256, row.previous_until) = (hash, None, None);
    row.methods = Json(proof.methods.clone());
    // A weaker proof makes it fresh, but does not take away what was proven before in the same session.
    row.level = row.level.max(proof.level);
    row.proof_level = proof.level;
    (row.authenticated_at, row.seen_at, row.rotated_at) = (now, now, now);
    ours.replace(&row)?;
    ours.audit(event("session.step-up", &row, proof.address.as_ref(), &user));
    Ok(Ok(secret))
}

/// Ends the sessions that fit and are not over. Answers how many those were.
pub(crate) fn end_browser_sessions(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    filter: Filter,
    why: &str,
) -> Result<u64, StoreError> {
    let now = tx.now();
    let over = [
        (BrowserSession::ended_at.name, Some(now).to_value()),
        BrowserSession::ended_reason.set(&Some(why.to_owned())),
    ];
    let standing = BrowserSession::ended_at.is_null().and(BrowserSession::expires_at.at_least(&now));
    Org::of(tx, org).update::<BrowserSession>(filter.and(standing), &over)
}

impl Directory {
    /// Browser sessions that stand, newest first: of one person, or of all.
    pub async fn browser_sessions(
        &self,
        org: &OrgId,
        user_id: Option<&str>,
        request: PageRequest,
    ) -> Result<Page<BrowserSessionView>> {
        let (org, user_id) = (org.clone(), user_id.map(str::to_owned));
        self.read(move |tx| {
            let now = tx.now();
            // None is older than its longest life, so the index on the beginning leaves the old ones alone.
            let mut filter = BrowserSession::created_at
                .at_least(&now.minus(ABSOLUTE_LIFETIME))
                .and(BrowserSession::ended_at.is_null())
                .and(BrowserSession::expires_at.at_least(&now))
                .and(BrowserSession::seen_at.at_least(&now.minus(IDLE_LIFETIME)));
            if let Some(user_id) = &user_id {
                filter = filter.and(BrowserSession::user_id.eq(user_id));
            }
            let place = |row: &BrowserSession| Cursor { at: row.created_at, id: row.id.clone() };
            let rows = page(&mut Org::of(tx, &org), filter, BrowserSession::created_at, "id", &request, place)?;
            rows.map(|row| Ok(row.into()))
        })
        .await
    }

    /// One browser session, ended or not.
    pub async fn browser_session(&self, org: &OrgId, id: &str) -> Result<BrowserSessionView> {
        let (org, id) = (org.clone(), id.to_owned());
        self.read(move |tx| {
            let row: Option<BrowserSession> = Org::of(tx, &org).get(&id)?;
            row.map(Into::into).ok_or_else(|| Error::not_found("session", id))
        })
        .await
    }

    /// Ends a browser session: signing out, or being signed out. With `of`, only if it is this person's. One that is over stays as it is.
    pub async fn end_browser_session(
        &self,
        intent: &Intent,
        org: &OrgId,
        id: &str,
        of: Option<&str>,
    ) -> Result<BrowserSessionView> {
        let (intent, org, id, of) = (intent.clone(), org.clone(), id.to_owned(), of.map(str::to_owned));
        self.change(intent.dry_run, move |tx| {
            let row: Option<BrowserSession> = Org::of(tx, &org).get(&id)?;
            let row = row.filter(|row| of.as_ref().is_none_or(|of| *of == row.user_id));
            let row = row.ok_or_else(|| Error::not_found("session", id.clone()))?;
            let why = if row.user_id == intent.actor.id { "signed out" } else { "administrator" };
            if end_browser_sessions(tx, &org, BrowserSession::id.eq(&row.id), why)? == 1 {
                let event = NewEvent::new(&intent.actor, "session.end", row.id.clone()).with("channel", "browser");
                tx.audit(&org, event.with("user", &row.user_id));
            }
            let row: Option<BrowserSession> = Org::of(tx, &org).get(&id)?;
            row.map(Into::into).ok_or_else(|| Error::not_found("session", id.clone()))
        })
        .await
    }

    /// Ends all browser sessions of a person, but `keep`. Answers how many those were.
    pub async fn end_browser_sessions_of(
        &self,
        intent: &Intent,
        org: &OrgId,
        user_id: &str,
        keep: Option<&str>,
    ) -> Result<u64> {
        let (intent, org, user_id) = (intent.clone(), org.clone(), user_id.to_owned());
        let keep = keep.map(str::to_owned);
        self.change(intent.dry_run, move |tx| {
            let mut theirs = BrowserSession::user_id.eq(&user_id);
            if let Some(keep) = &keep {
                theirs = theirs.and(BrowserSession::id.eq(keep).negate());
            }
            let why = if user_id == intent.actor.id { "signed out" } else { "administrator" };
            let ended = end_browser_sessions(tx, &org, theirs, why)?;
            if ended > 0 {
                let event = NewEvent::new(&intent.actor, "session.end", "*").with("channel", "browser");
                tx.audit(&org, event.with("user", &user_id).with("count", ended));
            }
            Ok(ended)
        })
        .await
    }
}
