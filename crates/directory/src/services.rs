//! Services and who may use them.
//!
//! Owns the service's record, its entitlements and the rule that names and entity ids are unique. Must not know XML or SAML: what metadata
//! says is handed in as [`Described`], and what `name_id` and `attributes` mean is checked by whoever hands them in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use latchkey_wire::bytes::sha256;
use latchkey_wire::{Bytes, Level};
use serde::{Deserialize, Serialize};
use serde_json::Value as JsonValue;
use utoipa::ToSchema;

use crate::audit::NewEvent;
use crate::id::{OrgId, new_id};
use crate::intent::Intent;
use crate::query::Filter;
use crate::records::{Entitlement, Group, Membership, Service, Session, User};
use crate::scope::Org;
use crate::store::{StoreError, Tx, WriteTx};
use crate::time::Timestamp;
use crate::value::{Blob, JsonText};
use crate::values::{EntitlementKind, SignAlgorithm, SignWhat, UserStatus};
use crate::{Directory, Error, FieldProblem, Result};

/// What a service's metadata says, as far as the directory needs it; parsed by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The entity id in it.
    pub entity_id: String,
    /// The consumer addresses in it that are answered to, for people to read.
    pub acs: Vec<String>,
    /// The document.
    pub metadata: Vec<u8>,
    /// From where it is refreshed.
    pub metadata_url: Option<String>,
}

/// How a service is answered. Kept as one JSON object, so that a setting needs no column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceSettings {
    /// `email`, `persistent`, `transient` or `unspecified:ATTRIBUTE`.
    pub name_id: String,
    /// `"basic"`, `"none"`, or a list of rules.
    pub attributes: JsonValue,
    /// What is signed.
    pub sign: SignWhat,
    /// With which algorithm.
    pub algorithm: SignAlgorithm,
    /// Whether a sign-in may begin here, without a request of the service.
    pub idp_initiated: bool,
    /// Whether consumer addresses may be plain http.
    pub allow_http: bool,
    /// The certificate, X.509 DER in base64, whose key must have signed metadata that is given or fetched from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata_certificate: Option<String>,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            name_id: "email".to_owned(),
            attributes: JsonValue::from("basic"),
            sign: SignWhat::Assertion,
            algorithm: SignAlgorithm::RsaSha256,
            idp_initiated: false,
            allow_http: false,
            metadata_certificate: None,
        }
    }
}

/// Beside the settings in their column: the consumer addresses, so that they can be shown without reading metadata.
const ACS: &str = "acs";

fn acs_of(service: &Service) -> Result<Vec<String>> {
    let column = service.settings.read()?;
    let list = column.get(ACS).and_then(JsonValue::as_array);
    Ok(list.into_iter().flatten().filter_map(|url| url.as_str().map(str::to_owned)).collect())
}

impl ServiceSettings {
    /// Of a service's record. What is missing has its default.
    pub fn of(service: &Service) -> Result<Self> {
        let map = service.settings.read()?.into_iter().collect();
        serde_json::from_value(JsonValue::Object(map))
            .map_err(|e| Error::Store(StoreError::Corrupt(format!("settings of service {}: {e}", service.id))))
    }

    /// The column, with what is shown of the metadata beside the settings.
    fn to_column(&self, acs: &[String]) -> JsonText<BTreeMap<String, JsonValue>> {
        let JsonValue::Object(map) = serde_json::to_value(self).expect("settings are plain values") else {
            unreachable!("a structure becomes an object");
        };
        let mut column: BTreeMap<_, _> = map.into_iter().collect();
        column.insert(ACS.to_owned(), acs.into());
        JsonText::of(&column)
    }
}

/// Whom an entitlement is for, as flags and JSON spell it: `everyone`, `group:G`, `user:U`; G and U are ids or names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entitled {
    /// Every active user of the organization.
    Everyone,
    /// The members of a group.
    Group(String),
    /// One user.
    User(String),
}

/// Text that names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not everyone, group:NAME or user:LOGIN")]
pub struct NotEntitled(String);

impl FromStr for Entitled {
    type Err = NotEntitled;

