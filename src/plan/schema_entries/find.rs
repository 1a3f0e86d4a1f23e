//! Finds what differs: databases by their defaults, tables by their canonical texts.
//!
//! Must never read "cannot be seen" as "is not there".

use super::{Options, Pair, SchemaChanges, TableChange};
use crate::plan::{Entry, Kind, entry_id::database_id};
use crate::schema::table::Table;
use crate::schema::{ObjectName, TableInfo, Unsupported, print, vendor};
use std::collections::{BTreeMap, BTreeSet};

impl SchemaChanges {
    /// Compares databases. A table is new, gone, or differs in its canonical text.
    pub fn find(pairs: &[Pair<'_>], options: &Options<'_>) -> Self {
        let mut changes = Self {
            vendor: Some(options.vendor),
            ..Self::default()
        };
        let names: BTreeMap<&str, &str> = pairs
            .iter()
            .map(|pair| (pair.remote.name.as_str(), pair.local.name.as_str()))
            .collect();
        for pair in pairs {
            if options.databases {
                changes.database(pair, options);
            }
            changes.tables_of(pair, &names, options);
        }
        changes
    }

    fn database(&mut self, pair: &Pair<'_>, options: &Options<'_>) {
        let (local, remote) = (pair.local, pair.remote);
        let collation = if options.remote_vendor == options.vendor {
            remote.collation.clone()
        } else {
            vendor::collation(&remote.collation, options.vendor)
        };
        if !remote.exists
            || (local.exists && local.charset == remote.charset && local.collation == collation)
        {
            return;
        }
        let what = if local.exists { "alter" } else { "create" };
        let kind = if local.exists {
            Kind::AlterDatabase
        } else {
            Kind::CreateDatabase
        };
        let text = |charset: &str, collation: &str| {
            print::database(false, &local.name, charset, collation)
        };
        let mut entry = Entry::new(database_id(&local.name, what), kind, local.name.clone());
        entry.sql = vec![print::database(
            local.exists,
            &local.name,
            &remote.charset,
            &collation,
        )];
        entry.before = local.exists.then(|| text(&local.charset, &local.collation));
        entry.after = Some(text(&remote.charset, &collation));
        self.databases.push(entry);
    }

    fn tables_of(&mut self, pair: &Pair<'_>, names: &BTreeMap<&str, &str>, options: &Options<'_>) {
        let (local, remote) = (pair.local, pair.remote);
        let fold = options.lower_case_table_names != 0;
        let folded = |name: &str| {
            if fold {
                name.to_lowercase()
            } else {
                name.to_owned()
            }
        };
        // What one side could not read is neither there nor gone.
        let unread: BTreeSet<String> = local
            .unsupported
            .iter()
            .chain(&remote.unsupported)
            .map(|unsupported| {
                folded(
                    unsupported
                        .object
                        .split_once('.')
                        .map_or(unsupported.object.as_str(), |(_, name)| name),
                )
            })
            .collect();
        let own: BTreeMap<String, &TableInfo> = local
            .tables
            .iter()
            .map(|(name, info)| (folded(name), info))
            .collect();
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for (name, info) in &remote.tables {
            let key = folded(name);
            if !(options.selects)(&ObjectName::new(&remote.name, name)) {
                seen.insert(key);
                continue;
            }
            let object = ObjectName::new(
                &local.name,
                own.get(&key).map_or(
                    if options.lower_case_table_names == 1 {
                        &key
                    } else {
                        name
                    },
                    |info| &info.table.name,
                ),
            );
            if !seen.insert(key.clone()) {
                self.unsupported.push(Unsupported {
                    object: object.to_string(),
                    reason:
                        "remote has several tables of this name that differ by case, which local \
                             does not tell apart (lower_case_table_names)"
                            .to_owned(),
                });
                self.tables.remove(&object);
                continue;
            }
            if unread.contains(&key) {
                continue;
            }
            let wanted = in_local_names(&info.table, &object.name, &local.name, names, options);
            match own.get(&key) {
                Some(own) if print::create_table(&own.table) == print::create_table(&wanted) => {
                    self.equal.insert(object, own.table.clone());
                }
                own => {
                    self.tables.insert(
                        object,
                        TableChange {
                            local: own.map(|info| info.table.clone()),
                            remote: Some(wanted),
                            estimated_rows: own.map_or(0, |info| info.estimated_rows),
                            ..TableChange::default()
                        },
                    );
                }
            }
        }
        if remote.exists {
            self.local_only(pair, &own, &unread, &seen, options);
        }
    }

    /// Tables that only local has. (A database that remote does not have, or does not show, says nothing about them.)
    fn local_only(
        &mut self,
        pair: &Pair<'_>,
        own: &BTreeMap<String, &TableInfo>,
        unread: &BTreeSet<String>,
        seen: &BTreeSet<String>,
        options: &Options<'_>,
    ) {
        for (key, info) in own {
            let object = ObjectName::new(&pair.local.name, &info.table.name);
            if seen.contains(key)
                || unread.contains(key)
                || !(options.selects)(&ObjectName::new(&pair.remote.name, &info.table.name))
            {
                continue;
            }
            if (options.keep_local)(&object) {
                self.equal.insert(object, info.table.clone());
                continue;
            }
            self.tables.insert(
                object,
                TableChange {
                    local: Some(info.table.clone()),
                    remote: None,
                    estimated_rows: info.estimated_rows,
                    ..TableChange::default()
                },
            );
        }
    }
}

/// Remote's table with local's names: its own, and those of the tables and databases that its foreign keys refer to.
fn in_local_names(
    table: &Table,
    name: &str,
    database: &str,
    names: &BTreeMap<&str, &str>,
    options: &Options<'_>,
) -> Table {
    let mut table = table.clone();
    name.clone_into(&mut table.name);
    if options.remote_vendor != options.vendor {
        vendor::reword(&mut table, options.vendor);
    }
    for key in &mut table.foreign_keys {
        if let Some(referenced) = &key.referenced_database {
            let local = names
                .get(referenced.as_str())
                .map_or(referenced.as_str(), |local| local);
            key.referenced_database = (local != database).then(|| local.to_owned());
        }
        if options.lower_case_table_names == 1 {
            key.referenced_table = key.referenced_table.to_lowercase();
        }
    }
    table
}

/// The statement that gives a database the defaults named by the statement that would create it.
pub(super) fn alter_database(create: &str) -> String {
    create.replacen("CREATE DATABASE", "ALTER DATABASE", 1)
}
