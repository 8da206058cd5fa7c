//! Devices for tests of pages, put into the store as an enrollment leaves them.

use latchkey_directory::records::{Binding, Ceiling, Device};
use latchkey_directory::store::StoreError;
use latchkey_directory::value::{Json, StoredKey};
use latchkey_directory::{Bytes, Org, OrgId};
use latchkey_wire::{BindingState, ClaimSource, DeviceState, Level, P256Key, Platform, Protection, Sign as _};
use serde_json::json;

use crate::api::tests::world::World;

/// A device that is to be there.
pub(crate) struct Machine<'a> {
    pub(crate) id: &'a str,
    pub(crate) host: &'a str,
    pub(crate) user: &'a str,
    pub(crate) state: DeviceState,
    pub(crate) token: Option<&'a str>,
}

impl Machine<'_> {
    /// Puts it in, with its user and their binding.
    pub(crate) async fn put(&self, world: &World, org: &OrgId) -> String {
        let now = world.now();
        let login = format!("{}@acme.example", self.user);
        world.post("/api/v1/o/acme/users", json!({"login_name": login})).await;
        let user = world.app.directory.user(org, &login).await.unwrap();
        let pending = self.state == DeviceState::Pending;
        let (dk, uk) = (P256Key::generate(), P256Key::generate());
        let (key, user_key) = (dk.public(), uk.public());
        let device = Device {
            org: org.clone(),
            id: self.id.to_owned(),
            dk: key.thumbprint(),
            key: StoredKey::of(key),
            protection: Protection::Claimed,
            platform: Platform::Linux,
            os: Some("Debian 13".to_owned()),
            host: Some(self.host.to_owned()),
            serial: Some(format!("SN-{}", self.id)),
            smbios_uuid: None,
            agent: "0.1.0".to_owned(),
            external_device_id: None,
            ownership: None,
            state: self.state,
            state_reason: pending.then(|| "initial".to_owned()),
            state_at: now,
            domain: "acme.example".to_owned(),
            cur: 3,
            v_cur: Bytes([1; 32]),
            v_prev: None,
            prev_alive: false,
            v_0: Bytes([2; 32]),
            advanced_at: None,
            enrolled_user: Json(None),
            enrolled_reason: None,
            token_id: self.token.map(str::to_owned),
            ceiling: Json(Ceiling::default()),
            certificate_expires_at: None,
            key_since: now,
            replaces: None,
            released_until: None,
            address: Some("192.0.2.7".to_owned()),
            first_seen_at: now,
            last_seen_at: now,
            seen_day: now.day(),
            removed_at: None,
        };
        let binding = Binding {
            org: org.clone(),
            id: format!("b-{}", self.id),
            device_id: device.id.clone(),
            user_id: user.id,
            os_account: "1000".to_owned(),
            uk: user_key.thumbprint(),
            user_key: StoredKey::of(user_key),
            level: Level::KnownUser,
            claim: login,
            source: ClaimSource::Option,
            state: if pending { BindingState::Pending } else { BindingState::Active },
            state_reason: pending.then(|| "LK-ENROLL-032".to_owned()),
            created_at: now,
            last_used_at: None,
            ended_at: None,
        };
        let id = binding.id.clone();
        let of = org.clone();
        let put = world.app.directory.write::<_, StoreError>(move |tx| {
            let mut ours = Org::of(tx, &of);
            ours.add(&device)?;
            ours.add(&binding)
        });
        put.await.unwrap();
        id
    }
}
