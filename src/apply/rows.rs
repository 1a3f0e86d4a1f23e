//! Executes the rows of one entry in bounded batches, each re-checked under lock.
//!
//! Must never change a row that is not what the plan saw, never let a batch stand half, and never use REPLACE or ON
//! DUPLICATE KEY UPDATE (they delete or change other rows: FACTS.md, section 5).

use super::approved::ApprovedPlan;
use super::foreign::{self, Key};
use super::table::{Found, Target};
use super::undo::{Journal, Record};
use crate::connect::{LocalSession, server_code};
use crate::interrupt;
use crate::plan::row_sql::{self, Values};
use crate::plan::{Entry, Kind, PlanRow, payload};
use crate::read::encode;
use crate::sql::{Expr, Select};
use crate::value::{Cell, Value};
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;

/// Rows of one transaction at most.
const BATCH_ROWS: usize = 1000;
/// Bytes of the values of one transaction, and of one INSERT, at most (about).
const BATCH_BYTES: usize = 1 << 20;
/// Rows that were left alone and are named at most.
const EXAMPLES: usize = 10;
/// Errors that concern single rows: duplicate value, missing parent, remaining children.
const ROW_ERRORS: [u16; 6] = [1062, 1169, 1216, 1217, 1451, 1452];

/// What came of an entry's rows so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Rows changed.
    pub(super) changed: u64,
    /// Rows that were as wanted already.
    pub(super) already: u64,
    /// Rows left alone.
    pub(super) stale: u64,
    /// The first of them.
    pub(super) examples: Vec<String>,
}

impl Progress {
    /// Counts a row that is left as it is.
    pub(super) fn leave(&mut self, row: &PlanRow, why: &str) {
        self.stale += 1;
        if self.examples.len() < EXAMPLES {
            let key: Vec<String> = row
                .key
                .iter()
                .map(|(name, value)| format!("{name} = {value}"))
                .collect();
            let key = if key.is_empty() {
                format!("row {}", row.row)
            } else {
                key.join(", ")
            };
            self.examples.push(format!("{key}: {why}"));
        }
    }
}

/// Where the rows of an entry are executed.
pub(super) struct Run<'a> {
    /// The plan.
    pub(super) approved: &'a ApprovedPlan,
    /// The local server.
    pub(super) local: &'a mut LocalSession,
    /// The undo record.
    pub(super) journal: &'a mut Journal,
    /// Whether a transaction around several entries is open: then batches neither begin nor commit, and the foreign
    /// keys are checked by whoever opened it.
    pub(super) shared: bool,
    /// Foreign keys that would act on other tables' rows.
    pub(super) acting: Vec<Key>,
    /// Foreign keys that point to the table.
    pub(super) pointing: Vec<Key>,
}

/// Executes an entry of rows with a key.
///
/// # Errors
/// What stops the entry: the last batch does not stand, those before it do.
pub(super) fn run(run: &mut Run<'_>, entry: &Entry, target: &Target<'_>) -> Result<Progress> {
    let mut progress = Progress::default();
    let mut swaps = Vec::new();
    let mut batch: Vec<PlanRow> = Vec::new();
    let mut bytes = 0;
    let approved = run.approved;
    // On even where a foreign key would cascade: rows that it would act on are left alone before (`referring`), and
    // the table's own foreign keys need the server's eye.
    run.local.foreign_key_checks(!run.shared)?;
    for row in payload::rows(entry, &approved.plan().id, approved.path())? {
        let row = row?;
        if !approved.wants_row(entry, &row) {
            continue;
        }
        bytes += weight(&row);
        batch.push(row);
        if batch.len() >= BATCH_ROWS || bytes >= BATCH_BYTES {
            self::batch(run, entry, target, &batch, &mut progress, &mut swaps)?;
            batch.clear();
            bytes = 0;
            interrupt::check()?;
        }
    }
    self::batch(run, entry, target, &batch, &mut progress, &mut swaps)?;
    if !swaps.is_empty() {
        swap(run, entry, target, &swaps, &mut progress)?;
    }
    Ok(progress)
}

