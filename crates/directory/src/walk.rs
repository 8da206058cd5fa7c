//! Long lists: pages that cost the same however many rows there are.
//!
//! Owns how a page is put together from *streams*. A stream is a range of an index that lies in the order of the list, so nothing is sorted and
//! nothing is read twice: several values of a filter are several streams, merged here. What no index answers is looked at row by row, and
//! of that [`BOUND`] rows a page, no more: a page may then be shorter than was asked for, even empty, and its `next` goes on where it
//! stopped. Must not know which list it is.

use std::cmp::Ordering;

use crate::error::Error;
use crate::page::{Cursor, Page, PageRequest};
use crate::query::{Comparison, Direction, Filter, Query};
use crate::scope::Org;
use crate::store::{StoreError, Tx};
use crate::table::Record;
use crate::time::Timestamp;
use crate::value::Value;

/// So many rows are looked through for one page, and counted where a count was asked for.
pub(crate) const BOUND: u64 = crate::page::MOST_COUNTED;

/// So many rows are read at once at most, where a filter that is looked at outside of the store leaves few.
const MOST_AT_ONCE: u64 = 1_000;

/// A row's place in its list: what the list is ordered by first, if not by id alone, and the id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    first: First,
    id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum First {
    Nothing,
    Day(i64),
    Text(String),
}

impl Place {
    /// In a list by id.
    pub(crate) fn id(id: impl Into<String>) -> Self {
        Self { first: First::Nothing, id: id.into() }
    }

    /// In a list by day.
    pub(crate) fn day(day: u64, id: impl Into<String>) -> Self {
        Self { first: First::Day(i64::try_from(day).unwrap_or(i64::MAX)), id: id.into() }
    }

    /// In a list by text.
    pub(crate) fn text(text: impl Into<String>, id: impl Into<String>) -> Self {
        Self { first: First::Text(text.into()), id: id.into() }
    }

    /// The id.
    pub(crate) fn of(&self) -> &str {
        &self.id
    }

    /// The text, in a list by text.
    pub(crate) fn by(&self) -> Option<&str> {
        match &self.first {
            First::Text(text) => Some(text),
            First::Nothing | First::Day(_) => None,
        }
    }

    fn cursor(&self) -> Cursor {
        match &self.first {
            First::Nothing => Cursor { at: Timestamp::default(), id: self.id.clone() },
            First::Day(day) => Cursor { at: Timestamp::from_millis(*day), id: self.id.clone() },
            First::Text(text) => Cursor { at: Timestamp::default(), id: format!("{}\0{text}", self.id) },
        }
    }

    fn values(&self) -> Vec<Value> {
        let id = Value::Text(self.id.clone());
        match &self.first {
            First::Nothing => vec![id],
            First::Day(day) => vec![Value::Int(*day), id],
            First::Text(text) => vec![Value::Text(text.clone()), id],
        }
    }

    fn from_values(values: Vec<Value>) -> Result<Self, StoreError> {
        let mut values = values.into_iter().rev();
        let (id, first) = match (values.next(), values.next()) {
            (Some(Value::Text(id)), None) => (id, First::Nothing),
            (Some(Value::Text(id)), Some(Value::Int(day))) => (id, First::Day(day)),
            (Some(Value::Text(id)), Some(Value::Text(text))) => (id, First::Text(text)),
            (id, first) => return Err(StoreError::Corrupt(format!("no place in a list: {first:?}, {id:?}"))),
        };
        Ok(Self { first, id })
    }
}

/// What comes first in the order of a list; the id follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// Nothing: newest first.
    Newest,
    /// The day, longest ago first.
    Day,
    /// Text, in its order.
    Text,
}

impl By {
    fn direction(self) -> Direction {
        if self == Self::Newest { Direction::Descending } else { Direction::Ascending }
    }

    fn after(self) -> Comparison {
        if self == Self::Newest { Comparison::Less } else { Comparison::More }
    }

    fn up_to(self) -> Comparison {
        if self == Self::Newest { Comparison::AtLeast } else { Comparison::AtMost }
    }

