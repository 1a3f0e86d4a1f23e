//! Sets what depends on what between a table's schema changes and its rows, and between the rows of tables that refer
//! to each other.
//!
//! Pure. Must never make a cycle, and must never make anything depend on a contract phase: denying a loss blocks
//! nothing.

use super::references::References;
use super::{Entry, Kind, Phase};
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
/// - A constrain phase waits for the rows that mend what it would trip over: its own table's, and the rows inserted into
///   the tables that its foreign keys point to.
/// - An insert, or an update that changes a foreign key's columns, waits for inserts into the table referred to.
/// - A delete waits for deletes, and updates of the foreign key, in the tables that refer to it.
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
            references,
            order,
        }
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
                }
            }
            _ => {}
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
                    reference.parent == table && self.one_way(&reference.child, &reference.parent)
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
