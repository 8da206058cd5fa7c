//! Organizations and the cloud they belong to.
//!
//! Owns the first row of a new store, the check of the master key at start, and organizations with their keys and settings. Must not know
//! how keys are made: they are handed in.

use serde::Serialize;
use utoipa::ToSchema;

use crate::audit::{Actor, AuditChain, AuditEvent, Checkpoint, NewEvent};
use crate::id::OrgId;
use crate::keys::NewKey;
use crate::master::SealedAs;
use crate::query::Filter;
use crate::records::{Cloud, Device, DeviceToken, DeviceTokenPolicy, Organization, Service, Session, TABLES, User};
use crate::scope::{Org, across};
use crate::store::Tx;
use crate::table::Record as _;
use crate::time::Timestamp;
use crate::value::{Columnar as _, Json};
use crate::values::KeyState;
use crate::{Directory, Error, FieldProblem, Intent, Result};

/// What is sealed to tell a right master key from a wrong one.
pub(crate) const CHECK: &[u8] = b"latchkey";

/// An organization, as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrganizationView {
    /// Opaque.
    #[schema(value_type = String)]
    pub id: OrgId,
    /// The short name.
    pub slug: String,
    /// The name for people.
    pub name: String,
    /// The SAML entity id.
    pub entity_id: String,
    /// How long a device certificate lasts, in seconds.
    pub certificate_lifetime_s: u64,
    /// How many registered devices a user may have.
    pub devices_per_user: u64,
    /// How long an expired device may sleep, in seconds.
    pub asleep_limit_s: u64,
    /// How many device tokens may exist that are not revoked.
    pub max_tokens: u64,
    /// After how long without contact a device is retired, in seconds.
    pub retire_after_s: u64,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String)]
    pub updated_at: Timestamp,
}

impl From<Organization> for OrganizationView {
    fn from(row: Organization) -> Self {
        Self {
            id: row.org,
            slug: row.slug,
            name: row.name,
            entity_id: row.entity_id,
            certificate_lifetime_s: row.certificate_lifetime_s,
            devices_per_user: row.devices_per_user,
            asleep_limit_s: row.asleep_limit_s,
            max_tokens: row.max_tokens,
            retire_after_s: row.retire_after_s,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What may be changed about an organization. Absent fields stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize, ToSchema)]
#[serde(default)]
pub struct OrganizationPatch {
    /// The name for people.
    pub name: Option<String>,
    /// How long a device certificate lasts: one hour to 7 days.
    pub certificate_lifetime_s: Option<u64>,
    /// How many registered devices a user may have: 1 to 1,000.
    pub devices_per_user: Option<u64>,
    /// How long an expired device may sleep: up to 180 days.
    pub asleep_limit_s: Option<u64>,
    /// How many device tokens may exist: 1 to 10,000.
    pub max_tokens: Option<u64>,
    /// After how long without contact a device is retired: at least a day.
    pub retire_after_s: Option<u64>,
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

impl OrganizationPatch {
    /// The names of the fields it changes.
    fn named(&self) -> Vec<&'static str> {
        let named = [
            ("name", self.name.is_some()),
            ("certificate_lifetime_s", self.certificate_lifetime_s.is_some()),
            ("devices_per_user", self.devices_per_user.is_some()),
            ("asleep_limit_s", self.asleep_limit_s.is_some()),
            ("max_tokens", self.max_tokens.is_some()),
            ("retire_after_s", self.retire_after_s.is_some()),
        ];
        named.into_iter().filter(|(_, named)| *named).map(|(name, _)| name).collect()
    }

    fn apply(&self, row: &mut Organization) -> Result<()> {
        let mut wrong = Vec::new();
        if let Some(name) = &self.name {
            row.name = display_name(name).unwrap_or_else(|detail| {
                wrong.push(FieldProblem::invalid("/name", detail));
                String::new()
            });
        }
        let mut number = |field: &str, value: Option<u64>, slot: &mut u64, from: u64, to: u64| {
            let Some(value) = value else { return };
            if (from..=to).contains(&value) {
                *slot = value;
            } else {
                wrong.push(FieldProblem::invalid(format!("/{field}"), format!("{field} is from {from} to {to}")));
            }
        };
        number("certificate_lifetime_s", self.certificate_lifetime_s, &mut row.certificate_lifetime_s, HOUR, 7 * DAY);
        number("devices_per_user", self.devices_per_user, &mut row.devices_per_user, 1, 1_000);
        number("asleep_limit_s", self.asleep_limit_s, &mut row.asleep_limit_s, 0, 180 * DAY);
        number("max_tokens", self.max_tokens, &mut row.max_tokens, 1, 10_000);
        number("retire_after_s", self.retire_after_s, &mut row.retire_after_s, DAY, 3_650 * DAY);
        if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
    }
}

/// A name for people: 1 to 200 characters, no control characters.
pub fn display_name(text: &str) -> std::result::Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 200 || text.chars().any(char::is_control) {
        return Err("a name has 1 to 200 characters and no control characters".to_owned());
    }
    Ok(text.to_owned())
}

