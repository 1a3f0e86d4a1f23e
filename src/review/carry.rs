//! `plan --decisions-from`: decisions of an earlier plan for what is unchanged.
//!
//! Must never carry a decision to a change that looks different to a reviewer.

use super::decide::set_row;
use crate::plan::{Decision, Entry, Plan, PlanRow, payload};
use std::collections::BTreeMap;
use std::path::Path;

/// Copies the decisions of entries and rows whose content is the same in both plans; returns how many were carried.
///
/// A schema entry's content is its statements and texts; a row's what a reviewer sees of it: key, values, change. An
/// entry's own decision on rows is carried when all its rows are the same (for a payload: when its SHA-256 is);
/// otherwise each unchanged row in the new plan file takes the decision that held for it. `from_path` is the earlier
/// plan's file: rows of its payloads that were decided one by one are read there, if it is still here.
pub fn carry(from: &Plan, from_path: &Path, to: &mut Plan) -> usize {
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
        } else if entry.kind == before.kind && entry.kind.is_rows() {
            carried += carry_rows(&decided_rows(before, &from.id, from_path), entry);
        }
    }
    if carried > 0 {
        // Who decided and why goes with what was decided.
        to.review.clone_from(&from.review);
    }
    carried
}

fn carry_rows(old: &BTreeMap<String, Decision>, entry: &mut Entry) -> usize {
    let mut carried = 0;
    let mut decided: Vec<(u64, Decision)> = Vec::new();
    for row in entry.rows.iter().chain(&entry.preview) {
        let Some(decision) = old.get(&row_content(row)) else {
            continue;
        };
        // An entry that only its id approves has become another one: an approval does not hold for its rows.
        if *decision == Decision::Approve && entry.needs_own_approval {
            continue;
        }
        decided.push((row.row, *decision));
        carried += 1;
    }
    for (number, decision) in decided {
        set_row(entry, number, decision);
    }
    carried
}

/// Returns the decided rows of an entry by content: those in the plan file, and those of a payload that have a decision
/// of their own (all of them could be millions).
fn decided_rows(entry: &Entry, plan_id: &str, plan_path: &Path) -> BTreeMap<String, Decision> {
    let mut decided: BTreeMap<String, Decision> = BTreeMap::new();
    let mut take = |row: &PlanRow, decision: Decision| {
        // Masked rows look alike and are not.
        if decision != Decision::Pending && (row.before_hash.is_some() || row.after_hash.is_some())
        {
            decided.insert(row_content(row), decision);
        }
    };
    for row in entry.rows.iter().chain(&entry.preview) {
        take(row, entry.decision_of(row));
    }
    let last = entry.row_decisions.last_key_value().map(|(last, _)| *last);
    if let Some(last) = last.filter(|last| *last > entry.preview.len() as u64)
        && let Ok(rows) = payload::rows(entry, plan_id, plan_path)
    {
        let to_last = usize::try_from(last).unwrap_or(usize::MAX);
        for row in rows.take(to_last).map_while(Result::ok) {
            if let Some(decision) = entry.row_decisions.get(&row.row) {
                take(&row, *decision);
            }
        }
    }
    decided
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
    // They cover what does not change as well, in an encoding that a schema change may alter.
    content.before_hash = None;
    content.after_hash = None;
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
        old.entries[2].row_decisions.insert(1, Decision::Deny);
        old.entries[2].row_decisions.insert(9, Decision::Deny);

        old.review.by = Some("ann".into());

        let mut same = plan();
        assert_eq!(carry(&old, Path::new("/nowhere/p.json"), &mut same), 4);
        assert_eq!(same.entries, old.entries);
        assert_eq!(same.review, old.review);

        let mut other = plan();
        other.entries[3].sql[0].push('x');
        other.entries[1].rows.remove(0);
        other.entries[1].rows[0].row = 1;
        other.entries[1].count = Some(1);
        if let Some(payload) = &mut other.entries[2].payload {
            payload.sha256 = "11".repeat(32);
        }
        digest::seal(&mut other).unwrap();
        assert_eq!(carry(&old, Path::new("/nowhere/p.json"), &mut other), 3);
        assert_eq!(other.entries[2].row_decisions, [(1, Decision::Deny)].into());
        assert_eq!(other.entries[0].decision, Decision::Approve);
        assert_eq!(other.entries[1].decision, Decision::Pending);
        assert_eq!(other.entries[1].rows[0].decision, Some(Decision::Deny));
        assert_eq!(other.entries[2].decision, Decision::Pending);
        assert_eq!(other.entries[3].decision, Decision::Pending);
    }
}
