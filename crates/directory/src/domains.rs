//! Domains: which parts after the `@` belong to an organization, and how that is known.
//!
//! Owns claiming, verification, the daily re-check and its consequences, and the rule that a verified domain belongs to one organization of
//! the cloud. A claim excludes nobody until it is verified. Must not know DNS: what was seen there is handed in.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::audit::{Actor, NewEvent};
use crate::id::OrgId;
use crate::names::domain_name;
use crate::page::{Cursor, Page, PageRequest, page};
use crate::query::Filter;
use crate::records::{DeviceToken, DeviceTokenPolicy, Domain, DomainOwner};
use crate::scope::{Org, Taken, across};
use crate::store::{Tx, WriteTx};
use crate::time::Timestamp;
use crate::values::{DomainState, TokenState};
use crate::{Directory, Error, Intent, Result};

/// The label in front of a domain at which its record stands.
pub const RECORD_LABEL: &str = "_latchkey-challenge";

/// How long a record may be missing before the domain is *lapsing*.
pub const LAPSING_AFTER: Duration = Duration::from_secs(3 * 86_400);

/// How long a record may be missing before the domain is *lapsed*.
pub const LAPSED_AFTER: Duration = Duration::from_secs(14 * 86_400);

/// How often a record is looked at again.
pub const RECHECK: Duration = Duration::from_secs(86_400);

/// A DNS record to set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecordView {
    /// Its name.
    pub name: String,
    /// `TXT`.
    pub r#type: &'static str,
    /// Its value.
    pub value: String,
}

/// A domain, as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DomainView {
    /// The A-label form, lower case.
    pub name: String,
    /// How it was verified.
    pub verification: DomainState,
    /// The operator's reason.
    pub reason: Option<String>,
    /// The DNS record that verifies it.
    pub record: RecordView,
    /// When it was verified.
    #[schema(value_type = Option<String>)]
    pub verified_at: Option<Timestamp>,
    /// When the record was last seen.
    #[schema(value_type = Option<String>)]
    pub last_seen_at: Option<Timestamp>,
    /// Since when the record is missing.
    #[schema(value_type = Option<String>)]
    pub missing_since: Option<Timestamp>,
    /// When it was claimed.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
}

impl From<Domain> for DomainView {
    fn from(row: Domain) -> Self {
        let record = RecordView { name: format!("{RECORD_LABEL}.{}", row.name), r#type: "TXT", value: row.challenge };
        Self {
            name: row.name,
            verification: row.verification,
            reason: row.reason,
            record,
            verified_at: row.verified_at,
            last_seen_at: row.last_seen_at,
            missing_since: row.missing_since,
            created_at: row.created_at,
        }
    }
}

/// What shows whose a domain is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainProof {
    /// Its record was seen.
    Record,
    /// The operator says so, for this reason.
    OperatorWord(String),
}

/// What a re-check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recheck {
    /// The record is there.
    Seen,
    /// A server in charge of the zone says that it is not there.
    Missing,
}

/// Whether this state lets something new begin.
#[must_use]
pub const fn is_good(state: DomainState) -> bool {
    matches!(state, DomainState::Verified | DomainState::OperatorWord | DomainState::Lapsing)
}

fn wanted<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, name: &str) -> Result<Domain> {
    let normal = domain_name(name).map_err(|_| Error::not_found("domain", name))?;
    Org::of(tx, org).get::<Domain>(&normal)?.ok_or_else(|| Error::not_found("domain", normal))
}

impl Directory {
    /// Claims a domain. `challenge` makes the value of the record that will verify it, of its normalized name.
    pub async fn add_domain(
        &self,
        intent: &Intent,
        org: &OrgId,
        name: &str,
        challenge: impl Fn(&str) -> String + Send + 'static,
    ) -> Result<DomainView> {
        let name = domain_name(name).map_err(|bad| Error::field("/name", bad.to_string()))?;
        let (intent, org) = (intent.clone(), org.clone());
        self.change(intent.dry_run, move |tx| {
            let row = Domain {
                org: org.clone(),
                name: name.clone(),
                verification: DomainState::Pending,
                challenge: challenge(&name),
                reason: None,
                verified_at: None,
                last_seen_at: None,
                missing_since: None,
                created_at: tx.now(),
            };
            let mut ours = Org::of(tx, &org);
            if ours.insert(&row)? == Err(Taken) {
                return Err(Error::Exists { noun: "domain", which: name.clone(), id: name.clone() });
            }
            ours.audit(NewEvent::new(&intent.actor, "domain.add", name.clone()));
            Ok(row.into())
        })
        .await
    }

    /// The organization's domains.
    pub async fn domains(&self, org: &OrgId, request: PageRequest) -> Result<Page<DomainView>> {
        let org = org.clone();
        self.read(move |tx| {
            let place = |row: &Domain| Cursor { at: row.created_at, id: row.name.clone() };
            let rows = page(&mut Org::of(tx, &org), Filter::all(), Domain::created_at, "name", &request, place)?;
            rows.map(|row| Ok(row.into()))
        })
        .await
    }

    /// One domain.
    pub async fn domain(&self, org: &OrgId, name: &str) -> Result<DomainView> {
        let (org, name) = (org.clone(), name.to_owned());
        self.read(move |tx| wanted(tx, &org, &name).map(Into::into)).await
    }

