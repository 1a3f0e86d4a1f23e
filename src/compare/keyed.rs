//! The first pass over a table with a key: checksums by bucket on both sides, the next chunk under way while the last
//! is compared.
//!
//! Must never take a chunk as compared before both sides' answers for it have come.

use super::resolve::{Area, Spread};
use super::spans::{Span, Spans};
use super::work::Answer;
use super::{Comparison, RowKey};
use crate::connect::{Row, Side, server_code};
use crate::issues::KeyRange;
use crate::progress;
use crate::read::checksum::{self, Sums};
use crate::read::chunk::{Buckets, ChunkRange, KeySide};
use crate::sql::{Expr, Select};
use anyhow::{Result, bail};
use std::collections::VecDeque;
use std::time::Duration;

/// Chunks asked for ahead on each connection: enough that a server that is done first has the next ones to go on with while
/// the other, or a second look, takes its time.
const AHEAD: usize = 4;
/// Rows of differing buckets that are gathered before the second look.
const GATHERED_ROWS: u64 = 12_000;
/// Differing ranges that one statement names.
const GATHERED_RANGES: usize = 150;

/// Both sides' key, and what it can be used for.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) remote: KeySide,
    pub(super) local: KeySide,
    pub(super) ordered: bool,
    pub(super) positions: Vec<usize>,
}

impl Keys {
    pub(super) fn side(&self, side: Side) -> &KeySide {
        match side {
            Side::Remote => &self.remote,
            Side::Local => &self.local,
        }
    }
}

struct Chunk {
    span: Span,
    remote: Answer<Vec<Row>>,
    local: Answer<Vec<Row>>,
}

impl Comparison<'_> {
    /// Compares a table with a key.
    pub(super) fn keyed(&mut self) -> Result<()> {
        let RowKey::Columns {
            positions,
            remote,
            local,
            ordered,
            integer_lead,
        } = self.shape.key.clone()
        else {
            bail!("a table without a key is compared as a bag");
        };
        let keys = Keys {
            remote,
            local,
            ordered,
            positions,
        };
        let mut spans = self.spans(&keys.remote, &keys.local, ordered, integer_lead)?;
        let mut waiting = VecDeque::new();
        let mut areas = Vec::new();
        let mut read_under = false;
        loop {
            // While a snapshot is due to end, nothing is asked for ahead: the next chunk is to be read under the next.
            let old = read_under && self.snapshot_is_due();
            while !old && waiting.len() < AHEAD * self.remote.connections() {
                match self.next_span(&mut spans)? {
                    Some(span) => {
                        waiting.push_back(self.ask_sums(span, &keys)?);
                        read_under = true;
                    }
                    None => break,
                }
            }
            let Some(chunk) = waiting.pop_front() else {
                if !old {
                    break;
                }
                self.resolve(std::mem::take(&mut areas), &keys)?;
                self.finish_looks(&keys)?;
                self.next_snapshot()?;
                read_under = false;
                continue;
            };
            self.take_chunk(chunk, &mut spans, &keys, &mut areas)?;
            if is_enough(&areas) {
                self.resolve(std::mem::take(&mut areas), &keys)?;
            }
        }
        self.resolve(areas, &keys)?;
        self.finish_looks(&keys)
    }

    fn take_chunk(
        &mut self,
        chunk: Chunk,
        spans: &mut Spans,
        keys: &Keys,
        areas: &mut Vec<Area>,
    ) -> Result<()> {
        let Span { range, buckets } = chunk.span;
        let (remote, local) = (chunk.remote.timed(), chunk.local.timed());
        let ((remote, remote_time), (local, local_time)) = match (remote, local) {
            (Ok(remote), Ok(local)) => (remote, local),
            (Err(error), _) | (_, Err(error)) => {
                if matches!(server_code(&error), Some(3024 | 1969)) && spans.retry_smaller(&range) {
                    return Ok(());
                }
                return Err(error.context(KeyRange(range.in_words())));
            }
        };
        let (remote, local) = (checksum::sums(&remote)?, checksum::sums(&local)?);
        let (remote_rows, local_rows) = (rows_of(&remote), rows_of(&local));
        self.remote_rows += remote_rows;
        self.local_rows += local_rows;
        progress::add(remote_rows.max(local_rows));
        spans.learn(
            &range,
            remote_rows.max(local_rows),
            longest(remote_time, local_time),
        );
        if keys.ordered && (remote_rows == 0) != (local_rows == 0) {
            areas.push(Area {
                range,
                spread: None,
                remote_rows,
                local_rows,
            });
            return Ok(());
        }
        gather(&range, &buckets, &remote, &local, areas);
        Ok(())
    }

    fn ask_sums(&self, span: Span, keys: &Keys) -> Result<Chunk> {
        Ok(Chunk {
            remote: self.ask_chunk(Side::Remote, &span, keys)?,
            local: self.ask_chunk(Side::Local, &span, keys)?,
            span,
        })
    }

    fn ask_chunk(&self, side: Side, span: &Span, keys: &Keys) -> Result<Answer<Vec<Row>>> {
        let select = self.sums(side, &span.range, None, &span.buckets, keys)?;
        Ok(self.worker(side).ask_ahead(self.summing(side), select))
    }

    fn summing(&self, side: Side) -> String {
        format!("summing up rows of {}", self.name(side))
    }

    fn sums(
        &self,
        side: Side,
        range: &ChunkRange,
        within: Option<Expr>,
        buckets: &Buckets,
        keys: &Keys,
    ) -> Result<Select> {
        let columns = self.only_compared(self.shape.summed(side), keys);
        let table = self.name(side);
        let select = checksum::select(table, keys.side(side), range, within, buckets, &columns)?;
        Ok(self.shape.restricted(side, select))
    }

    pub(super) fn ask_side_sums(
        &self,
        side: Side,
        range: &ChunkRange,
        within: Option<Expr>,
        buckets: &Buckets,
        keys: &Keys,
    ) -> Result<Answer<Vec<Row>>> {
        let select = self.sums(side, range, within, buckets, keys)?;
        Ok(self.worker(side).ask(self.summing(side), select))
    }
}

