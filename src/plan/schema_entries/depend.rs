//! What tables' changes mean for each other: foreign keys whose other end changes, and entries that must wait.
//!
//! Must never make a cycle: what a table does before its rows waits for nothing but foreign keys being taken down.

use super::names::{Kind, Names};
use super::{SchemaChanges, TableChange};
use crate::diff::schema::{Phase, Surroundings, unsettled_columns};
use crate::schema::ObjectName;
use crate::schema::table::{ForeignKey, Table};
use std::collections::{BTreeMap, BTreeSet};

/// Returns the table a foreign key refers to.
pub(super) fn parent_of(child: &ObjectName, key: &ForeignKey) -> ObjectName {
    ObjectName::new(
        key.referenced_database
            .as_deref()
            .unwrap_or(&child.database),
        &key.referenced_table,
    )
}

/// Takes in tables that are alike on both sides but have a foreign key whose other end changes under it.
pub(super) fn draw_in_children(changes: &mut SchemaChanges) {
    let unsettled = unsettled(changes);
    let drawn: Vec<ObjectName> = changes
        .equal
        .iter()
        .filter(|(name, table)| {
            table
                .foreign_keys
                .iter()
                .any(|key| last_change(&unsettled, name, key).is_some())
        })
        .map(|(name, _)| name.clone())
        .collect();
    for name in drawn {
        if let Some(table) = changes.equal.remove(&name) {
            let change = TableChange {
                local: Some(table.clone()),
                remote: Some(table),
                ..TableChange::default()
            };
            changes.tables.insert(name, change);
        }
    }
}

/// The columns of each table that change in a way that foreign keys feel.
fn unsettled(changes: &SchemaChanges) -> BTreeMap<ObjectName, BTreeMap<String, Phase>> {
    changes
        .tables
        .iter()
        .filter_map(|(name, change)| {
            let columns = unsettled_columns(
                change.local.as_ref()?,
                change.remote.as_ref()?,
                change.rows_change,
                changes.vendor?,
            );
            Some((name.clone(), columns))
        })
        .collect()
}

/// Returns, for each table that changes, what happens at the other ends of its foreign keys.
pub(super) fn surroundings(changes: &SchemaChanges) -> BTreeMap<ObjectName, Surroundings> {
    let unsettled = unsettled(changes);
    let names = Names::of(changes);
    changes
        .tables
        .iter()
        .map(|(name, change)| {
            let moved_keys = change
                .local
                .iter()
                .flat_map(|local| &local.foreign_keys)
                .filter(|key| {
                    last_change(&unsettled, name, key).is_some()
                        || holds_up_rows(changes, name, change, key)
                        || names.moves(Kind::ForeignKey, name, &key.name)
                })
                .map(|key| key.name.to_lowercase())
                .collect();
            let moved_checks = change
                .local
                .iter()
                .flat_map(|local| &local.checks)
                .filter(|check| names.moves(Kind::Check, name, &check.name))
                .map(|check| check.name.to_lowercase())
                .collect();
            let ready = change
                .remote
                .iter()
                .flat_map(|remote| &remote.foreign_keys)
                .filter_map(|key| {
                    let phase = ready_after(changes, &unsettled, name, key)?;
                    Some((key.name.to_lowercase(), phase))
                })
                .collect();
            let surroundings = Surroundings {
                rows_change: change.rows_change,
                exact: change.exact,
                moved_keys,
                moved_checks,
                ready,
                replaced: change.replaced.clone(),
                ..Surroundings::default()
            };
            (name.clone(), surroundings)
        })
        .collect()
}

/// The last phase in which the columns that a key refers to change in a way that it feels.
fn last_change(
    unsettled: &BTreeMap<ObjectName, BTreeMap<String, Phase>>,
    child: &ObjectName,
    key: &ForeignKey,
) -> Option<Phase> {
    let columns = unsettled.get(&parent_of(child, key))?;
    key.referenced_columns
        .iter()
        .filter_map(|column| columns.get(&column.to_lowercase()))
        .max()
        .copied()
}

/// Whether a foreign key that goes would hold up rows of the table that it refers to.
fn holds_up_rows(
    changes: &SchemaChanges,
    child: &ObjectName,
    change: &TableChange,
    key: &ForeignKey,
) -> bool {
    let stays = |remote: &Table| remote.foreign_keys.contains(key);
    let parent = parent_of(child, key);
    // Where the child's own rows change as well, it goes before them anyway.
    let goes_early = change.rows_change && change.remote.is_some();
    parent != *child
        && changes.losing.contains(&parent)
        && !goes_early
        && !change.remote.as_ref().is_some_and(stays)
}

/// The phase after which the table that a key refers to is as the key needs it; `None` where it is so already. A new key
/// may need rows that the plan brings.
fn ready_after(
    changes: &SchemaChanges,
    unsettled: &BTreeMap<ObjectName, BTreeMap<String, Phase>>,
    child: &ObjectName,
    key: &ForeignKey,
) -> Option<Phase> {
    let parent = parent_of(child, key);
    let is_there = |own: &Table| own.foreign_keys.contains(key);
    let local = changes.tables.get(child).and_then(|own| own.local.as_ref());
    let waits = changes.gaining.contains(&parent) && !local.is_some_and(is_there);
    let phase = settled_after(changes, unsettled, child, key);
    phase.max(waits.then_some(Phase::Expand))
}

/// The phase after which the definition of the table that a key refers to is as the key needs it.
fn settled_after(
    changes: &SchemaChanges,
    unsettled: &BTreeMap<ObjectName, BTreeMap<String, Phase>>,
    child: &ObjectName,
    key: &ForeignKey,
) -> Option<Phase> {
    let parent = parent_of(child, key);
    let change = changes.tables.get(&parent)?;
    let Some(own) = &change.local else {
        return Some(Phase::Expand);
    };
    let last = last_change(unsettled, child, key);
    if rests_on_index(own, key) {
        last
    } else {
        last.max(Some(Phase::Constrain))
    }
}

/// Returns the phase of the table referred to that a key's addition waits for, as [`ready_after`] has it.
pub(super) fn waits_for(
    surroundings: &BTreeMap<ObjectName, Surroundings>,
    child: &ObjectName,
    key: &ForeignKey,
) -> Option<Phase> {
    surroundings
        .get(child)?
        .ready
        .get(&key.name.to_lowercase())
        .copied()
}

pub(super) fn rests_on_index(table: &Table, key: &ForeignKey) -> bool {
    table.indexes.iter().any(|index| {
        index.parts.len() >= key.referenced_columns.len()
            && index
                .parts
                .iter()
                .zip(&key.referenced_columns)
                .all(|(part, name)| {
                    part.column
                        .as_ref()
                        .is_some_and(|column| column.eq_ignore_ascii_case(name))
                })
    })
}

/// Returns the tables, by parent, whose foreign keys to it are taken down before it changes.
pub(super) fn detached_children(
    changes: &SchemaChanges,
) -> BTreeMap<ObjectName, BTreeSet<ObjectName>> {
    let mut children: BTreeMap<ObjectName, BTreeSet<ObjectName>> = BTreeMap::new();
    for (name, change) in &changes.tables {
        let Some(diff) = &change.diff else {
            continue;
        };
        for phase in diff
            .phases
            .iter()
            .filter(|phase| phase.phase == Phase::Detach)
        {
            for key in &phase.before.foreign_keys {
                if !phase.after.foreign_keys.contains(key) {
                    children
                        .entry(parent_of(name, key))
                        .or_default()
                        .insert(name.clone());
                }
            }
        }
    }
    children
}
