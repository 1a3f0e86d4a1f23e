//! What is computed from values that may be none to compute from: it comes when the rows are production's, and goes before
//! they come.
//!
//! Most of what local's stale values do not compute to strictly is computed leniently, and mended with the rows. A text
//! that is no JSON, say, is refused in whatever mode. Must never hold back what something else of the expanded table rests
//! on.

use super::super::{Haste, Surroundings};
use super::Builder;
use crate::diff::clause::mentions;
use crate::schema::table::{Column, Index, Table};
use std::collections::BTreeSet;

/// Generated columns, by lower-case name, that are not in the expanded table.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// New ones, which come after the rows.
    late: BTreeSet<String>,
    /// Local's own, which go before them.
    gone: BTreeSet<String>,
    /// Whether the rows come in between, and whether they are then production's alone.
    rows: bool,
    exact: bool,
}

/// Whether there are values that an expression refuses in whatever mode.
fn may_refuse(expression: &str) -> bool {
    let expression = expression.to_lowercase();
    ["json", "st_", " - "]
        .iter()
        .any(|part| expression.contains(part))
}

pub(super) fn turns(local: &Table, remote: &Table, surroundings: &Surroundings) -> Turns {
    let rows = surroundings.rows_change && surroundings.haste == Haste::None;
    let mut turns = Turns {
        rows,
        exact: surroundings.exact,
        ..Turns::default()
    };
    if !rows {
        return turns;
    }
    turns.gone = alone(local, remote, |column| !column.nullable);
    if surroundings.exact {
        turns.late = alone(remote, local, |_| false);
    }
    let needed = |name: &String| {
        let computed = remote
            .columns
            .iter()
            .filter(|column| local.column(&column.name).is_some())
            .filter_map(|column| column.generated.as_ref());
        let mut expressions = computed
            .map(|generated| generated.expression.as_str())
            .chain(remote.partitioning.as_deref());
        expressions.any(|expression| mentions(expression, name))
    };
    if turns.late.iter().any(needed) {
        turns.late.clear();
    }
    turns
}

/// The generated columns of one table alone that may refuse a value, and those computed from them.
fn alone(table: &Table, other: &Table, more: impl Fn(&Column) -> bool) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = BTreeSet::new();
    loop {
        let known = found.len();
        for column in &table.columns {
            if let Some(generated) = &column.generated
                && other.column(&column.name).is_none()
                && (more(column)
                    || may_refuse(&generated.expression)
                    || found
                        .iter()
                        .any(|name| mentions(&generated.expression, name)))
            {
                found.insert(column.name.to_lowercase());
            }
        }
        if found.len() == known {
            return found;
        }
    }
}

fn rests_on(index: &Index, names: &BTreeSet<String>) -> bool {
    index.parts.iter().any(|part| {
        let column = part.column.as_ref();
        let expression = part.expression.as_deref();
        column.is_some_and(|name| names.contains(&name.to_lowercase()))
            || expression.is_some_and(|text| names.iter().any(|name| mentions(text, name)))
    })
}

fn computes_what_may_be_refused(index: &Index) -> bool {
    let mut expressions = index
        .parts
        .iter()
        .filter_map(|part| part.expression.as_deref());
    expressions.any(may_refuse)
}

impl Builder<'_> {
    /// Whether a column of either side is not in the expanded table.
    pub(super) fn is_out_of_turn(&self, column: &Column) -> bool {
        let name = column.name.to_lowercase();
        self.computed.late.contains(&name) || self.computed.gone.contains(&name)
    }

    /// Whether an index of remote's must wait until the rows can be computed from.
    pub(super) fn index_comes_late(&self, index: &Index) -> bool {
        rests_on(index, &self.computed.late)
            || (self.computed.rows && self.computed.exact && computes_what_may_be_refused(index))
    }

    /// Whether an index that only local has must go before the rows.
    pub(super) fn index_goes_early(&self, index: &Index) -> bool {
        rests_on(index, &self.computed.gone)
            || (self.computed.rows && computes_what_may_be_refused(index))
    }

    /// Adds the columns that waited, each behind the column that it stands behind on remote.
    pub(super) fn add_computed(&self, table: &mut Table) {
        for (position, column) in self.remote.columns.iter().enumerate() {
            if !self.computed.late.contains(&column.name.to_lowercase()) {
                continue;
            }
            let behind = position.checked_sub(1).and_then(|previous| {
                let previous = &self.remote.columns[previous].name;
                let mut columns = table.columns.iter();
                columns.position(|own| own.name.eq_ignore_ascii_case(previous))
            });
            let place = behind.map_or(0, |place| place + 1);
            table.columns.insert(place, column.clone());
        }
    }
}
