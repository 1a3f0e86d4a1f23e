//! What local's rows mean for the changes: demands that they are in the way of are taken back, or spoken of in the entry
//! that makes them.
//!
//! Pure. Must never take back more of a table's change than what was asked.

use super::SchemaChanges;
use super::depend::{parent_of, rests_on_index};
use crate::diff::schema::Phase;
use crate::diff::schema::demand::{Demand, demands};
use crate::plan::Entry;
use crate::schema::table::{IndexKind, Table};
use crate::schema::{ObjectName, Unsupported, Vendor};

/// What the entry that makes a demand says of it.
#[derive(Debug, Clone)]
pub(super) struct Note {
    demand: Demand,
    text: String,
    waits_for: Vec<String>,
}

/// A table with what its change asks of rows.
#[derive(Debug, Clone)]
pub struct Demanding {
    /// Its name on local.
    pub name: ObjectName,
    /// As local has it; `None` where it is to be created.
    pub local: Option<Table>,
    /// As it is to be.
    pub wanted: Table,
    /// What rows must meet and need not have met before.
    pub demands: Vec<Demand>,
}

impl SchemaChanges {
    /// Returns the tables that are created or changed, with what that asks of rows.
    pub fn demanding(&self) -> Vec<Demanding> {
        self.tables
            .iter()
            .filter_map(|(name, change)| {
                let wanted = change.remote.clone()?;
                let asked = match &change.local {
                    Some(local) => demands(local, &wanted),
                    None => wanted
                        .foreign_keys
                        .iter()
                        .map(|key| Demand::Reference(key.name.clone()))
                        .collect(),
                };
                Some(Demanding {
                    name: name.clone(),
                    local: change.local.clone(),
                    wanted,
                    demands: asked,
                })
            })
            .collect()
    }

    /// Lets the entry that makes a demand say something of it, and wait for the entries of these ids.
    pub fn note(
        &mut self,
        name: &ObjectName,
        demand: &Demand,
        text: String,
        waits_for: Vec<String>,
    ) {
        if let Some(change) = self.tables.get_mut(name) {
            change.notes.push(Note {
                demand: demand.clone(),
                text,
                waits_for,
            });
        }
    }

    /// Leaves out of a table's change what rows are in the way of, with the reason. What foreign keys rested on it is
    /// left out as well. Its tables must be read as local prints them again ([`SchemaChanges::printed`]).
    pub fn hold(&mut self, name: &ObjectName, demand: &Demand, reason: String) {
        let Some(change) = self.tables.get_mut(name) else {
            return;
        };
        let Some(wanted) = &mut change.remote else {
            return;
        };
        let local = change.local.clone().unwrap_or_default();
        demand.take_back(wanted, &local);
        self.held.push(Unsupported {
            object: name.to_string(),
            reason,
        });
        if matches!(
            demand,
            Demand::Unique(_) | Demand::NotNull(_) | Demand::Holds(_)
        ) {
            self.hold_references(name);
        }
    }

    /// Leaves out foreign keys that refer to a table's columns without an index, or between columns that no longer have
    /// one type.
    fn hold_references(&mut self, parent: &ObjectName) {
        let Some(table) = self
            .tables
            .get(parent)
            .and_then(|change| change.remote.clone())
        else {
            return;
        };
        let mut unmet: Vec<(ObjectName, String)> = Vec::new();
        for (name, change) in &self.tables {
            let Some(wanted) = &change.remote else {
                continue;
            };
            for key in &wanted.foreign_keys {
                let kept = change
                    .local
                    .as_ref()
                    .is_some_and(|local| local.foreign_keys.contains(key));
                let alike = key
                    .columns
                    .iter()
                    .zip(&key.referenced_columns)
                    .all(
                        |(own, there)| match (wanted.column(own), table.column(there)) {
                            (Some(own), Some(there)) => own.data_type.base == there.data_type.base,
                            _ => true,
                        },
                    );
                let stands = rests_on_index(&unique_alone(&table, self.vendor), key) && alike;
                if parent_of(name, key) == *parent && !stands && !kept {
                    unmet.push((name.clone(), key.name.clone()));
                }
            }
        }
        for (name, key) in unmet {
            let reason = format!(
                "foreign key `{key}`: it needs what {parent} cannot be given yet; it is left out, the rest of the table's \
                 change goes on"
            );
            self.hold(&name, &Demand::Reference(key), reason);
        }
    }

    /// Returns the tables of which something was left out.
    pub fn held_tables(&self) -> Vec<ObjectName> {
        self.tables
            .keys()
            .filter(|name| {
                let object = name.to_string();
                self.held.iter().any(|held| held.object == object)
            })
            .cloned()
            .collect()
    }

    /// Returns what the phases before a table's rows ask of local's stale rows, for tables whose rows change: the row
    /// entries come too late to mend them.
    pub fn asked_before_rows(&self) -> Vec<(ObjectName, Demand)> {
        let mut asked = Vec::new();
        for (name, change) in self.tables.iter().filter(|(_, change)| change.rows_change) {
            let phases = change.diff.iter().flat_map(|diff| &diff.phases);
            for phase in phases.filter(|phase| phase.phase <= Phase::Expand) {
                let made = demands(&phase.before, &phase.after);
                asked.extend(made.into_iter().map(|demand| (name.clone(), demand)));
            }
        }
        asked
    }

    /// Leaves a table as it is, with the reason.
    pub fn refuse(&mut self, name: &ObjectName, reason: String) {
        if self.tables.remove(name).is_some() {
            self.unsupported.push(Unsupported {
                object: name.to_string(),
                reason,
            });
        }
    }
}

/// MySQL lets a foreign key refer to a unique key alone.
fn unique_alone(table: &Table, vendor: Option<Vendor>) -> Table {
    let mut table = table.clone();
    if vendor == Some(Vendor::MySql) {
        table
            .indexes
            .retain(|index| matches!(index.kind, IndexKind::Primary | IndexKind::Unique));
    }
    table
}

/// Puts into an entry what is said of the demands that it is the first to make.
pub(super) fn annotate(entry: &mut Entry, before: &Table, after: &Table, notes: &mut Vec<Note>) {
    if notes.is_empty() {
        return;
    }
    let made = demands(before, after);
    notes.retain(|note| {
        if !made.contains(&note.demand) {
            return true;
        }
        entry.reasons.push(note.text.clone());
        for id in &note.waits_for {
            if !entry.depends_on.contains(id) {
                entry.depends_on.push(id.clone());
            }
        }
        false
    });
}
