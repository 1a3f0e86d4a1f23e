//! Rows that only one side has, as they come: a whole table to copy, a range that the other side lacks.
//!
//! Must never hold a page in memory, and must never hand on a row twice: after a break it goes on behind the last.

use super::pace::followed;
use super::work::Batches;
use super::{Comparison, RowKey, hash_of, hash_text};
use crate::connect::{Row, Side, server_code};
use crate::diff::rows::{RowChange, RowKind};
use crate::issues::KeyRange;
use crate::progress;
use crate::read::chunk::{self, ChunkRange, Key, KeySide};
use crate::retry::is_transient;
use crate::sql::{Expr, Select};
use crate::value::{Cell, Value};
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// Rows that the first statement reads; they come in batches of bounded bytes.
const FIRST_PAGE: u64 = 50_000;
const LEAST_PAGE: u64 = 10_000;
const MOST_PAGE: u64 = 1_000_000;
/// How long one statement should take. Between two, nothing is under way: at 50,000 rows each, a copy stood still for a
/// sixth of its time.
const PAGE_TIME: Duration = Duration::from_secs(2);
/// How often one table's rows are gone on with after a connection broke.
const MOST_BREAKS: u32 = 20;

/// What a row that only one side has is to become.
fn kind_of(side: Side) -> RowKind {
    match side {
        Side::Remote => RowKind::Insert,
        Side::Local => RowKind::Delete,
    }
}

impl Comparison<'_> {
    /// Hands on every row of the remote as an insert.
    pub(super) fn copy(&mut self) -> Result<()> {
        match self.shape.key.clone() {
            RowKey::Columns {
                remote,
                ordered: true,
                ..
            } => {
                let rows = self.one_sided(Side::Remote, &remote, &ChunkRange::All)?;
                self.remote_rows += rows;
                Ok(())
            }
            RowKey::Columns { remote, .. } => self.copy_unordered(&remote),
            RowKey::Bag => self.copy_bag(),
        }
    }

    /// Copies in one go: there is no order in which to go on after a break.
    fn copy_unordered(&mut self, key: &KeySide) -> Result<()> {
        let select = self.select(Side::Remote, self.paged(Side::Remote, key));
        let step = format!("reading all rows of {} in one go", self.name(Side::Remote));
        let mut batches = self.remote.ask_stream(step, select);
        while let Some(rows) = batches.next()? {
            self.remote_rows += rows.len() as u64;
            progress::add(rows.len() as u64);
            for row in rows {
                self.emit_paged(Side::Remote, row, key.columns.len())?;
            }
        }
        Ok(())
    }

    /// Hands on every row of a range that only one side has, in key order, and returns how many.
    pub(super) fn one_sided(
        &mut self,
        side: Side,
        key: &KeySide,
        range: &ChunkRange,
    ) -> Result<u64> {
        if side == Side::Local && self.task.keep_local {
            return Ok(0);
        }
        let mut total = 0;
        // In a comparison the rows were counted already.
        let counted = matches!(range, ChunkRange::All);
        let mut last: Option<Key> = None;
        let mut broken = 0;
        let mut page = FIRST_PAGE;
        loop {
            let start = Instant::now();
            let mut batches = self.ask_page(side, key, range, last.as_ref(), page)?;
            let mut rows = 0;
            let ended = loop {
                match batches.next() {
                    Ok(Some(batch)) => {
                        if let Some(row) = batch.last() {
                            last = Some(key_of(row, key.columns.len())?);
                        }
                        rows += batch.len() as u64;
                        if counted {
                            progress::add(batch.len() as u64);
                        }
                        if side == Side::Local || self.hashes_here(side) {
                            for row in batch {
                                self.emit_paged(side, row, key.columns.len())?;
                            }
                        } else {
                            self.hand_on_remote(&batch, key.columns.len())?;
                        }
                    }
                    Ok(None) => break true,
                    Err(error) if may_go_on(&error, rows) && broken < MOST_BREAKS => break false,
                    Err(error) => return Err(error.context(KeyRange(range.in_words()))),
                }
            };
            total += rows;
            if !ended {
                // Goes on behind the last row that was handed on, over a connection that a small read brings back.
                broken = if rows > 0 { 0 } else { broken + 1 };
                let select = Select::from(self.name(side), vec![Expr::integer(1)]).limit(1, 0);
                let step = format!("going on with the rows of {}", self.name(side));
                self.worker(side).ask(step, select).wait()?;
            } else if rows < page {
                return Ok(total);
            } else {
                page = next_page(page, start.elapsed());
                if side == Side::Remote && self.snapshot_is_due() {
                    self.next_snapshot()?;
                }
            }
        }
    }

    fn ask_page(
        &self,
        side: Side,
        key: &KeySide,
        range: &ChunkRange,
        behind: Option<&Key>,
        rows: u64,
    ) -> Result<Batches> {
        let mut conditions = vec![range.filter(key)?];
        if let Some(behind) = behind {
            conditions.push(chunk::after(key, behind)?);
        }
        let columns = self.paged(side, key);
        let select = self.select(side, columns).filter(Expr::all(conditions));
        let select = chunk::in_key_order(select, key).limit(rows, 0);
        let step = format!("reading rows of {}", self.name(side));
        Ok(self.worker(side).ask_stream(step, select))
    }

    /// Whether rows of a side are hashed here. Those that local may have beyond the comparison are not: they become
    /// updates, for which both servers hash.
    fn hashes_here(&self, side: Side) -> bool {
        side == Side::Remote && self.hasher.is_some() && !self.beyond
    }

    /// As `fetched`, without the hash where it is made here.
    fn paged(&self, side: Side, key: &KeySide) -> Vec<Expr> {
        let mut columns = self.fetched(side, key);
        if self.hashes_here(side) {
            columns.remove(key.columns.len());
        }
        columns
    }

    /// Hands on a row as `paged` selects it.
    fn emit_paged(&mut self, side: Side, mut row: Row, skip: usize) -> Result<()> {
        let here = self.hashes_here(side);
        let (hash, cells) = match &mut self.hasher {
            Some(hasher) if here => {
                let cells = row.split_off(skip);
                let hash = hasher
                    .hash(&cells)
                    .context("a fetched row does not fit the table's columns")?;
                (hash, cells)
            }
            _ => {
                let cells = row.split_off(skip + 1);
                (hash_of(row.pop().flatten())?, cells)
            }
        };
        let values = cells.into_iter().zip(&self.kinds);
        let values = Some(
            values
                .map(|(cell, kind)| Value::of_cell(cell, *kind))
                .collect(),
        );
        self.emit(kind_of(side), one_sided(side, values, Some(hash)))
    }

    /// The key, the hash a plan keeps, the columns.
    pub(super) fn fetched(&self, side: Side, key: &KeySide) -> Vec<Expr> {
        let mut columns = key
            .columns
            .iter()
            .map(chunk::KeyColumn::encoded)
            .collect::<Vec<_>>();
        columns.push(self.shape.plan_hash(side));
        columns.extend(self.shape.selected(side));
        columns
    }

    /// Hands on a row as `fetched` selects it, that only one side has.
    pub(super) fn emit_one_sided(&mut self, side: Side, row: &Row, skip: usize) -> Result<()> {
        let hash = Some(hash_text(row, skip)?);
        let values = Some(self.values(&row[skip + 1..]));
        self.emit(kind_of(side), one_sided(side, values, hash))
    }
}

