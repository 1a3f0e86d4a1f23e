//! Inserts many rows fast: in larger transactions, first as if none of them were there.
//!
//! An empty table is filled over several connections ([`super::fill`]). Otherwise the key is unique on local, so a row that
//! is there already makes the INSERT fail; the transaction is rolled back and its rows go one by one past what local has.
//! The next statements are made while the server is at work. Must never commit rows that were not read back as the
//! plan has them.

use super::verify::{Stretch, checksum_of_rows, needs_lenient_mode, stands, verify_span};
use super::{BATCH_BYTES, BATCH_ROWS, Progress, Run, describe, fill, transaction, weight};
use crate::apply::approved::ApprovedPlan;
use crate::apply::table::Target;
use crate::apply::undo::{self, Record};
use crate::plan::row_sql::{self, Values};
use crate::plan::{Entry, PlanRow, payload};
use crate::retry::broke;
use crate::value::Value;
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;
use std::sync::mpsc::{SyncSender, sync_channel};

/// Rows of one transaction at most.
const LOAD_ROWS: usize = 10_000;
/// Bytes of the values of one transaction at most (about).
const LOAD_BYTES: usize = 8 << 20;

/// Rows of one transaction, with their statements.
struct Load {
    rows: Vec<PlanRow>,
    /// Each with its number of rows.
    statements: Vec<(String, u64)>,
    checksum: u64,
    lenient: bool,
}

/// Row numbers in stretches, first to last.
pub(super) type RowRanges = BTreeMap<u64, u64>;

/// Adds a stretch, joined with its neighbours.
pub(super) fn add_to_ranges(ranges: &mut RowRanges, (mut from, mut to): (u64, u64)) {
    if let Some((before, end)) = ranges.range(..from).next_back()
        && end + 1 >= from
    {
        (from, to) = (*before, to.max(*end));
    }
    if let Some(end) = ranges.remove(&(to + 1)) {
        to = end;
    }
    ranges.insert(from, to);
}

fn is_within(ranges: &RowRanges, number: u64) -> bool {
    ranges
        .range(..=number)
        .next_back()
        .is_some_and(|(_, to)| number <= *to)
}

/// Executes an entry of rows to insert.
///
/// # Errors
/// What stops the entry: the last transaction does not stand, those before it do.
pub(super) fn run(run: &mut Run<'_>, entry: &Entry, target: &Target<'_>) -> Result<Progress> {
    let committed = fill::fill(run, entry, target)?;
    let mut progress = Progress {
        changed: run.stand,
        ..Progress::default()
    };
    let all = committed.first_key_value() == Some((&1, &entry.count.unwrap_or(0)));
    if all || run.stop()? {
        return Ok(progress);
    }
    rest(run, entry, target, &committed, &mut progress)?;
    Ok(progress)
}

/// Inserts the rows that are not committed yet, transaction after transaction.
fn rest(
    run: &mut Run<'_>,
    entry: &Entry,
    target: &Target<'_>,
    committed: &RowRanges,
    progress: &mut Progress,
) -> Result<()> {
    let approved = run.approved;
    std::thread::scope(|scope| {
        let (sender, loads) = sync_channel(2);
        scope.spawn(move || {
            if let Err(error) = prepare(approved, entry, target, committed, &sender) {
                // The receiver has gone where the run has ended already.
                drop(sender.send(Err(error)));
            }
        });
        let mut careful = false;
        for load in loads {
            let load = load?;
            if careful || !insert(run, entry, target, &load, progress)? {
                let before = progress.already;
                if is_there(run, target, &load)? {
                    progress.already += load.rows.len() as u64;
                } else {
                    one_by_one(run, entry, target, &load.rows, progress)?;
                }
                // An apply that is run again finds its rows there, transaction after transaction.
                careful = progress.already > before;
            }
            crate::progress::add(load.rows.len() as u64);
            if run.stop()? {
                break;
            }
        }
        Ok(())
    })
}

/// Reads the rows and makes their statements, a transaction at a time.
fn prepare(
    approved: &ApprovedPlan,
    entry: &Entry,
    target: &Target<'_>,
    committed: &RowRanges,
    sender: &SyncSender<Result<Load>>,
) -> Result<()> {
    let mut rows = Vec::new();
    let mut bytes = 0;
    for row in payload::rows(entry, &approved.plan().id, approved.path())? {
        let row = row?;
        if !approved.wants_row(entry, &row) || is_within(committed, row.row) {
            continue;
        }
        bytes += weight(&row);
        rows.push(row);
        if rows.len() >= LOAD_ROWS || bytes >= LOAD_BYTES {
            let load = load(entry, target, std::mem::take(&mut rows))?;
            bytes = 0;
            if sender.send(Ok(load)).is_err() {
                return Ok(());
            }
        }
    }
    if !rows.is_empty() {
        drop(sender.send(Ok(load(entry, target, rows)?)));
    }
    Ok(())
}

