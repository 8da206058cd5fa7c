//! Which services a person may use.
//!
//! Owns the list for the person's own page. Whether a sign-in is granted is decided where it is granted (`signin.rs`), from the same lines.

use crate::id::OrgId;
use crate::query::Filter;
use crate::records::{Entitlement, Membership, Service};
use crate::scope::Org;
use crate::values::EntitlementKind;
use crate::{Directory, Result};

impl Directory {
    /// The services a person is entitled to, by name.
    pub async fn services_of(&self, org: &OrgId, user_id: &str) -> Result<Vec<Service>> {
        let (org, user) = (org.clone(), user_id.to_owned());
        self.read(move |tx| {
            let mut ours = Org::of(tx, &org);
            let groups: Vec<Membership> = ours.find(Membership::user_id.eq(&user))?;
            let groups: Vec<String> = groups.into_iter().map(|row| row.group_id).collect();
            let everyone = Entitlement::kind.eq(&EntitlementKind::Everyone);
            let himself = Entitlement::kind.eq(&EntitlementKind::User).and(Entitlement::subject.eq(&user));
            let by_group = Entitlement::kind.eq(&EntitlementKind::Group).and(Entitlement::subject.one_of(&groups));
            let lines: Vec<Entitlement> = ours.find(Filter::Or(vec![everyone, himself, by_group]))?;
            let mut ids: Vec<String> = lines.into_iter().map(|line| line.service_id).collect();
            ids.sort();
            ids.dedup();
            let mut services: Vec<Service> = ours.find(Service::id.one_of(&ids))?;
            services.sort_by_key(|service| service.name.to_lowercase());
            Ok(services)
        })
        .await
    }
}
