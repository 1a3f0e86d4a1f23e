//! Views: what they refer to must be there before they are.
//!
//! Must never let a view be created over something that local does not have and does not get.

use super::build;
use super::statements::Action;
use super::{Change, Request, local_databases, unsupported};
use crate::diff::object::references;
use crate::plan::{Entry, Kind};
use crate::schema::{ObjectKind, ObjectName, Unsupported, parse};
use std::collections::{BTreeMap, BTreeSet};

/// Takes out views that refer to what will not be there, and lets the others wait for tables.
pub(super) fn need_references(
    request: &Request<'_>,
    changes: &mut Vec<Change<'_>>,
    found: &mut Vec<Unsupported>,
) {
    let databases = local_databases(request);
    let there = on_local(request);
    let first = first_entries(request.schema_entries);
    loop {
        let coming: BTreeSet<String> = changes
            .iter()
            .filter(|change| matches!(change.object.kind, ObjectKind::View | ObjectKind::Function))
            .map(|change| key(&ObjectName::new(change.database, &change.object.name)))
            .collect();
        let before = changes.len();
        changes.retain(|change| {
            if change.object.kind != ObjectKind::View {
                return true;
            }
            let missing = match references(&change.object, change.database) {
                Ok(names) => names.into_iter().find(|name| {
                    let key = key(name);
                    databases.contains(name.database.as_str())
                        && !there.contains(&key)
                        && !coming.contains(&key)
                        && !first.contains_key(&name.to_string())
                }),
                Err(reason) => {
                    found.push(unsupported(change.database, &change.object, &reason));
                    return false;
                }
            };
            if let Some(name) = &missing {
                let reason = format!(
                    "it refers to {name}, which local does not have and this plan does not create"
                );
                found.push(unsupported(change.database, &change.object, &reason));
            }
            missing.is_none()
        });
        if changes.len() == before {
            break;
        }
    }
    for change in changes
        .iter_mut()
        .filter(|change| change.object.kind == ObjectKind::View)
    {
        for name in references(&change.object, change.database).unwrap_or_default() {
            let ids = first.get(&name.to_string()).into_iter().flatten();
            change.depends_on.extend(ids.cloned());
        }
    }
}

/// Lets views wait for the views and functions of this plan that they refer to.
pub(super) fn chain(changes: &mut [Change<'_>]) {
    let mut ids: BTreeMap<String, (ObjectKind, String)> = BTreeMap::new();
    for change in changes.iter() {
        if matches!(change.object.kind, ObjectKind::View | ObjectKind::Function) {
            let action = if change.local.is_some() {
                Action::Alter
            } else {
                Action::Create
            };
            let name = ObjectName::new(change.database, &change.object.name);
            ids.insert(
                key(&name),
                (
                    change.object.kind,
                    build::id(change.database, &change.object, action),
                ),
            );
        }
    }
    for change in changes
        .iter_mut()
        .filter(|change| change.object.kind == ObjectKind::View)
    {
        let names = references(&change.object, change.database).unwrap_or_default();
        let own = key(&ObjectName::new(change.database, &change.object.name));
        for name in names {
            let key = key(&name);
            if let Some((_, id)) = ids.get(&key)
                && key != own
                && !change.depends_on.contains(id)
            {
                change.depends_on.push(id.clone());
            }
        }
    }
}

/// Names without regard to case: looser than some servers, so that nothing is refused for its case.
fn key(name: &ObjectName) -> String {
    name.to_string().to_lowercase()
}

/// Tables, views and functions that local has.
fn on_local(request: &Request<'_>) -> BTreeSet<String> {
    let mut there = BTreeSet::new();
    for pair in request.pairs {
        let database = &pair.local.name;
        let objects = pair.local.objects.values();
        let objects = objects
            .filter(|object| matches!(object.kind, ObjectKind::View | ObjectKind::Function))
            .map(|object| &object.name);
        for name in pair.local.tables.keys().chain(objects) {
            there.insert(key(&ObjectName::new(database, name)));
        }
        let unsupported = pair.local.unsupported.iter();
        there.extend(unsupported.map(|it| it.object.to_lowercase()));
    }
    there
}

/// The entries that bring a table or a column of it, by table: a view may need them.
fn first_entries(entries: &[Entry]) -> BTreeMap<String, Vec<String>> {
    let mut first: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in entries {
        let needed = match entry.kind {
            Kind::CreateTable => true,
            Kind::AlterTable => adds_columns(entry),
            _ => false,
        };
        if needed {
            first
                .entry(entry.object.clone())
                .or_default()
                .push(entry.id.clone());
        }
    }
    first
}

fn adds_columns(entry: &Entry) -> bool {
    let table = |text: &Option<String>| text.as_deref().and_then(|text| parse::table(text).ok());
    match (table(&entry.before), table(&entry.after)) {
        (Some(before), Some(after)) => after
            .columns
            .iter()
            .any(|column| before.column(&column.name).is_none()),
        _ => true,
    }
}
