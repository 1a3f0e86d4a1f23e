//! Executes the rows of a table without a key: equal rows are counted, before and after. Very many rows for an empty table go
//! in one transaction, whose count and sum are read back at its end: counting batch by batch would scan the table for each.
//!
//! Must never add or delete a copy that the counts under lock do not ask for: a second apply changes nothing.

use super::rows::{Progress, Run, attempt, concerns_a_row, hash_bits, in_words, part, transaction};
use super::table::Target;
use super::undo::{self, Record};
use crate::connect::Reader as _;
use crate::interrupt;
use crate::plan::row_sql::{self, Inserter, Values};
use crate::plan::{Entry, Kind, PlanRow, payload};
use crate::progress;
use crate::read::encode;
use crate::schema::Column;
use crate::schema::table::TypeClass;
use crate::sql::expr::Operator;
use crate::sql::{Expr, Select, qualified};
use crate::value::Value;
use anyhow::{Context as _, Result, bail};
use std::collections::{BTreeMap, BTreeSet};

/// Different rows of one transaction at most: each batch scans the table once.
const BATCH_ROWS: usize = 5000;
/// Rows of one INSERT at most.
const INSERT_ROWS: usize = 500;
/// Rows, and bytes (about), of one INSERT into an empty table at most.
const FILLED_ROWS: u64 = 1000;
const FILLED_BYTES: usize = 1 << 19;

