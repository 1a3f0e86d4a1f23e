//! What an apply did and cost, for the log and the end of its output.
//!
//! Must never decide anything.

use super::Context;
use crate::apply::{Ending, Outcome, Report};
use crate::plan::{Entry, Plan};
use crate::progress;
use anyhow::Result;
use std::time::Duration;

/// Writes one entry's ending to the log.
pub(super) fn log(report: &Report, took: Duration) {
    let (ending, rows) = match &report.ending {
        Ending::Done { rows } => ("done", *rows),
        Ending::AlreadyDone => ("already done", 0),
        Ending::Stale { rows, .. } => ("stale", *rows),
        Ending::Interrupted { rows } => ("interrupted", *rows),
        Ending::Refused(_) => ("refused", 0),
        Ending::Failed { rows, .. } => ("failed", *rows),
    };
    tracing::info!(
        phase = super::apply::PHASE,
        object = report.id.as_str(),
        ending,
        rows,
        milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "entry ended"
    );
}

/// Returns how many rows an entry is about.
pub(super) fn rows_of(entry: &Entry) -> u64 {
    let named = u64::try_from(entry.rows.len()).unwrap_or(u64::MAX);
    entry.count.unwrap_or(named)
}

/// Tells what the apply cost, on standard error and in the log.
pub(super) fn told(
    outcome: &Outcome,
    plan: &Plan,
    time: Duration,
    context: &mut Context<'_>,
) -> Result<()> {
    let rows: u64 = outcome
        .reports
        .iter()
        .map(|report| match &report.ending {
            Ending::Done { rows }
            | Ending::Stale { rows, .. }
            | Ending::Interrupted { rows }
            | Ending::Failed { rows, .. } => *rows,
            Ending::AlreadyDone | Ending::Refused(_) => 0,
        })
        .sum();
    tracing::info!(
        plan = plan.id.as_str(),
        rows,
        entries = outcome.reports.len(),
        seconds = time.as_secs_f64(),
        "applied"
    );
    if context.verbosity >= 0 {
        writeln!(context.err, "Changed {}.", progress::figures(rows, time))?;
    }
    Ok(())
}
