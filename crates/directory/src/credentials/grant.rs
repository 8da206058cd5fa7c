//! The grant of interactive sign-in: a browser session, in one commit that reads the present state of all that was proven.
//!
//! Owns who may enter with what: a protected user never with a password alone, nobody with a password alone who has an authenticator. Must not
//! know pages or cookies.

use std::net::IpAddr;

use latchkey_wire::{Bytes, Code, Level};

use super::attempts::{BrowserSecret, know};
use super::factor::{Factor, still_stands};
use super::password::{NewPassword, Put, put};
use super::records::TotpRow;
use super::{CredentialsView, mail_code, policy};
use crate::access::records::BrowserSession;
use crate::access::{
    NewBrowserSession, NotBegun, SessionSecret, StepUp, begin_browser_session, end_browser_sessions, step_up,
};
use crate::audit::{Actor, ActorKind};
use crate::device::user::is_protected;
use crate::id::OrgId;
use crate::mail::Outbox;
use crate::records::User;
use crate::refusal::{Denied, Refused};
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};
use crate::time::Timestamp;
use crate::values::{MethodChange, SignInMethod, UserStatus};
use crate::{Directory, Granted};

/// What a person has proven and wants to enter by.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The person.
    pub user_id: String,
    /// What was proven, in the order of the steps.
    pub factors: Vec<Factor>,
    /// The sign-in's unique part: it gives one session.
    pub nonce: Bytes<16>,
    /// Until when the sign-in would be good.
    pub exp: Timestamp,
    /// The session of the same person that this strengthens; without one, a new session begins.
    pub step_up: Option<String>,
    /// From where.
    pub address: Option<IpAddr>,
    /// What the browser calls itself.
    pub agent: Option<String>,
    /// What the browser will be known by.
    pub browser: BrowserSecret,
    /// The password that takes the place of the one that was proven.
    pub new_password: Option<NewPassword>,
}

/// A person who entered.
#[derive(Clone)]
pub struct Entered {
    /// The session's secret, for the browser's cookie. Those before it count no more.
    pub secret: SessionSecret,
    /// The session's id.
    pub session_id: String,
    /// The evidence level of what was proven.
    pub level: Level,
}

impl Directory {
    /// Lets a person in, or says why not.
    pub async fn enter(&self, org: &OrgId, entry: Entry) -> Result<Result<Granted<Entered>, Refused>, StoreError> {
        let (org, mail) = (org.clone(), self.outbox());
        self.decide(move |tx| enter(tx, &org, &entry, &mail)).await
    }
}

fn enter(tx: &mut dyn WriteTx, org: &OrgId, entry: &Entry, mail: &Outbox) -> Result<Entered, Denied> {
    let user: Option<User> = Org::of(tx, org).get(&entry.user_id)?;
    let Some(user) = user.filter(|user| user.status == UserStatus::Active) else {
        return Err(Refused::new(Code::Proof020, "the user was disabled or deleted in the meantime").into());
    };
    let level = still_stands(tx, &user, &entry.factors)?;
    strong_enough(tx, &user, level, &entry.factors, mail)?;
    change_password(tx, &user, entry, mail)?;
    let methods: Vec<_> = entry.factors.iter().map(|factor| factor.method().to_string()).collect();
    let address = entry.address.map(|address| address.to_canonical().to_string());
    let begun = if let Some(session_id) = &entry.step_up {
        let proof = StepUp {
            session_id: session_id.clone(),
            user_id: user.id.clone(),
            methods,
            level,
            nonce: (entry.nonce, entry.exp),
            address,
        };
        step_up(tx, org, &proof)?
    } else {
        let agent = entry.agent.clone();
        let user_id = user.id.clone();
        let new = NewBrowserSession { user_id, methods, level, nonce: entry.nonce, address, agent };
        begin_browser_session(tx, org, &new)?
    };
    let secret = begun.map_err(|no| match no {
        NotBegun::NonceUsed => Refused::new(Code::Proof010, "this sign-in was finished before"),
        NotBegun::NotActive => Refused::new(Code::Proof020, "the user was disabled or deleted in the meantime"),
        NotBegun::NoSession => {
            Refused::new(Code::Proof010, "the session to be confirmed has ended, or is another person's")
        }
    })?;
    know(tx, org, &user, &entry.browser)?;
    let session_id = secret.expose().split('.').next().unwrap_or_default().to_owned();
    Ok(Entered { secret, session_id, level })
}

/// Puts the new password in the place of the one that was proven; nobody enters by one that has to be changed. Whoever signed in by the old
/// one is out.
fn change_password(tx: &mut dyn WriteTx, user: &User, entry: &Entry, mail: &Outbox) -> Result<(), Denied> {
    let is_by_password = entry.factors.iter().any(|factor| factor.method() == SignInMethod::Password);
    let Some(new) = entry.new_password.as_ref().filter(|_| is_by_password) else {
        if is_by_password && CredentialsView::of(tx, user)?.password_due.is_some() {
            return Err(Refused::new(Code::Proof010, "the password has to be changed first").into());
        }
        return Ok(());
    };
    let address = entry.address.map(|address| address.to_canonical().to_string());
    let actor = Actor { kind: ActorKind::User, id: user.id.clone(), address };
    if matches!(put(tx, &actor, user, new)?, Put::Late) {
        return Err(Refused::new(Code::Proof010, "the password was changed in the meantime").into());
    }
    let mine = BrowserSession::user_id.eq(&user.id);
    let others = match &entry.step_up {
        Some(kept) => mine.and(BrowserSession::id.eq(kept).negate()),
        None => mine,
    };
    end_browser_sessions(tx, &user.org, others, "password changed")?;
    mail.person(tx, user, MethodChange::PasswordSet, &actor)?;
    Ok(())
}

/// Refuses a password or a mailed code alone where it is not enough, whatever order of steps led here.
fn strong_enough(
    tx: &mut dyn WriteTx,
    user: &User,
    level: Level,
    factors: &[Factor],
    mail: &Outbox,
) -> Result<(), Denied> {
    if level >= Level::MdmSigned {
        return Ok(());
    }
    let lacks = |detail: &str| Err(Refused::new(Code::Proof014, detail).into());
    if is_protected(tx, user)? {
        return lacks("a protected user signs in with a passkey, or with a password and a second factor");
    }
    let given = |method| factors.iter().any(|factor| factor.method() == method);
    if given(SignInMethod::Totp) || given(SignInMethod::RecoveryCode) {
        return Ok(());
    }
    let authenticator = TotpRow::user_id.eq(&user.id).and(TotpRow::confirmed_at.is_null().negate());
    let policy = policy::current(tx, &user.org)?;
    if policy.allows(SignInMethod::Totp) && Org::of(tx, &user.org).any::<TotpRow>(authenticator)? {
        return lacks("the user has an authenticator, and its code was not given");
    }
    if level == Level::KnownUser && given(SignInMethod::Password) && mail_code::confirms(mail, &policy, user) {
        return lacks("the organization confirms passwords by a mailed code, and it was not given");
    }
    Ok(())
}
