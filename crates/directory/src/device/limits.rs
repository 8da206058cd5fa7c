//! The limits of an enrollment: those of its token, the policy's, and how many devices a user may have; and the brake.
//!
//! Owns what is counted and compared. Must not know what becomes of a device that is within them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use latchkey_wire::message::Enroll;
use latchkey_wire::{BindingState, Code, DeviceState};

use super::domains::Policy;
use super::list;
use super::state::live;
use super::text;
use super::user::{Judged, closed};
use crate::audit::{Actor, NewEvent};
use crate::id::OrgId;
use crate::names::domain_name;
use crate::query::{Filter, text as text_of};
use crate::records::{Binding, Ceiling, Device, DeviceToken, Organization, RefusalCount};
use crate::refusal::{Denied, Refused};
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};
use crate::value::Value;
use crate::values::{KnownUsers, Leniency, TokenState};

const MINUTE: Duration = Duration::from_secs(60);

/// The brake looks back so far, and does nothing below so many.
const BRAKE_WINDOW: Duration = Duration::from_secs(10 * 60);
const BRAKE_LEAST: u64 = 20;

/// A user has at most so many pending devices.
const PENDING_PER_USER: usize = 3;

/// A serial number on more live keys than this is junk of its maker.
const JUNK_KEYS: usize = 3;

/// What an enrollment within its limits goes by.
pub(crate) struct Terms {
    /// The device's domain.
    pub(crate) domain: String,
    /// The serial number, if it says something.
    pub(crate) serial: Option<String>,
    /// What the token allows.
    pub(crate) ceiling: Ceiling,
}

/// The token's limits and the policy.
pub(crate) fn check(
    tx: &mut dyn WriteTx,
    token: &DeviceToken,
    policy: &Policy,
    body: &Enroll,
    address: Option<IpAddr>,
) -> Result<Terms, Denied> {
    let now = tx.now();
    let refused = |code, detail: String| Err(Denied::from(Refused::new(code, detail)));
    let because = |reason: &Option<String>| reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
    match token.state {
        TokenState::Revoked => {
            return refused(Code::Enroll014, format!("the device token was revoked{}", because(&token.state_reason)));
        }
        TokenState::Disabled => {
            return refused(Code::Enroll013, format!("the device token is disabled{}", because(&token.state_reason)));
        }
        TokenState::Active | TokenState::Expired | TokenState::Exhausted => {}
    }
    if token.expires_at <= now {
        return refused(Code::Enroll011, format!("the device token expired at {}", token.expires_at));
    }
    if token.uses >= token.max_uses {
        return refused(Code::Enroll012, format!("all {} uses of the device token are used up", token.max_uses));
    }
    if !from_network(&token.networks, address) {
        let from = address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
        return refused(Code::Enroll017, format!("the device token may not be used from {from}"));
    }
    let platform = body.device.platform;
    if !token.platforms.is_empty() && !token.platforms.contains(&platform) {
        return refused(Code::Enroll016, format!("the device token does not cover {platform}"));
    }
    let domain = domain_name(&body.domain).map_err(|e| Refused::new(Code::Enroll015, e.to_string()))?;
    if !token.domains.contains(&domain) {
        return refused(Code::Enroll015, format!("the device token does not cover {domain}"));
    }
    if let Err(why) = policy.begins(tx, &token.org, &domain)? {
        return Err(closed(why, &domain).into());
    }
    let recent = list::enrolled_since(token.id.as_str(), now.minus(MINUTE));
    if Org::of(tx, &token.org).count::<Device>(recent)? >= token.uses_per_minute {
        let detail = format!("more than {} enrollments with this token within a minute", token.uses_per_minute);
        let mut refused = Refused::new(Code::Enroll018, detail);
        refused.retry_after = Some(MINUTE.as_secs());
        return Err(refused.into());
    }
    let ceiling = Ceiling {
        domains: token.domains.0.clone(),
        jit_groups: token.jit_groups.0.clone(),
        min_evidence: token.min_evidence.number().into(),
        known_users_first_device: token.known_users == KnownUsers::FirstDevice,
        second_device_allowed: token.on_second_device == Leniency::Allow,
    };
    Ok(Terms { domain, serial: text::serial(body.device.serial.as_deref()), ceiling })
}

