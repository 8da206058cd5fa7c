//! Roles as an administrator handles them.
//!
//! Owns listing, making, changing and deleting them. Built-in roles are listed with the others and never changed. Must not know who has a role,
//! but for the rule that one in use is not deleted by accident.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::builtin::{BUILT_IN, BuiltInRole};
use super::guard::{ASK, within};
use super::records::{CustomRole, RoleAssignment};
use super::rights::Rights;
use crate::audit::NewEvent;
use crate::id::{OrgId, new_id};
use crate::orgs::display_name;
use crate::page::{Cursor, Page, PageRequest};
use crate::query::Filter;
use crate::scope::Org;
use crate::store::Tx;
use crate::time::Timestamp;
use crate::value::Json;
use crate::values::{Access, Module};
use crate::{Directory, Error, FieldProblem, Intent, Result};

/// The longest description.
const LONGEST_DESCRIPTION: usize = 500;

/// A role, as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RoleView {
    /// Random; of a built-in role its name.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether it is one of the product's, which cannot be changed.
    pub built_in: bool,
    /// What it opens, by module: `none`, `restricted`, `view` or `full`.
    #[schema(value_type = BTreeMap<String, Access>)]
    pub rights: BTreeMap<Module, Access>,
    /// How many users and groups it was given to.
    pub assignments: u64,
    /// When it was made; absent for a built-in role.
    #[schema(value_type = Option<String>)]
    pub created_at: Option<Timestamp>,
    /// When it was last changed; absent for a built-in role.
    #[schema(value_type = Option<String>)]
    pub updated_at: Option<Timestamp>,
}

/// A new role. Required are `name` and `rights`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct NewRole {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What it opens, by module: `none`, `restricted`, `view` or `full`. What is not named is `none`.
    pub rights: Option<BTreeMap<String, String>>,
}

/// A change of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct RolePatch {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What it opens, for the modules that are named; null is `none`.
    pub rights: Option<BTreeMap<String, Option<String>>>,
}

/// A role wherever it comes from.
pub(super) enum Role {
    BuiltIn(&'static BuiltInRole),
    Custom(CustomRole),
}

impl Role {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::BuiltIn(role) => role.name,
            Self::Custom(row) => &row.id,
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::BuiltIn(role) => role.name,
            Self::Custom(row) => &row.name,
        }
    }

    pub(super) fn rights(&self) -> Rights {
        match self {
            Self::BuiltIn(role) => role.rights(),
            Self::Custom(row) => row.rights.0.clone().into_iter().collect(),
        }
    }

    fn view<T: Tx + ?Sized>(self, tx: &mut T, org: &OrgId) -> Result<RoleView> {
        let given = RoleAssignment::role_id.eq(&self.id().to_owned());
        let assignments = Org::of(tx, org).count::<RoleAssignment>(given)?;
        let rights = self.rights().iter().collect();
        Ok(match self {
            Self::BuiltIn(role) => RoleView {
                id: role.name.to_owned(),
                name: role.name.to_owned(),
                description: role.description.to_owned(),
                built_in: true,
                rights,
                assignments,
                created_at: None,
                updated_at: None,
            },
            Self::Custom(row) => RoleView {
                id: row.id,
                name: row.name,
                description: row.description,
                built_in: false,
                rights,
                assignments,
                created_at: Some(row.created_at),
                updated_at: Some(row.updated_at),
            },
        })
    }
}

/// The role with this id or name.
pub(super) fn find_role<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, which: &str) -> Result<Role> {
    let which = which.trim().to_owned();
    if let Some(role) = BuiltInRole::named(&which) {
        return Ok(Role::BuiltIn(role));
    }
    let mut found: Vec<CustomRole> =
        Org::of(tx, org).find(CustomRole::id.eq(&which).or(CustomRole::name.eq(&which)))?;
    // A role may be called like another's id; the id is the one that cannot be chosen.
    found.sort_by_key(|role| role.id == which);
    found.pop().map(Role::Custom).ok_or_else(|| Error::not_found("role", which))
}

