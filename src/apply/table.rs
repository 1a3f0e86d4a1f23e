//! A local table as row entries write it: its model as it is now, the plan's shape, hashes and literals.
//!
//! Must never trust a plan's shape: every column, key and encoding is checked against the table.

use crate::connect::{LocalSession, Reader};
pub(super) use crate::plan::remake::object_of;
use crate::plan::row_sql::{Extras, Values};
use crate::plan::{Entry, RowShape};
use crate::read::encode::{self, Encoding};
use crate::schema::table::IndexKind;
use crate::schema::{Column, ObjectName, Table, parse};
use crate::sql::expr::Operator;
use crate::sql::{Expr, Read, Select};
use crate::value::{Cell, Value};
use anyhow::{Context as _, Result, bail};

/// A table to write rows to.
#[derive(Debug)]
pub(super) struct Target<'e> {
    /// Its name.
    pub(super) name: ObjectName,
    /// As it is now.
    pub(super) model: Table,
    /// The plan's shape.
    pub(super) shape: &'e RowShape,
    /// The shape's columns as local has them, in the shape's order.
    pub(super) columns: Vec<(Column, Encoding)>,
    /// What statements name or leave out besides.
    pub(super) extras: Extras,
}

/// Returns a table's model as local has it now; `None` where there is no such table.
///
/// # Errors
/// What the server says, or a text that cannot be parsed.
pub(super) fn model_of(local: &mut LocalSession, name: &ObjectName) -> Result<Option<Table>> {
    text_of(local, name)?
        .map(|text| parse::table(&text))
        .transpose()
        .with_context(|| format!("reading the definition of {name}"))
}

/// Returns a table's text as local prints it now; `None` where there is no such table.
///
/// # Errors
/// What the server says, or a text that is not UTF-8.
pub(super) fn text_of(local: &mut LocalSession, name: &ObjectName) -> Result<Option<String>> {
    let sets = match local.sets(&Read::ShowCreateTables(vec![name.clone()])) {
        Ok(sets) => sets,
        // No such table, or no such database.
        Err(error) if matches!(crate::connect::server_code(&error), Some(1146 | 1049)) => {
            return Ok(None);
        }
        Err(error) => return Err(error.context(format!("reading the definition of {name}"))),
    };
    let text = sets
        .first()
        .and_then(|rows| rows.first())
        .and_then(|row| row.get(1).cloned().flatten())
        .context("SHOW CREATE TABLE answered nothing")?;
    let text = String::from_utf8(text)
        .with_context(|| format!("the definition of {name} is not UTF-8"))?;
    // A view of that name answers too, and is no table.
    Ok(Some(text).filter(|text| text.starts_with("CREATE TABLE")))
}

impl<'e> Target<'e> {
    /// Reads the table and checks that the entry's shape fits it.
    ///
    /// # Errors
    /// What of the shape does not fit.
    pub(super) fn read(local: &mut LocalSession, entry: &'e Entry) -> Result<Self> {
        let name = object_of(entry)?;
        let shape = entry.shape.as_ref().context("the entry has no shape")?;
        let model = model_of(local, &name)?
            .with_context(|| format!("local has no table {name} any more"))?;
        let columns = shape
            .columns
            .iter()
            .map(|column| {
                let encoding: Encoding = column.encoding.parse()?;
                let model = model
                    .column(&column.name)
                    .with_context(|| format!("{name} has no column `{}`", column.name))?;
                Ok((model.clone(), encoding))
            })
            .collect::<Result<Vec<_>>>()?;
        if !shape.key.is_empty() {
            check_key(&model, shape)?;
        }
        let written: Vec<&str> = shape
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        let extras = Extras::of(&model, &written);
        Ok(Self {
            name,
            model,
            shape,
            columns,
            extras,
        })
    }

    /// Whether the server computes something of a row: a generated column, a functional index, a check.
    pub(super) fn computes(&self) -> bool {
        let model = &self.model;
        let columns = &mut model.columns.iter();
        let mut parts = model.indexes.iter().flat_map(|index| &index.parts);
        columns.any(|column| column.generated.is_some() || column.check.is_some())
            || parts.any(|part| part.expression.is_some())
            || !model.checks.is_empty()
    }

    /// The literal of a value in a column of the table.
    ///
    /// # Errors
    /// When the table has no such column or the column cannot hold the value.
    pub(super) fn literal(&self, name: &str, value: &Value) -> Result<String> {
        encode::literal(self.column(name)?, value)
    }

