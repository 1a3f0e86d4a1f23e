//! Tables whose rows no key leads back: compared with what was saved of them, or counted.
//!
//! Must never lead back a table that is not as the apply left it.

use super::Left;
use super::facts::Source;
use super::keyed::insert;
use super::target::TableUndo;
use crate::apply::save;
use crate::apply::undo::{Blob, Record};
use crate::compare::{self, LocalSource, Shape};
use crate::connect::{LocalSession, Reader as _, Side};
use crate::diff::rows::{RowChange, RowKind, RowSink};
use crate::plan::payload::EntrySink;
use crate::plan::row_sql::Values;
use crate::plan::{Entry, Kind};
use crate::proof::Scratch;
use crate::read::encode;
use crate::schema::{ObjectName, Table};
use crate::sql::{Expr, Select, qualified};
use crate::value::Value;
use anyhow::{Context as _, Result, bail};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of one INSERT into the scratch schema.
const HELD_ROWS: usize = 500;
/// Different rows that are counted at once: each time scans the table.
const COUNTED_ROWS: usize = 5000;
/// Rows that are named at most.
const EXAMPLES: usize = 20;

/// Returns what was saved of a table before the plan's first change to it; `None` where it was not, or not to the end.
pub(super) fn saved(records: &[Record], name: &ObjectName) -> Option<Vec<Blob>> {
    let table = name.to_string();
    let mut open = Vec::new();
    let mut saved = None;
    for record in records {
        match record {
            Record::Whole {
                table: own,
                images: None,
            } if *own == table => open.clear(),
            Record::Whole {
                table: own,
                images: Some(blob),
            } if *own == table => open.push(blob.clone()),
            Record::WholeEnd { table: own } if *own == table => saved = Some(open.clone()),
            _ => {}
        }
    }
    saved
}

/// Returns whether a table that was saved whole is as the apply left it. An apply that was killed has not noted how.
///
/// # Errors
/// What the server says.
pub(super) fn is_as_left(
    records: &[Record],
    name: &ObjectName,
    local: &mut LocalSession,
) -> Result<bool> {
    let table = name.to_string();
    let position = |test: &dyn Fn(&Record) -> bool| records.iter().rposition(test);
    let begun = position(&|record| matches!(record, Record::Begin { .. }));
    let noted =
        position(&|record| matches!(record, Record::Left { table: own, .. } if *own == table));
    let Some(Record::Left { state, .. }) = noted.and_then(|noted| records.get(noted)) else {
        return Ok(true);
    };
    if noted < begun {
        return Ok(true);
    }
    Ok(save::state_of(local, name)?.as_ref() == Some(state))
}

/// Compares a table with the rows that were saved of it.
///
/// # Errors
/// When the saved rows are damaged; what the server says.
pub(super) fn compare(
    source: &mut Source<'_>,
    blobs: &[Blob],
    name: &ObjectName,
    (original, now): (&Table, Option<&Table>),
    replaced: &BTreeSet<String>,
    (scratch, local): (&mut Scratch<'_>, &mut LocalSession),
    sink: &mut EntrySink,
) -> Result<Shape> {
    let held = hold(scratch, original)?;
    for blob in blobs {
        let mut rows = source.images.rows(blob)?;
        // A table is saved before its rows change, and then has the columns that the plan added: those it never had.
        for row in &mut rows {
            row.retain(|name, _| original.column(name).is_some());
        }
        for part in rows.chunks(HELD_ROWS) {
            insert(scratch.session(), &held, original, part)?;
        }
    }
    let task = save::task(&held, name, original, now, replaced);
    let outcome = compare::between(
        &task,
        &mut LocalSource(scratch.session()),
        &mut LocalSource(local),
        sink,
    )?;
    scratch.let_go(&held)?;
    Ok(outcome.shape)
}

/// Leads back the rows of a table without a key, whose values the plan has: equal rows by their number.
///
/// # Errors
/// When a payload is not the plan's; what the server says.
pub(super) fn bag(
    source: &mut Source<'_>,
    name: &ObjectName,
    (original, table): (&Table, &TableUndo),
    scratch: &mut Scratch<'_>,
    local: &mut LocalSession,
    sink: &mut EntrySink,
    left: &mut Left,
) -> Result<Shape> {
    let held = hold(scratch, original)?;
    let shape = Shape::of(&save::task(
        &held,
        name,
        original,
        table.now.as_ref(),
        &compare::NONE_REPLACED,
    ))?;
    let mut bag = Bag {
        name,
        original,
        shape: &shape,
        held: &held,
        sink,
        left,
        stale: 0,
        batch: Vec::new(),
    };
    for id in &table.rows {
        let Some(entry) = source.request.plan.entry(id) else {
            continue;
        };
        check_columns(entry, &shape, name)?;
        let mut result = Ok(());
        source.each(entry, &mut |row, _| {
            let (before, after) = row
                .copies
                .context("a row without a key must say how many copies there are")?;
            bag.batch.push((row.values.clone(), before, after));
            if bag.batch.len() >= COUNTED_ROWS {
                bag.flush(scratch, local)?;
            }
            Ok(())
        })?;
        if !bag.batch.is_empty() {
            result = bag.flush(scratch, local);
        }
        result?;
    }
    if bag.stale > 0 {
        bag.left.reason = format!(
            "{} different rows are there in another number than the plan left them, and stay as they are",
            bag.stale
        );
    }
    scratch.let_go(&held)?;
    Ok(shape)
}

struct Bag<'a> {
    name: &'a ObjectName,
    original: &'a Table,
    shape: &'a Shape,
    held: &'a ObjectName,
    sink: &'a mut EntrySink,
    left: &'a mut Left,
    stale: u64,
    /// Values, and how many rows of them there were before and after the apply.
    batch: Vec<(Values, u64, u64)>,
}

