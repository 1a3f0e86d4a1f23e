//! Rows whose foreign key leads nowhere.

use crate::schema::ObjectName;
use crate::schema::table::ForeignKey;
use crate::sql::Expr;

/// Returns the condition that holds for rows of `child` that refer to no row of `parent`.
pub fn orphaned(child: &ObjectName, parent: &ObjectName, key: &ForeignKey) -> Expr {
    let pairs: Vec<(String, String)> = key
        .referenced_columns
        .iter()
        .cloned()
        .zip(key.columns.iter().cloned())
        .collect();
    // MATCH SIMPLE: a reference with a NULL in it refers to nothing, and may.
    let mut conditions: Vec<Expr> = key
        .columns
        .iter()
        .map(|column| Expr::column(column).is_null().negated())
        .collect();
    conditions.push(Expr::no_match(parent, child, pairs));
    Expr::all(conditions)
}
