//! `driftwarden sync`: plan, review at the terminal, apply, in one go.
//!
//! Must never apply what was not asked about, unless `--yolo` says so.

use super::approve::reviewer;
use super::{Context, apply, plan, review, setup};
use crate::cli::{ApplyArgs, SyncArgs};
use anyhow::Result;

/// Runs the command.
///
/// # Errors
/// As for `plan`, `review` and `apply`.
pub fn run(args: &SyncArgs, context: &mut Context<'_>) -> Result<u8> {
    let loaded = setup::begin(context)?;
    let written = plan::make(&args.compare, None, &loaded.config, args.yolo, context)?;
    plan::print(&written, &args.compare, context)?;
    let mut made = written.plan;
    if made.entries.is_empty() {
        let noted =
            apply::note_compared(&made, &written.path, &loaded.config, setup::notice(context))?;
        if noted > 0 && context.verbosity >= 0 {
            writeln!(context.err, "{}", apply::noted_in_words(noted))?;
        }
        return Ok(0);
    }
    if !args.yolo {
        if !context.interactive {
            writeln!(
                context.err,
                "No terminal to ask at, so sync stops after the plan."
            )?;
            return Ok(if args.compare.detailed_exitcode { 2 } else { 0 });
        }
        let reviewer = reviewer(None, None);
        review::at_terminal(&mut made, &written.path, &reviewer, context)?;
        if !made.any_approved() {
            review::summary(&made, &written.path, context)?;
            writeln!(context.out, "Sync cancelled: nothing was approved.")?;
            return Ok(3);
        }
    }
    let apply_args = ApplyArgs {
        plan: written.path,
        offline: false,
        yolo: args.yolo,
        dry_run: false,
        json: args.compare.json,
    };
    apply::apply(made, &apply_args, &loaded.config, context)
}
