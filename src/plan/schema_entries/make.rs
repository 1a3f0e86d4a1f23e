//! Makes the entries out of proven changes.
//!
//! Foreign keys of new tables, and indexes that wait for the rows, are added in a constrain entry of their own, after all
//! tables stand and the rows are in: so creates wait for nothing, and circles of foreign keys need no care. Must never
//! make a destructive entry without its reasons.

use super::demands::{self, Note};
use super::names::{Kind as ConstraintKind, Names};
use super::{Made, SchemaChanges, TableChange, depend, phase_names, table_id};
use crate::diff::clause;
use crate::diff::schema::{Phase, Surroundings, TableDiff};
use crate::plan::entry_id::database_id;
use crate::plan::{self, Entry, Kind, Risk};
use crate::schema::table::Table;
use crate::schema::{ObjectName, Vendor, print};
use std::collections::{BTreeMap, BTreeSet};

/// Returns the entries and what is unsupported.
pub(super) fn entries(changes: SchemaChanges) -> Made {
    let vendor = changes.vendor.unwrap_or(Vendor::MySql);
    let mut entries = changes.databases.clone();
    let mut made: BTreeMap<ObjectName, Vec<(Phase, usize)>> = BTreeMap::new();
    for (name, change) in &changes.tables {
        let first = entries.len();
        let phases: Vec<Phase> = match (&change.local, &change.remote) {
            (None, Some(remote)) => create(
                name,
                (remote, change.bare.as_ref()),
                vendor,
                &change.notes,
                &mut entries,
            ),
            (Some(local), None) => {
                let detach = change.diff.as_ref();
                let mut phases =
                    detach.map_or_else(Vec::new, |diff| alter(name, diff, &[], &mut entries));
                for entry in entries[first..]
                    .iter_mut()
                    .filter(|entry| entry.risk == Risk::Destructive)
                {
                    let reason = "before the table itself goes: other tables, their rows or the names that they take \
                                  could not change else";
                    entry.reasons.push(reason.to_owned());
                }
                let last = detach.and_then(|diff| diff.phases.last());
                let mut entry = drop_table(
                    name,
                    last.map_or(local, |phase| &phase.after),
                    change.estimated_rows,
                );
                entry.depends_on.extend(
                    phases
                        .last()
                        .map(|phase| table_id(name, phase_names(*phase).0)),
                );
                entries.push(entry);
                phases.push(Phase::Contract);
                phases
            }
            _ => match &change.diff {
                Some(diff) => alter(name, diff, &change.notes, &mut entries),
                None => Vec::new(),
            },
        };
        let places = phases
            .into_iter()
            .enumerate()
            .map(|(offset, phase)| (phase, first + offset))
            .collect();
        made.insert(name.clone(), places);
    }
    depend_on_databases(&mut entries, &changes);
    let surroundings = depend::surroundings(&changes);
    let names = Names::of(&changes);
    let needed: Vec<(usize, String)> = changes
        .tables
        .iter()
        .flat_map(|(name, change)| {
            let mut needs =
                foreign_key_needs(name, change, &changes, &surroundings, &made, &entries);
            needs.extend(name_needs(name, change, &names, &made, &entries));
            needs
        })
        .collect();
    for (place, id) in needed {
        let entry: &mut Entry = &mut entries[place];
        if entry.id != id && !entry.depends_on.contains(&id) {
            entry.depends_on.push(id);
        }
    }
    Made {
        entries,
        stuck: changes.unsupported,
        held: changes.held,
    }
}

fn create(
    name: &ObjectName,
    (remote, bare): (&Table, Option<&Table>),
    vendor: Vendor,
    notes: &[Note],
    entries: &mut Vec<Entry>,
) -> Vec<Phase> {
    let bare = bare.cloned().unwrap_or_else(|| Table {
        foreign_keys: Vec::new(),
        ..remote.clone()
    });
    let mut entry = Entry::new(
        table_id(name, "create"),
        Kind::CreateTable,
        name.to_string(),
    );
    entry.sql = vec![print::create_table_in(&name.database, &bare)];
    entry.after = Some(print::create_table(&bare));
    let create_id = entry.id.clone();
    entries.push(entry);
    if bare == *remote {
        return vec![Phase::Expand];
    }
    let mut entry = Entry::new(
        table_id(name, "constrain"),
        Kind::AlterTable,
        name.to_string(),
    );
    entry.phase = Some(plan::Phase::Constrain);
    entry.sql = clause::alter(&bare, remote, vendor)
        .iter()
        .map(|statement| clause::render(&name.database, &name.name, statement))
        .collect();
    entry.before = Some(print::create_table(&bare));
    entry.after = Some(print::create_table(remote));
    entry.depends_on.push(create_id);
    demands::annotate(&mut entry, &bare, remote, &mut notes.to_vec());
    entries.push(entry);
    vec![Phase::Expand, Phase::Constrain]
}

