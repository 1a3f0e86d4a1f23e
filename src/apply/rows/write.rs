//! Writes the rows of one batch, with their before-images on disk first.
//!
//! Must never change a row before its image is recorded, and must never let a cascade happen.

use super::verify::{needs_lenient_mode, verify};
use super::{Progress, Run, concerns_a_row, in_words};
use crate::apply::foreign::{self, Key};
use crate::apply::table::{Found, Target};
use crate::apply::undo::{self, Journal, Record};
use crate::connect::{FailedStatement, Reader as _, cannot_compute, server_code};
use crate::plan::row_sql::{self, Values};
use crate::plan::{Entry, Kind, PlanRow};
use crate::value::Value;
use anyhow::{Result, bail};

/// UPDATEs of one send at most.
const SENT_STATEMENTS: usize = 200;
/// Bytes of one send at most.
const SENT_BYTES: u64 = 1 << 20;

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
    let computes = !lenient && target.computes();
    let mut written: Vec<&PlanRow> = Vec::new();
    let executed = match entry.kind {
        Kind::InsertRows => insert(run, (target, computes), todo, progress, &mut written),
        Kind::UpdateRows => update(
            run,
            (target, computes),
            todo,
            progress,
            collided,
            &mut written,
        ),
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

/// Executes a statement of rows. Production may have computed something of them leniently that strict mode refuses: then
/// it is computed leniently here too. The rows' own values are read back before the commit.
fn execute(run: &mut Run<'_>, computes: bool, sql: &str) -> Result<u64> {
    match run.local.execute(sql) {
        Err(error) if computes && cannot_compute(&error) => run.local.leniently(sql),
        answer => answer,
    }
}

/// Inserts rows; `computes` tells whether the table computes something of them, and strictly.
fn insert<'r>(
    run: &mut Run<'_>,
    (target, computes): (&Target<'_>, bool),
    todo: &[(&'r PlanRow, Option<Found>)],
    progress: &mut Progress,
    written: &mut Vec<&'r PlanRow>,
) -> Result<()> {
    let literal = |name: &str, value: &Value| target.literal(name, value);
    let rows: Vec<&PlanRow> = todo.iter().map(|(row, _)| *row).collect();
    let values: Vec<&Values> = rows.iter().map(|row| &row.values).collect();
    let sql = row_sql::insert(&target.name, &target.extras, &values, &literal)?;
    if run.fits(&sql) {
        match execute(run, computes, &sql) {
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
            progress.too_large = true;
            progress.leave(row, &run.too_large(&sql));
            continue;
        }
        match execute(run, computes, &sql) {
            Ok(_) => written.push(row),
            Err(error) if concerns_a_row(&error) => {
                progress.leave(row, &in_words(&error));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Updates rows; `computes` as for [`insert`].
fn update<'r>(
    run: &mut Run<'_>,
    (target, computes): (&Target<'_>, bool),
    todo: &[(&'r PlanRow, Option<Found>)],
    progress: &mut Progress,
    collided: &mut Vec<PlanRow>,
    written: &mut Vec<&'r PlanRow>,
) -> Result<()> {
    let literal = |name: &str, value: &Value| target.literal(name, value);
    let mut statements: Vec<(&PlanRow, String)> = Vec::new();
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
            progress.too_large = true;
            progress.leave(row, &run.too_large(&sql));
            continue;
        }
        statements.push((row, sql));
    }
    let mut rest = statements.as_slice();
    while !rest.is_empty() {
        let together = sent_together(rest, run.local.server().max_packet);
        let sql: Vec<&str> = rest[..together]
            .iter()
            .map(|(_, sql)| sql.as_str())
            .collect();
        let failed = match run.local.execute(&sql.join(";\n")) {
            Ok(_) => None,
            Err(error) => match failed_statement(&error, together) {
                Some(place) => Some((place, error)),
                None => return Err(error),
            },
        };
        let done = failed.as_ref().map_or(together, |(place, _)| *place);
        written.extend(rest[..done].iter().map(|(row, _)| *row));
        rest = &rest[done..];
        let (Some((_, error)), Some((row, sql))) = (failed, rest.first()) else {
            continue;
        };
        let answer = if computes && cannot_compute(&error) {
            run.local.leniently(sql)
        } else {
            Err(error)
        };
        rest = &rest[1..];
        let Err(error) = answer else {
            written.push(row);
            continue;
        };
        if matches!(server_code(&error), Some(1062 | 1169)) {
            // Another row may hold the value only until its own update: see `swap`.
            collided.push((*row).clone());
        } else if concerns_a_row(&error) {
            progress.leave(row, &in_words(&error));
        } else {
            return Err(error);
        }
    }
    Ok(())
}

/// How many statements go in one send.
fn sent_together(statements: &[(&PlanRow, String)], max_packet: u64) -> usize {
    let most = max_packet.min(SENT_BYTES);
    let mut bytes = 64;
    let fitting = statements
        .iter()
        .take(SENT_STATEMENTS)
        .take_while(|(_, sql)| {
            bytes += sql.len() as u64 + 2;
            bytes <= most
        });
    fitting.count().max(1)
}

/// The place of the statement that failed in its send, where that is told: those before it stand in the transaction.
fn failed_statement(error: &anyhow::Error, together: usize) -> Option<usize> {
    if together == 1 {
        return Some(0);
    }
    let failed = crate::refusal::find::<FailedStatement>(error)?;
    (1..=together)
        .contains(&failed.number)
        .then(|| failed.number - 1)
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
            Err(error) if concerns_a_row(&error) => {}
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
