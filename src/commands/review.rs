//! `driftwarden review`.

use super::Context;
use super::approve::reviewer;
use crate::cli::ReviewArgs;
use crate::plan::{Decision, Entry, Plan, PlanRow, digest, file};
use crate::refusal::Problem;
use crate::render::{View, text};
use crate::review::{Prompt, ReviewOutcome, Reviewer, edit, interactive, waiting};
use anyhow::{Context as _, Result};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

/// Asks about a plan's changes, or opens them in an editor.
///
/// # Errors
/// When the plan cannot be read or was changed, when there is no terminal, when the plan cannot be written.
pub fn run(args: &ReviewArgs, context: &mut Context<'_>) -> Result<u8> {
    let mut plan = file::read(&args.plan)?;
    digest::verify(&plan)?;
    let reviewer = reviewer(args.by.as_deref(), args.note.as_deref());
    if args.edit {
        let editor = editor();
        let mut open = |path: &Path| open_editor(&editor, path);
        edit::edit(&mut plan, &args.plan, &mut open)?;
        reviewer.sign(&mut plan.review, context.now);
        file::save_decisions(&args.plan, &plan)?;
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
    let mut input = std::io::stdin().lock();
    let mut prompt = Terminal {
        input: &mut input,
        out: context.err,
        color: context.color,
        path: path.to_owned(),
        plan: plan.clone(),
    };
    interactive(plan, path, reviewer, context.now, &mut prompt)
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

/// A person at a terminal, line by line.
struct Terminal<'a> {
    input: &'a mut dyn BufRead,
    out: &'a mut dyn Write,
    color: bool,
    path: PathBuf,
    plan: Plan,
}

impl Prompt for Terminal<'_> {
    fn show(&mut self, plan: &Plan, entry: &Entry, place: (usize, usize)) -> Result<()> {
        writeln!(self.out, "\n[{}/{}] {}", place.0, place.1, entry.object)?;
        let mut view = View::new(plan, Some(&self.path));
        view.color = self.color;
        text::entry(&view, entry, self.out)
    }

    fn show_row(&mut self, entry: &Entry, row: &PlanRow) -> Result<()> {
        let mut view = View::new(&self.plan, Some(&self.path));
        view.color = self.color;
        text::row(&view, entry, row, self.out)
    }

    fn say(&mut self, text: &str) -> Result<()> {
        writeln!(self.out, "{text}")?;
        Ok(())
    }

    fn ask(&mut self, question: &str) -> Result<Option<String>> {
        write!(self.out, "{question} ")?;
        self.out.flush()?;
        let mut line = String::new();
        let read = self.input.read_line(&mut line).context("read the answer")?;
        crate::interrupt::check()?;
        Ok((read > 0).then_some(line))
    }
}

/// Returns the user's editor with its arguments.
fn editor() -> Vec<String> {
    let named = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| {
            std::env::var(name)
                .ok()
                .filter(|text| !text.trim().is_empty())
        })
        .unwrap_or_else(|| "vi".to_owned());
    named.split_whitespace().map(str::to_owned).collect()
}

fn open_editor(editor: &[String], path: &Path) -> Result<()> {
    let (program, arguments) = editor.split_first().context("no editor is named")?;
    let remedy = "name your editor in VISUAL or EDITOR, or use `driftwarden approve`";
    let status = std::process::Command::new(program)
        .args(arguments)
        .arg(path)
        .status()
        .map_err(|error| {
            Problem::new(format!("cannot open the editor {program}: {error}"), remedy)
        })?;
    if !status.success() {
        return Err(Problem::new(
            format!("the editor {program} ended with {status}: no decision was changed"),
            remedy,
        )
        .into());
    }
    Ok(())
}