fn slug(text: &str) -> std::result::Result<(), String> {
    let usable = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let fits =
        (1..=40).contains(&text.len()) && text.bytes().all(usable) && !text.starts_with('-') && !text.ends_with('-');
    if fits { Ok(()) } else { Err("a slug has 1 to 40 characters: a to z, 0 to 9 and - between them".to_owned()) }
}

/// A new organization, with the keys it needs from the first moment.
pub struct NewOrganization {
    /// The short name.
    pub slug: String,
    /// The name for people.
    pub name: String,
    /// The opaque id, drawn before because it stands in the entity id and in certificates.
    pub id: OrgId,
    /// The SAML entity id, frozen from now on.
    pub entity_id: String,
    /// Challenge, assertion (RSA and P-256), metadata and CA key.
    pub keys: Vec<NewKey>,
}

impl Directory {
    /// Prepares a fresh store: the cloud's row, its root and audit key, the check of the master key.
    pub async fn found_cloud(&self, iss: &str) -> Result<()> {
        use crate::values::KeyUse;
        let now = self.now();
        let cloud = OrgId::cloud();
        let check = SealedAs { org: &cloud, id: "check", usage: "check", algorithm: "none" };
        let row = Cloud {
            org: cloud.clone(),
            iss: iss.to_owned(),
            created_at: now,
            master_check: self.master().seal(CHECK, &check),
            master_id: self.master().id().to_owned(),
            restored_at: None,
            taken_at: None,
        };
        let keys: Vec<_> = [KeyUse::Root, KeyUse::Audit]
            .into_iter()
            .map(|usage| NewKey::ed25519(usage).seal(&cloud, KeyState::Active, self.master(), now))
            .collect();
        self.write(move |tx| {
            let mut ours = Org::of(tx, &cloud);
            if ours.insert(&row)?.is_err() {
                return Ok(()); // another node was first
            }
            keys.iter().try_for_each(|key| ours.add(key))?;
            ours.audit(NewEvent::new(&Actor::system(), "cloud.create", row.iss.clone()));
            Ok(())
        })
        .await
    }

    /// The cloud's row; absent in a fresh store. Another master key than the one it was made with is refused, naming both.
    pub async fn cloud(&self) -> Result<Option<Cloud>> {
        let Some(row) =
            self.read::<_, Error>(|tx| Ok(Org::of(tx, &OrgId::cloud()).one::<Cloud>(Filter::all())?)).await?
        else {
            return Ok(None);
        };
        let cloud = OrgId::cloud();
        let check = SealedAs { org: &cloud, id: "check", usage: "check", algorithm: "none" };
        if row.master_id != self.master().id() || self.master().open(&row.master_check, &check).is_err() {
            return Err(Error::state(
                format!("the master key is {}, the store was sealed with {}", self.master().id(), row.master_id),
                "give the right file: --master-key-file",
            ));
        }
        Ok(Some(row))
    }

    /// Makes an organization.
    pub async fn create_organization(&self, intent: &Intent, new: NewOrganization) -> Result<OrganizationView> {
        let mut wrong = Vec::new();
        if let Err(detail) = slug(&new.slug) {
            wrong.push(FieldProblem::invalid("/slug", detail));
        }
        let name = display_name(&new.name).unwrap_or_else(|detail| {
            wrong.push(FieldProblem::invalid("/name", detail));
            String::new()
        });
        if !wrong.is_empty() {
            return Err(Error::Invalid(wrong));
        }
        let now = self.now();
        let row = Organization {
            org: new.id.clone(),
            slug: new.slug,
            name,
            entity_id: new.entity_id,
            certificate_lifetime_s: 7 * DAY,
            devices_per_user: 16,
            asleep_limit_s: 30 * DAY,
            max_tokens: 16,
            retire_after_s: 90 * DAY,
            created_at: now,
            updated_at: now,
        };
        let policy = DeviceTokenPolicy {
            org: new.id.clone(),
            enabled: false,
            all_domains: false,
            domains: Json(Vec::new()),
            jit: false,
            updated_at: now,
        };
        let keys: Vec<_> = new.keys.iter().map(|key| key.seal(&new.id, KeyState::Active, self.master(), now)).collect();
        let (actor, made) = (intent.actor.clone(), row.clone());
        self.change(intent.dry_run, move |tx| {
            if let Some(there) = across::<Organization, _>(tx, Organization::slug.eq(&row.slug))?.pop() {
                return Err(Error::Exists { noun: "organization", which: there.slug, id: there.org.to_string() });
            }
            let mut ours = Org::of(tx, &row.org);
            ours.add(&row)?;
            ours.add(&policy)?;
            keys.iter().try_for_each(|key| ours.add(key))?;
            ours.audit(NewEvent::new(&actor, "org.create", row.slug.clone()).with("name", &row.name));
            Ok(())
        })
        .await?;
        Ok(made.into())
    }