fn alter(
    name: &ObjectName,
    diff: &TableDiff,
    notes: &[Note],
    entries: &mut Vec<Entry>,
) -> Vec<Phase> {
    let mut notes = notes.to_vec();
    let mut previous: Option<String> = None;
    for phase in &diff.phases {
        let (what, plan_phase) = phase_names(phase.phase);
        let mut entry = Entry::new(table_id(name, what), Kind::AlterTable, name.to_string());
        entry.phase = Some(plan_phase);
        entry.sql = phase.sql(&name.database);
        entry.reasons = phase.reasons();
        if !entry.reasons.is_empty() {
            entry.risk = Risk::Destructive;
        }
        entry.before = Some(print::create_table(&phase.before));
        entry.after = Some(print::create_table(&phase.after));
        entry.depends_on.extend(previous.replace(entry.id.clone()));
        demands::annotate(&mut entry, &phase.before, &phase.after, &mut notes);
        entries.push(entry);
    }
    diff.phases.iter().map(|phase| phase.phase).collect()
}

fn drop_table(name: &ObjectName, local: &Table, estimated_rows: u64) -> Entry {
    let mut entry = Entry::new(table_id(name, "drop"), Kind::DropTable, name.to_string());
    entry.risk = Risk::Destructive;
    let plural = if estimated_rows == 1 { "" } else { "s" };
    entry.reasons = vec![format!(
        "drops table `{}` with about {estimated_rows} row{plural}",
        name.name
    )];
    entry.sql = vec![print::drop_table(&name.database, &name.name)];
    entry.before = Some(print::create_table(local));
    entry
}

fn depend_on_databases(entries: &mut [Entry], changes: &SchemaChanges) {
    let created: BTreeSet<String> = changes
        .databases
        .iter()
        .filter(|entry| entry.kind == Kind::CreateDatabase)
        .map(|entry| entry.object.clone())
        .collect();
    for entry in entries {
        if entry.kind != Kind::CreateTable {
            continue;
        }
        for database in &created {
            if changes
                .tables
                .keys()
                .any(|name| name.database == *database && name.to_string() == entry.object)
            {
                entry.depends_on.push(database_id(database, "create"));
            }
        }
    }
}

/// What the entries of one table wait for because of foreign keys.
fn foreign_key_needs(
    name: &ObjectName,
    change: &TableChange,
    changes: &SchemaChanges,
    surroundings: &BTreeMap<ObjectName, Surroundings>,
    made: &BTreeMap<ObjectName, Vec<(Phase, usize)>>,
    entries: &[Entry],
) -> Vec<(usize, String)> {
    let mut needs = Vec::new();
    let own = made.get(name).map_or(&[][..], Vec::as_slice);
    let id = |place: usize| entries[place].id.clone();

    // A key is added when the table it refers to is as it will be.
    for key in change.remote.iter().flat_map(|remote| &remote.foreign_keys) {
        let parent = depend::parent_of(name, key);
        let Some(ready) = depend::waits_for(surroundings, name, key) else {
            continue;
        };
        if parent == *name {
            continue;
        }
        let parent_entry = made
            .get(&parent)
            .into_iter()
            .flatten()
            .rfind(|(phase, _)| *phase <= ready);
        if let Some((_, parent_place)) = parent_entry {
            needs.extend(
                own.iter()
                    .filter(|(phase, _)| adds_key(change, *phase, &key.name))
                    .map(|(_, place)| (*place, id(*parent_place))),
            );
        }
    }

    // A table changes what keys refer to when those are taken down.
    if let Some(children) = depend::detached_children(changes).get(name) {
        for child in children.iter().filter(|child| *child != name) {
            let detach = made
                .get(child)
                .into_iter()
                .flatten()
                .find(|(phase, _)| *phase == Phase::Detach);
            if let Some((_, detach)) = detach {
                needs.extend(
                    own.iter()
                        .filter(|(phase, _)| *phase != Phase::Detach)
                        .map(|(_, place)| (*place, id(*detach))),
                );
            }
        }
    }

    // A table is dropped after what refers to it, unless they refer to each other.
    if change.remote.is_none() {
        for (child, other) in &changes.tables {
            let refers = |table: &Option<Table>, parent: &ObjectName, child: &ObjectName| {
                table.as_ref().is_some_and(|table| {
                    table
                        .foreign_keys
                        .iter()
                        .any(|key| depend::parent_of(child, key) == *parent)
                })
            };
            if child == name || !refers(&other.local, name, child) {
                continue;
            }
            let circular = other.remote.is_none() && reaches(changes, name, child);
            if !circular
                && let (Some((_, place)), Some((_, last))) =
                    (own.last(), made.get(child).and_then(|made| made.last()))
            {
                needs.push((*place, id(*last)));
            }
        }
    }
    needs
}

