//! Sets what depends on what between a table's schema changes and its rows, and between the rows of tables that refer
//! to each other.
//!
//! Pure. Must never make a cycle, and must never make anything depend on a contract phase: denying a loss blocks
//! nothing.

use super::references::References;
use super::{Entry, Kind, Phase, entry_id};
use crate::schema::{ObjectName, parse};
use std::collections::{BTreeMap, BTreeSet};

/// A foreign key between two tables of the plan, as far as ordering needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The referring table, `database.table`.
    pub child: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// The table referred to, `database.table`.
    pub parent: String,
}

/// Adds the dependencies that involve rows. The entries' ids are left alone, their order too.
///
/// - Rows wait for the creation or the expand phase of their table.
/// - A constrain phase waits for the rows that mend what it would trip over: its own table's, and those inserted into or
///   updated in the tables that its foreign keys point to.
/// - An update or delete waits until foreign keys to its table that go before the rows are down.
/// - An insert, or an update that changes a foreign key's columns, waits for inserts into the table referred to.
/// - A delete waits for deletes, and updates of the foreign key, in the tables that refer to it by a key that stands
///   while the rows are written. By one that is down or yet to come it need not, and rows that are replaced as a whole
///   must not: the old ones go before the new ones come.
pub fn link(entries: &mut [Entry], references: &[Reference]) {
    let index = Index::of(entries, references);
    for entry in entries.iter_mut() {
        let needed = index.needed_by(entry);
        for id in needed {
            if id != entry.id && !entry.depends_on.contains(&id) {
                entry.depends_on.push(id);
            }
        }
    }
}

/// What of each table stands in the plan.
struct Index<'a> {
    /// Ids by table and kind of entry.
    ids: BTreeMap<(String, Role), String>,
    /// Columns that an update entry changes, by table; `None` where that is not known.
    updated: BTreeMap<String, Option<BTreeSet<String>>>,
    /// The keys that stand while the rows are written, of tables whose schema changes: their columns, and the tables
    /// referred to.
    standing: BTreeMap<String, Vec<(Vec<String>, String)>>,
    references: &'a [Reference],
    order: References,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Create,
    Expand,
    Insert,
    Update,
    Delete,
}

impl<'a> Index<'a> {
    fn of(entries: &[Entry], references: &'a [Reference]) -> Self {
        let mut ids = BTreeMap::new();
        let mut updated = BTreeMap::new();
        for entry in entries {
            let role = match (entry.kind, entry.phase) {
                (Kind::CreateTable, _) => Role::Create,
                (Kind::AlterTable, Some(Phase::Expand)) => Role::Expand,
                (Kind::InsertRows, _) => Role::Insert,
                (Kind::UpdateRows, _) => Role::Update,
                (Kind::DeleteRows, _) => Role::Delete,
                _ => continue,
            };
            ids.insert((entry.object.clone(), role), entry.id.clone());
            if role == Role::Update {
                updated.insert(entry.object.clone(), changed_columns(entry));
            }
        }
        let mut order = References::default();
        for reference in references {
            order.add(&reference.child, [reference.parent.clone()]);
        }
        Self {
            ids,
            updated,
            standing: standing(entries),
            references,
            order,
        }
    }

    /// Whether a foreign key is there while the rows are written.
    fn stands(&self, reference: &Reference) -> bool {
        self.standing.get(&reference.child).is_none_or(|keys| {
            keys.iter().any(|(columns, parent)| {
                *parent == reference.parent && same_names(columns, &reference.columns)
            })
        })
    }

    fn id(&self, table: &str, role: Role) -> Option<String> {
        self.ids.get(&(table.to_owned(), role)).cloned()
    }

