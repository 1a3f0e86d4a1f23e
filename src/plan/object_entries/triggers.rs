//! Triggers: the order in which they run, and the tables they are on.
//!
//! A server runs several triggers of one table and moment in the order of their creation, and does not keep the clause
//! that placed one (`FOLLOWS`). Must never leave local's in another order than remote's.

use super::build;
use super::statements::Action;
use super::{Change, Pair, Request, unsupported};
use crate::plan::Kind;
use crate::schema::{Object, ObjectKind, Unsupported, statement};
use std::collections::{BTreeMap, BTreeSet};

/// A table, and when on it.
type Group = (String, String);

/// Returns the table and moment of a trigger; `None` for another object.
pub fn group(object: &Object) -> Option<(String, String)> {
    let moment = statement::head(&object.create, &object.sql_mode)
        .ok()?
        .moment?;
    Some((object.table.clone()?, moment))
}

/// Triggers of each table and moment, in the order in which they run.
fn groups<'a>(objects: impl Iterator<Item = &'a Object>) -> BTreeMap<Group, Vec<&'a Object>> {
    let mut groups: BTreeMap<Group, Vec<&Object>> = BTreeMap::new();
    for object in objects.filter(|object| object.kind == ObjectKind::Trigger) {
        if let Some(group) = group(object) {
            groups.entry(group).or_default().push(object);
        }
    }
    for triggers in groups.values_mut() {
        triggers.sort_by_key(|trigger| trigger.order);
    }
    groups
}

/// Adds the triggers that are equal but would run out of order, to be created again.
pub(super) fn keep_order<'a>(pair: Pair<'a>, changes: &mut Vec<Change<'a>>) {
    let database = pair.local.name.as_str();
    let local = groups(pair.local.objects.values());
    for (group, triggers) in groups(pair.remote.objects.values()) {
        let here = local.get(&group).map_or(&[][..], Vec::as_slice);
        let mut last = 0;
        let mut in_order = true;
        for trigger in triggers {
            let place = here.iter().position(|it| it.name == trigger.name);
            let already = changes.iter().any(|change| is(change, database, trigger));
            match place {
                Some(place) if !already && in_order && place >= last => last = place + 1,
                Some(place) if !already => {
                    in_order = false;
                    // Equal to remote's, so local's own text is the one wanted.
                    changes.push(Change {
                        database,
                        object: here[place].clone(),
                        local: Some(here[place]),
                        differences: vec!["the order in which it runs".to_owned()],
                        replaced_definer: None,
                        depends_on: Vec::new(),
                    });
                }
                _ => in_order = false,
            }
        }
    }
    // Changes carry remote's order, by which `chain` sorts.
    for (place, trigger) in groups(pair.remote.objects.values())
        .into_values()
        .flatten()
        .enumerate()
    {
        for change in changes
            .iter_mut()
            .filter(|change| is(change, database, trigger))
        {
            change.object.order = place as u64;
        }
    }
}

fn is(change: &Change<'_>, database: &str, trigger: &Object) -> bool {
    change.database == database
        && change.object.kind == ObjectKind::Trigger
        && change.object.name == trigger.name
}

/// Takes out triggers on tables that local does not have and does not get, and lets the others wait for their tables.
pub(super) fn need_tables(
    request: &Request<'_>,
    changes: &mut Vec<Change<'_>>,
    found: &mut Vec<Unsupported>,
) {
    let mut tables: BTreeSet<String> = BTreeSet::new();
    for pair in request.pairs {
        let names = pair.local.tables.keys();
        tables.extend(names.map(|table| format!("{}.{table}", pair.local.name)));
        tables.extend(pair.local.unsupported.iter().map(|it| it.object.clone()));
    }
    let created: BTreeMap<&str, &str> = request
        .schema_entries
        .iter()
        .filter(|entry| entry.kind == Kind::CreateTable)
        .map(|entry| (entry.object.as_str(), entry.id.as_str()))
        .collect();
    changes.retain_mut(|change| {
        let Some(table) = change.object.table.as_ref() else {
            return true;
        };
        let table = format!("{}.{table}", change.database);
        if let Some(id) = created.get(table.as_str()) {
            change.depends_on.push((*id).to_owned());
            return true;
        }
        let there = tables.contains(&table);
        if !there {
            let reason =
                format!("its table {table} is not on local, and this plan does not create it");
            found.push(unsupported(change.database, &change.object, &reason));
        }
        there
    });
}

/// Lets each trigger wait for the one that runs before it, where both are created in this plan.
pub(super) fn chain(changes: &mut [Change<'_>]) {
    let mut groups: BTreeMap<(String, Group), Vec<(u64, usize)>> = BTreeMap::new();
    for (place, change) in changes.iter().enumerate() {
        if let Some(group) = group(&change.object) {
            groups
                .entry((change.database.to_owned(), group))
                .or_default()
                .push((change.object.order, place));
        }
    }
    for mut members in groups.into_values() {
        members.sort_unstable();
        for pair in members.windows(2) {
            let first = &changes[pair[0].1];
            let action = if first.local.is_some() {
                Action::Alter
            } else {
                Action::Create
            };
            let id = build::id(first.database, &first.object, action);
            changes[pair[1].1].depends_on.push(id);
        }
    }
}
