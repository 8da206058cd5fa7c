//! The SQL that both engines share, written from the directory's queries.
//!
//! Owns the texts and their parameters. Names of tables and columns come from records declared at compile time; values are always
//! parameters. Must not know a connection.

use std::fmt::Write as _;

use latchkey_directory::query::{Comparison, Direction, Filter, Query};
use latchkey_directory::table::Table;
use latchkey_directory::value::{Kind, Value};

/// How an engine writes what they do not share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// SQLite: `?1`.
    Sqlite,
    /// PostgreSQL: `$1`.
    Postgres,
}

/// A statement and its parameters.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) values: Vec<Value>,
    /// The type of each parameter: PostgreSQL wants to know of what type a null is.
    pub(crate) kinds: Vec<Kind>,
    dialect: Dialect,
    /// Inside what is looked at row by row.
    by_row: bool,
}

/// Neither engine takes more parameters than this in one statement (SQLite 32,766, PostgreSQL 65,535).
pub(crate) const MAX_PARAMETERS: usize = 30_000;

impl Statement {
    fn new(dialect: Dialect, text: &str) -> Self {
        Self { text: text.to_owned(), values: Vec::new(), kinds: Vec::new(), dialect, by_row: false }
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn value(&mut self, value: Value) {
        let kind = match value {
            Value::Int(_) => Kind::Int,
            Value::Bytes(_) => Kind::Bytes,
            Value::Bool(_) => Kind::Bool,
            // A filter never compares with null: that is `Filter::Null`.
            Value::Text(_) | Value::Null => Kind::Text,
        };
        self.typed(value, kind);
    }

    fn typed(&mut self, value: Value, kind: Kind) {
        self.values.push(value);
        self.kinds.push(kind);
        let sign = if self.dialect == Dialect::Sqlite { '?' } else { '$' };
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{sign}{}", self.values.len());
    }

    fn list(&mut self, items: &[&str]) {
        self.push(&items.join(", "));
    }

    /// A column of a filter. SQLite does not look for an index by a column with a plus in front; PostgreSQL knows from its statistics what is
    /// worth an index, and is told elsewhere that sorting is not.
    fn column(&mut self, column: &str) {
        if self.by_row && self.dialect == Dialect::Sqlite {
            self.push("+");
        }
        self.push(column);
    }

    fn like(&mut self, column: &str, pattern: String) {
        self.push("lower(");
        self.push(column);
        self.push(") LIKE ");
        self.value(Value::Text(pattern));
        self.push(" ESCAPE '\\'");
    }

    fn compare(&mut self, column: &str, operator: &str, value: &Value) {
        self.column(column);
        self.push(operator);
        self.value(value.clone());
    }

    fn place(&mut self, columns: &[&str], comparison: Comparison, values: &[Value]) {
        let operator = match comparison {
            Comparison::Less => " < ",
            Comparison::AtMost => " <= ",
            Comparison::More => " > ",
            Comparison::AtLeast => " >= ",
        };
        if let ([column], [value]) = (columns, values) {
            return self.compare(column, operator, value);
        }
        self.push("(");
        self.list(columns);
        self.push(")");
        self.push(operator);
        self.push("(");
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            self.value(value.clone());
        }
        self.push(")");
    }

    fn joined(&mut self, filters: &[Filter], between: &str, none: &str) {
        if filters.is_empty() {
            return self.push(none);
        }
        self.push("(");
        for (at, filter) in filters.iter().enumerate() {
            if at > 0 {
                self.push(between);
            }
            self.filter(filter);
        }
        self.push(")");
    }