    /// Which of two places comes first.
    pub(crate) fn order(self, one: &Place, other: &Place) -> Ordering {
        if self == Self::Newest { other.cmp(one) } else { one.cmp(other) }
    }

    /// The place where the page before ended.
    pub(crate) fn begin(self, request: &PageRequest) -> Result<Option<Place>, Error> {
        let Some(cursor) = &request.after else { return Ok(None) };
        let (id, text) = match cursor.id.split_once('\0') {
            Some((id, text)) => (id, Some(text)),
            None => (cursor.id.as_str(), None),
        };
        match (self, text) {
            (Self::Newest, None) => Ok(Some(Place::id(id))),
            (Self::Day, None) => Ok(Some(Place { first: First::Day(cursor.at.millis()), id: id.to_owned() })),
            (Self::Text, Some(text)) => Ok(Some(Place::text(text, id))),
            _ => Err(Error::field("/after", "this is the cursor of another list: use the `next` of the page before")),
        }
    }
}

/// Rows that one index finds, in the order of the list.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    /// What the index answers by equality.
    pub(crate) filter: Filter,
    /// Where its range begins, in the order of the list. An engine takes one bound for each side: a place that a page begins after stands
    /// instead of this one.
    pub(crate) begin: Option<Filter>,
    /// Where its range ends. The place up to which rows are looked through stands instead of this one.
    pub(crate) end: Option<Filter>,
    /// In a list by text: the beginning that is its range.
    pub(crate) text: Option<String>,
    /// The column that the list is ordered by before the id: in a list by day or by text.
    pub(crate) first: Option<&'static str>,
    /// What is looked at row by row.
    pub(crate) rest: Filter,
}

impl Stream {
    /// Of a list by id, all of it found by the index.
    pub(crate) fn of(filter: Filter) -> Self {
        Self { filter, begin: None, end: None, text: None, first: None, rest: Filter::all() }
    }

    /// Within a range of the order.
    pub(crate) fn within(mut self, begin: Option<Filter>, end: Option<Filter>) -> Self {
        self.begin = begin.or(self.begin);
        self.end = end.or(self.end);
        self
    }

    /// With more that is looked at row by row.
    pub(crate) fn looking_at(mut self, rest: &Filter) -> Self {
        if *rest != Filter::all() {
            self.rest = self.rest.and(rest.clone());
        }
        self
    }

    /// Of a list by text: what begins with this.
    pub(crate) fn beginning(column: &'static str, nullable: Option<&'static str>, text: &str) -> Self {
        let filter = nullable.map_or_else(Filter::all, |column| Filter::Null(column).negate());
        Self { first: Some(column), text: Some(text.to_owned()), ..Self::of(filter) }
    }
}

/// The beginnings that a search text stands for. Texts are compared with their ASCII letters in lower case; other letters are looked for as they
/// are usually written: as they are, in small, with a capital in front, and in capitals.
pub(crate) fn spellings(text: &str) -> Vec<String> {
    let small = text.to_lowercase();
    let mut letters = small.chars();
    let capital = letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>());
    let mut all: Vec<String> = [Some(text.to_owned()), Some(small), capital, Some(text.to_uppercase())]
        .into_iter()
        .flatten()
        .map(|text| text.to_ascii_lowercase())
        .collect();
    all.sort();
    all.dedup();
    all
}

/// A list: its streams and its order.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    /// The order.
    pub(crate) by: By,
    /// The column of the id.
    pub(crate) id: &'static str,
    /// What is merged.
    pub(crate) streams: Vec<Stream>,
}

/// Some rows in order, and where to go on.
pub(crate) struct Part<R> {
    /// The rows with their places.
    pub(crate) rows: Vec<(Place, R)>,
    /// How many were looked through, these included.
    pub(crate) seen: u64,
    /// After this place there may be more.
    pub(crate) end: Option<Place>,
}

