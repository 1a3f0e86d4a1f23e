//! Leaves rows of production's out of the plan that refer to nothing there: local's foreign keys would refuse them.
//!
//! Must never leave a row out without a word.

use super::rows::Compared;
use super::survey::{Pair, Sides};
use crate::config::{Config, Preview};
use crate::diff::rows::{RowChange, RowKind, RowSink as _};
use crate::obstacles::{self, Side};
use crate::plan::payload::{self, EntrySink, PayloadFolder};
use crate::plan::row_entries;
use crate::plan::{Entry, Strategy};
use crate::schema::table::ForeignKey;
use crate::schema::{ObjectName, Table, Unsupported};
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};

/// Rows that refer to rows that were left out are left out in the next round; a chain longer than this ends at apply.
const ROUNDS: usize = 8;

/// Leaves out what refers to nothing, and returns what is to be said of it.
///
/// # Errors
/// When the local server cannot be asked, or a payload cannot be read or written.
pub(super) fn leave_out(
    pairs: &[Pair],
    compared: &mut BTreeMap<ObjectName, Compared>,
    config: &Config,
    folder: &PayloadFolder,
    sides: &mut Sides,
) -> Result<Vec<Unsupported>> {
    let keys = keys(pairs);
    let mut said: BTreeMap<(ObjectName, String), (usize, String)> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let mut changed = false;
        for (child, parent, key) in &keys {
            let Some(found) = find(child, parent, key, compared, folder, sides)? else {
                continue;
            };
            changed = true;
            let said = said
                .entry((child.0.clone(), key.name.clone()))
                .or_insert_with(|| (0, found.values().next().cloned().unwrap_or_default()));
            said.0 += found.len();
            if let Some(table) = compared.get_mut(&child.0) {
                table.entries = without(&child.0, &table.entries, &found, config, folder)?;
                // Rows are left out of the plan, so that it may not be noted that local has them.
                table.watermark = None;
            }
        }
        if !changed {
            break;
        }
    }
    let examples = config.plan.preview == Preview::Full;
    let reason = |child: &ObjectName, name: &str, count: usize, example: &str| {
        let (_, _, key) = keys
            .iter()
            .find(|(other, _, key)| other.0 == *child && key.name == name)?;
        Some(obstacles::left_out(key, count, examples.then_some(example)))
    };
    Ok(said
        .iter()
        .filter_map(|((child, name), (count, example))| {
            Some(Unsupported {
                object: child.to_string(),
                reason: reason(child, name, *count, example)?,
            })
        })
        .collect())
}

type Named<'a> = (ObjectName, &'a Table);

/// Foreign keys that both sides have, with the local tables at both ends.
fn keys(pairs: &[Pair]) -> Vec<(Named<'_>, Named<'_>, &ForeignKey)> {
    let mut keys = Vec::new();
    for pair in pairs {
        for (name, info) in &pair.local.tables {
            let remote = pair.remote.tables.get(name);
            for key in &info.table.foreign_keys {
                let stays = remote.is_some_and(|remote| {
                    remote
                        .table
                        .foreign_keys
                        .iter()
                        .any(|other| says_the_same(other, key))
                });
                let database = key
                    .referenced_database
                    .as_deref()
                    .unwrap_or(&pair.names.local);
                let parent = pairs
                    .iter()
                    .find(|other| other.names.local == database)
                    .and_then(|other| other.local.tables.get(&key.referenced_table));
                if let (true, Some(parent)) = (stays, parent) {
                    keys.push((
                        (pair.local_name(name), &info.table),
                        (
                            ObjectName::new(database, &key.referenced_table),
                            &parent.table,
                        ),
                        key,
                    ));
                }
            }
        }
    }
    keys
}

/// Whether a key of remote's is local's, which then holds while the rows are written.
fn says_the_same(remote: &ForeignKey, local: &ForeignKey) -> bool {
    remote.name == local.name
        && remote.columns == local.columns
        && remote.referenced_table == local.referenced_table
        && remote.referenced_columns == local.referenced_columns
}

/// The rows that refer to nothing by a key; `None` where there are none.
fn find(
    child: &Named<'_>,
    parent: &Named<'_>,
    key: &ForeignKey,
    compared: &BTreeMap<ObjectName, Compared>,
    folder: &PayloadFolder,
    sides: &mut Sides,
) -> Result<Option<BTreeMap<(String, u64), String>>> {
    let side = |of: &Named<'_>| -> &[Entry] {
        compared
            .get(&of.0)
            .map_or(&[], |table| table.entries.as_slice())
    };
    // A table that is read from a watermark keeps such rows: apply leaves them alone and notes them, to be looked at again.
    let watermarked = compared
        .get(&child.0)
        .is_some_and(|table| table.choice.strategy == Strategy::Incremental);
    if side(child).is_empty() || watermarked {
        return Ok(None);
    }
    let step = "looking for rows that refer to nothing";
    let found = sides.local.again(step, |local| {
        let child = Side {
            name: &child.0,
            table: child.1,
            entries: side(child),
        };
        let parent = Side {
            name: &parent.0,
            table: parent.1,
            entries: side(parent),
        };
        obstacles::dangling(local, child, parent, key, folder)
            .with_context(|| format!("looking up what rows of {} refer to", child.name))
    })?;
    Ok(Some(found).filter(|found| !found.is_empty()))
}

/// A table's entries without these rows.
fn without(
    table: &ObjectName,
    entries: &[Entry],
    rows: &BTreeMap<(String, u64), String>,
    config: &Config,
    folder: &PayloadFolder,
) -> Result<Vec<Entry>> {
    let mut left = Vec::with_capacity(entries.len());
    for entry in entries {
        let gone: BTreeSet<u64> = rows
            .keys()
            .filter(|(id, _)| *id == entry.id)
            .map(|(_, row)| *row)
            .collect();
        match (&entry.payload, &entry.shape) {
            _ if gone.is_empty() => left.push(entry.clone()),
            (Some(packed), Some(shape)) => {
                let mut sink = EntrySink::new(folder, config.plan.inline_rows, config.plan.preview);
                for row in payload::staged_rows(entry, folder)? {
                    let row = row?;
                    if !gone.contains(&row.row) {
                        let change = RowChange {
                            after: Some(row.values.into_values().collect()),
                            after_hash: row.after_hash,
                            copies: row.copies,
                            ..RowChange::default()
                        };
                        sink.row(RowKind::Insert, change)?;
                    }
                }
                folder.discard(packed)?;
                for found in sink.finish(shape)? {
                    left.push(row_entries::row_entry(table, shape, found));
                }
            }
            _ => {
                let mut entry = entry.clone();
                entry.rows.retain(|row| !gone.contains(&row.row));
                for (number, row) in (1..).zip(&mut entry.rows) {
                    row.row = number;
                }
                entry.count = Some(entry.rows.len() as u64);
                if !entry.rows.is_empty() {
                    left.push(entry);
                }
            }
        }
    }
    Ok(left)
}
