//! Renewal: the next epoch and a new certificate (protocol.md, Renewal and epochs).
//!
//! Owns rules 1 to 8. Must not know X.509: that a certificate is our own is proven before, its facts are handed in.

use std::time::Duration;

use latchkey_wire::certificate::Extension;
use latchkey_wire::message::Renew;
use latchkey_wire::{Code, DeviceState, Level, PublicJwk, Thumbprint, epoch};

use super::domains::Policy;
use super::outcome::{self, Outcome};
use super::state::{self, is_asleep, live, previous_keys_retire, reason};
use super::user::is_protected;
use super::{Received, adopt, enroll, heartbeat, keys, proof, settings};
use crate::Directory;
use crate::audit::NewEvent;
use crate::directory::Granted;
use crate::id::OrgId;
use crate::records::{Binding, Device, DeviceKey, Organization, User};
use crate::refusal::{Denied, Refused};
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};
use crate::value::StoredKey;
use crate::values::{DeviceKeyState, UserStatus};

/// Two advances are at least so far apart.
const BETWEEN: Duration = Duration::from_secs(5 * 60);

/// What a certificate says that one of our device CAs signed. Whoever makes one has verified that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFacts {
    /// What we vouched for.
    pub extension: Extension,
    /// The key it was made for.
    pub key: PublicJwk,
}

/// What a renewal comes to.
enum Step {
    /// Rule 2: to the next epoch.
    Advance,
    /// Rule 3: the reply was lost.
    Again,
    /// Rule 4: somebody else holds this epoch.
    Fork,
    /// Rule 5: the server knows less than the device.
    Ahead,
}

/// Decides on a renewal. `own` is the message's certificate if it is our own.
pub fn renew(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    request: &Received<Renew>,
    own: Option<&OwnFacts>,
) -> Result<Outcome, Denied> {
    let body = request.message.body();
    let settings = settings(tx, org)?;
    let mut changed = None;
    let keys::Signed { mut device, by_previous } = match (keys::signed(tx, org, &body.device_id, &request.dk), own) {
        (Ok(signed), _) => signed,
        (Err(Denied::Refused(refused)), Some(own)) if refused.code == Code::Device404 => {
            let Some(device) = adopt::changed_key(tx, org, request, own)? else {
                return adopt::adopt(tx, &settings, request, own);
            };
            changed = Some(own);
            keys::Signed { device, by_previous: false }
        }
        (Err(denied), _) => return Err(denied),
    };
    let step = step(&device, body);
    if by_previous && !matches!(step, Step::Again) {
        let detail = "the key was changed by a renewal; it is good to repeat that renewal only";
        return Err(Refused::new(Code::Device404, detail).into());
    }
    request.nonce.consume(tx, org)?;
    // In a fork somebody else went on with the state that the backup knew; then neither key is better than the other.
    if let Some(own) = changed.filter(|_| !matches!(step, Step::Fork)) {
        adopt::install_key(tx, request, &mut device, own)?;
    }
    if let Some(outcome) = stands_still(tx, &settings, request, &mut device)? {
        return Ok(outcome);
    }
    match step {
        Step::Again => again(tx, &settings, request, device),
        Step::Fork => fork(tx, request, device),
        Step::Advance => {
            not_too_soon(tx, &device)?;
            advance(tx, &settings, request, device)
        }
        Step::Ahead => {
            catch_up(tx, request, &mut device, own)?;
            advance(tx, &settings, request, device)
        }
    }
}

fn step(device: &Device, body: &Renew) -> Step {
    let spends = |v| epoch::commitment_matches(v, &body.e_n);
    if body.n == device.cur && spends(&device.v_cur) {
        return Step::Advance;
    }
    let before = body.n.checked_add(1) == Some(device.cur);
    if before && device.v_prev.as_ref().is_some_and(spends) && body.v_next == device.v_cur {
        return Step::Again;
    }
    if body.n > device.cur { Step::Ahead } else { Step::Fork }
}