impl<R> Part<R> {
    /// Takes in what was found elsewhere, after the same place.
    pub(crate) fn join(&mut self, by: By, other: Self) {
        self.rows.extend(other.rows);
        self.seen += other.seen;
        if let Some(end) = other.end
            && self.end.as_ref().is_none_or(|before| by.order(&end, before) == Ordering::Less)
        {
            self.end = Some(end);
        }
        self.settle(by);
    }

    /// Puts the rows in order, each place once, as far as every source was looked through.
    fn settle(&mut self, by: By) {
        self.rows.sort_by(|(one, _), (other, _)| by.order(one, other));
        self.rows.dedup_by(|(one, _), (other, _)| one == other);
        if let Some(end) = &self.end {
            self.rows.retain(|(place, _)| by.order(place, end) != Ordering::Greater);
        }
    }
}

impl Walk {
    /// Newest first.
    pub(crate) fn newest(id: &'static str, streams: Vec<Stream>) -> Self {
        Self { by: By::Newest, id, streams }
    }

    /// What a stream finds between two places: one range of its index after the other. A list by text has up to three, since an engine takes a
    /// place in an index on an expression for no bound: what is equal to the text where it begins, what lies between, and what is equal
    /// to the text where it ends.
    fn ranges<R: Record, T: Tx + ?Sized>(
        &self,
        org: &Org<'_, T>,
        stream: &Stream,
        after: Option<&Place>,
        up_to: Option<&Place>,
    ) -> Vec<Query> {
        let columns = self.columns(stream);
        let bound = |columns: &[&'static str], side, place: &Place| {
            let values = place.values();
            Filter::Place(columns.to_vec(), side, values[values.len() - columns.len()..].to_vec())
        };
        let (Some(first), Some(text)) = (stream.first, &stream.text) else {
            let begin = after.map(|after| bound(&columns, self.by.after(), after)).or_else(|| stream.begin.clone());
            let end = up_to.map(|up_to| bound(&columns, self.by.up_to(), up_to)).or_else(|| stream.end.clone());
            return vec![self.range::<R, T>(org, stream, [begin, end], &columns)];
        };
        // The place may be that of what another stream found.
        let found = |place: &&Place| place.by().is_some_and(|found| found >= text.as_str());
        let after = after.filter(found);
        if after.and_then(Place::by).is_some_and(|found| !found.starts_with(text.as_str())) {
            return Vec::new();
        }
        let at = |place: &Place| Filter::Eq(first, place.values().remove(0));
        let beyond = |place: &Place, side| Some(Filter::Place(vec![first], side, place.values()[..1].to_vec()));
        let id = &columns[1..];
        let same = after.zip(up_to).filter(|(after, up_to)| after.first == up_to.first);
        if let Some((after, up_to)) = same {
            let (from, to) = (bound(id, Comparison::More, after), bound(id, Comparison::AtMost, up_to));
            return vec![self.range::<R, T>(org, stream, [Some(at(after).and(from)), Some(to)], id)];
        }
        let mut all = Vec::new();
        if let Some(after) = after {
            let rest = at(after).and(bound(id, Comparison::More, after));
            all.push(self.range::<R, T>(org, stream, [Some(rest), None], id));
        }
        let whole = Some(Filter::Ge(first, Value::Text(text.clone())));
        let begin = after.map_or(whole, |after| beyond(after, Comparison::More));
        // No text goes on with a character after the last one there is.
        let whole = Some(Filter::Lt(first, Value::Text(format!("{text}\u{10ffff}"))));
        let end = up_to.map_or(whole, |up_to| beyond(up_to, Comparison::Less));
        all.push(self.range::<R, T>(org, stream, [begin, end], &columns));
        if let Some(up_to) = up_to {
            let rest = at(up_to).and(bound(id, Comparison::AtMost, up_to));
            all.push(self.range::<R, T>(org, stream, [Some(rest), None], id));
        }
        all
    }

