//! Which user a claim means, how well it is proven, and what becomes of it (lifecycle.md, Who is the user?).
//!
//! Owns evidence levels, taken, known and protected users, and just-in-time creation. Judging changes nothing, so that a dry run and a
//! refusal leave no trace; only [`Judged::settle`] writes. Must not know whether the claim came by enrollment or by binding.

use latchkey_wire::{BindingState, Code, Level, TokenId};

use super::domains::{Closed, Policy};
use crate::access::has_role;
use crate::access::holding::{groups_of, held_by_group};
use crate::audit::{Actor, NewEvent};
use crate::id::OrgId;
use crate::names::LoginName;
use crate::records::{Binding, Ceiling, Group, Membership, OneTimeCode, User};
use crate::refusal::{Denied, Refused};
use crate::scope::Org;
use crate::store::{StoreError, Tx, WriteTx};
use crate::users;
use crate::values::{UserSource, UserStatus};

/// A claim.
pub(crate) struct Claim<'a> {
    /// The login name as it stands in the message.
    pub(crate) name: &'a str,
    /// The one-time codes that signed the message.
    pub(crate) codes: Vec<TokenId>,
    /// The machine's serial number, as it says.
    pub(crate) serial: Option<&'a str>,
}

/// What a claim comes to.
pub(crate) struct Judged {
    pub(crate) name: LoginName,
    /// The user; absent when one would be created.
    user: Option<User>,
    pub(crate) level: Level,
    pub(crate) state: BindingState,
    pub(crate) reason: Option<Code>,
    codes: Vec<TokenId>,
}

fn refused(code: Code, detail: impl Into<String>) -> Denied {
    Refused::new(code, detail).into()
}

/// Refusal of a user whose domain the policy closes.
pub(crate) fn closed(closed: Closed, domain: &str) -> Refused {
    let code = if closed == Closed::Off { Code::Enroll020 } else { Code::Enroll021 };
    Refused::new(code, closed.words(domain))
}

/// Judges a claim under the terms that a token set.
pub(crate) fn judge(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    claim: &Claim<'_>,
    terms: &Ceiling,
    policy: &Policy,
) -> Result<Judged, Denied> {
    // An import may have given a name that no device could bring up; it is looked for, but never created here.
    let plain = LoginName::claimed(claim.name);
    let name = match &plain {
        Ok(name) => name.clone(),
        Err(_) => LoginName::given(claim.name).map_err(|e| Refused::new(Code::Enroll025, e.to_string()))?,
    };
    let domain = name.domain();
    if !terms.domains.iter().any(|covered| covered == domain) {
        return Err(refused(
            Code::Enroll015,
            format!("the device token does not cover {domain}, the domain of {name}"),
        ));
    }
    if let Err(why) = policy.goes_on(tx, org, domain)? {
        return Err(closed(why, domain).into());
    }
    let user = Org::of(tx, org).one::<User>(User::login_key.eq(&name.as_str().to_owned()))?;
    let proven = codes(tx, org, claim, user.as_ref())?;
    let level = match &user {
        _ if proven => Level::MdmSigned,
        Some(_) => Level::KnownUser,
        None => Level::Asserted,
    };
    match &user {
        Some(user) if user.status != UserStatus::Active => {
            return Err(refused(Code::Enroll023, format!("{name} is {}", user.status)));
        }
        Some(user) if level < Level::MdmSigned && is_protected(tx, user)? => {
            return Err(refused(
                Code::Enroll024,
                format!("{name} is a protected user and the claim is of level {level}"),
            ));
        }
        Some(_) => {}
        None => may_be_created(tx, org, &name, plain.is_ok(), policy)?,
    }
    if u64::from(level.number()) < terms.min_evidence {
        let minimum = terms.min_evidence;
        return Err(refused(Code::Enroll026, format!("the claim is of level {level}, the token asks for {minimum}")));
    }
    let waits = level.is_low()
        && user.as_ref().is_some_and(|user| {
            if user.taken_at.is_some() { !terms.second_device_allowed } else { !terms.known_users_first_device }
        });
    let (state, reason) =
        if waits { (BindingState::Pending, Some(Code::Enroll032)) } else { (BindingState::Active, None) };
    Ok(Judged { name, user, level, state, reason, codes: if proven { claim.codes.clone() } else { Vec::new() } })
}

/// Whether one-time codes prove the claim. One that does not hold refuses it: it is never quietly taken for a lower level.
pub(crate) fn codes(tx: &mut dyn WriteTx, org: &OrgId, claim: &Claim<'_>, user: Option<&User>) -> Result<bool, Denied> {
    for id in &claim.codes {
        if held(tx, org, claim, user, id)?.used_at.is_some() {
            return Err(used_before());
        }
    }
    Ok(!claim.codes.is_empty())
}

/// The codes named that are not used up yet. Those that gave `binding` its level still count: a message that is sent again names them again.
pub(crate) fn fresh_codes(
    tx: &mut dyn WriteTx,
    claim: &Claim<'_>,
    user: &User,
    binding: &Binding,
) -> Result<Vec<TokenId>, Denied> {
    let mut fresh = Vec::new();
    for id in &claim.codes {
        let code = held(tx, &user.org, claim, Some(user), id)?;
        let its_own = code.used_by.as_deref() == Some(&binding.device_id) && binding.level >= Level::MdmSigned;
        match code.used_at {
            None => fresh.push(id.clone()),
            Some(_) if its_own => {}
            Some(_) => return Err(used_before()),
        }
    }
    Ok(fresh)
}

fn used_before() -> Denied {
    refused(Code::Enroll027, "the one-time code was used before")
}