    fn from_str(text: &str) -> std::result::Result<Self, NotEntitled> {
        match text.split_once(':') {
            None if text == "everyone" => Ok(Self::Everyone),
            Some(("group", which)) if !which.is_empty() => Ok(Self::Group(which.to_owned())),
            Some(("user", which)) if !which.is_empty() => Ok(Self::User(which.to_owned())),
            _ => Err(NotEntitled(text.to_owned())),
        }
    }
}

impl fmt::Display for Entitled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("everyone"),
            Self::Group(which) => write!(f, "group:{which}"),
            Self::User(which) => write!(f, "user:{which}"),
        }
    }
}

/// A new service.
#[derive(Debug, Clone)]
pub struct NewService {
    /// Its name, unique.
    pub name: String,
    /// What its metadata says.
    pub described: Described,
    /// How it is answered.
    pub settings: ServiceSettings,
    /// The lowest evidence level.
    pub min_evidence: Level,
    /// Who may use it.
    pub entitle: Vec<Entitled>,
}

/// What is to change. Absent fields stay.
#[derive(Debug, Clone, Default)]
pub struct ServiceChange {
    /// Another name.
    pub name: Option<String>,
    /// Other metadata; its entity id may differ.
    pub described: Option<Described>,
    /// Other settings, whole.
    pub settings: Option<ServiceSettings>,
    /// Another lowest evidence level.
    pub min_evidence: Option<Level>,
    /// Everyone who may use it, replacing who could before.
    pub entitle: Option<Vec<Entitled>>,
}

/// A service, as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ServiceView {
    /// Random.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `saml`.
    pub protocol: String,
    /// Its entity id.
    pub entity_id: String,
    /// The consumer addresses in its metadata.
    pub acs: Vec<String>,
    /// From where its metadata is refreshed.
    pub metadata_url: Option<String>,
    /// SHA-256 of its metadata, in hexadecimal.
    pub metadata_sha256: String,
    /// SHA-256 of changed metadata that a refresh found and that waits for approval, in hexadecimal.
    pub metadata_pending_sha256: Option<String>,
    /// `email`, `persistent`, `transient` or `unspecified:ATTRIBUTE`.
    pub name_id: String,
    /// `"basic"`, `"none"`, or a list of rules.
    #[schema(value_type = Object)]
    pub attributes: JsonValue,
    /// What is signed.
    pub sign: SignWhat,
    /// With which algorithm.
    pub algorithm: SignAlgorithm,
    /// Whether a sign-in may begin here, without a request of the service.
    pub idp_initiated: bool,
    /// Whether consumer addresses may be plain http.
    pub allow_http: bool,
    /// SHA-256 of the certificate under which its metadata must be signed, in hexadecimal.
    pub metadata_certificate_sha256: Option<String>,
    /// The lowest evidence level.
    #[schema(value_type = u8)]
    pub min_evidence: Level,
    /// Who may use it: `everyone`, `group:NAME`, `user:LOGIN`.
    pub entitle: Vec<String>,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String)]
    pub updated_at: Timestamp,
}

/// Who may use a service: one line of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EntitlementView {
    /// Random.
    pub id: String,
    /// Whom it is for.
    pub kind: EntitlementKind,
    /// The group's or user's id; absent for everyone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The group's name or the user's login name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_name: Option<String>,
    /// Since when.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
}

/// What a refresh came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// The document is the one that is known.
    Unchanged,
    /// It differs, and waits for approval.
    Pending(Bytes<32>),
    /// It took the place of the old one.
    Applied,
}

/// A service's name: 1 to 64 characters that need no quoting on a command line or in an address.
fn service_name(text: &str) -> std::result::Result<String, FieldProblem> {
    let usable = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let first = text.chars().next().is_some_and(char::is_alphanumeric);
    if first && text.chars().count() <= 64 && text.chars().all(usable) {
        Ok(text.to_owned())
    } else {
        let detail = format!(
            "{text:?}: a service's name has 1 to 64 letters, digits, - _ and ., beginning with a letter or digit"
        );
        Err(FieldProblem::invalid("/name", detail))
    }
}

