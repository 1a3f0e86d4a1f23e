//! Columns whose local values the expand phase converts.
//!
//! Pure. Must never take a converted value for what it was before: a row would not be found again.

use super::TableTask;
use crate::diff::schema::converts_before_rows;
use crate::schema::table::{Column, TypeClass};

/// Whether the expand phase converts a column's values. Those of a key are held to be what they were, or no row could
/// be told from another.
pub(super) fn converts(task: &TableTask<'_>, remote: &Column) -> bool {
    let in_key = task
        .remote
        .comparison_key()
        .is_some_and(|key| key.iter().any(|column| column.name == remote.name));
    !in_key
        && task
            .local
            .is_some_and(|local| converts_before_rows(local, task.remote, &remote.name))
}

/// Whether a conversion goes by the number of an ENUM's or SET's value, which its text does not tell.
pub(super) fn is_numbered(local: &Column, remote: &Column) -> bool {
    let numbered = |column: &Column| {
        matches!(
            column.data_type.class(),
            Some(TypeClass::Enum | TypeClass::Set)
        )
    };
    let textual = |column: &Column| {
        matches!(
            column.data_type.class(),
            Some(TypeClass::Text | TypeClass::LongText | TypeClass::Enum | TypeClass::Set)
        )
    };
    (numbered(local) && !textual(remote)) || (numbered(remote) && !textual(local))
}
