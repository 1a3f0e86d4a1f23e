//! From two schemas to the entries that create, replace and drop views, triggers, procedures, functions and events.
//!
//! Pure. Must never plan a drop of what remote may have but the account cannot see, and must never plan a statement
//! that is known to fail: what cannot be created is unsupported, with the reason.

mod build;
mod statements;
mod triggers;
mod views;

#[cfg(test)]
mod tests;

use statements::Action;
pub use statements::object_statements;
pub use triggers::group;

use super::Entry;
use crate::diff::object::{Context, differences, wanted};
use crate::schema::{Database, Object, ObjectKind, ObjectName, Unsupported};
use std::collections::{BTreeMap, BTreeSet};

/// A database on both sides; each under its own name.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// Local's.
    pub local: &'a Database,
    /// Remote's.
    pub remote: &'a Database,
}

/// What objects are compared, and against what.
pub struct Request<'a> {
    /// The two servers.
    pub context: Context<'a>,
    /// The databases.
    pub pairs: &'a [Pair<'a>],
    /// The entries of databases and tables of the same plan.
    pub schema_entries: &'a [Entry],
    /// Whether an object is in scope, by its kind and remote name; for a trigger, the name of its table.
    pub selects: &'a dyn Fn(ObjectKind, &ObjectName) -> bool,
    /// Whether what only local has is left alone, by kind and name as for `selects`.
    pub keeps_local: &'a dyn Fn(ObjectKind, &ObjectName) -> bool,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectPlan {
    /// The entries, in no particular order.
    pub entries: Vec<Entry>,
    /// What cannot be handled (local names).
    pub unsupported: Vec<Unsupported>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// An object that local is to get, as a new one or in the place of its own.
struct Change<'a> {
    database: &'a str,
    object: Object,
    local: Option<&'a Object>,
    /// What differs; empty for a new object.
    differences: Vec<String>,
    replaced_definer: Option<String>,
    /// Ids of entries of other objects that come first.
    depends_on: Vec<String>,
}

/// Compares the objects of databases.
pub fn object_entries(request: &Request<'_>) -> ObjectPlan {
    let mut plan = ObjectPlan::default();
    let mut changes = Vec::new();
    for pair in request.pairs {
        if !pair.remote.exists {
            continue;
        }
        warn_of_blindness(pair, &mut plan.warnings);
        for kind in KINDS {
            compare(request, *pair, kind, &mut changes, &mut plan);
        }
        triggers::keep_order(*pair, &mut changes);
    }
    triggers::need_tables(request, &mut changes, &mut plan.unsupported);
    views::need_references(request, &mut changes, &mut plan.unsupported);
    refuse_unreadable(&mut changes, &mut plan.unsupported);
    triggers::chain(&mut changes);
    views::chain(&mut changes);
    warn_of_definers(request, &changes, &mut plan.warnings);
    for change in changes {
        build::change(change, request.schema_entries, &mut plan);
    }
    plan
}

const KINDS: [ObjectKind; 5] = [
    ObjectKind::Function,
    ObjectKind::Procedure,
    ObjectKind::View,
    ObjectKind::Trigger,
    ObjectKind::Event,
];

fn compare<'a>(
    request: &Request<'a>,
    pair: Pair<'a>,
    kind: ObjectKind,
    changes: &mut Vec<Change<'a>>,
    plan: &mut ObjectPlan,
) {
    let database = pair.local.name.as_str();
    let remote = of_kind(pair.remote, kind);
    let local = of_kind(pair.local, kind);
    let in_scope = |object: &Object| {
        let name = object
            .table
            .as_ref()
            .filter(|_| kind == ObjectKind::Trigger);
        ObjectName::new(&pair.remote.name, name.unwrap_or(&object.name))
    };
    for (key, object) in &remote {
        if !(request.selects)(kind, &in_scope(object)) {
            continue;
        }
        let here = local.get(key).copied();
        let in_the_way = bears_its_name(&local, &remote, object);
        if let Some(own) = in_the_way.filter(|own| {
            let name = in_scope(own);
            !(request.selects)(kind, &name) || (request.keeps_local)(kind, &name)
        }) {
            let reason = format!(
                "local keeps its own `{}`, and the names of {kind}s have no case",
                own.name
            );
            plan.unsupported
                .push(unsupported(database, object, &reason));
            continue;
        }
        if here.is_none() && is_unsupported(pair.local, &object.name) {
            // Local has it, in a form that cannot be read; the reason is in local's list.
            continue;
        }
        if here.is_none() && pair.local.exists && pair.local.unknown.contains_key(&kind) {
            plan.unsupported.push(unsupported(
                database,
                object,
                &format!(
                    "local's account cannot tell whether it is there: {}",
                    pair.local.unknown[&kind]
                ),
            ));
            continue;
        }
        let found = wanted(object, &request.context).and_then(|wanted| {
            let differences = match here {
                Some(here) => differences(
                    here,
                    &wanted.object,
                    &pair.remote.collation,
                    &request.context,
                )?,
                None => Vec::new(),
            };
            Ok((wanted, differences))
        });
        match found {
            Ok((wanted, differences)) if here.is_none() || !differences.is_empty() => {
                changes.push(Change {
                    database,
                    object: wanted.object,
                    local: here,
                    differences,
                    replaced_definer: wanted.replaced_definer,
                    depends_on: in_the_way
                        .map(|own| build::id(database, own, Action::Drop))
                        .into_iter()
                        .collect(),
                });
            }
            Ok(_) => {}
            Err(reason) => plan
                .unsupported
                .push(unsupported(database, object, &reason)),
        }
    }
    for (key, object) in &local {
        let name = in_scope(object);
        let may_be_there = remote.contains_key(key)
            || pair.remote.unknown.contains_key(&kind)
            || is_unsupported(pair.remote, &object.name);
        if may_be_there || !(request.selects)(kind, &name) || (request.keeps_local)(kind, &name) {
            continue;
        }
        build::drop(database, object, request.schema_entries, plan);
    }
}