fn hex(hash: &Bytes<32>) -> String {
    data_encoding::HEXLOWER.encode(&hash.0)
}

/// The fingerprint of a certificate in base64. It was decoded once when it was set; of what cannot be decoded now there is none.
fn fingerprint(base64: &str) -> String {
    data_encoding::BASE64.decode(base64.as_bytes()).map(|der| hex(&sha256(&der))).unwrap_or_default()
}

/// The service with this id or name.
pub fn find_service<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, which: &str) -> Result<Service> {
    let filter = Service::id.eq(&which.to_owned()).or(Service::name.eq(&which.to_owned()));
    // A name that is another service's id would be a strange coincidence; the id wins.
    let mut found = Org::of(tx, org).find::<Service>(filter)?;
    found.sort_by_key(|service| service.id != which);
    found.into_iter().next().ok_or_else(|| Error::not_found("service", which))
}

/// Whom these words name: kind and id of each. All that are wrong are told at once.
fn subjects<T: Tx + ?Sized>(
    tx: &mut T,
    org: &OrgId,
    entitle: &[Entitled],
) -> Result<BTreeSet<(EntitlementKind, String)>> {
    let mut found = BTreeSet::new();
    let mut wrong = Vec::new();
    for (at, entitled) in entitle.iter().enumerate() {
        match subject(tx, org, entitled)? {
            Some(subject) => {
                found.insert(subject);
            }
            None => wrong.push(FieldProblem::invalid(format!("/entitle/{at}"), format!("there is no {entitled}"))),
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(Error::Invalid(wrong)) }
}

fn subject<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, entitled: &Entitled) -> Result<Option<(EntitlementKind, String)>> {
    let mut ours = Org::of(tx, org);
    Ok(match entitled {
        Entitled::Everyone => Some((EntitlementKind::Everyone, String::new())),
        Entitled::Group(which) => {
            let groups = ours.find::<Group>(Group::id.eq(which).or(Group::name.eq(which)))?;
            groups.into_iter().next().map(|group| (EntitlementKind::Group, group.id))
        }
        Entitled::User(which) => {
            let login = which.to_lowercase();
            let named = User::id.eq(which).or(User::login_key.eq(&login));
            let users = ours.find::<User>(named.and(User::status.eq(&UserStatus::Deleted).negate()))?;
            users.into_iter().next().map(|user| (EntitlementKind::User, user.id))
        }
    })
}

fn entitle(
    tx: &mut dyn WriteTx,
    service: &Service,
    whom: impl IntoIterator<Item = (EntitlementKind, String)>,
    now: Timestamp,
) -> Result<()> {
    for (kind, subject) in whom {
        let row = Entitlement {
            org: service.org.clone(),
            id: new_id(now),
            service_id: service.id.clone(),
            kind,
            subject,
            created_at: now,
        };
        // The same one twice is one.
        let _taken = Org::of(tx, &service.org).insert(&row)?;
    }
    Ok(())
}

fn views<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, services: Vec<Service>) -> Result<Vec<ServiceView>> {
    let ids: Vec<_> = services.iter().map(|service| service.id.clone()).collect();
    let mut entitled: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (service, line) in entitlements(tx, org, &ids)? {
        let words = match line.kind {
            EntitlementKind::Everyone => Entitled::Everyone,
            EntitlementKind::Group => Entitled::Group(line.subject_name.or(line.subject).unwrap_or_default()),
            EntitlementKind::User => Entitled::User(line.subject_name.or(line.subject).unwrap_or_default()),
        };
        entitled.entry(service).or_default().push(words.to_string());
    }
    services
        .into_iter()
        .map(|service| {
            let settings = ServiceSettings::of(&service)?;
            Ok(ServiceView {
                entitle: entitled.remove(&service.id).unwrap_or_default(),
                acs: acs_of(&service)?,
                metadata_sha256: hex(&service.metadata_sha256),
                metadata_pending_sha256: service.metadata_pending.as_ref().map(|pending| hex(&sha256(&pending.0))),
                id: service.id,
                name: service.name,
                protocol: service.protocol,
                entity_id: service.entity_id,
                metadata_url: service.metadata_url,
                name_id: settings.name_id,
                attributes: settings.attributes,
                sign: settings.sign,
                algorithm: settings.algorithm,
                idp_initiated: settings.idp_initiated,
                allow_http: settings.allow_http,
                metadata_certificate_sha256: settings.metadata_certificate.as_deref().map(fingerprint),
                min_evidence: service.min_evidence,
                created_at: service.created_at,
                updated_at: service.updated_at,
            })
        })
        .collect()
}

