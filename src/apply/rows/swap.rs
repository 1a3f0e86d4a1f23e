//! Updates whose unique values other rows of the same entry hold: delete and insert in one transaction.
//!
//! Must never lose a column that only local has: what is inserted is the whole row, with its changes.

use super::find::judge;
use super::verify::{needs_lenient_mode, verify};
use super::write::{record, touched};
use super::{Progress, Run, attempt, concerns_a_row, describe, in_words};
use crate::apply::foreign;
use crate::apply::table::{Found, Target};
use crate::plan::row_sql::{self, Values};
use crate::plan::{Entry, PlanRow};
use crate::value::Value;
use anyhow::{Context as _, Result};

/// Rows that are found to be refused by exchanging all others, before each is tried alone.
const REFUSALS: usize = 50;

/// Updates whose unique values other rows of the same entry held: all of them are deleted and inserted anew in one
/// transaction. A row whose value a row outside the entry holds is left, and the others are tried without it.
pub(super) fn swap(
    run: &mut Run<'_>,
    entry: &Entry,
    target: &Target<'_>,
    rows: &[PlanRow],
    progress: &mut Progress,
) -> Result<()> {
    // Deleting the rows must not cascade; their keys are back before the transaction ends.
    run.local.foreign_key_checks(false)?;
    let mut rows = rows.to_vec();
    for _ in 0..REFUSALS {
        if rows.is_empty() {
            return Ok(());
        }
        let mut at = None;
        match exchange_all(run, entry, target, &rows, progress, &mut at) {
            Ok(()) => return Ok(()),
            Err(error) if concerns_a_row(&error) => {
                let refused = at.and_then(|number| rows.iter().position(|row| row.row == number));
                let Some(refused) = refused else {
                    break;
                };
                progress.leave(&rows.remove(refused), &in_words(&error));
            }
            Err(error) => return Err(error).with_context(|| describe(entry, &rows)),
        }
    }
    // Very many, or a foreign key that does not say whose it is: one by one.
    for row in &rows {
        let alone = std::slice::from_ref(row);
        match exchange_all(run, entry, target, alone, progress, &mut None) {
            Ok(()) => {}
            Err(error) if concerns_a_row(&error) => progress.leave(row, &in_words(&error)),
            Err(error) => return Err(error).with_context(|| describe(entry, &rows)),
        }
    }
    Ok(())
}

/// Exchanges all of the rows or none; `at` is told the number of a row that is refused.
fn exchange_all(
    run: &mut Run<'_>,
    entry: &Entry,
    target: &Target<'_>,
    rows: &[PlanRow],
    progress: &mut Progress,
    at: &mut Option<u64>,
) -> Result<()> {
    attempt(run, entry, progress, |run, progress| {
        *at = None;
        let todo = judge(run.local, entry, target, rows, progress)?;
        exchange(run, entry, target, &todo, at)?;
        progress.changed += todo.len() as u64;
        Ok(())
    })
}

fn exchange(
    run: &mut Run<'_>,
    entry: &Entry,
    target: &Target<'_>,
    todo: &[(&PlanRow, Option<Found>)],
    at: &mut Option<u64>,
) -> Result<()> {
    if todo.is_empty() {
        return Ok(());
    }
    record(run.journal, entry, todo)?;
    if run.shared {
        replace(run, target, todo, at)?;
    } else {
        // The delete must not cascade, nor fail for children whose parent comes back at once.
        run.local.foreign_key_checks(false)?;
        let replaced = replace(run, target, todo, at);
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
    at: &mut Option<u64>,
) -> Result<()> {
    let literal = |name: &str, value: &Value| target.literal(name, value);
    let keys: Vec<&Values> = todo.iter().map(|(row, _)| &row.key).collect();
    run.local
        .execute(&row_sql::delete(&target.name, &keys, &literal)?)?;
    let lenient = needs_lenient_mode(target, todo.iter().map(|(row, _)| *row))?;
    if lenient {
        run.local.lenient_mode(true)?;
    }
    let inserted = insert_anew(run, target, todo, at);
    if lenient {
        run.local.lenient_mode(false)?;
    }
    inserted
}

fn insert_anew(
    run: &mut Run<'_>,
    target: &Target<'_>,
    todo: &[(&PlanRow, Option<Found>)],
    at: &mut Option<u64>,
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
        let sql = row_sql::insert(&target.name, &target.extras, &[&values], &literal)?;
        run.local
            .execute(&sql)
            .inspect_err(|_| *at = Some(row.row))?;
    }
    Ok(())
}