fn longest(one: Duration, other: Duration) -> Duration {
    one.max(other)
}

fn rows_of(sums: &Sums) -> u64 {
    sums.values().map(|sum| sum.rows).sum()
}

fn is_enough(areas: &[Area]) -> bool {
    areas.len() >= GATHERED_RANGES
        || areas.iter().map(Area::rows).sum::<u64>() >= GATHERED_ROWS
        || areas.iter().any(|area| area.spread.is_some())
}

/// Notes the buckets that differ: ranges for those that are ranges (neighbours joined), numbers for the others.
fn gather(
    range: &ChunkRange,
    buckets: &Buckets,
    remote: &Sums,
    local: &Sums,
    areas: &mut Vec<Area>,
) {
    let differing = checksum::differing(remote, local);
    if differing.is_empty() {
        return;
    }
    match (range, buckets) {
        (ChunkRange::Lead { to, .. }, Buckets::Lead { from, width }) => {
            let mut last_bucket = None;
            for (bucket, remote_rows, local_rows) in differing {
                let start = from + i128::from(bucket) * width;
                let end = start + width;
                // The last chunk's last bucket stays open; no bucket reaches past its chunk.
                let end = match to {
                    Some(to) => Some(end.min(*to)),
                    None => Some(end),
                };
                let joined = last_bucket.is_some_and(|last: u64| last + 1 == bucket);
                last_bucket = Some(bucket);
                if joined
                    && let Some(area) = areas.last_mut()
                    && area.joins(remote_rows, local_rows)
                    && let ChunkRange::Lead { to: open, .. } = &mut area.range
                {
                    *open = end;
                    area.remote_rows += remote_rows;
                    area.local_rows += local_rows;
                    continue;
                }
                areas.push(Area {
                    range: ChunkRange::Lead {
                        from: start,
                        to: end,
                    },
                    spread: None,
                    remote_rows,
                    local_rows,
                });
            }
        }
        (_, Buckets::Spread { count }) => {
            areas.push(Area {
                range: range.clone(),
                remote_rows: differing.iter().map(|(_, rows, _)| rows).sum(),
                local_rows: differing.iter().map(|(_, _, rows)| rows).sum(),
                spread: Some(Spread {
                    count: *count,
                    among: rows_of(remote).max(rows_of(local)),
                    differing,
                }),
            });
        }
        (_, Buckets::Lead { .. }) => {}
    }
}
