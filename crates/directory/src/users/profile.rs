//! What is known about a user: what may stand there, all wrong values at once.
//!
//! Owns validation. A character that XML cannot carry never gets into the directory.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::FieldProblem;
use crate::Intent;
use crate::Result;
use crate::access::may_join;
use crate::audit::NewEvent;
use crate::groups::find_group;
use crate::id::OrgId;
use crate::names::LoginName;
use crate::patch::Patch;
use crate::records::{Domain, Membership, User};
use crate::scope::Org;
use crate::store::{Tx, WriteTx};
use crate::value::Json;

const MOST_EMAILS: usize = 20;
const LONGEST: usize = 200;

/// A new user. Required is `login_name`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct NewUser {
    /// `local@domain`; the domain is one of the organization's.
    pub login_name: Option<String>,
    /// The name shown to people.
    pub display_name: Option<String>,
    /// Given name.
    pub given_name: Option<String>,
    /// Family name.
    pub family_name: Option<String>,
    /// Mail addresses.
    pub emails: Option<Vec<String>>,
    /// Department.
    pub department: Option<String>,
    /// The groups, by name or id.
    pub groups: Option<Vec<String>>,
    /// Marked as protected: nothing below evidence level 3 acts for the user.
    pub protected: Option<bool>,
}

/// A change of a user. What is not named stays, `null` takes away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct UserPatch {
    /// The name shown to people.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub display_name: Patch<String>,
    /// Given name.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub given_name: Patch<String>,
    /// Family name.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub family_name: Patch<String>,
    /// Mail addresses; replaces the list.
    pub emails: Option<Vec<String>>,
    /// Department.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub department: Patch<String>,
    /// The groups, by name or id; replaces the list.
    pub groups: Option<Vec<String>>,
    /// Marked as protected.
    pub protected: Option<bool>,
}

impl NewUser {
    /// All but the login name.
    pub(super) fn profile(&self) -> UserPatch {
        let set = |value: &Option<String>| value.clone().map_or(Patch::Keep, Patch::Set);
        UserPatch {
            display_name: set(&self.display_name),
            given_name: set(&self.given_name),
            family_name: set(&self.family_name),
            emails: self.emails.clone(),
            department: set(&self.department),
            groups: self.groups.clone(),
            protected: self.protected,
        }
    }
}

/// A text that people and XML can read: 1 to 200 characters, none of them a control character or none at all.
fn text(field: &str, value: &str, wrong: &mut Vec<FieldProblem>) -> String {
    let value = value.trim();
    let unfit = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    if value.is_empty() || value.chars().count() > LONGEST || value.chars().any(unfit) {
        wrong.push(FieldProblem::invalid(
            format!("/{field}"),
            format!("{field} has 1 to {LONGEST} characters and no control characters"),
        ));
    }
    value.to_owned()
}

fn email(value: &str) -> Option<String> {
    let value = value.trim();
    let (local, domain) = value.rsplit_once('@')?;
    let usable = |c: char| {
        !c.is_control() && !c.is_whitespace() && !matches!(c, ',' | ';' | '<' | '>' | '"' | '\u{fffe}' | '\u{ffff}')
    };
    let fits = !local.is_empty()
        && value.len() <= 254
        && value.chars().all(usable)
        && domain.split('.').all(|label| !label.is_empty());
    fits.then(|| value.to_owned())
}

/// The login name in its normal form; its domain must be one of the organization's.
pub(super) fn login_name<T: Tx + ?Sized>(
    tx: &mut T,
    org: &OrgId,
    value: Option<&str>,
    wrong: &mut Vec<FieldProblem>,
) -> Result<Option<LoginName>> {
    let Some(value) = value else {
        wrong.push(FieldProblem::invalid("/login_name", "login_name is missing: local@domain"));
        return Ok(None);
    };
    match LoginName::given(value) {
        Err(bad) => wrong.push(FieldProblem::invalid("/login_name", bad.to_string())),
        Ok(name) if Org::of(tx, org).get::<Domain>(name.domain())?.is_none() => {
            let domain = name.domain();
            let detail = format!("{domain} is not a domain of this organization: latchkey domain add {domain}");
            wrong.push(FieldProblem::invalid("/login_name", detail));
        }
        Ok(name) => return Ok(Some(name)),
    }
    Ok(None)
}