    /// The column of that name.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn column(&self, name: &str) -> Result<&Column> {
        self.model
            .column(name)
            .with_context(|| format!("{} has no column `{name}`", self.name))
    }

    /// What hashes are made of: all columns of the shape, or those that local had when the plan was made (all of them,
    /// for a table that local did not have).
    pub(super) fn hashed(&self, common_only: bool) -> Vec<(Expr, Encoding)> {
        let common_only = common_only && self.shape.columns.iter().any(|column| column.common);
        self.columns
            .iter()
            .zip(&self.shape.columns)
            .filter(|(_, shape)| shape.common || !common_only)
            .map(|((column, encoding), _)| (Expr::column(&column.name), *encoding))
            .collect()
    }

    /// A select of rows by key: the key, both hashes (common columns, all columns), then every column that can be
    /// written, local's own ones included, for the undo record.
    ///
    /// # Errors
    /// When a key cannot be a literal.
    pub(super) fn select_by_keys(&self, keys: &[&Values]) -> Result<Select> {
        let mut selected = Vec::new();
        for name in &self.shape.key {
            let (column, encoding) = self.shape_column(name)?;
            selected.push(encode::select_expr_as(column, *encoding));
        }
        selected.push(encode::hash_of(&self.hashed(true)));
        selected.push(encode::hash_of(&self.hashed(false)));
        selected.extend(self.own_columns().map(encode::select_expr));
        Ok(Select::from(&self.name, selected).filter(self.key_condition(keys)?))
    }

    /// The columns that can be written, in table order.
    pub(super) fn own_columns(&self) -> impl Iterator<Item = &Column> {
        self.model
            .columns
            .iter()
            .filter(|column| column.generated.is_none())
    }

    /// Takes a row of [`Target::select_by_keys`] apart.
    ///
    /// # Errors
    /// When the row has other cells.
    pub(super) fn found(&self, row: &[Cell]) -> Result<Found> {
        let keys = self.shape.key.len();
        let mut key = Values::new();
        for (name, cell) in self.shape.key.iter().zip(row) {
            let (column, encoding) = self.shape_column(name)?;
            key.insert(
                name.clone(),
                encode::value_of(column, *encoding, cell.as_deref()),
            );
        }
        let hash = |position: usize| -> Result<String> {
            let cell = row
                .get(position)
                .cloned()
                .flatten()
                .context("a row without its hash")?;
            Ok(String::from_utf8(cell)?)
        };
        let image = self
            .own_columns()
            .zip(row.iter().skip(keys + 2))
            .map(|(column, cell)| {
                (
                    column.name.clone(),
                    Value::from_cell(cell.as_deref(), column.value_kind()),
                )
            })
            .collect();
        Ok(Found {
            key,
            common: hash(keys)?,
            all: hash(keys + 1)?,
            image,
        })
    }

    /// The condition that holds for rows with these keys, OR-expanded so that an index serves (FACTS.md, finding 9).
    ///
    /// # Errors
    /// When a key cannot be a literal.
    pub(super) fn key_condition(&self, keys: &[&Values]) -> Result<Expr> {
        key_condition(&self.model, &self.shape.key, keys)
    }

    /// Whether the table has a unique index besides the shape's key.
    pub(super) fn has_other_unique(model: &Table, key: &[String]) -> bool {
        let key: Vec<String> = key.iter().map(|name| name.to_lowercase()).collect();
        model.indexes.iter().any(|index| {
            matches!(index.kind, IndexKind::Primary | IndexKind::Unique) && {
                let parts: Vec<String> = index
                    .parts
                    .iter()
                    .map(|part| part.column.as_deref().unwrap_or_default().to_lowercase())
                    .collect();
                parts != key
            }
        })
    }

    fn shape_column(&self, name: &str) -> Result<&(Column, Encoding)> {
        self.columns
            .iter()
            .find(|(column, _)| column.name.to_lowercase() == name.to_lowercase())
            .with_context(|| format!("the key column `{name}` is not among the shape's columns"))
    }
}

/// Returns the condition that holds for rows of a table with these keys, OR-expanded so that an index serves
/// (FACTS.md, finding 9).
///
/// # Errors
/// When the table has no such column, or a key cannot be a literal.
pub(super) fn key_condition(model: &Table, names: &[String], keys: &[&Values]) -> Result<Expr> {
    let constant = |name: &String, key: &Values| -> Result<Expr> {
        let column = model
            .column(name)
            .with_context(|| format!("{} has no column `{name}`", model.name))?;
        encode::literal_expr(column, key.get(name).unwrap_or(&Value::Null))
    };
    if let [name] = names {
        let values = keys
            .iter()
            .map(|key| constant(name, key))
            .collect::<Result<Vec<_>>>()?;
        return Ok(Expr::column(name).is_in(values));
    }
    let alternatives = keys
        .iter()
        .map(|key| {
            let parts = names
                .iter()
                .map(|name| Ok(Expr::column(name).binary(Operator::Equal, constant(name, key)?)))
                .collect::<Result<Vec<_>>>()?;
            Ok(Expr::all(parts))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Expr::any(alternatives))
}

/// A row as local has it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Its key.
    pub(super) key: Values,
    /// Hash over the columns local had when the plan was made.
    pub(super) common: String,
    /// Hash over all columns of the shape.
    pub(super) all: String,
    /// Every column that can be written.
    pub(super) image: Values,
}

/// A key of the plan must tell rows apart on local, or a change could hit more than its row.
fn check_key(model: &Table, shape: &RowShape) -> Result<()> {
    let key: Vec<String> = shape.key.iter().map(|name| name.to_lowercase()).collect();
    let unique = model.indexes.iter().any(|index| {
        matches!(index.kind, IndexKind::Primary | IndexKind::Unique)
            && index.parts.iter().all(|part| {
                part.prefix.is_none()
                    && part
                        .column
                        .as_ref()
                        .is_some_and(|name| key.contains(&name.to_lowercase()))
                    && part
                        .column
                        .as_deref()
                        .and_then(|name| model.column(name))
                        .is_some_and(|column| !column.nullable)
            })
    });
    if !unique {
        bail!(
            "`{}` is no unique key of the local table any more",
            shape.key.join("`, `")
        );
    }
    Ok(())
}
