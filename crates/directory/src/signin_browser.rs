//! The grant of an assertion to somebody whose browser has a session: one commit that reads session, user and service as they are now.
//!
//! Owns which states allow it. What it asks beyond a session (entitlement, levels) is the silent sign-in's too. Must not know how the session
//! came about, nor SAML.

use std::net::IpAddr;

use latchkey_wire::{Bytes, Code, Level};

use crate::access::records::BrowserSession;
use crate::audit::{Actor, ActorKind, NewEvent};
use crate::device::user::is_protected;
use crate::id::{OrgId, new_id};
use crate::records::{Service, Session, User};
use crate::refusal::{Denied, Refused};
use crate::scope::Org;
use crate::signin::{Decide, NotGranted, SESSION_LIFETIME, SignedIn, Standing, confirmed, entitled, strong_enough};
use crate::store::WriteTx;
use crate::time::Timestamp;
use crate::values::UserStatus;
use crate::{Directory, Granted};

/// The channel that such a session names.
pub const CHANNEL: &str = "browser";

/// What is asked for, and by whom.
#[derive(Debug, Clone)]
pub struct WantedByBrowser {
    /// The browser's session, whose secret was shown just now.
    pub session_id: String,
    /// The service.
    pub service_id: String,
    /// The sign-in's unique part; one assertion each.
    pub nonce: Bytes<16>,
    /// The evidence level wanted by the request, on top of the service's own minimum.
    pub level: Level,
    /// The person must have proven themselves since then (`ForceAuthn`).
    pub proven_since: Option<Timestamp>,
    /// The assertion's id, drawn by the caller.
    pub assertion_id: String,
    /// From where it came.
    pub address: Option<IpAddr>,
}

impl Directory {
    /// Grants a sign-in by a browser's session, or says why not. The answer may be given out only while [`Granted::release`] allows it;
    /// afterwards [`Directory::drop_session`].
    pub async fn sign_in_by_session<D: Decide>(
        &self,
        org: &OrgId,
        wanted: WantedByBrowser,
        decide: D,
    ) -> Result<Granted<SignedIn<D::Answer>>, NotGranted<D::No>> {
        let org = org.clone();
        match self.decide(move |tx| grant(tx, &org, &wanted, &decide)).await? {
            Ok(granted) => granted.transpose().map_err(NotGranted::Decided),
            Err(refused) => Err(refused.into()),
        }
    }
}

fn grant<D: Decide>(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    wanted: &WantedByBrowser,
    decide: &D,
) -> Result<Result<SignedIn<D::Answer>, D::No>, Denied> {
    let now = tx.now();
    confirmed(tx)?;
    let mut ours = Org::of(tx, org);
    let held: Option<BrowserSession> = ours.get(&wanted.session_id)?;
    let Some(held) = held.filter(|row| row.stands(now)) else {
        return Err(Refused::new(Code::Proof010, "the browser's session has ended").into());
    };
    let user: Option<User> = ours.get(&held.user_id)?;
    let Some(user) = user.filter(|user| user.status == UserStatus::Active) else {
        return Err(Refused::new(Code::Proof020, "the user is disabled or deleted").into());
    };
    let service = ours
        .get::<Service>(&wanted.service_id)?
        .ok_or_else(|| Refused::new(Code::Proof020, "the service was deleted in the meantime"))?;
    let known = match decide.service(&service) {
        Ok(known) => known,
        Err(other) => return Ok(Err(other)),
    };
    let groups = entitled(tx, &user, &service, decide.names_groups(&known))?;
    // Who asks for a proof made just now is not told what was proven hours ago.
    let level = if wanted.proven_since.is_some() { held.proof_level } else { held.level };
    strong_enough(&service, level, wanted.level)?;
    if level < Level::MdmSigned && is_protected(tx, &user)? {
        let detail = format!("a protected user, and the session is of level {level}");
        return Err(Refused::new(Code::Proof014, detail).into());
    }
    if wanted.proven_since.is_some_and(|since| held.authenticated_at < since) {
        let detail = "the service wants the person to prove themselves anew (ForceAuthn)";
        return Err(Refused::new(Code::Proof014, detail).into());
    }
    let standing = Standing { user: &user, groups: &groups, service: &service, level };
    let answer = match decide.decide(&known, &standing) {
        Ok(answer) => answer,
        Err(other) => return Ok(Err(other)),
    };
    let session = Session {
        org: org.clone(),
        id: new_id(now),
        user_id: user.id.clone(),
        device_id: None,
        binding_id: None,
        service_id: service.id.clone(),
        channel: CHANNEL.to_owned(),
        nonce: wanted.nonce,
        assertion_id: wanted.assertion_id.clone(),
        level,
        created_at: now,
        expires_at: now.plus(SESSION_LIFETIME),
        ended_at: None,
        ended_reason: None,
    };
    let mut ours = Org::of(tx, org);
    if ours.insert(&session)?.is_err() {
        return Err(Refused::new(Code::Proof010, "this sign-in was finished before").into());
    }
    let actor = Actor {
        kind: ActorKind::User,
        id: user.login_name.clone(),
        address: wanted.address.map(|address| address.to_canonical().to_string()),
    };
    ours.audit(
        NewEvent::new(&actor, "signin.saml", service.id.clone())
            .with("service", &service.name)
            .with("user", &user.id)
            .with("channel", CHANNEL)
            .with("methods", &held.methods.0)
            .with("level", level)
            .with("assertion", &session.assertion_id)
            .with("session", &session.id),
    );
    Ok(Ok(SignedIn { session_id: session.id, level, at: now, expires_at: session.expires_at, answer }))
}
