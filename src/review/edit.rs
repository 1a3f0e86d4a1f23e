//! `review --edit`: the decisions of a plan as YAML in an editor.
//!
//! One line per change, its decision first; what it does stands below as comments. A mistake opens the editor again at
//! its line, with the reason above it. Must never take a part of a file with a mistake in it, and must never lose what
//! was typed.

mod lines;
mod write;

use super::{Decided, Selector, from_file};
use crate::plan::{Decision, Plan};
use crate::refusal::Problem;
use anyhow::{Context as _, Result};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// What marks a line that says what is wrong.
const COMPLAINT: &str = "#!";

/// Opens the decisions in the editor until they read without a mistake, and takes them; returns what that came to.
/// `open` is handed the file and the line to show.
///
/// # Errors
/// When the editor fails, or hands a file with a mistake back as it got it; what was typed is kept in a file, which the
/// error names.
pub fn edit(
    plan: &mut Plan,
    plan_path: &Path,
    open: &mut dyn FnMut(&Path, Option<usize>) -> Result<()>,
) -> Result<Decided> {
    let file = tempfile::Builder::new()
        .prefix("driftwarden-")
        .suffix(".yaml")
        .tempfile()
        .context("make a file for the editor")?;
    let first = write::to_yaml(plan, plan_path);
    let (mut text, mut line) = (first.clone(), None);
    loop {
        // Editors that write by renaming leave another file under this name: it is opened by name each time.
        std::fs::File::create(file.path())
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .context("write the file for the editor")?;
        let opened = open(file.path(), line);
        let edited = std::fs::read_to_string(file.path()).context("read what was edited")?;
        if let Err(failed) = opened {
            return Err(keep(file, edited != first, plan_path, failed));
        }
        let mut wanted = plan.clone();
        let mistakes = match take(&mut wanted, &edited) {
            Ok(decided) => {
                *plan = wanted;
                return Ok(decided);
            }
            Err(mistakes) => mistakes,
        };
        let first = mistakes.first().map(|(line, why)| (*line, why.as_str()));
        let (number, reason) = first.unwrap_or_default();
        if edited == text {
            let failed = Problem::new(
                format!("the decisions still have a mistake: line {number}: {reason}"),
                "no decision was changed: run `driftwarden review --edit` again",
            );
            return Err(keep(file, true, plan_path, failed.into()));
        }
        (text, line) = with_complaints(&edited, &mistakes);
    }
}

/// Keeps what was typed, and says where.
fn keep(
    file: tempfile::NamedTempFile,
    is_edited: bool,
    plan_path: &Path,
    failed: anyhow::Error,
) -> anyhow::Error {
    if !is_edited {
        return failed;
    }
    match file.into_temp_path().keep() {
        Ok(path) => Problem::new(
            format!("{failed:#}"),
            format!(
                "no decision was changed, what you typed is kept: correct {0}, then\n\
                 driftwarden approve {1} --from {0}",
                path.display(),
                plan_path.display()
            ),
        )
        .into(),
        Err(_) => failed,
    }
}

/// Sets the decisions in a file, or returns its mistakes with their line numbers and changes nothing. Entries and rows
/// that it does not name keep theirs.
fn take(plan: &mut Plan, text: &str) -> Result<Decided, Vec<(usize, String)>> {
    let mut mistakes = Vec::new();
    let mut decisions = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        match lines::parse(line) {
            Ok(None) => {}
            Ok(Some((selector, decision))) => match selector.check(plan) {
                Ok(()) => decisions.push((selector, decision)),
                Err(wrong) => mistakes.push((number, said(&wrong))),
            },
            Err(wrong) => mistakes.push((number, said(&wrong))),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    // An editor shows what stands: only what was changed is decided, so that nothing is approved by looking at it.
    decisions.retain(|(selector, decision)| standing(plan, selector) != Some(*decision));
    from_file::decide_all(plan, &decisions).map_err(|wrong| vec![(1, said(&wrong))])
}

/// Returns what is wrong and what may be meant, on one line.
fn said(wrong: &anyhow::Error) -> String {
    let remedy = crate::refusal::remedy_of(wrong).map_or(String::new(), |it| format!("; {it}"));
    format!("{wrong:#}{remedy}").replace('\n', " ")
}

fn standing(plan: &Plan, selector: &Selector) -> Option<Decision> {
    match selector {
        Selector::Id(id) => plan.entry(id).map(|entry| entry.decision),
        Selector::Row(id, number) => {
            let entry = plan.entry(id)?;
            let own = entry.rows.iter().find(|row| row.row == *number);
            let own = own.and_then(|row| row.decision);
            entry.row_decisions.get(number).copied().or(own)
        }
        _ => None,
    }
}

/// Returns the text with each mistake's reason above its line, and the number of the first such line.
fn with_complaints(text: &str, mistakes: &[(usize, String)]) -> (String, Option<usize>) {
    let mut out = String::new();
    let (mut written, mut first) = (0, None);
    for (number, line) in (1..).zip(text.lines()) {
        for (_, reason) in mistakes.iter().filter(|(at, _)| *at == number) {
            let _ = writeln!(out, "{COMPLAINT} {reason}");
            written += 1;
            first = first.or(Some(written + 1));
        }
        // A reason of the time before is no longer one.
        if !line.starts_with(COMPLAINT) {
            out.push_str(line);
            out.push('\n');
            written += 1;
        }
    }
    (out, first)
}

#[cfg(test)]
mod tests;
