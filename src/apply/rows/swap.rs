//! Updates whose unique values other rows of the same entry hold: delete and insert in one transaction.
//!
//! Must never lose a column that only local has: what is inserted is the whole row, with its changes.

use super::find::judge;
use super::verify::{needs_lenient_mode, verify};
use super::write::{record, touched};
use super::{Progress, Run, concerns_a_row, describe, in_words, transaction};
use crate::apply::foreign;
use crate::apply::table::{Found, Target};
use crate::plan::row_sql::{self, Values};
use crate::plan::{Entry, PlanRow};
use crate::value::Value;
use anyhow::{Context as _, Result};

/// Updates whose unique values other rows of the same entry held: all of them are deleted and inserted anew in one
/// transaction.
pub(super) fn swap(
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
        attempt = progress.clone();
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
                    attempt = progress.clone();
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
    let lenient = needs_lenient_mode(target, todo.iter().map(|(row, _)| *row))?;
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
