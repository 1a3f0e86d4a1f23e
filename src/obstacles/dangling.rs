//! Rows that a plan brings and a foreign key of local's would refuse: production may hold them, where its own checks were
//! off once.
//!
//! Must never call a row dangling whose parent is on local or comes with the plan; where that cannot be told (texts, whose
//! collation decides, or too many references) nothing is said.

use crate::connect::LocalSession;
use crate::plan::payload::{self, PayloadFolder};
use crate::plan::row_sql::{self, Values};
use crate::plan::{Entry, Kind, PlanRow};
use crate::read::encode;
use crate::schema::table::ForeignKey;
use crate::schema::{ObjectName, Table};
use crate::sql::{ident_list, qualified};
use crate::value::{Cell, Value};
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};

/// Different references that are looked up at most.
const MOST_REFERENCES: usize = 50_000;

/// References of one query.
const ASKED: usize = 500;

/// A table of the plan with its row entries.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Its name on local.
    pub name: &'a ObjectName,
    /// As local has it.
    pub table: &'a Table,
    /// Its row entries.
    pub entries: &'a [Entry],
}

/// Returns the rows, by entry and number, that refer to nothing by a foreign key once the plan is executed; each with its
/// key for people.
///
/// # Errors
/// When the connection breaks, or a payload cannot be read.
pub fn dangling(
    local: &mut LocalSession,
    child: Side<'_>,
    parent: Side<'_>,
    key: &ForeignKey,
    folder: &PayloadFolder,
) -> Result<BTreeMap<(String, u64), String>> {
    let mut missing: BTreeMap<Vec<Cell>, Vec<(String, u64, String)>> = BTreeMap::new();
    for entry in child.entries {
        if entry.kind == Kind::UpdateRows && entry.payload.is_some() {
            // Rows of many updates cannot be taken out of their file: apply leaves each alone, and names it.
            continue;
        }
        for row in changed(entry, Kind::DeleteRows, folder)? {
            let row = row?;
            let Some(reference) = after(&row, &key.columns) else {
                continue;
            };
            if !missing.contains_key(&reference) && missing.len() == MOST_REFERENCES {
                return Ok(BTreeMap::new());
            }
            let found = (entry.id.clone(), row.row, named(&row));
            missing.entry(reference).or_default().push(found);
        }
    }
    if missing.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut there = on_local(local, parent, key, missing.keys())?;
    for entry in parent
        .entries
        .iter()
        .filter(|entry| entry.kind == Kind::DeleteRows)
    {
        for row in payload::staged_rows(entry, folder)? {
            if let Some(gone) = of(&row?.values, &key.referenced_columns) {
                there.remove(&gone);
            }
        }
    }
    missing.retain(|reference, _| !there.contains(reference));
    for entry in parent.entries {
        if missing.is_empty() {
            break;
        }
        for row in changed(entry, Kind::DeleteRows, folder)? {
            if let Some(comes) = after(&row?, &key.referenced_columns) {
                missing.remove(&comes);
            }
        }
    }
    Ok(missing
        .into_values()
        .flatten()
        .map(|(entry, row, named)| ((entry, row), named))
        .collect())
}

/// The rows of an entry that is not of this kind.
fn changed<'e>(
    entry: &'e Entry,
    but: Kind,
    folder: &PayloadFolder,
) -> Result<Box<dyn Iterator<Item = Result<PlanRow>> + 'e>> {
    if entry.kind == but || !entry.kind.is_rows() {
        return Ok(Box::new(std::iter::empty()));
    }
    Ok(Box::new(payload::staged_rows(entry, folder)?))
}

/// What a row has in these columns once it is written; `None` where it does not change them all, where one is NULL, or
/// where text is among them.
fn after(row: &PlanRow, columns: &[String]) -> Option<Vec<Cell>> {
    if row.change.is_empty() {
        return of(&row.values, columns);
    }
    let changed: Values = row
        .change
        .iter()
        .map(|(name, (_, after))| (name.clone(), after.clone()))
        .collect();
    of(&changed, columns)
}

fn of(values: &Values, columns: &[String]) -> Option<Vec<Cell>> {
    columns
        .iter()
        .map(|name| {
            let value = values
                .iter()
                .find(|(other, _)| other.to_lowercase() == name.to_lowercase())
                .map(|(_, value)| value)?;
            matches!(value, Value::Integer(_) | Value::Bytes(_)).then(|| value.to_cell())
        })
        .collect()
}

/// Which of the references local's parent has a row for now.
fn on_local<'r>(
    local: &mut LocalSession,
    parent: Side<'_>,
    key: &ForeignKey,
    references: impl Iterator<Item = &'r Vec<Cell>>,
) -> Result<BTreeSet<Vec<Cell>>> {
    let columns = key
        .referenced_columns
        .iter()
        .map(|name| {
            parent
                .table
                .column(name)
                .with_context(|| format!("{} has no column `{name}`", parent.name))
        })
        .collect::<Result<Vec<_>>>()?;
    let list = ident_list(key.referenced_columns.iter().map(String::as_str));
    let mut there = BTreeSet::new();
    let all: Vec<&Vec<Cell>> = references.collect();
    for some in all.chunks(ASKED) {
        let wanted: Vec<Values> = some
            .iter()
            .map(|reference| {
                columns
                    .iter()
                    .zip(*reference)
                    .map(|(column, cell)| {
                        let value = Value::from_cell(cell.as_deref(), column.value_kind());
                        (column.name.clone(), value)
                    })
                    .collect()
            })
            .collect();
        let wanted: Vec<&Values> = wanted.iter().collect();
        let condition = row_sql::key_condition(&wanted, &|name, value| {
            let column = columns.iter().find(|column| column.name == name);
            encode::literal(column.context("a column of the key")?, value)
        })?;
        let sql = format!(
            "SELECT {list} FROM {} WHERE {condition}",
            qualified(parent.name)
        );
        there.extend(local.query(&sql)?);
    }
    Ok(there)
}

fn named(row: &PlanRow) -> String {
    let parts: Vec<String> = row
        .key
        .iter()
        .map(|(name, value)| format!("`{name}` = {value}"))
        .collect();
    parts.join(", ")
}

/// Says what is left out of the plan, and why.
pub fn left_out(key: &ForeignKey, count: usize, example: Option<&str>) -> String {
    let example = example
        .filter(|key| !key.is_empty())
        .map_or_else(String::new, |key| format!(" (for example {key})"));
    let (rows, refer) = if count == 1 {
        ("row", "refers")
    } else {
        ("rows", "refer")
    };
    format!(
        "foreign key `{}`: {count} {rows} of production {refer} to no row of `{}`{example}, and local's foreign key refuses that; \
         left out, the other rows go on. Next: mend production's rows",
        key.name, key.referenced_table
    )
}
