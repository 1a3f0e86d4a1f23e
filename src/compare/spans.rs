//! Cuts a table's keys into chunks whose size follows the time the servers take.
//!
//! Must never leave a gap between chunks: each begins where the one before it ends, the last is open.

use super::pace::{LEAST_CHUNK, Pace};
use super::pages::key_of;
use super::work::Answer;
use super::{Comparison, RowKey};
use crate::connect::{Row, Side};
use crate::read::checksum::number;
use crate::read::chunk::{self, Buckets, ChunkRange, Key, KeySide};
use crate::schema::ObjectName;
use crate::sql::expr::Operator;
use crate::sql::{Expr, Function, Select};
use anyhow::{Context, Result};
use std::time::Duration;

/// Most values that one chunk spans, so that differences of keys stay within 64 bits.
const MOST_SPAN: i128 = 1 << 60;

/// How many buckets' rows one value of the key's first column may have before its rows are spread over buckets of
/// their own, which costs a CRC of every row's key.
const CROWDED: f64 = 3.0;

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) range: ChunkRange,
    pub(super) buckets: Buckets,
}

/// Cuts keys into chunks.
pub(super) enum Spans {
    /// By arithmetic on an integer first column.
    Lead(LeadSpans),
    /// By the key of every n-th row.
    Ordered(OrderedSpans),
    /// The whole table at once: keys that the two servers may sort differently.
    Whole(Option<Span>),
}

/// Ranges of an integer first column.
pub(super) struct LeadSpans {
    pace: Pace,
    /// Where the next chunk begins; `None` when the last was given.
    next: Option<i128>,
    greatest: i128,
    /// Rows per value, as last seen.
    density: f64,
    /// Whether further columns of the key tell rows of one value apart.
    is_composite: bool,
    /// Whether the last chunk was empty: the next begins at the next key there is.
    gap: bool,
    /// Ranges to go over again in smaller chunks.
    again: Vec<(i128, Option<i128>)>,
}

impl LeadSpans {
    fn slice(&mut self) -> Option<Span> {
        let (from, end) = match self.again.pop() {
            Some((from, end)) => (from, end),
            None => (self.next?, None),
        };
        let repeated = end.is_some();
        #[allow(clippy::cast_possible_truncation, reason = "saturates")]
        let values = |rows: f64| (rows / self.density.max(1e-18)).ceil() as i128;
        let span = values(self.pace.rows).clamp(1, MOST_SPAN);
        let width = values(self.pace.bucket_rows).clamp(1, MOST_SPAN);
        let mut to = from.checked_add(span);
        if repeated {
            if let (Some(stop), Some(cut)) = (end, to)
                && cut < stop
            {
                self.again.push((cut, end));
            } else {
                to = end;
            }
        } else {
            to = to.filter(|to| *to <= self.greatest);
            self.next = to;
        }
        let range = ChunkRange::Lead { from, to };
        // A bucket cannot be less than one value: where that has many rows, the whole key spreads them.
        let buckets = if self.is_composite && self.density > CROWDED * self.pace.bucket_rows {
            Buckets::Spread {
                count: self.pace.buckets(self.rows_within(from, to)),
            }
        } else {
            Buckets::Lead { from, width }
        };
        Some(Span { range, buckets })
    }

    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate; saturates"
    )]
    fn rows_within(&self, from: i128, to: Option<i128>) -> u64 {
        let end = to.unwrap_or_else(|| self.greatest.saturating_add(1));
        (end.saturating_sub(from).max(1) as f64 * self.density) as u64
    }

    fn learn(&mut self, range: &ChunkRange, rows: u64) {
        let ChunkRange::Lead { from, to } = range else {
            return;
        };
        self.gap = rows == 0;
        let end = to.unwrap_or(self.greatest.saturating_add(1));
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        let seen = rows as f64 / (end - from).max(1) as f64;
        // A thin stretch is trusted only step by step: the next may be dense.
        self.density = seen.max(self.density / 8.0);
    }

    /// Goes over a range again in smaller chunks. False where it cannot be made smaller.
    fn retry_smaller(&mut self, range: &ChunkRange) -> bool {
        let ChunkRange::Lead { from, to } = range else {
            return false;
        };
        if self.pace.rows <= LEAST_CHUNK {
            return false;
        }
        self.pace.rows = (self.pace.rows / 8.0).max(LEAST_CHUNK);
        self.density *= 4.0;
        match to {
            Some(to) => self.again.push((*from, Some(*to))),
            None => self.next = Some(*from),
        }
        true
    }
}

/// Ranges between keys that were read from one side.
pub(super) struct OrderedSpans {
    pace: Pace,
    side: Side,
    table: ObjectName,
    key: KeySide,
    after: Option<Key>,
    /// The boundary that was asked for ahead.
    ahead: Option<(Answer<Vec<Row>>, u64)>,
    done: bool,
}

