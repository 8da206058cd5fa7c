//! Set-up links: how the first administrator, or one who is locked out, comes in.
//!
//! Owns their life: a link opens once, within a quarter of an hour, and is exchanged for a short session that leads through set-up. Only the
//! operator makes one, and a new one makes those before worthless. Must not know pages, addresses or how a person then proves who they are.

use std::time::Duration;

use latchkey_wire::bytes::sha256;

use super::assignments::{Holder, give};
use super::builtin::OWNER;
use super::holding::has_owner;
use super::records::SetupLink;
use super::roles::find_role;
use super::secret::SessionSecret;
use crate::audit::{Actor, ActorKind, NewEvent};
use crate::id::{OrgId, new_id};
use crate::query::Filter;
use crate::records::{Organization, User};
use crate::scope::{Org, across};
use crate::store::{StoreError, Tx, WriteTx};
use crate::time::Timestamp;
use crate::users::find_user;
use crate::values::{OwnerNews, UserStatus};
use crate::{Directory, Error, Intent, Result};

/// So long a link can be opened.
pub const SETUP_LINK_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// So long set-up can be gone on with once the link was opened.
pub const SETUP_SESSION_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// A link that was just made.
#[derive(Clone, PartialEq, Eq)]
pub struct SetupLinkMade {
    /// What stands at the end of the link, this once.
    pub secret: SessionSecret,
    /// Until when it can be opened.
    pub expires_at: Timestamp,
    /// The administrator it lets in again.
    pub login_name: Option<String>,
}

/// Set-up under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupSession {
    /// The link's id.
    pub id: String,
    /// The organization; absent until the first one is made.
    pub org: Option<OrgId>,
    /// The administrator who is let in again; absent for the first one.
    pub user_id: Option<String>,
    /// Until when it can be gone on with.
    pub until: Timestamp,
}

impl SetupSession {
    /// Who acts in it: whoever the operator gave the link to.
    #[must_use]
    pub fn actor(&self, address: Option<String>) -> Actor {
        Actor { kind: ActorKind::Operator, id: "setup-link".to_owned(), address }
    }
}

fn expired() -> Error {
    Error::Denied {
        detail: "the set-up link has expired or was used".to_owned(),
        fix: "ask for a new one: latchkey setup-link on the server".to_owned(),
    }
}

/// The organization that a link is for, as the store stands now.
fn organization_of<T: Tx + ?Sized>(tx: &mut T, row: &SetupLink) -> Result<Option<OrgId>, StoreError> {
    if let Some(org) = &row.for_org {
        return org.parse().map(Some).map_err(|_| StoreError::Corrupt(format!("no organization's id: {org:?}")));
    }
    // Made from the command line since the link was: set-up goes on with it.
    let mut all = across::<Organization, _>(tx, Filter::all())?;
    Ok(if all.len() == 1 { all.pop().map(|only| only.org) } else { None })
}

/// The session that a row stands for, if set-up has still something to do.
fn session<T: Tx + ?Sized>(tx: &mut T, row: &SetupLink) -> Result<Option<SetupSession>, StoreError> {
    let now = tx.now();
    let Some(until) = row.session_until.filter(|until| now < *until) else { return Ok(None) };
    let org = organization_of(tx, row)?;
    if let Some(org) = &org {
        if !Org::of(tx, org).any::<Organization>(Filter::all())? {
            return Ok(None);
        }
        if row.user_id.is_none() && has_owner(tx, org)? {
            return Ok(None);
        }
    }
    Ok(Some(SetupSession { id: row.id.clone(), org, user_id: row.user_id.clone(), until }))
}

/// The user a link is for, and the login name.
fn wanted_user(tx: &mut dyn WriteTx, org: Option<&OrgId>, which: &str) -> Result<User> {
    let org = org.ok_or_else(|| Error::field("/user", "there is no organization yet, so there are no users"))?;
    let user = find_user(tx, org, which)?;
    if user.status != UserStatus::Active {
        return Err(Error::state(
            format!("{} is {}", user.login_name, user.status),
            format!("let the user in first: latchkey user enable {}", user.login_name),
        ));
    }
    Ok(user)
}

