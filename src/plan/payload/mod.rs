//! Payloads: the rows of an entry that has too many for the plan file, in a file of their own beside it.
//!
//! A payload is MySQL's tab-separated text (`tsv`), zstd-compressed, without a header. Its fields by kind of entry:
//!
//! - insert: `after_hash`, then every column of the shape;
//! - update: `before_hash`, `after_hash`, then for every column of the shape its value before and its value after;
//! - delete: `before_hash`, then every column of the shape;
//! - of a table without a key (a bag), behind the hash: the number of copies before, the number after.
//!
//! Must never hold all rows in memory, never read past the size that the plan states (a bomb), never follow a path or a
//! link out of the plan's folder, and never hand out a row of a file whose SHA-256 is not the plan's.

mod read;
mod sink;
mod tsv;
mod write;

#[cfg(test)]
mod tests;

pub use read::{Changes, Rows, changes, check, rows, staged_rows};
pub use sink::{EntrySink, FoundRows};
pub use write::{PayloadFolder, PayloadWriter};

use super::{Decision, Kind, PlanRow, RowShape};
use crate::diff::rows::{RowChange, RowKind};
use crate::value::Value;
use anyhow::{Result, bail};
use indexmap::IndexMap;

/// Returns the kind of rows an entry holds; `None` for an entry that changes the schema.
pub fn row_kind(kind: Kind) -> Option<RowKind> {
    match kind {
        Kind::InsertRows => Some(RowKind::Insert),
        Kind::UpdateRows => Some(RowKind::Update),
        Kind::DeleteRows => Some(RowKind::Delete),
        _ => None,
    }
}

/// Returns whether a name is one that a payload file may have: digits and `.tsv.zst`.
pub fn is_payload_name(name: &str) -> bool {
    name.strip_suffix(".tsv.zst").is_some_and(|digits| {
        !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|it| it.is_ascii_digit())
    })
}

/// Returns a row as it stands in a plan.
fn plan_row(number: u64, change: RowChange, shape: &RowShape) -> Result<PlanRow> {
    let columns = &shape.columns;
    let of_shape = |row: &[Value]| -> Result<IndexMap<String, Value>> {
        if row.len() != columns.len() {
            bail!(
                "a row has {} values and its table's shape {} columns",
                row.len(),
                columns.len()
            );
        }
        let named = columns.iter().zip(row);
        Ok(named
            .map(|(column, value)| (column.name.clone(), value.clone()))
            .collect())
    };
    let mut row = PlanRow {
        row: number,
        key: IndexMap::new(),
        change: IndexMap::new(),
        values: IndexMap::new(),
        copies: change.copies,
        before_hash: change.before_hash,
        after_hash: change.after_hash,
        decision: None::<Decision>,
    };
    // The key that finds the row is local's: keys may be equal without having the same bytes.
    let keyed = match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            let (before, after) = (of_shape(before)?, of_shape(after)?);
            row.change = before
                .iter()
                .zip(after)
                .filter(|((_, before), (_, after))| *before != after)
                .map(|((_, before), (name, after))| (name, (before.clone(), after)))
                .collect();
            before
        }
        (Some(only), None) | (None, Some(only)) => {
            row.values = of_shape(only)?;
            row.values.clone()
        }
        (None, None) => bail!("a row that differs has neither values before nor after"),
    };
    for name in &shape.key {
        let Some(value) = keyed.get(name) else {
            bail!("the key's column `{name}` is not in the table's shape");
        };
        row.key.insert(name.clone(), value.clone());
    }
    Ok(row)
}