    fn filter(&mut self, filter: &Filter) {
        match filter {
            Filter::And(filters) => self.joined(filters, " AND ", "1 = 1"),
            Filter::Or(filters) => self.joined(filters, " OR ", "1 = 0"),
            Filter::ByRow(filter) => {
                let outside = std::mem::replace(&mut self.by_row, true);
                self.filter(filter);
                self.by_row = outside;
            }
            Filter::Fixed(column, equal, text) => {
                // The text is the program's own; it has no quotes.
                self.push(column);
                self.push(if *equal { " = '" } else { " <> '" });
                self.push(text);
                self.push("'");
            }
            Filter::Not(filter) if matches!(**filter, Filter::Null(_)) => {
                if let Filter::Null(column) = **filter {
                    self.column(column);
                }
                // An index that leaves nulls out is found by these words only.
                self.push(" IS NOT NULL");
            }
            Filter::Not(filter) => {
                self.push("NOT (");
                self.filter(filter);
                self.push(")");
            }
            Filter::Eq(column, value) => self.compare(column, " = ", value),
            Filter::Ge(column, value) => self.compare(column, " >= ", value),
            Filter::Lt(column, value) => self.compare(column, " < ", value),
            Filter::Place(columns, comparison, values) => self.place(columns, *comparison, values),
            Filter::Null(column) => {
                self.column(column);
                self.push(" IS NULL");
            }
            Filter::In(_, values) if values.is_empty() => self.push("1 = 0"),
            Filter::In(column, values) => {
                self.column(column);
                self.push(" IN (");
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        self.push(", ");
                    }
                    self.value(value.clone());
                }
                self.push(")");
            }
            Filter::Contains(columns, text) => {
                let pattern = format!("%{}%", like(text));
                self.push("(");
                for (at, column) in columns.iter().enumerate() {
                    if at > 0 {
                        self.push(" OR ");
                    }
                    self.like(column, pattern.clone());
                }
                self.push(")");
            }
            Filter::EndsWith(column, text) => self.like(column, format!("%{}", like(text))),
        }
    }
}

/// A part of a pattern: in lower case, without the meaning that LIKE gives to some characters.
fn like(text: &str) -> String {
    text.to_ascii_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

fn names(table: &Table) -> Vec<&'static str> {
    table.columns.iter().map(|column| column.name).collect()
}

fn ordered(dialect: Dialect, query: &Query, columns: &[&str]) -> Statement {
    let mut statement = Statement::new(dialect, "SELECT ");
    statement.list(columns);
    statement.push(" FROM ");
    statement.push(query.table.name);
    statement.push(" WHERE ");
    statement.filter(&query.filter);
    for (at, (column, direction)) in query.order.iter().enumerate() {
        statement.push(if at == 0 { " ORDER BY " } else { ", " });
        statement.push(column);
        if *direction == Direction::Descending {
            statement.push(" DESC");
        }
    }
    statement
}

pub(crate) fn select(dialect: Dialect, query: &Query) -> Statement {
    let mut statement = ordered(dialect, query, &names(query.table));
    if let Some(limit) = query.limit {
        statement.push(" LIMIT ");
        statement.value(Value::Int(i64::try_from(limit).unwrap_or(i64::MAX)));
    }
    statement
}

/// These columns of the row after so many others.
pub(crate) fn place(dialect: Dialect, query: &Query, skip: u64, columns: &[&str]) -> Statement {
    let mut statement = ordered(dialect, query, columns);
    statement.push(" LIMIT 1 OFFSET ");
    statement.value(Value::Int(i64::try_from(skip).unwrap_or(i64::MAX)));
    statement
}

/// The kinds of columns; what is no column is text made of one.
pub(crate) fn kinds(table: &Table, columns: &[&str]) -> Vec<Kind> {
    let kind = |column: &&str| table.position(column).map_or(Kind::Text, |at| table.columns[at].kind);
    columns.iter().map(kind).collect()
}

pub(crate) fn count(dialect: Dialect, table: &Table, filter: &Filter) -> Statement {
    let mut statement = Statement::new(dialect, "SELECT count(*) FROM ");
    statement.push(table.name);
    statement.push(" WHERE ");
    statement.filter(filter);
    statement
}

/// One statement for these rows; a conflict with any unique value leaves a row out.
pub(crate) fn insert(dialect: Dialect, table: &Table, rows: Vec<Vec<Value>>) -> Statement {
    let mut statement = Statement::new(dialect, "INSERT INTO ");
    statement.push(table.name);
    statement.push(" (");
    statement.list(&names(table));
    statement.push(") VALUES ");
    for (at, row) in rows.into_iter().enumerate() {
        statement.push(if at == 0 { "(" } else { ", (" });
        for (at, (value, column)) in row.into_iter().zip(table.columns).enumerate() {
            if at > 0 {
                statement.push(", ");
            }
            statement.typed(value, column.kind);
        }
        statement.push(")");
    }
    statement.push(" ON CONFLICT DO NOTHING");
    statement
}