/// Returns how many rows the next statement reads, after one of so many took so long.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most a million"
)]
fn next_page(rows: u64, elapsed: Duration) -> u64 {
    let next = followed(rows as f64, rows as f64, elapsed, PAGE_TIME) as u64;
    next.clamp(LEAST_PAGE, MOST_PAGE)
}

fn one_sided(side: Side, values: Option<Vec<Value>>, hash: Option<String>) -> RowChange {
    match side {
        Side::Remote => RowChange {
            after: values,
            after_hash: hash,
            ..RowChange::default()
        },
        Side::Local => RowChange {
            before: values,
            before_hash: hash,
            ..RowChange::default()
        },
    }
}

/// Returns the key that a row begins with.
pub(super) fn key_of(row: &[Cell], columns: usize) -> Result<Key> {
    row.iter()
        .take(columns)
        .map(|cell| cell.clone().context("a key column is NULL"))
        .collect()
}

/// Whether reading may go on behind the last row: the connection broke, or a statement that was getting somewhere ran
/// into the time limit.
fn may_go_on(error: &anyhow::Error, rows: u64) -> bool {
    is_transient(error) || rows > 0 && matches!(server_code(error), Some(3024 | 1969))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_the_time_they_take() {
        let next = |rows, millis| next_page(rows, Duration::from_millis(millis));
        assert_eq!(next(50_000, 4_000), 25_000);
        assert_eq!(next(50_000, 1_000), 100_000);
        // No measurement changes them more than fourfold.
        assert_eq!(next(50_000, 0), 200_000);
        assert_eq!(next(50_000, 600_000), 12_500);
        assert_eq!(next(800_000, 1), MOST_PAGE);
        assert_eq!(next(LEAST_PAGE, 600_000), LEAST_PAGE);
    }
}
