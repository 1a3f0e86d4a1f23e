//! Entries for databases and tables: from two databases' schemas to creates, phases of alters, drops, and what each
//! depends on.
//!
//! Works in steps between which the caller asks the local server (`proof`): [`SchemaChanges::find`], then remote's
//! tables as local prints them ([`SchemaChanges::printed`]), then the phases ([`SchemaChanges::diff`]), then their
//! proofs ([`SchemaChanges::entries`]). Pure. Must never let a table fall out: it is equal, an entry, or unsupported.

mod demands;
mod depend;
mod find;
mod keys;
mod load;
mod make;
mod names;

pub use demands::Demanding;

use crate::diff::schema::{self as table_diff, Phase, Surroundings, TableDiff};
use crate::plan::{Entry, entry_id::entry_id};
use crate::proof::{Failure, Proposal};
use crate::schema::table::Table;
use crate::schema::{Database, ObjectName, Unsupported, Vendor, parse, print};
use anyhow::{Context as _, Result, bail};
use std::collections::{BTreeMap, BTreeSet};

use super::Kind;

/// One database on both sides.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The database as local has it, under its local name.
    pub local: &'a Database,
    /// The database as remote has it, under its remote name.
    pub remote: &'a Database,
}

/// What the caller decides.
pub struct Options<'a> {
    /// The local server's vendor.
    pub vendor: Vendor,
    /// The remote server's vendor.
    pub remote_vendor: Vendor,
    /// The local server's `lower_case_table_names`.
    pub lower_case_table_names: u8,
    /// Whether a table, by its remote name, is in scope.
    pub selects: &'a dyn Fn(&ObjectName) -> bool,
    /// Whether a table that only local has, by its local name, is left alone.
    pub keep_local: &'a dyn Fn(&ObjectName) -> bool,
    /// Whether databases themselves are in scope.
    pub databases: bool,
}

/// A table that differs.
#[derive(Debug, Clone, Default)]
struct TableChange {
    local: Option<Table>,
    remote: Option<Table>,
    estimated_rows: u64,
    rows_change: bool,
    /// Whether its rows, once changed, are production's and no other.
    exact: bool,
    /// Columns that are dropped and added with remote's type.
    replaced: BTreeSet<String>,
    diff: Option<TableDiff>,
    notes: Vec<demands::Note>,
    /// A new table as it is created, where indexes of it wait for its rows.
    bare: Option<Table>,
}

/// What differs between the databases.
#[derive(Debug, Clone, Default)]
pub struct SchemaChanges {
    vendor: Option<Vendor>,
    databases: Vec<Entry>,
    tables: BTreeMap<ObjectName, TableChange>,
    /// Tables that both sides have alike, for what foreign keys rest on.
    equal: BTreeMap<ObjectName, Table>,
    /// Tables of which the plan updates or deletes rows.
    losing: BTreeSet<ObjectName>,
    /// Tables of which it inserts or updates rows.
    gaining: BTreeSet<ObjectName>,
    unsupported: Vec<Unsupported>,
    /// Parts of tables that stay as local has them, with the reason; the rest of such a table changes.
    held: Vec<Unsupported>,
}

impl SchemaChanges {
    /// Returns remote's tables that must be read as the local server prints them: all that are new or differ.
    pub fn to_print(&self) -> Vec<(ObjectName, Table)> {
        self.tables
            .iter()
            .filter_map(|(name, change)| Some((name.clone(), change.remote.clone()?)))
            .collect()
    }

    /// Takes remote's tables as the local server prints them. What it cannot hold is unsupported; what now is equal
    /// falls out.
    pub fn printed(&mut self, printed: BTreeMap<ObjectName, Result<Table, Failure>>) {
        for (name, answer) in printed {
            let Some(change) = self.tables.get_mut(&name) else {
                continue;
            };
            match answer {
                Ok(table) => change.remote = Some(table),
                Err(failure) => {
                    self.unsupported.push(Unsupported {
                        object: name.to_string(),
                        reason: format!("local cannot hold remote's table: {failure}"),
                    });
                    self.tables.remove(&name);
                    continue;
                }
            }
            if let (Some(local), Some(remote), Some(vendor)) =
                (&change.local, &change.remote, self.vendor)
                && table_diff::table(local, remote, vendor, &Surroundings::default()).is_empty()
            {
                self.equal.insert(name.clone(), local.clone());
                self.tables.remove(&name);
            }
        }
    }

