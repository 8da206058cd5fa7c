//! What can be asked of a store.
//!
//! Owns filters, order and paging as data. Must not know SQL: each store writes it in its own way.

use crate::table::Table;
use crate::value::Value;

/// Which rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Filter {
    /// All of these; none of them is every row.
    And(Vec<Filter>),
    /// One of these columns contains the text, whatever the case of its ASCII letters.
    Contains(Vec<&'static str>, String),
    /// This column ends with the text, whatever the case of its ASCII letters.
    EndsWith(&'static str, String),
    /// Equal.
    Eq(&'static str, Value),
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
