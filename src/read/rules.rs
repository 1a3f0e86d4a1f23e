//! What the rules of a table make of its rows: which of them are compared, and what stands for masked values.
//!
//! Must never hold an original value.

use crate::nearest::nearest;
use crate::refusal::Problem;
use crate::schema::{ObjectName, Table};
use crate::sql::Expr;
use crate::sql::rule::{self, Clock};
use anyhow::Result;
use std::collections::BTreeMap;

/// The rules of one table, as expressions over the remote's columns.
#[derive(Debug, Clone, Default)]
pub struct RowRules {
    /// The condition that restricts both sides.
    pub filter: Option<Filter>,
    /// What stands for a masked column, by the remote's name of it.
    pub masks: BTreeMap<String, Expr>,
}

/// A condition on rows.
#[derive(Debug, Clone)]
pub struct Filter {
    /// The condition.
    pub expr: Expr,
    /// Where it stands in the config.
    pub path: String,
    /// Whether it names the time, so that another plan's may mean other rows.
    pub moves: bool,
}

impl Filter {
    /// Reads the `where` that stands at `path` of the config, for a table as production has it, named `name` there.
    ///
    /// # Errors
    /// What of it is no condition on the table's rows.
    pub fn read(
        text: &str,
        path: String,
        now: Clock<'_>,
        name: &ObjectName,
        table: &Table,
    ) -> Result<Self> {
        let parsed = rule::parse(text, now).map_err(|why| {
            Problem::new(
                format!("`{path}`: {why}"),
                "docs/masking.md lists what a rule's SQL may hold",
            )
        })?;
        for column in parsed.expr.columns() {
            known_column(&column, &path, name, table)?;
        }
        Ok(Self {
            expr: parsed.expr,
            path,
            moves: parsed.moves,
        })
    }
}

/// Checks that a table has a column that a rule names.
///
/// # Errors
/// That it has not, and which was most likely meant.
pub fn known_column(column: &str, path: &str, name: &ObjectName, table: &Table) -> Result<()> {
    if table.column(column).is_some() {
        return Ok(());
    }
    let names = table.columns.iter().map(|column| column.name.as_str());
    let hint = match nearest(column, names.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("it has `{}`", names.collect::<Vec<_>>().join("`, `")),
    };
    Err(Problem::new(
        format!("`{path}`: {name} has no column `{column}` on production; {hint}"),
        "correct the rule, or narrow its `match` to the tables it is for",
    )
    .into())
}
