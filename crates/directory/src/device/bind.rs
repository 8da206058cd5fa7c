//! Binding: a further user of an enrolled device, or a user key that comes back after a release from quarantine.
//!
//! Owns how many bindings a device may have and which of them wait. Must not know how well a user is proven: that is judged in `user`.

use std::time::Duration;

use latchkey_wire::message::Bind;
use latchkey_wire::{BindingState, Code, DeviceState, Level};

use super::domains::Policy;
use super::group::users_per_device;
use super::state::{live, reason};
use super::text::clean;
use super::user::{self, Claim};
use super::{Outcome, Received, heartbeat, outcome, proof, replace, settings};
use crate::Directory;
use crate::audit::{Actor, NewEvent};
use crate::directory::Granted;
use crate::id::{OrgId, new_id};
use crate::records::{Binding, Device, Organization, User};
use crate::refusal::{Denied, Refused};
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};
use crate::value::StoredKey;
use crate::values::UserStatus;

/// So many bindings are made on a device within an hour.
const PER_HOUR: u64 = 5;
const HOUR: Duration = Duration::from_secs(60 * 60);

/// So many live bindings a shared machine has at most.
const PER_DEVICE: usize = 50;

/// Decides on a binding.
pub fn bind(tx: &mut dyn WriteTx, org: &OrgId, request: &Received<Bind>) -> Result<Outcome, Denied> {
    let body = request.message.body();
    let settings = settings(tx, org)?;
    let mut device = heartbeat::current(tx, org, request, &body.device_id)?;
    let by = request.actor(&device.id);
    proof::in_state(tx, &mut device, &by)?;
    if device.state != DeviceState::Registered {
        return Err(proof::not_in_state(&device).into());
    }
    proof::check_epoch(tx, &mut device, body.n, &body.tag, &request.message.common().nonce)?;
    heartbeat::seen(tx, &mut device, request.address())?;

    let policy = Policy::read(tx, org)?;
    let codes = request.message.codes().cloned().collect();
    let serial = device.serial.clone();
    let claim = Claim { name: &body.claim, codes, serial: serial.as_deref() };
    let uk = body.uk_jwk.thumbprint();
    let known = Org::of(tx, org).find::<Binding>(Binding::uk.eq(&uk))?;
    if let Some(known) = known.first() {
        let ours = known.device_id == device.id
            && known.state != BindingState::Ended
            && known.state_reason.as_deref() != Some(reason::REBIND);
        let user = user_claimed(tx, org, &body.claim)?.filter(|user| ours && user.id == known.user_id);
        let Some(user) = user else {
            return Err(Refused::new(Code::Enroll031, "this user key was used for another binding").into());
        };
        repeated(tx, known, &user, &claim, &policy, &by)?;
        replace::earlier(tx, &device, &by)?;
        return Ok(outcome::of(tx, &device, &settings, None)?);
    }

    let bound = Org::of(tx, org).find::<Binding>(live().and(Binding::device_id.eq(&device.id)))?;
    if let Some(old) = waiting_for_key(tx, org, &bound, &body.claim)? {
        return rebind(tx, &device, &settings, request, &policy, &old, &claim);
    }
    limit(tx, &device, bound.len())?;
    let mut judged = user::judge(tx, org, &claim, &device.ceiling, &policy)?;
    // One low binding a device, or as many as its group says: another low claim waits for an administrator. So does that of somebody whom one
    // sent away from here.
    if is_full(tx, &device, &bound)? || was_sent_away(tx, &device, judged.user())? {
        judged.must_wait();
    }
    let user = judged.settle(tx, org, &device.ceiling, &by, &device.id)?;
    let binding = Binding {
        level: judged.level,
        claim: judged.name.as_str().to_owned(),
        state: judged.state,
        state_reason: judged.reason.map(|code| code.to_string()),
        ..new(tx, &device, body, user.id)
    };
    add(tx, &binding, &by)?;
    replace::earlier(tx, &device, &by)?;
    let mut outcome = outcome::of(tx, &device, &settings, None)?;
    outcome.created = true;
    Ok(outcome)
}

