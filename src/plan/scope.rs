//! Which databases and tables a plan takes in: the config's globs, narrowed by `--tables`.
//!
//! Must never match by anything but remote names, and must never take a pattern that matches nothing for "no change".

use crate::config::Config;
use crate::config::rules::Patterns;
use crate::refusal::Problem;
use crate::schema::ObjectName;
use anyhow::Result;

/// Names or globs given with one flag, over `table` or `database.table` (remote names).
#[derive(Debug, Clone)]
pub struct Named(Vec<(String, Patterns)>);

impl Named {
    /// Reads the patterns of the flag `flag`.
    ///
    /// # Errors
    /// When a pattern is no glob.
    pub fn new(flag: &str, texts: &[String]) -> Result<Self> {
        let compiled = texts.iter().map(|text| {
            let pattern = Patterns::new([text.as_str()]).map_err(|reason| {
                Problem::new(
                    format!("{flag} \"{text}\" is no table name or glob: {reason}"),
                    "give table names such as users, shop.users or order_*, separated by commas",
                )
            })?;
            Ok((text.clone(), pattern))
        });
        compiled.collect::<Result<_>>().map(Self)
    }

    /// Returns whether any pattern was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the patterns as given.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(text, _)| text.as_str())
    }

    /// Returns whether a pattern matches the table.
    pub fn matches(&self, table: &ObjectName) -> bool {
        self.0.iter().any(|(_, pattern)| pattern.matches(table))
    }

    /// Returns the first pattern that matches none of the tables.
    pub fn unmatched(&self, tables: &[ObjectName]) -> Option<&str> {
        self.0
            .iter()
            .find(|(_, pattern)| !tables.iter().any(|table| pattern.matches(table)))
            .map(|(text, _)| text.as_str())
    }
}

/// What a plan takes in.
#[derive(Debug, Clone)]
pub struct Selection<'a> {
    config: &'a Config,
    /// `--tables`.
    pub tables: Named,
    /// `--full-diff`.
    pub full_diff: Named,
    /// `--full-diff-all`, or the prompt's "all".
    pub full_diff_all: bool,
}

impl<'a> Selection<'a> {
    /// Reads the flags over the config.
    ///
    /// # Errors
    /// When a pattern is no glob.
    pub fn new(
        config: &'a Config,
        tables: &[String],
        full_diff: &[String],
        full_diff_all: bool,
    ) -> Result<Self> {
        Ok(Self {
            config,
            tables: Named::new("--tables", tables)?,
            full_diff: Named::new("--full-diff", full_diff)?,
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
        self.full_diff_all
            || self.full_diff.matches(remote)
            || self.config.rule_for(remote).full_diff
    }

    /// Checks that every pattern of the flags matches one of the tables and views there are, on either side.
    ///
    /// # Errors
    /// When one matches none: a misspelt name must not look like "no changes".
    pub fn check_patterns(&self, known: &[ObjectName]) -> Result<()> {
        for (flag, patterns) in [("--tables", &self.tables), ("--full-diff", &self.full_diff)] {
            if let Some(text) = patterns.unmatched(known) {
                let names: Vec<String> = known.iter().take(12).map(ToString::to_string).collect();
                return Err(Problem::new(
                    format!("{flag} \"{text}\" matches no table on either side"),
                    format!(
                        "tables there are: {}{}",
                        names.join(", "),
                        if known.len() > 12 { ", …" } else { "" }
                    ),
                )
                .into());
            }
        }
        Ok(())
    }
}
