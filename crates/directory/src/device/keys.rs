//! Which keys may have signed a message, and what stands of a device's key.
//!
//! Owns the look-up before signatures are verified, outside the transaction, and the same look-up inside it: a key must still be what it
//! was. Must not know how a signature is verified.

use std::collections::BTreeMap;
use std::time::Duration;

use latchkey_wire::verify::{NoKey, Signer};
use latchkey_wire::{Code, DeviceState, PublicJwk, Thumbprint, TokenId};

use crate::Directory;
use crate::id::OrgId;
use crate::records::{Device, DeviceKey, DeviceToken, OneTimeCode};
use crate::refusal::{Denied, Refused};
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};
use crate::time::Timestamp;
use crate::values::DeviceKeyState;

/// So long the key before a change is good to repeat the renewal that changed it.
const PREVIOUS: Duration = Duration::from_secs(24 * 60 * 60);

/// A key that is in the directory under the `kid` of a message. Proves nothing before the signature is verified with it.
#[derive(Debug, Clone)]
pub struct KnownKey {
    /// The device.
    pub device_id: String,
    /// Its thumbprint.
    pub dk: Thumbprint,
    /// The key.
    pub key: PublicJwk,
}

/// The keys of the credentials that a message names.
#[derive(Debug, Clone, Default)]
pub struct CredentialKeys {
    token: Option<PublicJwk>,
    codes: BTreeMap<TokenId, PublicJwk>,
}

impl CredentialKeys {
    /// The device token's.
    #[must_use]
    pub fn token(&self) -> Option<&PublicJwk> {
        self.token.as_ref()
    }

    /// A one-time code's. No management system's certificate authority can be configured in this version, so an MDM certificate has no
    /// key here and refuses the message.
    pub fn evidence(&self, signer: &Signer) -> Result<PublicJwk, NoKey> {
        match signer {
            Signer::Code(id) => self.codes.get(id).cloned().ok_or(NoKey),
            _ => Err(NoKey),
        }
    }
}

impl Directory {
    /// The device key with this thumbprint, if it is or was this device's and its signature still tells anything.
    pub async fn device_key(
        &self,
        org: &OrgId,
        device_id: &str,
        dk: Thumbprint,
    ) -> Result<Option<KnownKey>, StoreError> {
        let (org, device_id) = (org.clone(), device_id.to_owned());
        self.read(move |tx| {
            let now = tx.now();
            let row = Org::of(tx, &org).one::<DeviceKey>(DeviceKey::thumbprint.eq(&dk))?;
            let row = row.filter(|row| row.device_id == device_id && row.tells_something(now));
            row.map(|row| Ok(KnownKey { key: row.key.read()?, device_id: row.device_id, dk })).transpose()
        })
        .await
    }

    /// The keys of a token and of one-time codes.
    pub async fn credential_keys(
        &self,
        org: &OrgId,
        token: Option<TokenId>,
        codes: Vec<TokenId>,
    ) -> Result<CredentialKeys, StoreError> {
        let org = org.clone();
        self.read(move |tx| {
            let mut ours = Org::of(tx, &org);
            let token = match token {
                Some(id) => ours.get::<DeviceToken>(id.as_str())?.map(|row| row.public_key.0),
                None => None,
            };
            let codes = if codes.is_empty() {
                BTreeMap::new()
            } else {
                let rows = ours.find::<OneTimeCode>(OneTimeCode::id.one_of(&codes))?;
                rows.into_iter().map(|row| (row.id, row.public_key.0)).collect()
            };
            Ok(CredentialKeys { token, codes })
        })
        .await
    }
}

impl DeviceKey {
    /// The row of the key that a device signs with from now on.
    pub(crate) fn current(device: &Device, now: Timestamp) -> Self {
        Self {
            org: device.org.clone(),
            thumbprint: device.dk,
            device_id: device.id.clone(),
            key: device.key.clone(),
            state: DeviceKeyState::Current,
            since: now,
        }
    }

    /// A retired key's signature is that of an unknown device.
    fn tells_something(&self, now: Timestamp) -> bool {
        match self.state {
            DeviceKeyState::Current | DeviceKeyState::Dead => true,
            DeviceKeyState::Previous => now.since(self.since) <= PREVIOUS,
            DeviceKeyState::Retired => false,
        }
    }
}

/// The device that signed, and with which of its keys.
pub(crate) struct Signed {
    pub(crate) device: Device,
    /// It signed with the key before the last change: good to repeat that renewal and for nothing else.
    pub(crate) by_previous: bool,
}

/// What the key that signed is now. A removed device is told so; a key that was given up because of a quarantine stays refused.
pub(crate) fn signed(tx: &mut dyn WriteTx, org: &OrgId, device_id: &str, dk: &Thumbprint) -> Result<Signed, Denied> {
    let now = tx.now();
    let unknown = || Refused::new(Code::Device404, "there is no such device, or it does not sign with this key");
    let mut ours = Org::of(tx, org);
    let key = ours.one::<DeviceKey>(DeviceKey::thumbprint.eq(dk))?;
    let key = key.filter(|key| key.device_id == device_id && key.tells_something(now)).ok_or_else(unknown)?;
    let device = ours.get::<Device>(device_id)?.ok_or_else(unknown)?;
    if device.state == DeviceState::Removed {
        return Err(gone().into());
    }
    match key.state {
        DeviceKeyState::Current => Ok(Signed { device, by_previous: false }),
        DeviceKeyState::Previous => Ok(Signed { device, by_previous: true }),
        DeviceKeyState::Dead | DeviceKeyState::Retired => Err(Refused::new(
            Code::Enroll031,
            "this key was given up when the device was quarantined; a new key took over",
        )
        .of_state(DeviceState::Quarantined)
        .into()),
    }
}

/// The device was removed: the one thing that makes a connector erase its keys.
pub(crate) fn gone() -> Refused {
    Refused::new(Code::Device410, "the device was removed").of_state(DeviceState::Removed)
}