/// A code that is there, for this user and this machine, and whose time is not over; the caller judges whether it was used.
fn held(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    claim: &Claim<'_>,
    user: Option<&User>,
    id: &TokenId,
) -> Result<OneTimeCode, Denied> {
    let now = tx.now();
    let code = Org::of(tx, org).get::<OneTimeCode>(id.as_str())?;
    let code = code.ok_or_else(|| Refused::new(Code::Enroll010, "the one-time code is not there any more"))?;
    let same = |wanted: &str| claim.serial.is_some_and(|serial| serial.eq_ignore_ascii_case(wanted));
    // What was used in time proves what it proved, however late its message comes again.
    let wrong = if code.used_at.is_none() && code.expires_at < now {
        "the one-time code has expired"
    } else if user.is_none_or(|user| user.id != code.user_id) {
        "the one-time code is for another user"
    } else if code.serial.as_deref().is_some_and(|wanted| !same(wanted)) {
        "the one-time code is for another machine"
    } else {
        return Ok(code);
    };
    Err(refused(Code::Enroll027, wrong))
}

/// Uses up the codes.
pub(crate) fn use_codes(tx: &mut dyn WriteTx, org: &OrgId, codes: &[TokenId], device: &str) -> Result<(), StoreError> {
    let used = [OneTimeCode::used_at.set(&Some(tx.now())), OneTimeCode::used_by.set(&Some(device.to_owned()))];
    for id in codes {
        Org::of(tx, org).update::<OneTimeCode>(OneTimeCode::id.eq(id), &used)?;
    }
    Ok(())
}

fn may_be_created(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    name: &LoginName,
    is_plain: bool,
    policy: &Policy,
) -> Result<(), Denied> {
    if !policy.jit() {
        return Err(refused(Code::Enroll022, format!("{name} is not known and just-in-time creation is off")));
    }
    if let Err(why) = policy.begins(tx, org, name.domain())? {
        return Err(closed(why, name.domain()).into());
    }
    if !is_plain {
        return Err(refused(Code::Enroll025, format!("{name} is no name that a device may bring up")));
    }
    if name.is_reserved() {
        return Err(refused(Code::Enroll025, format!("{name} is a reserved name")));
    }
    let deleted = User::login_name.eq(&name.as_str().to_owned()).and(users::deleted_lately(tx.now()));
    if Org::of(tx, org).any::<User>(deleted)? {
        return Err(refused(Code::Enroll023, format!("a user {name} was deleted less than a year ago")));
    }
    Ok(())
}

/// Whether the user is protected: marked so, a member of a protected group, or somebody with a role, in person or by a group.
pub fn is_protected<T: Tx + ?Sized>(tx: &mut T, user: &User) -> Result<bool, StoreError> {
    if user.protected {
        return Ok(true);
    }
    let groups = groups_of(tx, &user.org, &user.id)?;
    let marked = Group::id.one_of(&groups).and(Group::protected.eq(&true));
    if !groups.is_empty() && Org::of(tx, &user.org).any::<Group>(marked)? {
        return Ok(true);
    }
    has_role(tx, &user.org, &user.id, groups)
}

impl Judged {
    /// Whether a user would be created.
    pub(crate) fn creates(&self) -> bool {
        self.user.is_none()
    }

    /// The user, if there is one already.
    pub(crate) fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// A further claim on a device that has a low binding already waits for an administrator.
    pub(crate) fn must_wait(&mut self) {
        if self.level.is_low() && self.state == BindingState::Active {
            self.state = BindingState::Pending;
            self.reason = Some(Code::Enroll032);
        }
    }

    /// Creates the user where that was judged, marks it as taken, and uses up the codes. Answers the user.
    pub(crate) fn settle(
        &self,
        tx: &mut dyn WriteTx,
        org: &OrgId,
        terms: &Ceiling,
        actor: &Actor,
        device: &str,
    ) -> Result<User, Denied> {
        let user = match &self.user {
            Some(user) => user.clone(),
            None => create(tx, org, &self.name, terms, actor)?,
        };
        if self.state == BindingState::Active {
            take(tx, &user)?;
        }
        use_codes(tx, org, &self.codes, device)?;
        Ok(user)
    }
}

/// Marks the user as taken.
pub(crate) fn take(tx: &mut dyn WriteTx, user: &User) -> Result<(), StoreError> {
    if user.taken_at.is_some() {
        return Ok(());
    }
    let now = [User::taken_at.set(&Some(tx.now()))];
    Org::of(tx, &user.org).update::<User>(User::id.eq(&user.id), &now)?;
    Ok(())
}

fn create(tx: &mut dyn WriteTx, org: &OrgId, name: &LoginName, terms: &Ceiling, actor: &Actor) -> Result<User, Denied> {
    let now = tx.now();
    let user = users::bare(org, name, UserSource::DeviceToken, now);
    let mut ours = Org::of(tx, org);
    ours.add(&user)?;
    // A group that was deleted since the token was made is not made again.
    let named =
        if terms.jit_groups.is_empty() { Vec::new() } else { ours.find::<Group>(Group::id.one_of(&terms.jit_groups))? };
    // No token makes an administrator, whatever became of a group since.
    let mut groups = Vec::new();
    for group in named {
        if held_by_group(tx, org, &group.id)?.roles.is_empty() {
            groups.push(group);
        }
    }
    let mut ours = Org::of(tx, org);
    for group in &groups {
        ours.add(&Membership {
            org: org.clone(),
            group_id: group.id.clone(),
            user_id: user.id.clone(),
            created_at: now,
        })?;
    }
    ours.audit(
        NewEvent::new(actor, "user.provision", user.id.clone())
            .with("login_name", name.as_str())
            .with("groups", groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>()),
    );
    Ok(user)
}