/// Rule 8: what is answered as such, without advance or certificate.
fn stands_still(
    tx: &mut dyn WriteTx,
    settings: &Organization,
    request: &Received<Renew>,
    device: &mut Device,
) -> Result<Option<Outcome>, Denied> {
    let (org, now) = (device.org.clone(), tx.now());
    let actor = request.actor(&device.id);
    proof::in_state(tx, device, &actor)?;
    let stands = device.state;
    let refused = |code, detail: String| Err(Refused::new(code, detail).of_state(stands).into());
    match stands {
        DeviceState::Quarantined => return refused(Code::Renew023, "the device is quarantined".to_owned()),
        DeviceState::Suspended => return refused(Code::Renew022, "the device is suspended".to_owned()),
        DeviceState::Unregistered => return Err(proof::not_in_state(device).into()),
        _ => {}
    }
    let slept = device.state == DeviceState::Retired
        || device.state == DeviceState::Registered && is_asleep(device, settings, now);
    if slept {
        state::set(tx, device, DeviceState::Pending, Some(reason::ASLEEP))?;
        let event = NewEvent::new(&actor, "device.asleep", device.id.clone());
        state::audit(tx, device, event);
    }
    if device.state == DeviceState::Pending {
        heartbeat::seen(tx, device, request.address())?;
        return Ok(Some(outcome::of(tx, device, settings, None)?));
    }
    if let Err(why) = Policy::read(tx, &org)?.goes_on(tx, &org, &device.domain.clone())? {
        return refused(Code::Renew020, why.words(&device.domain));
    }
    users_allow(tx, device)?;
    Ok(None)
}

/// A device renews while one of its users may sign in, or nobody is bound to it yet.
fn users_allow(tx: &mut dyn WriteTx, device: &Device) -> Result<(), Denied> {
    let bound = Org::of(tx, &device.org).find::<Binding>(live().and(Binding::device_id.eq(&device.id)))?;
    let mut why = None;
    for binding in bound {
        let user = Org::of(tx, &device.org).get::<User>(&binding.user_id)?;
        let Some(user) = user.filter(|user| user.status == UserStatus::Active) else {
            why = why.or(Some((Code::Renew021, "every user of the device is disabled or deleted")));
            continue;
        };
        if binding.level < Level::MdmSigned && is_protected(tx, &user)? {
            why = Some((Code::Enroll024, "the user is protected and the binding is below level 3"));
            continue;
        }
        return Ok(());
    }
    match why {
        Some((code, detail)) => Err(Refused::new(code, detail).of_state(device.state).into()),
        None => Ok(()),
    }
}

fn not_too_soon(tx: &mut dyn WriteTx, device: &Device) -> Result<(), Denied> {
    let Some(last) = device.advanced_at else { return Ok(()) };
    let gone = tx.now().since(last);
    if gone >= BETWEEN {
        return Ok(());
    }
    let mut refused = Refused::new(Code::Renew024, "renewed less than five minutes ago").of_state(device.state);
    refused.retry_after = Some((BETWEEN - gone).as_secs() + 1);
    Err(refused.into())
}

/// Rule 5: the server was restored. Only our own certificate for that epoch, made after the backup, tells how far the device is.
fn catch_up(
    tx: &mut dyn WriteTx,
    request: &Received<Renew>,
    device: &mut Device,
    own: Option<&OwnFacts>,
) -> Result<(), Denied> {
    let body = request.message.body();
    let v = body.e_n.commitment();
    let proven = adopt::vouches(tx, &device.org, request, own)?;
    if !proven {
        let detail = format!("epoch {}, the server knows {} and no certificate of ours says more", body.n, device.cur);
        return Err(Refused::new(Code::Renew025, detail).of_state(device.state).into());
    }
    let event = NewEvent::new(&request.actor(&device.id), "device.catch_up", device.id.clone())
        .with("from", device.cur)
        .with("to", body.n);
    state::audit(tx, device, event);
    device.cur = body.n;
    device.v_cur = v;
    Ok(())
}