/// Executes an entry of rows without a key.
///
/// # Errors
/// What stops the entry: the last batch does not stand, those before it do.
pub(super) fn run(run: &mut Run<'_>, entry: &Entry, target: &Target<'_>) -> Result<Progress> {
    let mut progress = Progress::default();
    let mut batch: Vec<PlanRow> = Vec::new();
    let approved = run.approved;
    run.local.foreign_key_checks(!run.shared)?;
    if let Some(filled) = fill(run, entry, target)? {
        progress.changed = filled;
        run.stand = filled;
        return Ok(progress);
    }
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

/// Fills the table in one transaction, if it is empty and the entry is large; returns how many rows it has now. `None`
/// where the batches must do it.
fn fill(run: &mut Run<'_>, entry: &Entry, target: &Target<'_>) -> Result<Option<u64>> {
    let large = entry.count.unwrap_or(0) > BATCH_ROWS as u64 && entry.payload.is_some();
    if run.shared || entry.kind != Kind::InsertRows || !large {
        return Ok(None);
    }
    let lenient = target
        .columns
        .iter()
        .any(|(column, _)| column.data_type.class() == Some(TypeClass::Enum));
    let filled = transaction(run, entry, |run| {
        let some = Select::from(&target.name, vec![Expr::integer(1)]).limit(1, 0);
        if !run.local.rows_locked(&some)?.is_empty() {
            return Ok(None);
        }
        if lenient {
            run.local.lenient_mode(true)?;
        }
        let filled = insert_all(run, entry, target);
        if lenient {
            run.local.lenient_mode(false)?;
        }
        filled.map(Some)
    });
    match filled {
        // The batches name the row.
        Err(error) if concerns_a_row(&error) => Ok(None),
        filled => filled.with_context(|| format!("rows of {}", entry.id)),
    }
}

/// Inserts every approved row as often as the plan says, and checks that exactly those are there.
fn insert_all(run: &mut Run<'_>, entry: &Entry, target: &Target<'_>) -> Result<u64> {
    let approved = run.approved;
    let columns: Vec<&Column> = target.columns.iter().map(|(column, _)| column).collect();
    let mut inserter = Inserter::new(&target.name, &columns, &target.extras);
    let (mut rows, mut sum) = (0_u64, 0_u128);
    run.journal.append(&Record::Inserts {
        entry: entry.id.clone(),
        rows: approved.wanted_rows(entry),
    })?;
    let changes = payload::changes(entry, &approved.plan().id, approved.path())?
        .with_context(|| format!("{} has no payload", entry.id))?;
    for change in changes {
        let (number, decision, change) = change?;
        if !approved.wants_decided(entry, decision) {
            continue;
        }
        interrupt::check()?;
        let row = || format!("row {number} of {}", entry.id);
        let (_, copies) = change.copies.with_context(row)?;
        let values = change.after.as_deref().with_context(row)?;
        let bits = change.after_hash.as_deref().and_then(hash_bits);
        sum += u128::from(bits.with_context(row)?) * u128::from(copies);
        rows += copies;
        for _ in 0..copies {
            inserter.push(values).with_context(row)?;
            if inserter.rows() >= FILLED_ROWS || inserter.bytes() >= FILLED_BYTES {
                progress::add(inserter.rows());
                send(run, &mut inserter)?;
            }
        }
    }
    send(run, &mut inserter)?;
    let columns = vec![Expr::count_all(), encode::sum_of(&target.hashed(false))];
    let there = run
        .local
        .rows(&Select::from(&target.name, columns).into())?;
    let text = |place: usize| {
        let cell = there.first()?.get(place)?.as_deref()?;
        String::from_utf8(cell.to_vec()).ok()
    };
    if (text(0), text(1)) != (Some(rows.to_string()), Some(sum.to_string())) {
        bail!("the rows that were written do not read back as the plan has them");
    }
    Ok(rows)
}

fn send(run: &mut Run<'_>, inserter: &mut Inserter<'_>) -> Result<()> {
    let Some((sql, rows)) = inserter.take() else {
        return Ok(());
    };
    match run.local.execute(&sql)? {
        affected if affected == rows => Ok(()),
        affected => bail!("an INSERT of {rows} rows inserted {affected}"),
    }
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
    attempt(run, entry, progress, |run, progress| {
        change(run, entry, target, rows, progress)
    })
    .with_context(|| format!("rows of {}", entry.id))
}

fn change(
    run: &mut Run<'_>,
    entry: &Entry,
    target: &Target<'_>,
    rows: &[PlanRow],
    progress: &mut Progress,
) -> Result<()> {
    let inserting = entry.kind == Kind::InsertRows;
    let nameless = rows
        .iter()
        .all(|row| row.before_hash.as_deref() == Some(encode::HASH_OF_NOTHING));
    let hash = encode::hash_of(&if nameless {
        Vec::new()
    } else {
        target.hashed(!inserting)
    });
    let mut counted = counts(run, target, &hash, rows, inserting)?;
    let new_columns = target.shape.columns.iter().any(|column| !column.common);
    let deleted = undo::Spans::of(&entry.id, run.records);
    let mut todo: Vec<(&PlanRow, u64, u64)> = Vec::new();
    for row in rows {
        let (before, after) = row
            .copies
            .context("a row without a key must say how many copies there are")?;
        match counted.get(hash_of(row, inserting)?).copied().unwrap_or(0) {
            now if now == after => progress.already += 1,
            now if now == before => todo.push((row, before, after)),
            // Rows that the same plan inserts, and that differ in columns alone that this hash does not cover.
            _ if !inserting && new_columns && deleted.place(row.row).is_some() => {
                progress.already += 1;
            }
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
    let (changed, refused) = if inserting {
        insert(run, target, &todo, progress)?
    } else {
        (delete(run, target, &hash, &todo)?, BTreeSet::new())
    };
    counted = counts(run, target, &hash, rows, inserting)?;
    for (row, before, after) in &todo {
        let now = counted.get(hash_of(row, inserting)?).copied().unwrap_or(0);
        let wanted = if refused.contains(&row.row) {
            before
        } else {
            after
        };
        if now != *wanted {
            bail!(
                "row {} should be there {wanted} times now and is {now} times",
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

/// Inserts the missing copies; returns how many they are, and the numbers of the rows that the server refused.
fn insert(
    run: &mut Run<'_>,
    target: &Target<'_>,
    todo: &[(&PlanRow, u64, u64)],
    progress: &mut Progress,
) -> Result<(u64, BTreeSet<u64>)> {
    let mut refused = BTreeSet::new();
    match insert_copies(run, target, todo) {
        Ok(inserted) => return Ok((inserted, refused)),
        Err(error) if concerns_a_row(&error) => {}
        Err(error) => return Err(error),
    }
    let mut inserted = 0;
    for row in todo {
        match insert_copies(run, target, std::slice::from_ref(row)) {
            Ok(copies) => inserted += copies,
            Err(error) if concerns_a_row(&error) => {
                progress.leave(row.0, &in_words(&error));
                refused.insert(row.0.row);
            }
            Err(error) => return Err(error),
        }
    }
    Ok((inserted, refused))
}

/// Inserts the missing copies of these rows, or none.
fn insert_copies(
    run: &mut Run<'_>,
    target: &Target<'_>,
    todo: &[(&PlanRow, u64, u64)],
) -> Result<u64> {
    let literal = |name: &str, value: &Value| target.literal(name, value);
    let copies: Vec<&Values> = todo
        .iter()
        .flat_map(|(row, before, after)| (*before..*after).map(|_| &row.values))
        .collect();
    part(run, |run| {
        for rows in copies.chunks(INSERT_ROWS) {
            let sql = row_sql::insert(&target.name, &target.extras, rows, &literal)?;
            run.local.execute(&sql)?;
        }
        Ok(copies.len() as u64)
    })
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