    /// Every organization of the cloud, newest first.
    pub async fn organizations(&self) -> Result<Vec<OrganizationView>> {
        let mut all = self.read::<_, Error>(|tx| Ok(across::<Organization, _>(tx, Filter::all())?)).await?;
        all.sort_by(|a, b| (b.created_at, &b.org).cmp(&(a.created_at, &a.org)));
        Ok(all.into_iter().map(Into::into).collect())
    }

    /// An organization by its id or slug.
    pub async fn organization(&self, which: &str) -> Result<OrganizationView> {
        let which = which.to_owned();
        self.read(move |tx| find(tx, &which).map(Into::into)).await
    }

    /// Changes an organization.
    pub async fn change_organization(
        &self,
        intent: &Intent,
        org: &OrgId,
        patch: OrganizationPatch,
    ) -> Result<OrganizationView> {
        let (intent, org) = (intent.clone(), org.clone());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let mut row = settings(tx, &org)?;
            intent.condition.check("organization", &OrganizationView::from(row.clone()))?;
            patch.apply(&mut row)?;
            row.updated_at = now;
            let mut ours = Org::of(tx, &org);
            ours.replace(&row)?;
            ours.audit(NewEvent::new(&intent.actor, "org.set", row.slug.clone()).with("changed", patch.named()));
            Ok(row.into())
        })
        .await
    }

    /// Deletes an organization with everything in it, and answers how much that was. Its audit log stays; that it was deleted also stands in
    /// the cloud's.
    pub async fn delete_organization(
        &self,
        intent: &Intent,
        org: &OrgId,
    ) -> Result<(OrganizationView, Vec<(&'static str, u64)>)> {
        let (intent, org) = (intent.clone(), org.clone());
        self.change(intent.dry_run, move |tx| {
            let row = settings(tx, &org)?;
            intent.condition.check("organization", &OrganizationView::from(row.clone()))?;
            let kept = [AuditEvent::TABLE.name, AuditChain::TABLE.name, Checkpoint::TABLE.name];
            // What somebody would miss, by the words of the command line.
            let counted = [
                (User::TABLE.name, "users"),
                (Device::TABLE.name, "devices"),
                (Service::TABLE.name, "services"),
                (DeviceToken::TABLE.name, "tokens"),
                (Session::TABLE.name, "sessions"),
            ];
            let mut gone = Vec::new();
            for table in TABLES.iter().filter(|table| !kept.contains(&table.name)) {
                let rows = tx.delete(table, &Filter::Eq("org", org.to_value()))?;
                gone.extend(counted.iter().filter(|(name, _)| *name == table.name).map(|(_, word)| (*word, rows)));
            }
            for chain in [&org, &OrgId::cloud()] {
                Org::of(tx, chain)
                    .audit(NewEvent::new(&intent.actor, "org.delete", row.slug.clone()).with("id", org.as_str()));
            }
            Ok((row.into(), gone))
        })
        .await
    }
}

pub(crate) fn find<T: Tx + ?Sized>(tx: &mut T, which: &str) -> Result<Organization> {
    let filter =
        Organization::slug.eq(&which.to_owned()).or(Filter::Eq("org", crate::value::Value::Text(which.to_owned())));
    across::<Organization, _>(tx, filter)?.pop().ok_or_else(|| Error::not_found("organization", which))
}

/// The organization's settings, inside a transaction.
pub fn settings<T: Tx + ?Sized>(tx: &mut T, org: &OrgId) -> Result<Organization> {
    let row: Option<Organization> = Org::of(tx, org).one(Filter::all())?;
    row.ok_or_else(|| Error::not_found("organization", org.as_str()))
}
