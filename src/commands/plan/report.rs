//! Says what a plan holds and what to do next.
//!
//! Must never decide anything.

use super::{Written, previews};
use crate::cli::CompareArgs;
use crate::commands::Context;
use crate::plan::Strategy;
use crate::progress;
use crate::render::{View, escape, text};
use anyhow::Result;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// Prints a plan that was just written.
///
/// # Errors
/// When printing fails.
pub(in crate::commands) fn print(
    written: &Written,
    args: &CompareArgs,
    context: &mut Context<'_>,
) -> Result<()> {
    if let Some(warning) = previews::warning(&written.plan, &written.path, written.preview) {
        context.notice(&format!("warning: {warning}"))?;
    }
    if args.json {
        return print_json(written, context);
    }
    let mut view = View::new(&written.plan, Some(&written.path));
    view.color = context.color;
    text::plan(&view, context.out)?;
    context.out.flush()?;
    figures(written, context)?;
    writeln!(
        context.out,
        "\nSaved the plan to: {}",
        escape::line(&written.path.display().to_string())
    )?;
    write!(
        context.out,
        "{}",
        text::next_steps(&written.plan, &written.path)
    )?;
    Ok(())
}

/// Says what was skipped and what reading cost: before the next commands, which are to be the last that is read.
fn figures(written: &Written, context: &mut Context<'_>) -> Result<()> {
    // One that could not be compared is spoken of where it says why.
    let unsupported = |table: &str| {
        let mut unsupported = written.plan.unsupported.iter();
        unsupported.any(|it| it.object == table)
    };
    let skipped: Vec<&str> = written
        .plan
        .tables
        .iter()
        .filter(|table| table.strategy == Strategy::Skipped)
        .map(|table| table.table.as_str())
        .filter(|table| !unsupported(table))
        .collect();
    if !skipped.is_empty() && context.verbosity >= 0 {
        writeln!(
            context.err,
            "{} of {} tables skipped: --full-diff-all compares them row by row as well",
            skipped.len(),
            written.plan.tables.len()
        )?;
    }
    if context.verbosity >= 0 {
        let cost = written.counters;
        #[allow(clippy::cast_precision_loss, reason = "seconds for reading")]
        let held = cost.longest_snapshot as f64 / 1000.0;
        // In one piece: the plan goes to another stream, which may be the same terminal or file.
        let figures = format!(
            "Compared {}.\nRead from production: {} bytes in {} round trips, {} queries; {}, {} held for {held:.1} s\n",
            progress::figures(written.scanned, Duration::from_secs_f64(written.seconds)),
            cost.bytes_received,
            cost.round_trips,
            cost.queries,
            match cost.snapshots {
                1 => "1 snapshot".to_owned(),
                count => format!("{count} snapshots"),
            },
            if written.one_snapshot {
                "the one"
            } else {
                "the longest"
            }
        );
        context.err.write_all(figures.as_bytes())?;
    }
    Ok(())
}

/// The plan itself, with its file and what reading production cost.
fn print_json(written: &Written, context: &mut Context<'_>) -> Result<()> {
    let mut object = serde_json::to_value(&written.plan)?;
    if let Json::Object(fields) = &mut object {
        let cost = written.counters;
        fields.insert("path".to_owned(), json!(written.path));
        fields.insert(
            "figures".to_owned(),
            json!({
                "bytes_received": cost.bytes_received,
                "round_trips": cost.round_trips,
                "queries": cost.queries,
                "snapshots": cost.snapshots,
                "longest_snapshot_ms": cost.longest_snapshot,
                "rows_scanned": written.scanned,
                "seconds": written.seconds,
            }),
        );
    }
    writeln!(context.out, "{object:#}")?;
    Ok(())
}