fn view<T: Tx + ?Sized>(tx: &mut T, service: Service) -> Result<ServiceView> {
    let org = service.org.clone();
    views(tx, &org, vec![service])?.pop().ok_or_else(|| Error::Internal("one service has one view".to_owned()))
}

/// The entitlements of these services with the names of whom they are for, oldest first.
fn entitlements<T: Tx + ?Sized>(
    tx: &mut T,
    org: &OrgId,
    services: &[String],
) -> Result<Vec<(String, EntitlementView)>> {
    let mut ours = Org::of(tx, org);
    let rows = ours.find::<Entitlement>(Entitlement::service_id.one_of(services))?;
    let ids = |kind: EntitlementKind| -> Vec<String> {
        rows.iter().filter(|row| row.kind == kind).map(|row| row.subject.clone()).collect()
    };
    let (groups, users) = (ids(EntitlementKind::Group), ids(EntitlementKind::User));
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    if !groups.is_empty() {
        names.extend(ours.find::<Group>(Group::id.one_of(&groups))?.into_iter().map(|group| (group.id, group.name)));
    }
    if !users.is_empty() {
        names.extend(ours.find::<User>(User::id.one_of(&users))?.into_iter().map(|user| (user.id, user.login_name)));
    }
    Ok(rows
        .into_iter()
        .map(|row| {
            let view = EntitlementView {
                id: row.id,
                kind: row.kind,
                subject_name: names.get(&row.subject).cloned(),
                subject: Some(row.subject).filter(|subject| !subject.is_empty()),
                created_at: row.created_at,
            };
            (row.service_id, view)
        })
        .collect())
}

/// Refuses a name or entity id that another service has.
fn must_be_free(tx: &mut dyn WriteTx, service: &Service) -> Result<()> {
    let same = Service::name.eq(&service.name).or(Service::entity_id.eq(&service.entity_id));
    let others = Org::of(tx, &service.org).find::<Service>(same.and(Service::id.eq(&service.id).negate()))?;
    match others.into_iter().next() {
        None => Ok(()),
        Some(other) if other.name == service.name => {
            Err(Error::Exists { noun: "service", which: other.name, id: other.id })
        }
        Some(other) => Err(Error::Exists {
            noun: "service",
            which: format!("{} (with the entity id {})", other.name, other.entity_id),
            id: other.id,
        }),
    }
}

