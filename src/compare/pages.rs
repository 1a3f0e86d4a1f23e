//! Rows that only one side has, read in pages of bounded bytes: a whole table to copy, a range that the other side lacks.
//!
//! Must never ask for a page that may not fit into memory, and must never hand on a page before it has come whole.

use super::{Comparison, RowKey, hash_text};
use crate::connect::{Row, Side};
use crate::diff::rows::{RowChange, RowKind};
use crate::read::chunk::{self, ChunkRange, Key, KeySide};
use crate::sql::{Expr, Select};
use anyhow::{Context, Result};

/// Bytes that a page should have.
const PAGE_BYTES: u64 = 4 << 20;
/// Most rows of a page.
const PAGE_ROWS: u64 = 20_000;

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
        let select = Select::from(self.name(Side::Remote), self.fetched(Side::Remote, key));
        let step = format!("reading all rows of {} in one go", self.name(Side::Remote));
        let mut batches = self.remote.ask_stream(step, select);
        while let Some(rows) = batches.next()? {
            self.remote_rows += rows.len() as u64;
            for row in &rows {
                self.emit_one_sided(Side::Remote, row, key.columns.len())?;
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
        let mut rows_a_page = self.first_page();
        let mut total = 0;
        let mut answer = Some(self.ask_page(side, key, range, None, rows_a_page)?);
        while let Some(waiting) = answer.take() {
            let page = waiting.wait()?;
            total += page.len() as u64;
            if page.len() as u64 >= rows_a_page
                && let Some(last) = page.last()
            {
                let last = key_of(last, key.columns.len())?;
                rows_a_page = next_page(&page, rows_a_page);
                answer = Some(self.ask_page(side, key, range, Some(&last), rows_a_page)?);
            }
            for row in &page {
                self.emit_one_sided(side, row, key.columns.len())?;
            }
        }
        Ok(total)
    }

    fn first_page(&self) -> u64 {
        let width = self.task.estimated_bytes / self.task.estimated_rows.max(1);
        (PAGE_BYTES / 4 / width.max(64)).clamp(10, PAGE_ROWS)
    }

    fn ask_page(
        &self,
        side: Side,
        key: &KeySide,
        range: &ChunkRange,
        behind: Option<&Key>,
        rows: u64,
    ) -> Result<super::work::Answer<Vec<Row>>> {
        let mut conditions = vec![range.filter(key)?];
        if let Some(behind) = behind {
            conditions.push(chunk::after(key, behind)?);
        }
        let columns = self.fetched(side, key);
        let select = Select::from(self.name(side), columns).filter(Expr::all(conditions));
        let select = chunk::in_key_order(select, key).limit(rows, 0);
        let step = format!("reading rows of {}", self.name(side));
        Ok(self.worker(side).ask(step, select))
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
        let change = match side {
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
        };
        self.emit(kind_of(side), change)
    }
}

/// Returns the key that a row begins with.
pub(super) fn key_of(row: &Row, columns: usize) -> Result<Key> {
    row.iter()
        .take(columns)
        .map(|cell| cell.clone().context("a key column is NULL"))
        .collect()
}

/// How many rows the next page should have, from the bytes of the last.
fn next_page(page: &[Row], rows: u64) -> u64 {
    let bytes = page
        .iter()
        .flatten()
        .map(|cell| cell.as_ref().map_or(1, Vec::len) as u64)
        .sum::<u64>();
    let fitting = PAGE_BYTES.saturating_mul(rows) / bytes.max(1);
    fitting
        .clamp((rows / 8).max(1), (rows * 4).min(PAGE_ROWS))
        .max(1)
}
