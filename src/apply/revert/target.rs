//! Where every object has to go back to, and which changed by another hand since.
//!
//! Pure. Must never lead an object back that is not where the apply left it.

use super::Left;
use crate::apply::freshness::{object_kind, same_environment};
use crate::apply::table::object_of;
use crate::apply::undo::Record;
use crate::plan::schema_entries;
use crate::plan::{Entry, Kind, Plan};
use crate::schema::{
    Database, Object, ObjectKind, ObjectName, Table, TableInfo, Vendor, parse, print,
};
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};

/// A table that an apply changed, or rows of it.
#[derive(Debug, Clone)]
pub(super) struct TableUndo {
    /// As it was before; `None` where the apply created it.
    pub(super) original: Option<Table>,
    /// As it is now.
    pub(super) now: Option<Table>,
    /// Ids of the entries that changed its schema, in the plan's order.
    pub(super) changes: Vec<String>,
    /// Ids of the entries that changed its rows, in the plan's order.
    pub(super) rows: Vec<String>,
}

/// Where the apply's objects have to go back to.
#[derive(Debug)]
pub(super) struct Target {
    /// The databases as they are to be, in the order of those that are there now.
    pub(super) desired: Vec<Database>,
    /// The tables that can be led back.
    pub(super) tables: BTreeMap<ObjectName, TableUndo>,
    /// What cannot.
    pub(super) left: Vec<Left>,
    /// The databases that the apply created.
    pub(super) created: BTreeSet<String>,
}

impl Target {
    /// Finds it out.
    ///
    /// # Errors
    /// When a text of the plan cannot be read.
    pub(super) fn of(
        plan: &Plan,
        records: &[Record],
        now: &[Database],
        vendor: Vendor,
    ) -> Result<Self> {
        let mut target = Self {
            desired: now.to_vec(),
            tables: BTreeMap::new(),
            left: Vec::new(),
            created: BTreeSet::new(),
        };
        let executed = executed(records);
        let mut by_table: BTreeMap<ObjectName, TableUndo> = BTreeMap::new();
        for entry in plan
            .entries
            .iter()
            .filter(|entry| executed.contains(entry.id.as_str()))
        {
            let name = object_of(entry)?;
            match entry.kind {
                Kind::CreateDatabase => drop(target.created.insert(name.database)),
                Kind::DropDatabase => target.dropped(entry, &name.database),
                Kind::AlterDatabase => target.database(entry, &name.database),
                Kind::CreateTable
                | Kind::AlterTable
                | Kind::DropTable
                | Kind::InsertRows
                | Kind::UpdateRows
                | Kind::DeleteRows => {
                    let info = of_name(now, &name.database)
                        .and_then(|database| database.tables.get(&name.name));
                    let table = by_table.entry(name).or_insert_with(|| TableUndo {
                        original: None,
                        now: info.map(|info| info.table.clone()),
                        changes: Vec::new(),
                        rows: Vec::new(),
                    });
                    if entry.kind.is_rows() {
                        table.rows.push(entry.id.clone());
                    } else {
                        table.changes.push(entry.id.clone());
                    }
                }
                _ => target.object(entry, &name, records),
            }
        }
        for (name, table) in by_table {
            target.table(plan, name, table, records, vendor)?;
        }
        Ok(target)
    }

    fn table(
        &mut self,
        plan: &Plan,
        name: ObjectName,
        mut table: TableUndo,
        records: &[Record],
        vendor: Vendor,
    ) -> Result<()> {
        let changes: Vec<&Entry> = table
            .changes
            .iter()
            .filter_map(|id| plan.entry(id))
            .collect();
        let Some(first) = changes.first() else {
            // Rows alone: the schema stays.
            table.original.clone_from(&table.now);
            if table.now.is_none() {
                self.leave(&name, "the table is gone");
                return Ok(());
            }
            self.tables.insert(name, table);
            return Ok(());
        };
        table.original = read(first.before.as_deref()).with_context(|| first.id.clone())?;
        let now = table.now.as_ref().map(print::fingerprint);
        let mut states = vec![table.original.as_ref().map(print::fingerprint)];
        for entry in &changes {
            let after = read(entry.after.as_deref()).with_context(|| entry.id.clone())?;
            states.push(after.as_ref().map(print::fingerprint));
        }
        let between = || {
            changes
                .iter()
                .any(|entry| is_between(entry, table.now.as_ref(), &name, vendor))
        };
        if !states.contains(&now) && !between() {
            let reason = if now.is_some() {
                "its schema changed since the plan was applied"
            } else {
                "the table was dropped since the plan was applied"
            };
            self.leave(&name, reason);
            return Ok(());
        }
        self.set_table(&name, table.original.as_ref());
        if table.now.is_none() && table.original.is_some() {
            for trigger in lost_triggers(&table.changes, records) {
                if let Some(database) = self.database_mut(&name.database) {
                    let key = (ObjectKind::Trigger, trigger.name.clone());
                    database.objects.insert(key, trigger);
                }
            }
        }
        self.tables.insert(name, table);
        Ok(())
    }

