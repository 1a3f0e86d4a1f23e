//! Which tables are taken in, and what the rules say of each.
//!
//! Globs match a table's name or `database.table`, both as the remote server has them, case as it is.

use super::{Config, Mask};
use crate::schema::ObjectName;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::collections::BTreeMap;

/// What the rules say of one table, merged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EffectiveRule {
    /// Column that changes with every update of a row.
    pub updated_at: Option<String>,
    /// Column that is set when a row is made.
    pub created_at: Option<String>,
    /// Condition that restricts both sides.
    pub filter: Option<String>,
    /// Forces, and so approves, the full comparison.
    pub full_diff: bool,
    /// Compares the keys of incremental tables as well.
    pub check_deletes: bool,
    /// Leaves rows and objects alone that only local has.
    pub keep_local: bool,
    /// Masks by column.
    pub mask: BTreeMap<String, Mask>,
    /// Where the config says so.
    pub places: Places,
}

/// The rules, by their number, that had the last word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// On the condition.
    pub filter: usize,
    /// On a column's mask.
    pub mask: BTreeMap<String, usize>,
}

impl Places {
    /// Returns the path of the condition in the config.
    pub fn filter_path(&self) -> String {
        format!("tables.rules[{}].where", self.filter)
    }

    /// Returns the path of a column's mask in the config.
    pub fn mask_path(&self, column: &str) -> String {
        let place = self.mask.get(column).copied().unwrap_or_default();
        format!("tables.rules[{place}].mask.{column}")
    }
}

/// Globs over table names.
#[derive(Debug, Clone)]
pub struct Patterns(GlobSet);

impl Patterns {
    /// Compiles globs.
    ///
    /// # Errors
    /// Why one of them is no glob.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            let glob = GlobBuilder::new(pattern)
                .literal_separator(false)
                .backslash_escape(true)
                .build()
                .map_err(|failure| failure.kind().to_string())?;
            set.add(glob);
        }
        set.build().map(Self).map_err(|failure| failure.to_string())
    }

    /// Returns whether one of them matches the table's name, or `database.table`.
    pub fn matches(&self, table: &ObjectName) -> bool {
        self.0.is_match(&table.name) || self.0.is_match(table.to_string())
    }
}

impl Config {
    /// Returns whether the table (remote name) is taken in: `exclude` wins over `include`.
    pub fn selects(&self, table: &ObjectName) -> bool {
        any(&self.tables.include, table) && !any(&self.tables.exclude, table)
    }

    /// Returns what the rules say of a table (remote name): tried in order, a later match has the last word on what it
    /// sets.
    pub fn rule_for(&self, table: &ObjectName) -> EffectiveRule {
        let mut merged = EffectiveRule::default();
        let matching = self
            .tables
            .rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| any(std::slice::from_ref(&rule.pattern), table));
        for (place, rule) in matching {
            set(&mut merged.updated_at, rule.updated_at.as_ref());
            set(&mut merged.created_at, rule.created_at.as_ref());
            if rule.filter.is_some() {
                merged.filter.clone_from(&rule.filter);
                merged.places.filter = place;
            }
            merged.full_diff = rule.full_diff.unwrap_or(merged.full_diff);
            merged.check_deletes = rule.check_deletes.unwrap_or(merged.check_deletes);
            merged.keep_local = rule.keep_local.unwrap_or(merged.keep_local);
            for (column, mask) in rule.mask.iter().flatten() {
                merged.mask.insert(column.clone(), mask.clone());
                merged.places.mask.insert(column.clone(), place);
            }
        }
        merged
    }
}

fn set(slot: &mut Option<String>, value: Option<&String>) {
    if value.is_some() {
        *slot = value.cloned();
    }
}

fn any(patterns: &[String], table: &ObjectName) -> bool {
    // Every glob was compiled once when the config was read.
    Patterns::new(patterns.iter().map(String::as_str)).is_ok_and(|patterns| patterns.matches(table))
}
