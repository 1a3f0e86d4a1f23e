//! Foreign keys that the plan adds: whether their two ends go together.
//!
//! Production may hold a key whose ends do not, made while its checks were off; local would refuse it when it is
//! applied. Must never let such a key hold up the rest of its table.

use super::{SchemaChanges, TableChange, depend};
use crate::proof::{KeyProposal, RefusedKey};
use crate::schema::table::{Column, ForeignKey, IndexKind, Table};
use crate::schema::{ObjectName, Unsupported};

impl SchemaChanges {
    /// Returns the foreign keys that the plan adds, or adds again, and that must be tried first.
    pub fn keys_to_try(&self) -> Vec<KeyProposal<'_>> {
        let changed = self.tables.iter().filter_map(|(name, change)| {
            Some((name, change.local.as_ref(), change.remote.as_ref()?))
        });
        let equal = self
            .equal
            .iter()
            .map(|(name, table)| (name, Some(table), table));
        changed
            .chain(equal)
            .flat_map(|(name, local, child)| {
                child.foreign_keys.iter().filter_map(move |key| {
                    let (before, parent) = self.ends(&depend::parent_of(name, key))?;
                    let stays = local.is_some_and(|own| {
                        own.foreign_keys.contains(key)
                            && same_types(own, child, &key.columns)
                            && before.is_some_and(|before| {
                                same_types(before, parent, &key.referenced_columns)
                            })
                    });
                    (!stays && !goes_together(child, key, parent)).then_some(KeyProposal {
                        name,
                        child,
                        key,
                        parent,
                    })
                })
            })
            .collect()
    }

    /// A table as local has it and as it will be.
    fn ends(&self, name: &ObjectName) -> Option<(Option<&Table>, &Table)> {
        match self.tables.get(name) {
            Some(change) => Some((change.local.as_ref(), change.remote.as_ref()?)),
            None => self.equal.get(name).map(|table| (Some(table), table)),
        }
    }

    /// Leaves out foreign keys that local refuses. Each is unsupported; its table goes on without it.
    pub fn leave_out(&mut self, refused: Vec<RefusedKey>) {
        for RefusedKey { table, key, reason } in refused {
            if let Some(own) = self.equal.remove(&table) {
                let change = TableChange {
                    local: Some(own.clone()),
                    remote: Some(own),
                    ..TableChange::default()
                };
                self.tables.insert(table.clone(), change);
            }
            if let Some(remote) = self
                .tables
                .get_mut(&table)
                .and_then(|change| change.remote.as_mut())
            {
                remote.foreign_keys.retain(|other| other.name != key);
            }
            self.held.push(Unsupported {
                object: table.to_string(),
                reason: format!(
                    "foreign key `{key}`: {reason}\nIt is left out; the rest of the table's change goes on"
                ),
            });
        }
    }
}

fn same_types(before: &Table, after: &Table, columns: &[String]) -> bool {
    columns
        .iter()
        .all(|name| match (before.column(name), after.column(name)) {
            (Some(before), Some(after)) => same_type(before, after),
            _ => false,
        })
}

fn same_type(a: &Column, b: &Column) -> bool {
    a.data_type == b.data_type && a.charset == b.charset && a.collation == b.collation
}

/// Whether both ends are such that no server refuses the key.
fn goes_together(child: &Table, key: &ForeignKey, parent: &Table) -> bool {
    let usual = |table: &Table| {
        table.partitioning.is_none()
            && table
                .options
                .get("ENGINE")
                .is_some_and(|engine| engine.eq_ignore_ascii_case("InnoDB"))
    };
    let sets_null = [&key.on_delete, &key.on_update]
        .into_iter()
        .flatten()
        .any(|action| action.eq_ignore_ascii_case("SET NULL"));
    let columns = key
        .columns
        .iter()
        .zip(&key.referenced_columns)
        .all(
            |(own, other)| match (child.column(own), parent.column(other)) {
                (Some(own), Some(other)) => {
                    same_type(own, other)
                        && own.generated.is_none()
                        && other.generated.is_none()
                        && (own.nullable || !sets_null)
                }
                _ => false,
            },
        );
    let unique = parent.indexes.iter().any(|index| {
        matches!(index.kind, IndexKind::Primary | IndexKind::Unique)
            && index.parts.len() == key.referenced_columns.len()
            && index
                .parts
                .iter()
                .zip(&key.referenced_columns)
                .all(|(part, name)| {
                    part.prefix.is_none()
                        && part
                            .column
                            .as_ref()
                            .is_some_and(|column| column.eq_ignore_ascii_case(name))
                })
    });
    usual(child) && usual(parent) && columns && unique
}