impl Bag<'_> {
    fn flush(&mut self, scratch: &mut Scratch<'_>, local: &mut LocalSession) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        let mut held = Vec::new();
        for part in batch.chunks(HELD_ROWS) {
            held.extend(self.through_scratch(scratch, part)?);
        }
        let counts = self.counts(local, held.iter().map(|(_, hash, _)| hash))?;
        for ((values, before, after), (stored, comparison, hash)) in batch.iter().zip(&held) {
            let there = counts.get(comparison).copied().unwrap_or(0);
            if there == *before {
                continue;
            }
            if there != *after {
                self.stale += 1;
                if self.left.examples.len() < EXAMPLES {
                    let shown: Vec<String> = values
                        .iter()
                        .take(4)
                        .map(|(name, value)| format!("{name} = {value}"))
                        .collect();
                    self.left.examples.push(format!(
                        "{}: {there} rows, and the plan left {after}",
                        shown.join(", ")
                    ));
                }
                continue;
            }
            let copies = Some((*after, *before));
            if after > before {
                let change = RowChange {
                    before: Some(stored.clone()),
                    before_hash: Some(hash.clone()),
                    copies,
                    ..RowChange::default()
                };
                self.sink.row(RowKind::Delete, change)?;
            } else {
                let change = RowChange {
                    after: Some(stored.clone()),
                    after_hash: Some(hash.clone()),
                    copies,
                    ..RowChange::default()
                };
                self.sink.row(RowKind::Insert, change)?;
            }
        }
        Ok(())
    }

    /// Stores rows as the table had them; returns each with the hash that compares and that of a plan.
    fn through_scratch(
        &self,
        scratch: &mut Scratch<'_>,
        rows: &[(Values, u64, u64)],
    ) -> Result<Vec<(Vec<Value>, String, String)>> {
        let mut selected = self.shape.selected(Side::Remote);
        selected.push(self.shape.comparison_hash(Side::Remote));
        selected.push(self.shape.plan_hash(Side::Remote));
        let columns = self.shape.columns.len();
        let mut stored = Vec::new();
        // One by one: there is nothing that tells which of several is which.
        for (values, ..) in rows {
            insert(
                scratch.session(),
                self.held,
                self.original,
                std::slice::from_ref(values),
            )?;
            let select = Select::from(self.held, selected.clone());
            let row = scratch
                .session()
                .rows(&select.into())?
                .pop()
                .context("a row did not come back from the scratch schema")?;
            let text = |position: usize| -> Result<String> {
                let cell = row.get(position).cloned().flatten();
                Ok(String::from_utf8(cell.context("a row without its hash")?)?)
            };
            let values = self
                .shape
                .columns
                .iter()
                .zip(&row)
                .map(|(column, cell)| {
                    encode::value_of(&column.remote, column.encoding, cell.as_deref())
                })
                .collect();
            stored.push((values, text(columns)?, text(columns + 1)?));
            scratch
                .session()
                .execute(&format!("DELETE FROM {}", qualified(self.held)))?;
        }
        Ok(stored)
    }

    fn counts<'h>(
        &self,
        local: &mut LocalSession,
        hashes: impl Iterator<Item = &'h String>,
    ) -> Result<BTreeMap<String, u64>> {
        let hash = self.shape.comparison_hash(Side::Local);
        let wanted: Vec<Expr> = hashes.map(|hash| Expr::text(hash)).collect();
        let select = Select::from(self.name, vec![hash.clone(), Expr::count_all()])
            .filter(hash.clone().is_in(wanted))
            .group_by(vec![hash]);
        let mut counts = BTreeMap::new();
        for row in local.rows(&select.into())? {
            let [Some(hash), Some(count)] = row.as_slice() else {
                bail!("a count without its hash")
            };
            counts.insert(
                String::from_utf8(hash.clone())?,
                std::str::from_utf8(count)?.parse()?,
            );
        }
        Ok(counts)
    }
}

fn hold(scratch: &mut Scratch<'_>, original: &Table) -> Result<ObjectName> {
    match scratch.hold(original)? {
        Ok(held) => Ok(held),
        Err(failure) => bail!("the table as it was cannot be made any more: {failure}"),
    }
}

/// The plan has whole rows only where it knew every column.
fn check_columns(entry: &Entry, shape: &Shape, name: &ObjectName) -> Result<()> {
    let known = |column: &str| {
        entry
            .shape
            .iter()
            .flat_map(|shape| &shape.columns)
            .any(|own| own.name.to_lowercase() == column.to_lowercase())
    };
    let unknown = shape
        .columns
        .iter()
        .find(|column| !known(&column.remote.name));
    match (entry.kind, unknown) {
        (Kind::DeleteRows | Kind::InsertRows, Some(column)) => bail!(
            "{name} has no key, and the plan does not know its column `{}`",
            column.remote.name
        ),
        _ => Ok(()),
    }
}
