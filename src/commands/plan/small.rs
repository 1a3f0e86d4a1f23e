//! Tables that the server guesses to be small: looked at together before any is compared by itself, so that those without a
//! change cost no round trips of their own.
//!
//! Must never decide how a table is compared, only whether anything in it differs.

use super::rows::{Candidate, Compared, Task, settled, task_of};
use super::survey::Sides;
use super::watermark::Subject;
use crate::compare::{self, TableTask};
use crate::config::rules::EffectiveRule;
use crate::plan::Strategy;
use crate::plan::strategy::Choice;
use crate::read::incremental::Since;
use crate::schema::ObjectName;
use anyhow::Result;
use std::collections::BTreeMap;

/// Tables of at most so many rows and bytes are small.
const SMALL_ROWS: u64 = 20_000;
const SMALL_BYTES: u64 = 8 << 20;

/// What is known of a table's times before it is looked at.
struct Dated<'a> {
    table: &'a Candidate<'a>,
    choice: &'a Choice,
    rule: EffectiveRule,
    since: Option<Result<Since, (String, bool)>>,
}

/// Looks at all small tables together: those without a change, with what is known of them.
///
/// # Errors
/// What either server says.
pub(super) fn unchanged(
    chosen: &[(Candidate<'_>, Choice)],
    work: &mut Task<'_>,
) -> Result<BTreeMap<ObjectName, Compared>> {
    let small: Vec<Dated<'_>> = chosen
        .iter()
        .filter_map(|(table, choice)| {
            let info = table.pair.remote.tables.get(table.name);
            let rule = work.config.rule_for(&table.pair.remote_name(table.name));
            let is_small = matches!(choice.strategy, Strategy::Full | Strategy::Incremental)
                && table.local.is_some()
                && rule.filter.is_none()
                && rule.mask.is_empty()
                && info.is_some_and(|info| {
                    info.estimated_rows <= SMALL_ROWS && info.data_bytes <= SMALL_BYTES
                });
            is_small.then(|| dated(table, choice, rule, work))
        })
        .collect();
    if small.len() < 2 {
        return Ok(BTreeMap::new());
    }
    let tasks: Vec<TableTask<'_>> = small
        .iter()
        .map(|dated| TableTask {
            times: dated.choice.times.as_ref(),
            since: dated.since.as_ref().and_then(|since| since.as_ref().ok()),
            ..task_of(
                dated.table,
                work.config,
                work.schema,
                work.sides,
                work.rules,
            )
        })
        .collect();
    let Sides {
        remote,
        session,
        local,
        ..
    } = &mut *work.sides;
    let found = compare::unchanged(&tasks, remote, session, local)?;
    // One snapshot for all of them.
    let mut counted = false;
    Ok(small
        .iter()
        .zip(found)
        .filter_map(|(dated, outcome)| {
            let outcome = outcome?;
            let name = dated.table.pair.local_name(dated.table.name);
            let went_on = dated.since.as_ref().and_then(|since| since.as_ref().ok());
            let (choice, warning) =
                settled(&name, dated.choice, &outcome, went_on, dated.since.as_ref());
            let remote_name = dated.table.pair.remote_name(dated.table.name);
            let watermark = work.watermarks.zip(dated.choice.times.as_ref()).and_then(
                |(watermarks, column)| {
                    let subject = Subject {
                        remote_name: &remote_name,
                        local_name: &name,
                        rule: &dated.rule,
                        shape: &outcome.shape,
                        column,
                    };
                    watermarks.planned(&subject, outcome.greatest.as_deref(), went_on, false)
                },
            );
            let compared = Compared {
                choice,
                entries: Vec::new(),
                snapshots: u64::from(!std::mem::replace(&mut counted, true)),
                scanned: outcome.remote_rows,
                watermark,
                warning,
            };
            Some((name, compared))
        })
        .collect())
}

fn dated<'a>(
    table: &'a Candidate<'a>,
    choice: &'a Choice,
    rule: EffectiveRule,
    work: &Task<'_>,
) -> Dated<'a> {
    let remote_name = table.pair.remote_name(table.name);
    let local_name = table.pair.local_name(table.name);
    let mut task = task_of(table, work.config, work.schema, work.sides, work.rules);
    task.times = choice.times.as_ref();
    let shape = compare::shape(&task).ok();
    let since = work
        .watermarks
        .filter(|_| choice.strategy == Strategy::Incremental)
        .zip(choice.times.as_ref().zip(shape.as_ref()))
        .map(|(watermarks, (column, shape))| {
            watermarks.since(&Subject {
                remote_name: &remote_name,
                local_name: &local_name,
                rule: &rule,
                shape,
                column,
            })
        });
    Dated {
        table,
        choice,
        rule,
        since,
    }
}