    /// A view, trigger, routine or event.
    fn object(&mut self, entry: &Entry, name: &ObjectName, records: &[Record]) {
        let Some(kind) = object_kind(entry.kind) else {
            return;
        };
        let key = (kind, name.name.clone());
        let now =
            of_name(&self.desired, &name.database).and_then(|database| database.objects.get(&key));
        let before = records.iter().rev().find_map(|record| match record {
            Record::Object {
                entry: own,
                object: Some(object),
                ..
            } if *own == entry.id => Some((**object).clone()),
            _ => None,
        });
        if entry.before.is_some() && before.is_none() {
            self.leave(name, "the undo record does not say how it was");
            return;
        }
        let at_end = now.map(|object| &object.create) == entry.after.as_ref()
            && now.is_none_or(|object| same_environment(entry, object));
        // Killed between DROP and CREATE.
        let between = now.is_none() && entry.before.is_some();
        let back_already = match (now, &before) {
            (Some(now), Some(before)) => {
                now.create == before.create
                    && now.sql_mode == before.sql_mode
                    && now.charset_client == before.charset_client
                    && now.collation_connection == before.collation_connection
            }
            (now, before) => now.is_none() && before.is_none(),
        };
        if !at_end && !between && !back_already {
            self.leave(name, "it changed since the plan was applied");
            return;
        }
        if let Some(database) = self.database_mut(&name.database) {
            match before {
                Some(object) => drop(database.objects.insert(key, object)),
                None => drop(database.objects.remove(&key)),
            }
        }
    }

    /// A database that the apply dropped is made again.
    fn dropped(&mut self, entry: &Entry, name: &str) {
        let before = defaults(entry.before.as_deref());
        if let (Some(database), Some(before)) = (self.database_mut(name), before)
            && !database.exists
        {
            database.exists = true;
            (database.charset, database.collation) = before;
        }
    }

    /// A database's own defaults.
    fn database(&mut self, entry: &Entry, name: &str) {
        let before = defaults(entry.before.as_deref());
        let after = defaults(entry.after.as_deref());
        let mut changed = true;
        if let (Some(database), Some(before)) = (self.database_mut(name), before) {
            let now = (database.charset.clone(), database.collation.clone());
            changed = Some(&now) != after.as_ref() && now != before;
            if !changed {
                (database.charset, database.collation) = before;
            }
        }
        if changed {
            self.left.push(Left {
                object: entry.object.clone(),
                reason: "the database's defaults changed since the plan was applied".to_owned(),
                examples: Vec::new(),
            });
        }
    }

    /// Keeps tables that the apply created and that hold rows of another hand.
    pub(super) fn drop_only_ours(&mut self, foreign: &BTreeSet<ObjectName>, now: &[Database]) {
        for name in foreign {
            self.keep(name, now);
            self.leave(
                name,
                "the apply created it, and it holds rows that were added or changed since",
            );
        }
    }

    /// Leaves a table as it is.
    pub(super) fn keep(&mut self, name: &ObjectName, now: &[Database]) {
        let there = of_name(now, &name.database)
            .and_then(|database| database.tables.get(&name.name))
            .cloned();
        if let Some(database) = self.database_mut(&name.database) {
            match there {
                Some(info) => drop(database.tables.insert(name.name.clone(), info)),
                None => drop(database.tables.remove(&name.name)),
            }
        }
        self.tables.remove(name);
    }

    fn set_table(&mut self, name: &ObjectName, table: Option<&Table>) {
        let Some(database) = self.database_mut(&name.database) else {
            return;
        };
        let there = database.tables.remove(&name.name);
        if let Some(table) = table {
            database.tables.insert(
                name.name.clone(),
                TableInfo {
                    table: table.clone(),
                    create: print::create_table(table),
                    estimated_rows: there.as_ref().map_or(0, |info| info.estimated_rows),
                    data_bytes: there.as_ref().map_or(0, |info| info.data_bytes),
                },
            );
        }
    }

    fn database_mut(&mut self, name: &str) -> Option<&mut Database> {
        self.desired
            .iter_mut()
            .find(|database| database.name == name)
    }

    fn leave(&mut self, name: &ObjectName, reason: &str) {
        self.left.push(Left {
            object: name.to_string(),
            reason: reason.to_owned(),
            examples: Vec::new(),
        });
    }
}

/// The character set and collation in a database's text.
fn defaults(text: Option<&str>) -> Option<(String, String)> {
    let (_, rest) = text?.rsplit_once(" CHARACTER SET ")?;
    let (charset, collation) = rest.split_once(" COLLATE ")?;
    Some((charset.to_owned(), collation.to_owned()))
}

/// Ids of the entries that an apply began to execute.
fn executed(records: &[Record]) -> BTreeSet<&str> {
    records
        .iter()
        .filter_map(|record| match record {
            Record::Object { entry, .. }
            | Record::Rows { entry, .. }
            | Record::Inserts { entry, .. } => Some(entry.as_str()),
            _ => None,
        })
        .collect()
}

/// Whether a table is between two statements of an entry, where a kill left it.
fn is_between(entry: &Entry, now: Option<&Table>, name: &ObjectName, vendor: Vendor) -> bool {
    let (Kind::AlterTable, Some(now)) = (entry.kind, now) else {
        return false;
    };
    let now = print::create_table(now);
    schema_entries::statements(entry.kind, Some(&now), entry.after.as_deref(), name, vendor)
        .is_ok_and(|left| {
            !left.is_empty() && left.len() < entry.sql.len() && entry.sql.ends_with(&left)
        })
}

/// The triggers that went with a table, by the last apply that dropped it.
fn lost_triggers(changes: &[String], records: &[Record]) -> Vec<Object> {
    let mut lost = Vec::new();
    for record in records {
        match record {
            Record::Object { entry, .. } if changes.contains(entry) => lost.clear(),
            Record::Lost { entry, object } if changes.contains(entry) => {
                lost.push((**object).clone());
            }
            _ => {}
        }
    }
    lost
}

fn read(text: Option<&str>) -> Result<Option<Table>> {
    text.map(|text| parse::table(text).context("reading a table's text"))
        .transpose()
}

fn of_name<'d>(databases: &'d [Database], name: &str) -> Option<&'d Database> {
    databases.iter().find(|database| database.name == name)
}
