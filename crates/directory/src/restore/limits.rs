//! Re-applying what an exported log drew closer: the device token policy, protection, who may use a service and with which evidence.
//!
//! Owns which part of a later value takes away. A limit ends where the log leaves it, but never wider than the backup has it. What the log
//! does not say well enough to be repeated is left to a person. Must not know what is removed or revoked as a whole (`replay`).

use std::collections::{BTreeMap, BTreeSet};

use latchkey_wire::Level;
use serde::de::DeserializeOwned;

use super::replay::{Done, Step};
use crate::Result;
use crate::audit::export::ExportedEvent;
use crate::credentials::SignInPolicyView;
use crate::query::Filter;
use crate::records::{
    ApiClient, DeviceToken, DeviceTokenPolicy, Domain, Entitlement, Group, Organization, Service, User,
};
use crate::scope::across;
use crate::value::{Json, Value};
use crate::values::{DomainState, EntitlementKind};

/// What the backup says where this replay said otherwise.
#[derive(Default)]
pub(super) struct Before {
    policy: Option<DeviceTokenPolicy>,
    /// The choice of sign-in methods.
    pub(super) sign_in: Option<SignInPolicyView>,
    /// The evidence levels of services.
    levels: BTreeMap<String, Level>,
    /// The ids of users and groups that were not protected.
    unprotected: BTreeSet<String>,
    /// The entitlements that were taken away: a later event may give one of them back.
    pub(super) entitlements: Vec<Entitlement>,
    /// The scopes of API clients.
    scopes: BTreeMap<String, Vec<String>>,
}

impl Before {
    /// What becomes of a protection that the log turns to `said`: nothing that the backup has is taken away.
    fn protection(&mut self, id: &str, is: bool, said: bool) -> Option<bool> {
        match (is, said) {
            (false, true) => {
                self.unprotected.insert(id.to_owned());
                Some(true)
            }
            (true, false) => self.unprotected.remove(id).then_some(false),
            _ => None,
        }
    }
}

/// A detail of an event; absent where an older version did not write it.
fn detail<T: DeserializeOwned>(event: &ExportedEvent, name: &str) -> Option<T> {
    serde_json::from_value(event.details.get(name)?.clone()).ok()
}

fn left(why: impl Into<String>) -> Result<Done> {
    Ok(Done::Left(why.into()))
}