fn load(entry: &Entry, target: &Target<'_>, rows: Vec<PlanRow>) -> Result<Load> {
    let literal = |name: &str, value: &Value| target.literal(name, value);
    let mut statements = Vec::new();
    for part in parts(&rows) {
        let values: Vec<&Values> = part.iter().map(|row| &row.values).collect();
        let sql = row_sql::insert(&target.name, &target.extras, &values, &literal)
            .with_context(|| describe(entry, part))?;
        statements.push((sql, part.len() as u64));
    }
    Ok(Load {
        checksum: checksum_of_rows(&rows)?,
        lenient: needs_lenient_mode(target, &rows)?,
        statements,
        rows,
    })
}

/// Splits rows into those of one statement each.
fn parts(rows: &[PlanRow]) -> Vec<&[PlanRow]> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut bytes = 0;
    for (position, row) in rows.iter().enumerate() {
        let weight = weight(row);
        if position > start && (position - start >= BATCH_ROWS || bytes + weight > BATCH_BYTES) {
            parts.push(&rows[start..position]);
            start = position;
            bytes = 0;
        }
        bytes += weight;
    }
    if start < rows.len() {
        parts.push(&rows[start..]);
    }
    parts
}

/// Inserts the rows as if none were there; false when the server refuses one.
fn insert(
    run: &mut Run<'_>,
    entry: &Entry,
    target: &Target<'_>,
    load: &Load,
    progress: &mut Progress,
) -> Result<bool> {
    if load.statements.iter().any(|(sql, _)| !run.fits(sql)) {
        return Ok(false);
    }
    let rows = undo::ranges(load.rows.iter().map(|row| row.row));
    let inserted = transaction(run, entry, |run| {
        run.journal.append(&Record::Inserts {
            entry: entry.id.clone(),
            rows: rows.clone(),
        })?;
        if load.lenient {
            run.local.lenient_mode(true)?;
        }
        let executed =
            load.statements
                .iter()
                .try_for_each(|(sql, rows)| match run.local.execute(sql)? {
                    affected if affected == *rows => Ok(()),
                    affected => bail!("an INSERT of {rows} rows inserted {affected}"),
                });
        if load.lenient {
            run.local.lenient_mode(false)?;
        }
        executed?;
        verify_span(run.local, target, &load.rows, load.checksum)
    });
    match inserted {
        Ok(()) => {
            progress.changed += load.rows.len() as u64;
            run.stand = progress.changed;
            run.recorded()
                .with_context(|| describe(entry, &load.rows))?;
            Ok(true)
        }
        Err(error) if crate::connect::server_code(&error).is_some() && !broke(&error) => Ok(false),
        Err(error) => Err(error).with_context(|| describe(entry, &load.rows)),
    }
}

/// Whether all rows are there as the plan has them, as one query tells.
fn is_there(run: &mut Run<'_>, target: &Target<'_>, load: &Load) -> Result<bool> {
    let Some(stretch) = Stretch::of(&load.rows, load.checksum) else {
        return Ok(false);
    };
    stands(run.local, target, &stretch)
}

fn one_by_one(
    run: &mut Run<'_>,
    entry: &Entry,
    target: &Target<'_>,
    rows: &[PlanRow],
    progress: &mut Progress,
) -> Result<()> {
    for part in parts(rows) {
        super::batch(run, entry, target, part, progress, &mut Vec::new())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u64, bytes: usize) -> PlanRow {
        serde_json::from_value(serde_json::json!({
            "row": number, "values": { "a": "x".repeat(bytes) },
        }))
        .unwrap()
    }

    #[test]
    fn stretches_join_in_whatever_order_they_come() {
        let mut found = RowRanges::new();
        for stretch in [(5, 6), (1, 2), (9, 9), (3, 4), (7, 8)] {
            add_to_ranges(&mut found, stretch);
        }
        assert_eq!(found, RowRanges::from([(1, 9)]));
        add_to_ranges(&mut found, (11, 12));
        assert!(is_within(&found, 9) && is_within(&found, 11));
        assert!(!is_within(&found, 10) && !is_within(&found, 13) && !is_within(&found, 0));
    }

    #[test]
    fn statements_are_bounded_by_rows_and_bytes() {
        let sizes = |rows: &[PlanRow]| {
            parts(rows)
                .iter()
                .map(|part| part.len())
                .collect::<Vec<_>>()
        };
        let small: Vec<PlanRow> = (1..=2500).map(|number| row(number, 1)).collect();
        assert_eq!(sizes(&small), [1000, 1000, 500]);
        let large: Vec<PlanRow> = (1..=3).map(|number| row(number, 600_000)).collect();
        assert_eq!(sizes(&large), [1, 1, 1]);
        let mixed = [
            row(1, 500_000),
            row(2, 500_000),
            row(3, 2_000_000),
            row(4, 1),
        ];
        assert_eq!(sizes(&mixed), [2, 1, 1]);
        assert_eq!(sizes(&[]), [0_usize; 0]);
    }
}
