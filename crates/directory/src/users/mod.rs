//! Users as an administrator handles them.
//!
//! Owns their profile, status and groups, and what a change takes along: who is disabled or deleted loses sessions, who is deleted loses
//! bindings too, and the name stays reserved for a year. Must not know just-in-time creation (`device/user.rs`).

mod change;
mod import;
mod list;
mod profile;

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use change::{bare, end_all_sessions};
pub use import::{ImportLine, Imported};
pub use list::UserFilter;
pub(crate) use list::members;
pub use profile::{NewUser, UserPatch};

use crate::id::OrgId;
use crate::names::LoginName;
use crate::page::{Page, PageRequest};
use crate::query::Filter;
use crate::records::{Group, Membership, User};
use crate::scope::Org;
use crate::store::{StoreError, Tx};
use crate::time::Timestamp;
use crate::values::{UserSource, UserStatus};
use crate::{Directory, Error, Result};

/// So long the name of a deleted user is not given to somebody new, unless an administrator says so.
const NAME_RESERVED: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The deleted users whose names are reserved.
pub(crate) fn deleted_lately(now: Timestamp) -> Filter {
    let since = Some(now.minus(NAME_RESERVED));
    User::status.eq(&UserStatus::Deleted).and(User::deleted_at.at_least(&since))
}

/// A user, as callers see one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserView {
    /// Random; what persistent NameIDs hang on.
    pub id: String,
    /// `local@domain`.
    pub login_name: String,
    /// The name shown to people.
    pub display_name: Option<String>,
    /// Given name.
    pub given_name: Option<String>,
    /// Family name.
    pub family_name: Option<String>,
    /// Mail addresses, the one that services get first.
    pub emails: Vec<String>,
    /// Department.
    pub department: Option<String>,
    /// Where the user stands.
    pub status: UserStatus,
    /// Marked as protected; members of a protected group are protected without it.
    pub protected: bool,
    /// Where the user came from.
    pub source: UserSource,
    /// The groups, by name.
    pub groups: Vec<String>,
    /// When the user first had a device or signed in: *taken* from then on.
    #[schema(value_type = Option<String>)]
    pub taken_at: Option<Timestamp>,
    /// When the user was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When the user was last changed.
    #[schema(value_type = String)]
    pub updated_at: Timestamp,
    /// When the user was deleted.
    #[schema(value_type = Option<String>)]
    pub deleted_at: Option<Timestamp>,
}

impl UserView {
    fn of(row: User, mut groups: Vec<String>) -> Self {
        groups.sort();
        Self {
            id: row.id,
            login_name: row.login_name,
            display_name: row.display_name,
            given_name: row.given_name,
            family_name: row.family_name,
            emails: row.emails.0,
            department: row.department,
            status: row.status,
            protected: row.protected,
            source: row.source,
            groups,
            taken_at: row.taken_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
        }
    }
}

/// The user with this id or login name. Deleted ones are found by their id only.
pub fn find_user<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, which: &str) -> Result<User> {
    let mut filter = User::id.eq(&which.to_owned());
    if let Ok(name) = LoginName::given(which) {
        filter = filter.or(User::login_key.eq(&name.as_str().to_owned()));
    }
    Org::of(tx, org).one(filter)?.ok_or_else(|| Error::not_found("user", which))
}

/// The groups of these users, by the users' ids.
fn groups_of<T: Tx + ?Sized>(
    tx: &mut T,
    org: &OrgId,
    users: &[User],
) -> Result<HashMap<String, Vec<String>>, StoreError> {
    let ids: Vec<String> = users.iter().map(|user| user.id.clone()).collect();
    let mut ours = Org::of(tx, org);
    let memberships: Vec<Membership> = ours.select(Membership::user_id.one_of(&ids), Vec::new(), None)?;
    let mut wanted: Vec<String> = memberships.iter().map(|membership| membership.group_id.clone()).collect();
    wanted.sort();
    wanted.dedup();
    let groups: Vec<Group> = ours.select(Group::id.one_of(&wanted), Vec::new(), None)?;
    let names: HashMap<_, _> = groups.into_iter().map(|group| (group.id, group.name)).collect();
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    for membership in memberships {
        if let Some(name) = names.get(&membership.group_id) {
            found.entry(membership.user_id).or_default().push(name.clone());
        }
    }
    Ok(found)
}

fn view<T: Tx + ?Sized>(tx: &mut T, row: User) -> Result<UserView> {
    let org = row.org.clone();
    let mut groups = groups_of(tx, &org, std::slice::from_ref(&row))?;
    let groups = groups.remove(&row.id).unwrap_or_default();
    Ok(UserView::of(row, groups))
}

/// These users as callers see them.
pub(crate) fn views<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, rows: Page<User>) -> Result<Page<UserView>> {
    let mut groups = groups_of(tx, org, &rows.items)?;
    rows.map(|row| {
        let groups = groups.remove(&row.id).unwrap_or_default();
        Ok(UserView::of(row, groups))
    })
}

impl Directory {
    /// Users, newest first; those that text finds, in the order of that text.
    pub async fn users(&self, org: &OrgId, filter: UserFilter, request: PageRequest) -> Result<Page<UserView>> {
        let org = org.clone();
        self.read(move |tx| {
            let rows = filter.page(&mut Org::of(tx, &org), &request)?;
            views(tx, &org, rows)
        })
        .await
    }

    /// One user, by id or login name.
    pub async fn user(&self, org: &OrgId, which: &str) -> Result<UserView> {
        let (org, which) = (org.clone(), which.to_owned());
        self.read(move |tx| {
            let row = find_user(tx, &org, &which)?;
            view(tx, row)
        })
        .await
    }
}