    fn range<R: Record, T: Tx + ?Sized>(
        &self,
        org: &Org<'_, T>,
        stream: &Stream,
        bounds: [Option<Filter>; 2],
        by: &[&'static str],
    ) -> Query {
        let mut filter = org.ours(stream.filter.clone());
        for bound in bounds.into_iter().flatten() {
            filter = filter.and(bound);
        }
        let order = by.iter().map(|column| (*column, self.by.direction())).collect();
        Query { table: R::TABLE, filter, order, limit: None }
    }

    fn columns(&self, stream: &Stream) -> Vec<&'static str> {
        stream.first.into_iter().chain([self.id]).collect()
    }

    /// How far a stream is looked through, if that is not to its end.
    fn floor<R: Record, T: Tx + ?Sized>(
        &self,
        org: &mut Org<'_, T>,
        stream: &Stream,
        after: Option<&Place>,
        rows: u64,
    ) -> Result<Option<Place>, StoreError> {
        let mut left = rows;
        let ranges = self.ranges::<R, T>(org, stream, after, None);
        let last = ranges.len().saturating_sub(1);
        for (at, range) in ranges.iter().enumerate() {
            if let Some(place) = org.tx().place(range, left.saturating_sub(1), &self.columns(stream))? {
                return Place::from_values(place).map(Some);
            }
            if at < last {
                left -= org.tx().count(R::TABLE, &range.filter)?;
            }
        }
        Ok(None)
    }

