//! The list of users: its filters, and which index answers each.
//!
//! Owns the choice. Must not know what is shown of a user.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::page::{Page, PageRequest};
use crate::query::{Filter, text};
use crate::records::{Membership, User};
use crate::scope::Org;
use crate::store::{StoreError, Tx};
use crate::values::{UserSource, UserStatus};
use crate::walk::{By, Part, Place, Stream, Walk, by_ids, gather, spellings};

/// Which users. Within a field the values are alternatives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// With one of these; without any, whoever is not deleted.
    pub status: Vec<UserStatus>,
    /// From one of these sources.
    pub source: Vec<UserSource>,
    /// In one of these departments, as they are written.
    pub department: Vec<String>,
    /// In one of these groups, by id or name.
    pub group: Vec<String>,
    /// Whose login name, display name, given or family name begins with this.
    pub text: Option<String>,
}

/// Where text is looked for: the column, and whether it may be absent.
const TEXTS: [(&str, Option<&str>); 4] = [
    ("login_name", None),
    (text::DISPLAY_NAME, Some("display_name")),
    (text::FAMILY_NAME, Some("family_name")),
    (text::GIVEN_NAME, Some("given_name")),
];

impl UserFilter {
    /// Not `deleted`, where nothing was said.
    fn status(&self) -> Vec<UserStatus> {
        if self.status.is_empty() { vec![UserStatus::Active, UserStatus::Disabled] } else { distinct(&self.status) }
    }

    fn of_status(&self) -> Filter {
        User::status.one_of(&self.status())
    }

    fn of_source(&self) -> Filter {
        if self.source.is_empty() { Filter::all() } else { User::source.one_of(&self.source) }
    }

    fn of_department(&self) -> Filter {
        let wanted: Vec<_> = self.department.iter().cloned().map(Some).collect();
        if wanted.is_empty() { Filter::all() } else { User::department.one_of(&wanted) }
    }

    /// A page.
    pub(super) fn page<T: Tx + ?Sized>(&self, org: &mut Org<'_, T>, request: &PageRequest) -> Result<Page<User>> {
        let groups = self.groups(org)?;
        let text = self.text.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let profile = both(both(self.of_status(), self.of_source()), self.of_department());
        if let Some(text) = text {
            return by_text(org, request, text, &profile, groups.as_deref());
        }
        if let Some(groups) = groups {
            return members(org, request, &groups, &profile);
        }
        let newest = |row: &User, _: Option<&'static str>| Place::id(row.id.clone());
        let streams = if self.department.is_empty() {
            let sources = if self.source.is_empty() { UserSource::ALL.to_vec() } else { distinct(&self.source) };
            let pairs =
                self.status().into_iter().flat_map(|status| sources.iter().map(move |source| (status, *source)));
            pairs.map(|(status, source)| Stream::of(User::status.eq(&status).and(User::source.eq(&source)))).collect()
        } else {
            let rest = both(self.of_status(), self.of_source());
            let streams = distinct(&self.department).into_iter();
            streams.map(|department| Stream::of(User::department.is(&department)).looking_at(&rest)).collect()
        };
        Walk::newest("id", streams).page(org, request, newest)
    }

    /// The ids of the groups; an unknown one has no members.
    fn groups<T: Tx + ?Sized>(&self, org: &mut Org<'_, T>) -> Result<Option<Vec<String>>> {
        if self.group.is_empty() {
            return Ok(None);
        }
        let mut ids = BTreeSet::new();
        for which in &self.group {
            let id = org.id();
            match crate::groups::find_group(org.tx(), id, which) {
                Ok(group) => drop(ids.insert(group.id)),
                Err(crate::Error::NotFound { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(Some(ids.into_iter().collect()))
    }
}

fn distinct<V: Ord + Clone>(values: &[V]) -> Vec<V> {
    values.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

fn both(one: Filter, other: Filter) -> Filter {
    if one == Filter::all() {
        other
    } else if other == Filter::all() {
        one
    } else {
        one.and(other)
    }
}

/// Users whose names begin with the text, in the order of what was found.
fn by_text<T: Tx + ?Sized>(
    org: &mut Org<'_, T>,
    request: &PageRequest,
    text: &str,
    rest: &Filter,
    groups: Option<&[String]>,
) -> Result<Page<User>> {
    let beginnings = spellings(text);
    let streams = TEXTS.iter().flat_map(|(column, nullable)| {
        beginnings.iter().map(move |text| Stream::beginning(column, *nullable, text).looking_at(rest))
    });
    let walk = Walk { by: By::Text, id: "id", streams: streams.collect() };
    gather(org, By::Text, request, |org, after, want| {
        let mut part: Part<User> = walk.rows(org, after, want, place_by_text)?;
        // Who is found by several names is told once: where the first of them stands.
        part.rows.retain(|(place, row)| first_place(row, &beginnings).as_ref() == Some(place));
        if let Some(groups) = groups {
            let ids: Vec<String> = part.rows.iter().map(|(_, row)| row.id.clone()).collect();
            let theirs = Membership::user_id.one_of(&ids).and(Membership::group_id.one_of(groups).by_row());
            let members: Vec<Membership> = org.select(theirs, Vec::new(), None)?;
            let members: BTreeSet<String> = members.into_iter().map(|row| row.user_id).collect();
            part.rows.retain(|(_, row)| members.contains(&row.id));
        }
        Ok(part)
    })
}

fn shown(row: &User, column: &str) -> Option<String> {
    match column {
        text::DISPLAY_NAME => row.display_name.as_ref().map(|name| name.to_ascii_lowercase()),
        text::FAMILY_NAME => row.family_name.as_ref().map(|name| name.to_ascii_lowercase()),
        text::GIVEN_NAME => row.given_name.as_ref().map(|name| name.to_ascii_lowercase()),
        _ => Some(row.login_name.clone()),
    }
}

fn place_by_text(row: &User, column: Option<&'static str>) -> Place {
    let text = column.and_then(|column| shown(row, column)).unwrap_or_default();
    Place::text(text, row.id.clone())
}

fn first_place(row: &User, beginnings: &[String]) -> Option<Place> {
    let texts = TEXTS.iter().filter_map(|(column, _)| shown(row, column));
    let found = texts.filter(|text| beginnings.iter().any(|beginning| text.starts_with(beginning.as_str())));
    found.map(|text| Place::text(text, row.id.clone())).min()
}

/// Members of groups, newest first.
pub(crate) fn members<T: Tx + ?Sized>(
    org: &mut Org<'_, T>,
    request: &PageRequest,
    groups: &[String],
    rest: &Filter,
) -> Result<Page<User>> {
    let streams = groups.iter().map(|group| Stream::of(Membership::group_id.eq(group))).collect();
    let walk = Walk::newest(Membership::user_id.name, streams);
    gather(org, By::Newest, request, |org, after, want| Ok(users_of(org, &walk, after, want, rest)?))
}

/// The users behind some memberships.
fn users_of<T: Tx + ?Sized>(
    org: &mut Org<'_, T>,
    walk: &Walk,
    after: Option<&Place>,
    want: u64,
    rest: &Filter,
) -> std::result::Result<Part<User>, StoreError> {
    let of = |row: &Membership, _: Option<&'static str>| Place::id(row.user_id.clone());
    let some: Part<Membership> = walk.rows(org, after, want, of)?;
    let ids: Vec<String> = some.rows.iter().map(|(place, _)| place.of().to_owned()).collect();
    Ok(Part { rows: by_ids(org, &ids, rest, |row: &User| &row.id)?, seen: some.seen, end: some.end })
}
