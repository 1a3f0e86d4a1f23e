//! Finds the local rows that an entry is about, under lock, and sorts out what is still to be done.
//!
//! Must never take a row for the plan's that has another key or other values.

use super::Progress;
use crate::apply::table::{Found, Target};
use crate::connect::LocalSession;
use crate::plan::row_sql::Values;
use crate::plan::{Entry, Kind, PlanRow};
use crate::value::{Cell, Value};
use anyhow::{Result, bail};
use std::collections::BTreeMap;

/// Locks the rows and sorts out those that are to be changed, with what local has.
pub(super) fn judge<'r>(
    local: &mut LocalSession,
    entry: &Entry,
    target: &Target<'_>,
    rows: &'r [PlanRow],
    progress: &mut Progress,
) -> Result<Vec<(&'r PlanRow, Option<Found>)>> {
    let mut todo = Vec::new();
    for (row, found) in rows.iter().zip(locate(local, target, rows)?) {
        let after = row.after_hash.as_deref();
        let other_key = |found: &Found| {
            key_bytes(&target.shape.key, &found.key) != key_bytes(&target.shape.key, &row.key)
        };
        match (entry.kind, found) {
            (Kind::InsertRows, None) => todo.push((row, None)),
            (Kind::InsertRows | Kind::UpdateRows, Some(found))
                if after == Some(found.all.as_str()) =>
            {
                progress.already += 1;
            }
            (Kind::InsertRows, Some(_)) => {
                progress.leave(row, "local has a row with this key and other values by now");
            }
            (Kind::DeleteRows, None) => progress.already += 1,
            (Kind::UpdateRows, None) => progress.leave(row, "local has no such row any more"),
            (_, Some(found)) if row.before_hash.as_deref() == Some(found.common.as_str()) => {
                todo.push((row, Some(found)));
            }
            // Another spelling of the key that its collation takes for equal: another row.
            (Kind::DeleteRows, Some(found)) if other_key(&found) => progress.already += 1,
            (Kind::UpdateRows, Some(found)) if other_key(&found) => {
                progress.leave(row, "local has no such row any more");
            }
            (_, Some(_)) => progress.leave(row, "the local row changed since the plan was made"),
            _ => bail!("{} is no entry of rows", entry.id),
        }
    }
    Ok(todo)
}

/// Finds the local rows that have the plan's keys, under lock, one place per row of the plan.
fn locate(
    local: &mut LocalSession,
    target: &Target<'_>,
    rows: &[PlanRow],
) -> Result<Vec<Option<Found>>> {
    let keys: Vec<&Values> = rows.iter().map(|row| &row.key).collect();
    let found = local
        .rows_locked(&target.select_by_keys(&keys)?)?
        .iter()
        .map(|row| target.found(row))
        .collect::<Result<Vec<_>>>()?;
    let mut by_key: BTreeMap<Vec<Cell>, Found> = found
        .into_iter()
        .map(|found| (key_bytes(&target.shape.key, &found.key), found))
        .collect();
    let mut placed: Vec<Option<Found>> = rows
        .iter()
        .map(|row| by_key.remove(&key_bytes(&target.shape.key, &row.key)))
        .collect();
    if !by_key.is_empty() {
        // The column's collation takes keys for equal that are spelt otherwise ('a' and 'A'): ask one by one whose
        // place is taken.
        for (place, row) in placed
            .iter_mut()
            .zip(rows)
            .filter(|(place, _)| place.is_none())
        {
            if let Some(cells) = local
                .rows_locked(&target.select_by_keys(&[&row.key])?)?
                .first()
            {
                *place = Some(target.found(cells)?);
            }
        }
    }
    Ok(placed)
}

/// A key as the server would send it: a number may stand in a plan as one, and in a column that was widened as text.
fn key_bytes(names: &[String], key: &Values) -> Vec<Cell> {
    names
        .iter()
        .map(|name| key.get(name).and_then(Value::to_cell))
        .collect()
}
