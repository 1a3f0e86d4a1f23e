//! Tables without a usable key: equal rows are counted on both sides.
//!
//! Must never use XOR, in which pairs of equal rows cancel out: sums and counts only.

use super::pace::Pace;
use super::work::Answer;
use super::{Comparison, hash_text};
use crate::connect::{Row, Side};
use crate::diff::rows::{RowChange, RowKind};
use crate::progress;
use crate::read::checksum::{self, Sums};
use crate::read::{chunk, encode};
use crate::sql::{Expr, Select};
use anyhow::Result;
use std::collections::BTreeMap;

/// Rows whose hashes are held at once.
const HELD_ROWS: u64 = 50_000;
/// Most buckets that one statement names.
const NAMED_BUCKETS: usize = 2_000;
/// Most hashes that one statement names.
const NAMED_HASHES: usize = 500;

impl Comparison<'_> {
    /// Hands on every row of the remote as an insert, equal ones once with their number.
    pub(super) fn copy_bag(&mut self) -> Result<()> {
        let select = self.distinct(Side::Remote, Expr::all(Vec::new()));
        let step = format!("reading all rows of {} in one go", self.name(Side::Remote));
        let mut batches = self.remote.ask_stream(step, select);
        while let Some(rows) = batches.next()? {
            for row in rows {
                let copies = checksum::number(row.first())?;
                self.remote_rows += copies;
                progress::add(copies);
                self.emit_counted(RowKind::Insert, &row, (0, copies))?;
            }
        }
        Ok(())
    }

    /// Compares a table without a key.
    pub(super) fn bag(&mut self) -> Result<()> {
        let task = self.task;
        let pace = Pace::new(task.estimated_rows, task.estimated_bytes, task.chunk_time);
        let count = pace.buckets(task.estimated_rows).min(20_000);
        let (remote, local) = (
            self.ask_bag_sums(Side::Remote, count),
            self.ask_bag_sums(Side::Local, count),
        );
        let remote = checksum::sums(&remote.wait()?)?;
        let local = checksum::sums(&local.wait()?)?;
        let rows = |sums: &Sums| sums.values().map(|sum| sum.rows).sum::<u64>();
        self.remote_rows = rows(&remote);
        self.local_rows = rows(&local);
        progress::add(self.remote_rows.max(self.local_rows));
        let mut group = Vec::new();
        let mut held = 0;
        for (bucket, remote_rows, local_rows) in checksum::differing(&remote, &local) {
            let more = remote_rows + local_rows;
            if !group.is_empty() && (held + more > HELD_ROWS || group.len() >= NAMED_BUCKETS) {
                self.compare_buckets(&std::mem::take(&mut group), count)?;
                held = 0;
            }
            held += more;
            group.push(bucket);
        }
        self.compare_buckets(&group, count)
    }

    fn bucket_expr(&self, side: Side, count: u64) -> Expr {
        chunk::spread(self.shape.spreading(side), count)
    }

    fn ask_bag_sums(&self, side: Side, count: u64) -> Answer<Vec<Row>> {
        let bucket = self.bucket_expr(side, count);
        let sum = encode::sum_of(&self.shape.hashed(side));
        let select = self
            .select(side, vec![bucket.clone(), Expr::count_all(), sum])
            .group_by(vec![bucket]);
        let step = format!("summing up rows of {}", self.name(side));
        self.worker(side).ask(step, select)
    }

    fn compare_buckets(&mut self, buckets: &[u64], count: u64) -> Result<()> {
        if buckets.is_empty() {
            return Ok(());
        }
        let numbers = buckets
            .iter()
            .map(|bucket| Expr::integer(*bucket))
            .collect::<Vec<_>>();
        let within = |side| self.bucket_expr(side, count).is_in(numbers.clone());
        let ask = |side| {
            let hash = self.shape.comparison_hash(side);
            let select = self
                .select(side, vec![hash.clone(), Expr::count_all()])
                .filter(within(side))
                .group_by(vec![hash]);
            let step = format!("counting equal rows of {}", self.name(side));
            self.worker(side).ask(step, select)
        };
        let (remote, local) = (ask(Side::Remote), ask(Side::Local));
        let remote = counted(&remote.wait()?)?;
        let local = counted(&local.wait()?)?;
        let copies = |hash: &String| {
            let of = |rows: &BTreeMap<String, u64>| rows.get(hash).copied().unwrap_or(0);
            (of(&local), of(&remote))
        };
        let fewer = local
            .keys()
            .filter(|hash| copies(hash).0 > copies(hash).1)
            .collect::<Vec<_>>();
        let more = remote
            .keys()
            .filter(|hash| copies(hash).0 < copies(hash).1)
            .collect::<Vec<_>>();
        let filters = [
            (Side::Local, fewer, within(Side::Local)),
            (Side::Remote, more, within(Side::Remote)),
        ];
        for (side, hashes, within) in filters {
            if side == Side::Local && self.task.keep_local {
                continue;
            }
            for hashes in hashes.chunks(NAMED_HASHES) {
                let named = hashes.iter().map(|hash| Expr::text(hash)).collect();
                let filter = Expr::all(vec![
                    within.clone(),
                    self.shape.comparison_hash(side).is_in(named),
                ]);
                let select = self.distinct(side, filter);
                let step = format!("reading rows of {}", self.name(side));
                let mut batches = self.worker(side).ask_stream(step, select);
                while let Some(rows) = batches.next()? {
                    for row in rows {
                        let kind = match side {
                            Side::Remote => RowKind::Insert,
                            Side::Local => RowKind::Delete,
                        };
                        let copies = copies(&hash_text(&row, 1)?);
                        self.emit_counted(kind, &row, copies)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Number, comparison hash, plan hash and columns of each distinct row.
    fn distinct(&self, side: Side, filter: Expr) -> Select {
        let hash = self.shape.comparison_hash(side);
        let mut columns = vec![Expr::count_all(), hash.clone(), self.shape.plan_hash(side)];
        columns.extend(self.shape.selected(side));
        self.select(side, columns)
            .filter(filter)
            .group_by(vec![hash])
    }

    fn emit_counted(&mut self, kind: RowKind, row: &Row, copies: (u64, u64)) -> Result<()> {
        let hash = Some(hash_text(row, 2)?);
        let values = Some(self.values(&row[3..]));
        let change = match kind {
            RowKind::Insert | RowKind::Update => RowChange {
                after: values,
                after_hash: hash,
                copies: Some(copies),
                ..RowChange::default()
            },
            RowKind::Delete => RowChange {
                before: values,
                before_hash: hash,
                copies: Some(copies),
                ..RowChange::default()
            },
        };
        self.emit(kind, change)
    }
}

fn counted(rows: &[Row]) -> Result<BTreeMap<String, u64>> {
    rows.iter()
        .map(|row| Ok((hash_text(row, 0)?, checksum::number(row.get(1))?)))
        .collect()
}
