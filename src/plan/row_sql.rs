//! The text of INSERT, UPDATE and DELETE statements for the rows of a plan.
//!
//! Pure. Must never name a column that is not in the plan's shape or the table's model, and must never write a value
//! other than through the [`Literal`] it is handed.

use crate::read::encode;
use crate::schema::table::TypeClass;
use crate::schema::{Column, ObjectName, Table};
use crate::sql::{ident, ident_list, qualified};
use crate::value::Value;
use anyhow::{Context, Result, bail};
use indexmap::IndexMap;
use std::sync::Arc;

mod binder;

pub use binder::{Binder, Insert};

/// Writes a column's value as an SQL literal: `read::encode::literal` with the table's column where the table is at
/// hand, [`plain_literal`] where only a plan is.
pub type Literal<'a> = &'a dyn Fn(&str, &Value) -> Result<String>;

/// Values by column name.
pub type Values = IndexMap<String, Value>;

/// Returns a value as a literal without knowledge of its column: for showing a plan, never for executing it.
///
/// # Errors
/// Never; the signature is [`Literal`]'s.
pub fn plain_literal(_column: &str, value: &Value) -> Result<String> {
    Ok(match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => crate::sql::string(text),
        Value::Bytes(bytes) => crate::sql::bytes(bytes),
    })
}

/// What an INSERT writes beside the plan's columns, from the local table's model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras {
    /// Columns that the server computes: never written.
    pub generated: Vec<String>,
    /// Columns ON UPDATE would overwrite: named in every UPDATE.
    pub on_update: Vec<String>,
    /// Columns that only local has, without a default, with the literal that an INSERT gives them.
    pub required: Vec<(String, String)>,
}

impl Extras {
    /// Reads from a table's model what has to be named or left out, given the columns a plan writes.
    pub fn of(model: &Table, written: &[&str]) -> Self {
        let mut extras = Self::default();
        for column in &model.columns {
            if column.generated.is_some() {
                extras.generated.push(column.name.clone());
                continue;
            }
            if column.on_update.is_some() {
                extras.on_update.push(column.name.clone());
            }
            let is_written = written
                .iter()
                .any(|name| name.to_lowercase() == column.name.to_lowercase());
            if !is_written
                && !column.nullable
                && !column.auto_increment
                && column.default.is_none()
                && let Some(literal) = implicit_default(column)
            {
                extras.required.push((column.name.clone(), literal));
            }
        }
        extras
    }

    fn is_generated(&self, name: &str) -> bool {
        self.generated
            .iter()
            .any(|column| column.to_lowercase() == name.to_lowercase())
    }
}

/// Returns the value a server gives a NOT NULL column without a default outside strict mode.
pub fn implicit_default(column: &Column) -> Option<String> {
    Some(match column.data_type.class()? {
        TypeClass::Integer
        | TypeClass::Decimal
        | TypeClass::Float
        | TypeClass::Double
        | TypeClass::Bit
        | TypeClass::Year => "0".to_owned(),
        TypeClass::Temporal | TypeClass::Timestamp => match column.data_type.base.as_str() {
            "time" => "'00:00:00'".to_owned(),
            "date" => "'0000-00-00'".to_owned(),
            _ => "'0000-00-00 00:00:00'".to_owned(),
        },
        TypeClass::Text
        | TypeClass::LongText
        | TypeClass::Binary
        | TypeClass::Blob
        | TypeClass::Set => "''".to_owned(),
        // The first member, by its number: its text may need an introducer.
        TypeClass::Enum => "1".to_owned(),
        TypeClass::Json => "'null'".to_owned(),
        TypeClass::Geometry | TypeClass::TextualBinary => return None,
    })
}

/// Returns one INSERT of all rows. Every row has the same columns in the same order.
///
/// # Errors
/// When a value cannot be written, or the rows do not have the same columns.
pub fn insert(
    table: &ObjectName,
    extras: &Extras,
    rows: &[&Values],
    literal: Literal<'_>,
) -> Result<String> {
    let first = rows.first().context("an INSERT without rows")?;
    let columns: Vec<&str> = first
        .keys()
        .map(String::as_str)
        .filter(|name| !extras.is_generated(name))
        .collect();
    let mut out = insert_head(table, &columns, extras);
    for (position, row) in rows.iter().enumerate() {
        if position > 0 {
            out.push_str(",\n");
        }
        out.push_str(&tuple(table, &columns, extras, row, literal)?);
    }
    Ok(out)
}

fn insert_head(table: &ObjectName, columns: &[&str], extras: &Extras) -> String {
    let required = extras.required.iter().map(|(name, _)| name.as_str());
    format!(
        "INSERT INTO {} ({}) VALUES\n",
        qualified(table),
        ident_list(columns.iter().copied().chain(required))
    )
}

/// Makes INSERTs out of very many rows, each written as it comes: the same text as [`insert`] returns.
#[derive(Debug)]
pub struct Inserter<'t> {
    /// The columns that are written, each with its place in a row.
    columns: Vec<(usize, &'t Column)>,
    head: String,
    /// What columns that only local has are given, behind each row's values.
    tail: String,
    sql: String,
    rows: u64,
}