impl Comparison<'_> {
    /// Settles how the table's keys are cut into chunks.
    pub(super) fn spans(
        &self,
        remote: &KeySide,
        local: &KeySide,
        ordered: bool,
        integer_lead: bool,
    ) -> Result<Spans> {
        let task = self.task;
        let pace = Pace::new(task.estimated_rows, task.estimated_bytes, task.chunk_time);
        if integer_lead {
            let ends = [
                self.ends(Side::Remote, remote, &ChunkRange::All)?,
                self.ends(Side::Local, local, &ChunkRange::All)?,
            ];
            let mut least = i128::MAX;
            let mut greatest = i128::MIN;
            for answer in ends {
                if let Some((from, to)) = read_ends(&answer.wait()?)? {
                    least = least.min(from);
                    greatest = greatest.max(to);
                }
            }
            if least > greatest {
                return Ok(Spans::Whole(None));
            }
            #[allow(clippy::cast_precision_loss, reason = "an estimate")]
            let density = task.estimated_rows.max(1) as f64 / (greatest - least + 1) as f64;
            // Few values with many rows each make poor chunks: the whole key cuts finer.
            if !(ordered && remote.columns.len() > 1 && density > 1_000.0) {
                return Ok(Spans::Lead(LeadSpans {
                    pace,
                    next: Some(least),
                    greatest,
                    density,
                    is_composite: remote.columns.len() > 1,
                    gap: false,
                    again: Vec::new(),
                }));
            }
        }
        if ordered {
            // Local finds the boundaries, so that production need not; behind local's last key the remote does.
            let side = Side::Local;
            let key = local.clone();
            return Ok(Spans::Ordered(OrderedSpans {
                pace,
                side,
                table: self.name(side).clone(),
                key,
                after: None,
                ahead: None,
                done: false,
            }));
        }
        Ok(Spans::Whole(Some(Span {
            range: ChunkRange::All,
            buckets: Buckets::Spread {
                count: pace.buckets(task.estimated_rows),
            },
        })))
    }

    fn ends(&self, side: Side, key: &KeySide, range: &ChunkRange) -> Result<Answer<Vec<Row>>> {
        let lead = key.columns.first().map_or_else(Expr::null, |column| {
            // A number without ZEROFILL's padding.
            Expr::column(&column.name)
        });
        let plain = |function| {
            Expr::call(function, vec![lead.clone()]).binary(Operator::Plus, Expr::integer(0))
        };
        let select = Select::from(
            self.name(side),
            vec![plain(Function::Min), plain(Function::Max)],
        )
        .filter(range.filter(key)?);
        let step = format!("finding the first and last key of {}", self.name(side));
        Ok(self.worker(side).ask(step, select))
    }

    /// Returns the next chunk, `None` after the last.
    pub(super) fn next_span(&self, spans: &mut Spans) -> Result<Option<Span>> {
        match spans {
            Spans::Lead(lead) => {
                if std::mem::take(&mut lead.gap) {
                    self.leap(lead)?;
                }
                Ok(lead.slice())
            }
            Spans::Whole(span) => Ok(span.take()),
            Spans::Ordered(ordered) => self.next_ordered(ordered),
        }
    }

    /// Goes on at the next key of either side, behind a stretch without any.
    fn leap(&self, lead: &mut LeadSpans) -> Result<()> {
        let (Some(next), RowKey::Columns { remote, local, .. }) = (lead.next, &self.shape.key)
        else {
            return Ok(());
        };
        let range = ChunkRange::Lead {
            from: next,
            to: None,
        };
        let answers = [
            self.ends(Side::Remote, remote, &range)?,
            self.ends(Side::Local, local, &range)?,
        ];
        let mut least = None;
        for answer in answers {
            if let Some((from, _)) = read_ends(&answer.wait()?)? {
                least = Some(least.map_or(from, |least: i128| least.min(from)));
            }
        }
        lead.next = least.map(|least| least.max(next));
        lead.density = lead.density.max(1.0);
        Ok(())
    }

    fn next_ordered(&self, spans: &mut OrderedSpans) -> Result<Option<Span>> {
        if spans.done {
            return Ok(None);
        }
        let (answer, rows) = match spans.ahead.take() {
            Some(ahead) => ahead,
            None => self.ask_boundary(spans)?,
        };
        let columns = spans.key.columns.len();
        let boundary = |rows: &[Row]| rows.first().map(|row| key_of(row, columns)).transpose();
        let mut upto = boundary(&answer.wait()?)?;
        if upto.is_none()
            && spans.side == Side::Local
            && let RowKey::Columns { remote, .. } = &self.shape.key
        {
            // Local ends here; the remote may go on for long.
            spans.side = Side::Remote;
            spans.table = self.name(Side::Remote).clone();
            spans.key = remote.clone();
            upto = boundary(&self.ask_boundary(spans)?.0.wait()?)?;
        }
        let after = std::mem::replace(&mut spans.after, upto.clone());
        if upto.is_some() {
            // Asked before the chunk's own checksum, so that it is known when that is done.
            spans.ahead = Some(self.ask_boundary(spans)?);
        } else {
            spans.done = true;
        }
        Ok(Some(Span {
            range: ChunkRange::Ordered { after, upto },
            buckets: Buckets::Spread {
                count: spans.pace.buckets(rows),
            },
        }))
    }

    fn ask_boundary(&self, spans: &OrderedSpans) -> Result<(Answer<Vec<Row>>, u64)> {
        let rows = spans.pace.chunk_rows();
        let select = chunk::boundary(&spans.table, &spans.key, spans.after.as_ref(), rows)?;
        let step = format!("finding the next chunk of {}", spans.table);
        Ok((self.worker(spans.side).ask_soon(step, select), rows))
    }
}