    /// Notes of which tables the rows, once changed, are production's and no other.
    pub fn note_exact(&mut self, exact: &dyn Fn(&ObjectName) -> bool) {
        for (name, change) in &mut self.tables {
            change.exact = exact(name);
        }
    }

    /// Notes of the tables that foreign keys refer to whether the plan updates or deletes rows, and whether it inserts or
    /// updates any.
    pub fn note_parents(&mut self, rows: &dyn Fn(&ObjectName) -> (bool, bool)) {
        let parents: BTreeSet<ObjectName> = self
            .tables
            .iter()
            .flat_map(|(name, change)| {
                let sides = change.local.iter().chain(&change.remote);
                sides
                    .flat_map(|table| &table.foreign_keys)
                    .map(move |key| depend::parent_of(name, key))
            })
            .collect();
        self.losing.clear();
        self.gaining.clear();
        for parent in parents {
            let (losing, gaining) = rows(&parent);
            if losing {
                self.losing.insert(parent.clone());
            }
            if gaining {
                self.gaining.insert(parent);
            }
        }
    }

    /// Makes the phases. `rows_change` says of a table, by its local name, whether the plan changes rows of it.
    pub fn diff(&mut self, rows_change: &dyn Fn(&ObjectName) -> bool) {
        for (name, change) in &mut self.tables {
            change.rows_change = rows_change(name);
        }
        depend::draw_in_children(self);
        let surroundings = depend::surroundings(self);
        let Some(vendor) = self.vendor else {
            return;
        };
        for (name, change) in &mut self.tables {
            let around = surroundings.get(name).cloned().unwrap_or_default();
            change.diff = match (&change.local, &change.remote) {
                (Some(local), Some(remote)) => {
                    Some(table_diff::table(local, remote, vendor, &around))
                }
                (Some(local), None)
                    if !around.moved_keys.is_empty() || !around.moved_checks.is_empty() =>
                {
                    // It goes last, but its foreign keys would hold up what they refer to, and their names others.
                    let mut detached = local.clone();
                    detached
                        .foreign_keys
                        .retain(|key| !around.moved_keys.contains(&key.name.to_lowercase()));
                    detached
                        .checks
                        .retain(|check| !around.moved_checks.contains(&check.name.to_lowercase()));
                    Some(table_diff::table(local, &detached, vendor, &around))
                }
                _ => None,
            };
        }
    }

    /// Has columns of a table, by lower-case name, dropped and added again instead of converted, since local's values
    /// do not convert. Returns all columns of which that is so; `None` where none is new.
    pub fn replace(&mut self, name: &ObjectName, columns: &[String]) -> Option<BTreeSet<String>> {
        let change = self.tables.get_mut(name)?;
        let known = change.replaced.len();
        change.replaced.extend(columns.iter().cloned());
        (change.replaced.len() > known).then(|| change.replaced.clone())
    }

    /// Returns a table as its rows will find it: created, or after its expand phase. `None` for a table that does not
    /// change before its rows.
    pub fn expanded(&self, name: &ObjectName) -> Option<&Table> {
        let change = self.tables.get(name)?;
        match (&change.diff, &change.local) {
            (Some(diff), _) => Some(&diff.expanded),
            (None, None) => change.remote.as_ref(),
            (None, Some(_)) => None,
        }
    }

    /// Returns remote's table in local's terms, for a table that is new or differs.
    pub fn remote(&self, name: &ObjectName) -> Option<&Table> {
        self.tables.get(name)?.remote.as_ref()
    }

