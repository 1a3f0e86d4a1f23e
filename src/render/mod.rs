//! Views of a plan: text, JSON, SQL, Markdown, HTML.
//!
//! Must never change a plan, and must never let a name or value act on the reader's terminal, browser or pull request:
//! every form escapes what it prints.

pub mod alter;
pub mod diff;
pub mod escape;
pub mod html;
pub mod json;
pub mod markdown;
pub mod sql;
pub mod style;
pub mod text;
mod values;
mod words;

#[cfg(test)]
mod tests;

use crate::plan::{Entry, Plan, PlanRow, payload};
use std::path::Path;

/// What of a plan is rendered, and how.
#[derive(Debug, Clone)]
pub struct View<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Its file, where it has one: payloads are read beside it, and commands name it.
    pub path: Option<&'a Path>,
    /// The entries to render, in plan order.
    pub entries: Vec<&'a Entry>,
    /// How many rows of an entry are shown at most.
    pub limit: u64,
    /// Whether text is coloured.
    pub color: bool,
    /// Whether long values are shown whole.
    pub whole: bool,
    /// Whether the view is handed to others (a pull request, a page): then of a plan whose previews are masked or left
    /// out, no payload is read.
    pub shared: bool,
}

/// How many rows of an entry text shows where nothing else is said.
pub const ROWS_SHOWN: u64 = 20;

impl<'a> View<'a> {
    /// Creates the view of a whole plan, without colour.
    pub fn new(plan: &'a Plan, path: Option<&'a Path>) -> Self {
        Self {
            plan,
            path,
            entries: plan.entries.iter().collect(),
            limit: ROWS_SHOWN,
            color: false,
            whole: false,
            shared: false,
        }
    }

    /// Returns whether only a part of the plan is rendered.
    pub fn is_part(&self) -> bool {
        self.entries.len() < self.plan.entries.len()
    }

    /// Returns an entry's first rows, each with the decision that holds for it, and a word on why there are not more
    /// where a payload should have given them.
    pub fn rows(&self, entry: &Entry) -> (Vec<PlanRow>, Option<String>) {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let from_plan = || {
            let rows = entry.rows.iter().chain(&entry.preview).take(limit).cloned();
            rows.map(|mut row| {
                row.decision = Some(entry.decision_of(&row));
                row
            })
            .collect::<Vec<_>>()
        };
        let wanted = entry.count.unwrap_or(0).min(self.limit);
        let is_longer = wanted > entry.preview.len() as u64;
        let has_hash = |row: &PlanRow| row.before_hash.is_some() || row.after_hash.is_some();
        // Masked rows have no hashes.
        let is_full = entry.preview.first().is_some_and(has_hash);
        let reads = if self.shared {
            is_full && is_longer
        } else {
            !is_full || is_longer
        };
        if entry.payload.is_none() || !reads {
            return (from_plan(), None);
        }
        let Some(path) = self.path else {
            return (from_plan(), None);
        };
        let read = payload::rows(entry, &self.plan.id, path)
            .and_then(|rows| rows.take(limit).collect::<anyhow::Result<Vec<_>>>());
        match read {
            Ok(rows) => (rows, None),
            Err(error) => (from_plan(), Some(error.root_cause().to_string())),
        }
    }
}