impl Spans {
    /// Takes note of what a chunk held and how long it took.
    pub(super) fn learn(&mut self, range: &ChunkRange, rows: u64, elapsed: Duration) {
        match self {
            Self::Lead(lead) => {
                lead.learn(range, rows);
                lead.pace.learn(rows, elapsed);
            }
            Self::Ordered(ordered) => ordered.pace.learn(rows, elapsed),
            Self::Whole(_) => {}
        }
    }

    /// Goes over a range again in smaller chunks, after a statement ran into the time limit. False where that cannot be
    /// done.
    pub(super) fn retry_smaller(&mut self, range: &ChunkRange) -> bool {
        match self {
            Self::Lead(lead) => lead.retry_smaller(range),
            Self::Ordered(_) | Self::Whole(_) => false,
        }
    }
}

fn read_ends(rows: &[Row]) -> Result<Option<(i128, i128)>> {
    let row = rows.first().context("the first and last key are missing")?;
    let value = |position: usize| -> Result<Option<i128>> {
        let Some(bytes) = row.get(position).and_then(Option::as_ref) else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(bytes);
        text.parse::<i128>()
            .map(Some)
            .with_context(|| format!("the first or last key is {text:?}, no whole number"))
    };
    Ok(value(0)?.zip(value(1)?))
}

/// Reads a count.
pub(super) fn count(rows: &[Row]) -> Result<u64> {
    number(rows.first().and_then(|row| row.first()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(least: i128, greatest: i128, density: f64) -> LeadSpans {
        LeadSpans {
            pace: Pace::new(1000, 100_000, Duration::from_millis(500)),
            next: Some(least),
            greatest,
            density,
            is_composite: false,
            gap: false,
            again: Vec::new(),
        }
    }

    fn ranges(spans: &mut LeadSpans) -> Vec<(i128, Option<i128>)> {
        let mut found = Vec::new();
        while let Some(span) = spans.slice() {
            if let ChunkRange::Lead { from, to } = span.range {
                found.push((from, to));
            }
            assert!(found.len() < 1000, "no end");
        }
        found
    }

    #[test]
    fn chunks_touch_and_the_last_is_open() {
        for (least, greatest) in [
            (0, 0),
            (-5, 100_000),
            (i128::from(i64::MIN), i128::from(i64::MAX)),
            (0, i128::from(u64::MAX)),
        ] {
            #[allow(clippy::cast_precision_loss, reason = "an estimate")]
            let density = 100_000.0 / (greatest - least + 1) as f64;
            let found = ranges(&mut lead(least, greatest, density));
            assert_eq!(found[0].0, least);
            assert_eq!(found.last().unwrap().1, None);
            assert!(found.last().unwrap().0 <= greatest);
            for pair in found.windows(2) {
                assert_eq!(pair[0].1, Some(pair[1].0));
            }
        }
    }

    #[test]
    fn rows_that_crowd_at_one_value_are_spread_by_the_whole_key() {
        let buckets = |density, is_composite| {
            let mut spans = lead(0, 1_000, density);
            spans.is_composite = is_composite;
            spans.slice().unwrap().buckets
        };
        // Of 1,000 rows of 100 bytes, a bucket takes 113.
        assert!(matches!(buckets(200.0, true), Buckets::Lead { .. }));
        assert!(matches!(buckets(900.0, false), Buckets::Lead { .. }));
        assert_eq!(buckets(900.0, true), Buckets::Spread { count: 182 });
    }

    #[test]
    fn a_range_that_took_too_long_is_gone_over_in_pieces() {
        let mut spans = lead(0, 100_000, 1.0);
        let first = spans.slice().unwrap();
        let second = spans.slice().unwrap();
        assert!(spans.retry_smaller(&first.range));
        let ChunkRange::Lead {
            from: 0,
            to: Some(end),
        } = first.range
        else {
            unreachable!()
        };
        let found = ranges(&mut spans);
        let pieces = found
            .iter()
            .take_while(|(_, to)| to.is_some_and(|to| to < end))
            .count();
        assert!(pieces > 1, "{found:?}");
        assert_eq!(found[0].0, 0);
        assert_eq!(found[pieces].1, Some(end));
        let ChunkRange::Lead { to, .. } = second.range else {
            unreachable!()
        };
        assert_eq!(Some(found[pieces + 1].0), to);
    }
}
