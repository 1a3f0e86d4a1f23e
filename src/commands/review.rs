//! `driftwarden review`.

mod editor;
mod terminal;
mod wrap;

use super::approve::{passed_by, reviewer};
use super::{Context, setup};
use crate::cli::ReviewArgs;
use crate::plan::{Decision, Plan, digest, file};
use crate::refusal::Problem;
use crate::render::text;
use crate::review::{ReviewOutcome, Reviewer, edit, interactive, waiting};
use anyhow::Result;
use editor::Editor;
use std::path::Path;
use terminal::Terminal;

/// Asks about a plan's changes, or opens them in an editor.
///
/// # Errors
/// When the plan cannot be read or was changed, when there is no terminal, when the plan cannot be written.
pub fn run(args: &ReviewArgs, context: &mut Context<'_>) -> Result<u8> {
    setup::begin_without_servers(context)?;
    let mut plan = file::read(&args.plan)?;
    digest::verify(&plan)?;
    let reviewer = reviewer(args.by.as_deref(), args.note.as_deref());
    if args.edit {
        let editor = Editor::of_user();
        let before = plan.clone();
        let decided = edit::edit(&mut plan, &args.plan, &mut |path, line| {
            editor.open(path, line)
        })?;
        if plan != before || args.note.is_some() {
            reviewer.sign(&mut plan.review, context.now);
            file::save_decisions(&args.plan, &plan)?;
        }
        passed_by(&decided, &args.plan, context)?;
    } else {
        at_terminal(&mut plan, &args.plan, &reviewer, context)?;
    }
    summary(&plan, &args.plan, context)?;
    Ok(0)
}

/// Asks at the terminal about every change that is not decided. `sync` calls this too.
///
/// # Errors
/// A [`Problem`] when there is no terminal; what reading, printing and saving fail with.
pub fn at_terminal(
    plan: &mut Plan,
    path: &Path,
    reviewer: &Reviewer,
    context: &mut Context<'_>,
) -> Result<ReviewOutcome> {
    let now = context.now;
    if !context.interactive {
        return Err(Problem::new(
            "cannot ask about changes: there is no terminal",
            format!(
                "driftwarden approve {0} --safe, or edit the decisions in {0}",
                path.display()
            ),
        )
        .into());
    }
    let mut prompt = Terminal::new(context, path, plan);
    interactive(plan, path, reviewer, now, &mut prompt)
}

/// Says what was decided and what comes next.
///
/// # Errors
/// When printing fails.
pub fn summary(plan: &Plan, path: &Path, context: &mut Context<'_>) -> Result<()> {
    writeln!(
        context.out,
        "{} approved, {} denied, {} pending",
        plan.count_decided(Decision::Approve),
        plan.count_decided(Decision::Deny),
        plan.count_decided(Decision::Pending)
    )?;
    for entry in waiting(plan) {
        let needs: Vec<&str> = entry.needs.iter().map(|(id, _)| id.as_str()).collect();
        writeln!(
            context.out,
            "apply will refuse {}: it depends on {}, not approved",
            entry.id,
            needs.join(", ")
        )?;
    }
    write!(context.out, "{}", text::next_steps(plan, path))?;
    Ok(())
}