/// The role, if it can be changed: it is none of the product's, the condition holds, and it opens no more than whoever changes it has.
fn changeable<T: Tx + ?Sized>(tx: &mut T, intent: &Intent, org: &OrgId, which: &str) -> Result<(CustomRole, RoleView)> {
    let row = match find_role(tx, org, which)? {
        Role::Custom(row) => row,
        Role::BuiltIn(role) => {
            return Err(Error::state(
                format!("{} is a built-in role: it is the same in every organization", role.name),
                "make one of your own: latchkey role create NAME --access MODULE=LEVEL",
            ));
        }
    };
    let seen = Role::Custom(row.clone()).view(tx, org)?;
    intent.condition.check("role", &seen)?;
    must_give_roles(intent)?;
    within(intent, &format!("the role {}", row.name), &row.rights.0.clone().into_iter().collect())?;
    Ok((row, seen))
}

/// Whoever handles roles has that right, whichever way they came.
pub(super) fn must_give_roles(intent: &Intent) -> Result<()> {
    if intent.may_give.gives_roles() {
        return Ok(());
    }
    Err(Error::Denied { detail: "you may not change roles".to_owned(), fix: ASK.to_owned() })
}

fn named(value: &str, wrong: &mut Vec<FieldProblem>) -> String {
    let value = display_name(value).unwrap_or_else(|detail| {
        wrong.push(FieldProblem::invalid("/name", detail));
        String::new()
    });
    if BuiltInRole::named(&value).is_some() {
        wrong.push(FieldProblem::invalid("/name", format!("{value} is the name of a built-in role")));
    }
    value
}

fn described(value: &str, wrong: &mut Vec<FieldProblem>) -> String {
    let value = value.trim();
    if value.chars().count() > LONGEST_DESCRIPTION || value.chars().any(char::is_control) {
        let detail = format!("a description is one line of at most {LONGEST_DESCRIPTION} characters");
        wrong.push(FieldProblem::invalid("/description", detail));
    }
    value.to_owned()
}

fn set_right(
    rights: &mut BTreeMap<Module, Access>,
    intent: &Intent,
    module: &str,
    access: Option<&str>,
    wrong: &mut Vec<FieldProblem>,
) {
    let pointer = format!("/rights/{}", module.replace('~', "~0").replace('/', "~1"));
    let mut problem = |detail: String| wrong.push(FieldProblem::invalid(pointer.clone(), detail));
    let module: Module = match module.parse() {
        Ok(module) => module,
        Err(error) => return problem(error.to_string()),
    };
    let access: Access = match access.unwrap_or(Access::None.as_str()).parse() {
        Ok(access) => access,
        Err(error) => return problem(error.to_string()),
    };
    if access == Access::None {
        rights.remove(&module);
        return;
    }
    if intent.may_give.beyond(&[(module, access)].into_iter().collect()).is_some() {
        return problem(format!("{access} access to {module} is more than you have"));
    }
    rights.insert(module, access);
}

fn taken<T: Tx + ?Sized>(tx: &mut T, row: &CustomRole) -> Result<()> {
    let same_name = CustomRole::name.eq(&row.name).and(CustomRole::id.eq(&row.id).negate());
    match Org::of(tx, &row.org).one::<CustomRole>(same_name)? {
        Some(there) => Err(Error::Exists { noun: "role", which: there.name, id: there.id }),
        None => Ok(()),
    }
}

impl Directory {
    /// Roles: those that were made here, newest first, then the built-in ones.
    pub async fn roles(&self, org: &OrgId, request: PageRequest) -> Result<Page<RoleView>> {
        let org = org.clone();
        self.read(move |tx| {
            let rows: Vec<CustomRole> = Org::of(tx, &org).find(Filter::all())?;
            let mut all: Vec<RoleView> = Vec::new();
            for role in BUILT_IN.iter().map(Role::BuiltIn).chain(rows.into_iter().map(Role::Custom)) {
                all.push(role.view(tx, &org)?);
            }
            let place = |role: &RoleView| Cursor { at: role.created_at.unwrap_or_default(), id: role.id.clone() };
            all.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
            Ok(Page::of_list(all, &request, place))
        })
        .await
    }