/// Runs `f` in a transaction of its own, unless one is open around it.
fn transaction<T>(
    run: &mut Run<'_>,
    entry: &Entry,
    f: impl FnOnce(&mut Run<'_>) -> Result<T>,
) -> Result<T> {
    if run.shared {
        return f(run);
    }
    run.local.begin()?;
    let result = f(run).and_then(|value| {
        run.local.commit()?;
        run.journal.append(&Record::Committed {
            entry: entry.id.clone(),
        })?;
        Ok(value)
    });
    if result.is_err() {
        // What failed first is the error to tell; a broken connection has rolled back by itself.
        drop(run.local.rollback());
    }
    result
}

fn batch(
    run: &mut Run<'_>,
    entry: &Entry,
    target: &Target<'_>,
    rows: &[PlanRow],
    progress: &mut Progress,
    swaps: &mut Vec<PlanRow>,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut attempt = progress.clone();
    let mut collided = Vec::new();
    transaction(run, entry, |run| {
        let todo = judge(run.local, entry, target, rows, &mut attempt)?;
        write(run, entry, target, &todo, &mut attempt, &mut collided)
    })
    .with_context(|| describe(entry, rows))?;
    *progress = attempt;
    swaps.append(&mut collided);
    Ok(())
}

/// Locks the rows and sorts out those that are to be changed, with what local has.
fn judge<'r>(
    local: &mut LocalSession,
    entry: &Entry,
    target: &Target<'_>,
    rows: &'r [PlanRow],
    progress: &mut Progress,
) -> Result<Vec<(&'r PlanRow, Option<Found>)>> {
    let mut todo = Vec::new();
    for (row, found) in rows.iter().zip(locate(local, target, rows)?) {
        let after = row.after_hash.as_deref();
        let other_key = |found: &Found| {
            key_bytes(&target.shape.key, &found.key) != key_bytes(&target.shape.key, &row.key)
        };
        match (entry.kind, found) {
            (Kind::InsertRows, None) => todo.push((row, None)),
            (Kind::InsertRows | Kind::UpdateRows, Some(found))
                if after == Some(found.all.as_str()) =>
            {
                progress.already += 1;
            }
            (Kind::InsertRows, Some(_)) => {
                progress.leave(row, "local has a row with this key and other values by now");
            }
            (Kind::DeleteRows, None) => progress.already += 1,
            (Kind::UpdateRows, None) => progress.leave(row, "local has no such row any more"),
            (_, Some(found)) if row.before_hash.as_deref() == Some(found.common.as_str()) => {
                todo.push((row, Some(found)));
            }
            // Another spelling of the key that its collation takes for equal: another row.
            (Kind::DeleteRows, Some(found)) if other_key(&found) => progress.already += 1,
            (Kind::UpdateRows, Some(found)) if other_key(&found) => {
                progress.leave(row, "local has no such row any more");
            }
            (_, Some(_)) => progress.leave(row, "the local row changed since the plan was made"),
            _ => bail!("{} is no entry of rows", entry.id),
        }
    }
    Ok(todo)
}

/// Finds the local rows that have the plan's keys, under lock, one place per row of the plan.
fn locate(
    local: &mut LocalSession,
    target: &Target<'_>,
    rows: &[PlanRow],
) -> Result<Vec<Option<Found>>> {
    let keys: Vec<&Values> = rows.iter().map(|row| &row.key).collect();
    let found = local
        .rows_locked(&target.select_by_keys(&keys)?)?
        .iter()
        .map(|row| target.found(row))
        .collect::<Result<Vec<_>>>()?;
    let mut by_key: BTreeMap<Vec<Cell>, Found> = found
        .into_iter()
        .map(|found| (key_bytes(&target.shape.key, &found.key), found))
        .collect();
    let mut placed: Vec<Option<Found>> = rows
        .iter()
        .map(|row| by_key.remove(&key_bytes(&target.shape.key, &row.key)))
        .collect();
    if !by_key.is_empty() {
        // The column's collation takes keys for equal that are spelt otherwise ('a' and 'A'): ask one by one whose
        // place is taken.
        for (place, row) in placed
            .iter_mut()
            .zip(rows)
            .filter(|(place, _)| place.is_none())
        {
            if let Some(cells) = local
                .rows_locked(&target.select_by_keys(&[&row.key])?)?
                .first()
            {
                *place = Some(target.found(cells)?);
            }
        }
    }
    Ok(placed)
}

/// A key as the server would send it: a number may stand in a plan as one, and in a column that was widened as text.
fn key_bytes(names: &[String], key: &Values) -> Vec<Cell> {
    names
        .iter()
        .map(|name| key.get(name).and_then(Value::to_cell))
        .collect()
}

