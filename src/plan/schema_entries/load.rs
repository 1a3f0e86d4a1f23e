//! Which indexes of a new table wait until its rows are in: a server builds them from all rows far faster than row by
//! row.
//!
//! Pure. Must never let an index wait that the rows' key, a counter or a foreign key needs.

use super::{SchemaChanges, depend};
use crate::diff::clause::{self, Change};
use crate::proof::Deferral;
use crate::schema::table::{Index, IndexKind, Table};
use crate::schema::{ObjectName, Vendor};

impl SchemaChanges {
    /// Lets indexes of new tables wait for the rows. `loads_many` says of a table, by its local name, whether the plan
    /// inserts so many rows that it pays.
    pub fn defer_indexes(&mut self, loads_many: &dyn Fn(&ObjectName) -> bool) {
        let Some(vendor) = self.vendor else { return };
        let mut found = Vec::new();
        for (name, change) in &self.tables {
            if let (None, Some(remote)) = (&change.local, &change.remote)
                && loads_many(name)
            {
                let referenced = self.referenced_columns(name);
                if let Some(bare) = without_indexes(remote, &referenced, vendor) {
                    found.push((name.clone(), bare));
                }
            }
        }
        for (name, bare) in found {
            if let Some(change) = self.tables.get_mut(&name) {
                change.bare = Some(bare);
            }
        }
    }

    /// Returns the tables with indexes that wait, each to be tried on the local server.
    pub fn deferrals(&self) -> Vec<Deferral<'_>> {
        self.tables
            .iter()
            .filter_map(|(name, change)| {
                Some(Deferral {
                    name,
                    bare: change.bare.as_ref()?,
                    whole: change.remote.as_ref()?,
                })
            })
            .collect()
    }

    /// Creates a table with all its indexes after all.
    pub fn keep_indexes(&mut self, name: &ObjectName) {
        if let Some(change) = self.tables.get_mut(name) {
            change.bare = None;
        }
    }

    /// The columns of a table that foreign keys of either side refer to.
    fn referenced_columns(&self, name: &ObjectName) -> Vec<Vec<String>> {
        let changed = self.tables.iter().flat_map(|(child, change)| {
            let tables = change.remote.iter().chain(&change.local);
            tables.map(move |table| (child, table))
        });
        changed
            .chain(&self.equal)
            .flat_map(|(child, table)| table.foreign_keys.iter().map(move |key| (child, key)))
            .filter(|(child, key)| depend::parent_of(child, key) == *name)
            .map(|(_, key)| key.referenced_columns.clone())
            .collect()
    }
}

/// Returns a new table without the indexes that can wait, and without foreign keys; `None` where none can.
fn without_indexes(table: &Table, referenced: &[Vec<String>], vendor: Vendor) -> Option<Table> {
    // Other engines rebuild the table for an index.
    if !table
        .options
        .get("ENGINE")
        .is_some_and(|engine| engine.eq_ignore_ascii_case("InnoDB"))
    {
        return None;
    }
    let key = key_index(table);
    let whole = Table {
        foreign_keys: Vec::new(),
        ..table.clone()
    };
    let mut bare = whole.clone();
    bare.indexes.retain(|index| {
        key == Some(index.name.as_str())
            || !can_wait(index, table)
            || referenced.iter().any(|columns| begins_with(index, columns))
    });
    let statements = clause::alter(&bare, &whole, vendor);
    let only_adds = statements
        .iter()
        .flatten()
        .all(|clause| matches!(clause.change, Change::AddIndex(_)));
    (only_adds && statements.len() == 1).then_some(bare)
}

/// The index by which rows are told apart.
fn key_index(table: &Table) -> Option<&str> {
    let columns = table.comparison_key()?;
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    table
        .indexes
        .iter()
        .filter(|index| matches!(index.kind, IndexKind::Primary | IndexKind::Unique))
        .find(|index| {
            index
                .parts
                .iter()
                .map(|part| part.column.as_deref().unwrap_or_default())
                .eq(names.iter().copied())
        })
        .map(|index| index.name.as_str())
}

/// Whether an index is of a kind that a server adds in place, and no counter needs it.
fn can_wait(index: &Index, table: &Table) -> bool {
    matches!(index.kind, IndexKind::Unique | IndexKind::Plain)
        && index.options.is_empty()
        && index.parts.iter().all(|part| {
            part.column
                .as_deref()
                .and_then(|name| table.column(name))
                .is_some_and(|column| !column.auto_increment && column.generated.is_none())
        })
}

fn begins_with(index: &Index, columns: &[String]) -> bool {
    index.parts.len() >= columns.len()
        && index.parts.iter().zip(columns).all(|(part, name)| {
            part.column
                .as_ref()
                .is_some_and(|column| column.eq_ignore_ascii_case(name))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::parse;

    fn bare(keys: &str, options: &str, referenced: &[&[&str]]) -> Option<String> {
        let table = parse::table(&format!(
            "CREATE TABLE `t` (\n  `id` int NOT NULL,\n  `n` int NOT NULL AUTO_INCREMENT,\n  `a` int NOT NULL,\n  `b` int \
             DEFAULT NULL,\n  {keys}\n) {options}"
        ))
        .unwrap();
        let referenced: Vec<Vec<String>> = referenced
            .iter()
            .map(|columns| columns.iter().map(|&name| name.to_owned()).collect())
            .collect();
        let bare = without_indexes(&table, &referenced, Vendor::MySql)?;
        let names: Vec<&str> = bare
            .indexes
            .iter()
            .map(|index| index.name.as_str())
            .collect();
        Some(names.join(" "))
    }

    const INNODB: &str = "ENGINE=InnoDB";

    #[test]
    fn what_the_rows_need_is_created_with_the_table() {
        let keys =
            "PRIMARY KEY (`id`),\n  UNIQUE KEY `ub` (`b`),\n  KEY `n` (`n`),\n  KEY `a` (`a`,`b`)";
        assert_eq!(bare(keys, INNODB, &[]).as_deref(), Some("PRIMARY n"));
        // A foreign key refers to it.
        assert_eq!(
            bare(keys, INNODB, &[&["B"]]).as_deref(),
            Some("PRIMARY ub n")
        );
        assert_eq!(bare(keys, "ENGINE=MyISAM", &[]), None);
    }

    #[test]
    fn the_unique_index_that_stands_for_a_key_stays() {
        let keys = "UNIQUE KEY `ua` (`a`),\n  UNIQUE KEY `un` (`n`),\n  KEY `b` (`b`)";
        assert_eq!(bare(keys, INNODB, &[]).as_deref(), Some("ua un"));
    }

    #[test]
    fn nothing_waits_where_all_are_needed() {
        assert_eq!(
            bare("PRIMARY KEY (`id`),\n  KEY `n` (`n`)", INNODB, &[]),
            None
        );
    }
}
