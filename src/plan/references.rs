//! The order of tables by their foreign keys: parents, children, cycles.
//!
//! Must never fail on a cycle: tables of one cycle keep the order of their names.

use std::collections::{BTreeMap, BTreeSet};

/// Who refers to whom: table → the tables its foreign keys point to (itself left out).
#[derive(Debug, Clone, Default)]
pub struct References {
    parents: BTreeMap<String, BTreeSet<String>>,
}

impl References {
    /// Notes a table and the tables it refers to. Names are `database.table`.
    pub fn add(&mut self, table: &str, parents: impl IntoIterator<Item = String>) {
        let noted = self.parents.entry(table.to_owned()).or_default();
        noted.extend(parents.into_iter().filter(|parent| parent != table));
    }

    /// Returns the tables that a table refers to directly.
    pub fn parents_of(&self, table: &str) -> impl Iterator<Item = &str> {
        self.parents
            .get(table)
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// Returns whether `parent` can be reached from `table` along foreign keys.
    pub fn reaches(&self, table: &str, parent: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![table];
        while let Some(name) = open.pop() {
            for next in self.parents_of(name) {
                if next == parent {
                    return true;
                }
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        false
    }

    /// Returns all tables noted, each after the tables it refers to, where no cycle forbids that.
    pub fn parents_first(&self) -> Vec<String> {
        let mut order = Vec::with_capacity(self.parents.len());
        let mut done = BTreeSet::new();
        for table in self.parents.keys() {
            self.visit(table, &mut done, &mut order);
        }
        order
    }

    /// Depth first with a stack of its own: a chain of foreign keys may be as long as a schema has tables.
    fn visit<'a>(&'a self, table: &'a str, done: &mut BTreeSet<&'a str>, order: &mut Vec<String>) {
        let mut stack = vec![(table, false)];
        while let Some((name, parents_done)) = stack.pop() {
            if parents_done {
                order.push(name.to_owned());
            } else if done.insert(name) {
                stack.push((name, true));
                let parents: Vec<&str> = self
                    .parents_of(name)
                    .filter(|parent| self.parents.contains_key(*parent))
                    .collect();
                stack.extend(parents.into_iter().rev().map(|parent| (parent, false)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(pairs: &[(&str, &[&str])]) -> References {
        let mut references = References::default();
        for (table, parents) in pairs {
            references.add(table, parents.iter().map(|parent| (*parent).to_owned()));
        }
        references
    }

    #[test]
    fn parents_come_first() {
        let references = references(&[("a", &["c"]), ("b", &[]), ("c", &["b", "c"])]);
        assert_eq!(references.parents_first(), ["b", "c", "a"]);
        assert!(references.reaches("a", "b"));
        assert!(!references.reaches("b", "a"));
    }

    #[test]
    fn a_cycle_ends_and_keeps_every_table() {
        let references = references(&[("a", &["b"]), ("b", &["a"]), ("c", &["a"])]);
        assert_eq!(references.parents_first(), ["b", "a", "c"]);
        assert!(references.reaches("a", "a"));
    }

    #[test]
    fn a_parent_out_of_scope_is_left_out() {
        assert_eq!(references(&[("a", &["elsewhere"])]).parents_first(), ["a"]);
    }
}