fn write(
    run: &mut Run<'_>,
    entry: &Entry,
    target: &Target<'_>,
    todo: &[(&PlanRow, Option<Found>)],
    progress: &mut Progress,
    collided: &mut Vec<PlanRow>,
) -> Result<()> {
    if todo.is_empty() {
        return Ok(());
    }
    record(run.journal, entry, todo)?;
    let lenient = needs_lenient_mode(target, todo)?;
    if lenient {
        run.local.lenient_mode(true)?;
    }
    let mut written: Vec<&PlanRow> = Vec::new();
    match entry.kind {
        Kind::InsertRows => insert(run, target, todo, progress, &mut written)?,
        Kind::UpdateRows => update(run, target, todo, progress, collided, &mut written)?,
        _ => delete(run, target, todo, progress)?,
    }
    if lenient {
        run.local.lenient_mode(false)?;
    }
    verify(run.local, target, &written)?;
    progress.changed += written.len() as u64;
    Ok(())
}

fn record(journal: &mut Journal, entry: &Entry, todo: &[(&PlanRow, Option<Found>)]) -> Result<()> {
    let entry_id = entry.id.clone();
    journal.append(&if entry.kind == Kind::InsertRows {
        Record::Insert {
            entry: entry_id,
            keys: todo.iter().map(|(row, _)| row.key.clone()).collect(),
        }
    } else {
        let before = todo
            .iter()
            .filter_map(|(_, found)| found.as_ref().map(|found| found.image.clone()));
        Record::Rows {
            entry: entry_id,
            before: before.collect(),
        }
    })
}