/// Whether no further person may use the device by their word alone.
fn is_full(tx: &mut dyn WriteTx, device: &Device, bound: &[Binding]) -> Result<bool, StoreError> {
    let low = u64::try_from(bound.iter().filter(|binding| binding.level.is_low()).count()).unwrap_or(u64::MAX);
    Ok(low > 0 && low >= users_per_device(tx, &device.org, &device.id)?)
}

/// Whether a binding of this user on this device was ended by an administrator, or by the replay of what one did: a claim alone does not
/// undo that. One that only got another key after a release is no end.
fn was_sent_away(tx: &mut dyn WriteTx, device: &Device, user: Option<&User>) -> Result<bool, StoreError> {
    let Some(user) = user else { return Ok(false) };
    let ended = Binding::device_id
        .eq(&device.id)
        .and(Binding::user_id.eq(&user.id))
        .and(Binding::state.eq(&BindingState::Ended));
    let ended = Org::of(tx, &device.org).find::<Binding>(ended)?;
    Ok(ended.iter().any(|binding| binding.state_reason.as_deref() != Some(reason::REBIND)))
}

/// Keeps a new binding, with its event.
pub(crate) fn add(tx: &mut dyn WriteTx, binding: &Binding, by: &Actor) -> Result<(), Denied> {
    let mut ours = Org::of(tx, &binding.org);
    if ours.any::<Binding>(Binding::uk.eq(&binding.uk))? {
        return Err(Refused::new(Code::Enroll031, "this user key was used for another binding").into());
    }
    ours.add(binding)?;
    ours.audit(
        NewEvent::new(by, "device.bind", binding.id.clone())
            .with("device", &binding.device_id)
            .with("user", &binding.user_id)
            .with("login_name", &binding.claim)
            .with("level", binding.level)
            .with("source", binding.source.as_str())
            .with("os_account", &binding.os_account)
            .with("state", binding.state.as_str())
            .with("reason", &binding.state_reason),
    );
    Ok(())
}

fn new(tx: &mut dyn WriteTx, device: &Device, body: &Bind, user_id: String) -> Binding {
    let now = tx.now();
    Binding {
        org: device.org.clone(),
        id: new_id(now),
        device_id: device.id.clone(),
        user_id,
        os_account: clean(Some(&body.os_account)).unwrap_or_default(),
        user_key: StoredKey::of(&body.uk_jwk),
        uk: body.uk_jwk.thumbprint(),
        level: Level::Asserted,
        claim: String::new(),
        source: body.source,
        state: BindingState::Pending,
        state_reason: None,
        created_at: now,
        last_used_at: None,
        ended_at: None,
    }
}

fn limit(tx: &mut dyn WriteTx, device: &Device, bound: usize) -> Result<(), Denied> {
    let since = tx.now().minus(HOUR);
    let recent = Binding::device_id.eq(&device.id).and(Binding::created_at.at_least(&since));
    let recent = Org::of(tx, &device.org).count::<Binding>(recent)?;
    if recent < PER_HOUR && bound < PER_DEVICE {
        return Ok(());
    }
    let detail = format!("{recent} bindings within the last hour, {bound} in all");
    let mut refused = Refused::new(Code::Bind018, detail).of_state(device.state);
    refused.retry_after = Some(HOUR.as_secs());
    Err(refused.into())
}

fn user_claimed(tx: &mut dyn WriteTx, org: &OrgId, claim: &str) -> Result<Option<User>, StoreError> {
    use crate::names::LoginName;
    let Ok(name) = LoginName::claimed(claim).or_else(|_| LoginName::given(claim)) else { return Ok(None) };
    Org::of(tx, org).one::<User>(User::login_key.eq(&name.as_str().to_owned()))
}