    /// Returns the changes that must be proven.
    pub fn to_prove(&self) -> Vec<Proposal<'_>> {
        self.tables
            .iter()
            .filter_map(|(name, change)| {
                Some(Proposal {
                    name,
                    local: change.local.as_ref()?,
                    remote: change.remote.as_ref()?,
                    diff: change.diff.as_ref()?,
                })
            })
            .collect()
    }

    /// Returns the entries, and what is unsupported: whole tables, and parts of tables; given the proven changes.
    pub fn entries(mut self, proven: BTreeMap<ObjectName, Result<TableDiff, Failure>>) -> Made {
        for (name, answer) in proven {
            match answer {
                Ok(diff) => {
                    if let Some(change) = self.tables.get_mut(&name) {
                        change.diff = Some(diff);
                    }
                }
                Err(failure) => {
                    self.unsupported.push(Unsupported {
                        object: name.to_string(),
                        reason: format!("its change could not be proven: {failure}"),
                    });
                    self.tables.remove(&name);
                }
            }
        }
        make::entries(self)
    }
}

/// What comes of the changes.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Tables that are left as they are.
    pub stuck: Vec<Unsupported>,
    /// Parts of tables that are left as they are.
    pub held: Vec<Unsupported>,
}

/// Returns the statements of a schema entry again from its texts: exactly those that the plan was made with.
///
/// # Errors
/// Where a text that the kind needs is missing, does not parse, or is of another table than the entry.
pub fn statements(
    kind: Kind,
    before: Option<&str>,
    after: Option<&str>,
    object: &ObjectName,
    vendor: Vendor,
) -> Result<Vec<String>> {
    let text = |text: Option<&'_ str>| {
        text.map(str::to_owned).with_context(|| {
            format!("the entry for {object} has no text to make its statement from")
        })
    };
    Ok(match kind {
        Kind::CreateDatabase => vec![database_text(&text(after)?, &object.database)?],
        Kind::AlterDatabase => {
            vec![find::alter_database(&database_text(
                &text(after)?,
                &object.database,
            )?)]
        }
        Kind::DropDatabase => vec![print::drop_database(&object.database)],
        Kind::CreateTable => {
            let table = table_text("after", &text(after)?, object)?;
            vec![print::create_table_in(&object.database, &table)]
        }
        Kind::AlterTable => {
            let before = table_text("before", &text(before)?, object)?;
            let after = table_text("after", &text(after)?, object)?;
            table_diff::alter_statements(&before, &after, &object.database, vendor)
        }
        Kind::DropTable => {
            table_text("before", &text(before)?, object)?;
            vec![print::drop_table(&object.database, &object.name)]
        }
        _ => bail!("{object} is neither a database nor a table"),
    })
}

/// Reads one of an entry's texts, after checking that it is of the table that the entry names: the statement would
/// change the one that the text names.
fn table_text(which: &str, text: &str, object: &ObjectName) -> Result<Table> {
    let table =
        parse::table(text).with_context(|| format!("reading the text `{which}` of {object}"))?;
    if table.name != object.name {
        bail!(
            "its text `{which}` is of the table `{}`, not of `{}`",
            table.name,
            object.name
        );
    }
    Ok(table)
}

/// Returns the text that creates a database, after checking that it is that and nothing else.
fn database_text(text: &str, name: &str) -> Result<String> {
    let word = |word: &&str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let head = format!("CREATE DATABASE {} CHARACTER SET ", crate::sql::ident(name));
    text.strip_prefix(&head)
        .and_then(|rest| rest.split_once(" COLLATE "))
        .filter(|(charset, collation)| word(charset) && word(collation))
        .map(|(charset, collation)| print::database(false, name, charset, collation))
        .with_context(|| {
            format!("the text of the database {name} is not the statement that creates it")
        })
}

/// The last part of an entry's id, and its phase in the plan.
fn phase_names(phase: Phase) -> (&'static str, super::Phase) {
    match phase {
        Phase::Detach => ("detach", super::Phase::Expand),
        Phase::Replace => ("replace", super::Phase::Expand),
        Phase::Expand => ("expand", super::Phase::Expand),
        Phase::Constrain => ("constrain", super::Phase::Constrain),
        Phase::Attach => ("attach", super::Phase::Constrain),
        Phase::Contract => ("contract", super::Phase::Contract),
        Phase::Reattach => ("reattach", super::Phase::Contract),
    }
}

fn table_id(name: &ObjectName, what: &str) -> String {
    entry_id(&name.database, &name.name, what)
}