/// The objects of a kind, by name.
fn of_kind(database: &Database, kind: ObjectKind) -> BTreeMap<String, &Object> {
    database
        .objects
        .values()
        .filter(|object| object.kind == kind)
        .map(|object| (object.name.clone(), object))
        .collect()
}

/// Local's object that must be gone before one of remote's is created: names of routines, events and triggers have no
/// case, so one of another spelling is in the way.
fn bears_its_name<'a>(
    local: &BTreeMap<String, &'a Object>,
    remote: &BTreeMap<String, &Object>,
    object: &Object,
) -> Option<&'a Object> {
    let name = object.name.to_lowercase();
    local
        .values()
        .find(|own| {
            own.kind != ObjectKind::View
                && own.name != object.name
                && own.name.to_lowercase() == name
                && !remote.contains_key(&own.name)
                && !local.contains_key(&object.name)
        })
        .copied()
}

fn is_unsupported(database: &Database, name: &str) -> bool {
    let object = format!("{}.{name}", database.name);
    database.unsupported.iter().any(|it| it.object == object)
}

fn unsupported(database: &str, object: &Object, reason: &str) -> Unsupported {
    Unsupported {
        object: format!("{database}.{}", object.name),
        reason: format!("{}: {reason}", object.kind),
    }
}

/// Says once per database and kind what the account cannot see, and what of local's is left alone for it.
fn warn_of_blindness(pair: &Pair<'_>, warnings: &mut Vec<String>) {
    let mut kinds_by_reason: BTreeMap<&str, Vec<ObjectKind>> = BTreeMap::new();
    for (kind, reason) in &pair.remote.unknown {
        kinds_by_reason.entry(reason).or_default().push(*kind);
    }
    for (reason, kinds) in kinds_by_reason {
        let left = kinds
            .iter()
            .map(|kind| of_kind(pair.local, *kind).len())
            .sum::<usize>();
        let kinds: Vec<String> = kinds.iter().map(|kind| format!("{kind}s")).collect();
        warnings.push(format!(
            "remote {}: {} are unknown, and none of local's ({left}) is dropped: {reason}",
            pair.remote.name,
            kinds.join(" and ")
        ));
    }
}

fn warn_of_definers(request: &Request<'_>, changes: &[Change<'_>], warnings: &mut Vec<String>) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for definer in changes
        .iter()
        .filter_map(|change| change.replaced_definer.as_deref())
    {
        *counts.entry(definer).or_default() += 1;
    }
    let (user, host) = &request.context.accounts.own;
    for (definer, count) in counts {
        let objects = if count == 1 {
            "1 object gets"
        } else {
            &format!("{count} objects get")
        };
        warnings.push(format!(
            "definer {definer} does not exist on local: {objects} {user}@{host} in its place"
        ));
    }
}

/// Takes out what `apply` would refuse to send.
fn refuse_unreadable(changes: &mut Vec<Change<'_>>, found: &mut Vec<Unsupported>) {
    changes.retain(|change| {
        let name = ObjectName::new(change.database, &change.object.name);
        match statements::create(
            &name,
            &change.object.create,
            change.object.kind,
            &change.object.sql_mode,
        ) {
            Ok(_) => true,
            Err(reason) => {
                found.push(unsupported(change.database, &change.object, &reason));
                false
            }
        }
    });
}

/// The names of the databases on local.
fn local_databases<'a>(request: &Request<'a>) -> BTreeSet<&'a str> {
    request
        .pairs
        .iter()
        .map(|pair| pair.local.name.as_str())
        .collect()
}
