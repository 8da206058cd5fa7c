//! Re-applying what an exported audit log took away.
//!
//! Owns which actions are re-applied, and how what ends as a whole is; limits that were drawn closer are in `limits`. It adds nothing: an
//! action that gives is passed over, but where it takes back what this very replay took away. Every step is one a person could take,
//! recorded as theirs.

use std::collections::BTreeMap;

use latchkey_wire::{BindingState, DeviceState};
use serde_json::Value as JsonValue;

use super::Confirmed;
use super::limits::Before;
use crate::Result;
use crate::access::assignments::forget;
use crate::access::records::RoleAssignment;
use crate::audit::export::{Export, ExportedEvent};
use crate::audit::{Actor, AuditChain, NewEvent};
use crate::device::state::{self, end_sessions, live};
use crate::id::OrgId;
use crate::query::Filter;
use crate::records::{
    ApiClient, Binding, Device, DeviceToken, Domain, DomainOwner, Entitlement, Group, Key, Membership, OneTimeCode,
    Organization, Service, Session, User,
};
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};
use crate::users::end_all_sessions;
use crate::values::{KeyState, TokenState, UserStatus};

/// Why something is in its state.
const WHY: &str = "replayed from the audit log";

/// What became of one event.
pub(super) enum Done {
    /// It was re-applied.
    Applied,
    /// The store stands there already.
    Already,
    /// It takes nothing away, or what it is about is not in the store.
    Passed,
    /// It cannot be re-applied, for this reason.
    Left(String),
}

/// Re-applies the events that the store does not have. `Err`: the export does not continue what the store has, and nothing was done.
pub(super) fn replay(
    tx: &mut dyn WriteTx,
    actor: &Actor,
    export: &Export,
    confirmed: &mut Confirmed,
) -> Result<std::result::Result<(), String>> {
    let mut new: BTreeMap<&OrgId, Vec<&ExportedEvent>> = BTreeMap::new();
    for ((org, chain), events) in &export.chains {
        match unknown(tx, org, chain, events)? {
            Ok(events) => new.entry(org).or_default().extend(events),
            Err(why) => return Ok(Err(why)),
        }
    }
    for (org, mut events) in new {
        confirmed.events += events.len() as u64;
        if *org != OrgId::cloud() && !Org::of(tx, org).any::<Organization>(Filter::all())? {
            confirmed
                .left
                .push(format!("{} events of {org}: there is no such organization in the backup", events.len()));
            continue;
        }
        // Chains of several nodes ran side by side.
        events.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        let mut step = Step {
            tx,
            org,
            actor,
            suspended: BTreeMap::new(),
            users: Vec::new(),
            members: Vec::new(),
            roles: Vec::new(),
            before: Before::default(),
        };
        for event in events.into_iter().filter(|event| !event.refused) {
            let count = match step.apply(event)? {
                Done::Applied => &mut confirmed.applied,
                Done::Already => continue,
                Done::Passed => &mut confirmed.not_replayed,
                Done::Left(why) => {
                    confirmed.left.push(format!("{} {} at {}: {why}", event.action, event.target, event.at));
                    continue;
                }
            };
            *count.entry(event.action.clone()).or_default() += 1;
        }
    }
    Ok(Ok(()))
}

/// The events of a chain that the store lacks, if they continue what it has.
fn unknown<'e>(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    chain: &str,
    events: &'e [ExportedEvent],
) -> Result<std::result::Result<Vec<&'e ExportedEvent>, String>> {
    let stored: Option<AuditChain> = Org::of(tx, org).get(chain)?;
    let (known, head) = stored.map_or((0, latchkey_wire::Bytes([0; 32])), |row| (row.events, row.head_hash));
    let other = || format!("chain {chain} of {org} is another one in this store: the export is of another cloud");
    if events.iter().any(|event| event.seq == known && event.hash != head) {
        return Ok(Err(other()));
    }
    let new: Vec<_> = events.iter().filter(|event| event.seq > known).collect();
    let Some(first) = new.first() else { return Ok(Ok(new)) };
    if first.seq != known + 1 {
        return Ok(Err(format!(
            "the export lacks the events {} to {} of chain {chain} of {org}",
            known + 1,
            first.seq - 1
        )));
    }
    Ok(if first.prev_hash == head { Ok(new) } else { Err(other()) })
}