fn insert<'r>(
    run: &mut Run<'_>,
    target: &Target<'_>,
    todo: &[(&'r PlanRow, Option<Found>)],
    progress: &mut Progress,
    written: &mut Vec<&'r PlanRow>,
) -> Result<()> {
    let literal = |name: &str, value: &Value| target.literal(name, value);
    let rows: Vec<&PlanRow> = todo.iter().map(|(row, _)| *row).collect();
    let values: Vec<&Values> = rows.iter().map(|row| &row.values).collect();
    let sql = row_sql::insert(&target.name, &target.extras, &values, &literal)?;
    match run.local.execute(&sql) {
        Ok(affected) if affected == rows.len() as u64 => written.extend(rows),
        Ok(affected) => bail!("an INSERT of {} rows inserted {affected}", rows.len()),
        Err(error) if concerns_a_row(&error) => {
            for row in rows {
                let sql = row_sql::insert(&target.name, &target.extras, &[&row.values], &literal)?;
                match run.local.execute(&sql) {
                    Ok(_) => written.push(row),
                    Err(error) if concerns_a_row(&error) && !run.shared => {
                        progress.leave(row, &in_words(&error));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

fn update<'r>(
    run: &mut Run<'_>,
    target: &Target<'_>,
    todo: &[(&'r PlanRow, Option<Found>)],
    progress: &mut Progress,
    collided: &mut Vec<PlanRow>,
    written: &mut Vec<&'r PlanRow>,
) -> Result<()> {
    let literal = |name: &str, value: &Value| target.literal(name, value);
    for (row, found) in todo {
        if let Some(found) = found
            && let Some(why) = cascade(run, target, row, found)?
        {
            progress.leave(row, &why);
            continue;
        }
        let change = row
            .change
            .iter()
            .map(|(name, (_, after))| (name.as_str(), after));
        let sql = row_sql::update(&target.name, &target.extras, &row.key, change, &literal)?;
        match run.local.execute(&sql) {
            Ok(_) => written.push(row),
            // Another row may hold the value only until its own update: see `swap`.
            Err(error) if matches!(server_code(&error), Some(1062 | 1169)) => {
                collided.push((*row).clone());
            }
            Err(error) if concerns_a_row(&error) && !run.shared => {
                progress.leave(row, &in_words(&error));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn delete(
    run: &mut Run<'_>,
    target: &Target<'_>,
    todo: &[(&PlanRow, Option<Found>)],
    progress: &mut Progress,
) -> Result<()> {
    let literal = |name: &str, value: &Value| target.literal(name, value);
    let images: Vec<&Values> = todo
        .iter()
        .filter_map(|(_, found)| found.as_ref().map(|found| &found.image))
        .collect();
    let together =
        run.shared || foreign::referring(run.local, &run.acting, &target.model, &images)?.is_none();
    if together {
        let keys: Vec<&Values> = todo.iter().map(|(row, _)| &row.key).collect();
        match run
            .local
            .execute(&row_sql::delete(&target.name, &keys, &literal)?)
        {
            Ok(affected) if affected == todo.len() as u64 => {
                progress.changed += affected;
                return Ok(());
            }
            Ok(affected) => bail!("a DELETE of {} rows deleted {affected}", todo.len()),
            Err(error) if concerns_a_row(&error) && !run.shared => {}
            Err(error) => return Err(error),
        }
    }
    for (row, found) in todo {
        let image: Vec<&Values> = found.iter().map(|found| &found.image).collect();
        if let Some(why) = foreign::referring(run.local, &run.acting, &target.model, &image)? {
            progress.leave(row, &why);
            continue;
        }
        match run
            .local
            .execute(&row_sql::delete(&target.name, &[&row.key], &literal)?)
        {
            Ok(1) => progress.changed += 1,
            Ok(affected) => bail!("a DELETE of one row deleted {affected}"),
            Err(error) if concerns_a_row(&error) => progress.leave(row, &in_words(&error)),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether an update would be followed by changes of other tables' rows, in words.
fn cascade(
    run: &mut Run<'_>,
    target: &Target<'_>,
    row: &PlanRow,
    found: &Found,
) -> Result<Option<String>> {
    if run.shared {
        return Ok(None);
    }
    let keys = touched(&run.acting, row);
    foreign::referring(run.local, &keys, &target.model, &[&found.image])
}

/// The foreign keys that refer to a column which an update changes.
fn touched(keys: &[Key], row: &PlanRow) -> Vec<Key> {
    let changed = |key: &&Key| {
        key.constraint.referenced_columns.iter().any(|column| {
            row.change
                .keys()
                .any(|changed| changed.to_lowercase() == column.to_lowercase())
        })
    };
    keys.iter().filter(changed).cloned().collect()
}

/// Updates whose unique values other rows of the same entry held: all of them are deleted and inserted anew in one
/// transaction.
fn swap(
    run: &mut Run<'_>,
    entry: &Entry,
    target: &Target<'_>,
    rows: &[PlanRow],
    progress: &mut Progress,
) -> Result<()> {
    let mut attempt = progress.clone();
    // Deleting the rows must not cascade; their keys are back before the transaction ends.
    run.local.foreign_key_checks(false)?;
    let together = transaction(run, entry, |run| {
        let todo = judge(run.local, entry, target, rows, &mut attempt)?;
        exchange(run, entry, target, &todo)?;
        attempt.changed += todo.len() as u64;
        Ok(())
    });
    match together {
        Ok(()) => *progress = attempt,
        Err(error) if concerns_a_row(&error) && !run.shared => {
            // A row outside the entry holds one of the values: one by one, to name whose.
            for row in rows {
                let mut attempt = progress.clone();
                let alone = transaction(run, entry, |run| {
                    let todo = judge(
                        run.local,
                        entry,
                        target,
                        std::slice::from_ref(row),
                        &mut attempt,
                    )?;
                    exchange(run, entry, target, &todo)?;
                    attempt.changed += todo.len() as u64;
                    Ok(())
                });
                match alone {
                    Ok(()) => *progress = attempt,
                    Err(error) if concerns_a_row(&error) => progress.leave(row, &in_words(&error)),
                    Err(error) => return Err(error).with_context(|| describe(entry, rows)),
                }
            }
        }
        Err(error) => return Err(error).with_context(|| describe(entry, rows)),
    }
    Ok(())
}

fn exchange(
    run: &mut Run<'_>,
    entry: &Entry,
    target: &Target<'_>,
    todo: &[(&PlanRow, Option<Found>)],
) -> Result<()> {
    if todo.is_empty() {
        return Ok(());
    }
    record(run.journal, entry, todo)?;
    if run.shared {
        replace(run, target, todo)?;
    } else {
        // The delete must not cascade, nor fail for children whose parent comes back at once.
        run.local.foreign_key_checks(false)?;
        let replaced = replace(run, target, todo);
        run.local.foreign_key_checks(true)?;
        replaced?;
        let keys: Vec<&Values> = todo.iter().map(|(row, _)| &row.key).collect();
        foreign::check_rows(
            run.local,
            &target.name,
            &target.model,
            &target.key_condition(&keys)?,
        )?;
        for (row, found) in todo {
            let images: Vec<&Values> = found.iter().map(|found| &found.image).collect();
            let keys = touched(&run.pointing, row);
            foreign::check_children(run.local, &keys, &target.model, &images)?;
        }
    }
    let written: Vec<&PlanRow> = todo.iter().map(|(row, _)| *row).collect();
    verify(run.local, target, &written)
}

/// Deletes rows and inserts them as they are to be.
fn replace(
    run: &mut Run<'_>,
    target: &Target<'_>,
    todo: &[(&PlanRow, Option<Found>)],
) -> Result<()> {
    let literal = |name: &str, value: &Value| target.literal(name, value);
    let keys: Vec<&Values> = todo.iter().map(|(row, _)| &row.key).collect();
    run.local
        .execute(&row_sql::delete(&target.name, &keys, &literal)?)?;
    let lenient = needs_lenient_mode(target, todo)?;
    if lenient {
        run.local.lenient_mode(true)?;
    }
    let inserted = insert_anew(run, target, todo);
    if lenient {
        run.local.lenient_mode(false)?;
    }
    inserted
}

fn insert_anew(
    run: &mut Run<'_>,
    target: &Target<'_>,
    todo: &[(&PlanRow, Option<Found>)],
) -> Result<()> {
    let literal = |name: &str, value: &Value| target.literal(name, value);
    for (row, found) in todo {
        let mut values = found
            .as_ref()
            .map(|found| found.image.clone())
            .unwrap_or_default();
        for (name, (_, after)) in &row.change {
            let column = target.column(name)?.name.clone();
            values.insert(column, after.clone());
        }
        run.local.execute(&row_sql::insert(
            &target.name,
            &target.extras,
            &[&values],
            &literal,
        )?)?;
    }
    Ok(())
}

/// Checks that the rows are now what the plan says, by their hashes: no value changed on its way.
fn verify(local: &mut LocalSession, target: &Target<'_>, rows: &[&PlanRow]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut wanted = 0_u64;
    for row in rows {
        let hash = row
            .after_hash
            .as_deref()
            .context("a row of the plan has no after_hash")?;
        wanted ^= hash
            .get(..16)
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .with_context(|| format!("after_hash of row {} is no hash", row.row))?;
    }
    let keys: Vec<&Values> = rows.iter().map(|row| &row.key).collect();
    let select = Select::from(
        &target.name,
        vec![
            Expr::count_all(),
            encode::checksum_of(&target.hashed(false)),
        ],
    )
    .filter(target.key_condition(&keys)?);
    let answer = crate::connect::Reader::rows(local, &select.into())?;
    let number = |position: usize| -> Option<u64> {
        let cell = answer.first()?.get(position)?.as_deref()?;
        std::str::from_utf8(cell).ok()?.parse().ok()
    };
    if number(0) != Some(rows.len() as u64) || number(1) != Some(wanted) {
        bail!(
            "the rows that were written do not read back as the plan has them: the local server stored other values \
             (row {} to {})",
            rows[0].row,
            rows[rows.len() - 1].row
        );
    }
    Ok(())
}

fn needs_lenient_mode(target: &Target<'_>, todo: &[(&PlanRow, Option<Found>)]) -> Result<bool> {
    for (row, _) in todo {
        let after = row.change.iter().map(|(name, (_, after))| (name, after));
        for (name, value) in row.values.iter().chain(after) {
            if encode::needs_lenient_mode(target.column(name)?, value) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn concerns_a_row(error: &anyhow::Error) -> bool {
    server_code(error).is_some_and(|code| ROW_ERRORS.contains(&code))
        || error.is::<foreign::Dangling>()
}

fn in_words(error: &anyhow::Error) -> String {
    crate::refusal::find::<crate::connect::ServerError>(error)
        .map_or_else(|| error.to_string(), |server| server.message.clone())
}

fn describe(entry: &Entry, rows: &[PlanRow]) -> String {
    match (rows.first(), rows.last()) {
        (Some(first), Some(last)) => format!("rows {} to {} of {}", first.row, last.row, entry.id),
        _ => format!("rows of {}", entry.id),
    }
}

fn weight(row: &PlanRow) -> usize {
    let of = |value: &Value| match value {
        Value::Null | Value::Integer(_) => 8,
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len() * 2,
    };
    row.values
        .values()
        .chain(row.key.values())
        .map(of)
        .sum::<usize>()
        + row
            .change
            .values()
            .map(|(_, after)| of(after))
            .sum::<usize>()
}