impl Directory {
    /// Makes a service. A name or entity id that is there already is [`Error::Exists`].
    pub async fn create_service(&self, intent: &Intent, org: &OrgId, new: NewService) -> Result<ServiceView> {
        let name = service_name(&new.name).map_err(|wrong| Error::Invalid(vec![wrong]))?;
        let (intent, org) = (intent.clone(), org.clone());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let NewService { described, settings, min_evidence, entitle: whom, .. } = new.clone();
            let service = Service {
                org: org.clone(),
                id: new_id(now),
                name: name.clone(),
                protocol: "saml".to_owned(),
                entity_id: described.entity_id,
                metadata_sha256: sha256(&described.metadata),
                metadata: Blob(described.metadata),
                metadata_url: described.metadata_url,
                metadata_pending: None,
                settings: settings.to_column(&described.acs),
                min_evidence,
                created_at: now,
                updated_at: now,
            };
            must_be_free(tx, &service)?;
            let whom = subjects(tx, &org, &whom)?;
            Org::of(tx, &org).add(&service)?;
            entitle(tx, &service, whom, now)?;
            Org::of(tx, &org).audit(
                NewEvent::new(&intent.actor, "service.add", service.id.clone())
                    .with("name", &service.name)
                    .with("entity_id", &service.entity_id),
            );
            view(tx, service)
        })
        .await
    }

    /// The services, newest first.
    pub async fn services(&self, org: &OrgId) -> Result<Vec<ServiceView>> {
        let org = org.clone();
        self.read(move |tx| {
            let mut rows = Org::of(tx, &org).find::<Service>(Filter::all())?;
            rows.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
            views(tx, &org, rows)
        })
        .await
    }

    /// A service by its id or name.
    pub async fn service(&self, org: &OrgId, which: &str) -> Result<ServiceView> {
        let (org, which) = (org.clone(), which.to_owned());
        self.read(move |tx| {
            let row = find_service(tx, &org, &which)?;
            view(tx, row)
        })
        .await
    }

    /// A service's whole record, with its metadata.
    pub async fn service_record(&self, org: &OrgId, which: &str) -> Result<Service> {
        let (org, which) = (org.clone(), which.to_owned());
        self.read(move |tx| find_service(tx, &org, &which)).await
    }

    /// The service with this entity id.
    pub async fn service_by_entity(&self, org: &OrgId, entity_id: &str) -> Result<Option<Service>> {
        let (org, entity_id) = (org.clone(), entity_id.to_owned());
        self.read(move |tx| Ok(Org::of(tx, &org).one::<Service>(Service::entity_id.eq(&entity_id))?)).await
    }

    /// Changes a service.
    pub async fn change_service(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        change: ServiceChange,
    ) -> Result<ServiceView> {
        let name = change.name.as_deref().map(service_name).transpose().map_err(|wrong| Error::Invalid(vec![wrong]))?;
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let change = change.clone();
            let mut service = find_service(tx, &org, &which)?;
            let before = view(tx, service.clone())?;
            intent.condition.check("service", &before)?;
            let mut acs = before.acs;
            let (old_settings, old_metadata) = (service.settings.read()?, service.metadata_sha256);
            if let Some(name) = &name {
                service.name.clone_from(name);
            }
            if let Some(described) = change.described {
                service.entity_id = described.entity_id;
                service.metadata_sha256 = sha256(&described.metadata);
                service.metadata = Blob(described.metadata);
                service.metadata_url = described.metadata_url;
                service.metadata_pending = None;
                acs = described.acs;
            }
            let settings = match change.settings {
                Some(settings) => settings,
                None => ServiceSettings::of(&service)?,
            };
            service.settings = settings.to_column(&acs);
            if let Some(level) = change.min_evidence {
                service.min_evidence = level;
            }
            service.updated_at = now;
            must_be_free(tx, &service)?;
            let new_settings = service.settings.read()?;
            let was = |name: &str| old_settings.get(name).unwrap_or(&JsonValue::Null);
            let differs = |(name, value): &(&String, &JsonValue)| *name != ACS && was(name) != *value;
            let mut changed: Vec<&str> = new_settings.iter().filter(differs).map(|(name, _)| name.as_str()).collect();
            if service.metadata_sha256 != old_metadata {
                changed.push("metadata");
            }
            // As much as the replay of an exported log needs to draw these limits again.
            let mut event = NewEvent::new(&intent.actor, "service.set", service.id.clone())
                .with("name", &service.name)
                .with("changed", changed)
                .with("min_evidence", service.min_evidence.number());
            if let Some(whom) = &change.entitle {
                let whom = subjects(tx, &org, whom)?;
                // Who stays keeps their line: the log names lines.
                let mut ours = Org::of(tx, &org);
                let lines: Vec<Entitlement> = ours.find(Entitlement::service_id.eq(&service.id))?;
                for line in lines.into_iter().filter(|line| !whom.contains(&(line.kind, line.subject.clone()))) {
                    ours.delete::<Entitlement>(Entitlement::id.eq(&line.id))?;
                }
                event = event.with("entitle", &whom);
                entitle(tx, &service, whom, now)?;
            }
            let mut ours = Org::of(tx, &org);
            ours.replace(&service)?;
            ours.audit(event);
            view(tx, service)
        })
        .await
    }

    /// Deletes a service and its entitlements, and ends the sessions that were for it.
    pub async fn delete_service(&self, intent: &Intent, org: &OrgId, which: &str) -> Result<(ServiceView, u64)> {
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let service = find_service(tx, &org, &which)?;
            let last = view(tx, service.clone())?;
            intent.condition.check("service", &last)?;
            let mut ours = Org::of(tx, &org);
            let open = Session::service_id.eq(&service.id).and(Session::ended_at.is_null());
            let end = [Session::ended_at.set(&Some(now)), Session::ended_reason.set(&Some("service".to_owned()))];
            let ended = ours.update::<Session>(open, &end)?;
            ours.delete::<Entitlement>(Entitlement::service_id.eq(&service.id))?;
            ours.delete::<Service>(Service::id.eq(&service.id))?;
            ours.audit(NewEvent::new(&intent.actor, "service.delete", service.id.clone()).with("name", &service.name));
            Ok((last, ended))
        })
        .await
    }

    /// Takes in what a refresh fetched, parsed by the caller. Without `approved` a change only waits; with it, it must be the document
    /// whose hash was approved, so that nobody approves what he did not see.
    pub async fn refresh_service(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        fetched: Described,
        approved: Option<Bytes<32>>,
    ) -> Result<(Refreshed, ServiceView)> {
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let mut service = find_service(tx, &org, &which)?;
            let hash = sha256(&fetched.metadata);
            if hash == service.metadata_sha256 {
                return Ok((Refreshed::Unchanged, view(tx, service)?));
            }
            let outcome = match approved {
                None => {
                    service.metadata_pending = Some(Blob(fetched.metadata.clone()));
                    Refreshed::Pending(hash)
                }
                Some(seen) if seen == hash => {
                    service.entity_id.clone_from(&fetched.entity_id);
                    service.metadata = Blob(fetched.metadata.clone());
                    service.metadata_sha256 = hash;
                    service.metadata_pending = None;
                    service.settings = ServiceSettings::of(&service)?.to_column(&fetched.acs);
                    must_be_free(tx, &service)?;
                    Refreshed::Applied
                }
                Some(_) => {
                    return Err(Error::state(
                        "the metadata changed again since it was looked at",
                        "refresh without approval, look at the change, and approve that one",
                    ));
                }
            };
            service.updated_at = now;
            let mut ours = Org::of(tx, &org);
            ours.replace(&service)?;
            ours.audit(
                NewEvent::new(&intent.actor, "service.refresh", service.id.clone())
                    .with("name", &service.name)
                    .with("metadata_sha256", hex(&hash))
                    .with("applied", outcome == Refreshed::Applied),
            );
            Ok((outcome, view(tx, service)?))
        })
        .await
    }

    /// Who may use a service, oldest first.
    pub async fn service_entitlements(&self, org: &OrgId, which: &str) -> Result<Vec<EntitlementView>> {
        let (org, which) = (org.clone(), which.to_owned());
        self.read(move |tx| {
            let service = find_service(tx, &org, &which)?;
            Ok(entitlements(tx, &org, &[service.id])?.into_iter().map(|(_, line)| line).collect())
        })
        .await
    }

    /// Lets somebody use a service. Doing it twice is [`Error::Exists`].
    pub async fn add_entitlement(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        whom: Entitled,
    ) -> Result<EntitlementView> {
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let service = find_service(tx, &org, &which)?;
            let Some((kind, subject)) = subject(tx, &org, &whom)? else {
                return Err(Error::field("/subject", format!("there is no {whom}")));
            };
            let there = entitlements(tx, &org, std::slice::from_ref(&service.id))?;
            let same = |line: &EntitlementView| line.kind == kind && line.subject.as_deref().unwrap_or("") == subject;
            if let Some((_, line)) = there.into_iter().find(|(_, line)| same(line)) {
                return Err(Error::Exists { noun: "entitlement", which: whom.to_string(), id: line.id });
            }
            entitle(tx, &service, [(kind, subject.clone())], now)?;
            Org::of(tx, &org).audit(
                NewEvent::new(&intent.actor, "service.entitle", service.id.clone())
                    .with("name", &service.name)
                    .with("to", whom.to_string()),
            );
            let lines = entitlements(tx, &org, std::slice::from_ref(&service.id))?;
            let made = lines.into_iter().map(|(_, line)| line).find(same);
            made.ok_or_else(|| Error::Internal("the entitlement was just made".to_owned()))
        })
        .await
    }

    /// Takes an entitlement back.
    pub async fn remove_entitlement(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        id: &str,
    ) -> Result<EntitlementView> {
        let (intent, org, which, id) = (intent.clone(), org.clone(), which.to_owned(), id.to_owned());
        self.change(intent.dry_run, move |tx| {
            let service = find_service(tx, &org, &which)?;
            let lines = entitlements(tx, &org, std::slice::from_ref(&service.id))?;
            let line = lines.into_iter().map(|(_, line)| line).find(|line| line.id == id);
            let line = line.ok_or_else(|| Error::not_found("entitlement", id.clone()))?;
            intent.condition.check("entitlement", &line)?;
            let mut ours = Org::of(tx, &org);
            ours.delete::<Entitlement>(Entitlement::id.eq(&id).and(Entitlement::service_id.eq(&service.id)))?;
            ours.audit(
                NewEvent::new(&intent.actor, "service.disentitle", service.id.clone())
                    .with("name", &service.name)
                    .with("entitlement", &id)
                    .with("kind", line.kind)
                    .with("subject", line.subject.as_deref().unwrap_or_default()),
            );
            Ok(line)
        })
        .await
    }

    /// A user with the names of his groups, and whether he is entitled to the service: for a look at what it would be told.
    pub async fn user_for_service(&self, org: &OrgId, service: &str, user: &str) -> Result<(User, Vec<String>, bool)> {
        let (org, which, user) = (org.clone(), service.to_owned(), user.to_owned());
        self.read(move |tx| {
            let service = find_service(tx, &org, &which)?;
            let Some((_, id)) = subject(tx, &org, &Entitled::User(user.clone()))? else {
                return Err(Error::not_found("user", user));
            };
            let mut ours = Org::of(tx, &org);
            let user = ours.get::<User>(&id)?.ok_or_else(|| Error::not_found("user", user.clone()))?;
            let member = ours.find::<Membership>(Membership::user_id.eq(&id))?;
            let ids: Vec<_> = member.into_iter().map(|row| row.group_id).collect();
            let groups = ours.find::<Group>(Group::id.one_of(&ids))?.into_iter().map(|group| group.name).collect();
            let lines = ours.find::<Entitlement>(Entitlement::service_id.eq(&service.id))?;
            let entitled = lines.iter().any(|line| match line.kind {
                EntitlementKind::Everyone => true,
                EntitlementKind::User => line.subject == id,
                EntitlementKind::Group => ids.contains(&line.subject),
            });
            let may = entitled && user.status == UserStatus::Active;
            Ok((user, groups, may))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_an_entitlement_is_for_has_one_spelling() {
        for text in ["everyone", "group:staff", "user:anna@acme.example"] {
            assert_eq!(text.parse::<Entitled>().unwrap().to_string(), text);
        }
        for wrong in ["", "Everyone", "group:", "user:", "role:admin", "everyone:x", "staff"] {
            assert!(wrong.parse::<Entitled>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_services_name_needs_no_quoting() {
        assert!(service_name("wiki").is_ok() && service_name("Büro-2.wiki_test").is_ok());
        for wrong in ["", "-x", "a b", "a/b", "a'b", "$x", &"x".repeat(65)] {
            assert!(service_name(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn settings_that_are_missing_have_their_default() {
        let settings: ServiceSettings = serde_json::from_str("{}").unwrap();
        assert_eq!(settings, ServiceSettings::default());
        let column = settings.to_column(&[]).read().unwrap();
        assert_eq!(column["name_id"], "email");
        assert_eq!(column["algorithm"], "rsa-sha256");
    }
}
