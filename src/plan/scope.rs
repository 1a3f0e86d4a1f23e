//! Which databases and tables a plan takes in: the config's globs, narrowed by `--tables`.
//!
//! Must never match by anything but remote names, and must never take a pattern that matches nothing for "no change".

use crate::config::Config;
use crate::refusal::Problem;
use crate::schema::ObjectName;
use anyhow::Result;
use globset::{Glob, GlobSet, GlobSetBuilder};

/// A list of names or globs given on the command line, over `table` or `database.table` (remote names).
#[derive(Debug, Clone)]
pub struct Patterns {
    texts: Vec<String>,
    set: GlobSet,
}

impl Patterns {
    /// Reads the patterns of the flag `flag`.
    ///
    /// # Errors
    /// When a pattern is no glob.
    pub fn new(flag: &str, texts: &[String]) -> Result<Self> {
        let mut set = GlobSetBuilder::new();
        for text in texts {
            let glob = Glob::new(text).map_err(|error| {
                Problem::new(
                    format!("{flag} \"{text}\" is no table name or glob: {}", error.kind()),
                    "give table names such as users, shop.users or order_*, separated by commas",
                )
            })?;
            set.add(glob);
        }
        Ok(Self { texts: texts.to_vec(), set: set.build()? })
    }

    /// Returns whether any pattern was given.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Returns the patterns as given.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Returns whether a pattern matches the table.
    pub fn matches(&self, table: &ObjectName) -> bool {
        self.set.is_match(&table.name) || self.set.is_match(table.to_string())
    }

    /// Returns the patterns that match none of the tables.
    pub fn unmatched<'a>(&'a self, tables: &[ObjectName]) -> Vec<&'a str> {
        let matched: std::collections::BTreeSet<usize> = tables
            .iter()
            .flat_map(|table| {
                let mut hits = self.set.matches(&table.name);
                hits.extend(self.set.matches(table.to_string()));
                hits
            })
            .collect();
        self.texts
            .iter()
            .enumerate()
            .filter(|(position, _)| !matched.contains(position))
            .map(|(_, text)| text.as_str())
            .collect()
    }
}

/// What a plan takes in.
#[derive(Debug, Clone)]
pub struct Selection<'a> {
    config: &'a Config,
    /// `--tables`.
    pub tables: Patterns,
    /// `--full-diff`.
    pub full_diff: Patterns,
    /// `--full-diff-all`, or the prompt's "all".
    pub full_diff_all: bool,
}

impl<'a> Selection<'a> {
    /// Reads the flags over the config.
    ///
    /// # Errors
    /// When a pattern is no glob.
    pub fn new(config: &'a Config, tables: &[String], full_diff: &[String], full_diff_all: bool) -> Result<Self> {
        Ok(Self {
            config,
            tables: Patterns::new("--tables", tables)?,
            full_diff: Patterns::new("--full-diff", full_diff)?,
            full_diff_all,
        })
    }

    /// Returns whether a table or view takes part.
    pub fn takes(&self, remote: &ObjectName) -> bool {
        self.config.selects(remote) && (self.tables.is_empty() || self.tables.matches(remote))
    }

    /// Returns whether objects that belong to no table (procedures, functions, events) take part: not when
    /// `--tables` narrows the plan.
    pub fn takes_whole_databases(&self) -> bool {
        self.tables.is_empty()
    }

    /// Returns whether a full comparison of the table was asked for, and so approved.
    pub fn approves_full(&self, remote: &ObjectName) -> bool {
        self.full_diff_all || self.full_diff.matches(remote) || self.config.rule_for(remote).full_diff
    }

    /// Checks that every pattern of the flags matches one of the tables and views there are, on either side.
    ///
    /// # Errors
    /// When one matches none: a misspelt name must not look like "no changes".
    pub fn check_patterns(&self, known: &[ObjectName]) -> Result<()> {
        for (flag, patterns) in [("--tables", &self.tables), ("--full-diff", &self.full_diff)] {
            if let Some(text) = patterns.unmatched(known).first() {
                let names: Vec<String> = known.iter().take(12).map(ToString::to_string).collect();
                return Err(Problem::new(
                    format!("{flag} \"{text}\" matches no table on either side"),
                    format!("tables there are: {}{}", names.join(", "), if known.len() > 12 { ", …" } else { "" }),
                )
                .into());
            }
        }
        Ok(())
    }
}
