//! Names of constraints that pass from one table to another: a server takes each once per database.
//!
//! Pure. Must never let a table take a name that another still has.

use super::SchemaChanges;
use crate::schema::{ObjectName, Vendor};
use std::collections::BTreeMap;

/// A kind of constraint whose names are unique within a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    ForeignKey,
    /// On MySQL; MariaDB's checks are named within their table.
    Check,
}

/// A database, a kind and a name in lower case.
type Name = (String, Kind, String);

/// Which table has a name on local, and which is to have it.
#[derive(Debug, Default)]
pub(super) struct Names {
    held: BTreeMap<Name, ObjectName>,
    wanted: BTreeMap<Name, ObjectName>,
}

impl Names {
    pub(super) fn of(changes: &SchemaChanges) -> Self {
        let checks_too = changes.vendor == Some(Vendor::MySql);
        let mut names = Self::default();
        for (table, change) in &changes.tables {
            for (side, into) in [
                (&change.local, &mut names.held),
                (&change.remote, &mut names.wanted),
            ] {
                let Some(side) = side else { continue };
                let keys = side
                    .foreign_keys
                    .iter()
                    .map(|key| (Kind::ForeignKey, &key.name));
                let checks = side
                    .checks
                    .iter()
                    .filter(|_| checks_too)
                    .map(|check| (Kind::Check, &check.name));
                into.extend(
                    keys.chain(checks)
                        .map(|(kind, name)| (key_of(table, kind, name), table.clone())),
                );
            }
        }
        names
    }

    /// Whether a name that a table has on local is to be another's.
    pub(super) fn moves(&self, kind: Kind, table: &ObjectName, name: &str) -> bool {
        self.wanted
            .get(&key_of(table, kind, name))
            .is_some_and(|other| other != table)
    }

    /// The other table that has a name which this one is to have.
    pub(super) fn holder(&self, kind: Kind, table: &ObjectName, name: &str) -> Option<&ObjectName> {
        self.held
            .get(&key_of(table, kind, name))
            .filter(|other| *other != table)
    }
}

fn key_of(table: &ObjectName, kind: Kind, name: &str) -> Name {
    (table.database.clone(), kind, name.to_lowercase())
}