impl UserPatch {
    /// Changes the row; every wrong value is told. Groups are another table: [`join`].
    pub(super) fn apply(&self, row: &mut User, wrong: &mut Vec<FieldProblem>) {
        let mut optional = |field: &str, patch: &Patch<String>, slot: &mut Option<String>| match patch {
            Patch::Keep => {}
            Patch::Clear => *slot = None,
            Patch::Set(value) => *slot = Some(text(field, value, wrong)),
        };
        optional("display_name", &self.display_name, &mut row.display_name);
        optional("given_name", &self.given_name, &mut row.given_name);
        optional("family_name", &self.family_name, &mut row.family_name);
        optional("department", &self.department, &mut row.department);
        if let Some(emails) = &self.emails {
            if emails.len() > MOST_EMAILS {
                wrong.push(FieldProblem::invalid("/emails", format!("at most {MOST_EMAILS} addresses")));
            }
            let mut good: Vec<String> = Vec::new();
            for (at, value) in emails.iter().enumerate() {
                match email(value) {
                    Some(address) if good.contains(&address) => {}
                    Some(address) => good.push(address),
                    None => {
                        let detail = format!("{value:?} is not a mail address");
                        wrong.push(FieldProblem::invalid(format!("/emails/{at}"), detail));
                    }
                }
            }
            row.emails = Json(good);
        }
        row.protected = self.protected.unwrap_or(row.protected);
    }

    /// The ids of the groups that are named; every one that is not there is told.
    pub(super) fn group_ids<T: Tx + ?Sized>(
        &self,
        tx: &mut T,
        org: &OrgId,
        wrong: &mut Vec<FieldProblem>,
    ) -> Result<Option<Vec<String>>> {
        let Some(groups) = &self.groups else { return Ok(None) };
        let mut ids = Vec::new();
        for (at, which) in groups.iter().enumerate() {
            match find_group(tx, org, which) {
                Ok(group) => ids.push(group.id),
                Err(crate::Error::NotFound { .. }) => wrong.push(FieldProblem::invalid(
                    format!("/groups/{at}"),
                    format!("there is no group {which}: latchkey group create {which}"),
                )),
                Err(error) => return Err(error),
            }
        }
        ids.sort();
        ids.dedup();
        Ok(Some(ids))
    }
}

/// Makes these the user's groups, each change recorded as if it had been made at the group. Answers whether anything changed.
pub(super) fn join(tx: &mut dyn WriteTx, intent: &Intent, user: &User, groups: &[String]) -> Result<bool> {
    let now = tx.now();
    let mut ours = Org::of(tx, &user.org);
    let there: Vec<Membership> = ours.find(Membership::user_id.eq(&user.id))?;
    let gone: Vec<&String> = there.iter().map(|row| &row.group_id).filter(|id| !groups.contains(id)).collect();
    let new: Vec<&String> = groups.iter().filter(|id| !there.iter().any(|row| row.group_id == **id)).collect();
    let changed = !gone.is_empty() || !new.is_empty();
    let touched: Vec<String> = gone.iter().chain(&new).map(|id| (*id).clone()).collect();
    may_join(tx, intent, &user.org, &touched)?;
    let mut ours = Org::of(tx, &user.org);
    let event = |action, group: &String| {
        let event = NewEvent::new(&intent.actor, action, group.clone());
        event.with("user", &user.id).with("login_name", &user.login_name)
    };
    for group in gone {
        ours.delete::<Membership>(Membership::user_id.eq(&user.id).and(Membership::group_id.eq(group)))?;
        ours.audit(event("group.leave", group));
    }
    for group in new {
        ours.audit(event("group.join", group));
        ours.add(&Membership {
            org: user.org.clone(),
            group_id: group.clone(),
            user_id: user.id.clone(),
            created_at: now,
        })?;
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_carry_is_refused() {
        for bad in ["", " ", "a\u{0}b", "a\u{fffe}b", &"x".repeat(201)] {
            let mut wrong = Vec::new();
            text("display_name", bad, &mut wrong);
            assert_eq!(wrong.len(), 1, "{bad:?}");
        }
        let mut wrong = Vec::new();
        assert_eq!(text("display_name", " Anna <Ode> & Co ]]> ", &mut wrong), "Anna <Ode> & Co ]]>");
        assert!(wrong.is_empty());
    }

    #[test]
    fn mail_addresses_have_a_local_part_and_a_domain() {
        for good in ["a@b.example", "anna+x@acme.example"] {
            assert!(email(good).is_some(), "{good}");
        }
        for bad in ["", "a", "@b", "a@", "a@b..c", "a b@c.example", "a@b.example,c@d.example", "\"a\"@b.example"] {
            assert!(email(bad).is_none(), "{bad}");
        }
    }
}