impl<'t> Inserter<'t> {
    /// Makes INSERTs into a table whose columns stand in the order of the rows' values.
    pub fn new(table: &ObjectName, columns: &[&'t Column], extras: &Extras) -> Self {
        let columns: Vec<(usize, &Column)> = columns
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, column)| !extras.is_generated(&column.name))
            .collect();
        let names: Vec<&str> = columns
            .iter()
            .map(|(_, column)| column.name.as_str())
            .collect();
        let mut tail = String::new();
        for (_, default) in &extras.required {
            tail.push_str(", ");
            tail.push_str(default);
        }
        Self {
            head: insert_head(table, &names, extras),
            columns,
            tail,
            sql: String::new(),
            rows: 0,
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When a value cannot be written, or the row has other columns.
    pub fn push(&mut self, values: &[Value]) -> Result<()> {
        self.sql
            .push_str(if self.rows == 0 { &self.head } else { ",\n" });
        self.rows += 1;
        self.sql.push('(');
        for (written, (place, column)) in self.columns.iter().enumerate() {
            if written > 0 {
                self.sql.push_str(", ");
            }
            let value = values
                .get(*place)
                .with_context(|| format!("a row has no value for column `{}`", column.name))?;
            encode::write_literal(&mut self.sql, column, value)?;
        }
        self.sql.push_str(&self.tail);
        self.sql.push(')');
        Ok(())
    }

    /// Returns the number of rows in the statement so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the bytes of the statement so far.
    pub fn bytes(&self) -> usize {
        self.sql.len()
    }

    /// The statement for so many rows, with a placeholder for each value.
    fn with_placeholders(&self, rows: usize) -> Arc<str> {
        let cells = vec!["?"; self.columns.len()].join(", ");
        let row = format!("({cells}{})", self.tail);
        format!("{}{}", self.head, vec![row; rows].join(",\n")).into()
    }

    /// Ends the statement and returns it with its number of rows; `None` where it has none.
    pub fn take(&mut self) -> Option<(String, u64)> {
        let rows = std::mem::take(&mut self.rows);
        let next = String::with_capacity(self.sql.len() + self.sql.len() / 16);
        (rows > 0).then(|| (std::mem::replace(&mut self.sql, next), rows))
    }
}

fn tuple(
    table: &ObjectName,
    columns: &[&str],
    extras: &Extras,
    row: &Values,
    literal: Literal<'_>,
) -> Result<String> {
    let mut cells = Vec::with_capacity(columns.len() + extras.required.len());
    for name in columns {
        let value = row
            .get(*name)
            .with_context(|| format!("a row of {table} has no value for column `{name}`"))?;
        cells.push(literal(name, value)?);
    }
    cells.extend(extras.required.iter().map(|(_, default)| default.clone()));
    Ok(format!("({})", cells.join(", ")))
}

/// Returns the UPDATE of one row. Columns with ON UPDATE that do not change are set to themselves.
///
/// # Errors
/// When a value cannot be written, or nothing changes.
pub fn update<'v>(
    table: &ObjectName,
    extras: &Extras,
    key: &Values,
    change: impl IntoIterator<Item = (&'v str, &'v Value)>,
    literal: Literal<'_>,
) -> Result<String> {
    let mut sets = Vec::new();
    let mut named = Vec::new();
    for (name, value) in change {
        if extras.is_generated(name) {
            continue;
        }
        sets.push(format!("{} = {}", ident(name), literal(name, value)?));
        named.push(name.to_lowercase());
    }
    if sets.is_empty() {
        bail!("an update of {table} changes no column that can be written");
    }
    for name in &extras.on_update {
        if !named.contains(&name.to_lowercase()) {
            sets.push(format!("{0} = {0}", ident(name)));
        }
    }
    Ok(format!(
        "UPDATE {} SET {} WHERE {}",
        qualified(table),
        sets.join(", "),
        key_condition(&[key], literal)?
    ))
}

/// Returns one DELETE of the rows with these keys.
///
/// # Errors
/// When a key cannot be written.
pub fn delete(table: &ObjectName, keys: &[&Values], literal: Literal<'_>) -> Result<String> {
    Ok(format!(
        "DELETE FROM {} WHERE {}",
        qualified(table),
        key_condition(keys, literal)?
    ))
}

