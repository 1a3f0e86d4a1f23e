//! `plan --decisions-from`: decisions of an earlier plan for what is unchanged.
//!
//! Must never carry a decision to content that differs in anything but the entry's place in the plan.

use crate::plan::{Decision, Entry, Plan, PlanRow};
use std::collections::BTreeMap;

/// Copies the decisions of entries and rows whose content is the same in both plans; returns how many were carried.
///
/// A schema entry's content is its statements and texts; a row's its kind, key, values and hashes. An entry's own
/// decision on rows is carried when all its rows are the same (for a payload: when its SHA-256 is); otherwise each
/// unchanged row takes the decision that held for it.
pub fn carry(from: &Plan, to: &mut Plan) -> usize {
    let earlier: BTreeMap<&str, &Entry> = from
        .entries
        .iter()
        .map(|entry| (entry.id.as_str(), entry))
        .collect();
    let mut carried = 0;
    for entry in &mut to.entries {
        let Some(before) = earlier.get(entry.id.as_str()) else {
            continue;
        };
        if content(before) == content(entry) {
            carried += usize::from(before.any_decided());
            entry.decision = before.decision;
            entry.row_decisions.clone_from(&before.row_decisions);
            for (row, old) in entry.rows.iter_mut().zip(&before.rows) {
                row.decision = old.decision;
            }
        } else if entry.kind == before.kind && entry.shape == before.shape {
            carried += carry_rows(before, entry);
        }
    }
    carried
}

fn carry_rows(before: &Entry, entry: &mut Entry) -> usize {
    // An entry that only its id approves has become another one: its approval does not hold for single rows either.
    if entry.needs_own_approval {
        return 0;
    }
    let old: BTreeMap<String, Decision> = before
        .rows
        .iter()
        .map(|row| (row_content(row), before.decision_of(row)))
        .filter(|(_, decision)| *decision != Decision::Pending)
        .collect();
    let mut carried = 0;
    for row in &mut entry.rows {
        if let Some(decision) = old.get(&row_content(row)) {
            row.decision = Some(*decision);
            carried += 1;
        }
    }
    carried
}

fn content(entry: &Entry) -> Entry {
    let mut content = entry.clone();
    content.decision = Decision::Pending;
    content.row_decisions.clear();
    content.depends_on.clear();
    content.preview.clear();
    for row in &mut content.rows {
        row.decision = None;
    }
    if let Some(payload) = &mut content.payload {
        // Its number is its place in the plan.
        payload.file.clear();
    }
    content
}

fn row_content(row: &PlanRow) -> String {
    let mut content = row.clone();
    content.row = 0;
    content.decision = None;
    // Text of the content, to look it up by; equal rows have equal texts.
    format!("{content:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::digest;
    use crate::plan::example::plan;

    #[test]
    fn decisions_are_carried_to_what_is_unchanged() {
        let mut old = plan();
        for entry in &mut old.entries {
            entry.decision = Decision::Approve;
        }
        old.entries[1].rows[1].decision = Some(Decision::Deny);
        old.entries[2].row_decisions.insert(9, Decision::Deny);

        let mut same = plan();
        assert_eq!(carry(&old, &mut same), 4);
        assert_eq!(same.entries, old.entries);

        let mut other = plan();
        other.entries[3].sql[0].push('x');
        other.entries[1].rows.remove(0);
        other.entries[1].rows[0].row = 1;
        other.entries[1].count = Some(1);
        if let Some(payload) = &mut other.entries[2].payload {
            payload.sha256 = "11".repeat(32);
        }
        digest::seal(&mut other).unwrap();
        assert_eq!(carry(&old, &mut other), 2);
        assert_eq!(other.entries[0].decision, Decision::Approve);
        assert_eq!(other.entries[1].decision, Decision::Pending);
        assert_eq!(other.entries[1].rows[0].decision, Some(Decision::Deny));
        assert_eq!(other.entries[2].decision, Decision::Pending);
        assert_eq!(other.entries[3].decision, Decision::Pending);
    }
}
