//! Lists in pages: newest first, by keyset, stable while rows come and go.
//!
//! Owns the cursor, and how a page is read of what is short or has one index that serves the whole list. Long lists with filters are
//! `walk.rs`. Must not know which list it is.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::query::{Comparison, Direction, Filter, Query};
use crate::scope::Org;
use crate::store::{StoreError, Tx};
use crate::table::{Col, Record, Table};
use crate::time::Timestamp;
use crate::value::{Columnar as _, Value};

/// So many rows are counted. A count of one more says that there are more than these.
pub const MOST_COUNTED: u64 = 10_000;

/// Where a page ended: the time and the id of its last row. Only the list that made one can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The row's time.
    pub at: Timestamp,
    /// The row's id.
    pub id: String,
}

/// Text that no list answered as `next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor: use the `next` of the page before")]
pub struct NotACursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(format!("{}.{}", self.at.millis(), self.id)))
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotACursor)?;
        let text = String::from_utf8(bytes).map_err(|_| NotACursor)?;
        let (at, id) = text.split_once('.').ok_or(NotACursor)?;
        Ok(Self { at: Timestamp::from_millis(at.parse().map_err(|_| NotACursor)?), id: id.to_owned() })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// At most so many rows, 1 to 1000.
    pub limit: u64,
    /// After this row.
    pub after: Option<Cursor>,
    /// Whether to count all rows that fit.
    pub count: bool,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: 50, after: None, count: false }
    }
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows, newest first. Where filters leave little of much, a page may have fewer than were asked for and still a next one.
    pub items: Vec<T>,
    /// Give it as `after` for the next page; null at the end.
    #[schema(value_type = Option<String>)]
    pub next: Option<Cursor>,
    /// How many rows fit in all, where it was asked for: exact up to 10,000, and 10,001 where there are or may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl<T> Page<T> {
    /// The same page of other rows.
    pub fn map<U, E>(self, mut to: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        let items = self.items.into_iter().map(&mut to).collect::<Result<_, _>>()?;
        Ok(Page { items, next: self.next, count: self.count })
    }

    /// A page of a short list that is in memory, newest first.
    #[must_use]
    pub fn of_list(all: Vec<T>, request: &PageRequest, place: impl Fn(&T) -> Cursor) -> Self {
        let count = request.count.then_some(all.len() as u64);
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let after = |item: &T| {
            let here = place(item);
            request.after.as_ref().is_none_or(|after| (here.at, here.id.as_str()) < (after.at, after.id.as_str()))
        };
        let mut items: Vec<T> = all.into_iter().filter(after).take(limit.saturating_add(1)).collect();
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(place) } else { None };
        Self { items, next, count }
    }
}

/// How many rows fit, as [`Page::count`] says it. An index finds them in this order.
pub(crate) fn count<T: Tx + ?Sized>(
    org: &mut Org<'_, T>,
    table: &'static Table,
    filter: &Filter,
    order: &[(&'static str, Direction)],
) -> Result<u64, StoreError> {
    let all = Query { table, filter: org.ours(filter.clone()), order: order.to_vec(), limit: None };
    let columns: Vec<_> = order.iter().map(|(column, _)| *column).collect();
    if org.tx().place(&all, MOST_COUNTED, &columns)?.is_some() {
        return Ok(MOST_COUNTED + 1);
    }
    org.tx().count(table, &all.filter)
}

/// Reads a page of an organization's rows: `at` and the column `id` say the order, `place` reads both from a row.
pub fn page<R: Record, T: Tx + ?Sized>(
    org: &mut Org<'_, T>,
    filter: Filter,
    at: Col<Timestamp>,
    id: &'static str,
    request: &PageRequest,
    place: impl Fn(&R) -> Cursor,
) -> Result<Page<R>, StoreError> {
    let order = vec![(at.name, Direction::Descending), (id, Direction::Descending)];
    let count = if request.count { Some(count(org, R::TABLE, &filter, &order)?) } else { None };
    let filter = match &request.after {
        None => filter,
        Some(after) => {
            let place = vec![after.at.to_value(), Value::Text(after.id.clone())];
            filter.and(Filter::Place(vec![at.name, id], Comparison::Less, place))
        }
    };
    let mut items: Vec<R> = org.select(filter, order, Some(request.limit.saturating_add(1)))?;
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(place) } else { None };
    Ok(Page { items, next, count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_nothing_else_does() {
        let cursor = Cursor { at: Timestamp::from_millis(1_795_000_000_120), id: "a.b".into() };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "x", "!!", "YWJj"] {
            assert!(text.parse::<Cursor>().is_err(), "{text:?}");
        }
    }
}
