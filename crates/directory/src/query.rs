//! What can be asked of a store.
//!
//! Owns filters, order and paging as data. Must not know SQL: each store writes it in its own way.

use crate::table::Table;
use crate::value::Value;

/// How a place in an order compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// Strictly before.
    Less,
    /// Before, or there.
    AtMost,
    /// Strictly after.
    More,
    /// There, or after.
    AtLeast,
}

/// Which rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Filter {
    /// All of these; none of them is every row.
    And(Vec<Filter>),
    /// The same, looked at row by row: it is never what rows are found by.
    ByRow(Box<Filter>),
    /// One of these columns contains the text, whatever the case of its ASCII letters.
    Contains(Vec<&'static str>, String),
    /// This column ends with the text, whatever the case of its ASCII letters.
    EndsWith(&'static str, String),
    /// Equal.
    Eq(&'static str, Value),
    /// Equal to a text that is the same in every query of its kind, or not equal (`false`): an index may be limited to just these rows.
    Fixed(&'static str, bool, &'static str),
    /// At least.
    Ge(&'static str, Value),
    /// One of these values; none of them is no row.
    In(&'static str, Vec<Value>),
    /// Less than.
    Lt(&'static str, Value),
    /// Not that.
    Not(Box<Filter>),
    /// Null.
    Null(&'static str),
    /// One of these; none of them is no row.
    Or(Vec<Filter>),
    /// How these columns together, the first weighing most, compare with as many values. Rows in the order of an index are found by it.
    Place(Vec<&'static str>, Comparison, Vec<Value>),
}

/// What text search compares: columns with their ASCII letters in lower case. Stores have an index on each; they stand where a column may.
pub mod text {
    /// Of a user.
    pub const DISPLAY_NAME: &str = "lower(display_name)";
    /// Of a user.
    pub const FAMILY_NAME: &str = "lower(family_name)";
    /// Of a user.
    pub const GIVEN_NAME: &str = "lower(given_name)";
    /// Of a device.
    pub const HOST: &str = "lower(host)";
    /// Of a device.
    pub const SERIAL: &str = "lower(serial)";
}

impl Filter {
    /// Every row.
    #[must_use]
    pub const fn all() -> Self {
        Self::And(Vec::new())
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::And(mut list) => {
                list.push(other);
                Self::And(list)
            }
            first => Self::And(vec![first, other]),
        }
    }

    /// Either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Or(mut list) => {
                list.push(other);
                Self::Or(list)
            }
            first => Self::Or(vec![first, other]),
        }
    }

    /// The same, looked at row by row.
    #[must_use]
    pub fn by_row(self) -> Self {
        if self == Self::all() { self } else { Self::ByRow(Box::new(self)) }
    }

    /// The other rows.
    #[must_use]
    pub fn negate(self) -> Self {
        Self::Not(Box::new(self))
    }
}

/// Which way to sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// A selection from one table.
#[derive(Debug, Clone)]
pub struct Query {
    /// The table.
    pub table: &'static Table,
    /// Which rows.
    pub filter: Filter,
    /// In which order.
    pub order: Vec<(&'static str, Direction)>,
    /// At most so many.
    pub limit: Option<u64>,
}
