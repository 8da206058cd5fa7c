//! After a restore the store knows less than our own certificate: a device that enrolled since the backup is adopted (lifecycle.md, Server
//! restore), a device key that was changed since is taken up again (rule 5 of Renewal and epochs).
//!
//! Owns which certificate is enough for that, and with what a device is adopted: as pending, with the certificate's facts and no user.
//! Must not know X.509.

use latchkey_wire::certificate::Extension;
use latchkey_wire::message::Renew;
use latchkey_wire::{Code, DeviceState, Protection};

use super::renew::OwnFacts;
use super::state::reason;
use super::{Outcome, Received, enroll, keys, outcome};
use crate::audit::NewEvent;
use crate::id::OrgId;
use crate::query::Filter;
use crate::records::{Ceiling, Cloud, Device, DeviceKey, Organization};
use crate::refusal::{Denied, Refused};
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};
use crate::value::{Json, StoredKey};
use crate::values::DeviceKeyState;

/// Whether a certificate of ours tells what a renewal claims, and was made after the backup that this store was restored from.
pub(crate) fn vouches(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    request: &Received<Renew>,
    own: Option<&OwnFacts>,
) -> Result<bool, Denied> {
    let body = request.message.body();
    let taken_at = Org::of(tx, &OrgId::cloud()).one::<Cloud>(Filter::all())?.and_then(|row| row.taken_at);
    Ok(own.zip(taken_at).is_some_and(|(own, taken_at)| {
        let said = &own.extension;
        said.org == org.as_str()
            && said.device_id == body.device_id
            && said.n == body.n
            && said.v_n_sha256 == Extension::hash_of(&body.e_n.commitment())
            && i64::try_from(said.issued).is_ok_and(|issued| issued >= taken_at.millis())
            && own.key.thumbprint() == request.dk
    }))
}

/// The device whose key was changed since the backup: the record is there, the key in no row, and our certificate says that it is this
/// device's. `None` where any of that does not hold. A key that the store does know and gave up stays given up.
pub(crate) fn changed_key(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    request: &Received<Renew>,
    own: &OwnFacts,
) -> Result<Option<Device>, Denied> {
    let mut ours = Org::of(tx, org);
    let Some(device) = ours.get::<Device>(&request.message.body().device_id)? else { return Ok(None) };
    if ours.any::<DeviceKey>(DeviceKey::thumbprint.eq(&request.dk))? || !vouches(tx, org, request, Some(own))? {
        return Ok(None);
    }
    match device.state {
        DeviceState::Removed => Err(keys::gone().into()),
        // Its keys are dead for good, this one too; a new one takes over.
        DeviceState::Quarantined => {
            Err(Refused::new(Code::Renew023, "the device is quarantined").of_state(device.state).into())
        }
        _ => Ok(Some(device)),
    }
}

/// Makes the certificate's key the device's. The one that the backup knew was given up by the renewal that changed it.
pub(crate) fn install_key(
    tx: &mut dyn WriteTx,
    request: &Received<Renew>,
    device: &mut Device,
    own: &OwnFacts,
) -> Result<(), StoreError> {
    let (org, now) = (device.org.clone(), tx.now());
    let retired = [DeviceKey::state.set(&DeviceKeyState::Retired), DeviceKey::since.set(&now)];
    let mut ours = Org::of(tx, &org);
    let given_up = DeviceKey::device_id.eq(&device.id).and(DeviceKey::state.eq(&DeviceKeyState::Dead).negate());
    ours.update::<DeviceKey>(given_up, &retired)?;
    device.key = StoredKey::of(&own.key);
    device.dk = request.dk;
    device.key_since = now;
    ours.add(&DeviceKey::current(device, now))?;
    ours.replace(device)?;
    let event = NewEvent::new(&request.actor(&device.id), "device.key_restore", device.id.clone());
    ours.audit(event.with("epoch", own.extension.n));
    Ok(())
}

/// Takes the device up as pending; an approval is all it needs. A row or a key that is there already forbids it: the removed stay removed.
pub(crate) fn adopt(
    tx: &mut dyn WriteTx,
    settings: &Organization,
    request: &Received<Renew>,
    own: &OwnFacts,
) -> Result<Outcome, Denied> {
    let (org, now) = (&settings.org, tx.now());
    let body = request.message.body();
    let known = Org::of(tx, org).any::<Device>(Device::id.eq(&body.device_id))?
        || Org::of(tx, org).any::<DeviceKey>(DeviceKey::thumbprint.eq(&request.dk))?;
    if known || !vouches(tx, org, request, Some(own))? {
        return Err(
            Refused::new(Code::Device404, "there is no such device, and nothing that lets it be adopted").into()
        );
    }
    request.nonce.consume(tx, org)?;
    let enroll::Facts { os, host, smbios_uuid, agent, external_device_id, ownership } = enroll::facts(&body.facts);
    let domain = own.extension.domain.clone();
    let device = Device {
        org: org.clone(),
        id: body.device_id.clone(),
        key: StoredKey::of(&own.key),
        dk: request.dk,
        protection: Protection::Software,
        platform: body.facts.platform,
        os,
        host,
        serial: own.extension.serial.clone(),
        smbios_uuid,
        agent,
        external_device_id,
        ownership,
        state: DeviceState::Pending,
        state_reason: Some(reason::ADOPTED.to_owned()),
        state_at: now,
        cur: body.n,
        v_cur: body.e_n.commitment(),
        v_prev: None,
        prev_alive: false,
        v_0: body.e_n.commitment(),
        advanced_at: None,
        enrolled_user: Json(None),
        enrolled_reason: None,
        token_id: None,
        // What its token allowed is lost: users of its domain, none created in groups, none without approval who is known.
        ceiling: Json(Ceiling { domains: vec![domain.clone()], ..Ceiling::default() }),
        domain,
        certificate_expires_at: None,
        key_since: now,
        replaces: None,
        released_until: None,
        address: request.address(),
        first_seen_at: now,
        last_seen_at: now,
        removed_at: None,
        seen_day: now.day(),
    };
    let mut ours = Org::of(tx, org);
    ours.add(&device)?;
    ours.add(&DeviceKey::current(&device, now))?;
    ours.audit(
        NewEvent::new(&request.actor(&device.id), "device.adopt", device.id.clone())
            .with("epoch", device.cur)
            .with("host", &device.host)
            .with("serial", &device.serial),
    );
    Ok(outcome::of(tx, &device, settings, None)?)
}
