//! Adoption after a restore: the store does not know a device that enrolled after the backup (lifecycle.md, Server restore).
//!
//! Owns which certificate is enough to take a device up again, and with what: as pending, with the certificate's facts and no user.
//! Must not know X.509.

use latchkey_wire::certificate::Extension;
use latchkey_wire::message::Renew;
use latchkey_wire::{Code, DeviceState, Protection};

use super::renew::OwnFacts;
use super::state::reason;
use super::{Outcome, Received, enroll, outcome};
use crate::audit::NewEvent;
use crate::id::OrgId;
use crate::query::Filter;
use crate::records::{Ceiling, Cloud, Device, DeviceKey, Organization};
use crate::refusal::{Denied, Refused};
use crate::scope::Org;
use crate::store::WriteTx;
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
    };
    let mut ours = Org::of(tx, org);
    ours.add(&device)?;
    ours.add(&DeviceKey {
        org: org.clone(),
        thumbprint: device.dk,
        device_id: device.id.clone(),
        key: device.key.clone(),
        state: DeviceKeyState::Current,
        since: now,
    })?;
    ours.audit(
        NewEvent::new(&request.actor(&device.id), "device.adopt", device.id.clone())
            .with("epoch", device.cur)
            .with("host", &device.host)
            .with("serial", &device.serial),
    );
    Ok(outcome::of(tx, &device, settings, None)?)
}
