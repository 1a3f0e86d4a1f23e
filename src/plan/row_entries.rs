//! Makes entries of the rows that a comparison found.
//!
//! Pure. Must never call a delete safe.

use super::entry_id::entry_id;
use super::payload::FoundRows;
use super::{Entry, Kind, Risk, RowShape, ShapeColumn};
use crate::compare::{RowKey, Shape};
use crate::diff::rows::RowKind;
use crate::read::encode;
use crate::read::rules::RowRules;
use crate::schema::ObjectName;
use std::fmt::Write as _;

/// Returns a comparison's shape as it stands in a plan.
pub fn plan_shape(shape: &Shape) -> RowShape {
    let key = match &shape.key {
        RowKey::Columns { positions, .. } => positions
            .iter()
            .filter_map(|position| shape.columns.get(*position))
            .map(|column| column.remote.name.clone())
            .collect(),
        RowKey::Bag => Vec::new(),
    };
    let columns = shape
        .columns
        .iter()
        .map(|column| ShapeColumn {
            name: column.remote.name.clone(),
            encoding: column.encoding.to_string(),
            values: encode::value_kind(&column.remote, column.encoding),
            common: column.common(),
        })
        .collect();
    RowShape { key, columns }
}

/// How the exactness of a table that a `where` restricts says so.
pub const WITHIN: &str = "only rows within its `where`";

/// Adds to what a comparison can see, in words, what the config's rules make of the rows.
pub fn with_rules(mut exactness: String, rules: Option<&RowRules>) -> String {
    let Some(rules) = rules else { return exactness };
    if let Some(filter) = &rules.filter {
        let _ = write!(exactness, "; {WITHIN} ({})", filter.path);
        if filter.moves {
            exactness.push_str(", which moves with the time");
        }
    }
    if !rules.masks.is_empty() {
        let masked: Vec<&str> = rules.masks.keys().map(String::as_str).collect();
        let _ = write!(exactness, "; masked: `{}`", masked.join("`, `"));
    }
    exactness
}

/// Makes the entry of the rows of one kind. `table` is the local name.
pub fn row_entry(table: &ObjectName, shape: &RowShape, found: FoundRows) -> Entry {
    let (kind, what) = match found.kind {
        RowKind::Insert => (Kind::InsertRows, "insert"),
        RowKind::Update => (Kind::UpdateRows, "update"),
        RowKind::Delete => (Kind::DeleteRows, "delete"),
    };
    let (risk, reasons) = match found.kind {
        RowKind::Delete => (
            Risk::Destructive,
            vec![format!(
                "deletes {} {}",
                found.count,
                if found.count == 1 { "row" } else { "rows" }
            )],
        ),
        RowKind::Insert | RowKind::Update => (Risk::Safe, Vec::new()),
    };
    Entry {
        risk,
        reasons,
        count: Some(found.count),
        shape: Some(shape.clone()),
        rows: found.rows,
        payload: found.payload,
        preview: found.preview,
        ..Entry::new(
            entry_id(&table.database, &table.name, what),
            kind,
            table.to_string(),
        )
    }
}