/// What the entries of one table wait for because another table has the name of a constraint that they add.
fn name_needs(
    name: &ObjectName,
    change: &TableChange,
    names: &Names,
    made: &BTreeMap<ObjectName, Vec<(Phase, usize)>>,
    entries: &[Entry],
) -> Vec<(usize, String)> {
    let Some(remote) = &change.remote else {
        return Vec::new();
    };
    let keys = remote.foreign_keys.iter().map(|key| {
        let adds = clause::Change::AddForeignKey(key.name.clone());
        (
            names.holder(ConstraintKind::ForeignKey, name, &key.name),
            adds,
        )
    });
    let checks = remote.checks.iter().map(|check| {
        let adds = clause::Change::AddCheck(check.name.clone());
        (names.holder(ConstraintKind::Check, name, &check.name), adds)
    });
    let own = made.get(name).map_or(&[][..], Vec::as_slice);
    let mut needs = Vec::new();
    for (holder, adds) in keys.chain(checks) {
        let freed = holder
            .and_then(|holder| made.get(holder)?.first())
            .filter(|(phase, _)| *phase == Phase::Detach);
        let Some((_, freed)) = freed else { continue };
        let first = own.iter().find(|(phase, _)| match &change.diff {
            // The checks of a new table are in its creation, its foreign keys in its constrain entry.
            None => match adds {
                clause::Change::AddForeignKey(_) => *phase == Phase::Constrain,
                _ => true,
            },
            Some(diff) => diff
                .phases
                .iter()
                .filter(|diff| diff.phase == *phase)
                .flat_map(|diff| diff.statements.iter().flatten())
                .any(|clause| clause.change == adds),
        });
        needs.extend(first.map(|(_, place)| (*place, entries[*freed].id.clone())));
    }
    needs
}

/// Whether a table that is dropped refers, over other dropped ones, to another.
fn reaches(changes: &SchemaChanges, from: &ObjectName, to: &ObjectName) -> bool {
    let mut seen: BTreeSet<ObjectName> = BTreeSet::new();
    let mut open = vec![from.clone()];
    while let Some(name) = open.pop() {
        let Some(TableChange {
            local: Some(local),
            remote: None,
            ..
        }) = changes.tables.get(&name)
        else {
            continue;
        };
        for key in &local.foreign_keys {
            let parent = depend::parent_of(&name, key);
            if parent == *to {
                return true;
            }
            if seen.insert(parent.clone()) {
                open.push(parent);
            }
        }
    }
    false
}

fn adds_key(change: &TableChange, phase: Phase, key: &str) -> bool {
    match &change.diff {
        // A new table's keys are all added in its constrain entry.
        None => phase == Phase::Constrain,
        Some(diff) => diff
            .phases
            .iter()
            .filter(|diff| diff.phase == phase)
            .flat_map(|diff| diff.statements.iter().flatten())
            .any(|clause| clause.change == clause::Change::AddForeignKey(key.to_owned())),
    }
}
