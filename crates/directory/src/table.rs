//! Records and the tables they are kept in.
//!
//! Owns the description of a table and the macro that declares a record once: its fields are its columns. Must not know SQL.

use std::marker::PhantomData;

use crate::query::Filter;
use crate::store::StoreError;
use crate::value::{Columnar, Kind, Value};

/// One row, in the order of the table's columns.
pub type Row = Vec<Value>;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name, the record's field.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether it may be null.
    pub nullable: bool,
}

/// A table. The first column is `org`: every row belongs to an organization.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    /// The columns of its primary key, `org` first.
    pub key: &'static [&'static str],
}

impl Table {
    /// Where a column stands in a row.
    #[must_use]
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == column)
    }
}

/// What is kept in a table.
pub trait Record: Sized + Send {
    /// The table.
    const TABLE: &'static Table;

    /// To a row.
    fn to_row(&self) -> Row;

    /// From a row.
    fn from_row(row: Row) -> Result<Self, StoreError>;
}

/// A typed column, for filters: `Device::state.eq(&DeviceState::Pending)`.
#[derive(Debug)]
pub struct Col<T> {
    /// Its name.
    pub name: &'static str,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Col<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Col<T> {}

impl<T: Columnar> Col<T> {
    /// The column with this name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, of: PhantomData }
    }

    /// Equal.
    #[must_use]
    pub fn eq(self, value: &T) -> Filter {
        match value.to_value() {
            Value::Null => Filter::Null(self.name),
            value => Filter::Eq(self.name, value),
        }
    }

    /// One of these; none of them matches nothing.
    #[must_use]
    pub fn one_of<'a>(self, values: impl IntoIterator<Item = &'a T>) -> Filter
    where
        T: 'a,
    {
        Filter::In(self.name, values.into_iter().map(Columnar::to_value).collect())
    }

    /// Less than.
    #[must_use]
    pub fn below(self, value: &T) -> Filter {
        Filter::Lt(self.name, value.to_value())
    }

    /// At least.
    #[must_use]
    pub fn at_least(self, value: &T) -> Filter {
        Filter::Ge(self.name, value.to_value())
    }

    /// Not there.
    #[must_use]
    pub fn is_null(self) -> Filter {
        Filter::Null(self.name)
    }

    /// The new value, for an update of some columns.
    #[must_use]
    pub fn set(self, value: &T) -> (&'static str, Value) {
        (self.name, value.to_value())
    }
}

impl<T: Columnar> Col<Option<T>> {
    /// There, and equal.
    #[must_use]
    pub fn is(self, value: &T) -> Filter {
        Filter::Eq(self.name, value.to_value())
    }

    /// There, and less than.
    #[must_use]
    pub fn is_below(self, value: &T) -> Filter {
        Filter::Lt(self.name, value.to_value())
    }
}

/// Declares a record: a struct whose fields are the columns of one table, `org` in front.
macro_rules! record {
    (
        $(#[$doc:meta])*
        pub struct $name:ident in $table:literal key [$($key:literal),+] {
            $($(#[$fdoc:meta])* pub $field:ident : $type:ty,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            /// The organization it belongs to.
            pub org: $crate::id::OrgId,
            $($(#[$fdoc])* pub $field: $type,)+
        }

        impl $crate::table::Record for $name {
            const TABLE: &'static $crate::table::Table = &$crate::table::Table {
                name: $table,
                columns: &[
                    $crate::table::Column { name: "org", kind: $crate::value::Kind::Text, nullable: false },
                    $($crate::table::Column {
                        name: stringify!($field),
                        kind: <$type as $crate::value::Columnar>::KIND,
                        nullable: <$type as $crate::value::Columnar>::NULLABLE,
                    },)+
                ],
                key: &[$($key),+],
            };

            fn to_row(&self) -> $crate::table::Row {
                vec![
                    $crate::value::Columnar::to_value(&self.org),
                    $($crate::value::Columnar::to_value(&self.$field),)+
                ]
            }

            fn from_row(row: $crate::table::Row) -> Result<Self, $crate::store::StoreError> {
                let mut row = row.into_iter();
                let mut next = || row.next().ok_or_else(|| {
                    $crate::store::StoreError::Corrupt(concat!("a short row of ", $table).to_owned())
                });
                Ok(Self {
                    org: $crate::value::Columnar::from_value(next()?)?,
                    $($field: $crate::value::Columnar::from_value(next()?)?,)+
                })
            }
        }

        #[allow(non_upper_case_globals, dead_code, reason = "a column is named like its field")]
        impl $name {
            $(
                #[doc = concat!("The column `", stringify!($field), "`.")]
                pub const $field: $crate::table::Col<$type> = $crate::table::Col::new(stringify!($field));
            )+
        }
    };
}
pub(crate) use record;
