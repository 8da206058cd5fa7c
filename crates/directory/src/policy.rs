//! The device token policy: the organization's switch for enrollment.
//!
//! Owns reading and writing it as one document. What it allows is decided where something is granted (`device/domains.rs`).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::audit::NewEvent;
use crate::id::OrgId;
use crate::names::domain_name;
use crate::query::Filter;
use crate::records::{DeviceTokenPolicy, Domain};
use crate::scope::Org;
use crate::store::{Tx, WriteTx};
use crate::time::Timestamp;
use crate::tokens::{Standing, standing};
use crate::value::Json;
use crate::{Directory, Error, FieldProblem, Intent, Result};

/// The policy, as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PolicyView {
    /// Whether device tokens are accepted at all.
    pub enabled: bool,
    /// For every verified domain.
    pub all_domains: bool,
    /// For these domains.
    pub domains: Vec<String>,
    /// Whether unknown users are created.
    pub jit: bool,
    /// When it was last changed.
    #[schema(value_type = String)]
    pub updated_at: Timestamp,
}

impl From<DeviceTokenPolicy> for PolicyView {
    fn from(row: DeviceTokenPolicy) -> Self {
        Self {
            enabled: row.enabled,
            all_domains: row.all_domains,
            domains: row.domains.0,
            jit: row.jit,
            updated_at: row.updated_at,
        }
    }
}

/// The whole policy, as it is written. Every field is required.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct NewPolicy {
    /// Whether device tokens are accepted at all.
    pub enabled: Option<bool>,
    /// For every verified domain.
    pub all_domains: Option<bool>,
    /// For these domains; each must be registered.
    pub domains: Option<Vec<String>>,
    /// Whether unknown users are created.
    pub jit: Option<bool>,
}

/// The policy, inside a transaction.
pub(crate) fn current<T: Tx + ?Sized>(tx: &mut T, org: &OrgId) -> Result<DeviceTokenPolicy> {
    let row = Org::of(tx, org).one(Filter::all())?;
    row.ok_or_else(|| Error::not_found("organization", org.as_str()))
}

impl Directory {
    /// The policy.
    pub async fn policy(&self, org: &OrgId) -> Result<PolicyView> {
        let org = org.clone();
        self.read(move |tx| current(tx, &org).map(Into::into)).await
    }

    /// Writes the policy.
    pub async fn set_policy(&self, intent: &Intent, org: &OrgId, new: NewPolicy) -> Result<PolicyView> {
        let (intent, org) = (intent.clone(), org.clone());
        self.change(intent.dry_run, move |tx| write(tx, &intent, &org, &new)).await
    }

    /// What each device token that could be used meets now, and would meet under another policy. Nothing is changed.
    pub async fn try_policy(&self, intent: &Intent, org: &OrgId, new: NewPolicy) -> Result<Tried> {
        let (intent, org) = (intent.clone(), org.clone());
        self.change(true, move |tx| {
            let before = standing(tx, &org)?;
            let policy = write(tx, &intent, &org, &new)?;
            Ok(Tried { policy, before, after: standing(tx, &org)? })
        })
        .await
    }
}

/// What a policy would mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The policy as it would be.
    pub policy: PolicyView,
    /// The usable device tokens and what stops them now.
    pub before: Vec<Standing>,
    /// The same tokens in the same order, and what would stop them.
    pub after: Vec<Standing>,
}

fn write(tx: &mut dyn WriteTx, intent: &Intent, org: &OrgId, new: &NewPolicy) -> Result<PolicyView> {
    let mut row = current(tx, org)?;
    intent.condition.check("device token policy", &PolicyView::from(row.clone()))?;
    let mut wrong = Vec::new();
    let mut needed = |field: &str, value: Option<bool>| {
        value.unwrap_or_else(|| {
            let detail = format!("{field} is missing: PUT takes the whole policy");
            wrong.push(FieldProblem::invalid(format!("/{field}"), detail));
            false
        })
    };
    row.enabled = needed("enabled", new.enabled);
    row.all_domains = needed("all_domains", new.all_domains);
    row.jit = needed("jit", new.jit);
    match &new.domains {
        Some(domains) => row.domains = Json(registered(tx, org, "/domains", domains, &mut wrong)?),
        None => wrong.push(FieldProblem::invalid("/domains", "domains is missing: PUT takes the whole policy")),
    }
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong));
    }
    row.updated_at = tx.now();
    let view = PolicyView::from(row.clone());
    let mut ours = Org::of(tx, org);
    ours.replace(&row)?;
    let event = NewEvent::new(&intent.actor, "policy.set", org.to_string());
    ours.audit(
        event
            .with("enabled", view.enabled)
            .with("all_domains", view.all_domains)
            .with("domains", &view.domains)
            .with("jit", view.jit),
    );
    Ok(view)
}

/// The normalized names, each of which must be a domain of the organization. Every one that is not is told.
pub(crate) fn registered<T: Tx + ?Sized>(
    tx: &mut T,
    org: &OrgId,
    pointer: &str,
    names: &[String],
    wrong: &mut Vec<FieldProblem>,
) -> Result<Vec<String>> {
    let mut good = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let pointer = format!("{pointer}/{at}");
        match domain_name(name) {
            Err(bad) => wrong.push(FieldProblem::invalid(pointer, bad.to_string())),
            Ok(name) if Org::of(tx, org).get::<Domain>(&name)?.is_none() => wrong.push(FieldProblem::invalid(
                pointer,
                format!("{name} is not a domain of this organization: latchkey domain add {name}"),
            )),
            Ok(name) if good.contains(&name) => {}
            Ok(name) => good.push(name),
        }
    }
    Ok(good)
}
