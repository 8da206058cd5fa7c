//! The lists of devices and bindings: their filters, and which index answers each.
//!
//! Owns the choice. Must not know what is shown of a device.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_wire::{DeviceState, Level, Platform};

use super::group::members;
use super::state;
use super::view::{BindingFilter, DeviceFilter, users};
use crate::error::{Error, Result};
use crate::id::ids_from;
use crate::page::{Page, PageRequest};
use crate::query::{Direction, Filter, text};
use crate::records::{Binding, Device, User};
use crate::scope::Org;
use crate::store::{StoreError, Tx};
use crate::value::{Columnar, Value};
use crate::walk::{By, Part, Place, Stream, Walk, by_ids, gather, spellings};

/// More devices than this are not looked up by their users at once.
const MOST_BY_USER: u64 = 10_000;

/// A beginning of an id is looked for from so many characters on: they say when it was made.
const ID_BEGINNING: usize = 8;

type Newest = fn(&Device, Option<&'static str>) -> Place;

const NEWEST: Newest = |row, _| Place::id(row.id.clone());

/// What finds the devices first; the other filters then look at each of them.
enum Source {
    /// Ranges of indexes.
    Streams(Walk),
    /// These, of users; newest first.
    Ids(Vec<String>),
    /// The bindings of some levels.
    Levels(Walk),
    /// A beginning of a text.
    Text(Vec<String>),
}

impl DeviceFilter {
    fn of_state(&self) -> Filter {
        if self.state.is_empty() { Filter::all() } else { Device::state.one_of(&self.state) }
    }

    fn of_platform(&self) -> Filter {
        if self.platform.is_empty() { Filter::all() } else { Device::platform.one_of(&self.platform) }
    }

    fn of_token(&self) -> Filter {
        if self.token.is_empty() { Filter::all() } else { texts(Device::token_id.name, &self.token) }
    }

    fn of_serial(&self) -> Filter {
        if self.serial.is_empty() { Filter::all() } else { texts(text::SERIAL, &small(&self.serial)) }
    }

    /// Everything but users, levels and text.
    fn plain(&self) -> Filter {
        let mut all = Vec::new();
        all.extend([self.of_state(), self.of_platform(), self.of_token(), self.of_serial()]);
        all.extend(self.last_seen_before.map(|before| Device::last_seen_at.below(&before)));
        all.extend(self.first_seen_since.map(|since| Device::first_seen_at.at_least(&since)));
        all.retain(|filter| *filter != Filter::all());
        Filter::And(all)
    }

    /// The same without what the source answers already.
    fn plain_but(&self, answered: &[&Filter]) -> Filter {
        match self.plain() {
            Filter::And(list) => Filter::And(list.into_iter().filter(|filter| !answered.contains(&filter)).collect()),
            other => other,
        }
    }

    fn text(&self) -> Option<&str> {
        self.q.as_deref().map(str::trim).filter(|text| !text.is_empty())
    }

    /// Ids of devices that enrolled too early are not looked at.
    fn young(&self, column: &'static str) -> Option<Filter> {
        self.first_seen_since.map(|since| Filter::Ge(column, Value::Text(ids_from(since))))
    }

    /// The source, and what the rows it finds are still to be asked.
    fn source<T: Tx + ?Sized>(&self, org: &mut Org<'_, T>) -> Result<(Source, Filter)> {
        if !self.user.is_empty() {
            let mut ids = self.of_users(org)?;
            if !self.group.is_empty() {
                let grouped: BTreeSet<String> = members(org, &self.group)?.into_iter().collect();
                ids.retain(|id| grouped.contains(id));
            }
            return Ok((Source::Ids(ids), self.plain()));
        }
        if !self.group.is_empty() {
            return Ok((Source::Ids(members(org, &self.group)?), self.plain()));
        }
        if let Some(text) = self.text() {
            return Ok((Source::Text(spellings(text)), self.plain()));
        }
        let newest = |streams: Vec<Filter>, rest: &Filter| {
            let stream = |filter| Stream::of(filter).within(None, self.young("id")).looking_at(rest);
            Source::Streams(Walk::newest("id", streams.into_iter().map(stream).collect()))
        };
        if !self.serial.is_empty() {
            let rest = self.plain_but(&[&self.of_serial()]);
            let one =
                |serial: String| Filter::Eq(text::SERIAL, serial.to_value()).and(Device::serial.is_null().negate());
            return Ok((newest(small(&self.serial).into_iter().map(one).collect(), &rest), Filter::all()));
        }
        if let Some(before) = self.last_seen_before {
            // The day in which it lies is looked at row by row: the others are earlier altogether.
            let rest = self.plain_but(&[&self.of_state()]);
            let one = |state: DeviceState| Stream {
                end: Some(Device::seen_day.below(&(before.day() + 1))),
                first: Some(Device::seen_day.name),
                rest: rest.clone(),
                ..Stream::of(Device::state.eq(&state))
            };
            let walk = Walk { by: By::Day, id: "id", streams: self.states().into_iter().map(one).collect() };
            return Ok((Source::Streams(walk), Filter::all()));
        }
        if !self.token.is_empty() {
            let rest = self.plain_but(&[&self.of_token()]);
            let tokens: BTreeSet<&String> = self.token.iter().collect();
            return Ok((
                newest(tokens.into_iter().map(|token| Device::token_id.is(token)).collect(), &rest),
                Filter::all(),
            ));
        }
        // Nearly every device is registered: levels say more than that.
        let few = !self.state.is_empty() && !self.state.contains(&DeviceState::Registered);
        if !self.level.is_empty() && !few {
            let levels: BTreeSet<Level> = self.level.iter().copied().collect();
            let young = self.young(Binding::device_id.name);
            let one =
                |level| Stream::of(Binding::level.eq(&level)).within(None, young.clone()).looking_at(&state::live());
            let walk = Walk::newest(Binding::device_id.name, levels.into_iter().map(one).collect());
            return Ok((Source::Levels(walk), self.plain()));
        }
        if self.state.is_empty() && self.platform.is_empty() {
            return Ok((newest(vec![Filter::all()], &self.plain()), Filter::all()));
        }
        let rest = self.plain_but(&[&self.of_state(), &self.of_platform()]);
        let platforms = self.platforms();
        let pairs =
            self.states().into_iter().flat_map(|state| platforms.iter().map(move |platform| (state, *platform)));
        let pairs = pairs.map(|(state, platform)| Device::state.eq(&state).and(Device::platform.eq(&platform)));
        Ok((newest(pairs.collect(), &rest), Filter::all()))
    }

    fn states(&self) -> Vec<DeviceState> {
        let all = DeviceState::ALL.iter().copied();
        all.filter(|state| self.state.is_empty() || self.state.contains(state)).collect()
    }

    fn platforms(&self) -> Vec<Platform> {
        let all = Platform::ALL.iter().copied();
        all.filter(|platform| self.platform.is_empty() || self.platform.contains(platform)).collect()
    }

    /// The devices that the users have bindings on, of a level if one is asked for; newest first.
    fn of_users<T: Tx + ?Sized>(&self, org: &mut Org<'_, T>) -> Result<Vec<String>> {
        let mut bound = Binding::user_id.one_of(&users(org, &self.user)?);
        if !self.level.is_empty() {
            bound = bound.and(state::live().and(Binding::level.one_of(&self.level)).by_row());
        }
        let bindings = org.select::<Binding>(bound, Vec::new(), Some(MOST_BY_USER + 1))?;
        if bindings.len() as u64 > MOST_BY_USER {
            return Err(Error::field("/user", format!("more than {MOST_BY_USER} bindings: name fewer users")));
        }
        let ids: BTreeSet<String> = bindings.into_iter().map(|binding| binding.device_id).collect();
        Ok(ids.into_iter().rev().collect())
    }

    /// A page.
    pub(crate) fn page<T: Tx + ?Sized>(&self, org: &mut Org<'_, T>, request: &PageRequest) -> Result<Page<Device>> {
        let (source, rest) = self.source(org)?;
        let looked_at = |org: &mut Org<'_, T>, part| self.of_level(org, part);
        match source {
            Source::Streams(walk) if self.level.is_empty() => walk.page(org, request, places(walk.by)),
            Source::Streams(walk) => gather(org, walk.by, request, |org, after, want| {
                let part = walk.rows(org, after, want, places(walk.by))?;
                looked_at(org, part)
            }),
            Source::Ids(ids) => gather(org, By::Newest, request, |org, after, want| {
                let want = usize::try_from(want).unwrap_or(usize::MAX);
                let left = ids.iter().filter(|id| after.is_none_or(|after| id.as_str() < after.of()));
                let some: Vec<String> = left.take(want).cloned().collect();
                let end = (some.len() == want).then(|| some.last().map(Place::id)).flatten();
                let mut rows = by_ids(org, &some, &rest, |row: &Device| &row.id)?;
                if self.user.is_empty() {
                    rows = self.of_level(org, Part { rows, seen: 0, end: None })?.rows;
                }
                if let Some(text) = self.text() {
                    let beginnings = spellings(text);
                    let names = Names::of(org, rows.iter().map(|(_, row)| row))?;
                    rows.retain(|(_, row)| names.first_place(row, &beginnings).is_some());
                }
                Ok(Part { rows, seen: some.len() as u64, end })
            }),
            Source::Levels(walk) => gather(org, By::Newest, request, |org, after, want| {
                let of = |row: &Binding, _: Option<&'static str>| Place::id(row.device_id.clone());
                let some: Part<Binding> = walk.rows(org, after, want, of)?;
                let ids: Vec<String> = some.rows.iter().map(|(place, _)| place.of().to_owned()).collect();
                let rows = by_ids(org, &ids, &rest, |row: &Device| &row.id)?;
                Ok(Part { rows, seen: some.seen, end: some.end })
            }),
            Source::Text(beginnings) => gather(org, By::Text, request, |org, after, want| {
                let part = by_text(org, &beginnings, after, want, &rest)?;
                looked_at(org, part)
            }),
        }
    }

    /// Those of them that have a user of one of the levels.
    fn of_level<T: Tx + ?Sized>(&self, org: &mut Org<'_, T>, mut part: Part<Device>) -> Result<Part<Device>> {
        if !self.level.is_empty() {
            let ids: Vec<String> = part.rows.iter().map(|(_, row)| row.id.clone()).collect();
            let live = state::live().and(Binding::level.one_of(&self.level)).by_row();
            let bound = org.select::<Binding>(Binding::device_id.one_of(&ids).and(live), Vec::new(), None)?;
            let bound: BTreeSet<String> = bound.into_iter().map(|binding| binding.device_id).collect();
            part.rows.retain(|(_, row)| bound.contains(&row.id));
        }
        Ok(part)
    }
}

fn places(by: By) -> Newest {
    if by == By::Day { |row, _| Place::day(row.seen_day, row.id.clone()) } else { NEWEST }
}

fn texts(column: &'static str, values: &[String]) -> Filter {
    Filter::In(column, values.iter().map(Columnar::to_value).collect())
}

/// In lower case as the store has it, each once.
fn small(values: &[String]) -> Vec<String> {
    values.iter().map(|value| value.trim().to_ascii_lowercase()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Devices whose host name, serial number, id or user's login name begins with one of these, in the order of what was found.
fn by_text<T: Tx + ?Sized>(
    org: &mut Org<'_, T>,
    beginnings: &[String],
    after: Option<&Place>,
    want: u64,
    rest: &Filter,
) -> Result<Part<Device>> {
    let columns = [(text::HOST, Device::host.name), (text::SERIAL, Device::serial.name)];
    let streams = columns.iter().flat_map(|(column, nullable)| {
        beginnings.iter().map(move |text| Stream::beginning(column, Some(nullable), text).looking_at(rest))
    });
    let walk = Walk { by: By::Text, id: "id", streams: streams.collect() };
    let place = |row: &Device, column: Option<&'static str>| {
        let text = if column == Some(text::HOST) { &row.host } else { &row.serial };
        Place::text(text.as_deref().unwrap_or_default().to_ascii_lowercase(), row.id.clone())
    };
    let mut part = walk.rows(org, after, want, place)?;
    for text in beginnings {
        part.join(By::Text, by_id(org, text, after, want, rest)?);
        part.join(By::Text, by_login_name(org, text, after, want, rest)?);
    }
    let names = Names::of(org, part.rows.iter().map(|(_, row)| row))?;
    // What is found by several texts is told once: where the first of them stands.
    part.rows.retain(|(place, row)| names.first_place(row, beginnings).as_ref() == Some(place));
    Ok(part)
}

fn is_beginning_of_an_id(text: &str) -> bool {
    text.len() >= ID_BEGINNING && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn by_id<T: Tx + ?Sized>(
    org: &mut Org<'_, T>,
    text: &str,
    after: Option<&Place>,
    want: u64,
    rest: &Filter,
) -> Result<Part<Device>, StoreError> {
    if !is_beginning_of_an_id(text) {
        return Ok(Part { rows: Vec::new(), seen: 0, end: None });
    }
    // The text that was found is the id itself.
    let from = after.and_then(Place::by).unwrap_or_default();
    let mut range = Device::id.at_least(&text.to_owned()).and(Device::id.below(&format!("{text}\u{10ffff}")));
    if !from.is_empty() {
        range =
            range.and(Filter::Place(vec!["id"], crate::query::Comparison::More, vec![Value::Text(from.to_owned())]));
    }
    let rows: Vec<Device> = org.select(range, vec![("id", Direction::Ascending)], Some(want))?;
    let place = |row: &Device| Place::text(row.id.clone(), row.id.clone());
    let end = (rows.len() as u64 >= want).then(|| rows.last().map(place)).flatten();
    let ids: Vec<String> = rows.into_iter().map(|row| row.id).collect();
    let seen = ids.len() as u64;
    let rows = by_ids(org, &ids, rest, |row: &Device| &row.id)?;
    Ok(Part { rows: rows.into_iter().map(|(_, row)| (place(&row), row)).collect(), seen, end })
}

fn by_login_name<T: Tx + ?Sized>(
    org: &mut Org<'_, T>,
    text: &str,
    after: Option<&Place>,
    want: u64,
    rest: &Filter,
) -> Result<Part<Device>, StoreError> {
    // The last user of the page before is looked at again: more of their devices may follow.
    let from = after.and_then(Place::by).filter(|from| *from > text).unwrap_or(text);
    let range = User::login_name.at_least(&from.to_owned()).and(User::login_name.below(&format!("{text}\u{10ffff}")));
    let order = vec![(User::login_name.name, Direction::Ascending), ("id", Direction::Ascending)];
    let users: Vec<User> = org.select(range, order, Some(want.max(2)))?;
    // Beyond every id of the last user's devices.
    let beyond = |user: &User| Place::text(user.login_name.clone(), "~");
    let end = (users.len() as u64 >= want.max(2)).then(|| users.last().map(beyond)).flatten();
    let names: BTreeMap<&String, &String> = users.iter().map(|user| (&user.id, &user.login_name)).collect();
    let bindings: Vec<Binding> = org.select(Binding::user_id.one_of(names.keys().copied()), Vec::new(), None)?;
    let mut places: BTreeSet<Place> = BTreeSet::new();
    for binding in &bindings {
        if let Some(name) = names.get(&binding.user_id) {
            places.insert(Place::text((*name).clone(), binding.device_id.clone()));
        }
    }
    let new: Vec<Place> = places.into_iter().filter(|place| after.is_none_or(|after| place > after)).collect();
    let ids: Vec<String> = new.iter().map(|place| place.of().to_owned()).collect::<BTreeSet<_>>().into_iter().collect();
    let found = by_ids(org, &ids, rest, |row: &Device| &row.id)?;
    let found: BTreeMap<String, Device> = found.into_iter().map(|(_, row)| (row.id.clone(), row)).collect();
    let seen = new.len() as u64;
    let rows = new.into_iter().filter_map(|place| found.get(place.of()).map(|row| (place.clone(), row.clone())));
    Ok(Part { rows: rows.collect(), seen, end })
}

/// The login names of the users of some devices.
struct Names(BTreeMap<String, BTreeSet<String>>);

impl Names {
    fn of<'r, T: Tx + ?Sized>(
        org: &mut Org<'_, T>,
        devices: impl Iterator<Item = &'r Device>,
    ) -> Result<Self, StoreError> {
        let ids: BTreeSet<&String> = devices.map(|row| &row.id).collect();
        let bindings: Vec<Binding> = org.select(Binding::device_id.one_of(ids), Vec::new(), None)?;
        let names = super::view::login_names(org, &bindings)?;
        let mut of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for binding in bindings {
            if let Some(name) = names.get(&binding.user_id) {
                of.entry(binding.device_id).or_default().insert(name.clone());
            }
        }
        Ok(Self(of))
    }

    /// Where a device stands in a list of what begins with one of these; nowhere, if nothing of it does.
    fn first_place(&self, row: &Device, beginnings: &[String]) -> Option<Place> {
        let own = [&row.host, &row.serial].into_iter().flatten().map(|text| text.to_ascii_lowercase());
        let names = self.0.get(&row.id).into_iter().flatten().cloned();
        let found = own.chain(names).filter(|text| beginnings.iter().any(|b| text.starts_with(b.as_str())));
        let id = beginnings.iter().any(|b| is_beginning_of_an_id(b) && row.id.starts_with(b.as_str()));
        found.chain(id.then(|| row.id.clone())).map(|text| Place::text(text, row.id.clone())).min()
    }
}

impl BindingFilter {
    /// A page.
    pub(super) fn page<T: Tx + ?Sized>(&self, org: &mut Org<'_, T>, request: &PageRequest) -> Result<Page<Binding>> {
        let by_state = if self.state.is_empty() { Filter::all() } else { Binding::state.one_of(&self.state) };
        let users = if self.user.is_empty() { None } else { Some(users(org, &self.user)?) };
        let stream = |filter: Filter, rest: &[&Filter]| {
            rest.iter().fold(Stream::of(filter), |stream, rest| stream.looking_at(rest))
        };
        let streams = if !self.device.is_empty() {
            let by_user = users.map_or_else(Filter::all, |users| Binding::user_id.one_of(&users));
            let devices: BTreeSet<&String> = self.device.iter().collect();
            devices.into_iter().map(|id| stream(Binding::device_id.eq(id), &[&by_state, &by_user])).collect()
        } else if let Some(users) = users {
            users.iter().map(|id| stream(Binding::user_id.eq(id), &[&by_state])).collect()
        } else if !self.state.is_empty() {
            let states: BTreeSet<String> = self.state.iter().map(ToString::to_string).collect();
            states.into_iter().map(|s| stream(Filter::Eq(Binding::state.name, Value::Text(s)), &[])).collect()
        } else {
            vec![Stream::of(Filter::all())]
        };
        Walk::newest("id", streams).page(org, request, |row: &Binding, _| Place::id(row.id.clone()))
    }
}

/// The devices of a token, newest first.
pub(crate) fn of_token<T: Tx + ?Sized>(
    org: &mut Org<'_, T>,
    token: &str,
    request: &PageRequest,
) -> Result<Page<Device>> {
    let streams = vec![Stream::of(Device::token_id.is(&token.to_owned()))];
    Walk::newest("id", streams).page(org, request, NEWEST)
}

/// The enrollments with a token since then: ids begin with the time, which is what the index is asked.
pub(crate) fn enrolled_since(token: &str, since: crate::Timestamp) -> Filter {
    let its = Device::token_id.is(&token.to_owned()).and(Device::id.at_least(&ids_from(since)));
    its.and(Device::first_seen_at.at_least(&since).by_row())
}