/// Returns the condition that holds for the rows with these keys, in a form both servers use an index for (a row
/// constructor would scan the table: FACTS.md, finding 9).
///
/// # Errors
/// When a key cannot be written, or there is none.
pub fn key_condition(keys: &[&Values], literal: Literal<'_>) -> Result<String> {
    let first = keys.first().context("a condition without keys")?;
    if first.is_empty() {
        bail!("a condition over a key without columns");
    }
    if first.len() == 1 {
        let mut name = "";
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            let (column, value) = key.first().context("a key without columns")?;
            name = column;
            values.push(literal(column, value)?);
        }
        return Ok(match values.as_slice() {
            [one] => format!("{} = {one}", ident(name)),
            _ => format!("{} IN ({})", ident(name), values.join(", ")),
        });
    }
    let mut alternatives = Vec::with_capacity(keys.len());
    for key in keys {
        let parts = key
            .iter()
            .map(|(name, value)| Ok(format!("{} = {}", ident(name), literal(name, value)?)))
            .collect::<Result<Vec<_>>>()?;
        alternatives.push(format!("({})", parts.join(" AND ")));
    }
    Ok(match alternatives.as_slice() {
        [one] => one.clone(),
        _ => format!("({})", alternatives.join(" OR ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, Value)]) -> Values {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }

    fn table() -> ObjectName {
        ObjectName::new("shop", "a`b; -- ")
    }

    #[test]
    fn inserts_many_rows_without_generated_columns() {
        let one = values(&[
            ("id", Value::Integer(1)),
            ("sum", Value::Integer(3)),
            ("name", Value::Text("o'\\x".into())),
        ]);
        let two = values(&[
            ("id", Value::Integer(2)),
            ("sum", Value::Integer(4)),
            ("name", Value::Null),
        ]);
        let extras = Extras {
            generated: vec!["SUM".into()],
            required: vec![("legacy".into(), "''".into())],
            ..Extras::default()
        };
        insta::assert_snapshot!(
            insert(&table(), &extras, &[&one, &two], &plain_literal).unwrap(),
            @r"
        INSERT INTO `shop`.`a``b; -- ` (`id`, `name`, `legacy`) VALUES
        (1, _utf8mb4 X'6f275c78', ''),
        (2, NULL, '')
        "
        );
    }

    #[test]
    fn many_rows_are_written_as_few_are() {
        let text = "CREATE TABLE `a``b; -- ` (\n  `id` int NOT NULL,\n  `sum` int GENERATED ALWAYS AS (`id` * 2) VIRTUAL,\n  \
                    `name` varchar(9) DEFAULT NULL,\n  `rate` double DEFAULT NULL\n) ENGINE=InnoDB";
        let model = crate::schema::parse::table(text).unwrap();
        let extras = Extras {
            required: vec![("legacy".into(), "''".into())],
            ..Extras::of(&model, &["id", "name", "rate"])
        };
        let rows = [
            [
                Value::Integer(1),
                Value::Integer(2),
                Value::Text("o'\\x".into()),
                Value::Text("0.5".into()),
            ],
            [
                Value::Integer(2),
                Value::Null,
                Value::Null,
                Value::Integer(7),
            ],
        ];
        let columns: Vec<&Column> = model.columns.iter().collect();
        let mut inserter = Inserter::new(&table(), &columns, &extras);
        assert_eq!(inserter.take(), None);
        for row in &rows {
            inserter.push(row).unwrap();
        }
        let named: Vec<Values> = rows
            .iter()
            .map(|row| {
                let names = columns.iter().map(|column| column.name.clone());
                names.zip(row.iter().cloned()).collect()
            })
            .collect();
        let literal =
            |name: &str, value: &Value| encode::literal(model.column(name).unwrap(), value);
        let few = insert(
            &table(),
            &extras,
            &named.iter().collect::<Vec<_>>(),
            &literal,
        )
        .unwrap();
        assert_eq!(inserter.take(), Some((few, 2)));
        assert_eq!(inserter.rows(), 0);
        assert!(inserter.push(&rows[0][..2]).is_err());
    }

    #[test]
    fn rows_with_other_columns_are_an_error() {
        let one = values(&[("id", Value::Integer(1))]);
        let two = values(&[("key", Value::Integer(1))]);
        assert!(insert(&table(), &Extras::default(), &[&one, &two], &plain_literal).is_err());
        assert!(insert(&table(), &Extras::default(), &[], &plain_literal).is_err());
    }

    #[test]
    fn an_update_names_the_columns_that_would_change_by_themselves() {
        let key = values(&[("id", Value::Integer(7))]);
        let extras = Extras {
            on_update: vec!["changed".into(), "email".into()],
            ..Extras::default()
        };
        let after = Value::Bytes(vec![0, 255]);
        insta::assert_snapshot!(
            update(&table(), &extras, &key, [("email", &after)], &plain_literal).unwrap(),
            @"UPDATE `shop`.`a``b; -- ` SET `email` = X'00ff', `changed` = `changed` WHERE `id` = 7"
        );
        assert!(update(&table(), &extras, &key, [], &plain_literal).is_err());
    }

    #[test]
    fn deletes_by_composite_keys_without_row_constructors() {
        let one = values(&[("a", Value::Integer(1)), ("b", Value::Text("x".into()))]);
        let two = values(&[("a", Value::Integer(2)), ("b", Value::Text("y".into()))]);
        insta::assert_snapshot!(
            delete(&table(), &[&one, &two], &plain_literal).unwrap(),
            @"DELETE FROM `shop`.`a``b; -- ` WHERE ((`a` = 1 AND `b` = 'x') OR (`a` = 2 AND `b` = 'y'))"
        );
        assert!(delete(&table(), &[], &plain_literal).is_err());
        assert!(delete(&table(), &[&Values::new()], &plain_literal).is_err());
    }
}
