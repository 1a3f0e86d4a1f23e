//! Foreign keys around the rows that an apply changes: who refers to a table, and how many rows refer to nothing.
//!
//! The server checks most of it itself; what it would answer by changing further rows (cascades), or cannot check while
//! its checks are off, is asked here. Must never let a cascade happen unnoticed.

use super::table::model_of;
use crate::connect::{LocalSession, Reader};
use crate::plan::link::Reference;
use crate::plan::row_sql::Values;
use crate::read::orphans::orphaned;
use crate::schema::table::ForeignKey;
use crate::schema::{ObjectName, Table};
use crate::sql::read::Metadata;
use crate::sql::{Expr, Read, Select};
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};

/// A foreign key with the table that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// The referring table.
    pub(super) child: ObjectName,
    /// The table referred to.
    pub(super) parent: ObjectName,
    /// The constraint.
    pub(super) constraint: ForeignKey,
}

/// A row would be left that refers to nothing: the reason, for people.
#[derive(Debug)]
pub(super) struct Dangling(String);

impl std::fmt::Display for Dangling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Dangling {}

/// The foreign keys of local that the plan's tables take part in.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys(Vec<Key>);

impl Key {
    fn of(child: &ObjectName, constraint: &ForeignKey) -> Self {
        let database = constraint
            .referenced_database
            .as_deref()
            .unwrap_or(&child.database);
        Self {
            child: child.clone(),
            parent: ObjectName::new(database, &constraint.referenced_table),
            constraint: constraint.clone(),
        }
    }

    /// Whether the server would change or delete the child's rows by itself.
    pub(super) fn acts(&self) -> bool {
        let acting = |action: &Option<String>| {
            action.as_deref().is_some_and(|action| {
                !action.eq_ignore_ascii_case("RESTRICT")
                    && !action.eq_ignore_ascii_case("NO ACTION")
            })
        };
        acting(&self.constraint.on_delete) || acting(&self.constraint.on_update)
    }

    /// The number of rows whose reference leads nowhere.
    ///
    /// # Errors
    /// What the server says.
    pub(super) fn orphans(&self, local: &mut LocalSession) -> Result<u64> {
        let rows = local
            .rows(
                &Select::from(&self.child, vec![Expr::count_all()])
                    .filter(orphaned(&self.child, &self.parent, &self.constraint))
                    .into(),
            )
            .with_context(|| {
                format!(
                    "counting the rows of {} that refer to no row of {}",
                    self.child, self.parent
                )
            })?;
        let count = rows
            .first()
            .and_then(|row| row.first().cloned().flatten())
            .unwrap_or_default();
        String::from_utf8_lossy(&count)
            .parse()
            .context("a COUNT that is no number")
    }
}

impl Keys {
    /// Reads the foreign keys of these tables and those that point to tables of their databases.
    ///
    /// # Errors
    /// What the server says.
    pub(super) fn read(local: &mut LocalSession, tables: &BTreeSet<ObjectName>) -> Result<Self> {
        let databases: BTreeSet<String> =
            tables.iter().map(|table| table.database.clone()).collect();
        let pointing = local
            .rows(&Read::Metadata(
                Metadata::ForeignKeysInto,
                databases.into_iter().collect(),
            ))
            .context("reading which local tables refer to the plan's tables")?;
        let text = |cell: Option<&Option<Vec<u8>>>| {
            String::from_utf8_lossy(cell.and_then(Option::as_deref).unwrap_or_default())
                .into_owned()
        };
        let mut involved = tables.clone();
        for row in &pointing {
            involved.insert(ObjectName::new(text(row.first()), text(row.get(1))));
        }
        let mut keys = Vec::new();
        for table in involved {
            let Some(model) = model_of(local, &table)? else {
                continue;
            };
            keys.extend(
                model
                    .foreign_keys
                    .iter()
                    .map(|constraint| Key::of(&table, constraint)),
            );
        }
        Ok(Self(keys))
    }

    /// Returns the foreign keys as the ordering of entries sees them.
    pub(super) fn references(&self) -> Vec<Reference> {
        self.0
            .iter()
            .map(|key| Reference {
                child: key.child.to_string(),
                columns: key.constraint.columns.clone(),
                parent: key.parent.to_string(),
            })
            .collect()
    }