impl Step<'_> {
    /// The switch for enrollment. Every event holds the whole policy.
    pub(super) fn policy(&mut self, event: &ExportedEvent) -> Result<Done> {
        let Some(row) = self.ours().one::<DeviceTokenPolicy>(Filter::all())? else { return Ok(Done::Passed) };
        let said = (|| {
            let (enabled, jit) = (detail(event, "enabled")?, detail(event, "jit")?);
            let domains = Json(detail::<Vec<String>>(event, "domains")?);
            let all_domains = detail(event, "all_domains")?;
            Some(DeviceTokenPolicy { enabled, jit, domains, all_domains, ..row.clone() })
        })();
        let Some(said) = said else { return left("the log does not say what the policy was set to: look at it") };
        let was = self.before.policy.get_or_insert_with(|| row.clone()).clone();
        let mut new = DeviceTokenPolicy {
            enabled: was.enabled && said.enabled,
            jit: was.jit && said.jit,
            all_domains: was.all_domains && said.all_domains,
            ..row.clone()
        };
        new.domains.0 = match (was.all_domains, said.all_domains) {
            (true, false) => said.domains.0.clone(),
            (false, true) => was.domains.0,
            _ => was.domains.0.into_iter().filter(|domain| said.domains.contains(domain)).collect(),
        };
        let known: Vec<Domain> = self.ours().find(Filter::all())?;
        new.domains.0.retain(|name| known.iter().any(|domain| domain.name == *name));
        if new == row {
            return Ok(if said == row { Done::Already } else { Done::Passed });
        }
        new.updated_at = self.tx.now();
        self.ours().replace(&new)?;
        let again = self.again("policy.set", event);
        let again = again.with("enabled", new.enabled).with("all_domains", new.all_domains);
        self.ours().audit(again.with("domains", &new.domains.0).with("jit", new.jit));
        Ok(Done::Applied)
    }

    /// Users and groups that were marked as protected.
    pub(super) fn protection(&mut self, event: &ExportedEvent) -> Result<Done> {
        let Some(said) = detail(event, "protected") else { return Ok(Done::Passed) };
        let now = self.tx.now();
        if event.action == "user.set" {
            let Some(mut user) = self.ours().get::<User>(&event.target)? else { return Ok(Done::Passed) };
            let turned = self.before.protection(&user.id, user.protected, said);
            let Some(protected) = turned else { return Ok(Done::Passed) };
            (user.protected, user.updated_at) = (protected, now);
            self.ours().replace(&user)?;
        } else {
            let Some(mut group) = self.ours().get::<Group>(&event.target)? else {
                return if said && event.action == "group.create" {
                    left("it protects its members: make it again, with those who were in it")
                } else {
                    Ok(Done::Passed)
                };
            };
            let turned = self.before.protection(&group.id, group.protected, said);
            let Some(protected) = turned else { return Ok(Done::Passed) };
            group.protected = protected;
            self.ours().replace(&group)?;
        }
        let action = if event.action == "user.set" { "user.set" } else { "group.set" };
        let again = self.again(action, event).with("protected", said);
        self.ours().audit(again);
        Ok(Done::Applied)
    }

    /// A service's evidence level and who may use it; its other settings are for a person to compare.
    pub(super) fn service_set(&mut self, event: &ExportedEvent) -> Result<Done> {
        let Some(mut service) = self.ours().get::<Service>(&event.target)? else { return Ok(Done::Passed) };
        let Some(changed) = detail::<Vec<String>>(event, "changed") else {
            return left(
                "the log does not say what was changed: compare its settings, evidence level and entitlements",
            );
        };
        let mut again = self.again("service.set", event).with("name", &service.name).with("changed", [""; 0]);
        let mut applied = false;
        if let Some(said) = detail::<u64>(event, "min_evidence").and_then(|number| Level::try_from(number).ok()) {
            let was = *self.before.levels.entry(service.id.clone()).or_insert(service.min_evidence);
            let level = said.max(was);
            if level != service.min_evidence {
                (service.min_evidence, service.updated_at) = (level, self.tx.now());
                self.ours().replace(&service)?;
                again = again.with("min_evidence", level.number());
                applied = true;
            }
        }
        if let Some(entitled) = detail::<Vec<(EntitlementKind, String)>>(event, "entitle") {
            let lines: Vec<Entitlement> = self.ours().find(Entitlement::service_id.eq(&service.id))?;
            for line in lines.into_iter().filter(|line| !entitled.contains(&(line.kind, line.subject.clone()))) {
                self.ours().delete::<Entitlement>(Entitlement::id.eq(&line.id))?;
                self.before.entitlements.push(line);
                applied = true;
            }
            applied |= self.entitle_again(&service.id, &entitled)?;
            again = again.with("entitle", &entitled);
        }
        if applied {
            self.ours().audit(again);
        }
        match (changed.as_slice(), applied) {
            ([], true) => Ok(Done::Applied),
            ([], false) => Ok(Done::Passed),
            (names, _) => left(format!("it was changed ({}): compare that with what it should be", names.join(", "))),
        }
    }

    /// Puts back those of a service's entitlements that this replay took away and the log gives again.
    fn entitle_again(&mut self, service: &str, entitled: &[(EntitlementKind, String)]) -> Result<bool> {
        let (back, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.before.entitlements)
            .into_iter()
            .partition(|line| line.service_id == service && entitled.contains(&(line.kind, line.subject.clone())));
        self.before.entitlements = kept;
        let mut any = false;
        for line in back {
            // Whom it was for may be gone since.
            let there = match line.kind {
                EntitlementKind::Everyone => true,
                EntitlementKind::Group => self.ours().any::<Group>(Group::id.eq(&line.subject))?,
                EntitlementKind::User => {
                    let user = self.ours().get::<User>(&line.subject)?;
                    user.is_some_and(|user| user.deleted_at.is_none())
                }
            };
            if there {
                self.ours().add(&line)?;
                any = true;
            }
        }
        Ok(any)
    }

    /// One entitlement was given. The log spells it in words that may since mean another, so what it may give back is for a person.
    pub(super) fn entitle(&mut self, event: &ExportedEvent) -> Result<Done> {
        if !self.before.entitlements.iter().any(|line| line.service_id == event.target) {
            return Ok(Done::Passed);
        }
        let to: String = detail(event, "to").unwrap_or_default();
        left(format!("{to} may use it, and entitlements of it were taken away before: look who may use it"))
    }

    pub(super) fn metadata(&mut self, event: &ExportedEvent) -> Result<Done> {
        let there = self.ours().any::<Service>(Service::id.eq(&event.target))?;
        if there && detail(event, "applied") == Some(true) {
            return left("its metadata was replaced: refresh it, and approve what is found");
        }
        Ok(Done::Passed)
    }

    /// A token comes back disabled: whoever enables it must know that it had closer limits.
    pub(super) fn token_set(&mut self, event: &ExportedEvent) -> Result<Done> {
        let there = self.ours().any::<DeviceToken>(Filter::Eq("id", Value::Text(event.target.clone())))?;
        match detail::<Vec<String>>(event, "tightened") {
            Some(fields) if fields.is_empty() => Ok(Done::Passed),
            _ if !there => Ok(Done::Passed),
            Some(fields) => {
                let fields: Vec<_> = fields.iter().map(|field| field.trim_start_matches('/')).collect();
                left(format!("its limits were tightened ({}): set them before it is enabled", fields.join(", ")))
            }
            None => left("the log does not say what was changed: compare its limits before it is enabled"),
        }
    }

    pub(super) fn client_set(&mut self, event: &ExportedEvent) -> Result<Done> {
        let Some(mut client) = self.ours().get::<ApiClient>(&event.target)? else { return Ok(Done::Passed) };
        if event.action == "api-client.rotate" {
            return left(
                "its secret or key was exchanged: rotate it before it is enabled, or the old one counts again",
            );
        }
        let Some(scopes) = detail::<Vec<String>>(event, "scopes") else { return Ok(Done::Passed) };
        let was = self.before.scopes.entry(client.id.clone()).or_insert_with(|| client.scopes.0.clone());
        let kept: Vec<String> = was.iter().filter(|scope| scopes.contains(scope)).cloned().collect();
        if client.scopes.0 == kept {
            return Ok(Done::Passed);
        }
        client.scopes.0 = kept;
        self.ours().replace(&client)?;
        let again = self.again("api-client.set", event).with("name", &client.name).with("scopes", &client.scopes.0);
        self.ours().audit(again);
        Ok(Done::Applied)
    }

    /// A domain whose record is missing. The next look at the record says it again, or the contrary.
    pub(super) fn lapse(&mut self, event: &ExportedEvent) -> Result<Done> {
        let Some(mut domain) = self.ours().get::<Domain>(&event.target)? else { return Ok(Done::Passed) };
        let rank = |state| match state {
            DomainState::Verified => Some(0),
            DomainState::Lapsing => Some(1),
            DomainState::Lapsed => Some(2),
            DomainState::Pending | DomainState::OperatorWord => None,
        };
        let Some(said) = detail::<DomainState>(event, "verification") else { return Ok(Done::Passed) };
        if rank(said).zip(rank(domain.verification)).is_none_or(|(said, is)| said <= is) {
            return Ok(Done::Passed);
        }
        let again = self.again("domain.recheck", event).with("was", domain.verification).with("verification", said);
        domain.verification = said;
        domain.missing_since.get_or_insert(event.at);
        self.ours().replace(&domain)?;
        self.ours().audit(again);
        Ok(Done::Applied)
    }

    pub(super) fn organization(&mut self, event: &ExportedEvent) -> Result<Done> {
        if event.action == "org.delete" {
            // Told in the organization's own chain and in the cloud's.
            let id = event.details.get("id").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
            let there = !across::<Organization, _>(self.tx, Filter::Eq("org", Value::Text(id)))?.is_empty();
            return if there { left("the organization was deleted: delete it again") } else { Ok(Done::Passed) };
        }
        let mut changed = detail::<Vec<String>>(event, "changed").unwrap_or_default();
        changed.retain(|field| field != "name");
        if changed.is_empty() {
            return Ok(Done::Passed);
        }
        left(format!("its limits were changed ({}): compare them with what they should be", changed.join(", ")))
    }
}