    /// At most `want` rows after a place. `place` says where a row stands in the stream with this first column.
    pub(crate) fn rows<R: Record, T: Tx + ?Sized>(
        &self,
        org: &mut Org<'_, T>,
        after: Option<&Place>,
        want: u64,
        place: impl Fn(&R, Option<&'static str>) -> Place,
    ) -> Result<Part<R>, StoreError> {
        let most = (BOUND / (self.streams.len() as u64).max(1)).max(want);
        let mut found: Vec<(Place, R)> = Vec::new();
        // The nearest place beyond which some stream was not looked through.
        let mut end: Option<Place> = None;
        let mut seen = 0;
        for stream in &self.streams {
            let mut floor = None;
            if stream.rest != Filter::all() {
                floor = self.floor::<R, T>(org, stream, after, most)?;
                seen += most;
            }
            let mut left = want;
            for mut range in self.ranges::<R, T>(org, stream, after, floor.as_ref()) {
                range.filter = range.filter.and(stream.rest.clone().by_row());
                range.limit = Some(left);
                for row in org.tx().select(&range)? {
                    let row = R::from_row(row)?;
                    found.push((place(&row, stream.first), row));
                    left -= 1;
                }
                if left == 0 {
                    break;
                }
            }
            let full = left == 0;
            // A stream that gave as many as were asked for ends, as far as is known, at the last of them.
            let here = if full { found.last().map(|(place, _)| place.clone()) } else { floor };
            if let Some(here) = here
                && end.as_ref().is_none_or(|end| self.by.order(&here, end) == Ordering::Less)
            {
                end = Some(here);
            }
        }
        let mut part = Part { seen: seen.max(found.len() as u64), rows: found, end };
        part.settle(self.by);
        if part.rows.len() as u64 > want {
            part.rows.truncate(usize::try_from(want).unwrap_or(usize::MAX));
            part.end = part.rows.last().map(|(place, _)| place.clone());
        }
        Ok(part)
    }

    /// How many rows there are, as far as that is looked for: see [`Page::count`].
    fn count<R: Record, T: Tx + ?Sized>(&self, org: &mut Org<'_, T>) -> Result<u64, StoreError> {
        let mut sum = 0;
        let mut more = false;
        for stream in &self.streams {
            if self.floor::<R, T>(org, stream, None, BOUND + 1)?.is_some() {
                more = true;
                break;
            }
            for range in self.ranges::<R, T>(org, stream, None, None) {
                sum += org.tx().count(R::TABLE, &range.filter.and(stream.rest.clone().by_row()))?;
            }
        }
        Ok(if more { BOUND + 1 } else { sum.min(BOUND + 1) })
    }

    /// A page of rows that the streams find.
    pub(crate) fn page<R: Record, T: Tx + ?Sized>(
        &self,
        org: &mut Org<'_, T>,
        request: &PageRequest,
        place: impl Fn(&R, Option<&'static str>) -> Place,
    ) -> Result<Page<R>, Error> {
        let mut page = gather(org, self.by, &PageRequest { count: false, ..request.clone() }, |org, after, want| {
            Ok(self.rows(org, after, want, &place)?)
        })?;
        if request.count {
            page.count = Some(self.count::<R, T>(org)?);
        }
        Ok(page)
    }
}

/// A page of what `next` finds after a place, some at a time. It is asked until the page is full, there is nothing more, or enough was looked
/// through.
pub(crate) fn gather<R, T: Tx + ?Sized>(
    org: &mut Org<'_, T>,
    by: By,
    request: &PageRequest,
    mut next: impl FnMut(&mut Org<'_, T>, Option<&Place>, u64) -> Result<Part<R>, Error>,
) -> Result<Page<R>, Error> {
    let mut run = |org: &mut Org<'_, T>, begin: Option<Place>, limit: u64| {
        let mut want = limit.min(MOST_AT_ONCE).saturating_add(1);
        let (mut rows, mut seen, mut end) = (Vec::new(), 0, begin);
        loop {
            let part = next(org, end.as_ref(), want)?;
            want = want.max((want * 4).min(MOST_AT_ONCE));
            rows.extend(part.rows);
            seen += part.seen;
            end = part.end;
            if rows.len() as u64 > limit || end.is_none() || seen >= BOUND {
                return Ok::<_, Error>((rows, end));
            }
        }
    };
    let count = if request.count {
        let (rows, end) = run(org, None, BOUND)?;
        Some(if end.is_some() { BOUND + 1 } else { rows.len() as u64 })
    } else {
        None
    };
    let (mut rows, mut end) = run(org, by.begin(request)?, request.limit)?;
    if rows.len() as u64 > request.limit {
        rows.truncate(usize::try_from(request.limit).unwrap_or(usize::MAX));
        end = rows.last().map(|(place, _)| place.clone());
    }
    let next = end.map(|place| place.cursor());
    Ok(Page { items: rows.into_iter().map(|(_, row)| row).collect(), next, count })
}

/// Rows by their ids, as far as they fit, in the order of the ids; the places are those of a list by id.
pub(crate) fn by_ids<R: Record, T: Tx + ?Sized>(
    org: &mut Org<'_, T>,
    ids: &[String],
    rest: &Filter,
    id_of: impl Fn(&R) -> &String,
) -> Result<Vec<(Place, R)>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = Filter::In("id", ids.iter().map(|id| Value::Text(id.clone())).collect());
    let rows: Vec<R> = org.select(wanted.and(rest.clone().by_row()), Vec::new(), None)?;
    let mut by_id: std::collections::HashMap<String, R> =
        rows.into_iter().map(|row| (id_of(&row).clone(), row)).collect();
    Ok(ids.iter().filter_map(|id| Some((Place::id(id.clone()), by_id.remove(id)?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_goes_through_its_cursor_and_into_no_other_list() {
        for (by, place) in [
            (By::Newest, Place::id("b-1")),
            (By::Day, Place::day(20_000, "b-1")),
            (By::Text, Place::text("anna.ode@acme.example", "b-1")),
        ] {
            let cursor = place.cursor().to_string().parse().unwrap();
            let request = PageRequest { after: Some(cursor), ..PageRequest::default() };
            assert_eq!(by.begin(&request).unwrap(), Some(place));
            let other = if by == By::Text { By::Newest } else { By::Text };
            assert!(other.begin(&request).is_err());
        }
    }

    #[test]
    fn letters_beyond_ascii_are_looked_for_as_they_are_usually_written() {
        assert_eq!(spellings("Anna"), ["anna"]);
        assert_eq!(spellings("özil"), ["Özil", "özil"]);
        assert_eq!(spellings("MÜL"), ["mÜl", "mül"]);
    }
}