    /// Returns the keys that have one of these tables at either end.
    pub(super) fn around<'k>(
        &'k self,
        tables: &'k BTreeSet<ObjectName>,
    ) -> impl Iterator<Item = &'k Key> {
        self.0
            .iter()
            .filter(|key| tables.contains(&key.child) || tables.contains(&key.parent))
    }

    /// Whether a table refers to itself: its rows hold only together.
    pub(super) fn refers_to_itself(&self, table: &ObjectName) -> bool {
        self.0
            .iter()
            .any(|key| key.child == *table && key.parent == *table)
    }

    /// Returns the keys that point to a table.
    pub(super) fn pointing_to(&self, parent: &ObjectName) -> Vec<Key> {
        self.0
            .iter()
            .filter(|key| key.parent == *parent)
            .cloned()
            .collect()
    }
}

/// Returns the foreign keys that a table is about to get.
pub(super) fn added(name: &ObjectName, before: Option<&Table>, after: &Table) -> Vec<Key> {
    let had: Vec<&ForeignKey> = before
        .map(|table| table.foreign_keys.iter().collect())
        .unwrap_or_default();
    after
        .foreign_keys
        .iter()
        .filter(|key| !had.contains(key))
        .map(|constraint| Key::of(name, constraint))
        .collect()
}

/// Checks that rows of a table, given by a condition, refer to rows that are there.
///
/// # Errors
/// When one does not, in words; or what the server says.
pub(super) fn check_rows(
    local: &mut LocalSession,
    table: &ObjectName,
    model: &Table,
    rows: &Expr,
) -> Result<()> {
    for constraint in &model.foreign_keys {
        let key = Key::of(table, constraint);
        let select = Select::from(table, vec![Expr::integer(1)])
            .filter(Expr::all(vec![
                rows.clone(),
                orphaned(&key.child, &key.parent, &key.constraint),
            ]))
            .limit(1, 0);
        if !local.rows(&select.into())?.is_empty() {
            return Err(Dangling(format!(
                "it would refer to no row of {} by {}",
                key.parent, constraint.name
            ))
            .into());
        }
    }
    Ok(())
}

/// Checks that no child refers any more to what rows of the parent were before.
///
/// # Errors
/// When one does and no row of the parent is there for it, in words; or what the server says.
pub(super) fn check_children(
    local: &mut LocalSession,
    keys: &[Key],
    parent: &Table,
    before: &[&Values],
) -> Result<()> {
    for key in keys {
        for row in before {
            let Some(refers) = referring_condition(key, parent, row)? else {
                continue;
            };
            let select = Select::from(&key.child, vec![Expr::integer(1)])
                .filter(Expr::all(vec![
                    refers,
                    orphaned(&key.child, &key.parent, &key.constraint),
                ]))
                .limit(1, 0);
            if !local.rows(&select.into())?.is_empty() {
                return Err(Dangling(format!(
                    "rows of {} refer to it by {}",
                    key.child, key.constraint.name
                ))
                .into());
            }
        }
    }
    Ok(())
}

/// Returns a child row that refers to one of these rows of the parent, in words: what a cascade would change.
///
/// # Errors
/// What the server says.
pub(super) fn referring(
    local: &mut LocalSession,
    keys: &[Key],
    parent: &Table,
    rows: &[&Values],
) -> Result<Option<String>> {
    // One select per distinct value, in a cache: a parent is often deleted with many of the same.
    let mut asked: BTreeMap<String, bool> = BTreeMap::new();
    for key in keys {
        for row in rows {
            let Some(conditions) = referring_condition(key, parent, row)? else {
                continue;
            };
            let select = Select::from(&key.child, vec![Expr::integer(1)])
                .filter(conditions)
                .limit(1, 0);
            let text = select.sql();
            let found = if let Some(found) = asked.get(&text) {
                *found
            } else {
                let found = !local.rows(&select.into())?.is_empty();
                asked.insert(text, found);
                found
            };
            if found {
                return Ok(Some(format!(
                    "rows of {} refer to it by {}",
                    key.child, key.constraint.name
                )));
            }
        }
    }
    Ok(None)
}

fn referring_condition(key: &Key, parent: &Table, row: &Values) -> Result<Option<Expr>> {
    let mut conditions = Vec::new();
    for (column, referenced) in key
        .constraint
        .columns
        .iter()
        .zip(&key.constraint.referenced_columns)
    {
        let Some(definition) = parent.column(referenced) else {
            return Ok(None);
        };
        let Some(value) = row.get(&definition.name) else {
            return Ok(None);
        };
        if *value == crate::value::Value::Null {
            return Ok(None);
        }
        let constant = crate::read::encode::literal_expr(definition, value)?;
        conditions.push(Expr::column(column).binary(crate::sql::expr::Operator::Equal, constant));
    }
    Ok(Some(Expr::all(conditions)))
}
