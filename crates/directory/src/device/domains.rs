//! For which domains device tokens and what came of them are good now.
//!
//! Owns the reading of the device token policy together with the state of the organization's domains. Must not know which code says so.

use crate::id::OrgId;
use crate::query::Filter;
use crate::records::{DeviceTokenPolicy, Domain};
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};
use crate::values::DomainState;

/// Why a domain is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The policy is off.
    Off,
    /// The policy does not name the domain, or the domain is not the organization's.
    NotListed,
    /// The domain's record has been missing for 14 days: nothing new, what is enrolled goes on.
    Lapsed,
}

impl Closed {
    /// In words, for the administrator.
    pub(crate) fn words(self, domain: &str) -> String {
        match self {
            Self::Off => "the device token policy is off".to_owned(),
            Self::NotListed => {
                format!(
                    "{domain} is not a verified domain of this organization, or not on the device token policy's list"
                )
            }
            Self::Lapsed => format!("the DNS record of {domain} has been missing for 14 days"),
        }
    }
}

/// The policy, as it is now.
pub(crate) struct Policy(Option<DeviceTokenPolicy>);

impl Policy {
    pub(crate) fn read(tx: &mut dyn WriteTx, org: &OrgId) -> Result<Self, StoreError> {
        Ok(Self(Org::of(tx, org).one(Filter::all())?))
    }

    /// Whether unknown users are created.
    pub(crate) fn jit(&self) -> bool {
        self.0.as_ref().is_some_and(|policy| policy.jit)
    }

    /// Whether what is enrolled goes on for this domain.
    pub(crate) fn goes_on(
        &self,
        tx: &mut dyn WriteTx,
        org: &OrgId,
        domain: &str,
    ) -> Result<Result<(), Closed>, StoreError> {
        let Some(policy) = self.0.as_ref().filter(|policy| policy.enabled) else {
            return Ok(Err(Closed::Off));
        };
        let listed = policy.all_domains || policy.domains.iter().any(|listed| listed == domain);
        let state = Org::of(tx, org).get::<Domain>(domain)?.map(|domain| domain.verification);
        let ours = matches!(
            state,
            Some(DomainState::Verified | DomainState::OperatorWord | DomainState::Lapsing | DomainState::Lapsed)
        );
        Ok(if listed && ours { Ok(()) } else { Err(Closed::NotListed) })
    }

    /// Whether something new may begin for this domain.
    pub(crate) fn begins(
        &self,
        tx: &mut dyn WriteTx,
        org: &OrgId,
        domain: &str,
    ) -> Result<Result<(), Closed>, StoreError> {
        if let Err(closed) = self.goes_on(tx, org, domain)? {
            return Ok(Err(closed));
        }
        let state = Org::of(tx, org).get::<Domain>(domain)?.map(|domain| domain.verification);
        Ok(if state == Some(DomainState::Lapsed) { Err(Closed::Lapsed) } else { Ok(()) })
    }
}