    /// Verifies a domain.
    pub async fn verify_domain(
        &self,
        intent: &Intent,
        org: &OrgId,
        name: &str,
        proof: DomainProof,
    ) -> Result<DomainView> {
        if let DomainProof::OperatorWord(reason) = &proof
            && (reason.trim().is_empty() || reason.chars().count() > 500 || reason.chars().any(char::is_control))
        {
            return Err(Error::field("/operator_word", "the reason has 1 to 500 characters and no control characters"));
        }
        let (intent, org, name) = (intent.clone(), org.clone(), name.to_owned());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let mut row = wanted(tx, &org, &name)?;
            intent.condition.check("domain", &DomainView::from(row.clone()))?;
            own(tx, &org, &row.name)?;
            match &proof {
                DomainProof::Record => {
                    // The operator's word is shown as such for ever.
                    if row.verification != DomainState::OperatorWord {
                        row.verification = DomainState::Verified;
                    }
                    row.last_seen_at = Some(now);
                    row.missing_since = None;
                }
                DomainProof::OperatorWord(reason) => {
                    row.verification = DomainState::OperatorWord;
                    row.reason = Some(reason.trim().to_owned());
                }
            }
            row.verified_at = row.verified_at.or(Some(now));
            let mut ours = Org::of(tx, &org);
            ours.replace(&row)?;
            let event = NewEvent::new(&intent.actor, "domain.verify", row.name.clone());
            ours.audit(event.with("verification", row.verification.as_str()).with("reason", &row.reason));
            Ok(row.into())
        })
        .await
    }

    /// Gives a domain up.
    pub async fn remove_domain(&self, intent: &Intent, org: &OrgId, name: &str) -> Result<DomainView> {
        let (intent, org, name) = (intent.clone(), org.clone(), name.to_owned());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            let row = wanted(tx, &org, &name)?;
            intent.condition.check("domain", &DomainView::from(row.clone()))?;
            let mut ours = Org::of(tx, &org);
            let policy: Option<DeviceTokenPolicy> = ours.one(Filter::all())?;
            if policy.is_some_and(|policy| policy.domains.contains(&row.name)) {
                return Err(Error::state(
                    format!("the device token policy names {}", row.name),
                    "take it off the list first: latchkey policy set --domain …",
                ));
            }
            let tokens: Vec<DeviceToken> = ours.find(DeviceToken::state.eq(&TokenState::Active))?;
            if let Some(token) = tokens.iter().find(|token| token.expires_at > now && token.domains.contains(&row.name))
            {
                return Err(Error::state(
                    format!("the device token {} covers {}", token.id, row.name),
                    format!("revoke it first: latchkey token revoke {}", token.id),
                ));
            }
            ours.delete::<DomainOwner>(DomainOwner::name.eq(&row.name))?;
            ours.delete::<Domain>(Domain::name.eq(&row.name))?;
            ours.audit(NewEvent::new(&intent.actor, "domain.remove", row.name.clone()));
            Ok(row.into())
        })
        .await
    }

    /// Which organization of the cloud verified this domain.
    pub async fn domain_owner(&self, name: &str) -> Result<Option<OrgId>> {
        let name = name.to_owned();
        self.read(move |tx| Ok(across::<DomainOwner, _>(tx, DomainOwner::name.eq(&name))?.pop().map(|row| row.org)))
            .await
    }

    /// The domains of all organizations that were verified by their record and not seen for a day.
    pub async fn domains_to_recheck(&self) -> Result<Vec<Domain>> {
        self.read(|tx| {
            let before = tx.now().minus(RECHECK);
            let states = [DomainState::Verified, DomainState::Lapsing, DomainState::Lapsed];
            let due = Domain::last_seen_at.is_below(&before).or(Domain::last_seen_at.is_null());
            Ok(across(tx, Domain::verification.one_of(&states).and(due))?)
        })
        .await
    }

    /// Takes note of what a re-check found. No answer at all is not told here: it says nothing.
    pub async fn note_recheck(&self, org: &OrgId, name: &str, found: Recheck) -> Result<DomainState> {
        let (org, name) = (org.clone(), name.to_owned());
        self.write(move |tx| {
            let now = tx.now();
            let mut row = wanted(tx, &org, &name)?;
            let before = row.verification;
            if !matches!(before, DomainState::Verified | DomainState::Lapsing | DomainState::Lapsed) {
                return Ok(before);
            }
            match found {
                Recheck::Seen => {
                    row.last_seen_at = Some(now);
                    row.missing_since = None;
                    row.verification = DomainState::Verified;
                }
                Recheck::Missing => {
                    let since = *row.missing_since.get_or_insert(now);
                    row.verification = match now.since(since) {
                        gone if gone >= LAPSED_AFTER => DomainState::Lapsed,
                        gone if gone >= LAPSING_AFTER => DomainState::Lapsing,
                        _ => before,
                    };
                }
            }
            let mut ours = Org::of(tx, &org);
            ours.replace(&row)?;
            if row.verification != before {
                let event = NewEvent::new(&Actor::system(), "domain.recheck", row.name.clone());
                ours.audit(event.with("was", before.as_str()).with("verification", row.verification.as_str()));
            }
            Ok(row.verification)
        })
        .await
    }
}

/// Makes the organization the owner of a domain.
fn own(tx: &mut dyn WriteTx, org: &OrgId, name: &str) -> Result<()> {
    let row = DomainOwner { org: org.clone(), name: name.to_owned() };
    if Org::of(tx, org).insert(&row)?.is_ok() {
        return Ok(());
    }
    match across::<DomainOwner, _>(tx, DomainOwner::name.eq(&row.name))?.pop() {
        Some(owner) if owner.org == *org => Ok(()),
        // Which one is nobody's business.
        _ => Err(Error::state(
            format!("{name} is a verified domain of another organization of this cloud"),
            "that organization has to remove it first; ask the operator of this cloud",
        )),
    }
}