pub(crate) fn update(dialect: Dialect, table: &Table, filter: &Filter, set: &[(&'static str, Value)]) -> Statement {
    let mut statement = Statement::new(dialect, "UPDATE ");
    statement.push(table.name);
    for (at, (column, value)) in set.iter().enumerate() {
        statement.push(if at == 0 { " SET " } else { ", " });
        statement.push(column);
        statement.push(" = ");
        let kind = table.position(column).map_or(Kind::Text, |at| table.columns[at].kind);
        statement.typed(value.clone(), kind);
    }
    statement.push(" WHERE ");
    statement.filter(filter);
    statement
}

pub(crate) fn add(dialect: Dialect, table: &Table, filter: &Filter, column: &str, by: i64) -> Statement {
    let mut statement = Statement::new(dialect, "UPDATE ");
    statement.push(table.name);
    let _ = write!(statement.text, " SET {column} = {column} + ");
    statement.value(Value::Int(by));
    statement.push(" WHERE ");
    statement.filter(filter);
    statement
}

pub(crate) fn delete(dialect: Dialect, table: &Table, filter: &Filter) -> Statement {
    let mut statement = Statement::new(dialect, "DELETE FROM ");
    statement.push(table.name);
    statement.push(" WHERE ");
    statement.filter(filter);
    statement
}

/// A question to a store, for whoever wants to know how its engine goes about it.
#[derive(Debug, Clone)]
pub enum Question {
    /// [`latchkey_directory::store::Tx::select`].
    Select(Query),
    /// [`latchkey_directory::store::Tx::place`].
    Place(Query, u64, Vec<&'static str>),
    /// [`latchkey_directory::store::Tx::count`].
    Count(&'static Table, Filter),
}

impl Question {
    /// What SQLite is asked, and with which parameters.
    #[must_use]
    pub fn sqlite(&self) -> (String, Vec<Value>) {
        self.text(Dialect::Sqlite)
    }

    /// What PostgreSQL is asked.
    #[must_use]
    pub fn postgresql(&self) -> (String, Vec<Value>) {
        self.text(Dialect::Postgres)
    }

    fn text(&self, dialect: Dialect) -> (String, Vec<Value>) {
        let statement = match self {
            Self::Select(query) => select(dialect, query),
            Self::Place(query, skip, columns) => place(dialect, query, *skip, columns),
            Self::Count(table, filter) => count(dialect, table, filter),
        };
        (statement.text, statement.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_directory::records::Domain;
    use latchkey_directory::table::Record as _;

    #[test]
    fn values_are_parameters_and_patterns_lose_their_meaning() {
        let filter = Domain::name
            .eq(&"'; DROP TABLE domain; --".to_owned())
            .or(Filter::Contains(vec!["name"], "50%_\\".into()))
            .and(Filter::In("name", vec![]));
        let query =
            Query { table: Domain::TABLE, filter, order: vec![("name", Direction::Descending)], limit: Some(3) };
        let statement = select(Dialect::Postgres, &query);
        assert!(statement.text.ends_with(
            "WHERE ((name = $1 OR (lower(name) LIKE $2 ESCAPE '\\')) AND 1 = 0) ORDER BY name DESC LIMIT $3"
        ));
        assert_eq!(statement.values[1], Value::Text("%50\\%\\_\\\\%".into()));
    }

    #[test]
    fn a_place_is_one_comparison_and_what_is_looked_at_row_by_row_finds_no_index() {
        let place =
            Filter::Place(vec!["created_at", "name"], Comparison::Less, vec![Value::Int(1), Value::Text("a".into())]);
        let filter = place.and(Domain::reason.is_null().negate().by_row()).and(Filter::Fixed("name", false, "x"));
        let text = |dialect| count(dialect, Domain::TABLE, &filter).text;
        let tail = |plus| format!("WHERE ((created_at, name) < (?1, ?2) AND {plus}reason IS NOT NULL AND name <> 'x')");
        assert!(text(Dialect::Sqlite).ends_with(&tail("+")), "{}", text(Dialect::Sqlite));
        assert!(text(Dialect::Postgres).ends_with(&tail("").replace('?', "$")), "{}", text(Dialect::Postgres));
    }
}