impl Directory {
    /// Makes a set-up link: for the first administrator of an organization (the first one of the cloud, where there is none yet), or to let a
    /// user in again who is locked out. Links made before for the same purpose count no more.
    pub async fn create_setup_link(
        &self,
        intent: &Intent,
        org: Option<&OrgId>,
        user: Option<&str>,
    ) -> Result<SetupLinkMade> {
        let (intent, org, user) = (intent.clone(), org.cloned(), user.map(str::to_owned));
        let mail = self.outbox();
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let cloud = OrgId::cloud();
            let user = user.as_ref().map(|which| wanted_user(tx, org.as_ref(), which)).transpose()?;
            match &org {
                None if !across::<Organization, _>(tx, Filter::all())?.is_empty() => {
                    return Err(Error::field("/organization", "say for which organization the link is"));
                }
                Some(org) if user.is_none() && has_owner(tx, org)? => {
                    return Err(Error::state(
                        "the organization has an owner already",
                        "to let somebody in again who is locked out: latchkey setup-link --user LOGIN",
                    ));
                }
                _ => {}
            }
            let (secret, secret_sha256) = SessionSecret::generate(None);
            let row = SetupLink {
                org: cloud.clone(),
                id: new_id(now),
                secret_sha256,
                for_org: org.as_ref().map(OrgId::to_string),
                user_id: user.as_ref().map(|user| user.id.clone()),
                created_at: now,
                expires_at: now.plus(SETUP_LINK_LIFETIME),
                used_at: None,
                session_sha256: None,
                session_until: None,
            };
            let mut ours = Org::of(tx, &cloud);
            ours.delete::<SetupLink>(SetupLink::for_org.eq(&row.for_org).and(SetupLink::user_id.eq(&row.user_id)))?;
            // Whoever was on the way to the first administrator before there was an organization begins anew as well.
            if row.user_id.is_none() {
                ours.delete::<SetupLink>(SetupLink::for_org.is_null())?;
            }
            ours.add(&row)?;
            let login_name = user.map(|user| user.login_name);
            let event = NewEvent::new(&intent.actor, "setup.link", row.id.clone());
            let event = event.with("user", &row.user_id).with("login_name", &login_name);
            tx.audit(org.as_ref().unwrap_or(&cloud), event.with("expires_at", row.expires_at));
            if let (Some(org), Some(login_name)) = (&org, &login_name) {
                mail.owners(tx, org, OwnerNews::SetupLink, login_name, &intent.actor)?;
            }
            Ok(SetupLinkMade { secret, expires_at: row.expires_at, login_name })
        })
        .await
    }

    /// Opens a link, which uses it up. Answers the session's secret; nothing if the link does not count (any more).
    pub async fn open_setup_link(
        &self,
        secret: &str,
        address: Option<String>,
    ) -> Result<Option<(SessionSecret, SetupSession)>> {
        let hash = sha256(secret.as_bytes());
        self.write(move |tx| {
            let now = tx.now();
            let cloud = OrgId::cloud();
            let row: Option<SetupLink> = Org::of(tx, &cloud).one(SetupLink::secret_sha256.eq(&hash))?;
            let Some(mut row) = row.filter(|row| row.used_at.is_none() && now < row.expires_at) else {
                return Ok(None);
            };
            let (secret, session_sha256) = SessionSecret::generate(None);
            row.used_at = Some(now);
            row.session_sha256 = Some(session_sha256);
            row.session_until = Some(now.plus(SETUP_SESSION_LIFETIME));
            let Some(session) = session(tx, &row)? else { return Ok(None) };
            Org::of(tx, &cloud).replace(&row)?;
            let event = NewEvent::new(&session.actor(address.clone()), "setup.open", row.id.clone());
            tx.audit(session.org.as_ref().unwrap_or(&cloud), event.with("user", &row.user_id));
            Ok(Some((secret, session)))
        })
        .await
    }

    /// The set-up that a browser's cookie stands for; nothing if it does not count (any more) or all is done.
    pub async fn setup_session(&self, cookie: &str) -> Result<Option<SetupSession>> {
        let hash = sha256(cookie.as_bytes());
        self.read(move |tx| {
            let row: Option<SetupLink> = Org::of(tx, &OrgId::cloud()).one(SetupLink::session_sha256.is(&hash))?;
            Ok(row.map(|row| session(tx, &row)).transpose()?.flatten())
        })
        .await
    }

    /// Notes which organization this set-up made.
    pub async fn setup_made(&self, setup: &SetupSession, org: &OrgId) -> Result<SetupSession> {
        let (setup, org) = (setup.clone(), org.clone());
        self.write(move |tx| {
            let cloud = OrgId::cloud();
            let mut ours = Org::of(tx, &cloud);
            let row: Option<SetupLink> = ours.get(&setup.id)?;
            let mut row = row.filter(|row| row.for_org.is_none() && row.user_id.is_none()).ok_or_else(expired)?;
            row.for_org = Some(org.to_string());
            ours.replace(&row)?;
            session(tx, &row)?.ok_or_else(expired)
        })
        .await
    }
}

/// Ends a set-up, in the commit that begins the administrator's session. The first administrator gets the role of the owner; one who was locked
/// out keeps what they have.
pub fn finish_setup(
    tx: &mut dyn WriteTx,
    setup: &SetupSession,
    user_id: &str,
    address: Option<String>,
) -> Result<OrgId> {
    let cloud = OrgId::cloud();
    let row: Option<SetupLink> = Org::of(tx, &cloud).get(&setup.id)?;
    let Some(row) = row else { return Err(expired()) };
    let session = session(tx, &row)?.ok_or_else(expired)?;
    let org = session.org.clone().ok_or_else(|| Error::state("there is no organization yet", "make it first"))?;
    let intent = Intent::of(&session.actor(address));
    match &session.user_id {
        Some(expected) if expected != user_id => return Err(expired()),
        Some(_) => {}
        None => {
            let owner = find_role(tx, &org, OWNER)?;
            give(tx, &intent, &org, &owner, &Holder::User(user_id.to_owned()))?;
        }
    }
    Org::of(tx, &cloud).delete::<SetupLink>(SetupLink::id.eq(&row.id))?;
    tx.audit(&org, NewEvent::new(&intent.actor, "setup.finish", user_id));
    Ok(org)
}