/// No list is every network; with a list an unknown address is in none.
fn from_network(networks: &[String], address: Option<IpAddr>) -> bool {
    if networks.is_empty() {
        return true;
    }
    let Some(address) = address.map(|address| address.to_canonical()) else { return false };
    networks.iter().filter_map(|text| text.parse::<IpNet>().ok()).any(|network| network.contains(&address))
}

/// One more use. 80 and 100 percent are events.
pub(crate) fn count_use(tx: &mut dyn WriteTx, token: &DeviceToken) -> Result<(), StoreError> {
    let mut ours = Org::of(tx, &token.org);
    ours.increase::<DeviceToken>(DeviceToken::id.eq(&token.id), DeviceToken::uses, 1)?;
    let uses = token.uses + 1;
    let percent = |of: u64| uses.saturating_mul(100) >= token.max_uses.saturating_mul(of);
    let before = |of: u64| token.uses.saturating_mul(100) < token.max_uses.saturating_mul(of);
    for mark in [80, 100] {
        if before(mark) && percent(mark) {
            ours.audit(
                NewEvent::new(&Actor::system(), "token.uses", token.id.as_str())
                    .with("percent", mark)
                    .with("uses", uses)
                    .with("max_uses", token.max_uses),
            );
        }
    }
    Ok(())
}

/// States in which a device's key is alive: its serial number is taken.
const ALIVE: [DeviceState; 6] = [
    DeviceState::Pending,
    DeviceState::Registered,
    DeviceState::Suspended,
    DeviceState::Quarantined,
    DeviceState::RemovalPending,
    DeviceState::Retired,
];

/// With exactly this serial number. The index has it in lower case.
fn numbered(serial: &str) -> Filter {
    let small = Filter::Eq(text_of::SERIAL, Value::Text(serial.to_ascii_lowercase()));
    small.and(Device::serial.is_null().negate()).and(Device::serial.is(&serial.to_owned()).by_row())
}

/// The live devices with this serial number; none when there is no number, or so many devices that it says nothing.
pub(crate) fn with_serial(tx: &mut dyn WriteTx, org: &OrgId, serial: Option<&str>) -> Result<Vec<Device>, StoreError> {
    let Some(serial) = serial else { return Ok(Vec::new()) };
    let filter = numbered(serial).and(Device::state.one_of(&ALIVE).by_row());
    let found = Org::of(tx, org).find::<Device>(filter)?;
    Ok(if found.len() > JUNK_KEYS { Vec::new() } else { found })
}

/// The live devices with the serial number of this one that enrolled before it: ids sort by time.
pub(crate) fn with_serial_before(tx: &mut dyn WriteTx, device: &Device) -> Result<Vec<Device>, StoreError> {
    let Some(serial) = &device.serial else { return Ok(Vec::new()) };
    let filter = numbered(serial).and(Device::id.below(&device.id)).and(Device::state.one_of(&ALIVE).by_row());
    Org::of(tx, &device.org).find::<Device>(filter)
}

