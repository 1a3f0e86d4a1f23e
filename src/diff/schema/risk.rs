//! Says what a clause loses.
//!
//! Judged against the table that all phases together lead to: what is taken down to be put back is not lost. Must
//! never call a clause safe that loses a value or an object of local's.

use super::PhaseDiff;
use super::types::fits;
use crate::diff::clause::{Change, recreated};
use crate::schema::print;
use crate::schema::table::{Column, Index, IndexKind, Table};

/// Returns the reasons why a clause is destructive; empty where it is not.
pub(crate) fn reasons(
    change: &Change,
    before: &Table,
    after: &Table,
    remote: &Table,
) -> Vec<String> {
    let reason = match change {
        Change::DropColumn(name) => before
            .column(name)
            .and_then(|column| dropped_column(column, after.column(name), remote.column(name))),
        Change::ModifyColumn(name) => before
            .column(name)
            .zip(after.column(name))
            .and_then(|(before, after)| changed_column(before, after)),
        Change::DropIndex(name) => before
            .indexes
            .iter()
            .find(|index| index.name == *name)
            .filter(|index| !survives(index, remote) && !survives(index, after))
            .map(|index| format!("drops {}", describe(index))),
        Change::DropForeignKey(name) => (!remote
            .foreign_keys
            .iter()
            .any(|key| key.name.eq_ignore_ascii_case(name)))
        .then(|| format!("drops foreign key `{name}`")),
        Change::DropCheck(name) => (!remote
            .checks
            .iter()
            .any(|check| check.name.eq_ignore_ascii_case(name)))
        .then(|| format!("drops check `{name}`")),
        _ => None,
    };
    reason.into_iter().collect()
}

/// Returns whether there are rows that the server would refuse to take through a phase.
pub(crate) fn may_fail(phase: &PhaseDiff) -> bool {
    // Whatever makes the table anew computes its functional indexes, strictly.
    let computes = |table: &Table| {
        table
            .indexes
            .iter()
            .any(|index| index.parts.iter().any(|part| part.expression.is_some()))
    };
    computes(&phase.before)
        || computes(&phase.after)
        || phase
            .statements
            .iter()
            .flatten()
            .any(|clause| match &clause.change {
                Change::ModifyColumn(name) => phase
                    .before
                    .column(name)
                    .zip(phase.after.column(name))
                    .is_some_and(|(before, after)| {
                        !fits(before, after)
                            || (before.nullable && !after.nullable)
                            || before.collation != after.collation
                            || before.check != after.check
                            || after.generated.is_some()
                    }),
                Change::AddColumn(name) => phase.after.column(name).is_some_and(|column| {
                    column.generated.is_some()
                        || column.check.is_some()
                        || (!column.nullable && column.default.is_none())
                }),
                Change::AddIndex(name) => phase.after.indexes.iter().any(|index| {
                    index.name == *name
                        && !phase.before.indexes.contains(index)
                        && matches!(
                            index.kind,
                            IndexKind::Primary | IndexKind::Unique | IndexKind::Spatial
                        )
                }),
                Change::AddCheck(_) | Change::AlterCheck(_) | Change::Partitioning => true,
                _ => false,
            })
}

fn dropped_column(
    column: &Column,
    again: Option<&Column>,
    remote: Option<&Column>,
) -> Option<String> {
    if column.generated.is_some() {
        // Its values are made from other columns; where the column stays, nothing is lost.
        return (again.is_none() && remote.is_none())
            .then(|| format!("drops generated column `{}`", column.name));
    }
    if let (None, Some(remote)) = (again, remote) {
        return Some(format!(
            "drops column `{}` and adds it again as {}: local's values do not convert, the rows bring remote's",
            column.name,
            print::data_type(remote)
        ));
    }
    Some(match again {
        Some(_) => format!(
            "drops column `{}` and adds it again as a generated one",
            column.name
        ),
        None => format!("drops column `{}`", column.name),
    })
}

fn changed_column(before: &Column, after: &Column) -> Option<String> {
    if before.generated.is_some() || recreated(before, after) || fits(before, after) {
        return None;
    }
    let how = if fits(after, before) {
        "narrows"
    } else {
        "converts"
    };
    let with_charset = |column: &Column| match &column.charset {
        Some(charset) if before.charset != after.charset => {
            format!("{} {charset}", print::data_type(column))
        }
        _ => print::data_type(column),
    };
    Some(format!(
        "{how} column `{}` from {} to {}",
        after.name,
        with_charset(before),
        with_charset(after)
    ))
}

/// An index is not lost where one of the same kind over the same columns remains, whatever its name.
fn survives(index: &Index, remote: &Table) -> bool {
    remote.indexes.iter().any(|other| {
        other.name.eq_ignore_ascii_case(&index.name)
            || (other.kind == index.kind && other.parts == index.parts)
    })
}

fn describe(index: &Index) -> String {
    match index.kind {
        IndexKind::Primary => "the primary key".to_owned(),
        IndexKind::Unique => format!("unique index `{}`", index.name),
        _ => format!("index `{}`", index.name),
    }
}
