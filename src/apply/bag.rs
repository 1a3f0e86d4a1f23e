//! Executes the rows of a table without a key: equal rows are counted, before and after.
//!
//! Must never add or delete a copy that the counts under lock do not ask for: a second apply changes nothing.

use super::rows::{Progress, Run, transaction};
use super::table::Target;
use super::undo::{self, Record};
use crate::plan::row_sql::{self, Values};
use crate::plan::{Entry, Kind, PlanRow, payload};
use crate::read::encode;
use crate::sql::expr::Operator;
use crate::sql::{Expr, Select, qualified};
use crate::value::Value;
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;

/// Different rows of one transaction at most: each batch scans the table once.
const BATCH_ROWS: usize = 5000;
/// Rows of one INSERT at most.
const INSERT_ROWS: usize = 500;

/// Executes an entry of rows without a key.
///
/// # Errors
/// What stops the entry: the last batch does not stand, those before it do.
pub(super) fn run(run: &mut Run<'_>, entry: &Entry, target: &Target<'_>) -> Result<Progress> {
    let mut progress = Progress::default();
    let mut batch: Vec<PlanRow> = Vec::new();
    let approved = run.approved;
    run.local.foreign_key_checks(!run.shared)?;
    for row in payload::rows(entry, &approved.plan().id, approved.path())? {
        let row = row?;
        if !approved.wants_row(entry, &row) {
            continue;
        }
        batch.push(row);
        if batch.len() >= BATCH_ROWS {
            self::batch(run, entry, target, &batch, &mut progress)?;
            batch.clear();
            if run.stop()? {
                return Ok(progress);
            }
        }
    }
    self::batch(run, entry, target, &batch, &mut progress)?;
    Ok(progress)
}

fn batch(
    run: &mut Run<'_>,
    entry: &Entry,
    target: &Target<'_>,
    rows: &[PlanRow],
    progress: &mut Progress,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut attempt = progress.clone();
    transaction(run, entry, |run| {
        attempt = progress.clone();
        change(run, entry, target, rows, &mut attempt)
    })
    .with_context(|| format!("rows of {}", entry.id))?;
    run.stand = attempt.changed;
    *progress = attempt;
    Ok(())
}

fn change(
    run: &mut Run<'_>,
    entry: &Entry,
    target: &Target<'_>,
    rows: &[PlanRow],
    progress: &mut Progress,
) -> Result<()> {
    let inserting = entry.kind == Kind::InsertRows;
    let hash = encode::hash_of(&target.hashed(!inserting));
    let mut counted = counts(run, target, &hash, rows, inserting)?;
    let mut todo: Vec<(&PlanRow, u64, u64)> = Vec::new();
    for row in rows {
        let (before, after) = row
            .copies
            .context("a row without a key must say how many copies there are")?;
        match counted.get(hash_of(row, inserting)?).copied().unwrap_or(0) {
            now if now == after => progress.already += 1,
            now if now == before => todo.push((row, before, after)),
            now => progress.leave(
                row,
                &format!(
                    "local has {now} equal rows by now, the plan saw {before} and wants {after}"
                ),
            ),
        }
    }
    if todo.is_empty() {
        return Ok(());
    }
    let numbers = undo::ranges(todo.iter().map(|(row, ..)| row.row));
    let entry_id = entry.id.clone();
    run.journal.append(&if inserting {
        Record::Inserts {
            entry: entry_id,
            rows: numbers,
        }
    } else {
        Record::Rows {
            entry: entry_id,
            rows: numbers,
            images: None,
        }
    })?;
    let changed = if inserting {
        insert(run, target, &todo)?
    } else {
        delete(run, target, &hash, &todo)?
    };
    counted = counts(run, target, &hash, rows, inserting)?;
    for (row, _, after) in &todo {
        let now = counted.get(hash_of(row, inserting)?).copied().unwrap_or(0);
        if now != *after {
            bail!(
                "row {} should be there {after} times now and is {now} times",
                row.row
            );
        }
    }
    progress.changed += changed;
    Ok(())
}

/// How often each hash is there, under a lock on everything that was scanned.
fn counts(
    run: &mut Run<'_>,
    target: &Target<'_>,
    hash: &Expr,
    rows: &[PlanRow],
    inserting: bool,
) -> Result<BTreeMap<String, u64>> {
    let hashes = rows
        .iter()
        .map(|row| hash_of(row, inserting).map(Expr::text))
        .collect::<Result<Vec<_>>>()?;
    let select = Select::from(&target.name, vec![hash.clone(), Expr::count_all()])
        .filter(hash.clone().is_in(hashes))
        .group_by(vec![hash.clone()]);
    let mut counts = BTreeMap::new();
    for row in run.local.rows_locked(&select)? {
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

fn insert(run: &mut Run<'_>, target: &Target<'_>, todo: &[(&PlanRow, u64, u64)]) -> Result<u64> {
    let literal = |name: &str, value: &Value| target.literal(name, value);
    let copies: Vec<&Values> = todo
        .iter()
        .flat_map(|(row, before, after)| (*before..*after).map(|_| &row.values))
        .collect();
    for rows in copies.chunks(INSERT_ROWS) {
        run.local.execute(&row_sql::insert(
            &target.name,
            &target.extras,
            rows,
            &literal,
        )?)?;
    }
    Ok(copies.len() as u64)
}

fn delete(
    run: &mut Run<'_>,
    target: &Target<'_>,
    hash: &Expr,
    todo: &[(&PlanRow, u64, u64)],
) -> Result<u64> {
    let mut deleted = 0;
    // Those of which nothing stays go in one scan.
    let whole = todo
        .iter()
        .filter(|(_, _, after)| *after == 0)
        .map(|(row, ..)| hash_of(row, false).map(Expr::text))
        .collect::<Result<Vec<_>>>()?;
    if !whole.is_empty() {
        let condition = hash.clone().is_in(whole);
        deleted += run.local.execute(&format!(
            "DELETE FROM {} WHERE {}",
            qualified(&target.name),
            condition.sql()
        ))?;
    }
    for (row, before, after) in todo.iter().filter(|(_, _, after)| *after > 0) {
        let condition = hash
            .clone()
            .binary(Operator::Equal, Expr::text(hash_of(row, false)?));
        deleted += run.local.execute(&format!(
            "DELETE FROM {} WHERE {} LIMIT {}",
            qualified(&target.name),
            condition.sql(),
            before - after
        ))?;
    }
    Ok(deleted)
}

fn hash_of(row: &PlanRow, inserting: bool) -> Result<&str> {
    let hash = if inserting {
        &row.after_hash
    } else {
        &row.before_hash
    };
    hash.as_deref()
        .with_context(|| format!("row {} has no hash", row.row))
}
