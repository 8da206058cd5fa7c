//! Re-applying what an exported audit log took away of roles.
//!
//! Owns who loses a role and what a role opens no more. A role that was given since the backup is for a person to give again: until then its
//! holder is not protected either. Must not know the rest of the log.

use serde_json::Value as JsonValue;

use super::replay::{Done, Step};
use crate::Result;
use crate::access::records::{CustomRole, RoleAssignment};
use crate::audit::export::ExportedEvent;
use crate::values::{Access, HolderKind, Module};

fn detail<T: serde::de::DeserializeOwned>(event: &ExportedEvent, name: &str) -> Option<T> {
    event.details.get(name).cloned().and_then(|value| serde_json::from_value(value).ok())
}

impl Step<'_> {
    /// A role is taken; it is given only where this very replay took it.
    pub(super) fn role_holder(&mut self, event: &ExportedEvent) -> Result<Done> {
        let (Some(kind), Some(subject)) = (detail::<HolderKind>(event, "kind"), detail::<String>(event, "subject"))
        else {
            return Ok(Done::Passed);
        };
        let this = RoleAssignment::role_id
            .eq(&event.target)
            .and(RoleAssignment::kind.eq(&kind))
            .and(RoleAssignment::subject.eq(&subject));
        let there: Option<RoleAssignment> = self.ours().one(this.clone())?;
        let action = if event.action == "role.take" {
            let Some(there) = there else { return Ok(Done::Passed) };
            self.ours().delete::<RoleAssignment>(this)?;
            self.roles.push(there);
            "role.take"
        } else {
            if there.is_some() {
                return Ok(Done::Already);
            }
            let same = |row: &RoleAssignment| row.role_id == event.target && row.kind == kind && row.subject == subject;
            let Some(at) = self.roles.iter().position(same) else {
                let name = event.details.get("name").and_then(JsonValue::as_str).unwrap_or(&subject);
                return Ok(Done::Left(format!("the role was given to {name} after the backup: give it again")));
            };
            let row = self.roles.swap_remove(at);
            self.ours().add(&row)?;
            "role.give"
        };
        let again = self.again(action, event).with("kind", kind).with("subject", &subject);
        self.ours().audit(again);
        Ok(Done::Applied)
    }

    /// What a role opens is at most what was said last.
    pub(super) fn role_set(&mut self, event: &ExportedEvent) -> Result<Done> {
        let Some(mut role) = self.ours().get::<CustomRole>(&event.target)? else { return Ok(Done::Passed) };
        let said = detail::<std::collections::BTreeMap<Module, Access>>(event, "rights");
        let Some(said) = said else { return Ok(Done::Passed) };
        let before = role.rights.clone();
        for (module, access) in &mut role.rights.0 {
            *access = (*access).min(said.get(module).copied().unwrap_or(Access::None));
        }
        role.rights.0.retain(|_, access| *access != Access::None);
        if role.rights == before {
            return Ok(Done::Passed);
        }
        role.updated_at = self.tx.now();
        self.ours().replace(&role)?;
        let again = self.again("role.set", event).with("rights", &role.rights.0);
        self.ours().audit(again);
        Ok(Done::Applied)
    }

    pub(super) fn role_deleted(&mut self, event: &ExportedEvent) -> Result<Done> {
        let mut ours = self.ours();
        if ours.delete::<CustomRole>(CustomRole::id.eq(&event.target))? == 0 {
            return Ok(Done::Passed);
        }
        ours.delete::<RoleAssignment>(RoleAssignment::role_id.eq(&event.target))?;
        let again = self.again("role.delete", event);
        self.ours().audit(again);
        Ok(Done::Applied)
    }
}