/// The binding of the claimed user that waits for a new user key after a release from quarantine.
fn waiting_for_key(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    bound: &[Binding],
    claim: &str,
) -> Result<Option<Binding>, StoreError> {
    let waiting = |binding: &&Binding| binding.state_reason.as_deref() == Some(reason::REBIND);
    if !bound.iter().any(|binding| waiting(&binding)) {
        return Ok(None);
    }
    let Some(user) = user_claimed(tx, org, claim)? else { return Ok(None) };
    Ok(bound.iter().filter(waiting).find(|binding| binding.user_id == user.id).cloned())
}

/// The same binding again, whose answer was lost. Codes that it was made with count as they did; one that is new is new evidence, and the
/// binding rises by it as a first one would have.
fn repeated(
    tx: &mut dyn WriteTx,
    known: &Binding,
    user: &User,
    claim: &Claim<'_>,
    policy: &Policy,
    by: &Actor,
) -> Result<(), Denied> {
    if claim.codes.is_empty() {
        return Ok(());
    }
    let fresh = user::fresh_codes(tx, claim, user, known)?;
    if fresh.is_empty() {
        return Ok(());
    }
    may_go_on(tx, policy, user)?;
    let level = known.level.max(Level::MdmSigned);
    let risen =
        [Binding::level.set(&level), Binding::state.set(&BindingState::Active), Binding::state_reason.set(&None)];
    Org::of(tx, &known.org).update::<Binding>(Binding::id.eq(&known.id), &risen)?;
    user::take(tx, user)?;
    user::use_codes(tx, &known.org, &fresh, &known.device_id)?;
    let event = NewEvent::new(by, "binding.raise", known.id.clone())
        .with("device", &known.device_id)
        .with("user", &known.user_id)
        .with("level", level)
        .with("level_before", known.level)
        .with("state_before", known.state.as_str());
    Org::of(tx, &known.org).audit(event);
    Ok(())
}

/// What would stop a sign-in of the user stops their binding too.
fn may_go_on(tx: &mut dyn WriteTx, policy: &Policy, user: &User) -> Result<(), Denied> {
    if user.status != UserStatus::Active {
        return Err(Refused::new(Code::Enroll023, "the user is disabled or deleted").into());
    }
    let domain = user.login_name.rsplit('@').next().unwrap_or_default();
    if let Err(why) = policy.goes_on(tx, &user.org, domain)? {
        return Err(user::closed(why, domain).into());
    }
    Ok(())
}

/// The user's binding comes back with a new key, at its old level, or at the one that new evidence gives.
fn rebind(
    tx: &mut dyn WriteTx,
    device: &Device,
    settings: &Organization,
    request: &Received<Bind>,
    policy: &Policy,
    old: &Binding,
    claim: &Claim<'_>,
) -> Result<Outcome, Denied> {
    let (org, now) = (&device.org, tx.now());
    let Some(user) = Org::of(tx, org).get::<User>(&old.user_id)? else {
        return Err(Refused::new(Code::Enroll023, "the user is disabled or deleted").into());
    };
    may_go_on(tx, policy, &user)?;
    let level = if user::codes(tx, org, claim, Some(&user))? { old.level.max(Level::MdmSigned) } else { old.level };
    if level < Level::MdmSigned && user::is_protected(tx, &user)? {
        return Err(Refused::new(Code::Enroll024, "a protected user needs new evidence").into());
    }
    user::use_codes(tx, org, &claim.codes, &device.id)?;
    let ended = [Binding::state.set(&BindingState::Ended), Binding::ended_at.set(&Some(now))];
    Org::of(tx, org).update::<Binding>(Binding::id.eq(&old.id), &ended)?;
    let binding = Binding {
        level,
        claim: old.claim.clone(),
        state: BindingState::Active,
        ..new(tx, device, request.message.body(), user.id)
    };
    add(tx, &binding, &request.actor(&device.id))?;
    let mut outcome = outcome::of(tx, device, settings, None)?;
    outcome.created = true;
    Ok(outcome)
}

impl Directory {
    /// Decides on a binding.
    pub async fn bind(
        &self,
        org: &OrgId,
        request: Received<Bind>,
    ) -> Result<Result<Granted<Outcome>, Refused>, StoreError> {
        let org = org.clone();
        self.decide(move |tx| bind(tx, &org, &request)).await
    }
}
