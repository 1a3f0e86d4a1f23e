//! Chooses how a table's rows are compared, and says what that comparison can and cannot see.
//!
//! Must never choose a full comparison that nobody approved of, and must never leave a table out without naming the
//! flag that includes it.

use super::Strategy;
use crate::schema::table::{Table, TypeClass};

/// Column names that usually hold the time of a row's last change, best first.
const UPDATED_NAMES: [&str; 9] = [
    "updated_at",
    "modified_at",
    "last_modified",
    "changed_at",
    "updated_on",
    "modified_on",
    "last_updated",
    "updated",
    "modified",
];

/// Column names that usually hold the time a row was made, best first.
const CREATED_NAMES: [&str; 6] = [
    "created_at",
    "created_on",
    "inserted_at",
    "date_created",
    "creation_date",
    "created",
];

/// What is known of a table when its strategy is chosen.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The remote's table.
    pub remote: &'a Table,
    /// Whether the local table is missing or holds no row.
    pub local_empty: bool,
    /// Whether a full comparison was asked for (rule, flag or prompt), and so approved.
    pub full_approved: bool,
    /// `updated_at` of the table's rule.
    pub updated_at: Option<&'a str>,
    /// `created_at` of the table's rule.
    pub created_at: Option<&'a str>,
}

/// A strategy with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// How the rows are compared.
    pub strategy: Strategy,
    /// What that can and cannot see, in words, for the plan.
    pub exactness: String,
}

/// Chooses the strategy of the table displayed as `name`.
pub fn choose(name: &str, facts: &Facts<'_>) -> Choice {
    let choice = |strategy, exactness: &str| Choice {
        strategy,
        exactness: exactness.to_owned(),
    };
    if facts.local_empty {
        return choice(
            Strategy::Copy,
            "exact: local has no row of it, every remote row is inserted",
        );
    }
    if facts.full_approved {
        return choice(Strategy::Full, "exact: every row compared");
    }
    if let Some(column) = timestamp_column(facts) {
        return Choice {
            strategy: Strategy::Full,
            exactness: format!("exact: every row compared (no watermark on `{column}` yet)"),
        };
    }
    Choice {
        strategy: Strategy::Skipped,
        exactness: format!(
            "rows not compared: no usable updated_at or created_at column, and a full comparison needs approval: \
             --full-diff {name}, --full-diff-all, or \"full_diff\": true in a rule"
        ),
    }
}

/// Returns the column that shows when a row changed or was made, if the table has a usable one.
pub fn timestamp_column<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    let usable = |name: &str| {
        facts.remote.column(name).filter(|column| {
            column.generated.is_none()
                && match column.data_type.class() {
                    Some(TypeClass::Timestamp) => true,
                    Some(TypeClass::Temporal) => column.data_type.base == "datetime",
                    _ => false,
                }
        })
    };
    facts
        .updated_at
        .into_iter()
        .chain(UPDATED_NAMES)
        .chain(facts.created_at)
        .chain(CREATED_NAMES)
        .find_map(usable)
        .map(|column| column.name.as_str())
}