/// The replay of one organization's log.
pub(super) struct Step<'a> {
    pub(super) tx: &'a mut dyn WriteTx,
    pub(super) org: &'a OrgId,
    actor: &'a Actor,
    /// Devices that this replay suspended, and what they were.
    suspended: BTreeMap<String, DeviceState>,
    /// Users that this replay disabled.
    users: Vec<String>,
    /// Memberships that this replay took away.
    members: Vec<Membership>,
    /// Roles that this replay took.
    pub(super) roles: Vec<RoleAssignment>,
    /// What the backup says of limits that this replay drew closer.
    pub(super) before: Before,
}

impl Step<'_> {
    fn apply(&mut self, event: &ExportedEvent) -> Result<Done> {
        Ok(match event.action.as_str() {
            "device.suspend" | "device.resume" | "device.quarantine" | "device.remove" | "device.unenroll" => {
                return self.device(event);
            }
            "device.enroll" => self.one_use(event)?,
            "binding.remove" => self.binding(event)?,
            "token.revoke" => self.revoke(event)?,
            "token.rotate" => self.rotated(event)?,
            "code.delete" => self.code_ends(event)?,
            "user.disable" | "user.enable" | "user.delete" => self.user(event)?,
            "group.leave" | "group.join" => self.member(event)?,
            "group.delete" => self.group(event)?,
            "policy.set" => self.policy(event)?,
            "user.set" | "group.set" | "group.create" => self.protection(event)?,
            "service.set" => self.service_set(event)?,
            "service.refresh" => self.metadata(event)?,
            "token.set" => self.token_set(event)?,
            "api-client.set" | "api-client.rotate" => self.client_set(event)?,
            "domain.recheck" => self.lapse(event)?,
            "org.set" | "org.delete" => self.organization(event)?,
            "domain.remove" => self.domain(event)?,
            "service.delete" => self.service(event)?,
            "service.disentitle" => self.entitlement(event)?,
            "service.entitle" => self.entitle(event)?,
            "api-client.delete" => self.client(event)?,
            "key.activate" | "key.retire" => self.key(event)?,
            "credential.remove" => self.credential_removed(event)?,
            "credential.add" => self.credential_added(event)?,
            "credential.expire" => self.credential_expired(event)?,
            "sign-in-method.set" => self.sign_in_methods(event)?,
            "role.take" | "role.give" => self.role_holder(event)?,
            "role.set" => self.role_set(event)?,
            "role.delete" => self.role_deleted(event)?,
            // The restore did more than these.
            "token.disable" | "api-client.disable" | "session.end" => Done::Already,
            _ => Done::Passed,
        })
    }

    pub(super) fn ours(&mut self) -> Org<'_, dyn WriteTx + '_> {
        Org::of(&mut *self.tx, self.org)
    }

    /// The event of a step. Its details are those of the step, as far as another replay needs them.
    pub(super) fn again(&self, action: &'static str, event: &ExportedEvent) -> NewEvent {
        NewEvent::new(self.actor, action, event.target.clone()).with("replayed", &event.id)
    }

    fn audit(&mut self, action: &'static str, event: &ExportedEvent) {
        let again = self.again(action, event);
        self.ours().audit(again);
    }

    fn device(&mut self, event: &ExportedEvent) -> Result<Done> {
        use DeviceState as Is;
        let Some(mut device) = self.ours().get::<Device>(&event.target)? else {
            return Ok(Done::Left(
                "the device enrolled after the backup: watch for it, and remove it again".to_owned(),
            ));
        };
        if device.state == Is::Removed {
            return Ok(Done::Already);
        }
        let new = |action| NewEvent::new(self.actor, action, device.id.clone()).with("replayed", &event.id);
        match event.action.as_str() {
            "device.suspend" => {
                if !matches!(device.state, Is::Registered | Is::Pending) {
                    return Ok(Done::Already);
                }
                let event = new("device.suspend");
                self.suspended.insert(device.id.clone(), device.state);
                state::set(self.tx, &mut device, Is::Suspended, Some(WHY))?;
                state::device_sessions(self.tx, &device, WHY)?;
                state::audit(self.tx, &device, event);
            }
            "device.resume" => {
                let Some(was) = self.suspended.remove(&device.id) else { return Ok(Done::Passed) };
                let event = new("device.resume");
                state::set(self.tx, &mut device, was, None)?;
                state::audit(self.tx, &device, event);
            }
            "device.quarantine" => {
                if device.state == Is::Quarantined {
                    return Ok(Done::Already);
                }
                let event = new("device.quarantine");
                state::quarantine(self.tx, &mut device, WHY, event)?;
            }
            "device.unenroll" => {
                let event = new("device.unenroll");
                state::set(self.tx, &mut device, Is::Unregistered, Some(state::reason::USER))?;
                state::bindings_end(self.tx, &device, "device unregistered")?;
                state::device_sessions(self.tx, &device, "device unregistered")?;
                state::audit(self.tx, &device, event);
            }
            _ if event.details.get("at_next_contact") == Some(&JsonValue::Bool(true)) => {
                let event = new("device.remove").with("at_next_contact", true);
                state::set(self.tx, &mut device, Is::RemovalPending, Some(WHY))?;
                state::audit(self.tx, &device, event);
            }
            _ => {
                state::remove(self.tx, &mut device, WHY, self.actor)?;
            }
        }
        Ok(Done::Applied)
    }

    /// An enrollment that the store does not have spent a use of its token, or its one-time code.
    fn one_use(&mut self, event: &ExportedEvent) -> Result<Done> {
        let Some(token) = event.details.get("token").and_then(JsonValue::as_str) else { return Ok(Done::Passed) };
        let (used_at, used_by) = (Some(event.at), Some(event.target.clone()));
        let id = crate::value::Value::Text(token.to_owned());
        let of_it = Filter::Eq("id", id);
        let mut ours = self.ours();
        let counted = ours.increase::<DeviceToken>(of_it.clone(), DeviceToken::uses, 1)?;
        let spent = ours.update::<OneTimeCode>(
            of_it.and(OneTimeCode::used_at.is_null()),
            &[OneTimeCode::used_at.set(&used_at), OneTimeCode::used_by.set(&used_by)],
        )?;
        Ok(if counted + spent > 0 { Done::Applied } else { Done::Passed })
    }

    fn binding(&mut self, event: &ExportedEvent) -> Result<Done> {
        let now = self.tx.now();
        let over = [
            Binding::state.set(&BindingState::Ended),
            Binding::state_reason.set(&Some(WHY.to_owned())),
            Binding::ended_at.set(&Some(now)),
        ];
        let ended = self.ours().update::<Binding>(live().and(Binding::id.eq(&event.target)), &over)?;
        if ended == 0 {
            return Ok(Done::Passed);
        }
        end_sessions(self.tx, self.org, Session::binding_id.is(&event.target), WHY)?;
        self.audit("binding.remove", event);
        Ok(Done::Applied)
    }

    fn token(&mut self, id: &str) -> std::result::Result<Option<DeviceToken>, StoreError> {
        self.ours().get::<DeviceToken>(id)
    }

    fn revoke(&mut self, event: &ExportedEvent) -> Result<Done> {
        let Some(mut token) = self.token(&event.target)? else { return Ok(Done::Passed) };
        if token.state == TokenState::Revoked {
            return Ok(Done::Already);
        }
        token.state = TokenState::Revoked;
        token.state_reason = Some(WHY.to_owned());
        token.revoked_at = Some(event.at);
        token.updated_at = self.tx.now();
        self.ours().replace(&token)?;
        self.audit("token.revoke", event);
        Ok(Done::Applied)
    }

    /// A token that was rotated is revoked, or ends when that said.
    fn rotated(&mut self, event: &ExportedEvent) -> Result<Done> {
        let ends = event.details.get("old_expires_at").and_then(JsonValue::as_str).and_then(|text| text.parse().ok());
        let (Some(mut token), Some(ends)) = (self.token(&event.target)?, ends) else { return Ok(Done::Passed) };
        match event.details.get("revoked").and_then(JsonValue::as_bool) {
            Some(true) => return self.revoke(event),
            // An older version did not say it: what ended no earlier was revoked, or had little time left.
            None if token.expires_at <= ends => return self.revoke(event),
            _ if token.expires_at <= ends => return Ok(Done::Already),
            _ => {}
        }
        token.expires_at = ends;
        token.updated_at = self.tx.now();
        self.ours().replace(&token)?;
        let again = self.again("token.rotate", event).with("revoked", false).with("old_expires_at", ends);
        self.ours().audit(again);
        Ok(Done::Applied)
    }

    fn code_ends(&mut self, event: &ExportedEvent) -> Result<Done> {
        let id = crate::value::Value::Text(event.target.clone());
        let gone = self.ours().delete::<OneTimeCode>(Filter::Eq("id", id))?;
        Ok(if gone > 0 { Done::Applied } else { Done::Passed })
    }

    fn user(&mut self, event: &ExportedEvent) -> Result<Done> {
        let Some(mut user) = self.ours().get::<User>(&event.target)? else { return Ok(Done::Passed) };
        let now = self.tx.now();
        user.updated_at = now;
        match (event.action.as_str(), user.status) {
            (_, UserStatus::Deleted) | ("user.disable", UserStatus::Disabled) => return Ok(Done::Already),
            ("user.disable", UserStatus::Active) => {
                user.status = UserStatus::Disabled;
                self.users.push(user.id.clone());
                self.ours().replace(&user)?;
                self.audit("user.disable", event);
            }
            ("user.enable", _) => {
                let Some(at) = self.users.iter().position(|id| *id == user.id) else { return Ok(Done::Passed) };
                self.users.swap_remove(at);
                user.status = UserStatus::Active;
                self.ours().replace(&user)?;
                self.audit("user.enable", event);
            }
            _ => {
                user.status = UserStatus::Deleted;
                user.deleted_at = Some(event.at);
                user.login_key.clone_from(&user.id);
                let over = [
                    Binding::state.set(&BindingState::Ended),
                    Binding::state_reason.set(&Some("user deleted".to_owned())),
                    Binding::ended_at.set(&Some(now)),
                ];
                let mut ours = self.ours();
                ours.replace(&user)?;
                ours.update::<Binding>(live().and(Binding::user_id.eq(&user.id)), &over)?;
                ours.delete::<Membership>(Membership::user_id.eq(&user.id))?;
                forget(self.tx, self.org, &user.id)?;
                crate::credentials::forget(self.tx, &user)?;
                self.audit("user.delete", event);
            }
        }
        end_all_sessions(self.tx, &user, WHY)?;
        Ok(Done::Applied)
    }

    fn member(&mut self, event: &ExportedEvent) -> Result<Done> {
        let Some(user) = event.details.get("user").and_then(JsonValue::as_str).map(str::to_owned) else {
            return Ok(Done::Passed);
        };
        let of_it = Membership::group_id.eq(&event.target).and(Membership::user_id.eq(&user));
        let found: Option<Membership> = self.ours().one(of_it.clone())?;
        if event.action == "group.leave" {
            let Some(found) = found else { return Ok(Done::Passed) };
            self.ours().delete::<Membership>(of_it)?;
            self.members.push(found);
            let again = self.again("group.leave", event).with("user", &user);
            self.ours().audit(again);
            return Ok(Done::Applied);
        }
        let taken = self.members.iter().position(|row| row.group_id == event.target && row.user_id == user);
        let Some(at) = taken else {
            let protects = Group::id.eq(&event.target).and(Group::protected.eq(&true));
            let mut ours = self.ours();
            let is_left = found.is_none() && ours.any::<Group>(protects)? && ours.any::<User>(User::id.eq(&user))?;
            return Ok(if is_left {
                Done::Left(format!("the group protects its members: put {user} into it again"))
            } else {
                Done::Passed
            });
        };
        let row = self.members.swap_remove(at);
        self.ours().add(&row)?;
        let again = self.again("group.join", event).with("user", &user);
        self.ours().audit(again);
        Ok(Done::Applied)
    }

    fn group(&mut self, event: &ExportedEvent) -> Result<Done> {
        let mut ours = self.ours();
        if ours.delete::<Group>(Group::id.eq(&event.target))? == 0 {
            return Ok(Done::Passed);
        }
        ours.delete::<Membership>(Membership::group_id.eq(&event.target))?;
        ours.delete::<Entitlement>(Entitlement::subject.eq(&event.target))?;
        forget(self.tx, self.org, &event.target)?;
        self.audit("group.delete", event);
        Ok(Done::Applied)
    }

    fn domain(&mut self, event: &ExportedEvent) -> Result<Done> {
        let mut ours = self.ours();
        if ours.delete::<Domain>(Domain::name.eq(&event.target))? == 0 {
            return Ok(Done::Passed);
        }
        ours.delete::<DomainOwner>(DomainOwner::name.eq(&event.target))?;
        self.audit("domain.remove", event);
        Ok(Done::Applied)
    }

    fn service(&mut self, event: &ExportedEvent) -> Result<Done> {
        let mut ours = self.ours();
        if ours.delete::<Service>(Service::id.eq(&event.target))? == 0 {
            return Ok(Done::Passed);
        }
        ours.delete::<Entitlement>(Entitlement::service_id.eq(&event.target))?;
        self.audit("service.delete", event);
        Ok(Done::Applied)
    }

    fn entitlement(&mut self, event: &ExportedEvent) -> Result<Done> {
        let text = |name: &str| event.details.get(name).and_then(JsonValue::as_str).map(str::to_owned);
        let Some(id) = text("entitlement") else { return Ok(Done::Passed) };
        // Whom it was for says more than its id: it may have been taken away and given again since the backup.
        let of_it = match (text("kind").and_then(|kind| kind.parse().ok()), text("subject")) {
            (Some(kind), Some(subject)) => Entitlement::service_id
                .eq(&event.target)
                .and(Entitlement::kind.eq(&kind))
                .and(Entitlement::subject.eq(&subject)),
            _ => Entitlement::id.eq(&id),
        };
        let Some(line) = self.ours().one::<Entitlement>(of_it)? else { return Ok(Done::Passed) };
        self.ours().delete::<Entitlement>(Entitlement::id.eq(&line.id))?;
        let again = self.again("service.disentitle", event).with("entitlement", &line.id);
        self.ours().audit(again.with("kind", line.kind).with("subject", &line.subject));
        self.before.entitlements.push(line);
        Ok(Done::Applied)
    }

    fn client(&mut self, event: &ExportedEvent) -> Result<Done> {
        if self.ours().delete::<ApiClient>(ApiClient::id.eq(&event.target))? == 0 {
            return Ok(Done::Passed);
        }
        self.audit("api-client.delete", event);
        Ok(Done::Applied)
    }

    /// A key that was retired goes out of use. One that took its place is brought into use only if the store has it already.
    fn key(&mut self, event: &ExportedEvent) -> Result<Done> {
        let Some(mut key) = self.ours().get::<Key>(&event.target)? else { return Ok(Done::Passed) };
        if event.action == "key.activate" {
            if !matches!(key.state, KeyState::Upcoming | KeyState::Retiring) {
                return Ok(Done::Already);
            }
            let same =
                Key::usage.eq(&key.usage).and(Key::algorithm.eq(&key.algorithm)).and(Key::state.eq(&KeyState::Active));
            key.state = KeyState::Active;
            key.activated_at = Some(event.at);
            let mut ours = self.ours();
            ours.update::<Key>(same, &[Key::state.set(&KeyState::Retiring)])?;
            ours.replace(&key)?;
            self.audit("key.activate", event);
            return Ok(Done::Applied);
        }
        match key.state {
            KeyState::Retired => Ok(Done::Already),
            KeyState::Active => {
                Ok(Done::Left("it is in use again: add and activate another one, then retire it".to_owned()))
            }
            KeyState::Upcoming | KeyState::Retiring => {
                key.state = KeyState::Retired;
                key.retired_at = Some(event.at);
                self.ours().replace(&key)?;
                self.audit("key.retire", event);
                Ok(Done::Applied)
            }
        }
    }
}
