//! `tables`: which tables are taken in, and the rules that say how.

use super::Mask;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `tables`: which tables, and how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tables {
    /// Globs over `table` or `database.table` (remote names) to take in.
    pub include: Vec<String>,
    /// Globs to leave out; wins over `include`.
    pub exclude: Vec<String>,
    /// Rules, tried in order and merged.
    pub rules: Vec<TableRule>,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            include: vec!["*".into()],
            exclude: Vec::new(),
            rules: Vec::new(),
        }
    }
}

/// A rule for the tables a glob matches. What a rule leaves out, an earlier matching rule or the default decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableRule {
    /// Glob over `table` or `database.table` (remote names).
    #[serde(rename = "match")]
    pub pattern: String,
    /// Column that changes with every update of a row.
    #[serde(default)]
    pub updated_at: Option<String>,
    /// Column that is set when a row is made.
    #[serde(default)]
    pub created_at: Option<String>,
    /// Condition that restricts both sides.
    #[serde(default, rename = "where")]
    pub filter: Option<String>,
    /// Forces, and so approves, the full comparison.
    #[serde(default)]
    pub full_diff: Option<bool>,
    /// Compares the keys of incremental tables as well.
    #[serde(default)]
    pub check_deletes: Option<bool>,
    /// Leaves rows and objects alone that only local has.
    #[serde(default)]
    pub keep_local: Option<bool>,
    /// Masks by column.
    #[serde(default)]
    pub mask: Option<BTreeMap<String, Mask>>,
}