/// Rules 1 and 2, and 7 where the key changes.
fn advance(
    tx: &mut dyn WriteTx,
    settings: &Organization,
    request: &Received<Renew>,
    mut device: Device,
) -> Result<Outcome, Denied> {
    let (body, now) = (request.message.body(), tx.now());
    if body.v_next == device.v_cur {
        return Err(Refused::new(Code::Enroll010, "the next epoch is the one that ends").into());
    }
    device.v_prev = Some(device.v_cur);
    device.v_cur = body.v_next;
    device.cur += 1;
    device.prev_alive = true;
    device.advanced_at = Some(now);
    device.last_seen_at = now;
    device.seen_day = now.day();
    device.address = request.address();
    take_facts(&mut device, body);
    previous_keys_retire(tx, &device)?;
    if let Some(key) = &body.new_dk_jwk {
        change_key(tx, &mut device, key)?;
    }
    let order = outcome::order(&mut device, settings, now);
    Org::of(tx, &device.org.clone()).replace(&device)?;
    let event = NewEvent::new(&request.actor(&device.id), "device.renew", device.id.clone())
        .with("epoch", device.cur)
        .with("key_changed", body.new_dk_jwk.is_some());
    state::audit(tx, &device, event);
    Ok(outcome::of(tx, &device, settings, Some(order))?)
}

/// Rule 7: the old key is good to repeat this renewal until the epoch before is over.
fn change_key(tx: &mut dyn WriteTx, device: &mut Device, key: &PublicJwk) -> Result<(), Denied> {
    let (dk, now): (Thumbprint, _) = (key.thumbprint(), tx.now());
    let mut ours = Org::of(tx, &device.org);
    if ours.any::<DeviceKey>(DeviceKey::thumbprint.eq(&dk))? {
        return Err(Refused::new(Code::Enroll031, "the new device key is known already").of_state(device.state).into());
    }
    ours.update::<DeviceKey>(
        DeviceKey::thumbprint.eq(&device.dk),
        &[DeviceKey::state.set(&DeviceKeyState::Previous), DeviceKey::since.set(&now)],
    )?;
    device.key = StoredKey::of(key);
    device.dk = dk;
    device.key_since = now;
    Org::of(tx, &device.org).add(&DeviceKey::current(device, now))?;
    Ok(())
}

/// Rule 3: the certificate again, nothing else changes.
fn again(
    tx: &mut dyn WriteTx,
    settings: &Organization,
    request: &Received<Renew>,
    mut device: Device,
) -> Result<Outcome, Denied> {
    let named = request.message.body().new_dk_jwk.as_ref().map(PublicJwk::thumbprint);
    // The same renewal again names the key that it changed to, if it changed one.
    let same = named.is_none_or(|dk| dk == device.dk);
    if !same {
        return Err(Refused::new(Code::Device404, "the renewal was made with another key").into());
    }
    let order = outcome::order(&mut device, settings, tx.now());
    Org::of(tx, &device.org.clone()).replace(&device)?;
    heartbeat::seen(tx, &mut device, request.address())?;
    Ok(outcome::of(tx, &device, settings, Some(order))?)
}

/// Rule 4: two hold the state of one device, or an old state was put back. What is known of both goes to the administrator.
fn fork(tx: &mut dyn WriteTx, request: &Received<Renew>, mut device: Device) -> Result<Outcome, Denied> {
    let body = request.message.body();
    let event = NewEvent::new(&request.actor(&device.id), "device.quarantine", device.id.clone())
        .with("epoch", device.cur)
        .with("claimed_epoch", body.n)
        .with("first_address", &device.address)
        .with("first_host", &device.host)
        .with("second_address", request.address())
        .with("second_host", enroll::facts(&body.facts).host);
    state::quarantine(tx, &mut device, reason::EPOCH, event)?;
    let detail = format!("epoch {} was spent already, the device is at {}: its state was copied", body.n, device.cur);
    Err(Denied::Kept(Refused::new(Code::Renew023, detail).of_state(DeviceState::Quarantined)))
}

/// What a device says about itself changes with every renewal; its serial number stays what it enrolled with.
fn take_facts(device: &mut Device, body: &Renew) {
    let enroll::Facts { os, host, smbios_uuid, agent, external_device_id, ownership } = enroll::facts(&body.facts);
    device.os = os;
    device.host = host;
    device.smbios_uuid = smbios_uuid;
    device.agent = agent;
    device.external_device_id = external_device_id;
    device.ownership = ownership;
}

impl Directory {
    /// Decides on a renewal.
    pub async fn renew(
        &self,
        org: &OrgId,
        request: Received<Renew>,
        own: Option<OwnFacts>,
    ) -> Result<Result<Granted<Outcome>, Refused>, StoreError> {
        let org = org.clone();
        self.decide(move |tx| renew(tx, &org, &request, own.as_ref())).await
    }
}
