//! Proofs of an enrolled device: its epoch (rule 6 of Renewal and epochs), and for a sign-in everything that the device side has to say.
//!
//! Owns [`check`], which a silent sign-in calls inside its grant. Must not know services, transactions or challenges.

use latchkey_wire::{BindingState, Bytes, Code, DeviceState, Level, Thumbprint, epoch};

use super::domains::Policy;
use super::state::previous_keys_retire;
use super::user::is_protected;
use super::{keys, state};
use crate::audit::Actor;
use crate::id::OrgId;
use crate::records::{Binding, Device, User};
use crate::refusal::{Denied, Refused};
use crate::scope::Org;
use crate::store::WriteTx;
use crate::values::UserStatus;

/// What a silent proof says, after its signature was verified with the key whose thumbprint is `uk`.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The device.
    pub device_id: &'a str,
    /// The binding.
    pub binding_id: &'a str,
    /// The user key that signed.
    pub uk: &'a Thumbprint,
    /// The epoch.
    pub n: u64,
    /// Its tag.
    pub tag: &'a Bytes<32>,
    /// The ASCII nonce that the tag is over.
    pub nonce: &'a str,
}

/// This user on this device, now: all states allow a sign-in. Only [`check`] makes one.
#[derive(Debug, Clone)]
pub struct Proven {
    device: Device,
    binding: Binding,
    user: User,
}

impl Proven {
    /// The device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The binding; its level is what the assertion states.
    #[must_use]
    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.user
    }
}

/// Checks a silent proof: device and binding in state, the key still the binding's, epoch and tag, user, policy for both domains. Call it
/// inside the work of [`crate::Directory::decide`]; a refusal of [`Denied::Kept`] changed the device and must be kept.
pub fn check(tx: &mut dyn WriteTx, org: &OrgId, claim: &Claim<'_>) -> Result<Proven, Denied> {
    let now = tx.now();
    let mut ours = Org::of(tx, org);
    let unknown = || Refused::new(Code::Device404, "there is no such device or binding");
    let mut device = ours.get::<Device>(claim.device_id)?.ok_or_else(unknown)?;
    let binding = ours.get::<Binding>(claim.binding_id)?.filter(|b| b.device_id == device.id).ok_or_else(unknown)?;
    if binding.uk != *claim.uk {
        return Err(unknown().into());
    }
    let user = ours.get::<User>(&binding.user_id)?;
    in_state(tx, &mut device, &Actor::system())?;
    if device.state != DeviceState::Registered {
        return Err(not_in_state(&device).into());
    }
    if binding.state != BindingState::Active {
        let detail = format!("the binding is {}", binding.state);
        return Err(Refused::new(Code::Proof022, detail).of_state(device.state).into());
    }
    // The certificate is the device's licence to go on: once it is over, a renewal comes first.
    if device.certificate_expires_at.is_none_or(|ends| ends < now) {
        return Err(Refused::new(Code::Proof021, "the device certificate is over").of_state(device.state).into());
    }
    check_epoch(tx, &mut device, claim.n, claim.tag, claim.nonce)?;
    let refused = |detail: String| Denied::from(Refused::new(Code::Proof020, detail));
    let Some(user) = user.filter(|user| user.status == UserStatus::Active) else {
        return Err(refused("the user is disabled or deleted".to_owned()));
    };
    let user_domain = user.login_name.rsplit('@').next().unwrap_or_default().to_owned();
    // Mostly both are of one domain; a sign-in asks no more often than it must.
    let policy = Policy::read(tx, org)?;
    let domains = [&device.domain, &user_domain];
    for domain in if device.domain == user_domain { &domains[..1] } else { &domains } {
        if let Err(why) = policy.goes_on(tx, org, domain)? {
            return Err(refused(why.words(domain)));
        }
    }
    if binding.level < Level::MdmSigned && is_protected(tx, &user)? {
        let detail = format!("a protected user, and the binding is of level {}", binding.level);
        return Err(Refused::new(Code::Proof014, detail).into());
    }
    Ok(Proven { device, binding, user })
}

/// Removal takes effect at the next contact: a device whose removal is pending is removed now.
pub(crate) fn in_state(tx: &mut dyn WriteTx, device: &mut Device, actor: &Actor) -> Result<(), Denied> {
    match device.state {
        DeviceState::Removed => Err(keys::gone().into()),
        DeviceState::RemovalPending => {
            let why = device.state_reason.clone().unwrap_or_else(|| state::reason::ADMINISTRATOR.to_owned());
            state::remove(tx, device, &why, actor)?;
            Err(Denied::Kept(keys::gone()))
        }
        _ => Ok(()),
    }
}

/// `LK-PROOF-022`, with the state.
pub(crate) fn not_in_state(device: &Device) -> Refused {
    Refused::new(Code::Proof022, format!("the device is {}", device.state)).of_state(device.state)
}

/// Rule 6. A verified tag under the current epoch ends the life of the one before.
pub(crate) fn check_epoch(
    tx: &mut dyn WriteTx,
    device: &mut Device,
    n: u64,
    tag: &Bytes<32>,
    nonce: &str,
) -> Result<(), Denied> {
    if n == device.cur && epoch::tag_matches(&device.v_cur, nonce, tag) {
        if device.prev_alive {
            device.prev_alive = false;
            let ended = [Device::prev_alive.set(&false)];
            Org::of(tx, &device.org.clone()).update::<Device>(Device::id.eq(&device.id), &ended)?;
            previous_keys_retire(tx, device)?;
        }
        return Ok(());
    }
    let before = n.checked_add(1) == Some(device.cur) && device.prev_alive;
    if before && device.v_prev.is_some_and(|v| epoch::tag_matches(&v, nonce, tag)) {
        return Ok(());
    }
    let detail = format!("epoch {n} does not count, the device's is {}: renew first", device.cur);
    Err(Refused::new(Code::Proof021, detail).of_state(device.state).into())
}