/// Whether all these devices have the user bound, and nobody else.
pub(crate) fn all_of_user(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    devices: &[Device],
    user: &str,
) -> Result<bool, StoreError> {
    for device in devices {
        let bound = Org::of(tx, org).find::<Binding>(live().and(Binding::device_id.eq(&device.id)))?;
        let active = bound.iter().any(|b| b.state == BindingState::Active && b.user_id == user);
        if !active || bound.iter().any(|b| b.user_id != user) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// 16 registered devices (by the organization's setting) and 3 pending ones a user. Registered devices on which the user only waits count
/// by themselves, so that claims of strangers do not use up the user's own.
pub(crate) fn devices_of_user(
    tx: &mut dyn WriteTx,
    settings: &Organization,
    judged: Option<&Judged>,
    becomes: DeviceState,
) -> Result<(), Denied> {
    let Some((judged, user)) = judged.and_then(|judged| Some((judged, judged.user()?))) else { return Ok(()) };
    let mut ours = Org::of(tx, &settings.org);
    let bindings = ours.find::<Binding>(live().and(Binding::user_id.eq(&user.id)))?;
    let ids = |state: Option<BindingState>| -> BTreeSet<String> {
        let fits = bindings.iter().filter(|b| state.is_none_or(|state| b.state == state));
        fits.map(|b| b.device_id.clone()).collect()
    };
    let (wanted, bound) = if becomes == DeviceState::Pending {
        (DeviceState::Pending, ids(None))
    } else {
        (DeviceState::Registered, ids(Some(judged.state)))
    };
    if bound.is_empty() {
        return Ok(());
    }
    let devices = ours.find::<Device>(Device::id.one_of(&bound).and(Device::state.eq(&wanted)))?.len();
    let most = if wanted == DeviceState::Pending {
        PENDING_PER_USER
    } else {
        usize::try_from(settings.devices_per_user).unwrap_or(usize::MAX)
    };
    if devices < most {
        return Ok(());
    }
    let detail = format!("{} has {devices} {wanted} devices already, {most} are allowed", user.login_name);
    Err(Refused::new(Code::Enroll033, detail).into())
}

/// Codes that say that a roll-out goes wrong, as opposed to a token that has ended or is in a hurry.
const BAD: [Code; 11] = [
    Code::Enroll015,
    Code::Enroll016,
    Code::Enroll017,
    Code::Enroll020,
    Code::Enroll021,
    Code::Enroll022,
    Code::Enroll023,
    Code::Enroll024,
    Code::Enroll025,
    Code::Enroll026,
    Code::Enroll027,
];

/// The brake: when more than its share of what was tried within ten minutes was refused or waits, at least 20, the token is disabled.
pub(crate) fn brake(tx: &mut dyn WriteTx, org: &OrgId, token: &str) -> Result<(), StoreError> {
    let now = tx.now();
    let Some(mut token) = Org::of(tx, org).get::<DeviceToken>(token)? else { return Ok(()) };
    let Some(share) = token.brake.filter(|_| token.state == TokenState::Active) else { return Ok(()) };
    // What went wrong before somebody resumed it, or changed its limits, they have seen: it does not stop it again.
    let since = now.minus(BRAKE_WINDOW).max(token.updated_at);
    let mut ours = Org::of(tx, org);
    let subject = token.id.to_string();
    let codes: Vec<String> = BAD.iter().chain([&Code::Enroll033]).map(ToString::to_string).collect();
    let refused = RefusalCount::subject
        .eq(&subject)
        .and(RefusalCount::at.at_least(&since))
        .and(RefusalCount::proven.eq(&true))
        .and(RefusalCount::code.one_of(&codes));
    let refused: u64 = ours.find::<RefusalCount>(refused)?.iter().map(|row| row.count).sum();
    let enrolled = list::enrolled_since(&subject, since);
    let waiting = ours.count::<Device>(enrolled.clone().and(Device::enrolled_reason.is_null().negate()))?;
    let enrolled = ours.count::<Device>(enrolled)?;
    let (bad, all) = (refused + waiting, refused + enrolled);
    if bad < BRAKE_LEAST || bad.saturating_mul(100) <= all.saturating_mul(share) {
        return Ok(());
    }
    let why = format!("brake: {bad} of {all} enrollments within 10 minutes were refused or wait, more than {share}%");
    token.state = TokenState::Disabled;
    token.state_reason = Some(why.clone());
    token.updated_at = now;
    let mut ours = Org::of(tx, org);
    ours.replace(&token)?;
    ours.audit(NewEvent::new(&Actor::system(), "token.disable", token.id.as_str()).with("reason", why));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_compared_by_the_address_itself() {
        let networks = ["10.0.0.0/8".to_owned(), "2001:db8::/32".to_owned()];
        let from = |text: &str| from_network(&networks, text.parse().ok());
        assert!(from("10.1.2.3") && from("::ffff:10.1.2.3") && from("2001:db8::1"));
        assert!(!from("11.1.2.3") && !from("::1") && !from("nowhere"));
        assert!(from_network(&[], None));
    }
}
