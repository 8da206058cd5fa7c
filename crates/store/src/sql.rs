//! The SQL that both engines share, written from the directory's queries.
//!
//! Owns the texts and their parameters. Names of tables and columns come from records declared at compile time; values are always
//! parameters. Must not know a connection.

use std::fmt::Write as _;

use latchkey_directory::query::{Direction, Filter, Query};
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
}

/// Neither engine takes more parameters than this in one statement (SQLite 32,766, PostgreSQL 65,535).
pub(crate) const MAX_PARAMETERS: usize = 30_000;

impl Statement {
    fn new(dialect: Dialect, text: &str) -> Self {
        Self { text: text.to_owned(), values: Vec::new(), kinds: Vec::new(), dialect }
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

    /// Text is compared and lowered byte by byte, as SQLite does it, whatever the locale of a PostgreSQL database. Not where it is only
    /// compared for equality: that is the same in both, and an index serves it.
    fn bytewise(&mut self) {
        if self.dialect == Dialect::Postgres {
            self.push(" COLLATE \"C\"");
        }
    }

    fn like(&mut self, column: &str, pattern: String) {
        self.push("lower(");
        self.push(column);
        self.bytewise();
        self.push(") LIKE ");
        self.value(Value::Text(pattern));
        self.push(" ESCAPE '\\'");
    }

    fn compare(&mut self, column: &str, operator: &str, value: &Value) {
        self.push(column);
        if operator != " = " && matches!(value, Value::Text(_)) {
            self.bytewise();
        }
        self.push(operator);
        self.value(value.clone());
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
            Filter::Not(filter) => {
                self.push("NOT (");
                self.filter(filter);
                self.push(")");
            }
            Filter::Eq(column, value) => self.compare(column, " = ", value),
            Filter::Ge(column, value) => self.compare(column, " >= ", value),
            Filter::Lt(column, value) => self.compare(column, " < ", value),
            Filter::Null(column) => {
                self.push(column);
                self.push(" IS NULL");
            }
            Filter::In(_, values) if values.is_empty() => self.push("1 = 0"),
            Filter::In(column, values) => {
                self.push(column);
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

pub(crate) fn select(dialect: Dialect, query: &Query) -> Statement {
    let mut statement = Statement::new(dialect, "SELECT ");
    statement.list(&names(query.table));
    statement.push(" FROM ");
    statement.push(query.table.name);
    statement.push(" WHERE ");
    statement.filter(&query.filter);
    for (at, (column, direction)) in query.order.iter().enumerate() {
        statement.push(if at == 0 { " ORDER BY " } else { ", " });
        statement.push(column);
        if query.table.position(column).is_some_and(|at| query.table.columns[at].kind == Kind::Text) {
            statement.bytewise();
        }
        if *direction == Direction::Descending {
            statement.push(" DESC");
        }
    }
    if let Some(limit) = query.limit {
        statement.push(" LIMIT ");
        statement.value(Value::Int(i64::try_from(limit).unwrap_or(i64::MAX)));
    }
    statement
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
            "WHERE ((name = $1 OR (lower(name COLLATE \"C\") LIKE $2 ESCAPE '\\')) AND 1 = 0) ORDER BY name COLLATE \"C\" DESC LIMIT $3"
        ));
        assert_eq!(statement.values[1], Value::Text("%50\\%\\_\\\\%".into()));
    }
}