    /// One role, by id or name.
    pub async fn role(&self, org: &OrgId, which: &str) -> Result<RoleView> {
        let (org, which) = (org.clone(), which.to_owned());
        self.read(move |tx| find_role(tx, &org, &which)?.view(tx, &org)).await
    }

    /// Makes a role.
    pub async fn create_role(&self, intent: &Intent, org: &OrgId, new: NewRole) -> Result<RoleView> {
        let (intent, org) = (intent.clone(), org.clone());
        self.change(intent.dry_run, move |tx| {
            let now = tx.now();
            must_give_roles(&intent)?;
            let mut wrong = Vec::new();
            let name = named(new.name.as_deref().unwrap_or_default(), &mut wrong);
            let description = described(new.description.as_deref().unwrap_or_default(), &mut wrong);
            let mut rights = BTreeMap::new();
            match &new.rights {
                None => wrong.push(FieldProblem::invalid("/rights", "rights is missing: say what the role opens")),
                Some(named) => {
                    for (module, access) in named {
                        set_right(&mut rights, &intent, module, Some(access), &mut wrong);
                    }
                }
            }
            if !wrong.is_empty() {
                return Err(Error::Invalid(wrong));
            }
            let row = CustomRole {
                org: org.clone(),
                id: new_id(now),
                name,
                description,
                rights: Json(rights),
                created_at: now,
                updated_at: now,
            };
            taken(tx, &row)?;
            let mut ours = Org::of(tx, &org);
            ours.add(&row)?;
            let event = NewEvent::new(&intent.actor, "role.create", row.id.clone());
            ours.audit(event.with("name", &row.name).with("rights", &row.rights.0));
            Role::Custom(row).view(tx, &org)
        })
        .await
    }

    /// Changes a role. Whoever has it has what it then says, from their next click on.
    pub async fn change_role(&self, intent: &Intent, org: &OrgId, which: &str, patch: RolePatch) -> Result<RoleView> {
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let (mut row, _) = changeable(tx, &intent, &org, &which)?;
            let mut wrong = Vec::new();
            if let Some(name) = &patch.name {
                row.name = named(name, &mut wrong);
            }
            if let Some(description) = &patch.description {
                row.description = described(description, &mut wrong);
            }
            for (module, access) in patch.rights.iter().flatten() {
                set_right(&mut row.rights.0, &intent, module, access.as_deref(), &mut wrong);
            }
            if !wrong.is_empty() {
                return Err(Error::Invalid(wrong));
            }
            taken(tx, &row)?;
            row.updated_at = tx.now();
            let mut ours = Org::of(tx, &org);
            ours.replace(&row)?;
            let event = NewEvent::new(&intent.actor, "role.set", row.id.clone());
            ours.audit(event.with("name", &row.name).with("rights", &row.rights.0));
            Role::Custom(row).view(tx, &org)
        })
        .await
    }

    /// Deletes a role. One that somebody has goes only together with their having it. Answers how many that were.
    pub async fn delete_role(
        &self,
        intent: &Intent,
        org: &OrgId,
        which: &str,
        with_assignments: bool,
    ) -> Result<(RoleView, u64)> {
        let (intent, org, which) = (intent.clone(), org.clone(), which.to_owned());
        self.change(intent.dry_run, move |tx| {
            let (row, seen) = changeable(tx, &intent, &org, &which)?;
            if seen.assignments > 0 && !with_assignments {
                return Err(Error::state(
                    format!("{} users and groups have the role {}", seen.assignments, row.name),
                    format!("take it from them first, or in one go: latchkey role delete {} --from-everybody", row.id),
                ));
            }
            let mut ours = Org::of(tx, &org);
            let taken = ours.delete::<RoleAssignment>(RoleAssignment::role_id.eq(&row.id))?;
            ours.delete::<CustomRole>(CustomRole::id.eq(&row.id))?;
            let event = NewEvent::new(&intent.actor, "role.delete", row.id.clone());
            ours.audit(event.with("name", &row.name).with("taken", taken));
            Ok((seen, taken))
        })
        .await
    }
}