    fn needed_by(&self, entry: &Entry) -> Vec<String> {
        let table = entry.object.as_str();
        let mut needed = Vec::new();
        match entry.kind {
            Kind::InsertRows | Kind::UpdateRows | Kind::DeleteRows => {
                needed.extend(self.id(table, Role::Create));
                needed.extend(self.id(table, Role::Expand));
            }
            Kind::AlterTable if entry.phase == Some(Phase::Constrain) => {
                needed.extend(self.id(table, Role::Delete));
                needed.extend(self.id(table, Role::Update));
                needed.extend(self.id(table, Role::Insert));
                for reference in self
                    .references
                    .iter()
                    .filter(|reference| reference.child == table)
                {
                    needed.extend(self.id(&reference.parent, Role::Insert));
                    needed.extend(self.id(&reference.parent, Role::Update));
                }
            }
            _ => {}
        }
        if matches!(entry.kind, Kind::UpdateRows | Kind::DeleteRows) {
            let down = self.references.iter().filter(|reference| {
                reference.parent == table && reference.child != table && !self.stands(reference)
            });
            needed.extend(down.filter_map(|reference| self.id(&reference.child, Role::Expand)));
        }
        match entry.kind {
            Kind::InsertRows => {
                for reference in self.parents_of(table) {
                    needed.extend(self.id(&reference.parent, Role::Insert));
                }
            }
            Kind::UpdateRows => {
                for reference in self
                    .parents_of(table)
                    .filter(|reference| self.repoints(reference))
                {
                    needed.extend(self.id(&reference.parent, Role::Insert));
                }
            }
            Kind::DeleteRows => {
                let children = self.references.iter().filter(|reference| {
                    reference.parent == table
                        && self.one_way(&reference.child, &reference.parent)
                        && self.stands(reference)
                });
                for reference in children {
                    needed.extend(self.id(&reference.child, Role::Delete));
                    if self.repoints(reference) {
                        needed.extend(self.id(&reference.child, Role::Update));
                    }
                }
            }
            _ => {}
        }
        needed
    }

    fn parents_of(&self, table: &str) -> impl Iterator<Item = &Reference> {
        let table = table.to_owned();
        self.references.iter().filter(move |reference| {
            reference.child == table && self.one_way(&reference.child, &reference.parent)
        })
    }

    /// Tables that refer to each other cannot wait for each other: apply checks such rows together.
    fn one_way(&self, child: &str, parent: &str) -> bool {
        child != parent && !self.order.reaches(parent, child)
    }

    /// Returns whether the child's updates change the foreign key's columns, as far as is known.
    fn repoints(&self, reference: &Reference) -> bool {
        match self.updated.get(&reference.child) {
            None => false,
            Some(None) => true,
            Some(Some(changed)) => reference
                .columns
                .iter()
                .any(|column| changed.contains(&column.to_lowercase())),
        }
    }
}

/// The foreign keys of each table that changes, as the rows find it: after what comes before them, or else before what
/// comes after them.
fn standing(entries: &[Entry]) -> BTreeMap<String, Vec<(Vec<String>, String)>> {
    let mut found = BTreeMap::new();
    for entry in entries
        .iter()
        .filter(|entry| entry.kind == Kind::AlterTable)
    {
        let early = entry.phase == Some(Phase::Expand);
        let text = if early { &entry.after } else { &entry.before };
        let (Some(text), Some((database, _, _))) = (text, entry_id::parts(&entry.id)) else {
            continue;
        };
        // The entries stand in the order of the phases: the last before the rows counts, or else the first after them.
        if !early && found.contains_key(&entry.object) {
            continue;
        }
        let Ok(table) = parse::table(text) else {
            continue;
        };
        let keys = table.foreign_keys.into_iter().map(|key| {
            let database = key.referenced_database.as_deref().unwrap_or(&database);
            let parent = ObjectName::new(database, &key.referenced_table).to_string();
            (key.columns, parent)
        });
        found.insert(entry.object.clone(), keys.collect());
    }
    found
}

fn same_names(some: &[String], others: &[String]) -> bool {
    some.len() == others.len()
        && some
            .iter()
            .zip(others)
            .all(|(one, other)| one.to_lowercase() == other.to_lowercase())
}

/// Returns the columns an update entry changes, in lower case; `None` where its rows are in a payload.
fn changed_columns(entry: &Entry) -> Option<BTreeSet<String>> {
    if entry.payload.is_some() {
        return None;
    }
    Some(
        entry
            .rows
            .iter()
            .flat_map(|row| row.change.keys())
            .map(|name| name.to_lowercase())
            .collect(),
    )
}
