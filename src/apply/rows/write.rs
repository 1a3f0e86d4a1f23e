//! Writes the rows of one batch, with their before-images on disk first.
//!
//! Must never change a row before its image is recorded, and must never let a cascade happen.

use super::verify::{needs_lenient_mode, verify};
use super::{Progress, Run, concerns_a_row, in_words};
use crate::apply::foreign::{self, Key};
use crate::apply::table::{Found, Target};
use crate::apply::undo::{self, Journal, Record};
use crate::connect::server_code;
use crate::plan::row_sql::{self, Values};
use crate::plan::{Entry, Kind, PlanRow};
use crate::value::Value;
use anyhow::{Result, bail};

pub(super) fn write(
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
    let lenient = needs_lenient_mode(target, todo.iter().map(|(row, _)| *row))?;
    if lenient {
        run.local.lenient_mode(true)?;
    }
    let mut written: Vec<&PlanRow> = Vec::new();
    let executed = match entry.kind {
        Kind::InsertRows => insert(run, target, todo, progress, &mut written),
        Kind::UpdateRows => update(run, target, todo, progress, collided, &mut written),
        _ => delete(run, target, todo, progress),
    };
    if lenient {
        // What failed first is the error to tell.
        let strict = run.local.lenient_mode(false);
        executed.and(strict)?;
    } else {
        executed?;
    }
    verify(run.local, target, &written)?;
    progress.changed += written.len() as u64;
    Ok(())
}

pub(super) fn record(
    journal: &mut Journal,
    entry: &Entry,
    todo: &[(&PlanRow, Option<Found>)],
) -> Result<()> {
    let rows = undo::ranges(todo.iter().map(|(row, _)| row.row));
    let entry_id = entry.id.clone();
    let record = if entry.kind == Kind::InsertRows {
        Record::Inserts {
            entry: entry_id,
            rows,
        }
    } else {
        let images: Vec<&Values> = todo
            .iter()
            .filter_map(|(_, found)| found.as_ref().map(|found| &found.image))
            .collect();
        Record::Rows {
            entry: entry_id,
            rows,
            images: Some(journal.keep_values(&images)?),
        }
    };
    journal.append(&record)
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
    if run.fits(&sql) {
        match run.local.execute(&sql) {
            Ok(affected) if affected == rows.len() as u64 => {
                written.extend(rows);
                return Ok(());
            }
            Ok(affected) => bail!("an INSERT of {} rows inserted {affected}", rows.len()),
            Err(error) if concerns_a_row(&error) => {}
            Err(error) => return Err(error),
        }
    }
    for row in rows {
        let sql = row_sql::insert(&target.name, &target.extras, &[&row.values], &literal)?;
        if !run.fits(&sql) {
            progress.leave(row, &run.too_large(&sql));
            continue;
        }
        match run.local.execute(&sql) {
            Ok(_) => written.push(row),
            Err(error) if concerns_a_row(&error) && !run.shared => {
                progress.leave(row, &in_words(&error));
            }
            Err(error) => return Err(error),
        }
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
        if !run.fits(&sql) {
            progress.leave(row, &run.too_large(&sql));
            continue;
        }
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
pub(super) fn touched(keys: &[Key], row: &PlanRow) -> Vec<Key> {
    let changed = |key: &&Key| {
        key.constraint.referenced_columns.iter().any(|column| {
            row.change
                .keys()
                .any(|changed| changed.to_lowercase() == column.to_lowercase())
        })
    };
    keys.iter().filter(changed).cloned().collect()
}
