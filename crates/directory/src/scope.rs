//! The organization-scoped handle.
//!
//! Owns the rule that a query without an organization does not exist: every filter made here begins with `org`. Crossing organizations
//! has methods of its own name. Must not know what the records mean.

use crate::id::OrgId;
use crate::query::{Direction, Filter, Query};
use crate::store::{StoreError, Tx, WriteTx};
use crate::table::{Record, Row};
use crate::value::Value;

/// One organization's rows, in one transaction.
pub struct Org<'a, T: ?Sized> {
    tx: &'a mut T,
    id: &'a OrgId,
}

/// A key that was taken already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken;

impl<'a, T: Tx + ?Sized> Org<'a, T> {
    /// The handle for this organization.
    pub fn of(tx: &'a mut T, id: &'a OrgId) -> Self {
        Self { tx, id }
    }

    /// Whose rows these are.
    #[must_use]
    pub fn id(&self) -> &'a OrgId {
        self.id
    }

    /// The transaction.
    pub fn tx(&mut self) -> &mut T {
        self.tx
    }

    pub(crate) fn ours(&self, filter: Filter) -> Filter {
        Filter::And(vec![Filter::Eq("org", Value::Text(self.id.as_str().to_owned())), filter])
    }

    /// The rows that fit, in the order of their key.
    pub fn find<R: Record>(&mut self, filter: Filter) -> Result<Vec<R>, StoreError> {
        let query = Query { table: R::TABLE, filter: self.ours(filter), order: Vec::new(), limit: None };
        by_key(self.tx.select(&query)?)
    }

    /// The rows that fit, in this order, at most `limit`.
    pub fn select<R: Record>(
        &mut self,
        filter: Filter,
        order: Vec<(&'static str, Direction)>,
        limit: Option<u64>,
    ) -> Result<Vec<R>, StoreError> {
        let query = Query { table: R::TABLE, filter: self.ours(filter), order, limit };
        self.tx.select(&query)?.into_iter().map(R::from_row).collect()
    }

    /// The one row that fits; several are an error of ours.
    pub fn one<R: Record>(&mut self, filter: Filter) -> Result<Option<R>, StoreError> {
        let mut rows = self.select::<R>(filter, Vec::new(), Some(2))?;
        if rows.len() > 1 {
            return Err(StoreError::Corrupt(format!("several rows of {} where one belongs", R::TABLE.name)));
        }
        Ok(rows.pop())
    }

    /// The row with this id, the second column of its key.
    pub fn get<R: Record>(&mut self, id: &str) -> Result<Option<R>, StoreError> {
        let column = R::TABLE.key[1];
        self.one(Filter::Eq(column, Value::Text(id.to_owned())))
    }

    /// Whether a row fits.
    pub fn any<R: Record>(&mut self, filter: Filter) -> Result<bool, StoreError> {
        Ok(!self.select::<R>(filter, Vec::new(), Some(1))?.is_empty())
    }

    /// How many rows fit.
    pub fn count<R: Record>(&mut self, filter: Filter) -> Result<u64, StoreError> {
        let filter = self.ours(filter);
        self.tx.count(R::TABLE, &filter)
    }
}

impl<T: WriteTx + ?Sized> Org<'_, T> {
    /// Inserts a row; [`Taken`] if its key or another unique value is there already.
    pub fn insert<R: Record>(&mut self, record: &R) -> Result<Result<(), Taken>, StoreError> {
        let row = record.to_row();
        self.must_be_ours(&row)?;
        Ok(if self.tx.insert(R::TABLE, vec![row])? == 1 { Ok(()) } else { Err(Taken) })
    }

    /// Inserts a row whose key is new because it was just drawn at random.
    pub fn add<R: Record>(&mut self, record: &R) -> Result<(), StoreError> {
        self.insert(record)?
            .map_err(|Taken| StoreError::Corrupt(format!("a new row of {} is there already", R::TABLE.name)))
    }

    /// Writes a whole row anew, found by its key.
    pub fn replace<R: Record>(&mut self, record: &R) -> Result<(), StoreError> {
        let row = record.to_row();
        self.must_be_ours(&row)?;
        let at = |column: &str| R::TABLE.position(column).expect("a key names columns of its table");
        let key = R::TABLE.key.iter().map(|column| Filter::Eq(column, row[at(column)].clone())).collect();
        let set: Vec<_> = R::TABLE
            .columns
            .iter()
            .zip(&row)
            .filter(|(column, _)| !R::TABLE.key.contains(&column.name))
            .map(|(column, value)| (column.name, value.clone()))
            .collect();
        match self.tx.update(R::TABLE, &Filter::And(key), &set)? {
            1 => Ok(()),
            n => Err(StoreError::Corrupt(format!("{n} rows of {} where one belongs", R::TABLE.name))),
        }
    }

    /// Changes columns of the rows that fit.
    pub fn update<R: Record>(&mut self, filter: Filter, set: &[(&'static str, Value)]) -> Result<u64, StoreError> {
        let filter = self.ours(filter);
        self.tx.update(R::TABLE, &filter, set)
    }

    /// Adds to a number column of the rows that fit.
    pub fn increase<R: Record>(
        &mut self,
        filter: Filter,
        column: crate::table::Col<u64>,
        by: i64,
    ) -> Result<u64, StoreError> {
        let filter = self.ours(filter);
        self.tx.add(R::TABLE, &filter, column.name, by)
    }

    /// Deletes the rows that fit.
    pub fn delete<R: Record>(&mut self, filter: Filter) -> Result<u64, StoreError> {
        let filter = self.ours(filter);
        self.tx.delete(R::TABLE, &filter)
    }

    /// Appends to the organization's audit chain, in this commit.
    pub fn audit(&mut self, event: crate::audit::NewEvent) {
        self.tx.audit(self.id, event);
    }

    fn must_be_ours(&self, row: &[Value]) -> Result<(), StoreError> {
        if row.first() == Some(&Value::Text(self.id.as_str().to_owned())) {
            Ok(())
        } else {
            Err(StoreError::Corrupt("a row of another organization".to_owned()))
        }
    }
}

/// The rows of every organization that fit. For what stands above organizations: the operator's list, clean-up, the owner of a domain.
pub fn across<R: Record, T: Tx + ?Sized>(tx: &mut T, filter: Filter) -> Result<Vec<R>, StoreError> {
    let query = Query { table: R::TABLE, filter, order: Vec::new(), limit: None };
    by_key(tx.select(&query)?)
}

/// In the order of the key. All of them were asked for: a store that were told of the order could take it for a reason to go along the key
/// and look at every row, instead of finding the rows by an index and sorting the few.
fn by_key<R: Record>(mut rows: Vec<Row>) -> Result<Vec<R>, StoreError> {
    let key: Vec<usize> = R::TABLE.key.iter().filter_map(|column| R::TABLE.position(column)).collect();
    rows.sort_by(|one, other| key.iter().map(|at| &one[*at]).cmp(key.iter().map(|at| &other[*at])));
    rows.into_iter().map(R::from_row).collect()
}
